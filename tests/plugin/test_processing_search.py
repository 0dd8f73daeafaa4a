"""Processing: ``mpsclip:searchimagery`` with the real engine on the drawn scene."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from osgeo import gdal
from qgis.core import (
    Qgis,
    QgsApplication,
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsFeature,
    QgsGeometry,
    QgsGraduatedSymbolRenderer,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingMultiStepFeedback,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingUtils,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QCoreApplication

from qgis_mpsclip.processing.sinks import GEOMETRY, HITS, OutputLayer, discard

pytestmark = pytest.mark.usefixtures("qgis_processing", "provider", "nothing_left")

ALGORITHM = "mpsclip:searchimagery"
QUERY = "tennis courts beside a parking lot"
FIELDS = [
    *("rank", "score", "score_global", "score_regions", "percentile", "query", "keywords", "raster", "tile_row"),
    *("tile_col", "model"),
]
Run = Callable[..., dict[str, Any]]


class Feedback(QgsProcessingFeedback):
    """Keeps what a dialog would show."""

    def __init__(self) -> None:
        super().__init__(False)
        self.percents: list[float] = []
        self.progressChanged.connect(self.percents.append)


@pytest.fixture
def run(scene_raster: Path, qgis_new_project: None) -> Run:
    """Runs the search on the drawn scene, with few hits; values given replace the test's own."""
    from qgis import processing

    def search(feedback: QgsProcessingFeedback | None = None, **values: object) -> dict[str, Any]:
        given = {"INPUT": str(scene_raster), "QUERY": QUERY, "TOP": 6, "REFINE": 3, "HITS": "memory:"}
        return processing.run(ALGORITHM, {**given, **values}, feedback=feedback or Feedback())

    return search


def test_words_that_the_model_was_not_taught_are_told(run: Run) -> None:
    feedback = Feedback()
    run(feedback, QUERY="a creek", REFINE=0)
    assert "“creek” read as river" in feedback.textLog()


def test_hits_and_subregions_come_into_memory_layers(run: Run, scene_raster: Path) -> None:
    feedback = Feedback()
    found = run(feedback, SUBREGIONS="memory:")
    hits, subregions = found["HITS"], found["SUBREGIONS"]
    assert hits.fields().names() == FIELDS
    assert hits.crs().authid() == subregions.crs().authid() == "EPSG:32632"
    features = list(hits.getFeatures())
    assert [feature["rank"] for feature in features] == list(range(1, 7))
    assert found["HIT_COUNT"] == 6
    assert all(0 <= feature["percentile"] <= 100 for feature in features)
    assert {feature["raster"] for feature in features} == {str(scene_raster)}
    assert {feature["query"] for feature in features} == {QUERY}
    extent = QgsRasterLayer(str(scene_raster)).extent()
    assert all(extent.contains(feature.geometry().boundingBox()) for feature in features)
    # 224 pixels of 0.5 m
    assert features[0].geometry().area() == pytest.approx(112**2)
    keywords = {feature["keyword"] for feature in subregions.getFeatures()}
    assert keywords and keywords <= set(found["FOUND_KEYWORDS"].split(", "))
    assert subregions.featureCount() == found["SUBREGION_COUNT"]
    assert {feature["hit_rank"] for feature in subregions.getFeatures()} <= {1, 2, 3}
    assert feedback.percents == sorted(feedback.percents) and feedback.percents[-1] == 100
    assert "6 hits in" in feedback.textLog()


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "fgb"])
def test_results_go_into_files_of_any_format(run: Run, tmp_path: Path, suffix: str) -> None:
    found = run(HITS=str(tmp_path / f"hits.{suffix}"), SUBREGIONS=str(tmp_path / f"regions.{suffix}"))
    hits = QgsVectorLayer(found["HITS"], "hits")
    assert hits.isValid() and hits.featureCount() == 6
    assert [name for name in hits.fields().names() if name not in ("fid", "id")] == FIELDS
    assert hits.crs().authid() == "EPSG:32632"
    ranks = sorted(feature["rank"] for feature in hits.getFeatures())
    assert ranks == [1, 2, 3, 4, 5, 6]
    regions = QgsVectorLayer(found["SUBREGIONS"], "regions")
    assert regions.featureCount() == found["SUBREGION_COUNT"] > 0


def test_subregions_need_no_sink(run: Run) -> None:
    assert "SUBREGIONS" not in run(SUBREGIONS=None)


