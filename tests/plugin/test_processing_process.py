"""Processing: ``qgis_process`` as a process of its own, without a display, in a fresh profile."""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from osgeo import ogr

PLUGIN = Path(__file__).resolve().parent.parent.parent / "qgis_mpsclip"
# A leak of these from the caller would hide that something is missing in a fresh profile.
FOREIGN = ("DISPLAY", "WAYLAND_DISPLAY", "PYTHON", "QGIS_", "PROJ_", "GDAL_", "MPSCLIP_")
SECONDS = 600  # a busy machine takes minutes to start two engines


class QgisProcess:
    """``qgis_process`` with a profile and an index of its own."""

    def __init__(self, folder: Path, engine_python: Path) -> None:
        plugins = folder / "profiles" / "default" / "python" / "plugins"
        plugins.mkdir(parents=True)
        (plugins / "qgis_mpsclip").symlink_to(PLUGIN, target_is_directory=True)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)} | {
            "QGIS_CUSTOM_CONFIG_PATH": str(folder),
            "QT_QPA_PLATFORM": "offscreen",
            "MPSCLIP_PYTHON": str(engine_python),
            "MPSCLIP_CACHE": str(folder / "cache"),
            "OMP_NUM_THREADS": "1",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts it, in a group of its own as a terminal does."""
        return subprocess.Popen(
            ["qgis_process", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, algorithm: str, **values: object) -> dict[str, Any]:
        """Runs an algorithm; its results."""
        return results(self.start("run", f"mpsclip:{algorithm}", "--json", *arguments(values)))


def arguments(values: dict[str, object]) -> list[str]:
    """Parameters as they are written on a command line."""
    return [f"--{name}={value}" for name, value in values.items()]


def results(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Waits for a run with ``--json``; its results."""
    out, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, f"{out}\n{errors}"
    assert "Traceback" not in errors
    return json.loads(out)["results"]


@pytest.fixture(scope="module")
def qgis_process(tmp_path_factory: pytest.TempPathFactory, engine_python: Path) -> QgisProcess:
    """One in whose profile the plugin is enabled."""
    if shutil.which("qgis_process") is None:
        pytest.fail("qgis_process is missing: make setup installs it with QGIS")
    made = QgisProcess(tmp_path_factory.mktemp("qgis process"), engine_python)
    enabling = made.start("plugins", "enable", "qgis_mpsclip")
    _, errors = enabling.communicate(timeout=SECONDS)
    assert enabling.returncode == 0, errors
    return made


def features(file: str) -> list[tuple[int, str, int, int]]:
    """Rank, query and tile of the hits in a file of any format."""
    source = ogr.Open(file)
    return sorted(
        (hit.GetField("rank"), hit.GetField("query"), hit.GetField("tile_row"), hit.GetField("tile_col"))
        for hit in source.GetLayer(0)
    )


def test_two_searches_without_a_display_share_one_index(
    qgis_process: QgisProcess, scene_raster: Path, tmp_path: Path
) -> None:
    values = {"INPUT": scene_raster, "QUERY": "a pond", "TILE_SIZE": "128px", "OVERLAP": 0.2, "TOP": 9}
    files = [str(tmp_path / "hits.geojson"), str(tmp_path / "hits.gpkg")]
    regions = tmp_path / "regions.gpkg"
    outputs = [{"HITS": files[0], "REFINE": 2, "SUBREGIONS": regions}, {"HITS": files[1], "REFINE": 0}]
    commands = [["run", "mpsclip:searchimagery", "--json", *arguments({**values, **output})] for output in outputs]
    runs = [qgis_process.start(*command) for command in commands]
    found = [results(run) for run in runs]
    assert found[0]["TILES"] == found[1]["TILES"] == 100
    # Each tile was encoded once, by the one or the other.
    assert found[0]["ENCODED"] + found[1]["ENCODED"] == found[0]["TILES"]
    assert [each["HITS"] for each in found] == files
    assert [rank for rank, *_ in features(files[0])] == list(range(1, 10))
    assert features(files[0]) == features(files[1])
    assert found[0]["HIT_COUNT"] == 9
    assert ogr.Open(str(regions)).GetLayer(0).GetFeatureCount() == found[0]["SUBREGION_COUNT"]


def test_the_status_is_told_where_the_engine_is_missing(
    qgis_process: QgisProcess, scene_raster: Path, tmp_path: Path
) -> None:
    assert qgis_process.run("enginestatus", OUTPUT_HTML=tmp_path / "status.html")["READY"] is True
    lacking = copy.copy(qgis_process)
    lacking.environment = {**qgis_process.environment, "MPSCLIP_PYTHON": str(tmp_path / "no-python")}
    found = lacking.run("enginestatus", OUTPUT_HTML=tmp_path / "missing.html")
    assert found["READY"] is False
    assert "no-python" in found["MESSAGE"]
    values = {"INPUT": scene_raster, "QUERY": "pond", "HITS": tmp_path / "hits.gpkg"}
    search = lacking.start("run", "mpsclip:searchimagery", *arguments(values))
    out, errors = search.communicate(timeout=SECONDS)
    assert search.returncode != 0
    assert "no-python" in out + errors
    assert "Traceback" not in out + errors


def test_an_interrupted_run_leaves_no_engine_behind(
    qgis_process: QgisProcess, scene_raster: Path, tmp_path: Path
) -> None:
    values = {"INPUTS": scene_raster, "TILE_SIZE": "40px", "OVERLAP": 0.8}
    process = qgis_process.start("run", "mpsclip:buildindex", *arguments(values))
    children: list[int] = []
    deadline = time.monotonic() + 60
    while len(children) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
        children = descendants(process.pid)
    assert len(children) >= 2  # the engine and its worker
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=SECONDS)
    while any(map(alive, children)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not any(map(alive, children))


def test_ctrl_c_ends_a_search_soon_and_without_an_output(
    qgis_process: QgisProcess, scene_raster: Path, tmp_path: Path
) -> None:
    values = {"INPUT": scene_raster, "QUERY": "pond", "TILE_SIZE": "40px", "OVERLAP": 0.8}
    files = {"HITS": tmp_path / "hits.gpkg", "SUBREGIONS": tmp_path / "regions.shp"}
    process = qgis_process.start("run", "mpsclip:searchimagery", *arguments({**values, **files}))
    while "Encoding tiles" not in process.stdout.readline() and process.poll() is None:
        pass
    children = descendants(process.pid)
    assert children and files["HITS"].exists()
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=SECONDS)
    assert time.monotonic() - begun < 20  # all tiles take minutes
    assert "Cancelled." in out and "Traceback" not in out + errors
    assert list(tmp_path.iterdir()) == []
    assert not any(map(alive, children))


def descendants(pid: int) -> list[int]:
    """Processes that a process has started, and those that these have."""
    children = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        children += [int(child) for child in task.read_text().split()]
    return children + [one for child in children for one in descendants(child)]


def alive(pid: int) -> bool:
    """Whether a process still works; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
