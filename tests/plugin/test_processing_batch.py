"""Processing: ``batchsearch``, ``buildindex`` and ``enginestatus`` with the real engine on the drawn scene."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from qgis.core import (
    QgsApplication,
    QgsCoordinateTransformContext,
    QgsFeature,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsVectorFileWriter,
    QgsVectorLayer,
)

from qgis_mpsclip.processing.buildindex import BuildIndex
from qgis_mpsclip.settings import Settings

pytestmark = pytest.mark.usefixtures("qgis_processing", "provider", "nothing_left")

QUERIES = ["a pond", "tennis courts"]
TEMPORARY = "TEMPORARY_OUTPUT"


@pytest.fixture
def folder(scene_raster: Path, tmp_path: Path) -> Path:
    """Two rasters, one of them in a subfolder, and a file that is none."""
    (tmp_path / "images" / "deep").mkdir(parents=True)
    shutil.copyfile(scene_raster, tmp_path / "images" / "a.tif")
    shutil.copyfile(scene_raster, tmp_path / "images" / "deep" / "b.tif")
    (tmp_path / "images" / "broken.tif").write_bytes(b"II*\0nothing")
    return tmp_path / "images"


def run(name: str, feedback: QgsProcessingFeedback | None = None, **values: object) -> dict[str, Any]:
    """Runs an algorithm of the provider."""
    from qgis import processing

    return processing.run(f"mpsclip:{name}", values, feedback=feedback or QgsProcessingFeedback(False))


def rows(geopackage: str, table: str) -> list[dict[str, Any]]:
    """The rows of a table, in order."""
    with closing(sqlite3.connect(geopackage)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(f"SELECT * FROM {table}")]


def test_a_batch_of_a_folder_and_a_csv_writes_one_geopackage_with_a_summary(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "queries.csv"
    table.write_text("id,query\n1,a pond\n2,tennis courts\n", encoding="utf-8")
    feedback = QgsProcessingFeedback(False)
    out = str(tmp_path / "batch.gpkg")
    found = run(
        "batchsearch",
        feedback,
        FOLDER=str(folder),
        RECURSIVE=True,
        QUERIES_FILE=str(table),
        TOP=4,
        REFINE=1,
        OUTPUT=out,
    )
    assert (found["RASTER_COUNT"], found["QUERY_COUNT"], found["HIT_COUNT"]) == (2, 2, 8)
    assert "broken.tif is left out" in feedback.textLog()
    summary = rows(out, "summary")
    expected = {(str(folder / name), query) for name in ("a.tif", "deep/b.tif") for query in QUERIES}
    assert {(row["raster"], row["query"]) for row in summary} == expected
    assert sum(row["hits"] for row in summary) == 8
    assert all(row["tiles"] > 0 for row in summary)
    hits = QgsVectorLayer(found["HITS"], "hits")
    assert hits.isValid() and hits.featureCount() == 8
    assert {feature["query"] for feature in hits.getFeatures()} == set(QUERIES)
    assert QgsVectorLayer(found["SUBREGIONS"], "subregions").isValid()
    assert QgsVectorLayer(found["SUMMARY"], "summary").featureCount() == 4


def test_a_batch_takes_layers_and_lines_and_replaces_its_output(scene_raster: Path, tmp_path: Path) -> None:
    out = tmp_path / "batch.gpkg"
    run("batchsearch", INPUTS=[str(scene_raster)], QUERIES="a pond", TOP=2, REFINE=0, OUTPUT=str(out))
    layer = QgsRasterLayer(str(scene_raster), "scene")
    found = run("batchsearch", INPUTS=[layer], QUERIES="a pond\n\ntennis courts\n", TOP=3, REFINE=0, OUTPUT=str(out))
    assert [row["rank"] for row in rows(str(out), "hits")] == [1, 2, 3, 1, 2, 3]
    assert found["OUTPUT"] == str(out)


def geopackage(file: Path, *layers: str) -> None:
    """Somebody's own GeoPackage with a point in each layer."""
    for layer in layers:
        points = QgsVectorLayer("Point?crs=EPSG:32632&field=note:string", layer, "memory")
        point = QgsFeature(points.fields())
        point.setAttributes(["a year of work"])
        point.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(1, 2)))
        assert points.dataProvider().addFeature(point)
        options = QgsVectorFileWriter.SaveVectorOptions()
        options.layerName = layer
        if file.exists():
            options.actionOnExistingFile = QgsVectorFileWriter.ActionOnExistingFile.CreateOrOverwriteLayer
        error, *_ = QgsVectorFileWriter.writeAsVectorFormatV3(
            points, str(file), QgsCoordinateTransformContext(), options
        )
        assert error == QgsVectorFileWriter.WriterError.NoError


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (("wells",), "holds other tables: wells."),
        (("hits", "summary", "wells"), "holds other tables: wells."),
        (("hits", "subregions", "summary"), "is no result of a batch search."),
        ((), "is no GeoPackage"),
    ],
)
def test_a_batch_leaves_the_files_of_others_alone(
    scene_raster: Path, tmp_path: Path, layers: tuple[str, ...], words: str
) -> None:
    file = tmp_path / "mine.gpkg"
    if layers:
        geopackage(file, *layers)
    else:
        file.write_text("notes")
    before = file.read_bytes()
    feedback = QgsProcessingFeedback(False)
    with pytest.raises(QgsProcessingException) as caught:
        run("batchsearch", feedback, INPUTS=[str(scene_raster)], QUERIES="a pond", REFINE=0, OUTPUT=str(file))
    told = f"{caught.value} {feedback.textLog()}"
    assert f"{file} exists and" in told and words in told and "choose another name" in told
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine.gpkg"]


