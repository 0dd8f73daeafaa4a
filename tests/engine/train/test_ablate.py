"""The ablation: one difference a run, a table at every point, and no run twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.errors import UsageError
from engine.train.packaged import ablate as module
from engine.train.packaged.ablate import INGREDIENTS, ablate, base_settings, configure
from engine.train.packaged.ablation_table import Run, rows, table
from tests.support.rsicd import write_rsicd

SETTINGS = {
    "batch_images": 8, "image_size": 64, "mosaic_size": 96, "head_steps": 2, "vocabulary": 4000, "frozen_stages": 6,
}  # fmt: skip


def run_of(name: str, val_mr: float, seed: int = 0) -> Run:
    return Run(name, f"with {name}", seed, {}, val_mr, val_mr - 1.0, 2.0, 16_000_000, 3.0, 1.5)


def test_every_ingredient_differs_from_the_base_in_its_own_settings_alone() -> None:
    base = configure(base_settings(50), {}, 0, 1).model_dump()
    assert [ingredient.name for ingredient in INGREDIENTS[:3]] == ["start", "base", "base-again"]
    for ingredient in INGREDIENTS[3:]:
        config = configure(base_settings(50), ingredient.changes, 0, 1).model_dump()
        assert {key for key in config if config[key] != base[key]} == ingredient.changes.keys(), ingredient.name
    names = [ingredient.name for ingredient in INGREDIENTS]
    assert len(set(names)) == len(names)


def test_a_row_is_the_mean_over_seeds_of_differences_from_the_same_seeds_base() -> None:
    runs = [run_of("base", 18.0), run_of("queue", 18.4), run_of("base", 17.0, 1), run_of("queue", 18.6, 1)]
    base, queue, bare = rows(runs)
    assert (queue.val_mr, queue.seeds) == (pytest.approx(18.5), 2)
    assert queue.difference == pytest.approx(1.0)
    assert queue.verdict == "gain"
    assert base.difference == 0
    assert (bare.label, bare.difference) == ("base recipe, weights not averaged", pytest.approx(-1.0))


def test_nothing_is_concluded_from_less_than_the_noise() -> None:
    found = rows([run_of("base", 18.0), run_of("a", 18.69), run_of("b", 17.31), run_of("c", 18.71), run_of("d", 17.2)])
    assert [row.verdict for row in found[1:5]] == ["nothing", "nothing", "gain", "loss"]
    assert "| with c | 18.71 | +0.71 | gain | 16.00 | 3.0 | 1.5 |" in table([run_of("base", 18.0), run_of("c", 18.71)])


def test_a_cut_ablation_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_rsicd(tmp_path / "data", {"train": 16, "val": 8}, side=96)
    settings, out = tmp_path / "settings.json", tmp_path / "out"
    settings.write_text(json.dumps(SETTINGS), encoding="utf-8")
    monkeypatch.setattr(module, "INGREDIENTS", INGREDIENTS[1:2])
    said: list[str] = []
    ablate(data, out, 1, config_file=settings, say=said.append)
    assert said[0].startswith("base, seed 0: val mR")
    first = (out / "runs" / "base-0.json").read_bytes()
    start = (out / "start.pt").stat().st_mtime_ns
    # The second call does what is missing, from the same start, and nothing again; through the command this time.
    monkeypatch.setattr(module, "INGREDIENTS", (INGREDIENTS[1], INGREDIENTS[5]))
    command = ["train", "ablate", "--data", str(data), "--out", str(out), "--steps", "1", "--config", str(settings)]
    assert main(command) == 0
    assert (out / "runs" / "base-0.json").read_bytes() == first
    assert (out / "start.pt").stat().st_mtime_ns == start
    report = json.loads((out / "ablation.json").read_text("utf-8"))
    assert [run["name"] for run in report["runs"]] == ["base", "mpr"]
    assert report["rows"][1]["parameters"] == report["rows"][0]["parameters"] + 4 * 2 * (512 * 512 + 512)
    text = (out / "ablation.md").read_text("utf-8")
    assert "1 steps of 8 images at 64 px" in text
    assert "nothing is concluded from less than 0.7 mR" in text


def test_a_run_of_another_budget_does_not_count(tmp_path: Path) -> None:
    config = configure(base_settings(50), {}, 0, 1)
    file = tmp_path / "base-0.json"
    assert module._done(file, config) is None
    run = replace(run_of("base", 18.0), config=config.model_dump(mode="json"))
    file.write_text(json.dumps(run.to_json()), encoding="utf-8")
    assert module._done(file, config) == run
    assert module._done(file, configure(base_settings(60), {}, 0, 1)) is None
    file.write_text(file.read_text("utf-8")[:40], encoding="utf-8")  # as a cut leaves it
    assert module._done(file, config) is None


def test_a_budget_of_no_steps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="max_steps"):
        ablate(tmp_path, tmp_path / "out", 0)


def test_steps_are_an_option_of_the_ablation_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "packaged", "--data", str(tmp_path), "--out", str(tmp_path), "--steps", "3"]) != 0
    assert "mpsclip train ablate" in capsys.readouterr().err