def test_only_tiles_in_the_extent_and_the_areas_are_searched(run: Run, scene_raster: Path) -> None:
    extent = QgsRasterLayer(str(scene_raster)).extent()
    x, y = extent.xMinimum(), extent.yMaximum()
    whole = run()["TILES"]
    corner = run(EXTENT=f"{x},{x + 100},{y - 100},{y} [EPSG:32632]")
    assert 0 < corner["TILES"] < whole
    layer = QgsVectorLayer("Polygon?crs=EPSG:4326", "areas", "memory")
    feature = QgsFeature()
    degrees = QgsCoordinateTransform(corner["HITS"].crs(), layer.crs(), QgsProject.instance())
    feature.setGeometry(QgsGeometry.fromRect(degrees.transformBoundingBox(corner["HITS"].extent())))
    assert layer.dataProvider().addFeature(feature)
    assert corner["TILES"] <= run(AREA=layer)["TILES"] < whole


def test_an_extent_beside_the_raster_is_told(run: Run) -> None:
    assert "area lies outside" in refusal(run, EXTENT="0,1,0,1 [EPSG:32632]")


def test_results_come_in_the_chosen_crs(run: Run) -> None:
    hits = run(TARGET_CRS="EPSG:3857")["HITS"]
    assert hits.crs().authid() == "EPSG:3857"
    assert hits.featureCount() == 6
    same = run()["HITS"]
    there = QgsCoordinateTransform(same.crs(), hits.crs(), QgsProject.instance())
    # The box around turned tiles is a little larger; another CRS would be far off.
    assert there.transformBoundingBox(same.extent()).center().distance(hits.extent().center()) < 5


def test_a_raster_without_a_crs_gives_hits_without_one(run: Run, scene_raster: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.tif"
    options = gdal.TranslateOptions(creationOptions=["PROFILE=BASELINE"], srcWin=[0, 0, 512, 512])
    assert gdal.Translate(str(plain), str(scene_raster), options=options) is not None
    for sidecar in tmp_path.glob("plain.*"):
        if sidecar != plain:
            sidecar.unlink()
    found = run(INPUT=str(plain), HITS=str(tmp_path / "hits.gpkg"), EXTENT="0,512,-512,0")
    hits = QgsVectorLayer(found["HITS"], "hits")
    assert hits.featureCount() > 0
    assert not hits.crs().authid().startswith("EPSG:")
    assert QgsRasterLayer(str(plain)).extent().contains(hits.extent())


def test_rasters_of_two_crss_are_searched_together(run: Run, scene_raster: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tif"
    assert gdal.Warp(str(other), str(scene_raster), dstSRS="EPSG:3035") is not None
    found = run(MORE_INPUTS=[str(other)], TOP=40, REFINE=0, SUBREGIONS=None)
    hits = found["HITS"]
    assert hits.crs().authid() == "EPSG:4326"
    # Both show the same ground, so a tile of one suppresses that of the other; both have hits all the same.
    assert {Path(feature["raster"]).name for feature in hits.getFeatures()} == {scene_raster.name, "other.tif"}


def test_a_layer_with_a_crs_of_the_users_keeps_its_name_in_the_hits(run: Run, scene_raster: Path) -> None:
    layer = QgsRasterLayer(str(scene_raster), "mine")
    layer.setCrs(QgsCoordinateReferenceSystem("EPSG:25832"))
    assert QgsProject.instance().addMapLayer(layer) is layer
    hits = run(INPUT=layer, REFINE=0, SUBREGIONS=None)["HITS"]
    assert hits.crs().authid() == "EPSG:25832"
    assert {feature["raster"] for feature in hits.getFeatures()} == {str(scene_raster)}


def virtual_layer(scene_raster: Path) -> QgsRasterLayer:
    """The scene's first band as a layer that is computed and no file."""
    extent = QgsRasterLayer(str(scene_raster)).extent()
    corners = f"{extent.xMinimum()},{extent.yMinimum()},{extent.xMaximum()},{extent.yMaximum()}"
    layer = QgsRasterLayer(
        f'?crs=EPSG:32632&extent={corners}&width=1024&height=1024&formula="scene@1"'
        f"&scene:uri={scene_raster}&scene:provider=gdal",
        "computed",
        "virtualraster",
    )
    assert layer.isValid()
    assert QgsProject.instance().addMapLayer(layer) is layer
    return layer


def test_a_layer_that_is_no_file_is_rendered_for_the_extent(run: Run, scene_raster: Path) -> None:
    layer = virtual_layer(scene_raster)
    extent = layer.extent()
    extent.setXMaximum(extent.xMinimum() + 300)
    feedback = Feedback()
    values = {"INPUT": layer, "EXTENT": extent, "TILE_SIZE": "100px", "RESOLUTION": 1.0, "REFINE": 0}
    found = run(feedback, **values, SUBREGIONS=None)
    assert "Rendering computed, 301 × 513 pixels" in feedback.textLog()
    assert {feature["raster"] for feature in found["HITS"].getFeatures()} == {"computed"}
    assert extent.buffered(1).contains(found["HITS"].extent())
    assert found["HITS"].crs().authid() == "EPSG:32632"
    again = run(**values, SUBREGIONS=None)
    assert again["ENCODED"] == 0  # the same picture, and its index


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"QUERY": " "}, "query is empty"),
        ({"TILE_SIZE": "huge"}, "“huge”"),
        ({"MODEL": "no-such-model"}, "no-such-model"),
        ({"BANDS": "9"}, "9"),
        ({"INPUT": "/nowhere/ortho.tif"}, "INPUT"),
        ({"MORE_INPUTS": ["/nowhere/ortho.tif"]}, "/nowhere/ortho.tif"),
        ({"HITS": "/nowhere/at/all/hits.gpkg"}, "/nowhere/at/all/hits.gpkg"),
    ],
)
def test_wrong_parameters_fail_with_words(run: Run, values: dict[str, object], words: str) -> None:
    assert words in refusal(run, **values)


