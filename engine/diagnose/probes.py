"""Looks that use what is installed; each runs in the doctor's child process and loads its packages itself."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from engine.diagnose.finding import Seen
from engine.errors import EngineError

if TYPE_CHECKING:
    import torch

    from engine.types import UInt8Array

_MEGABYTE = 1_000_000
# One index of a city takes some hundreds of megabytes.
LEAST_FREE = 100 * _MEGABYTE
ADVISED_FREE = 2_000 * _MEGABYTE
_FOREIGN_PROJ = "Unset PROJ_LIB, PROJ_DATA and PYTHONPATH: they may lead to another PROJ."
_FOREIGN_GDAL = "Unset GDAL_DATA, GDAL_DRIVER_PATH and PYTHONPATH: they may lead to another GDAL."
_MATRIX_SIDE = 256


def look_at_gdal() -> Seen:
    """Formats; a GeoTIFF and a GeoPackage are written and read back."""
    import geopandas
    import numpy as np
    import pyogrio
    import rasterio
    from rasterio.drivers import raster_driver_extensions
    from rasterio.transform import from_origin
    from shapely.geometry import box

    known = raster_driver_extensions()
    missing = [suffix for suffix in ("tif", "jp2", "vrt") if suffix not in known]
    if missing:
        raise EngineError(f"GDAL cannot read .{', .'.join(missing)}.", _FOREIGN_GDAL)
    with tempfile.TemporaryDirectory(prefix="mpsclip-") as folder:
        raster, vector = Path(folder, "doctor.tif"), Path(folder, "doctor.gpkg")
        pixels = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
        profile = {"driver": "GTiff", "width": 8, "height": 8, "count": 1, "dtype": "uint8", "crs": "EPSG:32633"}
        with rasterio.open(raster, "w", transform=from_origin(500_000, 10, 1, 1), **profile) as file:
            file.write(pixels)
        with rasterio.open(raster) as file:
            if not np.array_equal(file.read(), pixels) or file.crs.to_epsg() != 32633:
                raise EngineError("GDAL reads another GeoTIFF than it wrote.", _FOREIGN_GDAL)
        written = geopandas.GeoDataFrame({"name": ["ä"]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:32633")
        written.to_file(vector, layer="hits", driver="GPKG")
        read = geopandas.read_file(vector, layer="hits")
        if list(read["name"]) != ["ä"] or read.geometry[0].area != 1 or read.crs.to_epsg() != 32633:
            raise EngineError("GDAL reads another GeoPackage than it wrote.", _FOREIGN_GDAL)
    versions = f"{rasterio.__gdal_version__} (rasters), {'.'.join(map(str, pyogrio.__gdal_version__))} (vectors)"
    return Seen(f"{versions}; GeoTIFF and GeoPackage written and read, JPEG 2000 and VRT known")


def look_at_coordinates() -> Seen:
    """A transformation by each PROJ that is used, pyproj's and rasterio's."""
    import pyproj
    from rasterio.warp import transform

    # The false easting of UTM is exact by definition: a wrong PROJ database shows here.
    made = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True).transform(15.0, 0.0)
    warped = tuple(axis[0] for axis in transform("EPSG:4326", "EPSG:32633", [15.0], [0.0]))
    for name, (x, y) in (("pyproj", made), ("rasterio", warped)):
        if abs(x - 500_000.0) > 1e-3 or abs(y) > 1e-3:
            raise EngineError(f"PROJ of {name} gives {x}, {y} for 15° E on the equator.", _FOREIGN_PROJ)
    return Seen(f"PROJ {pyproj.proj_version_str}, data in {pyproj.datadir.get_data_dir()}")


def look_at_devices(device: str) -> Seen:
    """What PyTorch can compute on, and whether the device that a search would take computes rightly."""
    import torch

    from engine.diagnose.nvidia import NvidiaDriver
    from engine.models.registry import resolve_device

    driver = NvidiaDriver.ask()
    threads = torch.get_num_threads()
    names = [f"cpu ({threads} thread{'s' if threads > 1 else ''})"]
    if torch.cuda.is_available():
        names += [f"cuda ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    chosen = resolve_device(device)
    seconds = _multiply(chosen)
    built = f"PyTorch for CUDA {torch.version.cuda}" if torch.version.cuda else "PyTorch without CUDA"
    detail = f"{', '.join(names)}; {built}; driver: {driver or 'no NVIDIA driver'}; "
    detail += f"a product of matrices on {chosen} took {1000 * seconds:.1f} ms"
    return Seen(detail, _unused_card(driver))


def _unused_card(driver: object) -> str:
    """Why an NVIDIA card that is there is not used; empty where there is none or it is used."""
    import torch

    from engine.models.cards import first_usable_card

    if torch.cuda.is_available():
        if first_usable_card() is not None:
            return ""
        major, minor = torch.cuda.get_device_capability(0)
        return (
            f"The NVIDIA card is not used: this PyTorch has no code for its compute capability {major}.{minor}."
            " The engine computes without it."
        )
    if driver is None:
        return ""
    if torch.version.cuda is None:
        return "The NVIDIA card is not used: this PyTorch is for the CPU. Install the engine for CUDA to use it."
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
        reason = "no usable card"
    except (RuntimeError, AssertionError) as error:
        reason = str(error).split("(Triggered")[0].split(". Please")[0]
    return f"The NVIDIA card is not used: {' '.join(reason.split())}. Update the driver of the card to use it."


def _multiply(device: torch.device) -> float:
    """Seconds of a matrix product on a device, after a first one; raises where it is wrong or fails."""
    import torch

    numbers = torch.arange(_MATRIX_SIDE * _MATRIX_SIDE, dtype=torch.float32).reshape(_MATRIX_SIDE, -1)
    matrix = numbers.remainder(7) - 3  # small whole numbers: exact in every precision
    expected = matrix.double() @ matrix.double().T
    remedy = "Update the driver of the card, or choose the device cpu (options of the plugin; --device cpu)."
    try:
        placed = matrix.to(device)
        product = (placed @ placed.T).cpu()
        start = time.perf_counter()
        product = (placed @ placed.T).cpu()
        seconds = time.perf_counter() - start
    except RuntimeError as error:  # CUDA's own errors are of this class
        message = " ".join(str(error).split())
        raise EngineError(f"{device} cannot compute: {message}", remedy) from error
    if not torch.equal(product.double(), expected):
        raise EngineError(f"{device} computes a wrong product of matrices.", remedy)
    return seconds


def look_at_index_folder(cache: str) -> Seen:
    """Free space, a file of a megabyte written and read, and a table of the index's kind."""
    import lancedb
    import pyarrow

    from engine.index.folder import IndexFolder

    folder = IndexFolder(Path(cache) if cache else None)
    remedy = "Choose another with --cache or MPSCLIP_CACHE (in QGIS: in the plugin's options)."
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        content = os.urandom(_MEGABYTE)
        with tempfile.TemporaryFile(dir=folder.path) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            if file.read() != content:
                raise EngineError(f"{folder.path} does not give back what was written to it.", remedy)
    except OSError as error:
        raise EngineError(f"{folder.path} cannot be written: {error.strerror}.", remedy) from error
    # Not among the indexes, where a listing would take it for a damaged one.
    with tempfile.TemporaryDirectory(prefix="doctor-", dir=folder.path.parent) as place:
        table = lancedb.connect(place).create_table("t", pyarrow.table({"tile": [1, 2, 3]}))
        if table.count_rows() != 3:
            raise EngineError(f"A table in {folder.path.parent} lost rows.", remedy)
    free = folder.free_bytes()
    if free < LEAST_FREE:
        raise EngineError(f"Only {free / _MEGABYTE:.0f} MB are free at {folder.path}.", f"Free some space. {remedy}")
    advice = "" if free >= ADVISED_FREE else "Little space is left: a large raster needs hundreds of megabytes."
    return Seen(f"{folder.path}, {free / 1000 / _MEGABYTE:.1f} GB free", advice)


