"""PyTorch's own index has a say in PyTorch alone: whatever else it offers, the rest comes from the default index."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.installed import InstalledEnvironment, current
from qgis_mpsclip.install.job import InstallJob
from tests.plugin.support.index_server import IndexServer
from tests.plugin.support.real_uv import run
from tests.plugin.support.tiny_engine import TinyPlugin, ordinary_settings

TORCH = ("torch-2.0+cpu-py3-none-any.whl", "torchvision-0.5+cpu-py3-none-any.whl")
REST = {"alpha-1.0-py3-none-any.whl", "beta-2.0-py3-none-any.whl"}


@pytest.fixture
def index() -> Iterator[IndexServer]:
    """The default index. It has PyTorch too: the build for CUDA, of the same version and of a newer one."""
    with IndexServer() as server:
        server.add("alpha", "1.0")
        server.add("beta", "2.0", requires=["torch"])
        server.add("torch", "2.0", requires=["nvidia-cublas"])
        server.add("torchvision", "0.5")
        server.add("nvidia-cublas", "12.0")
        yield server


@pytest.fixture
def torch_index() -> Iterator[IndexServer]:
    """PyTorch's index: the CPU build, and what it should never be asked for, under the same and a newer version."""
    with IndexServer() as server:
        server.add("torch", "2.0+cpu", requires=["beta"])
        server.add("torchvision", "0.5+cpu")
        server.add("alpha", "1.0", code="evil = True\n")
        server.add("beta", "2.0", code="evil = True\n")
        server.add("beta", "99.0", code="evil = True\n")
        yield server


@pytest.fixture
def plugin(tmp_path: Path, index: IndexServer, torch_index: IndexServer, monkeypatch: pytest.MonkeyPatch) -> TinyPlugin:
    ordinary_settings(monkeypatch, tmp_path / "programs")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    made = TinyPlugin(tmp_path, index)
    made.requirements.joinpath("torch-cpu.txt").write_text(
        "# torch-backend: cpu\n# platforms: linux\n"
        + "".join(wheel.requirement for wheel in torch_index.wheels if wheel.name.startswith("torch"))
    )
    made.write_locks(torch=True)
    return made


def asked_for(index: IndexServer) -> set[str]:
    """Names of the projects whose pages an index was asked for."""
    return {request.split("/")[2] for request in index.requests if "/simple/" in request}


def imported(environment: InstalledEnvironment, module: str) -> str:
    code = f"import {module} as it; print(it.__version__, getattr(it, 'evil', ''))"
    return subprocess.run([environment.python, "-c", code], capture_output=True, text=True).stdout.strip()


def test_torch_comes_from_its_index_and_the_rest_from_the_default_one(
    plugin: TinyPlugin, index: IndexServer, torch_index: IndexServer
) -> None:
    environment = InstallJob(plugin.options(torch_index=torch_index.url)).run()
    assert asked_for(torch_index) == {"torch", "torchvision"}
    assert torch_index.downloads() == {name.replace("+", "%2B") for name in TORCH} or torch_index.downloads() == {
        *TORCH
    }
    assert asked_for(index) == {"alpha", "beta"}
    assert index.downloads() == REST
    versions = [imported(environment, module) for module in ("torch", "torchvision", "alpha", "beta")]
    assert versions == ["2.0+cpu", "0.5+cpu", "1.0", "2.0"]
    assert "nvidia" not in "".join(path.name for path in environment.folder.glob("lib/python3*/site-packages/*"))


def test_the_users_uv_toml_changes_nothing(
    plugin: TinyPlugin, index: IndexServer, torch_index: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it names would be asked for PyTorch first, put packages elsewhere, and end uv; each of these by itself."""
    monkeypatch.delenv("UV_NO_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    target = (tmp_path / "elsewhere").as_posix()
    file = tmp_path / "config" / "uv" / "uv.toml"
    file.parent.mkdir(parents=True)
    with IndexServer() as other:
        file.write_text(
            f'required-version = "==0.0.1"\nallow-insecure-host = ["localhost"]\nno-binary = true\n'
            f'[[index]]\nname = "other"\nurl = "{other.url}"\n[pip]\ntarget = "{target}"\nextra = ["dev"]\n'
        )
        InstallJob(plugin.options(torch_index=torch_index.url)).run()
        monkeypatch.setenv("UV_CONFIG_FILE", str(file))
        environment = InstallJob(plugin.options(torch_index=torch_index.url)).run()
    assert other.requests == []
    assert not Path(target).exists()
    assert imported(environment, "torch") == "2.0+cpu"


def test_the_poison_would_work_if_both_indexes_were_asked(
    plugin: TinyPlugin, index: IndexServer, torch_index: IndexServer, tmp_path: Path
) -> None:
    """What the test above guards against, to show that it can fail."""
    target = tmp_path / "target"
    command = ["pip", "install", "--python", sys.executable, "--target", target, "--default-index", index.url]
    command += ["--index", torch_index.url, "--index-strategy", "unsafe-best-match", "beta", "nvidia-cublas"]
    done = run(command, tmp_path / "cache")
    assert done.returncode == 0, done.output
    assert "evil" in (target / "beta" / "__init__.py").read_text()


def test_index_of_pytorch_that_fails_is_not_replaced_by_the_default_one(
    plugin: TinyPlugin, index: IndexServer, torch_index: IndexServer
) -> None:
    torch_index.fault("/simple/torch/", "forbidden")
    with pytest.raises(InstallError) as caught:
        InstallJob(plugin.options(torch_index=torch_index.url)).run()
    assert caught.value.kind == "forbidden"
    assert torch_index.root.split("/")[-1] in caught.value.problem
    assert index.requests == []
    assert current(plugin.folder) is None


def test_changed_file_of_the_index_of_pytorch_is_refused(
    plugin: TinyPlugin, index: IndexServer, torch_index: IndexServer
) -> None:
    torch_index.fault("torch-2.0", "wrong-content")
    with pytest.raises(InstallError) as caught:
        InstallJob(plugin.options(torch_index=torch_index.url)).run()
    assert caught.value.kind == "hash-mismatch" and "torch 2.0+cpu" in caught.value.problem
    assert current(plugin.folder) is None


def test_without_a_chosen_index_uv_asks_pytorch_s_own(
    plugin: TinyPlugin, index: IndexServer, torch_index: IndexServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy sees where uv would go, and lets nothing through."""
    with IndexServer(as_proxy=403) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.root)
        monkeypatch.setenv("NO_PROXY", "localhost")
        with pytest.raises(InstallError) as caught:
            InstallJob(plugin.options()).run()
    assert caught.value.kind == "proxy"
    assert "pytorch" in caught.value.problem
    assert {request.split(" ")[0] for request in proxy.requests} == {"CONNECT"}
    assert len(set(proxy.requests)) == 1 and "pytorch" in proxy.requests[0]
    assert index.requests == torch_index.requests == []
