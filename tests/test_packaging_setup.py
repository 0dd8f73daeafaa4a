"""Which locked packages ``make setup`` installs (scripts/setup_env.py)."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def setup_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with its stamp and its environment in a folder of the test's own."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    spec = importlib.util.spec_from_file_location("setup_env", ROOT / "scripts" / "setup_env.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", tmp_path)
    monkeypatch.setattr(module, "STAMP", tmp_path / "stamp.json")
    (tmp_path / "bin").mkdir()
    module.executable("mpsclip").parent.mkdir(exist_ok=True)
    module.executable("mpsclip").touch()
    return module


def stamp(setup_env: ModuleType, profile: str) -> None:
    setup_env.STAMP.write_text(json.dumps(setup_env.fingerprint(profile, "cpu")), encoding="utf-8")


@pytest.mark.parametrize(
    ("installed", "serves"),
    [("engine", ["engine"]), ("samgeo", ["engine", "samgeo"]), ("dev", ["engine", "samgeo", "dev"])],
)
def test_an_environment_serves_the_profiles_it_holds(setup_env: ModuleType, installed: str, serves: list[str]) -> None:
    stamp(setup_env, installed)
    assert [profile for profile in setup_env.PROFILES if setup_env.is_current(profile, "")] == serves


def test_an_update_takes_no_packages_away(setup_env: ModuleType) -> None:
    assert setup_env.widest("engine") == "engine"
    stamp(setup_env, "samgeo")
    assert [setup_env.widest(profile) for profile in setup_env.PROFILES] == ["samgeo", "samgeo", "dev"]


def test_the_cpu_build_comes_from_its_own_lock_where_there_is_one(setup_env: ModuleType, tmp_path: Path) -> None:
    setup_env.CPU_LOCK = tmp_path / "torch-cpu.txt"
    without = setup_env.cpu_torch(ROOT / "requirements" / "engine.txt")
    # Each with its marker: an older release for the oldest Python.
    assert [line.split("==")[0] for line in without] == ["torch", "torch", "torchvision"]
    assert [" ; python_full_version" in line for line in without] == [True, True, False]
    before = setup_env.fingerprint("engine", "cpu")
    setup_env.CPU_LOCK.write_text("# torch-backend: cpu\n", encoding="utf-8")
    assert setup_env.cpu_torch(ROOT / "requirements" / "engine.txt") == [
        "--require-hashes",
        "--requirements",
        str(setup_env.CPU_LOCK),
    ]
    assert setup_env.fingerprint("engine", "cpu") != before


def test_the_lock_without_pytorch_keeps_nothing_of_cuda(
    setup_env: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup_env, "INSTALLER", tmp_path / "installer")
    kept = setup_env.without_torch(ROOT / "requirements" / "engine.txt").read_text(encoding="utf-8")
    names = {line.split("==")[0] for line in kept.splitlines() if "==" in line}
    assert {"open-clip-torch", "rasterio", "lancedb"} <= names
    assert [name for name in names if name.startswith(("torch", "nvidia", "cuda", "triton"))] == []
