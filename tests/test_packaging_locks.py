"""The checks of the locks (scripts/check_locks.py) and the lock of another PyTorch (scripts/lock_torch.py).

Packages come from an index on the loopback address, so nothing here needs the network.
"""

from __future__ import annotations

import hashlib
import http.server
import importlib
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / "build" / "installer" / "bin" / "uv"
pytestmark = pytest.mark.skipif(not UV.exists(), reason="uv is not where make setup puts it on Linux and macOS")


class Index:
    """A package index in a folder: its pages state each file's sha256, as PyTorch's do."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    def add(self, name: str, *files: str) -> None:
        page = self.folder / name / "index.html"
        page.parent.mkdir(exist_ok=True)
        links = page.read_text() if page.exists() else ""
        for file in files:
            path = page.parent / file
            version = file.split("-")[1].removesuffix(".tar.gz")
            with zipfile.ZipFile(path, "w") as archive:
                stated = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
                archive.writestr(f"{name}-{version}.dist-info/METADATA", stated)
                archive.writestr(f"{name}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\n")
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            links += f'<a href="{file}#sha256={digest}">{file}</a>\n'
        page.write_text(links)

    def pinned(self, name: str, version: str) -> str:
        """The package's entry in a lock, with the hash of each of its files."""
        hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in (self.folder / name).glob("*-*")]
        return " \\\n".join([f"{name}=={version}", *(f"    --hash=sha256:{digest}" for digest in hashes)]) + "\n"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    folder = tmp_path / "index"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_FIND_LINKS", "UV_TORCH_BACKEND"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("UV_DEFAULT_INDEX", url)
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setenv("UV_NO_CONFIG", "1")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield Index(folder, url)
        server.shutdown()
        thread.join()


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))