def refusal(run: Run, **values: object) -> str:
    """What the user is told; nothing of it is Python's, and no search has begun."""
    feedback = Feedback()
    with pytest.raises(QgsProcessingException) as caught:
        run(feedback, **values)
    told = f"{caught.value} {feedback.textLog()}"
    assert "Traceback" not in told
    assert not [percent for percent in feedback.percents if percent > 2]  # a model may have been loaded
    return told


def test_an_output_that_was_begun_is_taken_away_and_nothing_else(tmp_path: Path) -> None:
    context = QgsProcessingContext()

    def begin(destination: str) -> OutputLayer:
        crs = QgsCoordinateReferenceSystem("EPSG:32632")
        sink, made = QgsProcessingUtils.createFeatureSink(destination, context, HITS.qgis_fields(), GEOMETRY, crs)
        return OutputLayer(HITS, sink, made, "Hits")

    kept = begin(str(tmp_path / "other.gpkg"))
    kept.sink = None
    table = f"ogr:dbname='{tmp_path / 'other.gpkg'}' table=\"my hits\" (geom)"
    for output in (begin(str(tmp_path / "a.shp")), begin(str(tmp_path / "b.geojson")), begin(table), begin("memory:")):
        discard(output, context)
    assert [file.name for file in tmp_path.iterdir()] == ["other.gpkg"]
    left = gdal.OpenEx(str(tmp_path / "other.gpkg"), gdal.OF_VECTOR)
    assert [left.GetLayer(number).GetName() for number in range(left.GetLayerCount())] == ["other"]


def test_a_cancelled_search_ends_soon_and_what_was_encoded_is_kept(run: Run, tmp_path: Path) -> None:
    class Impatient(Feedback):
        def setProgressText(self, text: str) -> None:
            if text.startswith("Outlining"):
                self.cancel()

    feedback = Impatient()
    found = run(feedback, TILE_SIZE="160px", REFINE=30, HITS="memory:")
    assert found == {}
    again = run(TILE_SIZE="160px", REFINE=0)
    assert again["ENCODED"] == 0 and again["HIT_COUNT"] == 6


def test_loaded_layers_are_styled_and_named_after_the_query(run: Run, scene_raster: Path) -> None:
    algorithm = QgsApplication.processingRegistry().createAlgorithmById(ALGORITHM)
    context, feedback = QgsProcessingContext(), Feedback()
    context.setProject(QgsProject.instance())
    values = {"INPUT": str(scene_raster), "QUERY": QUERY, "TOP": 6, "REFINE": 3}
    values["HITS"] = output_definition("TEMPORARY_OUTPUT")
    values["SUBREGIONS"] = output_definition("memory:")
    _, succeeded = algorithm.run(values, context, feedback)
    assert succeeded, feedback.textLog()
    del algorithm  # layers are loaded when it is long gone
    layers = load(context, feedback)
    assert set(layers) == {f"Hits: {QUERY}", f"Subregions: {QUERY}"}
    hits, subregions = layers[f"Hits: {QUERY}"], layers[f"Subregions: {QUERY}"]
    assert isinstance(hits.renderer(), QgsGraduatedSymbolRenderer)
    assert hits.renderer().classAttribute() == "score"
    assert hits.labelsEnabled()
    scores = [feature["score"] for feature in hits.getFeatures()]
    ranges = hits.renderer().ranges()
    assert ranges[0].lowerValue() <= min(scores) and max(scores) <= ranges[-1].upperValue()
    assert isinstance(subregions.renderer(), QgsCategorizedSymbolRenderer)
    assert {item.value() for item in subregions.renderer().categories()} == {"tennis courts", "parking lot"}


