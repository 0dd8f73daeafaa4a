from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pyogrio
import pytest
from affine import Affine

from engine.config import SearchOptions
from engine.errors import Cancelled, OutputError, UsageError
from engine.search.batch import search_batch
from engine.search.pipeline import Searcher
from engine.types import Progress
from tests.support.colour_model import ColourModel, ground
from tests.support.rasters import write_raster

FAR = Affine(0.5, 0.0, 500_000.0, 0.0, -0.5, 5_800_000.0)
OPTIONS = SearchOptions(tile="64px", overlap=0.0, refine=1, top=3, min_score=0.5)


@pytest.fixture
def rasters(tmp_path: Path) -> list[Path]:
    first = write_raster(tmp_path / "a.tif", ground([["moss", "water"], ["sand", "moss"]]), photometric="RGB")
    second = write_raster(tmp_path / "b.tif", ground([["water", "brick"]]), transform=FAR, photometric="RGB")
    return [first, second]


def test_a_batch_is_one_file_with_a_summary_of_each_raster_and_query(
    searcher: Searcher, rasters: list[Path], tmp_path: Path
) -> None:
    out, stages = tmp_path / "out.gpkg", []

    def note(progress: Progress) -> None:
        stages.append((progress.stage, progress.detail))

    results = search_batch(
        searcher, ["moss", " water", "", "moss"], [*rasters, rasters[0]], OPTIONS, out, progress=note
    )
    kinds_of_work = [stage for stage, _ in stages]
    assert "index" not in kinds_of_work[kinds_of_work.index("rank") :]
    assert [(result.counts.encoded, result.counts.reused) for result in results] == [(6, 0), (0, 6)]
    assert [(result.query, len(result.hits)) for result in results] == [("moss", 2), ("water", 2)]
    assert {layer: kind for layer, kind in pyogrio.list_layers(out) if layer != "layer_styles"} == {
        "hits": "Polygon", "subregions": "Polygon", "summary": None,
    }  # fmt: skip
    summary = pyogrio.read_dataframe(out, layer="summary")
    assert list(summary.columns) == ["raster", "query", "hits", "tiles", "best_score", "best_percentile", "seconds"]
    a, b = (str(path) for path in rasters)
    assert summary[["raster", "query", "hits", "tiles"]].to_numpy().tolist() == [
        [a, "moss", 2, 4], [b, "moss", 0, 2], [a, "water", 1, 4], [b, "water", 1, 2],
    ]  # fmt: skip
    assert summary["best_score"].tolist() == pytest.approx([1, 0, 1, 1], abs=1e-3)
    assert summary["best_percentile"].tolist() == pytest.approx([100 * 4 / 6, 0, 100 * 4 / 6, 100 * 4 / 6])
    assert (summary["seconds"] > 0).all()
    hits = pyogrio.read_dataframe(out, layer="hits")
    assert hits[["query", "rank", "raster"]].to_numpy().tolist() == [
        ["moss", 1, a], ["moss", 2, a], ["water", 1, a], ["water", 2, b],
    ]  # fmt: skip
    with closing(sqlite3.connect(out)) as database:
        kinds = dict(database.execute("SELECT table_name, data_type FROM gpkg_contents").fetchall())
    assert kinds["summary"] == "attributes"
    assert [stage for stage, _ in stages][-1] == "write"
    assert ("rank", "water (2 of 2)") in stages


def test_rasters_that_the_area_does_not_meet_stand_in_the_summary(
    searcher: Searcher, rasters: list[Path], tmp_path: Path
) -> None:
    corner = {"wkt": "POLYGON ((400000 5799999, 400001 5799999, 400001 5800000, 400000 5799999))", "crs": "EPSG:32633"}
    options = SearchOptions.checked(**{**OPTIONS.model_dump(), "area": corner})
    search_batch(searcher, ["moss"], rasters, options, tmp_path / "out.gpkg")
    summary = pyogrio.read_dataframe(tmp_path / "out.gpkg", layer="summary")
    assert summary[["hits", "tiles"]].to_numpy().tolist() == [[1, 1], [0, 0]]
    assert summary["best_score"].isna().tolist() == [False, True]


def test_a_batch_without_queries_is_wrong_use(searcher: Searcher, rasters: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no queries"):
        search_batch(searcher, ["", "  "], rasters, OPTIONS, tmp_path / "out.gpkg")
    with pytest.raises(UsageError, match="no rasters"):
        search_batch(searcher, ["moss"], [], OPTIONS, tmp_path / "out.gpkg")


def test_all_queries_and_the_file_are_looked_at_before_any_work(
    searcher: Searcher, rasters: list[Path], tmp_path: Path, model: ColourModel
) -> None:
    (tmp_path / "out.gpkg").write_text("precious")
    with pytest.raises(OutputError, match="exists"):
        search_batch(searcher, ["moss"], rasters, OPTIONS, tmp_path / "out.gpkg")
    with pytest.raises(UsageError):
        search_batch(searcher, ["moss", "-water"], rasters, OPTIONS, tmp_path / "new.gpkg")
    assert model.encoded == 0


def test_a_cancelled_batch_writes_no_file(searcher: Searcher, rasters: list[Path], tmp_path: Path) -> None:
    stages: list[str] = []

    def note(progress: Progress) -> None:
        stages.append(progress.detail)

    with pytest.raises(Cancelled):
        search_batch(
            searcher, ["moss", "water"], rasters, OPTIONS, tmp_path / "out.gpkg", progress=note,
            cancel=lambda: "water (2 of 2)" in stages,
        )  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "b.tif", "cache"]
