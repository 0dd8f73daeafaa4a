"""Each probe, and what it says where something is wrong."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from engine.diagnose import child
from engine.diagnose.finding import Finding
from engine.diagnose.nvidia import NvidiaDriver, nvidia_smi
from engine.diagnose.probes import look_at_devices
from engine.errors import EngineError, UsageError
from engine.models.weights import file_sha256

ROOT = Path(__file__).resolve().parents[3]
WEIGHTS = "resources/models/rsicd-mini.safetensors"


def probe(name: str, *arguments: str) -> Finding:
    (finding,) = child.run_jobs([("probe", f"engine.diagnose.probes:look_at_{name}", *arguments)])
    return finding


@pytest.fixture
def copied_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The engine with resources of its own, which the doctor's child takes for its own project."""
    root = tmp_path / "project"
    shutil.copytree(ROOT / "engine", root / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "resources", root / "resources")
    shutil.copyfile(ROOT / "metadata.txt", root / "metadata.txt")
    monkeypatch.setattr(child, "ENGINE_ROOT", root)
    return root


def test_gdal_proj_and_model_are_found_healthy(tmp_path: Path) -> None:
    names = {"gdal": (), "coordinates": (), "index_folder": (str(tmp_path / "cache"),), "model": ("cpu",)}
    jobs = [(name, f"engine.diagnose.probes:look_at_{name}", *given) for name, given in names.items()]
    for finding in child.run_jobs(jobs):
        assert finding.ok, finding
        assert finding.seconds > 0
    assert [path.name for path in (tmp_path / "cache").rglob("*")] == ["index"]  # nothing is left behind


def test_weights_that_were_damaged_are_told(copied_project: Path) -> None:
    weights = copied_project / WEIGHTS
    content = bytearray(weights.read_bytes())
    content[-1000] ^= 0xFF
    weights.write_bytes(content)
    finding = probe("model", "cpu")
    assert not finding.ok
    assert "sha256" in finding.detail
    assert finding.remedy == "Install the project again."


def test_weights_that_give_nonsense_are_told(copied_project: Path) -> None:
    """All checksums fit, but the outputs of the text head are in another order."""
    weights = copied_project / WEIGHTS
    with safe_open(weights, "pt") as stored:
        metadata = stored.metadata()
        state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    heads = [name for name in state if name.startswith("text_head")]
    assert heads
    for name in heads:
        state[name] = state[name].flip(0).contiguous()
    save_file(state, weights, metadata)
    catalogue = copied_project / "resources" / "models.json"
    listed = json.loads(catalogue.read_text(encoding="utf-8"))
    (entry,) = [model for model in listed["models"] if model["id"] == "rsicd-mini"]
    entry["sha256"] = f"sha256:{file_sha256(weights)}"
    catalogue.write_text(json.dumps(listed), encoding="utf-8")
    finding = probe("model", "cpu")
    assert not finding.ok
    assert "does not tell a dense green forest" in finding.detail
    assert "Install the plugin again" in finding.remedy


def test_weights_that_are_missing_are_told(copied_project: Path) -> None:
    (copied_project / WEIGHTS).unlink()
    finding = probe("model", "cpu")
    assert not finding.ok
    assert "rsicd-mini" in finding.detail
    assert finding.remedy


@pytest.mark.parametrize("place", ["/proc", "/dev/null"])
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="takes folders of Linux")
def test_a_cache_that_cannot_be_written_is_told(place: str) -> None:
    finding = probe("index_folder", place)
    assert not finding.ok
    assert place in finding.detail
    assert "MPSCLIP_CACHE" in finding.remedy


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """On a real file system of half a megabyte."""
    if shutil.which("mount") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a file system")
    try:
        finding = probe("index_folder", str(tmp_path))
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert not finding.ok
    assert "No space left" in finding.detail
    assert finding.remedy


def test_proj_without_its_database_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROJ_LIB", "PROJ_DATA"):
        monkeypatch.setenv(name, str(tmp_path))
    finding = probe("coordinates")
    assert not finding.ok
    assert finding.remedy


def test_a_device_that_is_not_there_is_told() -> None:
    with pytest.raises(UsageError, match="no device"):
        look_at_devices("warp")
    if not torch.backends.mps.is_available():
        with pytest.raises(EngineError, match="Available here"):
            look_at_devices("mps")


def make_nvidia_smi(folder: Path, answer: str, status: int = 0) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\nexit {status}\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_the_driver_is_asked_through_its_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    make_nvidia_smi(tmp_path, "580.95.05, NVIDIA H100 80GB HBM3\n580.95.05, NVIDIA RTX A2000, 12 GB")
    driver = NvidiaDriver.ask()
    assert driver is not None
    assert (driver.version, driver.cards) == ("580.95.05", ("NVIDIA H100 80GB HBM3", "NVIDIA RTX A2000, 12 GB"))
    make_nvidia_smi(tmp_path, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", 9)
    assert NvidiaDriver.ask() is None


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_a_tool_in_the_current_folder_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_nvidia_smi(tmp_path, "580.95.05, planted")
    (tmp_path / "nvidia-smi.exe").write_bytes((tmp_path / "nvidia-smi").read_bytes())
    for path in ("", ".", f"{os.pathsep}."):
        monkeypatch.setenv("PATH", path)
        assert nvidia_smi(on_windows=False) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_smi(on_windows=False) == str(tmp_path / "nvidia-smi")
    monkeypatch.delenv("SYSTEMROOT", raising=False)
    assert nvidia_smi(on_windows=True) is None
    system = tmp_path / "System32"
    system.mkdir()
    (system / "nvidia-smi.exe").touch()
    monkeypatch.setenv("SYSTEMROOT", str(tmp_path))
    assert nvidia_smi(on_windows=True) == str(system / "nvidia-smi.exe")


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
@pytest.mark.skipif(torch.cuda.is_available(), reason="the card is used")
def test_a_card_that_pytorch_cannot_use_is_told_and_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_nvidia_smi(tmp_path, "470.57.02, Tesla K80")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    seen = look_at_devices("auto")
    assert "NVIDIA 470.57.02 (Tesla K80)" in seen.detail
    assert "a product of matrices on cpu" in seen.detail
    assert seen.advice.startswith("The NVIDIA card is not used")


@pytest.mark.gpu
def test_the_card_is_found_and_computes() -> None:
    seen = look_at_devices("cuda")
    assert torch.cuda.get_device_name(0) in seen.detail
    assert "a product of matrices on cuda" in seen.detail
    assert seen.advice == ""