def look_at_model(device: str) -> Seen:
    """The packaged model encodes pictures and words, and what comes out is plausible."""
    import torch

    from engine.models.registry import load_model

    model = load_model(device=device)
    pictures, texts = drawn_examples(), list(EXAMPLES)
    batch = model.preprocess(pictures)
    images = model.encode_images(batch).float().cpu()  # (3, E)
    words = model.encode_texts(texts).float().cpu()  # (3, E)
    start = time.perf_counter()
    again = model.encode_images(batch).float().cpu()
    speed = len(pictures) / (time.perf_counter() - start)
    what = f"The packaged model on {model.device}"
    remedy = "Install the plugin again; if it stays so, choose the device cpu and report it."
    for name, found in (("images", images), ("words", words)):
        if not bool(torch.isfinite(found).all()) or float((found.norm(dim=1) - 1).abs().max()) > 1e-2:
            raise EngineError(f"{what} encodes {name} to vectors that are not of length 1.", remedy)
    if float((images - again).abs().max()) > 1e-2:
        raise EngineError(f"{what} encodes the same picture in two ways.", remedy)
    cosines = words @ images.T  # (3 texts, 3 pictures)
    order = torch.arange(len(texts))
    if not (torch.equal(cosines.argmax(dim=0), order) and torch.equal(cosines.argmax(dim=1), order)):
        raise EngineError(f"{what} does not tell {', '.join(texts)} apart.", remedy)
    told = f"{model.identity.model_id} on {model.device} tells {', '.join(texts)} apart"
    return Seen(f"{told}; about {speed:.0f} tiles a second")


EXAMPLES = ("a dense green forest", "yellow desert sand", "a parking lot full of cars")


def drawn_examples() -> UInt8Array:
    """uint8 ``(3, 224, 224, 3)``, a picture of each of :data:`EXAMPLES`."""
    import numpy as np

    random = np.random.default_rng(0)
    side = 224
    fine = random.normal(0, 1, (side, side, 1))
    clumps = np.kron(random.normal(0, 1, (side // 8, side // 8, 1)), np.ones((8, 8, 1)))
    forest = np.array([45, 75, 40]) + 18 * clumps + 10 * fine
    dunes = np.sin((np.arange(side)[:, None, None] + np.arange(side)[None, :, None]) / 20)
    desert = np.array([205, 170, 115]) + 12 * dunes + 2 * fine
    lot = np.full((side, side, 3), 95.0) + 3 * fine
    paints = np.array([[230, 230, 230], [200, 30, 30], [30, 40, 60], [40, 70, 160], [170, 170, 175]])
    for y in range(6, side - 16, 30):
        for x in range(4, side - 8, 10):
            lot[y : y + 14, x : x + 6] = paints[random.integers(len(paints))]
    drawn: UInt8Array = np.clip(np.stack([forest, desert, lot]), 0, 255).astype(np.uint8)
    return drawn
