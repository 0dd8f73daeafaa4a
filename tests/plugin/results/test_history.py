from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from qgis.core import Qgis, QgsGeometry, QgsPointXY, QgsProject
from qgis.gui import QgisInterface

from qgis_mpsclip.client.blocking import BlockingEngine
from qgis_mpsclip.results import ResultsPanel
from qgis_mpsclip.results.history import LONGEST_AREA
from qgis_mpsclip.results.history_menu import HistoryMenu
from qgis_mpsclip.results.review import Review
from tests.plugin.results.conftest import QUERY, Said, run


def reopen(project: QgsProject, file: Path) -> None:
    assert project.write(str(file))
    project.clear()
    assert project.read(str(file))


def test_earlier_searches_survive_saving_and_reopening(
    finished: ResultsPanel, project: QgsProject, said: Said, tmp_path: Path
) -> None:
    reopen(project, tmp_path / "map.qgz")
    (entry,) = finished.history.entries()
    assert (entry.query, entry.hits, entry.path) == (QUERY, 12, said.file)
    assert entry.params["options"] == said.params["options"]
    layers = {layer.name(): layer for layer in project.mapLayers().values()}
    assert layers["hits"].isValid() and layers["hits"].featureCount() == 12
    assert layers["subregions"].isValid()


def test_an_opened_search_uses_the_layers_of_the_project(
    finished: ResultsPanel, project: QgsProject, tmp_path: Path
) -> None:
    finished.list.setCurrentIndex(finished.proxy.index(0, 0))
    finished.command("accept")
    key = finished.current().key
    reopen(project, tmp_path / "map.qgz")
    before = set(project.mapLayers())
    finished.open_file(finished.history.entries()[0])
    assert set(project.mapLayers()) == before
    assert finished.model.rowCount() == 12 and finished.model.review(key) == Review("accepted")
    assert finished.list.itemDelegate().colours.keys() == {"houses", "road"}
    finished.list.setCurrentIndex(finished.proxy.index(1, 0))
    finished.command("reject")
    assert len(finished.model.reviews()) == 2


def test_an_opened_search_brings_its_layers_back(finished: ResultsPanel, project: QgsProject) -> None:
    project.removeAllMapLayers()
    project.layerTreeRoot().removeAllChildren()
    finished.open_file(finished.history.entries()[0])
    assert sorted(layer.name() for layer in project.mapLayers().values()) == ["hits", "subregions"]
    assert [node.name() for node in project.layerTreeRoot().children()] == [QUERY]


def test_a_project_that_moves_with_its_results_finds_them(
    panel: ResultsPanel, project: QgsProject, said: Said, tmp_path: Path
) -> None:
    home = tmp_path / "before"
    (home / "mpsclip").mkdir(parents=True)
    shutil.move(said.file, home / "mpsclip" / "houses.gpkg")
    said.params["out"] = said.report["out"] = str(home / "mpsclip" / "houses.gpkg")
    project.setFileName(str(home / "map.qgs"))
    run(panel, said)
    assert project.write()
    project.clear()
    home.rename(tmp_path / "after")
    assert project.read(str(tmp_path / "after" / "map.qgs"))
    (entry,) = panel.history.entries()
    assert entry.path == tmp_path / "after" / "mpsclip" / "houses.gpkg"
    panel.open_file(entry)
    assert panel.model.rowCount() == 12


@pytest.mark.parametrize("way", ["as QGIS's window saves", "as a script saves"])
def test_a_project_saved_in_another_folder_still_finds_its_results(
    panel: ResultsPanel, project: QgsProject, said: Said, tmp_path: Path, way: str
) -> None:
    other = tmp_path / "deep" / "other"
    other.mkdir(parents=True)
    run(panel, said)
    assert project.write(str(tmp_path / "map.qgz"))
    assert project.readEntry("mpsclip", "/searches")[0].count('"./houses.gpkg"') == 1
    if way == "as QGIS's window saves":
        project.setFileName(str(other / "map.qgz"))
        assert project.write()
    else:
        assert project.write(str(other / "map.qgz"))
    for file in (other, tmp_path):
        project.clear()
        assert project.read(str(file / "map.qgz"))
        assert [entry.path.resolve() for entry in panel.history.entries()] == [said.file], file


def test_nothing_of_a_service_is_written_into_the_project(
    panel: ResultsPanel, project: QgsProject, said: Said, tmp_path: Path
) -> None:
    secret = "not-to-be-told"  # pragma: allowlist secret
    said.params["keywords"] = {"extractor": "llm", "llm_url": f"http://me:{secret}@host/v1", "llm_api_key": secret}
    run(panel, said)
    assert project.write(str(tmp_path / "map.qgs"))
    text = (tmp_path / "map.qgs").read_text(encoding="utf-8")
    assert QUERY in text and secret not in text


