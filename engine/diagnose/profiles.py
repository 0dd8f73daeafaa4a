"""What may have been installed: the engine alone, or with the SamGeo segmenters; packages and lock of each."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping

ENGINE, SAMGEO, AUTO = "engine", "samgeo", "auto"
CHOICES = (AUTO, ENGINE, SAMGEO)
LOCKS = {ENGINE: "engine.txt", SAMGEO: "samgeo.txt"}
# Distribution to a module of it that loads its compiled parts; those that others need come first.
PACKAGES = {
    "numpy": "numpy",
    "pydantic": "pydantic",
    "scipy": "scipy.ndimage",
    "pillow": "PIL.Image",
    "scikit-image": "skimage.segmentation",
    "shapely": "shapely",
    "pyproj": "pyproj",
    "rasterio": "rasterio.features",
    "pyogrio": "pyogrio",
    "geopandas": "geopandas",
    "pyarrow": "pyarrow",
    "lancedb": "lancedb",
    "torch": "torch",
    "torchvision": "torchvision.ops",
    "safetensors": "safetensors.torch",
    "tokenizers": "tokenizers",
    "open_clip_torch": "open_clip",
}
_HEAD = "segment-geospatial"
SAMGEO_PACKAGES = {
    "opencv-python-headless": "cv2",
    "matplotlib": "matplotlib.pyplot",
    "pycocotools": "pycocotools.mask",
    "transformers": "transformers.models.sam3.modeling_sam3",
    "segment-anything": "segment_anything",
    "groundingdino-py": "groundingdino.models",
    _HEAD: "samgeo.samgeo",
}


def installed_profile() -> str:
    """``samgeo`` where its main package is installed, by whatever way; else ``engine``."""
    return SAMGEO if is_installed(_HEAD) else ENGINE


def packages_of(profile: str) -> Mapping[str, str]:
    """The packages to import for a profile of :data:`CHOICES`, as :data:`PACKAGES`.

    Of ``auto``'s segmenters only what is there: an extra of the project brings some of them without the others.
    """
    if profile == ENGINE:
        return PACKAGES
    if profile == SAMGEO:
        return {**PACKAGES, **SAMGEO_PACKAGES}
    if installed_profile() == ENGINE:
        return PACKAGES
    return {**PACKAGES, **{name: module for name, module in SAMGEO_PACKAGES.items() if is_installed(name)}}


def is_installed(distribution: str) -> bool:
    """Whether this environment has a distribution, which may still be broken."""
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
