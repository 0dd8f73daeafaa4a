"""A real search on the drawn scene, made once by the engine: its file, and all that the engine said on the way."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsProject, QgsRasterLayer
from qgis.gui import QgisInterface

from qgis_mpsclip.client.blocking import BlockingEngine
from qgis_mpsclip.results import ResultsPanel, SearchRequest
from qgis_mpsclip.settings import Settings

QUERY = "houses beside a road"
OPTIONS = {"tile": "128px", "overlap": 0.25, "top": 12, "refine": 6, "segmenter": "relevance"}


@dataclass(frozen=True)
class Said:
    """A search as the engine reports it: its file, and the notifications in their order."""

    params: dict[str, Any]
    report: dict[str, Any] = field(default_factory=dict)
    shortlist: dict[str, Any] = field(default_factory=dict)
    hits: list[dict[str, Any]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return Path(self.params["out"])

    def request(self, layer: QgsRasterLayer | None = None) -> SearchRequest:
        layers = {self.params["rasters"][0]: layer.id()} if layer is not None else {}
        return SearchRequest(self.params["query"], self.params, layers)


@pytest.fixture(scope="session")
def said_once(
    scene_raster: Path, engine_python: Path, private_folders: Path, tmp_path_factory: pytest.TempPathFactory
) -> Said:
    """The search, made once for all tests."""
    out = tmp_path_factory.mktemp("results") / "houses.gpkg"
    params = {"query": QUERY, "rasters": [str(scene_raster)], "out": str(out), "overwrite": False, "options": OPTIONS}
    said = Said(params)

    def listen(method: str, data: dict[str, Any]) -> None:
        if method == "shortlist":
            said.shortlist.update(data)
        elif method == "hit":
            said.hits.append(data)

    with BlockingEngine() as engine:
        said.report.update(engine.request("search", params, on_partial=listen))
    assert len(said.report["hits"]) == OPTIONS["top"] and len(said.hits) == OPTIONS["refine"]
    return said


@pytest.fixture
def said(said_once: Said, tmp_path: Path) -> Said:
    """The search with a file of the test's own, to be changed at will."""
    out = tmp_path / "houses.gpkg"
    shutil.copy(said_once.file, out)
    mine = copy.deepcopy(said_once)
    mine.params["out"] = mine.report["out"] = str(out)
    return mine


@pytest.fixture
def project(qgis_new_project: None) -> QgsProject:
    """An empty project."""
    return QgsProject.instance()


@pytest.fixture
def panel(qgis_iface: QgisInterface, project: QgsProject) -> Iterator[ResultsPanel]:
    """The results in a window of their own; no search yet."""
    widget = ResultsPanel(qgis_iface, Settings())
    widget.resize(400, 700)
    widget.show()
    yield widget
    widget.shut_down()
    widget.close()
    widget.deleteLater()


@pytest.fixture
def finished(panel: ResultsPanel, said: Said, project: QgsProject, scene_layer: QgsRasterLayer) -> ResultsPanel:
    """The results after a whole search of the scene, which is in the project."""
    project.addMapLayer(scene_layer)
    run(panel, said, scene_layer)
    return panel


def run(panel: ResultsPanel, said: Said, layer: QgsRasterLayer | None = None) -> None:
    """Hands the panel all that the engine said, as the dock does."""
    panel.begin(said.request(layer))
    panel.show_shortlist(said.shortlist)
    for hit in said.hits:
        panel.update_hit(hit)
    panel.finish(said.report)
