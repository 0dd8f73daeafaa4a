"""What the engine's process inherits, and what it does not."""

from __future__ import annotations

import os

import pytest

from qgis_mpsclip.client.environment import engine_environment

KEPT = {
    "HOME": "/home/u",
    "LANG": "de_DE.UTF-8",
    "HTTPS_PROXY": "http://proxy:3128",
    "no_proxy": "localhost",
    "CUDA_VISIBLE_DEVICES": "1",
    "MPSCLIP_CACHE": "/big/disk",
    "SSL_CERT_FILE": "/etc/ca.pem",
}


@pytest.mark.parametrize(
    "name",
    [
        "PYTHONHOME",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PROJ_LIB",
        "PROJ_DATA",
        "GDAL_DATA",
        "GDAL_DRIVER_PATH",
        "QT_PLUGIN_PATH",
        "QT_QPA_PLATFORM",
        "QGIS_PREFIX_PATH",
        "VIRTUAL_ENV",
        "OSGEO4W_ROOT",
    ],
)
def test_variables_of_qgis_are_left_out(name: str) -> None:
    assert engine_environment({**KEPT, name: "/usr"}) == KEPT


def test_search_paths_lose_the_folders_of_qgis_and_no_others() -> None:
    join = os.pathsep.join
    cleaned = engine_environment(
        {
            "QGIS_PREFIX_PATH": "/opt/qgis",
            "VIRTUAL_ENV": "/home/u/venv",
            "PATH": join(["/home/u/venv/bin", "/opt/qgis/bin", "/opt/qgis-tools", "/usr/bin"]),
            "LD_LIBRARY_PATH": join(["/opt/qgis/lib", "/usr/local/cuda/lib64"]),
            "DYLD_LIBRARY_PATH": "/opt/qgis/lib",
        }
    )
    assert cleaned == {"PATH": join(["/opt/qgis-tools", "/usr/bin"]), "LD_LIBRARY_PATH": "/usr/local/cuda/lib64"}


def test_a_qgis_of_the_system_costs_no_search_path() -> None:
    assert engine_environment({"QGIS_PREFIX_PATH": "/usr", "PATH": "/usr/bin"}) == {"PATH": "/usr/bin"}
