"""The dock with the real engine, and the drawn scene in the project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from qgis.core import (
    QgsProject,
    QgsRasterLayer,
)
from qgis.gui import QgsMessageBar

from qgis_mpsclip.client import EngineClient
from qgis_mpsclip.client.blocking import end_shared_engine
from qgis_mpsclip.dock import SearchDock
from qgis_mpsclip.settings import Settings
from tests.plugin.dock.driving import finish


@pytest.fixture(scope="module")
def client(qgis_app) -> Iterator[EngineClient]:
    """One engine for all tests here: it takes seconds to load its model. The one that other tests left is ended."""
    end_shared_engine()
    client = EngineClient(Settings())
    yield client
    client.shutdown()


@pytest.fixture
def dock(
    qgis_iface, qgis_new_project, bar: QgsMessageBar, client: EngineClient, tmp_path: Path
) -> Iterator[SearchDock]:
    settings = Settings()
    settings.results_folder = str(tmp_path / "results")
    dock = SearchDock(qgis_iface, client, settings)
    dock.setFloating(True)
    dock.advanced.refine.setValue(3)
    dock.resize(400, 900)
    dock.show()
    yield dock
    if dock.controller.is_busy:
        dock.controller.cancel()
        finish(dock)
    dock.clean_up()
    dock.close()
    dock.deleteLater()


@pytest.fixture
def scene(scene_layer: QgsRasterLayer, dock: SearchDock) -> QgsRasterLayer:
    """The drawn scene, in the project."""
    QgsProject.instance().addMapLayer(scene_layer)
    return scene_layer
