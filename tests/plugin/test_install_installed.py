"""What is installed, found again, outdated and removed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from qgis_mpsclip.install.errors import InstallCancelled, InstallError
from qgis_mpsclip.install.exclusive import exclusive
from qgis_mpsclip.install.former import forget_removed, former_folders, remember, remove
from qgis_mpsclip.install.in_use import _can_be_written, patiently
from qgis_mpsclip.install.installed import (
    InstalledEnvironment,
    current,
    holds_anything,
    is_outdated,
    make_current,
    old_environments,
    remove_replaced,
    uninstall,
)
from qgis_mpsclip.install.locks import digest
from qgis_mpsclip.install.own import claim
from qgis_mpsclip.install.tree import tree_bytes
from qgis_mpsclip.settings import Settings
from qgis_mpsclip.version import plugin_version


def make_environment(folder: Path, name: str = "env-1", **changes: str) -> InstalledEnvironment:
    python = folder / name / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (folder / name / "mpsclip.json").touch()
    details = {"lock_digest": "d", "choice_id": "a", "accelerator": "cpu", "plugin_version": "0.1.0", "created": "now"}
    return InstalledEnvironment(folder / name, python, **{**details, **changes})


def write_locks(folder: Path) -> str:
    """One lock, ``a``; its digest."""
    (folder / "build.txt").write_text("")
    (folder / "engine.txt").write_text("numpy==2.1\n")
    sizes = {"machines": {}, "accelerators": {}, "download_bytes": {}, "installed_bytes": {}}
    lock = {"id": "a", "profile": "engine", "file": "engine.txt", **sizes}
    described = {"format": 1, "python": ["3.11"], "build": "build.txt", "locks": [lock]}
    (folder / "locks.json").write_text(json.dumps(described))
    return digest(folder / "engine.txt")


def test_current_environment_is_the_one_that_was_switched_to_last(tmp_path: Path) -> None:
    assert current(tmp_path) is None
    first, second = make_environment(tmp_path), make_environment(tmp_path, "env-2", accelerator="cuda")
    make_current(tmp_path, first)
    assert current(tmp_path) == first
    make_current(tmp_path, second)
    assert current(tmp_path) == second
    assert old_environments(tmp_path) == [first.folder]
    assert not list(tmp_path.glob("*.new"))


def test_folder_that_was_moved_still_has_its_environment(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    made = make_environment(tmp_path / "a")
    make_current(tmp_path / "a", made)
    (tmp_path / "a").rename(tmp_path / "b")
    assert current(tmp_path / "b").python == tmp_path / "b" / "env-1" / "bin" / "python"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"folder": 1, "python": 2}', '"x"'])
def test_damaged_record_is_no_environment(tmp_path: Path, content: str) -> None:
    (tmp_path / "current.json").write_text(content)
    assert current(tmp_path) is None


def test_environment_whose_base_python_is_gone_is_none(tmp_path: Path) -> None:
    made = make_environment(tmp_path)
    make_current(tmp_path, made)
    made.python.unlink()
    made.python.symlink_to(tmp_path / "gone")
    assert current(tmp_path) is None


def test_environment_is_outdated_when_its_lock_changes_or_goes(tmp_path: Path) -> None:
    made = make_environment(tmp_path, lock_digest=write_locks(tmp_path))
    assert not is_outdated(made, tmp_path)
    assert is_outdated(replace(made, choice_id="gone"), tmp_path)
    (tmp_path / "engine.txt").write_text("numpy==2.2\n")
    assert is_outdated(made, tmp_path)


def test_environment_of_a_newer_plugin_in_another_profile_is_left_alone(tmp_path: Path) -> None:
    write_locks(tmp_path)
    made = make_environment(tmp_path, lock_digest="other", plugin_version=plugin_version())
    assert is_outdated(made, tmp_path)
    newer = ".".join(str(int(part) + 1) for part in plugin_version().split("."))
    assert not is_outdated(replace(made, plugin_version=newer), tmp_path)


def test_uninstall_removes_what_was_installed_and_nothing_else(tmp_path: Path) -> None:
    folder, outside = tmp_path / "engines", tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.txt").touch()
    made = make_environment(folder)
    make_current(folder, made)
    make_environment(folder, "env-2")
    for name in ("python/cpython-3.12", "uv/0.13.9", "cache/wheels"):
        claim((folder / name).parent)
        (folder / name).mkdir()
    (made.folder / "link").symlink_to(outside)
    read_only = folder / "cache" / "wheels" / "locked"
    read_only.mkdir()
    (read_only / "file").touch(0o444)
    (folder / "notes.txt").write_text("mine")
    uninstall(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert (outside / "kept.txt").exists()
    (folder / "notes.txt").unlink()
    uninstall(folder)
    assert not folder.exists()
    uninstall(folder)


def test_folders_of_others_stay_whatever_their_names(tmp_path: Path) -> None:
    mine = [tmp_path / name / "work.txt" for name in ("env-mine", "python", "uv", "cache")]
    for file in mine:
        file.parent.mkdir()
        file.touch()
    (tmp_path / "current.json").write_text('{"page": 3}')
    made = make_environment(tmp_path)
    assert old_environments(tmp_path) == [made.folder]
    uninstall(tmp_path)
    assert all(file.exists() for file in mine)
    assert (tmp_path / "current.json").exists()
    assert not made.folder.exists()


def test_replaced_environments_go_and_beginnings_stay(tmp_path: Path) -> None:
    old, used, begun = (make_environment(tmp_path, f"env-{number}") for number in (1, 2, 3))
    for passed in (old, used):
        (passed.folder / "doctor.json").touch()
    remove_replaced(tmp_path)
    assert old.folder.exists(), "nothing is in use: nothing was replaced"
    make_current(tmp_path, used)
    with exclusive(tmp_path):
        remove_replaced(tmp_path)
    assert old.folder.exists(), "an installation runs"
    remove_replaced(tmp_path)
    assert not old.folder.exists()
    assert used.folder.exists() and begun.folder.exists()


def test_what_there_is_to_uninstall_may_be_a_beginning(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    assert not holds_anything(tmp_path)
    claim(tmp_path / "cache")
    assert holds_anything(tmp_path)
    uninstall(tmp_path)
    assert not holds_anything(tmp_path)
    claim(tmp_path / "other disk" / "cache")
    (tmp_path / "engines").mkdir()
    (tmp_path / "engines" / "cache").symlink_to(tmp_path / "other disk" / "cache")
    assert not holds_anything(tmp_path / "engines"), "what a removal leaves alone"


def test_file_that_a_scanner_holds_for_a_moment_is_waited_for() -> None:
    refusals = [PermissionError(), PermissionError()]

    def do() -> None:
        if refusals:
            raise refusals.pop()

    patiently(do)
    assert refusals == []
    with pytest.raises(FileNotFoundError):
        patiently(Path("/nowhere/file").stat)


def test_program_that_runs_cannot_be_written(tmp_path: Path) -> None:
    program = tmp_path / "program"
    shutil.copy(shutil.which("sleep"), program)
    assert _can_be_written(program)
    with subprocess.Popen([program, "60"]) as running:
        try:
            assert not _can_be_written(program)
        finally:
            running.kill()
    assert _can_be_written(program)
    assert _can_be_written(tmp_path / "gone")


def test_uninstall_that_was_cancelled_is_finished_by_the_next(tmp_path: Path) -> None:
    make_current(tmp_path, make_environment(tmp_path))
    make_environment(tmp_path, "env-2")
    answers = iter([False, True])
    with pytest.raises(InstallCancelled):
        uninstall(tmp_path, lambda: next(answers))
    assert current(tmp_path) is None
    assert [path.name for path in tmp_path.glob("env-*")] == ["env-2"]
    uninstall(tmp_path)
    assert not tmp_path.exists()


def test_size_counts_the_files_and_follows_no_link(tmp_path: Path) -> None:
    made = make_environment(tmp_path)
    (made.folder / "big").write_bytes(bytes(50_000))
    os.link(made.folder / "big", made.folder / "the same")
    assert 50_000 <= tree_bytes(made.folder) < 51_000


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InstallError, match="cannot be written") as caught, exclusive(tmp_path / "file" / "engines"):
        pass
    assert caught.value.kind == "no-write-access"
    assert os.fspath(tmp_path / "file" / "engines") in caught.value.problem


def test_former_folders_are_those_that_hold_something_and_are_not_the_present_one(tmp_path: Path) -> None:
    settings = Settings()
    present, former, empty, gone = (tmp_path / name for name in ("present", "former", "empty", "gone"))
    for folder in (present, former):
        make_environment(folder)
    empty.mkdir()
    (tmp_path / "link").symlink_to(present)
    settings.install_folder = str(present)
    for folder in (former, tmp_path / "link", empty, gone, present):
        remember(settings, folder)
    assert former_folders(settings) == [former], "a link to the present one is no other folder"
    settings.install_folder = str(tmp_path / "new")
    remove([former])
    forget_removed(settings, [former])
    assert settings.install_folders == [str(tmp_path / "link"), str(empty), str(gone), str(present)]
    assert (present / "env-1").exists()
