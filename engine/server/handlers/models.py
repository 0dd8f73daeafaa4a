"""``models.fetch``."""

from __future__ import annotations

from engine.server.params import FetchParams
from engine.server.work import Work
from engine.types import Json


def fetch(given: Json, work: Work) -> Json:
    """Brings a model's weights here, unless they are, and checks them.

    Raises:
        EngineError: see :func:`engine.models.fetch.fetch_weights`.
    """
    from engine.models.catalogue import catalogue
    from engine.models.fetch import fetch_weights

    params = FetchParams.model_validate(given)
    entry = catalogue().get(params.model)
    weights = fetch_weights(entry, work.progress)
    return {"model": entry.id, "file": str(weights.path), "sha256": weights.sha256}
