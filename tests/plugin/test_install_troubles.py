"""Troubles of an installation, made to happen with the real uv: a server that misbehaves, a full disk and so on."""

from __future__ import annotations

import errno
import json
import os
import re
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


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, "disk-full"),
        (errno.EDQUOT, "disk-full"),
        (errno.EROFS, "no-write-access"),
        (errno.EACCES, "no-write-access"),
        (errno.ENAMETOOLONG, "path-too-long"),
        (errno.ETXTBSY, "locked-file"),
        (errno.EMFILE, "too-many-files"),
    ],
)
def test_errors_of_python_itself(number: int, kind: str) -> None:
    trouble = recognise(str(OSError(number, os.strerror(number), "/a folder/é")))
    assert trouble.kind == kind
    assert "/a folder/é" in trouble.problem or kind == "too-many-files"


# What cannot be made to happen here, as its users recorded it; where, says the comment above each.
RECORDED = [
    # pytorch/pytorch, issue 131662
    (
        "vc-runtime",
        "fbgemm.dll",
        "OSError: [WinError 126] The specified module could not be found. Error loading"
        ' "C:\\Users\\me\\anaconda3\\envs\\DL\\Lib\\site-packages\\torch\\lib\\fbgemm.dll" or one of its dependencies.',
    ),
    # nagadomi/nunif, issue 701
    (
        "vc-runtime",
        "c10.dll",
        "[WinError 1114] A dynamic link library (DLL) initialization routine failed. Error loading"
        ' "C:\\x\\c10.dll" or one of its dependencies.',
    ),
    # 666ghj/BettaFish, issue 428: in the language of that Windows
    (
        "vc-runtime",
        "c10.dll",
        "OSError: [WinError 1114] 动态链接库(DLL)初始化例程失败。 Error loading"
        ' "C:\\Program Files\\Python311\\Lib\\site-packages\\torch\\lib\\c10.dll" or one of its dependencies.',
    ),
    # pytorch/pytorch, issue 59904
    (
        "memory",
        "paging file",
        "OSError: [WinError 1455] The paging file is too small for this operation to complete. Error loading"
        ' "C:\\x\\torch\\lib\\caffe2_module_test_dynamic.dll" or one of its dependencies.',
    ),
    # astral-sh/uv, issue 17679: in the language of that Windows
    (
        "locked-file",
        "C:\\Users\\me\\AppData\\Local\\uv\\cache\\archive-v0\\goBugx2f2YTvlUOIpAQax",
        "  x Failed to download `pywin32==311`\n  |-> Failed to read from the distribution cache\n"
        "  `-> failed to rename file from C:\\Users\\me\\AppData\\Local\\uv\\cache\\.tmpoKUsxT to"
        " C:\\Users\\me\\AppData\\Local\\uv\\cache\\archive-v0\\goBugx2f2YTvlUOIpAQax: Accès refusé. (os error 5)",
    ),
    # astral-sh/uv, issue 15540
    (
        "locked-file",
        "C:\\x\\venv",
        "error: Failed to create virtual environment\n  Caused by: failed to remove directory `C:\\x\\venv`: The"
        " process cannot access the file because it is being used by another process. (os error 32)",
    ),
    # astral-sh/uv, issue 19873
    (
        "locked-file",
        "uv-trampoline-15492.exe",
        "error: Failed to install: wheel-0.47.0-py3-none-any.whl (wheel==0.47.0)\nCaused by: Failed to update Windows"
        " PE resources: `C:\\Windows\\TEMP\\.tmpl8V8OB\\uv-trampoline-15492.exe`\n"
        "Caused by: 系统无法打开指定的设备或文件。(os error -2147024786)",
    ),
    # pytorch/TensorRT, pull request 4288
    (
        "path-too-long",
        "duktape-1.5.2",
        "OSError: [WinError 206] The filename or extension is too long:"
        " 'C:\\\\x\\\\src\\\\third_party\\\\duktape-1.5.2'",
    ),
    # RVC-Project/Retrieval-based-Voice-Conversion-WebUI, issue 2821
    ("blocked", "policy", "OSError: [WinError 4551] An application control policy has blocked this file."),
]
RECORDED_ELSEWHERE = [
    # lllyasviel/Fooocus, issue 1313
    (
        "driver-too-old",
        "CUDA 11.4",
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040). Please update your"
        " GPU driver",
    ),
    # KumaTea/pytorch-aarch64, issue 16
    (
        "glibc-too-old",
        "libtorch_python.so needs glibc 2.28",
        "ImportError: /lib/aarch64-linux-gnu/libc.so.6: version `GLIBC_2.28' not found (required by"
        " /www/x/site-packages/torch/lib/libtorch_python.so)",
    ),
    # astral-sh/uv, issue 8746: uv of 2025, wrapped at the terminal's width
    (
        "no-wheel",
        "Macs with an Intel processor",
        "  × No solution found when resolving dependencies:\n"
        "  ╰─▶ Because torch==2.6.0 has no wheels with a matching platform tag (e.g.,\n"
        "      `macosx_15_0_x86_64`) and you require torch==2.6.0, we can conclude that your\n"
        "      requirements are unsatisfiable.\n\n"
        "      hint: Wheels are available for `torch` (v2.6.0) on the following\n"
        "      platforms: `manylinux_2_28_aarch64`, `manylinux1_x86_64`,\n      `macosx_11_0_arm64`, `win_amd64`\n",
    ),
    # sqreen/PyMiniRacer, issue 156
    (
        "blocked",
        "xattr",
        "OSError: dlopen(/x/libmini_racer.dylib, 0x0006): tried: '/x/libmini_racer.dylib' (code signature in <x>"
        " '/x/libmini_racer.dylib' not valid for use in process: library load disallowed by system policy)",
    ),
    # uv 0.6, of a proxy that refuses
    (
        "proxy",
        "refuses a connection to index.invalid",
        "error: Failed to fetch: `https://index.invalid/simple/alpha/`\n"
        "  Caused by: Request failed after 3 retries\n  Caused by: client error (Connect)\n"
        "  Caused by: unsuccessful tunnel",
    ),
    # uv 0.9, of a wheel that was cut short
    (
        "hash-mismatch",
        "beta-2.0-py3-none-any.whl is damaged",
        "  × Failed to download `beta==2.0`\n  ├─▶ Failed to extract archive: beta-2.0-py3-none-any.whl\n"
        "  ╰─▶ Bad uncompressed size (got 00000000, expected 0000004c) for file: b",
    ),
    # uv 0.9, of a Python that belongs to the system
    (
        "no-write-access",
        "/usr belongs to the system",
        "error: The interpreter at /usr is externally managed, and indicates the following:",
    ),
    # astral-sh/uv, issue 1474: uv of 2024
    (
        "tls",
        "UnknownIssuer",
        "error: error sending request for url (https://index.invalid/simple/protobuf/): error trying to connect:"
        " invalid peer certificate: UnknownIssuer\n  Caused by: invalid peer certificate: UnknownIssuer",
    ),
]


