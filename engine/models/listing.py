"""The catalogue as JSON, with what of it is on this machine."""

from __future__ import annotations

from engine.models.catalogue import DEFAULT_MODEL, catalogue
from engine.models.weights import local_file
from engine.types import Json


def models_json() -> Json:
    """``{default, models}``: each model's entry and its ``file``, null where it is still to be fetched."""
    entries = [(entry, local_file(entry)) for entry in catalogue().models]
    return {
        "default": DEFAULT_MODEL,
        "models": [entry.model_dump(mode="json") | {"file": str(file) if file else None} for entry, file in entries],
    }
