from __future__ import annotations

import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyogrio
import pytest
from affine import Affine

from engine.config import SearchOptions, SegmenterName
from engine.errors import OutputError
from engine.search.hits import SearchResult
from engine.search.output import check_output, replacing
from engine.search.pipeline import Searcher
from engine.search.styles import hits_style, subregions_style
from engine.search.write import write_geopackage
from tests.support.colour_model import ground
from tests.support.rasters import write_raster

CELLS = [["moss", "water", "sand"], ["brick", "moss", "snow"]]
ROTATED = Affine.translation(400_000, 5_800_000) @ Affine.rotation(33) @ Affine.scale(0.5, -0.5)
OPTIONS = SearchOptions(tile="128px", overlap=0.5, refine=2, top=3, nms=0.9)


@pytest.fixture
def search(searcher: Searcher, tmp_path: Path) -> Callable[..., SearchResult]:
    def run(query: str = "sand", transform: Affine | None = ROTATED, crs: str | None = "EPSG:32633", **kw: object):  # type: ignore[no-untyped-def]
        raster = write_raster(
            tmp_path / "rotated ü.tif", ground(CELLS), transform=transform, crs=crs, photometric="RGB"
        )
        return searcher.search(query, [raster], OPTIONS.model_copy(update=kw))

    return run


def test_hits_and_subregions_are_written_with_their_fields(search: Callable[..., SearchResult], tmp_path: Path) -> None:
    result = search("sand -snow")
    write_geopackage([result], tmp_path / "out.gpkg")
    assert sorted(name for name, _ in pyogrio.list_layers(tmp_path / "out.gpkg")) == [
        "hits",
        "layer_styles",
        "subregions",
    ]
    hits = pyogrio.read_dataframe(tmp_path / "out.gpkg", layer="hits")
    assert list(hits.columns) == [
        "rank", "score", "score_global", "score_regions", "percentile", "query", "keywords", "raster", "tile_row",
        "tile_col", "model", "geometry",
    ]  # fmt: skip
    assert hits.crs.to_epsg() == 32633
    assert set(hits.geom_type) == {"Polygon"}
    assert hits["rank"].tolist() == [1, 2]
    assert hits["score"].tolist() == [hit.score for hit in result.hits]
    assert hits["score_global"].tolist() == [hit.score_global for hit in result.hits]
    assert set(hits["query"]) == {"sand -snow"}
    assert set(hits["keywords"]) == {"sand, -snow"}
    assert set(hits["raster"]) == {str(tmp_path / "rotated ü.tif")}
    assert set(hits["model"]) == {"colour"}
    regions = pyogrio.read_dataframe(tmp_path / "out.gpkg", layer="subregions")
    assert list(regions.columns) == ["hit_rank", "query", "keyword", "score", "area_m2", "geometry"]
    assert set(regions["keyword"]) == {"sand"}
    assert set(regions["hit_rank"]) <= {1, 2}
    # A pixel is 0.25 m² on the map; UTM's scale here is within 0.1 % of 1.
    assert regions["area_m2"].tolist() == pytest.approx(regions.area.tolist(), rel=2e-3)


def test_hits_lie_on_their_tiles_to_a_millionth_of_a_pixel(search: Callable[..., SearchResult], tmp_path: Path) -> None:
    result = search()
    write_geopackage([result], tmp_path / "out.gpkg")
    hits = pyogrio.read_dataframe(tmp_path / "out.gpkg", layer="hits")
    for hit, geometry in zip(result.hits, hits.geometry, strict=True):
        pixels = np.array([~ROTATED * corner for corner in geometry.exterior.coords[:4]])
        x, y, side = hit.tile.x, hit.tile.y, 128
        corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
        nearest = np.abs(pixels[:, None] - np.array(corners)[None]).max(2).min(0)
        assert nearest.max() <= 1e-6


def test_missing_numbers_are_null(search: Callable[..., SearchResult], tmp_path: Path) -> None:
    write_geopackage([search(segmenter=SegmenterName.NONE)], tmp_path / "out.gpkg")
    with closing(sqlite3.connect(tmp_path / "out.gpkg")) as database:
        assert database.execute("SELECT DISTINCT score_regions FROM hits").fetchall() == [(None,)]
        assert database.execute("SELECT COUNT(*) FROM subregions").fetchone() == (0,)


def test_a_raster_without_crs_gives_pixel_coordinates_in_no_crs(
    search: Callable[..., SearchResult], tmp_path: Path
) -> None:
    result = search(transform=None, crs=None)
    write_geopackage([result], tmp_path / "out.gpkg")
    hits = pyogrio.read_dataframe(tmp_path / "out.gpkg", layer="hits")
    assert hits.crs is None
    tile = result.hits[0].tile
    assert hits.geometry[0].bounds == (tile.x, -(tile.y + 128), tile.x + 128, -tile.y)
    areas = pyogrio.read_dataframe(tmp_path / "out.gpkg", layer="subregions")["area_m2"]
    assert len(areas) > 0
    assert areas.isna().all()


