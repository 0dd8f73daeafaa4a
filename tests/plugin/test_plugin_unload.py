"""In the real QGIS, in a window: what the plugin puts in is gone after ``unload``, time after time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DRIVER = Path(__file__).resolve().parent / "plugin_driver.py"
KINDS = (
    "menus",
    "toolbars",
    "docks",
    "actions",
    "shortcuts",
    "providers",
    "algorithms",
    "options",
    "signals",
    "engines",
)


@pytest.fixture(scope="module")
def seen(
    tmp_path_factory: pytest.TempPathFactory,
    engine_python: Path,
    engine_environment: dict[str, str],
    scene_raster: Path,
    screen: str,
) -> dict:
    """What the driver saw: ``before``, ``loaded``, ``unloaded``, each a list with one entry a round."""
    if shutil.which("qgis") is None:
        pytest.skip("the program qgis is not on PATH")
    folder = tmp_path_factory.mktemp("window")
    plugins = folder / "profiles" / "default" / "python" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "qgis_mpsclip").symlink_to(ROOT / "qgis_mpsclip")
    out = folder / "seen.json"
    command = ["qgis", "--nologo", "--noversioncheck", "--skipbadlayers"]
    command += ["--profiles-path", str(folder), "--code", str(DRIVER)]
    environment = {
        **engine_environment,
        "MPSCLIP_PYTHON": str(engine_python),
        "DRIVER_OUT": str(out),
        "DISPLAY": screen,
    }
    environment["DRIVER_RASTER"] = str(scene_raster)
    environment |= {name: os.environ[name] for name in ("MPSCLIP_CACHE", "MPSCLIP_DATA_DIR")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert out.is_file(), done.stdout[-2000:] + done.stderr[-4000:]
    seen = json.loads(out.read_text(encoding="utf-8"))
    assert seen.get("error") is None, seen["error"]
    return seen


@pytest.mark.parametrize("kind", KINDS)
def test_after_unload_it_is_as_before(seen: dict, kind: str) -> None:
    assert len(seen["unloaded"]) == 2
    for after in seen["unloaded"]:
        assert after[kind] == seen["before"][kind]


@pytest.mark.parametrize("kind", KINDS)
def test_loading_changes_it_each_time_alike(seen: dict, kind: str) -> None:
    """So that the comparison above has something to find."""
    first, second = (state[kind] for state in seen["loaded"])
    assert first != seen["before"][kind]
    if kind != "engines":
        assert first == second


def test_everything_is_where_a_user_looks_for_it(seen: dict) -> None:
    loaded = seen["loaded"][0]
    menu = "Raster/MPS-CLIP Search/"
    entries = {
        menu + "Search Imagery in Plain Words",
        menu + "Manage Indexes…",
        menu + "Engine Installation…",
        menu + "Options…",
        menu + "User Guide",
        menu + "About and Diagnostics…",
        "Help/Plugins/MPS-CLIP Search",
    }
    assert entries <= set(loaded["menus"])
    assert "mPluginToolBar/Search Imagery in Plain Words" in loaded["toolbars"]  # which a fresh profile shows
    assert "mpsclip_dock" in loaded["docks"]
    assert "mpsclip" in loaded["providers"]
    assert "mpsclip:searchimagery" in loaded["algorithms"]
    assert "MPS-CLIP" in loaded["options"]
    assert seen["layer_menu"] == ["Search This Layer"]


def test_windows_open_and_the_engine_answers_in_them(seen: dict) -> None:
    assert seen["about"].startswith("### Plugin")
    assert "### Packages" in seen["about"]
    heading, device = seen["install"]
    assert heading == "Install the Search Engine"
    assert device
    assert "There are no indexes" in seen["indexes"] or "indexes" in seen["indexes"]


def test_nothing_was_complained_about(seen: dict) -> None:
    assert seen["complaints"] == []
