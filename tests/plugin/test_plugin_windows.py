"""Index manager, about page and diagnostics, with the real engine."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qgis.core import QgsApplication
from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtWidgets import QApplication, QMessageBox

from qgis_mpsclip.about import AboutDialog
from qgis_mpsclip.client import EngineClient
from qgis_mpsclip.client.log_files import log_folder
from qgis_mpsclip.diagnostics import redact, report
from qgis_mpsclip.index_manager import RASTER, SIDE, SIZE, STATE, IndexManager
from qgis_mpsclip.settings import Settings

SECONDS = 300.0  # a start with cold caches, on a busy machine
Wait = Callable[..., None]
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def client(engine_python: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineClient]:
    monkeypatch.setenv("MPSCLIP_PYTHON", str(engine_python))
    client = EngineClient(Settings())
    yield client
    client.shutdown()


@pytest.fixture
def manager(client: EngineClient) -> Iterator[IndexManager]:
    window = IndexManager(Settings(), client)
    yield window
    window.close()


@pytest.fixture
def rasters(scene_raster: Path, tmp_path: Path) -> list[Path]:
    return [Path(shutil.copy(scene_raster, tmp_path / name)) for name in ("a.tif", "b.tif", "c.tif")]


def build(client: EngineClient, rasters: list[Path], wait_until: Wait) -> None:
    answers: list[dict] = []
    params = {"rasters": [str(raster) for raster in rasters], "options": {"tile": "512px", "overlap": 0.0}}
    client.request("index.build", params).finished.connect(answers.append)
    wait_until(lambda: bool(answers), SECONDS)


def column(manager: IndexManager, number: int) -> list[str]:
    return [manager.table.topLevelItem(row).text(number) for row in range(manager.table.topLevelItemCount())]


def settled(manager: IndexManager) -> bool:
    return manager._pending is None


def answer_question(button: QMessageBox.StandardButton) -> None:
    def press() -> None:
        QApplication.activeModalWidget().button(button).click()

    QTimer.singleShot(200, press)


def test_indexes_are_listed_and_removed_as_chosen(
    manager: IndexManager, client: EngineClient, rasters: list[Path], wait_until: Wait, fresh_cache: Path
) -> None:
    manager.show()
    wait_until(lambda: settled(manager), SECONDS)
    assert "There are no indexes" in manager.summary.text()
    assert not manager.remove_all.isEnabled()

    build(client, rasters, wait_until)
    rasters[1].unlink()
    manager.refresh()
    wait_until(lambda: settled(manager) and manager.table.topLevelItemCount() == 3, SECONDS)
    manager.table.sortByColumn(RASTER, Qt.SortOrder.AscendingOrder)
    assert column(manager, RASTER) == ["a.tif", "b.tif", "c.tif"]
    assert column(manager, STATE) == ["complete", "stale: raster is gone", "complete"]
    assert column(manager, SIDE) == ["512 px"] * 3
    assert all(text.endswith(("kB", "MB")) for text in column(manager, SIZE))
    assert manager.summary.text().startswith("3 indexes, ")
    assert str(fresh_cache) in manager.summary.text()
    assert not manager.remove_selected.isEnabled()

    manager.remove_stale.click()
    wait_until(lambda: settled(manager) and column(manager, RASTER) == ["a.tif", "c.tif"], SECONDS)
    assert not manager.remove_stale.isEnabled()

    manager.table.topLevelItem(1).setSelected(True)
    manager.remove_selected.click()
    wait_until(lambda: settled(manager) and column(manager, RASTER) == ["a.tif"], SECONDS)

    answer_question(QMessageBox.StandardButton.Cancel)
    manager.remove_all.click()
    assert column(manager, RASTER) == ["a.tif"]
    answer_question(QMessageBox.StandardButton.Yes)
    manager.remove_all.click()
    wait_until(lambda: settled(manager) and "There are no indexes" in manager.summary.text(), SECONDS)
    assert list((fresh_cache / "index").iterdir()) == []


def test_engine_that_is_missing_is_told_in_the_window(wait_until: Wait) -> None:
    Settings().engine_python = "/nowhere/python"
    window = IndexManager(Settings(), EngineClient(Settings()))
    window.show()
    wait_until(lambda: settled(window))
    assert "/nowhere/python" in window.summary.text()
    window.close()


def test_about_page_copies_a_report_of_the_running_engine(client: EngineClient, wait_until: Wait) -> None:
    dialog = AboutDialog(Settings(), client)
    dialog.show()
    assert "no answer yet" in dialog.text.toPlainText()
    wait_until(lambda: "works" in dialog.state.text(), SECONDS)
    dialog.copy.click()
    text = QgsApplication.clipboard().text()
    dialog.close()
    assert text == dialog.text.toPlainText()
    for line in ("### Plugin", "- QGIS: 3", "### Engine", "- Default model: rsicd-mini", "- torch: "):
        assert line in text
    assert "- Python of the engine: …/python (environment)" in text
    assert str(Path.home()) + "/" not in text


def test_the_engines_own_check_goes_into_the_report(client: EngineClient, wait_until: Wait) -> None:
    Settings().engine_python = sys.executable  # it lacks the engine's packages, which is quick to see
    dialog = AboutDialog(Settings(), client)
    dialog.show()
    dialog.check.click()
    assert not dialog.check.isEnabled()
    wait_until(lambda: dialog.check.isEnabled(), SECONDS)
    text = dialog.text.toPlainText()
    dialog.close()
    assert "The engine was checked" in dialog.state.text()
    assert text.index("### Plugin") < text.index("MPS-CLIP doctor: ") < text.index("### Log")
    assert "| **BAD** | default model | " in text and "- torch: Install the engine again" in text
    assert str(Path.home()) + "/" not in text


def test_a_check_that_cannot_run_says_why(client: EngineClient, wait_until: Wait) -> None:
    Settings().engine_python = "/nowhere/python"
    dialog = AboutDialog(Settings(), client)
    dialog.run_check()
    wait_until(lambda: dialog.check.isEnabled())
    assert "/nowhere/python, which is no Python" in dialog.state.text()


def test_report_names_no_places_and_services_of_the_settings() -> None:
    settings = Settings()
    settings.cache_folder = "/data/secret-client/cache"
    settings.llm_url = "https://llm.secret-client.example/v1"
    text = report(settings, None, "It did not start.\nTraceback …")
    assert "secret-client" not in text
    assert "- cache_folder: set" in text
    assert "- results_folder: not set" in text
    assert "- State: It did not start.\n" in text


def test_report_ends_with_the_newest_log() -> None:
    log_folder().mkdir(parents=True, exist_ok=True)
    for number, line in enumerate(("old", "cannot read /data/client/ortho.tif")):
        log = log_folder() / f"engine-30000101-00000{number}-1-1.log"
        log.write_text(f"{line}\n", encoding="utf-8")
        os.utime(log, (4e9 + number, 4e9 + number))
    try:
        assert report(Settings(), None).endswith("### Log\n```\ncannot read …/ortho.tif\n```\n")
    finally:
        for log in log_folder().glob("engine-30000101-*"):
            log.unlink()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://ann:pw@proxy:3128 refused", "http://… refused"),  # pragma: allowlist secret
        ("GET https://a.example/x.tif?sig=abc&e=1 403", "GET https://… 403"),
        ("Authorization: Bearer sk-123", "Authorization: Bearer …"),
        ("api_key=sk-123 used", "api_key … used"),
        (f"{Path.home()}/x/y.tif", "~/x/y.tif"),
    ],
)
def test_secrets_are_left_out(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_user_is_left_out_wherever_the_name_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "Ann.Ott")
    assert redact("disk ann.ott of Ann.Ott, not Ann.Otterbach") == "disk <user> of <user>, not Ann.Otterbach"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cannot read /data/client/2024/ortho.tif: gone", "cannot read …/ortho.tif: gone"),
        (r"cannot read C:\data\client\ortho.tif", r"cannot read …/ortho.tif"),
        ("12/03 tiles/s at https://a.example/b/c", "12/03 tiles/s at https://…"),
        (r"engines in D:\Kunden\Stadtwerke Ulm\engines", "engines in …/engines"),
        (r"'C:\\Users\\Anna Meier\\My Work\\a b.tif' is gone", "'…/a b.tif' is gone"),
        (r"C:\\Users\\Anna Meier\\a.tif: gone", "…/a.tif: gone"),
        (r"\\nas\Kunden Süd\a.tif and D:/x y/b.tif", "…/a.tif and …/b.tif"),
        ('in "/data/O\'Brien & Sons/b.tif"', 'in "…/b.tif"'),
        ("venv /srv/Stadt Ulm/env, on /usr/bin/python", "venv …/env, on …/python"),
        ("PYTHONPATH=/srv/a:/data/Kunden/b", "PYTHONPATH=…/a:…/b"),
        ("file:///data/Kunden/a.tif", "file:…/a.tif"),
    ],
)
def test_folders_are_left_out_of_the_log(text: str, expected: str) -> None:
    assert redact(text) == redact(redact(text)) == expected


def test_servers_of_addresses_are_left_out_where_they_stand_alone() -> None:
    text = (
        "No answer from pip.firma.example.\nGET https://me:pw@pip.firma.example:8/simple/"  # pragma: allowlist secret
    )
    assert redact(text) == "No answer from <host>.\nGET https://…"


def test_help_points_to_sections_that_the_guide_has() -> None:
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / "user-guide.md").read_text(encoding="utf-8"), re.MULTILINE)
    sources = [file.read_text(encoding="utf-8") for file in (ROOT / "qgis_mpsclip").glob("*.py")]
    used = {found for text in sources for found in re.findall(r"(?:open_guide|help_button)\(\"([a-z-]+)\"", text)}
    assert {"indexes", "options", "troubleshooting"} <= used
    assert used - {heading.lower().replace(" ", "-") for heading in headings} == set()