def test_a_chosen_crs_is_used(searcher: Searcher, tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "r.tif", ground(CELLS), photometric="RGB")
    write_geopackage(
        [searcher.search("sand", [raster], OPTIONS.model_copy(update={"crs": "EPSG:3857"}))], tmp_path / "o.gpkg"
    )
    for layer in ("hits", "subregions"):
        assert pyogrio.read_dataframe(tmp_path / "o.gpkg", layer=layer).crs.to_epsg() == 3857


def test_the_geopackage_is_of_a_version_that_older_gdal_reads_without_warning(
    search: Callable[..., SearchResult], tmp_path: Path
) -> None:
    write_geopackage([search()], tmp_path / "out.gpkg")
    with closing(sqlite3.connect(tmp_path / "out.gpkg")) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (10200,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_several_queries_share_a_file(search: Callable[..., SearchResult], tmp_path: Path) -> None:
    write_geopackage([search("sand"), search("water")], tmp_path / "out.gpkg")
    hits = pyogrio.read_dataframe(tmp_path / "out.gpkg", layer="hits")
    assert hits["query"].unique().tolist() == ["sand", "water"]


def test_qgis_finds_a_default_style_for_each_layer(search: Callable[..., SearchResult], tmp_path: Path) -> None:
    write_geopackage([search()], tmp_path / "out.gpkg")
    with closing(sqlite3.connect(tmp_path / "out.gpkg")) as database:
        rows = database.execute(
            "SELECT f_table_name, f_geometry_column, useAsDefault, styleQML FROM layer_styles ORDER BY id"
        ).fetchall()
        columns = dict(database.execute("SELECT table_name, column_name FROM gpkg_geometry_columns").fetchall())
        kinds = dict(database.execute("SELECT table_name, data_type FROM gpkg_contents").fetchall())
    assert [row[:3] for row in rows] == [(name, columns[name], 1) for name in ("hits", "subregions")]
    assert kinds == {"hits": "features", "subregions": "features", "layer_styles": "attributes"}
    hits, regions = (ET.fromstring(row[3]) for row in rows)
    assert hits.find("renderer-v2").attrib["type"] == "graduatedSymbol"  # type: ignore[union-attr]
    assert [c.attrib["value"] for c in regions.iter("category")] == ["sand"]


def test_every_score_falls_into_one_class_of_the_style() -> None:
    scores = [0.1, 0.2, 0.35, 0.6, 0.6]
    ranges = [
        (float(r.attrib["lower"]), float(r.attrib["upper"])) for r in ET.fromstring(hits_style(scores)).iter("range")
    ]
    assert len(ranges) == 5
    assert all(any(lower <= score <= upper for lower, upper in ranges) for score in scores)
    assert all(a[1] == b[0] for a, b in pairwise(ranges))


@pytest.mark.parametrize("scores", [[], [0.3], [0.3, 0.3]])
def test_few_scores_make_a_style_too(scores: list[float]) -> None:
    assert len(list(ET.fromstring(hits_style(scores)).iter("range"))) == 5


def test_each_keyword_has_a_symbol_and_its_name_is_escaped() -> None:
    words = [f"word {i} <&\"'>" for i in range(10)]
    root = ET.fromstring(subregions_style(words))
    symbols = {symbol.attrib["name"] for symbol in root.iter("symbol")}
    categories = list(root.iter("category"))
    assert [c.attrib["value"] for c in categories] == words
    assert {c.attrib["symbol"] for c in categories} <= symbols
    assert len({c.attrib["symbol"] for c in categories[:8]}) == 8


def test_an_existing_file_is_only_replaced_when_told_to(search: Callable[..., SearchResult], tmp_path: Path) -> None:
    result, out = search(), tmp_path / "out.gpkg"
    out.write_text("precious")
    with pytest.raises(OutputError, match="--overwrite"):
        write_geopackage([result], out)
    assert out.read_text() == "precious"
    write_geopackage([result], out, overwrite=True)
    assert len(pyogrio.read_dataframe(out, layer="hits")) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "out.gpkg", "rotated ü.tif"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out.gpkg"
    out.write_text("precious")

    def fail() -> None:
        with replacing(out) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert out.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [out]


def test_outputs_are_checked_before_work(tmp_path: Path) -> None:
    (tmp_path / "folder.gpkg").mkdir()
    check_output(tmp_path / "new.gpkg", False, (".gpkg",))
    for path, problem in (
        (tmp_path / "new.shp", "gpkg"),
        (tmp_path / "none" / "new.gpkg", "does not exist"),
        (tmp_path / "folder.gpkg", "folder"),
    ):
        with pytest.raises(OutputError, match=problem):
            check_output(path, True, (".gpkg",))
    with pytest.raises(OutputError, match="cannot be written"):
        check_output(Path("/proc/new.gpkg"), False, (".gpkg",))
    assert [path.name for path in tmp_path.iterdir()] == ["folder.gpkg"]
