"""The dialog that installs the engine: real widgets, the real job, small wheels from an index of the test's."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qgis.core import QgsApplication, QgsProject
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QMainWindow, QMessageBox, QPushButton

from qgis_mpsclip.client.blocking import BlockingEngine, end_shared_engine
from qgis_mpsclip.install.dialog import InstallDialog, close_dialogs
from qgis_mpsclip.install.dialog import open_dialog as show_dialog
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.installed import current
from qgis_mpsclip.install.job import InstallJob
from qgis_mpsclip.install.places import default_folder
from qgis_mpsclip.install.plan import Choice
from qgis_mpsclip.install.session import Installation, adopt
from tests.plugin.support.processes import processes_naming
from tests.plugin.support.questions import answer
from tests.plugin.support.tiny_session import TinySession, tiny_session

SECONDS = 120.0  # a busy machine; an installation takes two or three
Wait = Callable[..., None]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private_settings: object) -> Iterator[TinySession]:
    with tiny_session(tmp_path, monkeypatch, "plugin ü") as made:
        yield made


@pytest.fixture
def open_dialog(tiny: TinySession, wait_until: Wait) -> Iterator[Callable[[], InstallDialog]]:
    """Opens the dialog and waits until it has looked for a GPU."""

    main = QMainWindow()

    def make() -> InstallDialog:
        dialog = show_dialog(tiny.settings, tiny.session, main)
        wait_until(lambda: dialog.choice._device is not None, SECONDS)
        return dialog

    yield make
    close_dialogs()


def run_to_end(tiny: TinySession, wait_until: Wait) -> None:
    wait_until(lambda: not tiny.session.is_running, SECONDS, "the installation ends")


def shown_buttons(dialog: InstallDialog) -> set[str]:
    return {each.objectName() for each in dialog.findChildren(QPushButton) if each.isVisible() and each.objectName()}


def commands_of(tiny: TinySession) -> list[str]:
    """What the last installation ran."""
    lines = tiny.session.log_file.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if " $ " in line]


def test_what_will_be_installed_is_said_before(tiny: TinySession, open_dialog: Callable[[], InstallDialog]) -> None:
    sizes = {"download_bytes": {"linux": 2_900_000_000}, "installed_bytes": {"linux": 6_300_000_000}}
    tiny.plugin.write_locks(**sizes)
    dialog = open_dialog()
    assert dialog.heading.text() == "Install the Search Engine"
    assert "QGIS's own Python is not touched" in dialog.choice.introduction.text()
    assert dialog.choice.device.text()
    assert dialog.choice.version.currentText() == "CPU only"
    assert dialog.choice.needs.text().startswith("2.9 GB download, 6.3 GB on disk; ")
    assert dialog.choice.needs.text().endswith(" are free")
    assert dialog.choice.folder.filePath() == str(tiny.plugin.folder)
    assert not dialog.choice.samgeo.isVisible()
    assert dialog.install.isDefault()


def test_a_folder_of_the_profile_is_refused_with_the_reason(open_dialog: Callable[[], InstallDialog]) -> None:
    dialog = open_dialog()
    dialog.choice.folder.setFilePath(str(Path(QgsApplication.qgisSettingsDirPath()) / "engines"))
    assert "a QGIS profile" in dialog.choice.message.text()
    assert dialog.choice.message.isVisible()
    assert not dialog.install.isEnabled()
    assert dialog.choice.options() is None
    dialog.choice.folder.setFilePath("")
    assert not dialog.choice.message.isVisible()
    assert dialog.install.isEnabled()
    assert dialog.choice.options().folder == default_folder(), "not the current directory"


def test_a_folder_where_somebody_else_keeps_something_is_refused(
    tmp_path: Path, open_dialog: Callable[[], InstallDialog]
) -> None:
    (tmp_path / "mine" / "cache" / "work").mkdir(parents=True)
    dialog = open_dialog()
    dialog.choice.folder.setFilePath(str(tmp_path / "mine"))
    assert "in the way" in dialog.choice.message.text()
    assert not dialog.install.isEnabled()


def test_too_small_a_disk_is_told_and_left_to_the_job_which_knows_earlier_beginnings(
    tiny: TinySession, open_dialog: Callable[[], InstallDialog]
) -> None:
    tiny.plugin.write_locks(installed_bytes={"linux": 10**16})
    dialog = open_dialog()
    assert "10.0 PB" in dialog.choice.message.text()
    assert "are free" in dialog.choice.message.text()
    assert dialog.install.isEnabled()
    with pytest.raises(InstallError) as caught:
        InstallJob(dialog.choice.options()).run()
    assert caught.value.kind == "disk-full"


def test_where_no_lock_suits_an_existing_python_is_offered(
    tiny: TinySession, open_dialog: Callable[[], InstallDialog]
) -> None:
    tiny.plugin.write_locks(machines={"linux": ["s390x"]})
    dialog = open_dialog()
    assert "no tested set of packages" in dialog.choice.message.text()
    assert not dialog.install.isEnabled()
    assert dialog.choice.existing.isVisible()
    dialog.choice.existing.click()
    assert dialog.page() is dialog.existing
    dialog.back.click()
    assert dialog.page() is dialog.choice


def test_broken_locks_are_told_with_the_remedy(tiny: TinySession, open_dialog: Callable[[], InstallDialog]) -> None:
    (tiny.plugin.requirements / "locks.json").write_text("{")
    dialog = open_dialog()
    assert "locks.json cannot be read" in dialog.choice.message.text()
    assert "Install the plugin again." in dialog.choice.message.text()
    assert not dialog.install.isEnabled()


def test_with_the_segmenters_another_lock_is_installed(
    tiny: TinySession, open_dialog: Callable[[], InstallDialog]
) -> None:
    file = tiny.plugin.requirements / "locks.json"
    described = json.loads(file.read_text())
    described["locks"].append({**described["locks"][0], "id": "samgeo-default", "profile": "samgeo"})
    file.write_text(json.dumps(described))
    dialog = open_dialog()
    assert dialog.choice.samgeo.isVisible() and dialog.choice.version.count() == 1
    assert dialog.choice.choice().id == "engine-default"
    dialog.choice.samgeo.click()
    assert dialog.choice.choice().id == "samgeo-default"


def test_an_existing_python_is_examined_and_used(
    tiny: TinySession, open_dialog: Callable[[], InstallDialog], wait_until: Wait, engine_python: Path
) -> None:
    dialog = open_dialog()
    dialog.choice.existing.click()
    page = dialog.existing
    page._installation = Installation(tiny.settings, tiny.client)  # with the locks of the real engine
    assert not dialog.use.isEnabled() and not page.examine.isEnabled()
    page.python.setFilePath("/usr/bin/python3")
    QTest.keyClick(page.python.lineEdit(), Qt.Key.Key_Return)
    wait_until(lambda: page._task is None and page.result.isVisible(), SECONDS)
    assert "torch" in page.result.text()
    assert not dialog.use.isEnabled()
    page.python.setFilePath(str(engine_python))
    assert not page.result.isVisible()
    page.examine.click()
    wait_until(lambda: page._task is None and page.result.isVisible(), SECONDS)
    assert dialog.use.isEnabled(), page.result.text()
    dialog.use.click()
    assert tiny.settings.engine_python == str(engine_python)
    assert tiny.find(tiny.settings).origin == "setting"
    assert not dialog.isVisible()


def test_enter_installs_and_the_window_may_be_closed_meanwhile(
    tiny: TinySession, open_dialog: Callable[[], InstallDialog], wait_until: Wait, qgis_new_project: None
) -> None:
    tiny.slow()
    dialog = open_dialog()
    QTest.keyClick(dialog, Qt.Key.Key_Return)
    assert dialog.page() is dialog.progress
    assert tiny.session.is_running
    titles = [task.description() for task in QgsApplication.taskManager().activeTasks()]
    assert titles == ["Installing the search engine of MPS-CLIP"]
    wait_until((tiny.plugin.engine_src / "began").exists, SECONDS, "the check of the engine")
    wait_until(lambda: dialog.progress.steps.states().get("doctor") == "in progress")
    assert dialog.progress.steps.states()["packages"] == "done"
    assert "Checking the new environment" in dialog.progress.text.text()
    assert 80 < 100 * dialog.progress.bar.value() / dialog.progress.bar.maximum() < 100
    dialog.progress.details.setCollapsed(False)
    wait_until(lambda: "uv pip install" in dialog.progress.log.toPlainText())

    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    QgsProject.instance().clear()
    assert tiny.session.is_running
    again = open_dialog()
    assert again.page() is again.progress
    assert again.progress.steps.states()["packages"] == "done"
    again.cancel.click()
    assert again.progress.text.text() == "Cancelling…"
    assert not again.cancel.isEnabled()
    run_to_end(tiny, wait_until)
    assert again.page() is again.outcome
    assert again.heading.text() == "The Installation Was Cancelled"
    assert current(tiny.plugin.folder) is None
    assert shown_buttons(again) == {"retry", "back", "open_log"}

    tiny.quick()
    again.retry.click()
    run_to_end(tiny, wait_until)
    assert again.heading.text() == "The Search Engine Is Ready"
    assert [line for line in commands_of(tiny) if " venv " in line or "pip install" in line] == []  # it went on
    assert tiny.session.state().is_used


def test_a_setting_that_cannot_be_used_gives_way_to_what_was_installed(tiny: TinySession) -> None:
    tiny.settings.install_folder = "relative/engines"
    adopt(tiny.settings, tiny.plugin.options())
    assert tiny.settings.install_folder == str(tiny.plugin.folder)


def test_success_is_told_once_with_what_the_check_found(
    tiny: TinySession, open_dialog: Callable[[], InstallDialog], wait_until: Wait
) -> None:
    tiny.settings.engine_python = "/nowhere/python"
    dialog = open_dialog()
    dialog.install.click()
    run_to_end(tiny, wait_until)
    assert tiny.session.error is None
    assert dialog.outcome.message.text().startswith("The search engine is installed and works. It took ")
    assert tiny.settings.engine_python == ""  # it would have gone before what was installed
    assert tiny.find(tiny.settings).python == current(tiny.plugin.folder).python
    dialog.copy.click()
    assert "- State: installed and checked" in QgsApplication.clipboard().text()
    dialog.close()
    again = open_dialog()
    assert again.page() is again.choice
    assert again.heading.text() == "Install the Search Engine Again"


def test_another_folder_is_remembered_only_when_it_holds_an_engine(
    tiny: TinySession, open_dialog: Callable[[], InstallDialog], wait_until: Wait, tmp_path: Path
) -> None:
    tiny.plugin.sick()
    dialog = open_dialog()
    other = tmp_path / "elsewhere"
    dialog.choice.folder.setFilePath(str(other))
    dialog.install.click()
    run_to_end(tiny, wait_until)
    assert tiny.session.error is not None
    assert tiny.settings.install_folder == str(tiny.plugin.folder)
    tiny.plugin.sick(False)
    dialog.retry.click()
    run_to_end(tiny, wait_until)
    assert tiny.settings.install_folder == str(other)
    assert tiny.find(tiny.settings).python.is_relative_to(other)


def test_what_was_installed_in_another_folder_before_can_be_removed(
    tiny: TinySession, open_dialog: Callable[[], InstallDialog], wait_until: Wait, tmp_path: Path
) -> None:
    tiny.session.start(tiny.plugin.options())
    run_to_end(tiny, wait_until)
    tiny.session.forget_outcome()
    assert tiny.session.former() == []
    dialog = open_dialog()
    dialog.choice.folder.setFilePath(str(tmp_path / "elsewhere"))
    dialog.install.click()
    run_to_end(tiny, wait_until)
    row = dialog.outcome.former
    wait_until(lambda: row.label.isVisible() and "kB)" in row.label.text(), SECONDS)
    assert str(tiny.plugin.folder) in row.label.text()
    texts: list[str] = []
    answer(QMessageBox.StandardButton.Yes, texts)
    row.remove.click()
    wait_until(lambda: not row.label.isVisible(), SECONDS)
    assert f"{tiny.plugin.folder} (" in texts[0]
    assert not tiny.plugin.folder.exists()
    assert dialog.page() is dialog.outcome
    assert tiny.find(tiny.settings).python.is_relative_to(tmp_path / "elsewhere")
    assert tiny.settings.install_folders == [str(tmp_path / "elsewhere")]


def test_a_failure_says_what_helps_and_can_be_reported(
    tiny: TinySession, open_dialog: Callable[[], InstallDialog], wait_until: Wait
) -> None:
    tiny.plugin.sick()
    dialog = open_dialog()
    dialog.install.click()
    run_to_end(tiny, wait_until)
    assert dialog.heading.text() == "The Search Engine Was Not Installed"
    assert "alpha: is ill" in dialog.outcome.message.text()
    assert "Rest." in dialog.outcome.message.text()
    assert dialog.outcome.steps.states()["doctor"] == "failed"
    assert shown_buttons(dialog) == {"retry", "back", "copy", "open_log"}
    assert dialog.retry.isDefault()
    assert '"is ill"' in dialog.outcome.log.toPlainText()
    dialog.copy.click()
    report = QgsApplication.clipboard().text()
    assert "- Kind: doctor" in report and "- Failed step: doctor" in report and "- Choice: engine-default" in report
    assert str(tiny.plugin.folder.parent) not in report
    dialog.back.click()
    assert dialog.page() is dialog.choice
    assert dialog.install.isEnabled()


def test_an_index_that_is_not_there_is_a_failure_with_a_remedy(
    tiny: TinySession, open_dialog: Callable[[], InstallDialog], wait_until: Wait
) -> None:
    dialog = open_dialog()
    dialog.choice.more.setCollapsed(False)
    dialog.choice.package_index.setText("http://127.0.0.1:9/simple")
    dialog.install.click()
    run_to_end(tiny, wait_until)
    assert dialog.outcome.steps.states()["packages"] == "failed"
    assert tiny.session.error.remedy in dialog.outcome.message.text()
    assert tiny.settings.package_index == "http://127.0.0.1:9/simple"  # what was typed is there the next time
    tiny.settings.package_index = ""


def test_a_folder_of_wheels_needs_no_index(
    tiny: TinySession, open_dialog: Callable[[], InstallDialog], wait_until: Wait, tmp_path: Path
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for wheel in tiny.plugin.index.wheels:
        (wheels / wheel.filename).write_bytes(wheel.content)
    dialog = open_dialog()
    dialog.choice.package_index.setText("http://127.0.0.1:9/simple")
    dialog.choice.wheels.setFilePath(str(wheels))
    assert dialog.choice.needs.text().startswith("No download")
    dialog.install.click()
    run_to_end(tiny, wait_until)
    assert tiny.session.error is None
    tiny.settings.package_index = tiny.settings.wheels_folder = ""


def test_qgiss_own_list_of_tasks_cancels_it(
    tiny: TinySession, open_dialog: Callable[[], InstallDialog], wait_until: Wait
) -> None:
    tiny.slow()
    dialog = open_dialog()
    dialog.install.click()
    wait_until((tiny.plugin.engine_src / "began").exists, SECONDS)
    (task,) = QgsApplication.taskManager().activeTasks()
    assert task.canCancel() and task.progress() > 80
    task.cancel()
    run_to_end(tiny, wait_until)
    assert tiny.session.was_cancelled
    assert dialog.page() is dialog.outcome


def test_unloading_ends_it_and_all_its_processes(tiny: TinySession, wait_until: Wait) -> None:
    tiny.slow()
    tiny.session.start(tiny.plugin.options())
    wait_until((tiny.plugin.engine_src / "began").exists, SECONDS)
    tiny.session.shut_down()
    assert processes_naming(tiny.plugin.folder) == []
    assert QgsApplication.taskManager().activeTasks() == []
    tiny.session = type(tiny.session)(tiny.settings, tiny.client, package=tiny.package)


def test_both_clients_use_the_new_environment_without_a_restart(tiny: TinySession, wait_until: Wait) -> None:
    end_shared_engine()
    tiny.session.start(tiny.plugin.options())
    run_to_end(tiny, wait_until)
    old = current(tiny.plugin.folder)
    assert runs_from(ask(tiny, wait_until)) == runs_from(ask_blocking(tiny)) == str(old.python)
    tiny.new_release()
    assert tiny.session.state().wants_update
    assert runs_from(ask(tiny, wait_until)) == str(old.python)
    tiny.session.start(tiny.plugin.options())
    run_to_end(tiny, wait_until)
    new = current(tiny.plugin.folder)
    assert new.python != old.python
    assert runs_from(ask(tiny, wait_until)) == runs_from(ask_blocking(tiny)) == str(new.python)
    assert not tiny.session.state().is_outdated
    end_shared_engine()


def test_uninstalling_removes_it_and_the_clients_know(tiny: TinySession, wait_until: Wait) -> None:
    tiny.session.start(tiny.plugin.options())
    run_to_end(tiny, wait_until)
    ask(tiny, wait_until)
    foreign = tiny.plugin.folder / "notes.txt"
    foreign.write_text("mine")
    ends: list[object] = []
    tiny.session.uninstalled.connect(ends.append)
    tiny.session.uninstall()
    wait_until(lambda: bool(ends), SECONDS)
    assert ends == [None]
    assert sorted(path.name for path in tiny.plugin.folder.iterdir()) == ["notes.txt"]
    assert tiny.session.state().interpreter is None
    assert "not installed" in ask(tiny, wait_until)


def ask(tiny: TinySession, wait_until: Wait) -> object:
    """What the dock's client answers: the engine's process, or why there is none."""
    answers: list[object] = []
    request = tiny.client.request("status", {})
    request.finished.connect(lambda answer: answers.append(answer["pid"]))
    request.failed.connect(lambda error: answers.append(str(error)))
    wait_until(lambda: bool(answers), SECONDS)
    return answers[0]


def ask_blocking(tiny: TinySession) -> object:
    with BlockingEngine(tiny.find) as engine:
        return engine.request("status", {})["pid"]


def runs_from(pid: object) -> str:
    return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")[0]


def test_choice_of_the_lock_that_is_installed_stays(
    tiny: TinySession, open_dialog: Callable[[], InstallDialog], wait_until: Wait
) -> None:
    tiny.session.start(tiny.plugin.options())
    run_to_end(tiny, wait_until)
    tiny.session.forget_outcome()
    tiny.new_release()
    dialog = open_dialog()
    assert dialog.heading.text() == "Update the Search Engine"
    assert dialog.install.text().replace("&", "") == "Update"
    assert "go on working" in dialog.choice.introduction.text()
    chosen: Choice = dialog.choice.choice()
    assert chosen.id == current(tiny.plugin.folder).choice_id
