from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from qgis.core import (
    Qgis,
    QgsCategorizedSymbolRenderer,
    QgsGraduatedSymbolRenderer,
    QgsLayerTreeGroup,
    QgsProject,
    QgsVectorLayer,
)
from qgis.gui import QgisInterface
from qgis.PyQt.QtGui import QColor

from qgis_mpsclip.results import ResultsPanel
from qgis_mpsclip.results.hits import hit_from_json, hits_from_layers
from qgis_mpsclip.results.layers import NO_MEMORY_WARNING, open_layer
from qgis_mpsclip.results.review import Review, read_reviews
from qgis_mpsclip.results.styles import load_template
from tests.plugin.results.conftest import QUERY, Said


def group(project: QgsProject) -> QgsLayerTreeGroup:
    (found,) = project.layerTreeRoot().findGroups()
    return found


def layers(project: QgsProject) -> tuple[QgsVectorLayer, QgsVectorLayer]:
    hits, subregions = (node.layer() for node in group(project).findLayers())
    assert (hits.name(), subregions.name()) == ("hits", "subregions")
    return hits, subregions


def started(panel: ResultsPanel, said: Said, refined: int = 0) -> None:
    said.file.unlink()
    panel.begin(said.request())
    panel.show_shortlist(said.shortlist)
    for hit in said.hits[:refined]:
        panel.update_hit(hit)


def test_first_hits_are_on_the_map_before_there_is_a_file(panel: ResultsPanel, said: Said, project: QgsProject) -> None:
    started(panel, said)
    hits, subregions = layers(project)
    assert group(project).name() == QUERY
    assert hits.providerType() == "memory" and hits.featureCount() == len(said.shortlist["hits"])
    assert hits.crs().authid() == "EPSG:32632"
    feature = next(hits.getFeatures('"rank" = 1'))
    assert feature.geometry().equals(hit_from_json(said.shortlist["hits"][0]).geometry)
    assert subregions.featureCount() == 0


def test_refined_hits_bring_their_outlines_and_scores_to_the_map(
    panel: ResultsPanel, said: Said, project: QgsProject
) -> None:
    started(panel, said, refined=2)
    hits, subregions = layers(project)
    expected = [region["keyword"] for hit in said.hits[:2] for region in hit["hit"]["subregions"]]
    assert sorted(feature["keyword"] for feature in subregions.getFeatures()) == sorted(expected)
    assert {c.value() for c in subregions.renderer().categories()} == set(expected)
    hit = said.hits[0]["hit"]
    feature = next(hits.getFeatures(f'"rank" = {hit["rank"]}'))
    assert feature["score_regions"] == hit["score_regions"]


def test_the_file_takes_the_place_of_the_layers_in_memory(panel: ResultsPanel, said: Said, project: QgsProject) -> None:
    panel.begin(said.request())
    panel.show_shortlist(said.shortlist)
    before = [layer.id() for layer in layers(project)]
    panel.finish(said.report)
    hits, subregions = layers(project)
    assert [hits.id(), subregions.id()] == before
    assert hits.providerType() == subregions.providerType() == "ogr"
    assert hits.source() == f"{said.file}|layername=hits"
    assert len(project.mapLayers()) == 2 and len(project.layerTreeRoot().children()) == 1
    assert hits.customPropertyKeys() == [] or "skipMemoryLayersCheck" not in hits.customPropertyKeys()


def test_the_files_styles_hold(finished: ResultsPanel, project: QgsProject, said: Said) -> None:
    hits, subregions = layers(project)
    renderer = hits.renderer()
    assert isinstance(renderer, QgsGraduatedSymbolRenderer)
    assert renderer.classAttribute() == "score" and len(renderer.ranges()) == 5
    scores = [hit["score"] for hit in said.report["hits"]]
    assert renderer.ranges()[0].lowerValue() <= min(scores) and renderer.ranges()[-1].upperValue() >= max(scores)
    assert hits.labelsEnabled() and hits.labeling().settings().fieldName == "rank"
    assert isinstance(subregions.renderer(), QgsCategorizedSymbolRenderer)
    colours = [category.symbol().color().name() for category in subregions.renderer().categories()]
    assert len(colours) == len(set(colours)) == 2
    assert {word: colour.name() for word, colour in finished.list.itemDelegate().colours.items()} == dict(
        zip([category.value() for category in subregions.renderer().categories()], colours)
    )


def test_every_score_has_a_class_while_hits_are_being_refined(
    panel: ResultsPanel, said: Said, project: QgsProject
) -> None:
    started(panel, said)
    changed = said.hits[0]
    changed["hit"]["score"] = 0.99
    panel.update_hit(changed)
    panel._layers._restyle()
    hits, _ = layers(project)
    ranges = hits.renderer().ranges()
    for feature in hits.getFeatures():
        assert any(r.lowerValue() <= feature["score"] <= r.upperValue() for r in ranges)