def test_a_result_to_which_a_layer_was_added_is_kept_also_where_nobody_checked(
    scene_raster: Path, tmp_path: Path
) -> None:
    file = tmp_path / "batch.gpkg"
    values = {"INPUTS": [str(scene_raster)], "QUERIES": "a pond", "TOP": 2, "REFINE": 0, "OUTPUT": str(file)}
    run("batchsearch", **values)
    geopackage(file, "wells")
    before = file.read_bytes()
    feedback = QgsProcessingFeedback(False)
    # As a script does: without checkParameterValues.
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("mpsclip:batchsearch")
    _, succeeded = algorithm.run(values, QgsProcessingContext(), feedback)
    assert not succeeded
    assert "holds other tables: wells" in feedback.textLog()
    assert file.read_bytes() == before


def test_a_batch_may_go_into_a_temporary_file(scene_raster: Path) -> None:
    found = run("batchsearch", INPUTS=[str(scene_raster)], QUERIES=["a pond"], TOP=2, REFINE=0, OUTPUT=TEMPORARY)
    assert found["OUTPUT"].endswith(".gpkg")
    assert len(rows(found["OUTPUT"], "hits")) == 2


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"QUERIES": " \n"}, "There is no query"),
        ({"INPUTS": []}, "There is no raster"),
        ({"INPUTS": ["/nowhere/a.tif"]}, "/nowhere/a.tif"),
        ({"OUTPUT": "/tmp/hits.shp"}, "does not end in .gpkg"),
        ({"INPUTS": None, "FOLDER": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({"QUERIES_FILE": "/nowhere/queries.csv"}, "/nowhere/queries.csv"),
    ],
)
def test_a_batch_with_wrong_parameters_says_what_is_wrong(
    scene_raster: Path, values: dict[str, object], words: str
) -> None:
    feedback = QgsProcessingFeedback(False)
    good = {"INPUTS": [str(scene_raster)], "QUERIES": "a pond", "OUTPUT": TEMPORARY}
    with pytest.raises(QgsProcessingException) as caught:
        run("batchsearch", feedback, **{**good, **values})
    told = f"{caught.value} {feedback.textLog()}"
    assert words in told
    assert "Traceback" not in told


