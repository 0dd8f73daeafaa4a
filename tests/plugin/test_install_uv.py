"""uv is found, or fetched and held to the lock."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from qgis_mpsclip.install.errors import InstallCancelled, InstallError
from qgis_mpsclip.install.package_index import index_address, only_index, uv_variables
from qgis_mpsclip.install.uv import find_uv, kept_uv, users_uv, version_of
from qgis_mpsclip.install.uv_wheel import is_suitable
from tests.plugin.support.index_server import IndexServer, Wheel, closed_port
from tests.plugin.support.tiny_engine import ordinary_settings, uv_wheel

VERSION = "0.13.9"
MACHINE = platform.machine()
NAME = f"uv-{VERSION}-py3-none-manylinux_2_17_{MACHINE}.manylinux2014_{MACHINE}.whl"


def saying(words: str = VERSION) -> Wheel:
    """A uv that says its version, and does nothing else."""
    return uv_wheel(VERSION, f"#!/bin/sh\necho 'uv {words} (tests)'\n")


@pytest.fixture(autouse=True)
def no_uv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ordinary_settings(monkeypatch, tmp_path / "programs", with_uv=False)


@pytest.fixture
def index() -> Iterator[IndexServer]:
    with IndexServer() as server:
        server.wheels = [saying()]
        yield server


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "build.txt"
    others = "pip==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n    # via nothing\n"
    mine = f"uv=={VERSION} \\\n    --hash=sha256:{'1' * 64} \\\n    --hash=sha256:{saying().sha256}\n"
    path.write_text(f"# written by make lock\n{others}{mine}    # via -r build.in\n")
    return path


@pytest.mark.parametrize("as_json", [True, False])
def test_uv_is_fetched_once_and_kept(tmp_path: Path, index: IndexServer, lock: Path, as_json: bool) -> None:
    index.as_json = as_json
    seen: list[tuple[int, int]] = []
    uv = find_uv(tmp_path / "eng ünes", lock, index=f"{index.url}/", on_progress=lambda *now: seen.append(now))
    assert uv == tmp_path / "eng ünes" / "uv" / VERSION / "uv"
    assert version_of(uv) == (0, 13, 9)
    assert [path.name for path in uv.parent.iterdir()] == ["uv"]
    size = len(index.wheels[0].content)
    assert seen[-1] == (size, size)
    index.requests.clear()
    assert find_uv(tmp_path / "eng ünes", lock, index=f"{index.url}/") == uv
    assert index.requests == []


def test_uv_with_another_hash_is_not_unpacked(tmp_path: Path, index: IndexServer, lock: Path) -> None:
    index.wheels = [saying("0.13.9 of somebody else")]
    with pytest.raises(InstallError, match=r"SHA-256 is [0-9a-f]{64}") as caught:
        find_uv(tmp_path, lock, index=f"{index.url}/")
    assert caught.value.kind == "hash-mismatch"
    assert hashlib.sha256(index.wheels[0].content).hexdigest() in caught.value.problem
    assert not (tmp_path / "uv").exists()


def test_index_without_uv_for_this_machine_is_told(tmp_path: Path, index: IndexServer, lock: Path) -> None:
    made = index.wheels[0]
    index.wheels = [Wheel("uv", VERSION, f"uv-{VERSION}-py3-none-macosx_11_0_arm64.whl", made.content)]
    with pytest.raises(InstallError, match=f"has no uv {VERSION} for linux") as caught:
        find_uv(tmp_path, lock, index=f"{index.url}/")
    assert caught.value.kind == "no-wheel"


def test_index_that_cannot_be_reached_is_told_with_a_remedy(tmp_path: Path, lock: Path) -> None:
    url = f"http://me:s3cret99@127.0.0.1:{closed_port()}/simple/"  # pragma: allowlist secret
    with pytest.raises(InstallError) as caught:
        find_uv(tmp_path, lock, index=url)
    assert caught.value.remedy
    assert "s3cret99" not in str(caught.value)


def test_fetching_is_cancelled(tmp_path: Path, index: IndexServer, lock: Path) -> None:
    index.fault(".whl", "stall-midway")
    with pytest.raises(InstallCancelled):
        find_uv(tmp_path, lock, index=f"{index.url}/", is_cancelled=lambda: bool(index.downloads()))


def test_uv_comes_from_the_folder_of_wheels_alone(tmp_path: Path, index: IndexServer, lock: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    with pytest.raises(InstallError, match="Put uv's wheel into the folder"):
        find_uv(tmp_path, lock, wheels, f"{index.url}/")
    (wheels / NAME).write_bytes(saying().content)
    assert version_of(find_uv(tmp_path, lock, wheels, f"{index.url}/")) == (0, 13, 9)
    assert index.requests == []


@pytest.mark.parametrize(("says", "is_taken"), [("0.9.0", True), ("0.8.24", False), ("1.2.3", True)])
def test_uv_of_the_user_is_taken_if_new_enough(tmp_path: Path, says: str, is_taken: bool) -> None:
    program = tmp_path / "programs" / ".local" / "bin" / "uv"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'uv {says}'\n")
    program.chmod(0o755)
    assert users_uv() == (program if is_taken else None)


def test_uv_that_does_not_run_is_no_uv(tmp_path: Path) -> None:
    broken = tmp_path / "uv" / "0.13.9" / "uv"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"\x7fELF torn")
    broken.chmod(0o755)
    assert kept_uv(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        (NAME, True),
        (NAME.replace("0.13.9", "0.13.8"), False),
        (f"uv-{VERSION}-py3-none-win_amd64.whl", False),
        (f"uv-{VERSION}-py3-none-macosx_10_12_x86_64.whl", False),
        (f"uv-{VERSION}-py3-none-musllinux_1_1_{platform.machine()}.whl", False),
        (f"uv-{VERSION}-py3-none-manylinux_2_17_s390x.manylinux2014_s390x.whl", False),
        (f"uv-{VERSION}.tar.gz", False),
    ],
)
def test_wheel_of_this_machine_is_known_by_its_name(name: str, fits: bool) -> None:
    assert is_suitable(name, VERSION) is fits


def test_index_of_the_setting_goes_before_uvs_and_pips(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://file.example/simple\n")
    environ = {
        "UV_DEFAULT_INDEX": "mine=https://uv.example/simple/",
        "PIP_INDEX_URL": "https://pip.example/simple",
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
    }
    assert index_address("https://set.example/x", environ) == "https://set.example/x/"
    assert index_address("", environ) == "https://uv.example/simple/"
    del environ["UV_DEFAULT_INDEX"]
    assert index_address("", environ) == "https://pip.example/simple/"
    del environ["PIP_INDEX_URL"]
    assert index_address("", environ, tmp_path) == "https://file.example/simple/"
    assert index_address("", {"PIP_CONFIG_FILE": os.devnull}).startswith("https://")


def test_uv_gets_pips_index_and_authority_where_it_has_none_of_its_own(tmp_path: Path) -> None:
    pip = {"PIP_INDEX_URL": "https://pip.example/simple", "PIP_CERT": "/company.pem"}
    given = uv_variables(pip, tmp_path)
    assert given["UV_DEFAULT_INDEX"] == "https://pip.example/simple"
    assert given["SSL_CERT_FILE"] == "/company.pem"
    assert given["UV_SYSTEM_CERTS"] == "1"
    own = {**pip, "UV_INDEX_URL": "https://uv.example", "SSL_CERT_FILE": "/mine.pem", "UV_SYSTEM_CERTS": "0"}
    given = uv_variables(own, tmp_path)
    assert "UV_DEFAULT_INDEX" not in given
    assert (given["SSL_CERT_FILE"], given["UV_SYSTEM_CERTS"]) == ("/mine.pem", "0")


def test_settings_of_uv_that_drop_checks_or_change_versions_are_left_out(tmp_path: Path) -> None:
    risky = ("UV_INSECURE_HOST", "UV_INDEX_STRATEGY", "UV_OVERRIDE", "UV_CONSTRAINT", "UV_NO_VERIFY_HASHES")
    risky += ("UV_TORCH_BACKEND", "UV_SYSTEM_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_PRERELEASE", "UV_CONFIG_FILE")
    kept = {"UV_HTTP_TIMEOUT": "9", "UV_INDEX_WORK_PASSWORD": "p", "UV_CACHE_DIR": "/c", "HTTPS_PROXY": "http://p:1"}
    assert "UV_LINK_MODE" not in uv_variables({"UV_LINK_MODE": "symlink"}, tmp_path)
    given = uv_variables({**dict.fromkeys(risky, "1"), **kept, "UV_NO_CONFIG": "0"}, tmp_path)
    assert not given.keys() & set(risky)
    assert given["UV_NO_CONFIG"] == "1"  # and no file of uv's with the like
    assert given.items() >= kept.items()


def test_one_index_replaces_all_others() -> None:
    environ = {"UV_INDEX": "a=https://a.example", "UV_EXTRA_INDEX_URL": "b", "UV_FIND_LINKS": "c", "PATH": "d"}
    assert only_index(environ, "https://one.example") == {"PATH": "d", "UV_DEFAULT_INDEX": "https://one.example"}
    assert only_index({**environ, "UV_INDEX_URL": "e"}, "") == {"PATH": "d"}