def test_it_runs_as_a_batch(run: Run, scene_raster: Path, tmp_path: Path) -> None:
    """As QGIS's batch dialog does: one algorithm, context and feedback for all rows."""
    other = tmp_path / "other.tif"
    shutil.copyfile(scene_raster, other)
    rows = [
        {"INPUT": str(scene_raster), "QUERY": "a pond", "TOP": 3, "HITS": str(tmp_path / "1.gpkg")},
        {"INPUT": str(other), "QUERY": "tennis courts", "TOP": 5, "HITS": str(tmp_path / "2.gpkg")},
    ]
    algorithm = QgsApplication.processingRegistry().createAlgorithmById(ALGORITHM)
    context, feedback = QgsProcessingContext(), Feedback()
    steps = QgsProcessingMultiStepFeedback(len(rows), feedback)
    for number, row in enumerate(rows):
        steps.setCurrentStep(number)
        values = {**row, "REFINE": 0}
        assert algorithm.checkParameterValues(values, context)[0]
        found, succeeded = algorithm.run(values, context, steps)
        assert succeeded, feedback.textLog()
        hits = QgsVectorLayer(found["HITS"], "hits")
        assert {feature["query"] for feature in hits.getFeatures()} == {row["QUERY"]}
        assert {feature["raster"] for feature in hits.getFeatures()} == {row["INPUT"]}
        assert hits.featureCount() == found["HIT_COUNT"] == row["TOP"]
    assert feedback.percents == sorted(feedback.percents)
    assert feedback.percents[-1] == 100


def test_it_runs_within_a_model(run: Run, scene_raster: Path) -> None:
    model = QgsProcessingModelAlgorithm("find", "tests")
    model.addModelParameter(QgsProcessingParameterRasterLayer("image", "image"), QgsProcessingModelParameter("image"))
    model.addModelParameter(QgsProcessingParameterString("words", "words"), QgsProcessingModelParameter("words"))
    source = QgsProcessingModelChildParameterSource
    search = QgsProcessingModelChildAlgorithm(ALGORITHM)
    search.setChildId("search")
    search.addParameterSources("INPUT", [source.fromModelParameter("image")])
    search.addParameterSources("QUERY", [source.fromModelParameter("words")])
    search.addParameterSources("TOP", [source.fromStaticValue(5)])
    search.addParameterSources("REFINE", [source.fromStaticValue(0)])
    assert model.addChildAlgorithm(search) == "search"
    centres = QgsProcessingModelChildAlgorithm("native:centroids")
    centres.setChildId("centres")
    centres.addParameterSources("INPUT", [source.fromChildOutput("search", "HITS")])
    output = QgsProcessingModelOutput("points", "points")
    output.setChildOutputName("OUTPUT")
    output.setChildId("centres")
    centres.setModelOutputs({"points": output})
    assert model.addChildAlgorithm(centres) == "centres"
    assert model.validate()[0]

    from qgis import processing

    found = processing.run(
        model, {"image": str(scene_raster), "words": QUERY, "points": "memory:"}, feedback=Feedback()
    )
    points = found["points"]
    assert points.featureCount() == 5
    assert points.geometryType() == Qgis.GeometryType.Point
    assert points.fields().names() == FIELDS


def test_paths_may_hold_spaces_and_accents(run: Run, scene_raster: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my images é"
    folder.mkdir()
    copy = folder / "or tho.tif"
    shutil.copyfile(scene_raster, copy)
    hits = run(INPUT=str(copy), REFINE=0, HITS=str(folder / "hits 1.gpkg"))["HITS"]
    assert QgsVectorLayer(hits).featureCount() == 6


def output_definition(destination: str) -> Any:
    """An output as a dialog has it: loaded into the project after the algorithm."""
    return QgsProcessingOutputLayerDefinition(destination, QgsProject.instance())


def load(context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> dict[str, QgsVectorLayer]:
    """What QGIS's window does after an algorithm with what the context says: loads layers, names and styles them.

    Its own function wants a real window in QGIS 3.44.
    """
    for place, details in context.layersToLoadOnCompletion().items():
        layer = QgsProcessingUtils.mapLayerFromString(place, context, typeHint=details.layerTypeHint)
        details.setOutputLayerName(layer)
        owned = context.temporaryLayerStore().takeMapLayer(layer)
        assert details.project.addMapLayer(owned) is owned
        if details.postProcessor() is not None:
            details.postProcessor().postProcessLayer(owned, context, feedback)
    QCoreApplication.processEvents()
    return {layer.name(): layer for layer in QgsProject.instance().mapLayers().values()}
