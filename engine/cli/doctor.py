"""``mpsclip doctor``: whether this installation works, as a report to paste into an issue."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from engine.cli.command import Context, add_cache_option, human_bytes
from engine.errors import EngineError
from engine.resources import project_version

NAME = "doctor"
HELP = "check this installation"

_PACKAGES = ("torch", "open_clip_torch", "rasterio", "pyproj", "geopandas", "lancedb", "scikit-image", "numpy")
# Variables of another GDAL or PROJ installation are the commonest cause of wrong coordinates and failed imports.
_VARIABLES = ("GDAL_DATA", "PROJ_DATA", "PROJ_LIB", "PYTHONPATH", "PYTHONHOME", "HF_ENDPOINT", "HF_HUB_OFFLINE")


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, whether it is as it should be, and what was seen or is to be done."""

    check: str
    ok: bool
    detail: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``mpsclip doctor``."""
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    add_cache_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, context: Context) -> int:
    """Prints every finding; 1 if one of them is bad."""
    findings = []
    for finding in _findings(args.cache):
        findings.append(finding)
        if not args.json:
            context.print(f"{'ok ' if finding.ok else 'BAD'}  {finding.check}: {finding.detail}")
    healthy = all(finding.ok for finding in findings)
    if args.json:
        context.print_json({"healthy": healthy, "findings": [asdict(finding) for finding in findings]})
    return 0 if healthy else 1


def _findings(cache: Path | None) -> Iterator[Finding]:
    yield Finding("mpsclip", True, f"{project_version()}, Python {platform.python_version()}, {sys.executable}")
    yield Finding("system", True, f"{platform.platform()}, {os.cpu_count()} processors")
    yield from (_checked(package, partial(importlib.metadata.version, package)) for package in _PACKAGES)
    yield _variables()
    yield _checked("GDAL", _gdal)
    yield _checked("coordinates", _coordinates)
    yield _checked("devices", _devices)
    yield _checked("index folder", lambda: _folder(cache))
    yield _checked("default model", _model)


def _checked(check: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(check, True, look())
    except importlib.metadata.PackageNotFoundError:
        return Finding(check, False, "not installed. Install the project again.")
    except EngineError as error:
        return Finding(check, False, str(error))
    except Exception as error:  # a broken library may raise anything; the report goes on
        return Finding(check, False, f"{type(error).__name__}: {' '.join(str(error).split())}")


def _variables() -> Finding:
    present = [f"{name}={os.environ[name]}" for name in _VARIABLES if os.environ.get(name)]
    return Finding("environment", True, ", ".join(present) if present else "no variables of other installations")


def _gdal() -> str:
    import rasterio
    from rasterio.drivers import raster_driver_extensions

    known = raster_driver_extensions()
    missing = [suffix for suffix in ("tif", "jp2", "vrt") if suffix not in known]
    if missing:
        raise EngineError(f"GDAL cannot read .{', .'.join(missing)}.", "Reinstall rasterio.")
    return f"{rasterio.__gdal_version__}, reads GeoTIFF, JPEG 2000 and VRT"


def _coordinates() -> str:
    import pyproj

    # The false easting of UTM is exact by definition: a wrong PROJ database shows here.
    transformer = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True)
    x, y = transformer.transform(15.0, 0.0)
    if abs(x - 500_000.0) > 1e-6 or abs(y) > 1e-6:
        raise EngineError(f"PROJ gives {x}, {y} for 15° E on the equator.", "Unset PROJ_LIB and PROJ_DATA.")
    return f"PROJ {pyproj.proj_version_str}, data in {pyproj.datadir.get_data_dir()}"


def _devices() -> str:
    import torch

    names = [f"cpu ({torch.get_num_threads()} threads)"]
    if torch.cuda.is_available():
        names += [f"cuda ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return ", ".join(names)


def _folder(cache: Path | None) -> str:
    from engine.index.folder import IndexFolder

    folder = IndexFolder(cache)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder.path):
            pass
    except OSError as error:
        raise EngineError(
            f"{folder.path} cannot be written: {error.strerror}.", "Choose another with --cache or MPSCLIP_CACHE."
        ) from error
    return f"{folder.path}, {human_bytes(folder.free_bytes())} free"


def _model() -> str:
    import numpy as np

    from engine.models.registry import load_model

    model = load_model()
    model.encode_texts(["a parking lot"])
    images = np.random.default_rng(0).integers(0, 256, (8, model.image_size, model.image_size, 3), dtype=np.uint8)
    batch = model.preprocess(images)
    model.encode_images(batch)
    start = time.perf_counter()
    model.encode_images(batch)
    speed = len(images) / (time.perf_counter() - start)
    return f"{model.identity.model_id} on {model.device}, {speed:.0f} tiles a second"
