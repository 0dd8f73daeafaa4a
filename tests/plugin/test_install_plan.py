"""What is offered on which machine, and whether it fits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from qgis_mpsclip.install.device import Device
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.locks import digest, hashes, locked_packages, read_locks, without_torch
from qgis_mpsclip.install.plan import (
    Choice,
    check_disk,
    choices,
    driver_note,
    options_from_settings,
    requirements_folder,
)
from qgis_mpsclip.settings import Settings

LOCK = """# written by make lock
nvidia-cuda-runtime==13.2.86 ; sys_platform == 'linux' \\
    --hash=sha256:{1}
nvidia-cublas==13.1 ; sys_platform == 'linux' \\
    --hash=sha256:{0}
    # via torch
numpy==2.1 \\
    --hash=sha256:{1} \\
    --hash=sha256:{0}
torch==2.15.0 \\
    --hash=sha256:{1}
torchvision==0.29 \\
    --hash=sha256:{1}
triton==3.1 \\
    --hash=sha256:{1}
""".format("a" * 64, "b" * 64)
CPU, MPS = Device("cpu"), Device("mps", "Apple M2")
OLD_CARD, NEW_CARD = Device("cuda", "T4", "525", "12.9"), Device("cuda", "L4", "580", "13.0")
ALL = {"linux": ["x86_64"], "darwin": ["arm64"], "win32": ["AMD64"]}


def lock(name: str, **changes: object) -> dict[str, object]:
    return {
        "id": name,
        "profile": "engine",
        "file": "engine.txt",
        "torch_file": None,
        "torch_backend": None,
        "accelerators": {"linux": "cuda", "darwin": "mps", "win32": "cpu"},
        "machines": ALL,
        "download_bytes": dict.fromkeys(ALL, 3_000_000_000),
        "installed_bytes": dict.fromkeys(ALL, 6_000_000_000),
        **changes,
    }


def cpu(name: str = "engine-cpu") -> dict[str, object]:
    sizes = {"download_bytes": {"linux": 400_000_000}, "installed_bytes": {"linux": 1_500_000_000}}
    torch = {"torch_file": "torch-cpu.txt", "torch_backend": "cpu"}
    return lock(name, accelerators={"linux": "cpu"}, **torch, **sizes)


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    return write(tmp_path, lock("engine-default"), lock("samgeo-default", profile="samgeo"), cpu())


def write(folder: Path, *locks: dict[str, object], **changes: object) -> Path:
    for name in ("engine.txt", "build.txt", "torch-cpu.txt"):
        (folder / name).write_text(LOCK)
    described = {"format": 1, "python": ["3.11", "3.12"], "build": "build.txt", "locks": list(locks), **changes}
    (folder / "locks.json").write_text(json.dumps(described))
    return folder


@pytest.mark.parametrize(
    ("device", "platform", "machine", "expected"),
    [
        (NEW_CARD, "linux", "x86_64", ["engine-default", "samgeo-default", "engine-cpu"]),
        (OLD_CARD, "linux", "x86_64", ["engine-cpu", "engine-default", "samgeo-default"]),
        (CPU, "linux", "x86_64", ["engine-cpu", "engine-default", "samgeo-default"]),
        (MPS, "darwin", "arm64", ["engine-default", "samgeo-default"]),
        (CPU, "win32", "AMD64", ["engine-default", "samgeo-default"]),
        (CPU, "win32", "x86_64", ["engine-default", "samgeo-default"]),
        (CPU, "linux", "riscv64", []),
        (CPU, "freebsd14", "amd64", []),
    ],
)
def test_only_what_a_lock_covers_is_offered_the_most_suitable_first(
    requirements: Path, device: Device, platform: str, machine: str, expected: list[str]
) -> None:
    found = choices(requirements, device, platform, machine)
    assert [choice.id for choice in found] == expected
    assert [choice.recommended for choice in found] == [number == 0 for number in range(len(found))]


@pytest.mark.parametrize(("says", "is_offered"), [("14.0", True), ("26.1", True), ("13.7.2", False), ("", True)])
def test_mac_that_is_too_old_gets_no_offer_and_one_of_unknown_age_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, is_offered: bool
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr("platform.mac_ver", lambda: ("10.16", ("", "", ""), "arm64"))  # of a Python for older ones
    monkeypatch.setattr("qgis_mpsclip.install.plan.macos_version", lambda: says)
    write(tmp_path, lock("engine-default"), macos="14.0")
    assert bool(choices(tmp_path, MPS, "darwin", "arm64")) is is_offered


def test_choice_says_what_it_takes_and_runs_on(requirements: Path) -> None:
    small, large, segmenters = choices(requirements, CPU, "linux", "x86_64")
    assert (small.label, small.accelerator, small.torch_backend) == ("CPU only", "cpu", "cpu")
    assert (small.download_bytes, small.installed_bytes) == (400_000_000, 1_500_000_000)
    assert small.torch_lock == requirements / "torch-cpu.txt"
    assert large.label == "NVIDIA graphics card (CUDA 13) or CPU"
    assert segmenters.label == "NVIDIA graphics card (CUDA 13) or CPU, with the SamGeo segmenters"
    (apple, _) = choices(requirements, MPS, "darwin", "arm64")
    assert (apple.label, apple.lock, apple.torch_lock) == (
        "Apple graphics (MPS) or CPU",
        requirements / "engine.txt",
        None,
    )


def test_sizes_that_are_not_known_are_estimated(tmp_path: Path) -> None:
    sizes = {"download_bytes": {"linux": 1_000_000, "win32": None}, "installed_bytes": {"linux": None}}
    write(tmp_path, lock("a", **sizes))
    (linux,) = choices(tmp_path, CPU, "linux", "x86_64")
    assert (linux.download_bytes, linux.installed_bytes) == (1_000_000, 1_900_000)
    (windows,) = choices(tmp_path, CPU, "win32", "AMD64")
    assert (windows.download_bytes, windows.installed_bytes) == (0, 2_000_000_000)


def test_driver_that_is_too_old_for_the_build_is_told(requirements: Path) -> None:
    small, large, _ = choices(requirements, OLD_CARD, "linux", "x86_64")
    assert driver_note(large, OLD_CARD).startswith("The driver 525 of T4 runs CUDA 12.9, and this build needs CUDA 13:")
    for choice, device in [(large, NEW_CARD), (large, CPU), (small, OLD_CARD)]:
        assert driver_note(choice, device) == ""


@pytest.mark.parametrize("damage", ["missing", "not json", "format", "no file", "no locks"])
def test_locks_that_cannot_be_read_are_named(tmp_path: Path, damage: str) -> None:
    write(
        tmp_path,
        lock("a", file="engine.txt" if damage != "no file" else "gone.txt"),
        format=2 if damage == "format" else 1,
    )
    file = tmp_path / "locks.json"
    if damage == "missing":
        file.unlink()
    elif damage == "not json":
        file.write_text("{")
    elif damage == "no locks":
        file.write_text('{"format": 1, "python": [], "build": "build.txt"}')
    with pytest.raises(InstallError, match=r"locks\.json cannot be read") as caught:
        read_locks(tmp_path)
    assert (caught.value.kind, caught.value.remedy) == ("locks", "Install the plugin again.")


def test_digest_changes_with_either_lock(requirements: Path) -> None:
    main, torch = requirements / "engine.txt", requirements / "torch-cpu.txt"
    alone, both = digest(main), digest(main, torch)
    assert len({alone, both, digest(torch, main)}) == 2, "both files are the same here"
    torch.write_text("torch==3")
    assert digest(main) == alone
    assert digest(main, torch) != both


def test_lock_without_torch_keeps_all_else(requirements: Path) -> None:
    text = without_torch(requirements / "engine.txt")
    assert text == f"numpy==2.1 \\\n    --hash=sha256:{'b' * 64} \\\n    --hash=sha256:{'a' * 64}\n"


def test_packages_of_another_build_of_torch_are_not_those_of_the_main_lock(requirements: Path, tmp_path: Path) -> None:
    (tmp_path / "torch-cpu.txt").write_text("torch==2.15.0+cpu --hash=sha256:0\n")
    main = requirements / "engine.txt"
    assert locked_packages(main, tmp_path / "torch-cpu.txt") == {("numpy", "2.1"), ("torch", "2.15.0+cpu")}
    assert {("torch", "2.15.0"), ("nvidia-cublas", "13.1")} < locked_packages(main)


def test_hashes_of_one_package(requirements: Path) -> None:
    assert hashes(requirements / "build.txt", "numpy") == ("2.1", frozenset({"a" * 64, "b" * 64}))
    assert hashes(requirements / "build.txt", "uv") == ("", frozenset())


def choice_of(requirements: Path, size: int) -> Choice:
    found = choices(write(requirements, lock("a", installed_bytes=dict.fromkeys(ALL, size))), CPU, "linux", "x86_64")
    return found[0]


def test_disk_with_room_is_fine(tmp_path: Path) -> None:
    check_disk(tmp_path / "not" / "yet", choice_of(tmp_path, 1000), tmp_path / "cache")


def test_full_disk_is_told_with_numbers_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(InstallError) as caught:
        check_disk(tmp_path / "engines", choice_of(tmp_path, 10**18))
    assert caught.value.kind == "disk-full"
    assert "1.0 EB are needed in" in caught.value.problem
    assert str(tmp_path / "engines") in caught.value.problem
    assert "folder on another disk" in caught.value.remedy


def test_what_is_there_already_needs_no_room_again(tmp_path: Path) -> None:
    size, cache = shutil.disk_usage(tmp_path).free, tmp_path / "cache"
    choice = choice_of(tmp_path, size)
    with pytest.raises(InstallError, match="are needed"):
        check_disk(tmp_path, choice, cache, cached=100_000_000)
    check_disk(tmp_path, choice, cache, cached=size // 2)
    check_disk(tmp_path, choice, cache, present=size // 2)
    with pytest.raises(InstallError, match="are needed"):
        check_disk(tmp_path, choice, cache, cached=size // 2, copies=True)
    check_disk(tmp_path, choice, cache, cached=size, present=size // 2, copies=True)


def test_cache_on_another_file_system_needs_the_room_too(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system")
    size = shutil.disk_usage(other).free + 1_000_000
    if size + 600_000_000 > shutil.disk_usage(tmp_path).free:
        pytest.skip("the first file system is not larger")
    with pytest.raises(InstallError, match="/dev/shm") as caught:
        check_disk(tmp_path, choice_of(tmp_path, size), other / "cache")
    assert "UV_CACHE_DIR" in caught.value.remedy


def test_settings_become_options(tmp_path: Path) -> None:
    settings = Settings()
    settings.install_folder, settings.wheels_folder = str(tmp_path / "engines"), str(tmp_path)
    settings.package_index, settings.torch_index = " https://a.example/simple ", "https://b.example"
    options = options_from_settings(choice_of(tmp_path, 1), settings)
    assert (options.folder, options.wheels) == (tmp_path / "engines", tmp_path)
    assert (options.index_url, options.torch_index) == ("https://a.example/simple", "https://b.example")
    settings.wheels_folder = ""
    assert options_from_settings(choice_of(tmp_path, 1), settings).wheels is None


def test_plugin_comes_with_its_locks() -> None:
    assert (requirements_folder() / "engine.txt").is_file()
