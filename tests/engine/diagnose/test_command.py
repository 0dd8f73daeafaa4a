"""The command as it is run: whole, as text, JSON and Markdown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.diagnose import command
from engine.diagnose.doctor import jobs
from engine.diagnose.finding import Finding
from engine.diagnose.page import markdown
from engine.diagnose.profiles import PACKAGES
from engine.diagnose.redact import Machine

ROOT = Path(__file__).resolve().parents[3]
BAD = Finding("index folder", False, "/home/jsmith/x | cannot be written: http://me:pw@host/y", "Choose another.", 0.25)
GOOD = Finding("torch", True, "2.15.0", "Update it.", 12.0)


def test_a_healthy_installation_on_a_page_without_names(tmp_path: Path) -> None:
    """The whole doctor, as the plugin runs it, at somebody's home behind a proxy."""
    home = tmp_path / "people" / "jsmith"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "XDG_"))},
        "HOME": str(home),
        "USER": "jsmith",
        "LOGNAME": "jsmith",
        "HOSTNAME": "ws-0815",
        "HTTPS_PROXY": "http://jsmith:topsecret@proxy.corp.example:3128",  # pragma: allowlist secret
        "MPSCLIP_LLM_API_KEY": "topsecret",  # pragma: allowlist secret
        "MPSCLIP_CACHE": str(home / "gis cache"),
    }
    done = subprocess.run(
        [sys.executable, "-s", "-X", "utf8", "-m", "engine", "doctor", "--markdown", "--profile", "engine"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = done.stdout
    assert page.startswith(f"### MPS-CLIP doctor: all {4 + len(jobs(None, 'auto', 'engine'))} checks passed")
    assert [word for word in ("jsmith", "topsecret", "proxy.corp", "ws-0815", str(tmp_path)) if word in page] == []
    assert "MPSCLIP_CACHE=~/gis cache" in page
    assert "HTTPS_PROXY is set" in page
    for name in PACKAGES:
        assert f"| ok | {name} |" in page


def test_bad_findings_stand_first_with_their_remedies() -> None:
    page = markdown([GOOD, BAD], Machine(("/home/jsmith",), ("jsmith",), ()))
    assert page.startswith("### MPS-CLIP doctor: 1 of 2 checks failed\n")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert rows[1:] == [
        r"| **BAD** | index folder | ~/x \| cannot be written: http://… | 0.2 |",
        "| ok | torch | 2.15.0 | 12.0 |",
    ]
    assert page.endswith("What to do:\n\n- torch: Update it.\n- index folder: Choose another.\n")


def test_a_page_names_no_folders_outside_the_home() -> None:
    page = markdown([Finding("index folder", False, r"D:\Kunden\Stadtwerke Ulm\index is full", "Empty it.")], Machine())
    assert "Kunden" not in page and "Ulm" not in page and "…/index is full" in page


def test_a_long_message_is_hidden_before_it_is_cut() -> None:
    text = "x" * 390 + " http://me:topsecret@host/path"  # pragma: allowlist secret
    page = markdown([Finding("torch", False, text, "Wait.")], Machine())
    assert "topsecret" not in page
    assert max(len(line) for line in page.splitlines()) < 500


@pytest.mark.parametrize(("findings", "status"), [([GOOD], 0), ([GOOD, BAD], 1)])
@pytest.mark.parametrize("form", [[], ["--json"], ["--markdown"]])
def test_the_exit_status_tells_whether_something_is_bad(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    findings: list[Finding],
    status: int,
    form: list[str],
) -> None:
    monkeypatch.setattr(command, "examine", lambda *_: iter(findings))
    assert command.main(form) == status
    out = capfd.readouterr().out
    assert "2.15.0" in out
    if form == ["--json"]:
        told = json.loads(out)
        assert told["healthy"] is (status == 0)
        first = {"check": "torch", "ok": True, "detail": "2.15.0", "remedy": "Update it.", "seconds": 12.0}
        assert told["findings"][0] == first
    if not form:
        assert out.splitlines()[0] == "ok   torch: 2.15.0. Update it. (12.0 s)"
    if not form and status:
        assert out.splitlines()[1].startswith("BAD  index folder: ")
        assert out.splitlines()[1].endswith("Choose another. (0.2 s)")


def test_nothing_but_the_standard_library_is_loaded() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import engine.__main__, engine.diagnose.command,"
        " engine.diagnose.worker, engine.diagnose.packages, engine.diagnose.probes;"
        "print(sorted({name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, str(ROOT)], capture_output=True, text=True)
    assert done.stdout.strip() == "['__main__', 'engine']", done.stderr
