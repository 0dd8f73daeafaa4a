"""Whole installations with the real uv, from an index of the test's own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qgis.PyQt.QtCore import QLockFile

from qgis_mpsclip.install.cache import cached_bytes
from qgis_mpsclip.install.errors import InstallCancelled, InstallError
from qgis_mpsclip.install.installed import InstalledEnvironment, current, is_outdated, old_environments, uninstall
from qgis_mpsclip.install.job import STEPS, InstallJob, InstallProgress
from qgis_mpsclip.install.locks import locked_packages
from tests.plugin.support.index_server import IndexServer
from tests.plugin.support.processes import processes_naming
from tests.plugin.support.tiny_engine import PLATFORMS, TinyPlugin, ordinary_settings, uv_wheel

CANCEL_SECONDS = 2.0


@pytest.fixture(autouse=True)
def ordinary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ordinary_settings(monkeypatch, tmp_path / "programs")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def index() -> Iterator[IndexServer]:
    with IndexServer() as server:
        server.add("alpha", "1.0")
        server.add("beta", "2.0", padding=3_000_000)
        yield server


@pytest.fixture
def plugin(tmp_path: Path, index: IndexServer) -> TinyPlugin:
    made = TinyPlugin(tmp_path, index)
    made.write_locks()
    return made


def install(plugin: TinyPlugin, **options: object) -> InstalledEnvironment:
    return InstallJob(plugin.options(**options)).run()


def version(environment: InstalledEnvironment, package: str = "alpha") -> str:
    code = f"import {package}; print({package}.__version__)"
    return subprocess.run([environment.python, "-c", code], capture_output=True, text=True).stdout.strip()


class Started:
    """An installation in another thread, and a way to cancel it."""

    def __init__(self, job: InstallJob) -> None:
        self.progress: list[InstallProgress] = []
        self.error: Exception | None = None
        self._cancel = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(job,))
        self._thread.start()

    def _run(self, job: InstallJob) -> None:
        try:
            job.run(self.progress.append, self._cancel.is_set)
        except InstallError as error:
            self.error = error

    def cancel(self) -> float:
        """Seconds that it took to end."""
        start = time.monotonic()
        self._cancel.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        return time.monotonic() - start


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_environment_holds_the_locked_packages_and_is_in_use(plugin: TinyPlugin, tmp_path: Path) -> None:
    progress: list[InstallProgress] = []
    job = InstallJob(plugin.options(), tmp_path / "log.txt")
    environment = job.run(progress.append)
    assert (version(environment), version(environment, "beta")) == ("1.0", "2.0")
    assert current(plugin.folder) == environment
    assert environment.folder.parent == plugin.folder
    assert environment.lock_digest == plugin.choice().lock_digest
    assert (environment.choice_id, environment.accelerator) == ("engine-default", "cpu")
    assert not is_outdated(environment, plugin.requirements)
    assert old_environments(plugin.folder) == []
    assert job.report["healthy"] is True
    steps = list(dict.fromkeys(one.step for one in progress))
    assert steps == [step for step in STEPS if step != "torch"]
    shares = [one.percent for one in progress]
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert any(one.total > 2_500_000 and one.done == one.total for one in progress if one.step == "packages")


def test_log_is_whole_and_has_no_password(plugin: TinyPlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_INDEX_COMPANY_PASSWORD", "hunter22")
    log = tmp_path / "log.txt"
    url = plugin.index.url.replace("://", "://me:s%40cret@")
    InstallJob(plugin.options(index_url=url), log).run()
    text = log.read_text()
    assert "uv pip install" in text
    assert " + beta==2.0" in text
    assert '"healthy": true' in text
    for secret in ("s%40cret", "s@cret", "hunter22"):
        assert secret not in text


def test_doctor_that_finds_something_leaves_the_old_environment(plugin: TinyPlugin, index: IndexServer) -> None:
    old = install(plugin)
    index.wheels.clear()
    index.add("alpha", "1.1")
    plugin.write_locks()
    plugin.sick()
    with pytest.raises(
        InstallError, match=r"^The new environment does not pass its checks: alpha: is ill\s+Rest\.$"
    ) as caught:
        install(plugin)
    assert caught.value.kind == "doctor"
    assert current(plugin.folder) == old
    assert version(old) == "1.0"
    plugin.sick(False)
    new = install(plugin)
    assert current(plugin.folder) == new
    assert version(new) == "1.1"
    assert list(plugin.folder.glob("env-*")) == [new.folder]


def test_changed_lock_outdates_the_environment_and_is_installed_beside_it(
    plugin: TinyPlugin, index: IndexServer
) -> None:
    old = install(plugin)
    index.wheels[:] = [wheel for wheel in index.wheels if wheel.name != "alpha"]
    index.add("alpha", "1.1")
    plugin.write_locks()
    assert is_outdated(old, plugin.requirements)
    seen: list[InstalledEnvironment | None] = []
    new = InstallJob(plugin.options()).run(lambda progress: seen.append(current(plugin.folder)))
    assert set(seen) == {old, new}
    assert seen.index(new) >= len(seen) - 2, "switched before the doctor had ended"
    assert new.folder != old.folder
    assert not old.folder.exists()
    assert not is_outdated(new, plugin.requirements)


def test_environment_that_an_engine_runs_from_stays_until_later(
    plugin: TinyPlugin, index: IndexServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qgis_mpsclip.install.installed._END_SECONDS", 0.2)
    old = install(plugin)
    command = [str(old.python), "-s", "-m", "engine", "serve"]
    with subprocess.Popen(command, cwd=plugin.engine_src, stdout=subprocess.PIPE) as engine:
        engine.stdout.readline()
        index.add("gamma", "1.0")
        plugin.write_locks()
        new = install(plugin)
        assert old_environments(plugin.folder) == [old.folder]
        assert version(old) == "1.0"
        with pytest.raises(InstallError, match="runs from") as caught:
            uninstall(plugin.folder)
        assert caught.value.kind == "in-use"
        assert current(plugin.folder) == new
        engine.kill()
    uninstall(plugin.folder)
    assert not plugin.folder.exists()


def test_cancel_in_the_middle_of_a_download_ends_all_children(plugin: TinyPlugin, index: IndexServer) -> None:
    index.fault(".whl", "stall-midway")
    started = Started(InstallJob(plugin.options()))
    index.wait_for("beta-2.0")
    assert started.cancel() < CANCEL_SECONDS
    assert isinstance(started.error, InstallCancelled)
    assert current(plugin.folder) is None
    assert processes_naming(plugin.folder) == []


def test_installation_goes_on_from_what_was_downloaded(plugin: TinyPlugin, index: IndexServer, tmp_path: Path) -> None:
    index.fault("alpha-1.0", "stall-midway")
    log = tmp_path / "log.txt"
    started = Started(InstallJob(plugin.options(), log))
    wait_for(lambda: log.exists() and re.search(r" Download(ed|ing) beta$", log.read_text(), re.MULTILINE))
    started.cancel()
    cached = cached_bytes(tmp_path / "cache", locked_packages(plugin.choice().lock))
    assert 3_000_000 < cached < 3_100_000, "beta is there, and the half of alpha is not counted"
    index.fault("alpha-1.0", "")
    index.requests.clear()
    environment = install(plugin)
    assert version(environment) == "1.0"
    assert index.downloads() == {"alpha-1.0-py3-none-any.whl"}
    assert list(plugin.folder.glob("env-*")) == [environment.folder]


def test_room_is_asked_for_what_is_missing_and_twice_where_files_are_copied(
    plugin: TinyPlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = shutil.disk_usage(tmp_path).free * 7 // 10
    plugin.write_locks(installed_bytes=dict.fromkeys(PLATFORMS, size))
    monkeypatch.setenv("UV_LINK_MODE", "copy")
    with pytest.raises(InstallError, match="are needed"):
        install(plugin)
    monkeypatch.delenv("UV_LINK_MODE")
    InstallJob(plugin.options(), tmp_path / "first.txt").run()
    uninstall(plugin.folder)
    InstallJob(plugin.options(), tmp_path / "second.txt").run()
    assert "cached: 0, present: 0, copies: False" in (tmp_path / "first.txt").read_text()
    assert re.search(r"cached: 300\d{4}, present: 0", (tmp_path / "second.txt").read_text())


def test_cancel_while_the_doctor_looks_keeps_what_was_installed(plugin: TinyPlugin, index: IndexServer) -> None:
    (plugin.engine_src / "slow").touch()
    started = Started(InstallJob(plugin.options()))
    wait_for((plugin.engine_src / "began").exists)
    assert started.cancel() < CANCEL_SECONDS
    assert processes_naming(plugin.folder) == []
    (kept,) = old_environments(plugin.folder)
    (plugin.engine_src / "slow").unlink()
    index.requests.clear()
    assert install(plugin).folder == kept
    assert index.requests == []


def test_folder_of_somebody_else_is_neither_used_nor_deleted(plugin: TinyPlugin) -> None:
    mine = [plugin.folder / name / "work.txt" for name in ("env-mine", "cache")]
    for file in mine:
        file.parent.mkdir(parents=True)
        file.touch()
    with pytest.raises(InstallError, match="in the way") as caught:
        install(plugin)
    assert caught.value.kind == "folder"
    mine[1].rename(plugin.folder.parent / "work.txt")
    mine[1].parent.rmdir()
    install(plugin)
    uninstall(plugin.folder)
    assert [path.name for path in plugin.folder.rglob("*")] == ["env-mine", "work.txt"]


def test_second_installation_at_the_same_time_is_refused(plugin: TinyPlugin, index: IndexServer) -> None:
    index.fault("alpha-1.0", "stall")
    started = Started(InstallJob(plugin.options()))
    index.wait_for("alpha-1.0")
    with pytest.raises(InstallError, match=str(os.getpid())) as caught:
        install(plugin)
    assert caught.value.kind == "busy"
    with pytest.raises(InstallError, match=str(os.getpid())):
        uninstall(plugin.folder)
    started.cancel()
    index.fault("alpha-1.0", "")
    assert version(install(plugin)) == "1.0"


def test_lock_of_a_process_that_was_killed_does_not_count(plugin: TinyPlugin) -> None:
    plugin.folder.mkdir()
    lock = QLockFile(str(plugin.folder / "install.lock"))
    assert lock.tryLock(0)
    text = (plugin.folder / "install.lock").read_text().splitlines()
    lock.unlock()
    dead = subprocess.Popen(["true"])
    dead.wait()
    (plugin.folder / "install.lock").write_text("\n".join([str(dead.pid), *text[1:]]) + "\n")
    assert version(install(plugin)) == "1.0"


def test_path_with_spaces_and_letters_beyond_ascii(tmp_path: Path, index: IndexServer) -> None:
    (tmp_path / "Jürgen Müller ü 木").mkdir()
    plugin = TinyPlugin(tmp_path / "Jürgen Müller ü 木", index)
    plugin.write_locks()
    environment = install(plugin)
    assert version(environment) == "1.0"
    assert current(plugin.folder) == environment
    uninstall(plugin.folder)
    assert not plugin.folder.exists()


def test_user_without_uv_gets_one_with_a_cache_and_all_of_it_goes(
    plugin: TinyPlugin, index: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_CACHE_DIR")
    (tmp_path / "programs" / "uv").rename(tmp_path / "real uv")
    wheel = uv_wheel("0.13.9", f"#!/bin/sh\nexec '{tmp_path}/real uv' \"$@\"\n")
    (plugin.requirements / "build.txt").write_text(f"uv==0.13.9 --hash=sha256:{wheel.sha256}\n")
    index.wheels.append(wheel)
    first = install(plugin)
    assert {path.name for path in plugin.folder.iterdir()} == {first.folder.name, "uv", "cache", "current.json"}
    index.wheels[:] = [one for one in index.wheels if one.name == "beta"]
    index.add("alpha", "1.1")
    plugin.write_locks()
    index.requests.clear()
    cut_short = plugin.folder / "cache" / ".tmpHalf"
    (cut_short / "torch").mkdir(parents=True)
    second = install(plugin)
    assert version(second) == "1.1"
    assert not cut_short.exists(), "nobody would go on with it"
    assert index.downloads() == {"alpha-1.1-py3-none-any.whl"}
    names = {path.name.partition("-")[0] for path in (plugin.folder / "cache").glob("wheels-v*/index/*/*")}
    assert names == {"beta"}, "the replaced package is still in the cache"
    assert not (tmp_path / "programs" / ".cache" / "uv").exists()
    uninstall(plugin.folder)
    assert not plugin.folder.exists()


def test_cache_whose_path_is_not_absolute_is_not_made_within_the_environment(
    plugin: TinyPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", "wheels of uv")
    environment = install(plugin)
    assert not list(environment.folder.rglob("wheels of uv"))
    assert sorted(path.name for path in plugin.folder.iterdir()) == ["cache", "current.json", environment.folder.name]


def test_wrong_file_of_the_index_is_refused(plugin: TinyPlugin, index: IndexServer, tmp_path: Path) -> None:
    index.fault("beta-2.0", "wrong-content")
    with pytest.raises(InstallError) as caught:
        InstallJob(plugin.options(), tmp_path / "log.txt").run()
    assert caught.value.kind == "hash-mismatch"
    assert caught.value.log_file == str(tmp_path / "log.txt")
    assert caught.value.remedy
    assert current(plugin.folder) is None


def test_installation_from_a_folder_of_wheels_asks_no_index(
    plugin: TinyPlugin, index: IndexServer, tmp_path: Path
) -> None:
    wheels = tmp_path / "wheels, on a stick ü"
    wheels.mkdir()
    for wheel in index.wheels:
        (wheels / wheel.filename).write_bytes(wheel.content)
    environment = install(plugin, wheels=wheels)
    assert version(environment, "beta") == "2.0"
    assert index.requests == []


def test_other_build_of_torch_comes_from_its_own_index_and_nothing_else_does(
    plugin: TinyPlugin, index: IndexServer
) -> None:
    index.add("torch", "2.0")
    index.add("nvidia-cublas", "12.0")
    plugin.write_locks(torch=True)
    with IndexServer() as torch_index:
        torch_index.add("torch", "2.0+cpu")
        torch_index.add("alpha", "1.0", code="evil = True")
        (plugin.requirements / "torch-cpu.txt").write_text(torch_index.wheels[0].requirement)
        environment = install(plugin, torch_index=torch_index.url)
        assert torch_index.downloads() == {"torch-2.0+cpu-py3-none-any.whl"}
        assert {path.split("/")[2] for path in torch_index.requests if "simple" in path} == {"torch"}
    assert version(environment, "torch") == "2.0+cpu"
    assert version(environment) == "1.0"
    assert index.downloads() == {"alpha-1.0-py3-none-any.whl", "beta-2.0-py3-none-any.whl"}


def test_too_small_a_disk_is_told_before_anything_is_fetched(plugin: TinyPlugin, index: IndexServer) -> None:
    plugin.write_locks(installed_bytes=dict.fromkeys(PLATFORMS, 10**18))
    with pytest.raises(InstallError, match=r"1[.,]0 EB are needed") as caught:
        install(plugin)
    assert caught.value.kind == "disk-full"
    assert "Free" in caught.value.remedy
    assert index.requests == []


def test_environment_is_never_made_within_the_plugin(plugin: TinyPlugin) -> None:
    from qgis_mpsclip.install.places import PACKAGE

    plugin.folder = PACKAGE / "engines"
    with pytest.raises(InstallError, match="plugin's own folder"):
        install(plugin)
    assert not plugin.folder.exists()


def test_without_a_network_no_python_is_downloaded(plugin: TinyPlugin, tmp_path: Path) -> None:
    described = json.loads((plugin.requirements / "locks.json").read_text())
    (plugin.requirements / "locks.json").write_text(json.dumps({**described, "python": ["3.99"]}))
    with pytest.raises(InstallError, match=r"No Python 3\.99 was found") as caught:
        install(plugin, base_python=None, wheels=tmp_path)
    assert caught.value.kind == "python-missing"


def test_python_of_this_machine_is_taken_where_none_is_named(plugin: TinyPlugin) -> None:
    assert version(install(plugin, base_python=None)) == "1.0"
    assert not (plugin.folder / "python").exists()


def test_unsuitable_base_python_is_refused(plugin: TinyPlugin, tmp_path: Path) -> None:
    described = json.loads((plugin.requirements / "locks.json").read_text())
    (plugin.requirements / "locks.json").write_text(json.dumps({**described, "python": ["3.99"]}))
    with pytest.raises(InstallError, match=r"it is Python 3\.\d+\. Choose a 64-bit CPython 3\.99") as caught:
        install(plugin)
    assert caught.value.kind == "python"
    with pytest.raises(InstallError, match="no Python that runs"):
        install(plugin, base_python=tmp_path / "nothing")
