"""Troubles of an installation, made to happen with the real uv: a server that misbehaves, a full disk and so on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qgis.core import QgsBlockingNetworkRequest, QgsNetworkAccessManager, QgsSettings
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtNetwork import QNetworkRequest

from qgis_mpsclip.install.troubles import Trouble, recognise
from tests.plugin.support.index_server import IndexServer, closed_port, make_certificate
from tests.plugin.support.real_uv import Ran, find_uv, in_namespace, run, without_root_rights

PYTHON = sys.executable


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment; what tests install fails, so that it stays empty."""
    folder = tmp_path_factory.mktemp("environment")
    made = run(["venv", "--quiet", "--python", PYTHON, folder / "venv"], folder / "cache")
    assert made.returncode == 0, made.output
    return folder / "venv"


@pytest.fixture
def index() -> Iterator[IndexServer]:
    """An index with one package, alpha 1.0."""
    with IndexServer() as server:
        server.add("alpha", "1.0", padding=5000)
        yield server


@pytest.fixture
def install(environment: Path, tmp_path: Path) -> Callable[..., Ran]:
    """``install(index, *options, url=…)``: install the index's lock; further arguments as those of ``run``."""

    def go(
        index: IndexServer, *options: str | Path, url: str = "", cache: Path | None = None, **details: object
    ) -> Ran:
        command = ["pip", "install", "--python", environment, "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        command += ["--default-index", url or index.url, "--requirements", index.lock(tmp_path), *options]
        return run(command, cache or tmp_path / "cache", **details)

    return go


def failed(done: Ran, platform: str = sys.platform) -> Trouble:
    """What is recognised in a command that failed; it names a remedy in any case."""
    assert done.returncode != 0, done.output
    trouble = recognise(done.output, done.returncode, PYTHON, platform=platform)
    assert trouble.problem and trouble.remedy, trouble
    return trouble


@pytest.mark.parametrize(
    ("fault", "path", "kind", "words"),
    [
        ("wrong-content", ".whl", "hash-mismatch", "alpha 1.0"),
        ("stall", "/simple/", "timeout", "{host}"),
        ("stall-midway", ".whl", "timeout", "in time"),
        ("cut", ".whl", "interrupted", "broke off"),
        ("reset", "/simple/", "interrupted", "{host}"),
        ("unauthorized", "/simple/", "forbidden", "{host} (401)"),
        ("forbidden", "/simple/", "forbidden", "{host} (403)"),
        ("forbidden", ".whl", "forbidden", "{host} (403)"),
        ("missing", "/simple/", "not-offered", "alpha"),
        ("missing", ".whl", "not-offered", "alpha-1.0-py3-none-any.whl"),
        ("broken", "/simple/", "server-error", "{host} (500 Internal Server Error)"),
        ("unavailable", ".whl", "server-error", "{host} (503 Service Unavailable)"),
    ],
)
def test_index_that_misbehaves(
    index: IndexServer, install: Callable[..., Ran], fault: str, path: str, kind: str, words: str
) -> None:
    index.fault(path, fault)
    trouble = failed(install(index))
    assert trouble.kind == kind
    assert words.format(host=index.root.split("/")[-1]) in trouble.problem
    assert any(path in request for request in index.requests)


def test_index_that_is_only_slow_is_no_trouble(index: IndexServer, install: Callable[..., Ran], tmp_path: Path) -> None:
    index.fault(".whl", "slow")
    done = install(index, "--target", tmp_path / "target")
    assert done.returncode == 0, done.output
    assert (tmp_path / "target" / "alpha" / "__init__.py").is_file()


def test_html_index_serves_as_well(environment: Path, install: Callable[..., Ran]) -> None:
    with IndexServer(as_json=False) as index:
        index.add("alpha", "1.0")
        index.fault(".whl", "wrong-content")
        assert failed(install(index)).kind == "hash-mismatch"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_that_wants_a_password(index: IndexServer, install: Callable[..., Ran], scheme: str) -> None:
    with IndexServer(as_proxy=407) as proxy:
        done = install(
            index, url=f"{scheme}://index.invalid/simple", environment={f"{scheme.upper()}_PROXY": proxy.root}
        )
        assert failed(done).kind == "proxy-auth"
        asked = "CONNECT index.invalid:443" if scheme == "https" else "GET http://index.invalid/simple/alpha/"
        assert asked in proxy.requests


def test_proxy_that_refuses(index: IndexServer, install: Callable[..., Ran]) -> None:
    with IndexServer(as_proxy=403) as proxy:
        done = install(index, url="https://index.invalid/simple", environment={"HTTPS_PROXY": proxy.root})
    trouble = failed(done)
    assert (trouble.kind, trouble.problem) == ("proxy", "The proxy refuses a connection to index.invalid.")


def test_proxy_that_is_not_there(index: IndexServer, install: Callable[..., Ran]) -> None:
    proxy = f"http://localhost:{closed_port()}"
    trouble = failed(install(index, url="https://index.invalid/simple", environment={"HTTPS_PROXY": proxy}))
    assert (trouble.kind, trouble.problem) == ("proxy", "The proxy that leads to index.invalid cannot be reached.")


def test_certificate_that_nobody_trusts_and_the_remedy(install: Callable[..., Ran], tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl is not on PATH")
    certificate, key = make_certificate(tmp_path)
    with IndexServer(tls=(certificate, key)) as index:
        index.add("alpha", "1.0")
        trouble = failed(install(index))
        assert trouble.kind == "tls" and "UnknownIssuer" in trouble.problem
        assert index.requests == []
        assert "SSL_CERT_FILE" in trouble.remedy
        trusting = {"SSL_CERT_FILE": str(certificate)}
        done = install(index, "--target", tmp_path / "target", environment=trusting)
        assert done.returncode == 0, done.output


def test_host_that_has_no_name(index: IndexServer, install: Callable[..., Ran]) -> None:
    trouble = failed(install(index, url="https://index.invalid/simple"))
    assert trouble.kind == "offline" and "index.invalid" in trouble.problem


def test_port_where_nobody_listens_and_the_last_attempt_counts(index: IndexServer, install: Callable[..., Ran]) -> None:
    host = f"localhost:{closed_port()}"
    trouble = failed(install(index, url=f"http://me:secret@{host}/simple"))
    assert trouble.kind == "offline"
    assert host in trouble.problem and "secret" not in trouble.problem + trouble.remedy


def test_no_network_at_all(index: IndexServer, install: Callable[..., Ran]) -> None:
    trouble = failed(install(index, url="http://127.0.0.1/simple", prefix=in_namespace("true", kind="--net")))
    assert trouble.kind == "offline" and "127.0.0.1" in trouble.problem


def test_uv_that_is_told_to_be_offline(index: IndexServer, install: Callable[..., Ran]) -> None:
    trouble = failed(install(index, environment={"UV_OFFLINE": "1"}))
    assert trouble.kind == "offline" and "UV_OFFLINE" in trouble.remedy


@pytest.mark.parametrize(
    ("tag", "target", "kind", "words"),
    [
        ("cp36-cp36m-manylinux_2_17_x86_64", "linux", "no-wheel", "alpha 1.0 is not made for this Python"),
        ("py3-none-win_amd64", "linux", "no-wheel", "only for: win_amd64"),
        (
            "py3-none-manylinux_2_28_x86_64",
            "x86_64-manylinux_2_17",
            "glibc-too-old",
            "glibc 2.28 or newer. Here it is 2.17",
        ),
        ("py3-none-manylinux_2_28_x86_64", "x86_64-unknown-linux-musl", "no-wheel", "musl"),
        ("py3-none-macosx_14_0_arm64", "x86_64-apple-darwin", "no-wheel", "Macs with an Intel processor"),
        ("py3-none-macosx_99_0_arm64", "macos", "no-wheel", "needs macOS 99 or newer"),
    ],
)
def test_no_wheel_for_this_machine(
    install: Callable[..., Ran], tmp_path: Path, tag: str, target: str, kind: str, words: str
) -> None:
    with IndexServer() as index:
        index.add("alpha", "1.0", tag=tag)
        trouble = failed(install(index, "--python-platform", target, "--target", tmp_path / "target"))
        assert trouble.kind == kind and words in trouble.problem
        assert index.downloads() == set()


def test_only_a_source_archive(index: IndexServer, install: Callable[..., Ran]) -> None:
    index.offer_source_only()
    trouble = failed(install(index))
    assert trouble.kind == "no-wheel" and "alpha 1.0" in trouble.problem


def test_version_that_is_not_on_the_index(index: IndexServer, install: Callable[..., Ran], tmp_path: Path) -> None:
    lock = tmp_path / "newer.txt"
    lock.write_text(index.wheels[0].requirement.replace("==1.0", "==2.0"), encoding="utf-8")
    done = run(
        ["pip", "install", "--python", PYTHON, "--target", tmp_path / "t", "--default-index", index.url, "-r", lock],
        tmp_path / "cache",
    )
    trouble = failed(done)
    assert trouble.kind == "not-offered" and "alpha 2.0" in trouble.problem


def test_cache_on_a_full_disk(index: IndexServer, install: Callable[..., Ran], tmp_path: Path) -> None:
    index.add("large", "1.0", padding=2_000_000)
    full = tmp_path / "full é"
    full.mkdir()
    small = in_namespace('mount -t tmpfs -o size=1m tmpfs "$1"', full)
    trouble = failed(install(index, cache=full, prefix=small))
    assert trouble.kind == "disk-full"
    assert str(full) in trouble.problem and "free there" in trouble.problem


def test_environment_on_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    small = in_namespace('mount -t tmpfs -o size=16k tmpfs "$1"', tmp_path / "full")
    trouble = failed(run(["venv", "--python", PYTHON, tmp_path / "full" / "venv"], tmp_path / "cache", prefix=small))
    assert trouble.kind == "disk-full" and str(tmp_path / "full" / "venv") in trouble.problem


def test_file_larger_than_the_account_may_write(index: IndexServer, install: Callable[..., Ran]) -> None:
    index.add("large", "1.0", padding=2_000_000)
    trouble = failed(install(index, prefix=["prlimit", "--fsize=1000000"]))
    assert trouble.kind == "disk-full" and "ulimit -f" in trouble.problem


def test_too_few_files_may_be_open(index: IndexServer, install: Callable[..., Ran]) -> None:
    assert failed(install(index, prefix=["prlimit", "--nofile=12"])).kind == "too-many-files"


def test_cache_that_is_read_only(index: IndexServer, install: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "fixed").mkdir()
    read_only = in_namespace('mount -t tmpfs -o ro tmpfs "$1"', tmp_path / "fixed")
    trouble = failed(install(index, cache=tmp_path / "fixed", prefix=read_only))
    assert trouble.kind == "no-write-access"
    assert str(tmp_path / "fixed") in trouble.problem and "read-only" in trouble.problem


def test_folder_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o555)
    command = ["venv", "--python", PYTHON, tmp_path / "theirs" / "venv"]
    trouble = failed(run(command, tmp_path / "cache", prefix=without_root_rights()))
    assert trouble.kind == "no-write-access" and str(tmp_path / "theirs" / "venv") in trouble.problem


def test_path_that_is_too_long(tmp_path: Path) -> None:
    trouble = failed(run(["venv", "--python", PYTHON, tmp_path / ("long" * 70)], tmp_path / "cache"))
    assert trouble.kind == "path-too-long"


@pytest.mark.parametrize("wanted", ["3.99", "/nowhere/python", "fake"])
def test_python_that_is_missing_or_none(tmp_path: Path, wanted: str) -> None:
    if wanted == "fake":
        wanted = str(tmp_path / "fake")
        Path(wanted).write_text("#!/bin/sh\necho hello\n", encoding="utf-8")
        Path(wanted).chmod(0o755)
    trouble = failed(
        run(["venv", "--python", wanted, tmp_path / "venv"], tmp_path / "cache", {"PATH": "/usr/bin:/bin"})
    )
    assert trouble.kind == "python-missing"
    assert wanted in trouble.problem and "3.10, 3.11, 3.12 or 3.13" in trouble.remedy


def test_python_that_uv_cannot_fetch(tmp_path: Path) -> None:
    host = f"localhost:{closed_port()}"
    fetching = {
        "UV_PYTHON_DOWNLOADS": "automatic",
        "UV_PYTHON_INSTALL_MIRROR": f"http://{host}",
        "UV_PYTHON_INSTALL_DIR": str(tmp_path / "pythons"),
    }
    command = ["venv", "--managed-python", "--python", "3.12", tmp_path / "venv"]
    trouble = failed(run(command, tmp_path / "cache", fetching))
    assert trouble.kind == "python-missing" and host in trouble.problem


def test_python_without_ensurepip_is_enough_for_uv_but_not_for_venv(tmp_path: Path) -> None:
    found = subprocess.run([PYTHON, "-c", "import os; print(os.__file__)"], capture_output=True, text=True).stdout
    ensurepip = Path(found.strip()).parent / "ensurepip"
    hide = in_namespace('mount -t tmpfs tmpfs "$1"', ensurepip) if ensurepip.is_dir() else []
    trouble = failed(run(["-m", "venv", tmp_path / "a"], tmp_path, prefix=hide, program=Path(PYTHON)))
    assert trouble.kind == "no-venv" and "ensurepip" in trouble.problem
    made = run(["venv", "--python", PYTHON, tmp_path / "b"], tmp_path / "cache", prefix=hide)
    assert made.returncode == 0, made.output


def test_installation_that_is_killed(index: IndexServer, environment: Path, tmp_path: Path) -> None:
    index.fault(".whl", "stall")
    command = ["pip", "install", "--python", environment, "--default-index", index.url, "-r", index.lock(tmp_path)]
    process = subprocess.Popen(
        [find_uv(), *command],
        env={**os.environ, "UV_CACHE_DIR": str(tmp_path / "cache"), "UV_NO_CONFIG": "1", "NO_PROXY": "localhost"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    index.wait_for(".whl")
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate(timeout=20)
    trouble = failed(Ran(process.returncode, output))
    assert trouble.kind == "killed" and "SIGKILL" in trouble.problem


def test_memory_that_runs_out(tmp_path: Path) -> None:
    limited = ["prlimit", "--as=400000000"]
    done = run(["-c", "bytearray(1_000_000_000)"], tmp_path, prefix=limited, program=Path(PYTHON))
    assert failed(done).kind == "memory"


@pytest.mark.parametrize(
    ("fault", "kind", "number"),
    [
        ("unauthorized", "forbidden", 204),
        ("forbidden", "forbidden", 201),
        ("missing", "not-offered", 203),
        ("broken", "server-error", 401),
        ("unavailable", "server-error", 403),
        ("reset", "interrupted", 2),
    ],
)
def test_what_the_network_of_qgis_says(index: IndexServer, fault: str, kind: str, number: int) -> None:
    """uv itself is fetched through it."""
    index.fault("/simple/", fault)
    assert told_by_qgis(f"{index.url}/alpha/") == (kind, kind, number)


def test_what_the_network_of_qgis_says_of_hosts(tmp_path: Path) -> None:
    assert told_by_qgis(f"http://localhost:{closed_port()}/") == ("offline", "offline", 1)
    assert told_by_qgis("https://index.invalid/") == ("offline", "offline", 3)
    if shutil.which("openssl") is not None:
        with IndexServer(tls=make_certificate(tmp_path)) as index:
            assert told_by_qgis(index.url) == ("tls", "tls", 6)


def test_what_the_network_of_qgis_says_of_proxies(proxy: Callable[..., None]) -> None:
    manager = QgsNetworkAccessManager.instance()
    with IndexServer(as_proxy=407) as server:
        try:
            proxy(Host="localhost", Port=server.root.rsplit(":", 1)[-1])
            manager.setupDefaultProxyAndCache()
            assert told_by_qgis("https://index.invalid/") == ("proxy-auth", "proxy-auth", 105)
            server.as_proxy = 403
            assert told_by_qgis("https://index.invalid/")[0] == "proxy"
            proxy(Host="localhost", Port=str(closed_port()))
            manager.setupDefaultProxyAndCache()
            assert told_by_qgis("https://index.invalid/")[0] == "proxy"
        finally:
            QgsSettings().remove("proxy")
            manager.setupDefaultProxyAndCache()


def told_by_qgis(url: str) -> tuple[str, str, int]:
    """What is recognised in the words of QGIS, and in the number alone, and the number."""
    blocking = QgsBlockingNetworkRequest()
    assert blocking.get(QNetworkRequest(QUrl(url)), True) != QgsBlockingNetworkRequest.ErrorCode.NoError
    error = blocking.reply().error()
    number = int(getattr(error, "value", error))
    other_language = f"Fehler (QNetworkReply error {number})"
    if number == 203:  # names no package
        other_language += " https://host/alpha/ - server replied: Not Found"
    return recognise(blocking.errorMessage()).kind, recognise(other_language).kind, number
