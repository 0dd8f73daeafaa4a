"""Memory of reading does not grow with the raster."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.rasters import large_textured_raster

READ_ALL = """
import json, resource, sys
from engine.raster.grid import make_grid, parse_tile_size
from engine.raster.read import TileReader, iter_tiles
from engine.raster.source import RasterSource
with RasterSource.open(sys.argv[1]) as source:
    grid = make_grid(source, parse_tile_size("224px"), 0.0)
with TileReader(sys.argv[1], None, None, 224) as reader:
    seen, spread = 0, 255.0
    for tiles, images, valid in iter_tiles(reader, grid, 64):
        seen += len(tiles)
        spread = min(spread, float(images[0].std()))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"tiles": len(grid), "seen": seen, "spread": spread, "peak_mb": peak}))
"""


def read_all(path: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", READ_ALL, str(path)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is asked in Linux's units")
def test_peak_memory_of_a_large_raster_is_that_of_a_small_one(tmp_path) -> None:
    small = read_all(large_textured_raster(tmp_path, 1000))
    large = read_all(large_textured_raster(tmp_path, 20_000))
    assert (small["tiles"], small["seen"]) == (25, 25)
    assert (large["tiles"], large["seen"]) == (8100, 8100)
    assert large["spread"] > 20  # textured to the last corner
    assert large["peak_mb"] - small["peak_mb"] < 300
