"""Scene files: a tiled JPEG GeoTIFF with overviews, and the objects as GeoJSON in the raster's CRS."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.transform import from_origin
from shapely import affinity
from shapely.geometry import mapping

from engine.demo.scene.drawing import DrawnObject
from engine.types import UInt8Array

CRS = "EPSG:32632"
PIXEL = 0.5  # metres
WEST, NORTH = 600_000.0, 5_300_000.0
DRAWN_NOTE = "Drawn by a program, not a photograph: a made-up place with no counterpart on the ground."

_TAG = "MPSCLIP_SCENE"


def write_raster(path: Path, picture: UInt8Array, identity: str) -> None:
    """Write a picture (H, W, 3) uint8 under a temporary name and move it into place.

    Raises:
        OSError: the folder cannot be written.
    """
    height, width, _ = picture.shape
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "width": width,
        "height": height,
        "count": 3,
        "dtype": "uint8",
        "crs": CRS,
        "transform": from_origin(WEST, NORTH, PIXEL, PIXEL),
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
        "compress": "JPEG",
        "jpeg_quality": 90,
        "photometric": "YCBCR",
    }
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as scratch:
        draft = Path(scratch) / path.name
        try:
            with rasterio.Env(JPEG_QUALITY_OVERVIEW=90, PHOTOMETRIC_OVERVIEW="YCBCR", GDAL_NUM_THREADS=1):
                with rasterio.open(draft, "w", **profile) as target:
                    target.write(np.moveaxis(picture, 2, 0))
                    target.update_tags(TIFFTAG_IMAGEDESCRIPTION=DRAWN_NOTE, **{_TAG: identity})
                with rasterio.open(draft, "r+") as target:
                    target.build_overviews(
                        [f for f in (2, 4, 8, 16) if min(width, height) // f >= 128], Resampling.average
                    )
        except RasterioError as error:
            raise OSError(str(error)) from error
        draft.replace(path)


def write_objects(path: Path, objects: list[DrawnObject], identity: str) -> None:
    """Write the objects as GeoJSON, coordinates in metres of :data:`CRS`.

    RFC 7946 knows WGS 84 only; the ``crs`` member of the 2008 format, which GDAL, QGIS and geopandas read, names the
    projected CRS, so that the outlines stay exact.

    Raises:
        OSError: the folder cannot be written.
    """
    counts: dict[str, int] = {}
    features: list[dict[str, Any]] = []
    for item in objects:
        counts[item.kind] = counts.get(item.kind, 0) + 1
        ground = affinity.affine_transform(item.polygon, (PIXEL, 0, 0, -PIXEL, WEST, NORTH))
        properties = {"id": f"{item.kind}-{counts[item.kind]}", "kind": item.kind, "part_of": item.part_of}
        features.append({"type": "Feature", "properties": properties, "geometry": _rounded(mapping(ground))})
    document = {
        "type": "FeatureCollection",
        "name": path.stem,
        "description": DRAWN_NOTE,
        "scene": identity,
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::" + CRS.removeprefix("EPSG:")}},
        "features": features,
    }
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(document, stream)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _rounded(geometry: dict[str, Any]) -> dict[str, Any]:
    """The geometry with coordinates to the millimetre."""
    rings = [[[round(x, 3), round(y, 3)] for x, y, *_ in ring] for ring in geometry["coordinates"]]
    return {"type": geometry["type"], "coordinates": rings}


def is_current(raster: Path, objects: Path, identity: str) -> bool:
    """Whether both files exist, can be read, and are of this identity."""
    if not (raster.is_file() and objects.is_file()):
        return False
    try:
        with rasterio.open(raster) as source:
            if source.tags().get(_TAG) != identity:
                return False
        with objects.open(encoding="utf-8") as stream:
            return bool(json.load(stream).get("scene") == identity)
    except (RasterioError, OSError, ValueError, AttributeError):
        return False
