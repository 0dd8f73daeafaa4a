"""From arguments to the options of the engine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from engine.config import AreaOption
from engine.errors import UsageError
from engine.raster.bands import parse_bands
from engine.raster.grid import parse_tile_size


def index_values(args: argparse.Namespace) -> dict[str, Any]:
    """Values for :class:`engine.config.IndexOptions`; None where the user has not given one.

    Raises:
        UsageError, BandError: a tile size, band list, stretch or area that is not understood.
    """
    if args.tile is not None:
        parse_tile_size(args.tile)  # said now, and not when a raster has been opened
    return {
        "tile": args.tile,
        "overlap": args.overlap,
        "min_valid": args.min_valid,
        "bands": parse_bands(args.bands) if args.bands is not None else None,
        "stretch": parse_stretch(args.stretch) if args.stretch is not None else None,
        "area": _area(args),
        "batch_size": args.batch_size,
    }


def parse_stretch(text: str) -> tuple[tuple[float, float], ...]:
    """``"0,3000"``, or ``"0,3000;0,2500;0,2000"``: values that become black and white.

    Raises:
        UsageError: for anything else.
    """
    from engine.raster.stretch import check_limits

    try:
        limits = tuple((float(lo), float(hi)) for lo, hi in (pair.split(",") for pair in text.split(";")))
    except ValueError as error:
        raise UsageError(
            f"Stretch {text!r} is not understood.",
            "Give the values that become black and white, such as 0,3000, or three such pairs: 0,3000;0,2500;0,2000.",
            stretch=text,
        ) from error
    check_limits(limits)
    return limits


def _area(args: argparse.Namespace) -> AreaOption | None:
    if args.area is None:
        if args.area_crs is not None:
            raise UsageError("--area-crs goes with --area.", "Give an area too, or leave it out.", crs=args.area_crs)
        return None
    file = Path(args.area).expanduser()
    if "(" in args.area and not _exists(file):
        return AreaOption(wkt=args.area, crs=args.area_crs)
    if not _exists(file):
        raise UsageError(
            f"Area {args.area!r} is no file and no well-known text.",
            "Give a file of polygons, or a polygon such as POLYGON ((0 0, 100 0, 100 100, 0 100, 0 0)).",
            area=args.area,
        )
    from engine.raster.area import read_area

    return read_area(file, args.area_crs)


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:  # a long polygon is no name of a file
        return False