@pytest.mark.parametrize("parts", [1, 2_000])
def test_a_very_detailed_area_is_kept_coarser_in_the_project(
    panel: ResultsPanel, project: QgsProject, said: Said, parts: int
) -> None:
    shapes = [
        QgsGeometry.fromPointXY(QgsPointXY(600_000 + 50 * (i % 50), 5_300_000 + 50 * (i // 50))).buffer(
            20 if parts > 1 else 2_000, 20_000 // parts
        )
        for i in range(parts)
    ]
    area = QgsGeometry.unaryUnion(shapes)
    sent = {"wkt": area.asWkt(9), "crs": "EPSG:32632"}
    said.params["options"]["area"] = sent
    run(panel, said)
    (entry,) = panel.history.entries()
    kept = entry.params["options"]["area"]
    assert len(sent["wkt"]) > 1_000_000 and len(kept["wkt"]) <= LONGEST_AREA and kept["crs"] == "EPSG:32632"
    assert said.params["options"]["area"] is sent, "the request goes out as it is"
    coarse = QgsGeometry.fromWkt(kept["wkt"])
    if parts == 1:
        assert coarse.intersection(area).area() == pytest.approx(area.area(), rel=0.001)
    assert coarse.intersection(area).area() >= 0.99 * area.area()


def test_rerun_hands_over_what_was_searched(finished: ResultsPanel, said: Said) -> None:
    got: list[dict[str, object]] = []
    finished.rerunRequested.connect(got.append)
    finished.history_menu.rerunRequested.emit(finished.history.entries()[0])
    (again,) = got
    assert again["rendered"] == {}
    assert again["query"] == again["title"] == QUERY
    assert again["params"] == {name: value for name, value in said.params.items() if name not in ("out", "overwrite")}
    assert list(again["layers"]) == said.params["rasters"]


def test_the_menu_lists_the_searches_and_forgets_one(finished: ResultsPanel, said: Said) -> None:
    menu: HistoryMenu = finished.history_menu
    menu.fill()
    (entry,) = menu.actions()
    assert entry.text().startswith(f"{QUERY} (12 hits, ")
    opening, again, remove = entry.menu().actions()
    assert opening.isEnabled() and again.isEnabled()
    remove.trigger()
    assert finished.history.entries() == [] and said.file.exists()
    menu.fill()
    (nothing,) = menu.actions()
    assert not nothing.isEnabled()


def test_a_search_whose_file_is_gone_can_only_be_rerun(finished: ResultsPanel, project: QgsProject, said: Said) -> None:
    project.removeAllMapLayers()
    said.file.unlink()
    finished.history_menu.fill()
    opening, again, _ = finished.history_menu.actions()[0].menu().actions()
    assert not opening.isEnabled() and again.isEnabled()
    finished.open_file(finished.history.entries()[0])
    assert finished.model.rowCount() == 12  # what was shown stays


def test_a_file_of_several_queries_is_refused_with_what_to_do(
    finished: ResultsPanel, project: QgsProject, said: Said, tmp_path: Path, qgis_iface: QgisInterface
) -> None:
    out = tmp_path / "batch.gpkg"
    options = {**said.params["options"], "segmenter": "none"}
    batch = {"queries": ["houses", "trees"], "rasters": said.params["rasters"], "out": str(out), "options": options}
    with BlockingEngine() as engine:
        engine.request("batch", batch)
    before = list(project.mapLayers())
    finished.open_file(replace(finished.history.entries()[0], path=out))
    assert "holds the hits of several queries" in qgis_iface.messageBar().get_messages(Qgis.MessageLevel.Warning)[-1]
    assert list(project.mapLayers()) == before and finished.model.rowCount() == 12


def test_a_file_that_holds_something_else_is_refused(
    finished: ResultsPanel, said: Said, tmp_path: Path, qgis_iface: QgisInterface
) -> None:
    with closing(sqlite3.connect(said.file)) as database, database:
        database.execute("ALTER TABLE hits RENAME COLUMN score TO points")
    finished.open_file(finished.history.entries()[0])
    assert "holds no results that can be read" in qgis_iface.messageBar().get_messages(Qgis.MessageLevel.Warning)[-1]
    assert finished.model.rowCount() == 12


def test_a_damaged_list_of_searches_is_as_none(panel: ResultsPanel, project: QgsProject) -> None:
    for text in ("{", "7", '[{"query": 1}, 5]'):
        project.writeEntry("mpsclip", "/searches", text)
        assert panel.history.entries() == []


def test_the_empty_panel_points_to_earlier_searches(
    finished: ResultsPanel, project: QgsProject, tmp_path: Path
) -> None:
    reopen(project, tmp_path / "map.qgz")
    assert finished.empty.title.text() == "No search yet"
    assert "Earlier searches" in finished.empty.text.text()
