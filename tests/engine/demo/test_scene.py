"""The drawn scene: what is written, that a seed decides all of it, and that outlines and drawing agree."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rasterio.features import geometry_mask
from shapely import unary_union
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from engine.demo.scene import SCENE_KINDS, Scene, write_scene
from engine.demo.scene.canvas import Canvas, Frame, Sun
from engine.demo.scene.drawing import Drawing
from engine.demo.scene.housing import draw_sparse_residential
from engine.demo.scene.layout import SITES, Site, plan_scene
from engine.demo.scene.materials import Material
from engine.demo.scene.render import cast_shadows, render
from engine.demo.scene.water import draw_pond
from engine.errors import OutputError, UsageError
from engine.types import Progress, UInt8Array

SIZE = 1024


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return write_scene(tmp_path_factory.mktemp("scene"), seed=3, size=SIZE)


def pixels(path: Path) -> UInt8Array:
    with rasterio.open(path) as source:
        return np.moveaxis(source.read(), 0, 2)


def test_raster_is_a_tiled_compressed_pyramid_in_metres_that_says_it_is_drawn(scene: Scene) -> None:
    with rasterio.open(scene.raster) as source:
        assert (source.width, source.height, source.count, source.dtypes) == (SIZE, SIZE, 3, ("uint8",) * 3)
        assert source.profile["tiled"] is True
        assert source.block_shapes == [(256, 256)] * 3
        assert source.compression.name == "jpeg"
        assert source.overviews(1) == [2, 4, 8]
        assert source.crs.to_epsg() == 32632
        assert source.crs.linear_units == "metre"
        assert source.res == (0.5, 0.5)
        assert "not a photograph" in source.tags()["TIFFTAG_IMAGEDESCRIPTION"]
    assert "Drawn" in scene.drawn_note


def test_every_outline_is_valid_named_and_inside_the_raster(scene: Scene) -> None:
    objects = gpd.read_file(scene.objects)
    with rasterio.open(scene.raster) as source:
        frame = box(*source.bounds).buffer(0.001)
        assert objects.crs == source.crs
    assert objects.geometry.is_valid.all()
    assert objects.geometry.within(frame).all()
    assert set(objects["kind"]) <= set(SCENE_KINDS)
    assert objects["id"].is_unique
    assert {"sea", "river", "beach", "baseball_field", "tennis_courts"} <= set(objects["kind"])
    assert set(objects.loc[objects["kind"] == "tennis_court", "part_of"]) == {"tennis_courts"}


def test_sea_is_bluer_than_the_sand_beside_it(scene: Scene) -> None:
    objects = gpd.read_file(scene.objects)
    picture = pixels(scene.raster).astype(float)
    with rasterio.open(scene.raster) as source:
        transform = source.transform
    means = {}
    for kind in ("sea", "beach"):
        shapes = objects[objects["kind"] == kind].geometry.buffer(-3)
        inside = geometry_mask(shapes[~shapes.is_empty], (SIZE, SIZE), transform, invert=True)
        means[kind] = picture[inside].mean(axis=0)
    assert means["sea"][2] > means["sea"][0] + 10
    assert means["beach"][0] > means["beach"][2] + 10
    assert means["beach"].mean() > means["sea"].mean() + 40


def test_a_pond_is_dark_inside_its_outline_and_light_on_its_bank() -> None:
    canvas = Canvas(320, Sun(1.0, 0.85))
    canvas.albedo[:] = (100, 110, 70)
    drawing = Drawing(canvas, np.random.default_rng(5))
    draw_pond(drawing, Site("pond", Frame(160, 160, 0.4), 250, 220))
    picture = render(canvas, np.random.default_rng(0)).astype(float).mean(axis=2)
    (pond,) = drawing.objects
    shape = pond.polygon
    assert isinstance(shape, Polygon)
    inside = geometry_mask([shape.buffer(-4)], picture.shape, rasterio.Affine.identity(), invert=True)
    bank = geometry_mask(
        [shape.buffer(11).difference(shape.buffer(5))], picture.shape, rasterio.Affine.identity(), invert=True
    )
    assert pond.kind == "pond"
    assert picture[inside].mean() < picture[bank].mean() - 25
    assert np.quantile(picture[inside], 0.95) < np.median(picture[bank])


def test_the_wood_around_scattered_houses_is_forest_and_their_clearings_are_not() -> None:
    canvas = Canvas(700, Sun(1.0, 0.85))
    drawing = Drawing(canvas, np.random.default_rng(5))
    draw_sparse_residential(drawing, Site("sparse_residential", Frame(350, 350, 0.4), 600, 520))
    (place,) = (item for item in drawing.objects if item.kind == "sparse_residential")
    woods = [item for item in drawing.objects if item.kind == "forest"]
    assert {item.part_of for item in woods} == {"sparse_residential"}
    assert place.polygon.buffer(1).contains(unary_union([item.polygon for item in woods]))

    def share_of_trees(shapes: list[BaseGeometry]) -> float:
        inside = geometry_mask(shapes, canvas.material.shape, rasterio.Affine.identity(), invert=True)
        return float(np.isin(canvas.material[inside], (Material.TREE, Material.FOREST_FLOOR)).mean())

    open_ground = place.polygon.difference(unary_union([item.polygon.buffer(4) for item in woods]))
    assert share_of_trees([item.polygon for item in woods]) > 0.95
    assert share_of_trees([open_ground]) < 0.4


def test_an_existing_scene_is_used_again(scene: Scene) -> None:
    before = [path.stat().st_mtime_ns for path in (scene.raster, scene.objects)]
    steps: list[Progress] = []
    again = write_scene(scene.raster.parent, seed=3, size=SIZE, progress=steps.append)
    assert again == scene
    assert steps == []
    assert [path.stat().st_mtime_ns for path in (scene.raster, scene.objects)] == before


def test_a_seed_draws_the_same_twice_and_an_outdated_scene_is_replaced(scene: Scene) -> None:
    pixels_before, objects_before = pixels(scene.raster), scene.objects.read_text()
    outdated = json.loads(objects_before) | {"scene": "version=0 seed=3 size=1024"}
    scene.objects.write_text(json.dumps(outdated))
    steps: list[Progress] = []
    write_scene(scene.raster.parent, seed=3, size=SIZE, progress=steps.append)
    assert [step.done for step in steps] == list(range(steps[0].total))
    assert scene.objects.read_text() == objects_before
    assert np.array_equal(pixels(scene.raster), pixels_before)
    assert sorted(path.name for path in scene.raster.parent.iterdir()) == sorted(
        [scene.raster.name, scene.objects.name]
    )


def test_seeds_differ_in_layout() -> None:
    first, second = plan_scene(1, 4096), plan_scene(2, 4096)
    assert first.sea.symmetric_difference(second.sea).area > 0.05 * 4096**2
    places = [{site.kind: (site.frame.x, site.frame.y) for site in plan.sites} for plan in (first, second)]
    moved = [np.hypot(*np.subtract(places[0][kind], places[1][kind])) for kind in places[0].keys() & places[1].keys()]
    assert np.median(moved) > 600


@pytest.mark.parametrize("seed", [7, 8])
def test_a_full_scene_has_room_for_every_kind_without_overlaps(seed: int) -> None:
    plan = plan_scene(seed, 4096)
    assert {spec.kind for spec in SITES} <= plan.kinds <= set(SCENE_KINDS)
    assert {"airport", "harbour", "railway_station", "interchange", "bridge", "forest", "farmland"} <= plan.kinds
    assert len(plan.kinds) >= 28
    outlines = [Polygon(site.outline) for site in plan.sites]
    frame = box(0, 0, 4096, 4096).difference(plan.sea)
    assert all(frame.contains(outline) for outline in outlines)
    assert not any(a.intersects(b) for i, a in enumerate(outlines) for b in outlines[:i])
    assert max(Counter(site.kind for site in plan.sites).values()) <= max(spec.count for spec in SITES)


def test_shadow_falls_away_from_the_sun_as_far_as_the_height_says() -> None:
    height = np.zeros((80, 80), dtype=np.float32)
    height[38:43, 38:43] = 20
    shade = cast_shadows(height, Sun(0.0, float(np.arctan(1.0))))  # the sun stands at +x, 45° high
    assert shade[40, 22:36].min() == 1.0
    assert shade[40, :16].max() == 0.0
    assert shade[40, 46:].max() == 0.0
    assert shade[40, 40] == 0.0


def test_wrong_values_and_folders_are_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="size is 1000"):
        write_scene(tmp_path, size=1000)
    with pytest.raises(UsageError, match="seed is -1"):
        write_scene(tmp_path, seed=-1)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_scene(blocked / "scene", size=SIZE)