@pytest.mark.parametrize(("kind", "words", "log"), RECORDED)
def test_recorded_troubles_of_windows(kind: str, words: str, log: str) -> None:
    trouble = recognise(log, 1, platform="win32")
    assert trouble.kind == kind
    assert words in trouble.problem


@pytest.mark.parametrize(("kind", "words", "log"), RECORDED_ELSEWHERE)
def test_recorded_troubles_of_linux_and_macos(kind: str, words: str, log: str) -> None:
    trouble = recognise(log, 1, platform="linux")
    assert trouble.kind == kind
    assert words in f"{trouble.problem} {trouble.remedy}"


@pytest.mark.parametrize(
    ("code", "platform", "kind"),
    [
        (-4, "linux", "cpu-too-old"),  # what lancedb does on processors without AVX2: lancedb/lancedb, issue 3324
        (0xC000001D, "win32", "cpu-too-old"),
        (0xC0000135, "win32", "vc-runtime"),
        (-1073741515, "win32", "vc-runtime"),
        (0xC0000005, "win32", "killed"),
        (-15, "darwin", "killed"),
        (2, "linux", "unknown"),
        (1, "win32", "unknown"),
    ],
)
def test_return_code_alone(code: int, platform: str, kind: str) -> None:
    assert recognise("Downloading torch (800.0MiB)\n", code, platform=platform).kind == kind


