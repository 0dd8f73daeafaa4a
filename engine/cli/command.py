"""What the commands share: their surroundings, and options that several of them take."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from engine.cli.interrupt import Interrupt
from engine.cli.progress import ProgressBars
from engine.config import SegmenterName
from engine.types import Json


@dataclass(frozen=True, slots=True)
class Context:
    """Where a command writes its result (standard output), whom it tells of progress, and what stops it."""

    out: TextIO
    progress: ProgressBars
    interrupt: Interrupt

    @contextmanager
    def working(self) -> Iterator[None]:
        """Entered when a command has imported what it needs: from here on Ctrl-C ends it in order."""
        with self.interrupt.watching():
            yield

    def print(self, *lines: str) -> None:
        """Lines of a result for people."""
        for line in lines:
            print(line, file=self.out, flush=True)

    def print_json(self, value: Json) -> None:
        """The one JSON object that is the result."""
        print(json.dumps(value, ensure_ascii=False, allow_nan=False), file=self.out, flush=True)


Run = Callable[[argparse.Namespace, Context], int]


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """``--model`` and ``--device``."""
    parser.add_argument(
        "--model",
        metavar="ID",
        help="of 'mpsclip models list', or open_clip:ARCHITECTURE:FILE, mps_clip:FILE or prior_clip:FILE",
    )
    parser.add_argument("--device", metavar="NAME", default="auto", help="auto, cpu, cuda or mps (default: auto)")


def add_index_options(parser: argparse.ArgumentParser) -> None:
    """How rasters are cut into tiles and where the index is kept."""
    parser.add_argument(
        "--tile",
        metavar="SIDE",
        help="side of a tile, such as 224px or 100m (default: auto: 224px, and 67m where pixels are finer than 0.3 m)",
    )
    parser.add_argument("--overlap", type=float, metavar="F", help="of neighbouring tiles, 0 to 0.9 (default: 0.25)")
    parser.add_argument("--min-valid", type=float, metavar="F", help="least share of valid pixels (default: 0.5)")
    parser.add_argument("--bands", metavar="B,B,B", help="red, green and blue (default: by colour interpretation)")
    parser.add_argument(
        "--stretch",
        metavar="LO,HI[;…]",
        help="band values that become black and white: one pair, or three (default: percentiles 2 and 98)",
    )
    parser.add_argument("--area", metavar="WKT|FILE", help="only tiles that meet these polygons (default: all tiles)")
    parser.add_argument(
        "--area-crs", metavar="EPSG:N", help="of the area, where its file does not say (default: each raster's)"
    )
    parser.add_argument("--batch-size", type=int, metavar="N", help="tiles encoded at once")
    add_cache_option(parser)


def add_segmenter_options(parser: argparse.ArgumentParser) -> None:
    """``--segmenter`` and ``--segmenter-weights``."""
    names = [name.value for name in SegmenterName]
    parser.add_argument("--segmenter", choices=names, help="what outlines keywords on the best hits (default: auto)")
    add_segmenter_weights(parser)


def add_segmenter_weights(parser: argparse.ArgumentParser) -> None:
    """``--segmenter-weights``."""
    parser.add_argument(
        "--segmenter-weights", type=Path, metavar="DIR", help="of SamGeo segmenters (default: the user's data folder)"
    )


def add_cache_option(parser: argparse.ArgumentParser) -> None:
    """``--cache``."""
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder of the index (default: the user's cache)")


def human_bytes(count: float) -> str:
    """``"3.2 MB"``; decimal units, as disks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table with left-aligned columns."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in [header, *rows])
    return ["  ".join(cells).rstrip() for cells in padded]
