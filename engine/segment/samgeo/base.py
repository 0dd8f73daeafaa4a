"""What the SamGeo segmenters share: the model is loaded at the first tile, and whatever it prints is contained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

import torch

from engine.errors import EngineError, ModelError
from engine.segment.contract import Segment
from engine.segment.samgeo.contained import contained
from engine.types import UInt8Array

Model = TypeVar("Model")


class LazySegmenter(ABC, Generic[Model]):
    """:class:`engine.segment.contract.Segmenter` around a model that is slow to load.

    Args:
        name: of the segmenter, for messages.
        identity: see the contract.
        device: CUDA or else the CPU; other devices lack operations that these models use.
    """

    def __init__(self, name: str, identity: str, device: torch.device) -> None:
        self.identity = identity
        self._name = name
        self._device = device if device.type == "cuda" else torch.device("cpu")
        self._model: Model | None = None

    def segment(self, tiles: Sequence[UInt8Array], keywords: Sequence[Sequence[str]]) -> list[list[Segment]]:
        """See the contract.

        Raises:
            ModelError: the weights cannot be loaded.
        """
        found: list[list[Segment]] = [[] for _ in tiles]
        wanted = [i for i, (_, words) in enumerate(zip(tiles, keywords, strict=True)) if words]
        if not wanted:
            return found
        with contained(), torch.inference_mode():
            model = self._loaded()
            for i in wanted:
                found[i] = self._segment(model, tiles[i], list(dict.fromkeys(keywords[i])))
        return found

    @abstractmethod
    def _load(self) -> Model:
        """Builds the model; whatever it raises means that the weights do not fit."""

    @abstractmethod
    def _segment(self, model: Model, tile: UInt8Array, keywords: Sequence[str]) -> list[Segment]:
        """Segments of one tile, keywords without repetitions."""

    def _loaded(self) -> Model:
        if self._model is None:
            try:
                self._model = self._load()
            except EngineError:
                raise
            except Exception as error:  # damaged files fail in as many ways as there are readers
                what = " ".join(str(error).split())[:300] or type(error).__name__
                raise ModelError(
                    f"The weights of segmenter {self._name} cannot be loaded: {what}.",
                    f"Delete them and fetch them again: 'mpsclip segmenters list' says where they are, "
                    f"'mpsclip segmenters fetch {self._name}' fetches them.",
                    segmenter=self._name,
                ) from error
        return self._model
