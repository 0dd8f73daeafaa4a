"""The comparison: pairs alike in all rows, a table at every point, no run twice, the best combination by its rule."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.cli.main import main
from engine.errors import OutputError, UsageError
from engine.models.contract import ModelIdentity
from engine.models.packaged_system import PackagedSystem
from engine.models.weights import file_sha256
from engine.resources import resource_path
from engine.train.compare.config import CompareConfig
from engine.train.compare.net import SystemNet
from engine.train.compare.objective import Batch, Objective
from engine.train.compare.parts import train_parts
from engine.train.compare.regions import noun_regions
from engine.train.compare.results import Run, best_parts, overlap_differences, part_gains, spread, summaries, threshold
from engine.train.compare.rows import ABLATIONS, MAIN, ROWS, SYSTEMS, combination, system_parts
from engine.train.compare.run import compare
from engine.train.kept_files import write_tensors, write_text
from tests.support.rsicd import write_rsicd

TINY = CompareConfig(
    steps=2, batch=8, side=64, views=2, head_steps=2, vocabulary=4000, prototype_steps=1, speed_seconds=0.0
)


def run_of(name: str, val_mr: float, seed: int = 0, against: str = "plain") -> Run:
    return Run(name, name, [], against, seed, "", {}, val_mr, 0.5, 2.0, 3, 9, 1.0, 1.0, None)


def test_an_ablation_has_all_of_its_system_but_one_part() -> None:
    rows = {row.name: row for row in ROWS}
    assert len(ABLATIONS) == 8
    for row in ABLATIONS:
        assert rows[row.against].parts - row.parts == {row.without}
    assert rows["plain"].parts == frozenset()
    assert {row.name for row in MAIN} == {"plain", *SYSTEMS}
    g2a_off = system_parts(rows["mps-clip-no-g2a"].parts, 30)
    assert (g2a_off.token_blocks, g2a_off.adapter_bottleneck, g2a_off.text_blocks) == (1, 0, 0)


def test_the_best_combination_has_the_parts_that_are_worth_something() -> None:
    runs = [run_of("mps-clip", 20.0), run_of("mps-clip", 22.0, 1)]
    runs += [run_of(f"mps-clip-no-{part}", 19.0, seed) for part in ("g2a", "mpr") for seed in (0, 1)]
    runs += [run_of("mps-clip-no-triplet", 21.5), run_of("osdpm", 18.0), run_of("osdpm-no-dapn", 18.0)]
    gains = part_gains(runs)
    assert gains == {"g2a": 2.0, "mpr": 2.0, "triplet": -1.5, "dapn": 0.0}
    assert best_parts(gains) == ["g2a", "mpr"]
    assert combination(best_parts(gains)).parts == {"blocks", "g2a", "mpr"}


def test_nothing_is_concluded_from_less_than_the_spread() -> None:
    runs = [run_of("plain", 18.0), run_of("plain", 20.0, 1), run_of("osdpm", 18.5), run_of("osdpm", 22.5, 1)]
    assert spread(runs) == pytest.approx(5**0.5)  # of variances 2 and 8
    plain, osdpm = summaries(runs, {("osdpm", 1): 17.0})
    assert (plain.difference, plain.says) == (None, "")
    assert (osdpm.difference, osdpm.says, osdpm.test_mr) == (1.5, "nothing", (17.0,))
    sure = [replace(run, val_mr=run.val_mr + 10) if run.name == "osdpm" else run for run in runs]
    assert summaries(sure, {})[1].says == "gain"
    assert spread(runs[:1]) == 0.7
    # Rows that train nothing have no spread; few seeds that happen to agree do not make small differences sure.
    fixed = [replace(run_of("osdpm-no-dapn", 18.0, seed), trained=0) for seed in (0, 1)]
    assert spread([*runs, *fixed]) == spread(runs)
    alike = [run_of("plain", 18.0), run_of("plain", 18.0, 1), run_of("osdpm", 18.4), run_of("osdpm", 18.4, 1)]
    assert threshold(alike) == pytest.approx(0.7 / 2**0.5)
    assert [row.says for row in summaries(alike, {})] == ["", "nothing"]


def test_nothing_is_concluded_where_the_seeds_disagree() -> None:
    same = [run_of("plain", 18.0, seed) for seed in (0, 1, 2)]
    apart = [run_of("osdpm", 18.0 + d, seed) for seed, d in enumerate((-0.1, 1.5, 1.6))]
    assert threshold([*same, *apart]) < 1.0
    assert [row.says for row in summaries([*same, *apart], {})] == ["", "nothing"]
    agreed = [replace(run, val_mr=run.val_mr + 0.2) for run in apart]
    assert [row.says for row in summaries([*same, *agreed], {})] == ["", "gain"]


def test_the_clustering_is_judged_in_the_seeds_that_have_both_rows() -> None:
    runs = [replace(run_of("osdpm", 18.0, seed), overlap=0.25) for seed in (0, 1)]
    runs += [run_of("osdpm-no-osfcm", 18.0), replace(run_of("osdpm-no-osfcm", 18.0, 2), overlap=0.1)]
    assert overlap_differences(runs) == {0: -0.25}


def test_a_region_is_the_mean_of_the_tokens_nearer_to_the_noun_than_halfway() -> None:
    tokens = torch.arange(8.0).reshape(1, 2, 2, 2)
    projected = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [0.4, 0.9]]).reshape(1, 2, 2, 2)
    region = noun_regions(tokens, projected, torch.tensor([[1.0, 0.0]]))
    assert torch.equal(region, torch.tensor([[0.5, 4.5]]))  # the first two of four


def test_a_cut_comparison_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[frozenset[str], list[Batch]] = {}

    class Watched(Objective):
        def forward(self, net: SystemNet, batch: Batch, step: int) -> torch.Tensor:
            drawn.setdefault(self.parts, []).append(batch)
            return super().forward(net, batch, step)

    monkeypatch.setattr("engine.train.compare.train_row.Objective", Watched)
    data = write_rsicd(tmp_path / "data", {"train": 20, "val": 8, "test": 8}, side=64)
    out, said = tmp_path / "out", []
    systems = ["plain", "mps-clip", "prior-clip", "osdpm"]
    compare(data, out, rows=systems[:2], config=TINY, say=said.append)
    folder = out / "published"
    first = (folder / "runs" / "mps-clip-0.json").read_bytes()
    cached = (folder / "cache" / "train-v1.safetensors").stat().st_mtime_ns
    text = (folder / "comparison.md").read_text("utf-8")
    assert "2 steps of 8 pairs at 64 px, seeds [0]" in text
    assert "| + MPS-CLIP |" in text
    assert not list(folder.glob("cache/test*"))
    compare(data, out, rows=[*systems, "osdpm-no-osfcm", "best"], seeds=(0, 0), config=TINY, test=True, say=said.append)
    assert (folder / "runs" / "mps-clip-0.json").read_bytes() == first
    assert (folder / "cache" / "train-v1.safetensors").stat().st_mtime_ns == cached
    assert (folder / "comparison.png").stat().st_size > 10_000
    report = json.loads((folder / "comparison.json").read_text("utf-8"))
    assert (report["seeds"], report["nothing_below"]) == ([0], 0.7)
    rows = {row["name"]: row for row in report["rows"]}
    assert set(systems) <= set(rows)
    assert rows["osdpm-no-osfcm"]["tiles_a_second"] is None
    assert rows["osdpm-no-osfcm"]["test_mr"] == []  # its weights are kept for the picture alone
    assert (folder / "osfcm.png").stat().st_size > 10_000
    change = rows["osdpm"]["overlap"] - rows["osdpm-no-osfcm"]["overlap"]
    assert report["overlap_differences"] == {"0": pytest.approx(change, abs=1e-4)}
    assert f"OSFCM off: {change:+.4f}" in (folder / "comparison.md").read_text("utf-8")
    for name in systems:
        assert len(rows[name]["test_mr"]) == 1
        assert rows[name]["tiles_a_second"] > 0
        assert rows[name]["trained"] >= rows["plain"]["trained"] > 10**6
    # Views, pairs and captions are those of the plain row, whatever a row's own terms draw (MPR draws nouns).
    whose = {row.parts: row.name for row in ROWS}
    plain = drawn[frozenset()]
    assert len(plain) == TINY.steps and not torch.equal(plain[0].maps, plain[1].maps)
    assert set(systems) <= {whose.get(parts) for parts in drawn}
    for others in drawn.values():
        for mine, other in zip(plain, others[: TINY.steps], strict=True):
            assert torch.equal(mine.maps, other.maps) and torch.equal(mine.states, other.states)
    # Beside its own parts, Spatial-PAE brings the frozen copy of the last stage that the scene prior was trained on.
    assert (
        rows["prior-clip"]["parameters"] - rows["prior-clip"]["trained"]
        > rows["osdpm"]["parameters"] - (rows["osdpm"]["trained"])
    )


def test_the_packaged_backbone_begins_as_the_model_that_ships(tmp_path: Path) -> None:
    data = write_rsicd(tmp_path / "data", {"train": 8, "val": 4}, side=64)
    config = replace(TINY, views=1)
    compare(data, tmp_path, rows=["plain", "prior-clip"], backbone="packaged", config=config)
    report = json.loads((tmp_path / "packaged" / "comparison.json").read_text("utf-8"))
    plain, prior = report["runs"]
    assert plain["trained"] == 0
    assert plain["val_mr"] == pytest.approx(report["starts"]["0"]["val_mR"], abs=1e-3)
    assert 10**6 < prior["trained"] < 2 * 10**6
    # The same parts as a file for the model that ships, which loads there.
    said: list[str] = []
    file = train_parts("prior-clip", data, tmp_path, config=config, say=said.append)
    assert said[0].startswith(f"val mR {prior['val_mr']:.2f} after {plain['val_mr']:.2f}")
    assert file.stat().st_size < 2_000_000
    weights = resource_path("models", "rsicd-mini.safetensors")
    identity = ModelIdentity("prior-mini", "compact", "0" * 64, "test")
    model = PackagedSystem(weights, file, file_sha256(weights), identity, 192, torch.device("cpu"))
    assert model.encode_texts(["a red field"]).shape == (1, 512)


def test_a_file_that_cannot_be_written_is_told_and_the_old_one_stays(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    write_tensors(file, {"a": torch.zeros(2)})
    before = file.read_bytes()
    (tmp_path / f"weights.{os.getpid()}.part").mkdir()  # in the way of what is written
    for write in (lambda: write_tensors(file, {"a": torch.ones(2)}), lambda: write_text(file, "new")):
        with pytest.raises(OutputError, match="Make room there"):
            write()
    assert file.read_bytes() == before


def test_an_unknown_row_and_an_option_of_another_recipe_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="no row 'mps'"):
        compare(tmp_path, tmp_path, rows=["mps"])
    with pytest.raises(UsageError, match="needs the systems"):
        compare(tmp_path, tmp_path, rows=["best"])
    assert main(["train", "packaged", "--data", str(tmp_path), "--out", str(tmp_path), "--test"]) == 2
    assert "mpsclip train compare" in capsys.readouterr().err
