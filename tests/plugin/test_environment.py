"""The tests' own ground: QGIS is new enough, and nothing is written to the user's folders."""

from __future__ import annotations

import os
from pathlib import Path

from qgis.core import Qgis, QgsApplication, QgsRasterLayer, QgsSettings


def test_qgis_is_a_supported_one() -> None:
    assert Qgis.QGIS_VERSION_INT >= 34000


def test_scene_is_a_georeferenced_picture(scene_layer: QgsRasterLayer) -> None:
    assert (scene_layer.width(), scene_layer.height(), scene_layer.bandCount()) == (1024, 1024, 3)
    assert scene_layer.crs().authid() == "EPSG:32632"
    assert scene_layer.rasterUnitsPerPixelX() == 0.5


def test_settings_lie_in_a_folder_of_the_run(private_profile: Path) -> None:
    settings = QgsSettings()
    settings.setValue("mpsclip/probe", "x")
    settings.sync()
    assert Path(settings.fileName()).is_relative_to(private_profile)


def test_settings_of_another_test_are_gone() -> None:
    assert not QgsSettings().contains("mpsclip/probe")


def test_index_weights_and_secrets_lie_in_no_folder_of_the_user(private_folders: Path) -> None:
    assert Path(os.environ["MPSCLIP_CACHE"]).is_relative_to(private_folders)
    assert Path(os.environ["MPSCLIP_DATA_DIR"]).is_relative_to(private_folders)
    assert not Path(QgsApplication.qgisSettingsDirPath()).is_relative_to(Path.home())