def test_groups_of_the_same_query_are_told_apart(panel: ResultsPanel, said: Said, project: QgsProject) -> None:
    for _ in range(2):
        panel.begin(said.request())
        panel.show_shortlist(said.shortlist)
        panel.finish(said.report)
    assert [node.name() for node in project.layerTreeRoot().children()] == [f"{QUERY} (2)", QUERY]


def test_a_long_query_gives_a_group_name_that_is_cut(panel: ResultsPanel, said: Said, project: QgsProject) -> None:
    said.params["query"] = "boat " * 60
    panel.begin(said.request())
    panel.show_shortlist(said.shortlist)
    assert len(group(project).name()) == 80 and group(project).name().endswith("…")


@pytest.mark.parametrize("reason", [None, "The engine has ended."])
def test_what_was_found_is_kept_as_a_styled_file_when_a_search_ends_early(
    panel: ResultsPanel, said: Said, project: QgsProject, reason: str | None
) -> None:
    started(panel, said, refined=3)
    panel.abort(reason)
    hits, subregions = layers(project)
    assert hits.source() == f"{said.file}|layername=hits" and hits.featureCount() == 12
    assert subregions.featureCount() == sum(len(hit["hit"]["subregions"]) for hit in said.hits[:3])
    assert isinstance(hits.renderer(), QgsGraduatedSymbolRenderer) and hits.labelsEnabled()
    assert isinstance(subregions.renderer(), QgsCategorizedSymbolRenderer)
    assert [entry.path for entry in panel.history.entries()] == [said.file]
    # The file opens alone as it does in the project.
    alone = hits_from_layers(open_layer(said.file, "hits"), open_layer(said.file, "subregions"))
    assert [hit.rank for hit in alone] == list(range(1, 13))
    assert [path.name for path in said.file.parent.iterdir() if path.suffix not in (".gpkg-wal", ".gpkg-shm")] == [
        "houses.gpkg"
    ]


def test_the_file_that_the_engine_had_just_written_is_taken_when_a_search_ends_early(
    panel: ResultsPanel, said: Said, project: QgsProject
) -> None:
    content = said.file.read_bytes()
    panel.begin(said.request())
    panel.show_shortlist(said.shortlist)
    panel.abort(None)
    assert said.file.read_bytes() == content
    hits, subregions = layers(project)
    assert hits.source() == f"{said.file}|layername=hits" and subregions.featureCount() > 0
    assert [hit.score for hit in panel.model.hits()] == pytest.approx([hit["score"] for hit in said.report["hits"]])
    assert [(entry.path, entry.hits) for entry in panel.history.entries()] == [(said.file, 12)]


def test_hits_that_cannot_be_kept_stay_on_the_map_and_qgis_warns_before_they_go(
    panel: ResultsPanel, said: Said, project: QgsProject, qgis_iface: QgisInterface
) -> None:
    panel.begin(said.request())
    panel.show_shortlist(said.shortlist)
    said.file.write_bytes(b"another program's")
    assert layers(project)[0].customProperty(NO_MEMORY_WARNING) == 1
    panel.abort(None)
    assert said.file.read_bytes() == b"another program's"
    for layer in layers(project):
        assert layer.providerType() == "memory" and layer.customProperty(NO_MEMORY_WARNING) is None
    assert panel.history.entries() == []
    assert "export them to keep them" in qgis_iface.messageBar().get_messages(Qgis.MessageLevel.Warning)[-1]


@pytest.mark.parametrize("closed", ["project", "project for another one", "panel"])
def test_what_closes_during_a_search_leaves_hits_and_notes_in_the_file(
    panel: ResultsPanel, said: Said, project: QgsProject, closed: str
) -> None:
    other = said.file.with_name("other.qgz")
    assert project.write(str(other))
    started(panel, said, refined=3)
    panel.list.setCurrentIndex(panel.proxy.index(1, 0))
    panel.command("accept")
    key = panel.current().key
    if closed == "panel":
        panel.shut_down()
    else:
        assert project.read(str(other)) if "another" in closed else project.clear() is None
        assert panel.model.rowCount() == 0 and not project.mapLayers() and not panel.history.entries()
    kept = open_layer(said.file, "hits")
    assert [hit.rank for hit in hits_from_layers(kept, open_layer(said.file, "subregions"))] == list(range(1, 13))
    assert read_reviews(kept) == {key: Review("accepted")}


def test_a_report_too_large_for_its_hits_is_read_from_the_file(
    panel: ResultsPanel, said: Said, project: QgsProject
) -> None:
    panel.begin(said.request())
    panel.finish({**said.report, "hits": [], "hits_left_out": True})
    assert [hit.score for hit in panel.model.hits()] == pytest.approx([hit["score"] for hit in said.report["hits"]])
    assert layers(project)[0].featureCount() == 12


