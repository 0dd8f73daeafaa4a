"""A georeferenced mosaic of RSICD images: ground truth for a search through the whole engine.

Each image fills one 224 px cell of a canvas in a metric CRS; which cell holds which image is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from engine.datasets.rsicd import CaptionedImage, load_pixels

CELL = 224
PIXEL_M = 1.0
CRS = "EPSG:32632"
ORIGIN = (500_000.0, 5_300_000.0)


@dataclass(frozen=True, slots=True)
class Mosaic:
    """The raster and the image in each cell, row by row; the last row may be part empty (nodata 0)."""

    raster: Path
    columns: int
    images: tuple[CaptionedImage, ...]

    def cell_of(self, index: int) -> tuple[int, int]:
        """Row and column of the cell that holds ``images[index]``."""
        return divmod(index, self.columns)

    def image_at(self, x: float, y: float) -> CaptionedImage | None:
        """The image under a point in the mosaic's CRS (metres); None in the empty rest."""
        column = int((x - ORIGIN[0]) / PIXEL_M // CELL)
        row = int((ORIGIN[1] - y) / PIXEL_M // CELL)
        index = row * self.columns + column
        if not 0 <= column < self.columns or not 0 <= index < len(self.images):
            return None
        return self.images[index]


def write_mosaic(images: Sequence[CaptionedImage], raster: Path, seed: int = 0) -> Mosaic:
    """Writes all images in random order (fixed by ``seed``) as one near-square lossless GeoTIFF."""
    order = np.random.default_rng(seed).permutation(len(images))
    placed = tuple(images[int(i)] for i in order)
    columns = math.ceil(math.sqrt(len(placed)))
    rows = math.ceil(len(placed) / columns)
    profile = {
        "driver": "GTiff",
        "width": columns * CELL,
        "height": rows * CELL,
        "count": 3,
        "dtype": "uint8",
        "crs": CRS,
        "transform": rasterio.transform.from_origin(*ORIGIN, PIXEL_M, PIXEL_M),
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
        "compress": "deflate",
        "photometric": "rgb",
    }
    with rasterio.open(raster, "w", **profile) as target:
        for row in range(rows):
            strip = load_pixels(placed[row * columns : (row + 1) * columns], CELL)
            pixels = strip.transpose(3, 1, 0, 2).reshape(3, CELL, -1)  # (3, 224, n * 224)
            target.write(pixels, window=Window(0, row * CELL, pixels.shape[2], CELL))
    return Mosaic(raster, columns, placed)
