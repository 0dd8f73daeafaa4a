"""``mpsclip parity``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.engine.cli.conftest import Cli

DATA = Path(__file__).parents[2] / "data"
TINY = DATA / "mps_clip_tiny"


@pytest.mark.parametrize("name", ["mps_clip_tiny", "prior_pae_tiny"])
def test_differences_are_printed_as_json_and_what_was_computed_is_written(cli: Cli, tmp_path: Path, name: str) -> None:
    done = cli("parity", DATA / name, "--dump", tmp_path / "out.safetensors")
    assert done.status == 0, done.err
    report = json.loads(done.out)
    assert report.keys() == {"fixture", "max_abs_difference"}
    assert report["fixture"] == name
    dumped, expected = load_file(tmp_path / "out.safetensors"), load_file(DATA / f"{name}.io.safetensors")
    assert dumped.keys() == report["max_abs_difference"].keys()
    for name, difference in report["max_abs_difference"].items():
        torch.testing.assert_close(dumped[name], expected[name], atol=1e-5, rtol=0)
        assert difference < 1e-5


def test_missing_fixture_is_wrong_use(cli: Cli, tmp_path: Path) -> None:
    done = cli("parity", tmp_path / "none")
    assert (done.status, done.out) == (2, "")
    assert str(tmp_path / "none.json") in done.last_line


def test_unwritable_dump_is_one_line(cli: Cli, tmp_path: Path) -> None:
    done = cli("parity", TINY, "--dump", tmp_path / "no folder" / "out.safetensors")
    assert (done.status, done.out) == (1, "")
    assert done.err.count("\n") == 1
    assert "cannot be written" in done.err