def test_a_file_that_cannot_be_read_leaves_the_hits_where_they_are(
    panel: ResultsPanel, said: Said, project: QgsProject
) -> None:
    panel.begin(said.request())
    panel.show_shortlist(said.shortlist)
    said.file.write_bytes(b"no GeoPackage")
    panel.finish(said.report)
    hits, _ = layers(project)
    assert hits.isValid() and hits.featureCount() == 12 and panel.model.rowCount() == 12
    assert hits.customProperty(NO_MEMORY_WARNING) is None


def test_layers_that_the_user_removed_stay_removed(panel: ResultsPanel, said: Said, project: QgsProject) -> None:
    panel.begin(said.request())
    panel.show_shortlist(said.shortlist)
    project.removeAllMapLayers()
    panel.update_hit(said.hits[0])
    panel.finish(said.report)
    assert project.mapLayers() == {} and panel.model.rowCount() == 12


def test_the_map_shows_what_the_list_shows(finished: ResultsPanel, project: QgsProject) -> None:
    hits, subregions = layers(project)
    finished.filters.slider.setValue(9)
    finished._filter_map()
    shown = {hit.rank for hit in finished.proxy.shown()}
    assert {feature["rank"] for feature in hits.getFeatures()} == shown == {1, 2, 3}
    assert {feature["hit_rank"] for feature in subregions.getFeatures()} <= shown
    assert hits.featureCount() == 3 and isinstance(hits.renderer(), QgsGraduatedSymbolRenderer)
    finished.filters.reset()
    finished._filter_map()
    assert hits.featureCount() == 12 and hits.subsetString() == ""


def test_rasters_without_a_crs_give_layers_without_one(panel: ResultsPanel, said: Said, project: QgsProject) -> None:
    panel.begin(said.request())
    panel.show_shortlist({**said.shortlist, "crs": None})
    hits, subregions = layers(project)
    assert not hits.crs().isValid() and not subregions.crs().isValid()
    assert panel.list.model().rowCount() == 12


@pytest.mark.parametrize("undefined", [-1, 0])
def test_a_file_without_a_crs_gives_layers_without_one(
    panel: ResultsPanel, said: Said, project: QgsProject, tmp_path: Path, undefined: int
) -> None:
    with closing(sqlite3.connect(said.file)) as database, database:
        for table in ("gpkg_contents", "gpkg_geometry_columns"):
            database.execute(f"UPDATE {table} SET srs_id = {undefined}")
    assert QgsVectorLayer(f"{said.file}|layername=hits", "hits", "ogr").crs().isValid(), "QGIS's own reading"
    panel.begin(said.request())
    panel.show_shortlist({**said.shortlist, "crs": None})
    panel.finish({**said.report, "crs": None})
    assert not any(layer.crs().isValid() for layer in layers(project))
    panel._layers.show_only([1, 2])
    assert layers(project)[0].featureCount() == 2
    assert not any(layer.crs().isValid() for layer in layers(project)), "filtered"
    project.write(str(tmp_path / "project.qgz"))
    project.read(str(tmp_path / "project.qgz"))
    assert not any(layer.crs().isValid() for layer in layers(project)), "read again"


def test_hits_read_from_the_file_are_those_of_the_report(said: Said) -> None:
    read = hits_from_layers(open_layer(said.file, "hits"), open_layer(said.file, "subregions"))
    for hit, expected in zip(read, map(hit_from_json, said.report["hits"])):
        assert (hit.rank, hit.key, hit.score) == (expected.rank, expected.key, expected.score)
        assert hit.percentile == expected.percentile and hit.keywords == expected.keywords
        assert hit.geometry.equals(expected.geometry)


def test_files_without_percentile_still_open(said: Said, tmp_path: Path) -> None:
    with closing(sqlite3.connect(said.file)) as database, database:
        database.execute("ALTER TABLE hits DROP COLUMN percentile")
    assert hits_from_layers(open_layer(said.file, "hits"), None)[0].percentile is None


def test_every_class_of_score_is_seen_on_light_and_on_dark_themes() -> None:
    layer = QgsVectorLayer("Polygon?field=score:double", "hits", "memory")
    load_template(layer, "hits")
    lights = [_luminance(item.symbol().symbolLayer(0).strokeColor()) for item in layer.renderer().ranges()]
    assert lights == sorted(lights), "a better score is lighter"
    dark = _luminance(QColor("#323232"))  # of QGIS's "Night Mapping"
    assert min((light + 0.05) / (dark + 0.05) for light in lights) >= 3
    assert (1 + 0.05) / (lights[0] + 0.05) >= 3


def _luminance(colour: QColor) -> float:
    """Relative luminance as the Web Content Accessibility Guidelines define it, in [0, 1]."""
    parts = (colour.redF(), colour.greenF(), colour.blueF())
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
