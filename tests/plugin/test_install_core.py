"""Where the engine may be installed, on what, and what the log says of it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from qgis.core import QgsApplication

from qgis_mpsclip.install.base_python import check_python, find_python, preferred
from qgis_mpsclip.install.device import Device, macos_version, nvidia_places, read_nvidia
from qgis_mpsclip.install.download import DownloadProgress
from qgis_mpsclip.install.errors import InstallCancelled, InstallError
from qgis_mpsclip.install.log import InstallLog, secrets_of
from qgis_mpsclip.install.places import default_folder, environments_folder
from qgis_mpsclip.install.process import Runner
from qgis_mpsclip.install.programs import find_program, program_of_windows
from qgis_mpsclip.install.stage import STEPS, InstallProgress
from qgis_mpsclip.settings import Settings
from tests.plugin.support.real_uv import find_uv

THIS = ".".join(map(str, sys.version_info[:2]))
BASE = Path(getattr(sys, "_base_executable", sys.executable))
NVIDIA = """
==============NVSMI LOG==============

Timestamp                                 : Sat Nov 21 10:00:00 2026
Driver Version                            : 550.54.15
CUDA Version                              : 12.4

Attached GPUs                             : 2
GPU 00000000:00:04.0
    Product Name                          : NVIDIA GeForce RTX 4070
    Product Brand                         : GeForce
GPU 00000000:00:05.0
    Product Name                          : Tesla T4
"""


@pytest.fixture
def runner(tmp_path: Path) -> Callable[..., Runner]:
    def make(is_cancelled: Callable[[], bool] = lambda: False, **environ: str) -> Runner:
        kept = {name: os.environ[name] for name in ("PATH", "HOME")}
        return Runner(InstallLog(None), {**kept, **environ}, tmp_path, is_cancelled)

    return make


def is_alive(process: str) -> bool:
    """Whether a process runs; one that nobody has waited for yet has no command line."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False


def test_default_folder_is_shared_by_all_profiles() -> None:
    folder = environments_folder(Settings())
    assert folder == default_folder()
    assert folder.is_absolute()
    assert Path(QgsApplication.qgisSettingsDirPath()) not in folder.parents


def test_folder_of_the_setting_may_have_spaces_and_any_letters(tmp_path: Path) -> None:
    settings = Settings()
    settings.install_folder = f"  {tmp_path}/Jürgens große Platte/木  "
    assert environments_folder(settings) == tmp_path / "Jürgens große Platte" / "木"
    settings.install_folder = "~/engines"
    assert environments_folder(settings) == Path.home() / "engines"


def test_folders_that_updates_empty_are_refused(tmp_path: Path) -> None:
    package = tmp_path / "plugins" / "qgis_mpsclip"
    package.mkdir(parents=True)
    (tmp_path / "link").symlink_to(package)
    profile = Path(QgsApplication.qgisSettingsDirPath())
    for folder, words in [
        (package, "plugin's own"),
        (package / "a" / "b", "plugin's own"),
        (tmp_path / "link" / "engines", "plugin's own"),
        (profile / "python" / "engines", "profile"),
        (Path("engines"), "absolute"),
    ]:
        settings = Settings()
        settings.install_folder = str(folder)
        with pytest.raises(InstallError, match=words) as caught:
            environments_folder(settings, package)
        assert caught.value.kind == "folder"
        assert str(folder) in caught.value.problem
        assert "another folder" in caught.value.remedy or "whole path" in caught.value.remedy


def test_nvidia_report_names_card_driver_and_cuda() -> None:
    assert read_nvidia(NVIDIA) == Device("cuda", "NVIDIA GeForce RTX 4070", "550.54.15", "12.4")
    newer = NVIDIA.replace("CUDA Version  ", "CUDA UMD Version")
    assert read_nvidia(newer).cuda_level == "12.4"
    assert read_nvidia("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.") is None
    assert read_nvidia("") is None


