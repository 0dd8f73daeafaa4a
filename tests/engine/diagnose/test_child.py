"""Packages that are broken in every way, on a path before the real ones: the doctor survives and says what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.diagnose.child import ENGINE_ROOT, Job, run_jobs
from engine.diagnose.finding import Finding

# A failed import, as Windows words it; a crash; a hang; an end; a package of another NumPy; a missing part.
BROKEN = {
    "shapely": "raise ImportError('DLL load failed while importing lib: The specified module could not be found.')",
    "pyproj": "import ctypes; print('last words', flush=True); ctypes.string_at(0)",
    "rasterio": "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
    "pyogrio": "import sys; sys.exit('no more')",
    "lancedb": "raise ImportError('/lib/libc.so.6: version `GLIBC_2.34\\' not found (required by lancedb.so)')",
    "pyarrow": "import nothing_like_this",
    "safetensors": "import time; time.sleep(60)",
    "tokenizers": "import os; os._exit(3)",
}


def job(package: str) -> Job:
    return (package, "engine.diagnose.packages:look_at_package", package)


def found(jobs: list[Job], limit: float = 120) -> dict[str, Finding]:
    findings = list(run_jobs(jobs, limit))
    assert [finding.check for finding in findings] == [each[0] for each in jobs]
    return {finding.check: finding for finding in findings}


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, code in BROKEN.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(code, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.usefixtures("broken")
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_each_broken_package_is_told_with_its_own_message_and_remedy() -> None:
    names = [name for name in BROKEN if name != "safetensors"]
    all_found = found([job("numpy"), *(job(name) for name in names), job("pydantic")])
    assert all_found["numpy"].ok and all_found["pydantic"].ok  # before and after what is broken
    assert {name for name in names if all_found[name].ok} == set()
    expected = {
        "shapely": ("ImportError: DLL load failed while importing lib", "Visual C++"),
        "pyproj": ("(SIGSEGV): last words", "Install the engine again"),
        "rasterio": ("(SIGILL)", "processor"),
        "pyogrio": ("SystemExit: no more", "Install the engine again"),
        "lancedb": ("GLIBC_2.34", "older than"),
        "pyarrow": ("It needs nothing_like_this", "Install the engine again"),
        "tokenizers": ("(exit status 3)", "Install the engine again"),
    }
    for name, (detail, remedy) in expected.items():
        assert detail in all_found[name].detail
        assert remedy in all_found[name].remedy


@pytest.mark.usefixtures("broken")
def test_a_package_that_hangs_is_given_up() -> None:
    start = time.monotonic()
    (hung,) = run_jobs([job("safetensors")], limit=3)
    assert time.monotonic() - start < 30
    assert (hung.ok, hung.detail, hung.seconds) == (False, "It was not done within 3 s.", 3)


@pytest.mark.usefixtures("broken")
def test_the_remedy_names_the_path_that_led_to_other_packages() -> None:
    from engine.diagnose.facts import look_at_variables

    seen = look_at_variables()
    assert f"PYTHONPATH={os.environ['PYTHONPATH']}" in seen.detail
    assert seen.advice.startswith("Unset PYTHONPATH")


def test_seconds_are_those_of_the_look() -> None:
    slow, quick = run_jobs([("slow", "time:sleep", "x"), ("quick", "engine.diagnose.facts:look_at_project")])
    assert not slow.ok and slow.detail.startswith("TypeError")
    assert quick.ok and 0 <= quick.seconds < 5


def test_one_process_does_all_looks_that_succeed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import os\nfrom engine.diagnose.finding import Seen\n"
        "def look(wanted):\n    assert wanted != 'bad'\n    return Seen(str(os.getpid()))\n"
    )
    (tmp_path / "looks_of_a_test.py").write_text(code, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    wanted = ["good"] * 6 + ["bad"] + ["good"] * 6
    findings = list(run_jobs([(str(n), "looks_of_a_test:look", each) for n, each in enumerate(wanted)]))
    assert [finding.ok for finding in findings] == [each == "good" for each in wanted]
    processes = [finding.detail for finding in findings if finding.ok]
    assert len(set(processes[:6])) == len(set(processes[6:])) == 1
    assert processes[0] != processes[-1]


def test_what_libraries_print_does_not_disturb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shapely").mkdir()
    noise = "import os; print('{\"check\": 1}'); os.write(1, b'noise\\n')"
    (tmp_path / "shapely" / "__init__.py").write_text(noise, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (shapely,) = run_jobs([job("shapely")])
    assert shapely.ok


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at /proc")
def test_the_child_ends_with_the_doctor(tmp_path: Path) -> None:
    (tmp_path / "shapely").mkdir()
    tell = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(100)"
    (tmp_path / "shapely" / "__init__.py").write_text(tell, encoding="utf-8")
    code = (
        "from engine.diagnose.child import run_jobs;"
        "list(run_jobs([('shapely', 'engine.diagnose.packages:look_at_package', 'shapely')]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    doctor = subprocess.Popen([sys.executable, "-c", code], cwd=ENGINE_ROOT, env=environment)
    try:
        pid = wait_for_text(tmp_path / "pid")
    finally:
        doctor.kill()
        doctor.wait()
    end = time.monotonic() + 30
    while Path("/proc", pid).exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path("/proc", pid).exists()


def wait_for_text(file: Path, seconds: float = 60) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if file.is_file() and file.read_text():
            return file.read_text()
        time.sleep(0.05)
    raise AssertionError(f"{file} is not there after {seconds} s")


def test_without_any_package_the_doctor_still_speaks(tmp_path: Path) -> None:
    """In a bare environment: only the standard library is there."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    python = next(tmp_path.glob("bare/bin/python")) if os.name != "nt" else tmp_path / "bare" / "Scripts" / "python.exe"
    command = [str(python), "-m", "engine", "doctor", "--json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=ENGINE_ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert not report["healthy"]
    findings = {finding["check"]: finding for finding in report["findings"]}
    assert findings["mpsclip"]["ok"] and findings["system"]["ok"] and findings["environment"]["ok"]
    assert "made by venv" in findings["environment"]["detail"]
    assert findings["torch"]["detail"] == "It is not installed."
    assert "tqdm" in findings["packages"]["detail"]
    bad = [finding for finding in report["findings"] if not finding["ok"]]
    assert len(bad) >= 20
    assert [finding for finding in bad if not finding["remedy"]] == []
