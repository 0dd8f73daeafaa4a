"""The dock where something goes wrong, or at another scale: with a client that leaves the answers to the test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsProject, QgsRasterLayer
from qgis.gui import QgsMessageBar
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication, QTextEdit

from qgis_mpsclip.client import PendingRequest
from qgis_mpsclip.dock import SearchDock
from qgis_mpsclip.dock.form import SearchForm
from qgis_mpsclip.dock.raster_picker import RasterSelection
from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.rendering.job import RenderJob
from qgis_mpsclip.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
WIDEST = 300  # logical pixels: a dock beside the map on a small screen
REPORT = {"query": "trees", "crs": None, "hits": [], "counts": {"tiles": 36, "hits": 0}, "timings": {"total": 1.0}}


class QuietClient:
    """Takes requests and says nothing; a cancelled one ends at once."""

    def __init__(self) -> None:
        self.requests: list[PendingRequest] = []

    def is_running(self) -> bool:
        return True

    def request(self, method: str, params: dict[str, Any]) -> PendingRequest:
        made = PendingRequest(len(self.requests) + 2, method, params, lambda request: request.cancelled.emit())
        self.requests.append(made)
        return made


@pytest.fixture
def client() -> QuietClient:
    return QuietClient()


@pytest.fixture
def dock(
    qgis_iface,
    qgis_new_project,
    bar: QgsMessageBar,
    client: QuietClient,
    scene_layer: QgsRasterLayer,
    private_settings: object,
    tmp_path: Path,
) -> Iterator[SearchDock]:
    QgsProject.instance().addMapLayer(scene_layer)
    settings = Settings()
    settings.results_folder = str(tmp_path / "results")
    dock = SearchDock(qgis_iface, client, settings)
    dock.setFloating(True)
    dock.resize(WIDEST, 900)
    dock.show()
    yield dock
    dock.clean_up()
    dock.close()
    dock.deleteLater()


def type_and_enter(dock: SearchDock, query: str) -> None:
    dock.query.edit.clear()
    QTest.keyClicks(dock.query.edit, query)
    QTest.keyClick(dock.query.edit, Qt.Key.Key_Return)


def shown(bar: QgsMessageBar) -> str:
    """The newest message as the user reads it."""
    return bar.currentItem().findChild(QTextEdit).toPlainText()


def hit(raster: str) -> dict[str, Any]:
    square = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]}
    return {
        "rank": 1,
        "score": 0.5,
        "score_global": 0.5,
        "score_regions": None,
        "percentile": 99.0,
        "refined": False,
        "raster": raster,
        "tile_row": 0,
        "tile_col": 0,
        "geometry": square,
        "subregions": [{"keyword": "a long name of a thing", "score": 0.5, "geometry": square}],
    }


def test_the_lines_of_a_crash_are_shown_one_below_the_other(dock: SearchDock, bar: QgsMessageBar) -> None:
    log = "loading <model>\nout of memory & time"
    dock.controller.tell_error(MpsClipError(f"The engine has ended. Its log ends with:\n{log}", "Search again."))
    assert shown(bar).splitlines()[-2:] == ["loading <model>", "out of memory & time Search again."]


def test_a_layer_that_cannot_be_rendered_leaves_the_dock_ready(
    dock: SearchDock, bar: QgsMessageBar, scene_layer: QgsRasterLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: RenderJob) -> None:
        raise MpsClipError("The layer “scene” cannot be rendered.", "Reset its style.")

    monkeypatch.setattr(RenderJob, "start", refuse)
    form = SearchForm("trees", RasterSelection([scene_layer]), render=frozenset({scene_layer.id()}))
    dock.controller.search(form)
    assert not dock.controller.is_busy and not dock.progress.isVisible()
    assert "cannot be rendered. Reset its style." in shown(bar)


def test_answers_that_cannot_be_read_leave_the_dock_ready(
    dock: SearchDock, client: QuietClient, bar: QgsMessageBar
) -> None:
    type_and_enter(dock, "trees")
    (request,) = client.requests
    request.partial.emit("shortlist", {"hits": [{"rank": "no number"}]})
    assert dock.controller.is_busy, "the report is still to come"
    request.finished.emit({"hits": [{"rank": "no number"}]})
    assert not dock.controller.is_busy
    assert f"They are in {request.params['out']}" in shown(bar)
    type_and_enter(dock, "roads")
    client.requests[1].finished.emit({**REPORT, "out": client.requests[1].params["out"]})
    assert not dock.controller.is_busy and "0 hits for “roads” among 36 tiles" in shown(bar)


def test_enter_during_a_search_says_that_one_runs(dock: SearchDock, client: QuietClient) -> None:
    type_and_enter(dock, "trees")
    assert dock.controller.is_busy and not dock.notice.isVisible()
    type_and_enter(dock, "roads")
    assert dock.notice.isVisible() and dock.notice.label.text() == "A search is running; Esc cancels it."
    QTest.keyClick(dock.query.edit, Qt.Key.Key_Escape)
    assert not dock.controller.is_busy and not dock.notice.isVisible()
    assert len(client.requests) == 1


def test_what_was_rendered_how_is_kept_for_the_next_time(
    dock: SearchDock, client: QuietClient, scene_layer: QgsRasterLayer, wait_until
) -> None:
    form = SearchForm("trees", RasterSelection([scene_layer]), render=frozenset({scene_layer.id()}), resolution=4.0)
    dock.controller.search(form)
    wait_until(lambda: client.requests, 60, "the rendering")
    (path,) = client.requests[0].params["rasters"]
    assert "rendered" not in client.requests[0].params
    client.requests[0].partial.emit("shortlist", {"crs": "EPSG:32632", "hits": [hit(path)]})
    dock.controller.cancel()
    (earlier,) = dock.results.history.entries()
    assert earlier.rendered == {path: 4.0}
    Path(path).unlink()
    dock.results.history_menu.rerunRequested.emit(earlier)
    wait_until(lambda: len(client.requests) == 2, 60, "the second rendering")
    assert client.requests[1].params["rasters"] == [path] and Path(path).is_file()


def test_the_dock_stays_narrow_whatever_the_scale(
    dock: SearchDock, client: QuietClient, scene_layer: QgsRasterLayer
) -> None:
    assert dock.devicePixelRatioF() == float(os.environ.get("QT_SCALE_FACTOR", "1"))
    dock.advanced.setCollapsed(False)
    type_and_enter(dock, "trees")
    client.requests[-1].partial.emit("shortlist", {"crs": "EPSG:32632", "hits": [hit(scene_layer.source())]})
    QApplication.processEvents()
    assert dock.results.list.isVisible() and dock.results.filters.isVisible()
    assert dock.minimumSizeHint().width() < WIDEST
    assert dock.widget().widget().minimumSizeHint().width() < WIDEST
    dock.resize(WIDEST, 900)
    QApplication.processEvents()
    assert dock.width() == WIDEST


def test_the_dock_stays_narrow_at_200_percent() -> None:
    name = f"{__file__}::{test_the_dock_stays_narrow_whatever_the_scale.__name__}"
    command = [sys.executable, "-m", "pytest", name, "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "QT_SCALE_FACTOR": "2", "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr
