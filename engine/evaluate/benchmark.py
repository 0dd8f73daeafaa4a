"""Indexing speed as a ratio in one run: end to end against the bare model, and against the loop a user would write.

python -m engine.evaluate.benchmark RASTER [--model ID] [--tile 224px] [--overlap 0.25]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from PIL import Image
from rasterio.windows import Window

from engine.config import IndexOptions
from engine.index.build import build_index
from engine.index.folder import IndexFolder
from engine.models.contract import RetrievalModel
from engine.models.registry import load_model
from engine.raster.grid import Grid, make_grid, parse_tile_size
from engine.raster.source import RasterSource

BATCH = 32
BARE_BATCHES = 12
HAND_TILES = 200


def measure(raster: str, model: RetrievalModel, options: IndexOptions) -> dict[str, Any]:
    """Tiles a second of four ways to embed a raster, each in this process, one after the other, and their ratios.

    ``bare``: :meth:`encode_images` on tensors in memory. ``end_to_end``: a fresh index, opened to committed.
    ``by_hand_1`` and ``by_hand_32``: a rasterio window at a time, PIL, preprocessing, in batches of 1 and 32.
    """
    with RasterSource.open(raster) as source, tempfile.TemporaryDirectory() as cache:
        grid = make_grid(source, parse_tile_size(options.tile), options.overlap)
        bare = _bare(model)
        started = time.perf_counter()
        index = build_index(source, model, options, IndexFolder(Path(cache)))
        seconds = time.perf_counter() - started
        size = sum(file.stat().st_size for file in Path(cache).rglob("*") if file.is_file())
        hand = {size: _by_hand(raster, model, grid, size) for size in (1, BATCH)}
    end_to_end = index.encoded / seconds
    return {
        "raster": Path(raster).name,
        "model": model.identity.model_id,
        "device": model.device.type,
        "threads": torch.get_num_threads(),
        "tiles": index.encoded,
        "tiles_per_s": {
            "bare": round(bare, 1),
            "end_to_end": round(end_to_end, 1),
            "by_hand_1": round(hand[1], 1),
            "by_hand_32": round(hand[BATCH], 1),
        },
        "end_to_end_over_bare": round(end_to_end / bare, 3),
        "end_to_end_over_by_hand_1": round(end_to_end / hand[1], 3),
        "end_to_end_over_by_hand_32": round(end_to_end / hand[BATCH], 3),
        "index_bytes_per_tile": round(size / max(1, len(grid))),
    }


def _bare(model: RetrievalModel) -> float:
    side = model.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, side, side, 3), dtype=np.uint8)
    inputs = model.preprocess(pixels)
    return BATCH * BARE_BATCHES / _timed(lambda: [model.encode_images(inputs) for _ in range(BARE_BATCHES)])


def _by_hand(raster: str, model: RetrievalModel, grid: Grid, batch: int) -> float:
    def run() -> None:
        with rasterio.open(raster) as dataset:
            waiting = []
            for tile in islice(grid, HAND_TILES):
                window = Window(tile.x, tile.y, tile.width, tile.height)
                pixels = dataset.read([1, 2, 3], window=window).transpose(1, 2, 0)
                picture = Image.fromarray(pixels).resize((model.image_size, model.image_size))
                waiting.append(np.asarray(picture))
                if len(waiting) == batch:
                    model.encode_images(model.preprocess(np.stack(waiting)))
                    waiting = []
            if waiting:
                model.encode_images(model.preprocess(np.stack(waiting)))

    return min(HAND_TILES, len(grid)) / _timed(run)


def _timed(work: Callable[[], object]) -> float:
    """Seconds of the second run: the first one warms up."""
    for _ in range(2):
        started = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raster", help="an 8-bit RGB raster")
    parser.add_argument("--model", default="rsicd-mini")
    parser.add_argument("--tile", default="224px")
    parser.add_argument("--overlap", type=float, default=0.25)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    model = load_model(args.model, args.device)
    print(json.dumps(measure(args.raster, model, IndexOptions(tile=args.tile, overlap=args.overlap)), indent=1))


if __name__ == "__main__":
    main()