def test_an_index_is_built_once_and_serves_searches(folder: Path, private_folders: Path) -> None:
    first = run("buildindex", FOLDER=str(folder), TILE_SIZE="200px", OVERLAP=0.0)
    tiles = 36  # 1024 pixels in steps of 200, the last one shifted inwards
    assert (first["RASTER_COUNT"], first["TILES"], first["ENCODED"], first["LEFT_OUT"]) == (1, tiles, tiles, 0)
    assert Path(first["CACHE"]) == private_folders / "cache"
    second = run("buildindex", INPUTS=[str(folder / "a.tif")], TILE_SIZE="200px", OVERLAP=0.0)
    assert (second["ENCODED"], second["REUSED"]) == (0, tiles)
    search = run(
        "searchimagery",
        INPUT=str(folder / "a.tif"),
        QUERY="a pond",
        TILE_SIZE="200px",
        OVERLAP=0.0,
        REFINE=0,
        HITS="memory:",
    )
    assert (search["TILES"], search["ENCODED"]) == (tiles, 0)


def test_a_cancelled_index_gives_nothing(folder: Path) -> None:
    feedback = QgsProcessingFeedback(False)
    feedback.cancel()
    assert run("buildindex", feedback, FOLDER=str(folder), TILE_SIZE="60px") == {}


def test_the_status_of_a_working_engine_is_reported(tmp_path: Path, private_folders: Path) -> None:
    files = {"OUTPUT_HTML": str(tmp_path / "status.html"), "OUTPUT_JSON": str(tmp_path / "status.json")}
    found = run("enginestatus", **files)
    assert found["READY"] is True and found["MESSAGE"] == ""
    assert found["DEFAULT_MODEL"] == "rsicd-mini"
    assert Path(found["CACHE"]) == private_folders / "cache"
    report = json.loads(Path(files["OUTPUT_JSON"]).read_text(encoding="utf-8"))
    assert report["ready"] is True
    assert report["engine"]["packages"]["torch"]
    page = Path(files["OUTPUT_HTML"]).read_text(encoding="utf-8")
    assert "The search engine works." in page
    assert "relevance" in page


def test_a_missing_engine_is_reported_with_the_remedy_and_is_no_failure(tmp_path: Path) -> None:
    Settings().engine_python = str(tmp_path / "no" / "python")
    feedback = QgsProcessingFeedback(False)
    found = run("enginestatus", feedback, OUTPUT_HTML=str(tmp_path / "status.html"))
    assert found["READY"] is False
    assert str(tmp_path / "no" / "python") in found["MESSAGE"]
    assert found["MESSAGE"] in feedback.textLog()
    assert "no/python" in (tmp_path / "status.html").read_text(encoding="utf-8")


def test_a_report_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(QgsProcessingException, match="Choose another place"):
        run("enginestatus", OUTPUT_JSON=str(tmp_path))


def test_layers_of_the_project_are_read_where_they_live(
    scene_raster: Path, qgis_new_project: None, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., None]
) -> None:
    layer = QgsRasterLayer(str(scene_raster), "scene")
    assert QgsProject.instance().addMapLayer(layer) is layer
    threads: list[threading.Thread] = []
    monkeypatch.setattr(BuildIndex, "layers_of", _noting(BuildIndex.layers_of, threads))
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback(False)
    context.setProject(QgsProject.instance())
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("mpsclip:buildindex")
    ended: list[tuple[bool, dict]] = []
    task = QgsProcessingAlgRunnerTask(algorithm, {"INPUTS": [layer], "TILE_SIZE": "512px"}, context, feedback)
    task.executed.connect(lambda succeeded, found: ended.append((succeeded, found)))
    QgsApplication.taskManager().addTask(task)
    wait_until(lambda: bool(ended), 120, feedback.textLog())
    assert ended[0][0], feedback.textLog()
    assert ended[0][1]["RASTER_COUNT"] == 1
    assert set(threads) == {threading.main_thread()}


def _noting(read: Callable[..., list], threads: list[threading.Thread]) -> Callable[..., list]:
    def noted(*words: object) -> list:
        threads.append(threading.current_thread())
        return read(*words)

    return noted
