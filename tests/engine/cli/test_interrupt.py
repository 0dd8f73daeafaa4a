from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.index.folder import IndexFolder
from tests.support.rasters import large_textured_raster

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _needs_weights(packaged: None) -> None: ...


def test_ctrl_c_stops_within_a_second_and_keeps_what_is_finished(tmp_path: Path, cache: Path) -> None:
    raster = large_textured_raster(tmp_path, 6000)
    command = [sys.executable, "-m", "engine", "index", raster, "--tile", "100px", "--batch-size", "8"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 300
        while not any(entry.done for entry in IndexFolder(cache).entries()):
            assert process.poll() is None
            assert time.monotonic() < deadline, "nothing was committed"
            time.sleep(0.2)
        pressed = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        took = time.monotonic() - pressed
    assert process.returncode == 130
    # A second is promised; the rest is for a busy test machine.
    assert took < 2.5
    assert out == ""
    assert err.strip().splitlines()[-1].startswith("mpsclip: Cancelled.")
    assert "Traceback" not in err
    (entry,) = IndexFolder(cache).entries()
    assert entry.record is not None
    assert entry.done is not None
    assert 0 < entry.done < entry.record.tiles


def test_ctrl_c_ends_even_work_that_does_not_listen() -> None:
    code = (
        "from engine.cli.interrupt import Interrupt\n"
        "with Interrupt().watching():\n"
        "    print('ready', flush=True)\n"
        "    while True: sum(range(1000))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        pressed = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        took = time.monotonic() - pressed
    assert process.returncode == 130
    assert took < 2.5
    assert "Cancelled" in err
