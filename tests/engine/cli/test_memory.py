"""Peak memory of a search does not grow with the raster (docs/evaluation.md), and what a search's process prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.rasters import large_textured_raster

ROOT = Path(__file__).resolve().parents[3]
SEARCH = """
import resource, sys
from engine.cli.main import main
status = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
sys.exit(status)
"""


def search(raster: Path, *options: str) -> tuple[dict[str, int], float]:
    """Counts of a search, and the peak resident memory of its process in MB."""
    command = [sys.executable, "-c", SEARCH, "search", "parking lot", raster, "--out", raster.with_suffix(".gpkg")]
    done = subprocess.run([*command, "--json", *options], cwd=ROOT, capture_output=True, text=True, check=True)
    result, peak = done.stdout.splitlines()  # the object and nothing else
    assert "index" in done.stderr
    return json.loads(result)["counts"], float(peak)


@pytest.mark.slow
def test_a_raster_of_400_megapixels_needs_little_more_memory_than_one_of_four(tmp_path: Path, packaged: None) -> None:
    options = ("--tile", "2000px", "--overlap", "0", "--refine", "4")
    small, small_peak = search(large_textured_raster(tmp_path, 2000), *options)
    large, large_peak = search(large_textured_raster(tmp_path, 20_000), *options)
    assert (small["tiles"], small["encoded"]) == (1, 1)
    assert (large["tiles"], large["encoded"], large["left_out"]) == (100, 100, 0)
    assert large_peak - small_peak <= 600
