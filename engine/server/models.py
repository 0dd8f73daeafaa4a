"""Models and segmenters that stay loaded between requests."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import torch

from engine.config import SegmenterName
from engine.models.catalogue import DEFAULT_MODEL
from engine.models.contract import RetrievalModel
from engine.models.registry import LOCAL_PREFIX, MPS_CLIP_PREFIX, load_model, resolve_device
from engine.search.segmenters import choose_segmenter, make_segmenter
from engine.segment.contract import Segmenter
from engine.types import Progress, ProgressSink

KEPT = 2
"""Models kept at once: two that are compared with each other, and no more memory than that."""

_Key = tuple[str, torch.device, tuple[float, int] | None]


@dataclass(slots=True)
class _Loaded:
    model: RetrievalModel
    # The one used last: SAM is larger than most retrieval models, so one is enough.
    segmenter: tuple[tuple[SegmenterName, Path | None], Segmenter | None] | None = None


@dataclass(slots=True)
class ModelCache:
    """The :data:`KEPT` models used last, each with its last segmenter; in one thread only."""

    _entries: OrderedDict[_Key, _Loaded] = field(default_factory=OrderedDict)

    @property
    def loaded(self) -> list[str]:
        """Ids of the models, the one used last first."""
        return [entry.model.identity.model_id for entry in reversed(self._entries.values())]

    def model(self, name: str | None, device: str | None, progress: ProgressSink) -> RetrievalModel:
        """The model of that name, loaded if it is not yet, or if its file has changed.

        Args:
            name: as :func:`engine.models.registry.load_model` takes it; None: the default model.
            device: likewise; None: ``auto``.
            progress: receives the stages ``"download"`` and ``"load"``.

        Raises:
            UsageError, ModelError: see :func:`engine.models.registry.load_model`.
        """
        name = name or DEFAULT_MODEL
        place = device or "auto"
        key = (name, _numbered(resolve_device(place)), _stamp(name))
        if key not in self._entries:
            progress(Progress("load", 0, 1, name))
            self._entries[key] = _Loaded(load_model(name, place, progress))
            progress(Progress("load", 1, 1, name))
            while len(self._entries) > KEPT:
                self._entries.popitem(last=False)
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
        self._entries.move_to_end(key)
        return self._entries[key].model

    def segmenter(self, name: SegmenterName, model: RetrievalModel, weights: Path | None) -> Segmenter | None:
        """The segmenter of that name for a model, which may have loaded its own weights already.

        Raises:
            EngineError: see :func:`engine.search.segmenters.make_segmenter`.
        """
        if name is SegmenterName.AUTO:
            name = choose_segmenter(model, weights).name
        entry = next((entry for entry in self._entries.values() if entry.model is model), None)
        if entry is None:
            return make_segmenter(name, model, weights)
        if entry.segmenter is None or entry.segmenter[0] != (name, weights):
            entry.segmenter = None  # its memory is free before the next is loaded
            entry.segmenter = ((name, weights), make_segmenter(name, model, weights))
        return entry.segmenter[1]


def _numbered(device: torch.device) -> torch.device:
    """``cuda`` is ``cuda:0``: one model is not loaded twice for two names of a device."""
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def _stamp(name: str) -> tuple[float, int] | None:
    """Time and size of the file in the name of a model of one's own: another file may lie there now."""
    if name.startswith(LOCAL_PREFIX):
        file = name.removeprefix(LOCAL_PREFIX).partition(":")[2]
    elif name.startswith(MPS_CLIP_PREFIX):
        file = name.removeprefix(MPS_CLIP_PREFIX)
    else:
        return None
    for candidate in (file, file.rpartition("@")[0]):
        path = Path(candidate).expanduser()
        if candidate and path.is_file():
            found = path.stat()
            return found.st_mtime, found.st_size
    return None
