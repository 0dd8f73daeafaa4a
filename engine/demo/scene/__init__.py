"""A drawn aerial scene: an RGB GeoTIFF and the exact outline of every object in it, made from a seed.

The scene shows what the product does without any imagery to download. It is a drawing and says so in its TIFF
description; accuracy on it says little about real imagery. Albedo, height and material are drawn on separate planes
(``canvas``) and lit together at the end (``render``); ``layout`` decides what goes where, ``compose`` draws it back to
front.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.demo.scene.compose import compose
from engine.demo.scene.kinds import SCENE_KINDS
from engine.demo.scene.layout import FULL, plan_scene
from engine.demo.scene.writer import DRAWN_NOTE, is_current, write_objects, write_raster
from engine.errors import OutputError, UsageError
from engine.types import ProgressSink, no_progress

__all__ = ["GENERATOR_VERSION", "SCENE_KINDS", "SMALLEST", "Scene", "write_scene"]

GENERATOR_VERSION = "4"  # raised with every change that alters a picture or its outlines
SMALLEST = 1024


@dataclass(frozen=True, slots=True)
class Scene:
    """A written scene.

    ``raster``: RGB uint8 GeoTIFF, 0.5 m pixels, EPSG:32632. ``objects``: GeoJSON in the same CRS (named by its ``crs``
    member); each feature has ``id``, ``kind`` (a key of :data:`SCENE_KINDS`) and ``part_of`` (the kind of the compound
    that a single plane, boat, tank, court or runway belongs to, else null).
    """

    raster: Path
    objects: Path
    seed: int
    drawn_note: str = DRAWN_NOTE


def write_scene(folder: Path, seed: int = 7, size: int = FULL, progress: ProgressSink = no_progress) -> Scene:
    """Draw the scene of a seed into a folder, unless the same scene lies there already.

    Args:
        folder: where ``scene_<seed>_<size>.tif`` and ``.geojson`` go; created when missing.
        seed: 0 or more; decides places, sizes, colours and light.
        size: side in pixels; all kinds are shown from 4096 on, a smaller scene (at least 1024) has fewer.
        progress: receives the steps of the drawing.

    Raises:
        UsageError: a negative seed or a size out of range.
        OutputError: the folder cannot be written.
    """
    if seed < 0:
        raise UsageError(f"The scene's seed is {seed}.", "Give a whole number from 0 on.", seed=seed)
    if not SMALLEST <= size <= 4 * FULL:
        raise UsageError(
            f"The scene's size is {size} pixels.", f"Give a size from {SMALLEST} to {4 * FULL} pixels.", size=size
        )
    raster, objects = folder / f"scene_{seed}_{size}.tif", folder / f"scene_{seed}_{size}.geojson"
    identity = f"version={GENERATOR_VERSION} seed={seed} size={size}"
    scene = Scene(raster, objects, seed)
    if is_current(raster, objects, identity):
        return scene
    try:
        folder.mkdir(parents=True, exist_ok=True)
        picture, drawn = compose(plan_scene(seed, size), seed, progress)
        write_raster(raster, picture, identity)
        write_objects(objects, drawn, identity)
    except OSError as error:
        raise OutputError(
            f"The scene cannot be written to {folder}: {error}",
            "Choose a folder that you may write to.",
            path=str(folder),
        ) from error
    return scene
