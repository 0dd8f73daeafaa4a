"""A process of its own that indexes a raster: ``worker.py RASTER CACHE [FIRST BEYOND]``; prints what it did.

With the numbers only the tiles between them; it reads what it has found to the end, as a search does.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
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
        tiles = np.arange(int(sys.argv[3]), int(sys.argv[4])) if len(sys.argv) > 3 else None
        index = build_index(source, SlowModel(), options, IndexFolder(Path(sys.argv[2])), tiles=tiles)
        for _ in range(5):
            found, _ = index.score(lambda rows: rows[:, 0])
            if found.tolist() != list(index.tiles):
                sys.exit(f"{len(found)} tiles found of {len(index.tiles)}")
            time.sleep(0.05)
    print(index.encoded, index.reused, len(index.store.done))