@pytest.mark.parametrize("as_json", [True, False])
def test_what_the_doctor_finds(as_json: bool) -> None:
    detail = "ImportError: /lib64/libm.so.6: version `GLIBC_2.27' not found (required by /x/libcurand.so.10)"
    good, bad = {"check": "system", "ok": True, "detail": "Linux"}, {"check": "devices", "ok": False, "detail": detail}
    log = (
        json.dumps({"healthy": False, "findings": [good, bad]})
        if as_json
        else f"ok   system: Linux\nBAD  devices: {detail}"
    )
    trouble = recognise(f"Installed 90 packages in 3s\n{log}\n", 1, platform="linux")
    assert trouble.kind == "glibc-too-old" and "libcurand.so.10" in trouble.problem


@pytest.mark.parametrize(
    ("detail", "kind"),
    [
        ("It ended the process (SIGILL).", "cpu-too-old"),
        ("It ended the process (SIGKILL).", "killed"),
        ('[WinError 126] Error loading "C:\\x\\torch\\lib\\c10.dll" or one of its dependencies.', "vc-runtime"),
        ("cuda:0 cannot compute: no kernel image is available for execution on the device", "gpu-unsupported"),
    ],
)
def test_package_that_the_doctor_cannot_load(detail: str, kind: str) -> None:
    good = {"check": "torch", "ok": True, "detail": "2.15.0", "remedy": "", "seconds": 2.0}
    bad = {"check": "lancedb", "ok": False, "detail": detail, "remedy": "Install the engine again.", "seconds": 0.3}
    trouble = recognise(json.dumps({"healthy": False, "findings": [good, bad]}, ensure_ascii=False), 1)
    assert trouble.kind == kind and "Install the engine again" not in trouble.remedy


def test_folder_that_the_doctor_cannot_write_is_told_in_its_words() -> None:
    bad = {
        "check": "index folder",
        "ok": False,
        "detail": "/x cannot be written: Permission denied.",
        "remedy": "Choose.",
    }
    trouble = recognise(json.dumps({"healthy": False, "findings": [bad]}), 1)
    assert trouble.kind == "no-write-access"
    assert "index folder: /x cannot be written" in trouble.problem and trouble.remedy == "Choose."


def test_finding_that_no_rule_knows_is_told_with_its_own_remedy() -> None:
    bad = {"check": "GDAL", "ok": False, "detail": "cannot read .jp2", "remedy": "Reinstall rasterio."}
    trouble = recognise(json.dumps({"healthy": False, "findings": [bad]}), 1)
    assert trouble.kind == "doctor"
    assert (trouble.problem, trouble.remedy) == ("GDAL: cannot read .jp2", "Reinstall rasterio.")


def test_unknown_trouble_shows_the_last_lines_and_the_log() -> None:
    log = "Resolved 90 packages\n\nerror: something new\n  cause: nobody knows\n\n"
    trouble = recognise(log, 2, log_file="/tmp/install.log")
    assert trouble.kind == "unknown"
    assert trouble.problem.endswith("error: something new\n  cause: nobody knows")
    assert trouble.remedy.endswith("/tmp/install.log")


def test_nothing_written() -> None:
    assert "status 7" in recognise("", 7).problem
    assert recognise("").kind == "unknown"


def test_warning_before_the_error_is_not_the_cause() -> None:
    log = "warning: Retrying, Connection refused (os error 111)\nerror: Hash mismatch for `alpha==1.0`\n"
    assert recognise(log, 1, platform="linux").kind == "hash-mismatch"


def test_texts_are_whole() -> None:
    """No value was forgotten in any text that the recorded messages give."""
    for _, _, log in RECORDED + RECORDED_ELSEWHERE:
        for platform in ("win32", "linux"):
            trouble = recognise(log, 1, platform=platform)
            assert not re.search(r"\{\w*\}", trouble.problem + trouble.remedy)