@pytest.fixture
def check_locks(scripts: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script over a copy of the locks, with nothing found in order yet."""
    module = importlib.import_module("check_locks")
    copy = tmp_path / "requirements"
    shutil.copytree(ROOT / "requirements", copy)
    monkeypatch.setattr(module, "REQUIREMENTS", copy)
    monkeypatch.setattr(module, "FOUND_IN_ORDER", tmp_path / "in-order.json")
    return module


def check_made_up(check_locks: ModuleType, tmp_path: Path, text: str) -> int:
    lock = tmp_path / "made-up.txt"
    lock.write_text(text)
    status: int = check_locks.main(["--uv", str(UV), "--lock", str(lock)])
    return status


def test_a_lock_whose_packages_have_wheels_everywhere_passes(
    check_locks: ModuleType, index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index.add("everywhere", "everywhere-1.0-py3-none-any.whl")
    assert check_made_up(check_locks, tmp_path, index.pinned("everywhere", "1.0")) == 0
    assert capsys.readouterr().out == ""


def test_a_package_that_is_source_only_fails_by_its_name(
    check_locks: ModuleType, index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index.add("sourceonly", "sourceonly-1.0.tar.gz")
    assert check_made_up(check_locks, tmp_path, index.pinned("sourceonly", "1.0")) == 1
    said = capsys.readouterr().out.splitlines()
    assert "made-up.txt, win32 AMD64, Python 3.10: no wheel of sourceonly 1.0." in said
    assert len(said) == 16
    # What failed is not remembered as being in order.
    assert check_made_up(check_locks, tmp_path, index.pinned("sourceonly", "1.0")) == 1


def test_a_platform_and_python_without_a_wheel_is_named(
    check_locks: ModuleType, index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    linux = ("manylinux_2_28_x86_64", "manylinux_2_28_aarch64")
    tags = [f"cp{v}-cp{v}-{system}" for v in (310, 311, 312, 313) for system in (*linux, "macosx_14_0_arm64")]
    tags += [f"cp{v}-cp{v}-win_amd64" for v in (310, 311, 313)]
    # Linked against a newer macOS than the locks are kept to.
    tags = [tag.replace("14_0", "15_0") if tag.startswith("cp313") else tag for tag in tags]
    index.add("partly", *(f"partly-1.0-{tag}.whl" for tag in tags))
    assert check_made_up(check_locks, tmp_path, index.pinned("partly", "1.0")) == 1
    assert capsys.readouterr().out.splitlines() == [
        "made-up.txt, darwin arm64, Python 3.13: no wheel of partly 1.0.",
        "made-up.txt, win32 AMD64, Python 3.12: no wheel of partly 1.0.",
    ]


def test_a_wheel_that_is_not_among_the_hashes_fails(
    check_locks: ModuleType, index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index.add("changed", "changed-1.0-py3-none-any.whl")
    assert check_made_up(check_locks, tmp_path, f"changed==1.0 \\\n    --hash=sha256:{'0' * 64}\n") == 1
    assert "changed" in capsys.readouterr().out


def test_the_checkouts_locks_are_described_and_well_formed(check_locks: ModuleType) -> None:
    assert list(check_locks.not_described()) == []
    assert [line for lock in check_locks.locks() for line in check_locks.malformed(lock)] == []


def test_a_dependency_without_a_new_lock_fails(
    check_locks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(text.replace('"tqdm>=4.66"', '"tqdm>=4.67"'), encoding="utf-8")
    monkeypatch.setattr(importlib.import_module("lock_targets"), "ROOT", tmp_path)
    (said,) = check_locks.not_described()
    assert said.startswith("pyproject.toml or requirements/*.in is not what the locks were made from.")


def test_a_lock_changed_by_hand_fails(check_locks: ModuleType) -> None:
    lock = check_locks.REQUIREMENTS / "engine.txt"
    lock.write_text(lock.read_text().replace("tqdm==", "tqdm==9", 1))
    (said,) = check_locks.not_described()
    assert said.startswith("locks.json: engine-default is not of engine.txt.")


@pytest.mark.parametrize("line", ["--index-url https://example.org/simple", "a @ file:///x.whl", "-e ./engine"])
def test_a_lock_that_names_a_host_or_a_folder_fails(check_locks: ModuleType, line: str) -> None:
    lock = check_locks.REQUIREMENTS / "build.txt"
    lock.write_text(f"{line}\n{lock.read_text()}")
    assert any(said.startswith("build.txt:1 names a host or a folder") for said in check_locks.malformed(lock))


def torch_files(scripts: ModuleType, label: str) -> dict[str, list[str]]:
    versions = {
        name: {pin for pin, _ in scripts.pins(ROOT / "requirements" / "engine.txt", name)}
        for name in ("torch", "torchvision")
    }
    return {
        name: [f"{name}-{v}{label}-py3-none-manylinux_2_28_x86_64.whl" for v in sorted(of)]
        for name, of in versions.items()
    }


def test_a_torch_lock_holds_the_engines_versions_of_torch_and_torchvision_alone(
    check_locks: ModuleType, index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, files in torch_files(importlib.import_module("lock_files"), "+cpu").items():
        index.add(name, *files)
    folder: Path = check_locks.REQUIREMENTS
    lock_torch = importlib.import_module("lock_torch")
    assert lock_torch.main([str(UV), "cpu", "--index", index.url, "--folder", str(folder)]) == 0
    lock = folder / "torch-cpu.txt"
    lines = lock.read_text().splitlines()
    assert lines[:2] == ["# torch-backend: cpu", "# platforms: linux"]
    stated = [line for line in lines if "==" in line]
    assert len(stated) == 3 and all("+cpu" in line and "sys_platform == 'linux'" in line for line in stated)
    assert "127.0.0.1" not in lock.read_text()
    assert list(check_locks.malformed(lock)) == []
    # The plugin is not told of it yet.
    (said,) = check_locks.not_described()
    assert said.startswith("locks.json does not name torch-cpu.txt.")
    lock.write_text(lock.read_text().replace("torchvision==0.", "torchvision==1."))
    assert any("torchvision" in said for said in check_locks.malformed(lock))


def hand_written(check_locks: ModuleType, backend: str, platforms: str, marker: str) -> Path:
    """A lock of the engine's versions of torch and torchvision with a header, as nobody's command wrote it."""
    pins = importlib.import_module("lock_files").pins
    lock: Path = check_locks.REQUIREMENTS / f"torch-{backend}.txt"
    lines = [
        f"{name}=={version}+{backend} ; {marker}{f' and ({of})' if of else ''} \\\n    --hash=sha256:{'0' * 64}\n"
        for name in ("torch", "torchvision")
        for version, of in pins(check_locks.REQUIREMENTS / "engine.txt", name)
    ]
    lock.write_text(f"# torch-backend: {backend}\n# platforms: {platforms}\n{''.join(lines)}")
    return lock


@pytest.mark.parametrize(
    ("backend", "platforms", "marker", "said"),
    [
        ("cpu", "linux", "sys_platform == 'linux'", None),
        ("cu128", "linux", "sys_platform == 'linux'", "cu128 cannot be locked for Linux"),
        ("cu128", "win32 linux", "(sys_platform == 'linux' or sys_platform == 'win32')", "cannot be locked for Linux"),
        ("cu128", "win32", "sys_platform == 'linux'", "torch is not for win32 as the file states"),
        ("cpu", "linux", "python_version >= '3.10'", "torch is not for linux as the file states"),
        ("cpu", "darwin", "sys_platform == 'darwin'", "is for darwin; other builds are for linux and win32 alone"),
        ("rocm6", "linux", "sys_platform == 'linux'", "rocm6 is no accelerator to lock"),
    ],
)
def test_a_torch_lock_written_by_hand_for_the_wrong_platform_fails(
    check_locks: ModuleType, backend: str, platforms: str, marker: str, said: str | None
) -> None:
    found = list(check_locks.malformed(hand_written(check_locks, backend, platforms, marker)))
    assert any(said in line for line in found) if said else found == []


def test_a_torch_lock_that_is_described_otherwise_fails(check_locks: ModuleType) -> None:
    lock = hand_written(check_locks, "cpu", "linux", "sys_platform == 'linux'")
    describe = importlib.import_module("describe_locks").with_torch
    description = check_locks.REQUIREMENTS / "locks.json"
    content = json.loads(description.read_text())
    made = [describe(lock, profile) for profile in ("engine", "samgeo")]

    def said(*builds: dict[str, object]) -> list[str]:
        description.write_text(json.dumps({**content, "locks": [*content["locks"], *builds]}))
        return list(check_locks.not_described())

    assert said(*made) == []
    assert said(made[0])[0].startswith("locks.json has no samgeo with torch-cpu.txt.")
    (line,) = said({**made[0], "accelerators": {"linux": "cuda"}, "machines": {"linux": ["x86_64"]}}, made[1])
    assert line.startswith("locks.json: engine-cpu does not state accelerators, machines as torch-cpu.txt does.")


def test_a_torch_lock_is_described_for_its_platforms(check_locks: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    describe_locks = importlib.import_module("describe_locks")
    folder: Path = check_locks.REQUIREMENTS
    (folder / "torch-cu128.txt").write_text("# torch-backend: cu128\n# platforms: win32\n")
    monkeypatch.setattr(describe_locks, "REQUIREMENTS", folder)
    described = describe_locks.with_torch(folder / "torch-cu128.txt", "engine")
    assert described["id"] == "engine-cu128"
    assert (described["file"], described["torch_file"]) == ("engine.txt", "torch-cu128.txt")
    assert described["accelerators"] == {"win32": "cuda"}
    assert described["machines"] == {"win32": ["AMD64"]}


def test_a_torch_lock_for_cuda_is_for_windows_alone(
    check_locks: ModuleType, index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    """On Linux PyTorch needs CUDA's packages too, which such a lock does not hold."""
    for name, files in torch_files(importlib.import_module("lock_files"), "+cu128").items():
        index.add(name, *(file.replace("manylinux_2_28_x86_64", "win_amd64") for file in files))
    folder: Path = check_locks.REQUIREMENTS
    lock_torch = importlib.import_module("lock_torch")
    command = [str(UV), "cu128", "--index", index.url, "--folder", str(folder)]
    assert lock_torch.main([*command, "--platforms", "linux", "win32"]) == 1
    said = capsys.readouterr().err
    assert "cu128 cannot be locked for Linux" in said and "ACCELERATOR=cpu" in said and "--platforms win32" in said
    assert not (folder / "torch-cu128.txt").exists()
    assert lock_torch.main(command) == 0
    lines = (folder / "torch-cu128.txt").read_text().splitlines()
    assert lines[:2] == ["# torch-backend: cu128", "# platforms: win32"]
    assert "linux" not in "".join(lines)
    assert lock_torch.main([str(UV), "rocm6.4", "--folder", str(folder)]) == 1
    assert "rocm6.4 is no accelerator to lock" in capsys.readouterr().err


def test_without_pytorchs_index_the_maintainer_is_told_what_is_needed(
    scripts: None, index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copyfile(ROOT / "requirements" / "engine.txt", tmp_path / "engine.txt")
    lock_torch = importlib.import_module("lock_torch")
    assert lock_torch.main([str(UV), "cpu", "--index", index.url, "--folder", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "This needs PyTorch's package index" in said and "HTTPS_PROXY" in said and "INDEX=URL" in said
    assert not (tmp_path / "torch-cpu.txt").exists()
    assert lock_torch.main([str(UV), "gpu", "--folder", str(tmp_path)]) == 1
    assert "gpu is no accelerator" in capsys.readouterr().err


def test_sizes_are_stated_for_every_platform() -> None:
    described = json.loads((ROOT / "requirements" / "locks.json").read_text(encoding="utf-8"))
    for lock in described["locks"]:
        if lock["torch_file"] is None:
            assert lock["download_bytes"].keys() == lock["accelerators"].keys() == {"linux", "darwin", "win32"}
            assert all(size > 200e6 for size in lock["download_bytes"].values())