def test_program_of_the_current_folder_is_never_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "bin"
    own.mkdir()
    for folder in (tmp_path, own):
        (folder / "uv").write_text("#!/bin/sh\n")
        (folder / "uv").chmod(0o755)
    for path in ("", ".", f".{os.pathsep}bin{os.pathsep}"):
        assert find_program("uv", environ={"PATH": path}) is None
    assert find_program("uv", environ={"PATH": f".{os.pathsep}{own}"}) == own / "uv"
    assert find_program("uv", [str(own)], {}) == own / "uv"


def test_programs_of_windows_have_whole_paths() -> None:
    assert program_of_windows("taskkill.exe", {"SYSTEMROOT": "D:\\Win"}) == "D:\\Win\\System32\\taskkill.exe"
    for root in ("", "planted"):
        assert program_of_windows("taskkill.exe", {"SYSTEMROOT": root}) == "C:\\Windows\\System32\\taskkill.exe"
    system = "C:\\Windows\\System32\\nvidia-smi.exe"
    older = "E:\\Programs\\NVIDIA Corporation\\NVSMI\\nvidia-smi.exe"
    assert nvidia_places({"PROGRAMFILES": "E:\\Programs"}) == [system, older]
    assert nvidia_places({"PROGRAMFILES": ""}) == nvidia_places({}) == [system]


def test_macos_is_asked_for_its_true_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sysctl = tmp_path / "sysctl"
    monkeypatch.setattr("qgis_mpsclip.install.device._SYSCTL", str(sysctl))
    monkeypatch.setenv("SYSTEM_VERSION_COMPAT", "1")
    assert macos_version() == ""
    sysctl.write_text('#!/bin/sh\n[ "$SYSTEM_VERSION_COMPAT" = 0 ] && [ "$2" = kern.osproductversion ] && echo 14.5\n')
    sysctl.chmod(0o755)
    assert macos_version() == "14.5"


def test_log_masks_logins_and_known_secrets(tmp_path: Path) -> None:
    environ = {"HOME": "/home/me", "UV_INDEX_WORK_PASSWORD": "hunter22"}  # pragma: allowlist secret
    environ["HTTPS_PROXY"] = "http://me:p%40ss@proxy:3128"  # pragma: allowlist secret
    log = InstallLog(tmp_path / "log.txt", secrets_of(environ))
    log.write("via http://me:p%40ss@proxy:3128 and https://tok/en@index/simple")  # pragma: allowlist secret
    log.write("the password p@ss or p%40ss or hunter22 of /home/me")
    text = (tmp_path / "log.txt").read_text()
    assert "via http://***@proxy:3128 and https://tok/en@index/simple" in text
    assert "the password *** or *** or *** of /home/me" in text
    assert log.text.splitlines()[1] == "the password *** or *** or *** of /home/me"


def test_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    log = InstallLog(tmp_path / "missing" / "log.txt")
    log.write("on")
    assert log.text == "on"


def test_download_is_told_from_uvs_lines_and_its_cache(tmp_path: Path) -> None:
    progress = DownloadProgress(tmp_path)
    assert progress.read("Resolved 3 packages in 10ms")
    assert progress.total == 0
    progress.read("Downloading torch (2.0GiB)")
    progress.read("Downloading numpy (16.0MiB)")
    assert (progress.done, progress.total) == (0, (2 << 30) + (16 << 20))
    assert progress.text.startswith("Downloading torch, numpy: 0 ")
    (tmp_path / ".tmpAbc" / "torch").mkdir(parents=True)
    (tmp_path / ".tmpAbc" / "torch" / "libtorch.so").write_bytes(bytes(1_000_000))
    progress.read(" Downloaded numpy")
    assert (16 << 20) + 400_000 < progress.done < (16 << 20) + 1_000_000
    before = progress.done
    (tmp_path / ".tmpAbc" / "torch" / "libtorch.so").unlink()
    progress.read(" Downloaded small")
    assert progress.done == before
    progress.read("Downloading scipy (1.0MiB)")
    progress.read(" Downloading scipy")
    assert "scipy" not in progress.text
    progress.read("Downloading cpython-3.12.16-linux-x86_64-gnu (download) (1.0MiB)")
    assert "cpython-3.12.16-linux-x86_64-gnu" in progress.text
    progress.read(" Downloaded cpython-3.12.16-linux-x86_64-gnu (download)")
    assert "cpython" not in progress.text
    progress.read("Prepared 3 packages in 5s")
    assert progress.done == progress.total


