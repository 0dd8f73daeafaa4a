"""Versions against the lock."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.diagnose import packages, profiles
from engine.diagnose.child import run_jobs
from engine.diagnose.doctor import jobs
from engine.errors import EngineError


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of the test's own in place of the project's."""
    file = tmp_path / "requirements" / "engine.txt"
    file.parent.mkdir()
    monkeypatch.setattr(packages, "project_path", lambda *parts: tmp_path.joinpath(*parts))
    return file


def test_the_projects_lock_holds_every_core_package() -> None:
    for profile in (profiles.ENGINE, profiles.SAMGEO):
        locked = packages.locked_versions(profile)
        assert [name for name in profiles.packages_of(profile) if packages.canonical(name) not in locked] == []
    assert "colorama" in packages.conditional_packages()  # Windows alone needs it


def test_another_version_is_told_and_is_no_failure(lock: Path) -> None:
    lock.write_text("shapely==1.0.0 \\\n    --hash=sha256:00\nnumpy==0.1 ; python_version < '3.0'\n", encoding="utf-8")
    assert "tested with 1.0.0" in packages.look_at_package("shapely").advice
    seen = packages.look_at_lock()
    assert "shapely" in seen.detail and "instead of 1.0.0" in seen.detail
    assert seen.advice


def test_one_of_several_locked_versions_will_do(lock: Path) -> None:
    import shapely

    lines = f"shapely==1.0.0 ; python_version < '3.11'\nshapely=={shapely.__version__} ; python_version >= '3.11'\n"
    lock.write_text(lines, encoding="utf-8")
    assert packages.look_at_package("shapely").advice == ""
    assert packages.look_at_lock().detail == "1 of the lock's (engine), all at its versions"


def test_builds_of_a_version_are_the_same_version(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock.write_text("shapely==9.9.9\n", encoding="utf-8")
    monkeypatch.setattr(packages.importlib.metadata, "version", lambda _: "9.9.9+cpu")
    assert packages.look_at_package("shapely").advice == ""


def test_a_missing_package_is_a_failure_unless_other_systems_alone_need_it(lock: Path) -> None:
    lock.write_text("nothing-like-this==1.0 ; sys_platform == 'win32'\n", encoding="utf-8")
    packages.look_at_lock()
    lock.write_text("nothing-like-this==1.0\n", encoding="utf-8")
    with pytest.raises(EngineError, match="nothing-like-this"):
        packages.look_at_lock()


def test_without_a_lock_nothing_is_compared(lock: Path) -> None:
    shutil.rmtree(lock.parent)
    assert packages.look_at_lock().detail == "no lock comes with this installation"
    assert packages.look_at_package("shapely").advice == ""


def test_the_segmenters_that_were_installed_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def looks(profile: str) -> set[str]:
        return {check for check, *_ in jobs(None, "auto", profile)}

    assert set(profiles.SAMGEO_PACKAGES) <= looks("samgeo")
    monkeypatch.setattr(profiles, "is_installed", lambda name: name in ("segment-geospatial", "transformers"))
    assert looks("auto") - looks("engine") == {"segment-geospatial", "transformers"}
    monkeypatch.setattr(profiles, "is_installed", lambda name: name == "transformers")
    assert looks("auto") == looks("engine")


def test_what_was_installed_decides_whether_a_missing_segmenter_is_a_failure(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock.write_text("numpy==0.1\n", encoding="utf-8")
    lock.with_name("samgeo.txt").write_text("numpy==0.1\nno-such-segmenter==1.0\n", encoding="utf-8")
    with pytest.raises(EngineError, match="no-such-segmenter"):
        packages.look_at_lock("samgeo")
    assert "segmenter" not in packages.look_at_lock("engine").detail
    monkeypatch.setattr(packages, "installed_profile", lambda: "samgeo")  # with an extra of some of its packages
    assert "no-such-segmenter is not there" in packages.look_at_lock("auto").detail


def test_a_segmenter_that_crashes_is_a_finding_and_the_next_one_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, code in (("groundingdino", "import os\nos.abort()\n"), ("samgeo", "raise ImportError('libgl.so.1')\n")):
        package = tmp_path / name
        package.mkdir()
        (package / "__init__.py").write_text(code, encoding="utf-8")
        (package / ("models.py" if name == "groundingdino" else "common.py")).touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    broken = [job for job in jobs(None, "auto", "samgeo") if job[0] in ("groundingdino-py", "segment-geospatial")]
    crashed, unloadable = run_jobs(broken)
    assert not crashed.ok and "SIGABRT" in crashed.detail and crashed.remedy
    assert not unloadable.ok and unloadable.detail == "ImportError: libgl.so.1"
