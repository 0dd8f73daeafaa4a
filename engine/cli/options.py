"""From arguments to the options of the engine."""

from __future__ import annotations

import argparse
from typing import Any

from engine.raster.bands import parse_bands
from engine.raster.grid import parse_tile_size


def index_values(args: argparse.Namespace) -> dict[str, Any]:
    """Values for :class:`engine.config.IndexOptions`; None where the user has not given one.

    Raises:
        UsageError, BandError: a tile size or band list that is not understood.
    """
    if args.tile is not None:
        parse_tile_size(args.tile)  # said now, and not when a raster has been opened
    return {
        "tile": args.tile,
        "overlap": args.overlap,
        "min_valid": args.min_valid,
        "bands": parse_bands(args.bands) if args.bands is not None else None,
        "batch_size": args.batch_size,
    }