def test_share_of_torch_is_the_packages_where_it_has_no_step_of_its_own() -> None:
    assert sum(STEPS.values()) == 100
    assert InstallProgress("environment", "", 1, 1).percent == InstallProgress("packages", "").percent == 8
    assert InstallProgress("packages", "", 1, 1).percent == InstallProgress("doctor", "").percent == 88
    assert InstallProgress("torch", "", 1, 2, has_torch=True).percent == 23
    assert InstallProgress("packages", "", 1, 2, has_torch=True).percent == 63
    assert InstallProgress("switch", "", 1, 1).percent == 100


def test_child_gets_no_more_than_its_time(runner: Callable[..., Runner]) -> None:
    done = runner().run(["sh", "-c", "echo begun; sleep 60"], seconds=0.5)
    assert done.returncode < 0
    assert done.stdout == "begun"


def test_child_that_prints_without_a_pause_gets_no_more_than_its_time(runner: Callable[..., Runner]) -> None:
    start = time.monotonic()
    done = runner().run(["timeout", "8", "yes"], seconds=0.3)
    assert done.returncode < 0
    assert done.stdout.startswith("y\ny")
    assert time.monotonic() - start < 4


def test_cancel_ends_what_the_child_has_started(runner: Callable[..., Runner], tmp_path: Path) -> None:
    mark = tmp_path / "grandchild"
    script = f"trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > {mark}; sleep 60' & wait"
    with pytest.raises(InstallCancelled):
        runner(lambda: mark.exists() and bool(mark.read_text())).run(["sh", "-c", script])
    assert not is_alive(mark.read_text().strip())


def test_output_that_somebody_else_holds_open_is_not_waited_for(runner: Callable[..., Runner]) -> None:
    done = runner().run(["sh", "-c", "echo out; echo err >&2; setsid sleep 5 & exit 3"])
    assert done.returncode == 3
    assert (done.stdout, sorted(done.output.splitlines())) == ("out", ["err", "out"])


def test_program_that_is_missing_is_named(runner: Callable[..., Runner], tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="nothing here"):
        runner().run([tmp_path / "nothing here"])


def test_preferred_python_has_the_most_wheels() -> None:
    assert preferred(["3.10", "3.11", "3.12", "3.13", "3.14"]) == ["3.12", "3.11", "3.13", "3.10", "3.14"]


def test_python_of_this_machine_is_found(runner: Callable[..., Runner], tmp_path: Path) -> None:
    one = runner(UV_CACHE_DIR=str(tmp_path / "cache"), PATH=f"{BASE.parent}:/usr/bin:/bin")
    found = find_python(find_uv(), [THIS], one, "/none")
    assert found is not None, one.log.text
    assert check_python(found, [THIS], runner()) == found
    assert find_python(find_uv(), ["3.99"], one) is None


def test_python_that_qgis_has_for_itself_is_not_taken(runner: Callable[..., Runner], tmp_path: Path) -> None:
    bundle = tmp_path / "QGIS.app" / "python3"
    bundle.parent.mkdir()
    bundle.write_text(f'#!/bin/sh\nexport PYTHONHOME={sys.base_prefix}\nexec {BASE} "$@"\n')
    bundle.chmod(0o755)
    one = runner(UV_CACHE_DIR=str(tmp_path / "cache"), PATH=f"{BASE.parent}:/usr/bin:/bin")
    found = find_python(find_uv(), [THIS], one, "/none")
    prefix = one.run([found, "-c", "import sys; print(sys.base_prefix)"]).stdout.strip()
    if prefix in ("/usr", "/usr/local"):
        assert find_python(find_uv(), [THIS], one, prefix) == found, "a system's Python is nobody's own"
    else:
        assert find_python(find_uv(), [THIS], one, prefix) != found
