"""Troubles of an installation that cannot be made to happen here, as Python, Windows and users' logs word them."""

from __future__ import annotations

import errno
import json
import os
import re

import pytest

from qgis_mpsclip.install.troubles import recognise


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
