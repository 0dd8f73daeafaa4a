"""A process of its own that indexes a raster: ``worker.py RASTER CACHE``; prints what it did."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from torch import Tensor

from engine.config import IndexOptions
from engine.index.build import build_index
from engine.index.folder import IndexFolder
from engine.raster.source import RasterSource
from tests.support.colour_model import ColourModel


class SlowModel(ColourModel):
    """Takes its time, so that a test can interfere."""

    def encode_images(self, images: Tensor) -> Tensor:
        time.sleep(0.05)
        return super().encode_images(images)


if __name__ == "__main__":
    options = IndexOptions(tile="64px", overlap=0.0, batch_size=4, commit_seconds=0.0)
    with RasterSource.open(sys.argv[1]) as source:
        index = build_index(source, SlowModel(), options, IndexFolder(Path(sys.argv[2])))
    print(index.encoded, index.reused, len(index.store.done))
