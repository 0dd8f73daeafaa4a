"""The packaged model's training, from data to weights that a search loads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric

from engine.cli.main import main
from engine.errors import UsageError
from engine.models.compact.dual_encoder import CompactParts
from engine.models.contract import ModelIdentity, ScoreMode
from engine.models.packaged import load_packaged
from engine.resources import resource_path
from engine.train.packaged import unfinished
from engine.train.packaged.config import TrainingConfig
from engine.train.packaged.data import TrainingData
from engine.train.packaged.loop import Trainer, schedule
from engine.train.packaged.recipe import Recipe, read_config, read_recipe
from engine.train.packaged.run import train_packaged
from engine.types import Progress
from tests.support.cut import Cut, CutAfter
from tests.support.rsicd import write_rsicd

SETTINGS = {"epochs": 2, "batch_images": 8, "image_size": 64, "head_steps": 5, "vocabulary": 4000, "frozen_stages": 5}


def test_the_command_trains_picks_on_val_and_writes_weights_that_load(tmp_path: Path) -> None:
    data = write_rsicd(tmp_path / "data", {"train": 16, "val": 8}, side=96)
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(SETTINGS), encoding="utf-8")
    out = tmp_path / "out"
    assert main(["train", "packaged", "--data", str(data), "--out", str(out), "--config", str(settings)]) == 0
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert [row["epoch"] for row in report["history"]] == [1, 2]
    assert report["best"]["mR"] == pytest.approx(max(row["val_mR"] for row in report["history"]), abs=1e-3)
    identity = ModelIdentity("trial", "compact", "0" * 64, "test")
    model = load_packaged(out / "rsicd-mini.safetensors", identity, 64, torch.device("cpu"))
    pixels = np.zeros((1, 64, 64, 3), np.uint8)
    assert model.encode_images(model.preprocess(pixels)).shape == (1, 512)


def test_unknown_settings_are_refused_with_their_name(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text('{"epoch": 3}', encoding="utf-8")
    with pytest.raises(UsageError, match="epoch"):
        read_config(file)


def test_learning_rates_warm_up_follow_a_cosine_and_end_in_a_line_to_zero() -> None:
    config = TrainingConfig(epochs=10, horizon_epochs=10, cool_down_epochs=2, warm_up_fraction=0.1)
    factors = [schedule(step, 1000, config, 100) for step in range(1000)]
    assert factors[0] == pytest.approx(0.01)
    assert max(factors) == factors[100] == 1.0
    assert factors[550] == pytest.approx(0.5, abs=1e-3)
    line = np.diff(factors[800:])
    assert np.allclose(line, line[0])
    assert factors[-1] == pytest.approx(0.0, abs=1e-3)


def test_a_second_run_starts_from_the_best_weights_of_the_first(tmp_path: Path) -> None:
    data = write_rsicd(tmp_path / "data", {"train": 16, "val": 8}, side=96)
    settings = tmp_path / "settings.json"
    rates = {"lr_image": 0.0, "lr_text": 0.0, "lr_heads": 0.0, "epochs": 1, "seed": 1}
    settings.write_text(json.dumps(SETTINGS | {"stop_epoch": 1, "then": SETTINGS | rates}), encoding="utf-8")
    out = tmp_path / "out"
    train_packaged(data, out, settings)
    first = json.loads((out / "before-report.json").read_text(encoding="utf-8"))
    assert [row["epoch"] for row in first["history"]] == [1]  # of two
    # With learning rates of zero the second run ends where it began: at the first one's best weights.
    before = torch.load(out / "before-best.pt", weights_only=True)["model"]
    after = torch.load(out / "best.pt", weights_only=True)["model"]
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor)


def weights(checkpoint: Path) -> torch.Tensor:
    """All of them, in one row."""
    return torch.cat([value.flatten() for value in torch.load(checkpoint, weights_only=True)["model"].values()])


@pytest.mark.parametrize("steps_before_the_cut", [3, 5])
def test_a_run_that_was_cut_ends_where_an_uninterrupted_one_does(tmp_path: Path, steps_before_the_cut: int) -> None:
    data = write_rsicd(tmp_path / "data", {"train": 16, "val": 8}, side=96)
    settings = tmp_path / "settings.json"
    state = {"queue": 8, "attribution_weight": 0.3, "cutmix": 0.0}  # beside the network and the optimiser
    settings.write_text(json.dumps(SETTINGS | state | {"then": SETTINGS | {"seed": 1}}), encoding="utf-8")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train_packaged(data, whole, settings)
    with pytest.raises(Cut):
        train_packaged(data, cut, settings, CutAfter("train", steps_before_the_cut))
    again: list[Progress] = []
    train_packaged(data, cut, settings, again.append)
    assert len([p for p in again if p.stage == "train"]) == 8 - steps_before_the_cut // 2 * 2  # two steps an epoch
    assert not (cut / "unfinished.pt").exists()
    first, expected = (weights(whole / name) for name in ("before-best.pt", "best.pt"))
    moved = float((expected - first).norm())
    # Adam makes steps of rounding errors where a gradient is zero, so that single weights may differ.
    assert float((weights(cut / "before-best.pt") - first).norm()) < 0.02 * moved
    assert float((weights(cut / "best.pt") - expected).norm()) < 0.02 * moved
    histories = [json.loads((folder / "report.json").read_text(encoding="utf-8"))["history"] for folder in (whole, cut)]
    assert [row["val_mR"] for row in histories[0]] == [row["val_mR"] for row in histories[1]]


def test_other_settings_or_data_begin_anew_and_a_damaged_state_does_not_stop_a_run(tmp_path: Path) -> None:
    data = write_rsicd(tmp_path / "data", {"train": 16, "val": 8}, side=96)
    kept = tmp_path / "unfinished.pt"
    run = unfinished.digest_of("settings", data)
    net = torch.nn.Linear(2, 2)
    unfinished.keep(kept, run, {"net": net}, {"step": 3})
    other = torch.nn.Linear(2, 2)
    found = unfinished.read(kept, run)
    assert found is not None
    assert unfinished.put_back(found, {"net": other}) == {"step": 3}
    torch.testing.assert_close(other.weight, net.weight)
    assert unfinished.read(kept, unfinished.digest_of("other settings", data)) is None
    more = write_rsicd(tmp_path / "more", {"train": 24, "val": 8}, side=96)
    assert unfinished.read(kept, unfinished.digest_of("settings", more)) is None
    assert unfinished.read(kept, unfinished.digest_of("settings", data, data / "train.jsonl")) is None
    kept.write_bytes(kept.read_bytes()[:100])
    assert unfinished.read(kept, run) is None


def test_the_packaged_files_recipe_is_four_teachers_of_two_sizes_and_their_student() -> None:
    recipe = read_recipe(resource_path("recipes", "rsicd-mini.json"))
    assert isinstance(recipe, Recipe)
    towers = [teacher.image_tower for teacher in recipe.teachers]
    assert towers == ["efficientnet_lite2"] * 2 + ["efficientnet_lite0"] * 2
    assert recipe.teachers[2].then is not None and recipe.teachers[2].then.epochs == 4
    smallest = min(teacher.vocabulary for teacher in recipe.teachers)
    assert recipe.distil.vocabulary is not None and recipe.distil.vocabulary <= smallest
    assert (recipe.distil.image_start, recipe.distil.text_tower) == ("mean", "mean")


def test_a_recipe_with_teachers_leaves_their_student_and_trains_no_finished_teacher_again(tmp_path: Path) -> None:
    data = write_rsicd(tmp_path / "data", {"train": 16, "val": 8}, side=96)
    one = SETTINGS | {"epochs": 1}
    student = {"teacher_size": 64, "crops": 0, "mixtures": 1, "image_epochs": 1, "image_batch": 8, "image_size": 64}
    student |= {"late_image_size": 64, "bank": 8}
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps({"teachers": [one, one | {"seed": 1}], "distil": student}), encoding="utf-8")
    out = tmp_path / "out"
    assert train_packaged(data, out, recipe).name == "rsicd-mini.safetensors"
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert len(set(report["teachers"])) == 2
    made = [(out / f"teacher-{i}" / "best.pt").stat().st_mtime_ns for i in (1, 2)]
    train_packaged(data, out, recipe)
    assert [(out / f"teacher-{i}" / "best.pt").stat().st_mtime_ns for i in (1, 2)] == made
    with pytest.raises(UsageError, match="names teachers"):
        read_config(recipe)


def test_weights_with_parts_of_mps_clip_are_written_and_load_and_score_by_views(tmp_path: Path) -> None:
    data = write_rsicd(tmp_path / "data", {"train": 16, "val": 8}, side=96)
    parts = {"views": 2, "token_blocks": 1, "token_width": 32, "adapter_bottleneck": 16}
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(SETTINGS | parts | {"epochs": 1, "max_steps": 1}), encoding="utf-8")
    file = train_packaged(data, tmp_path / "out", settings)
    identity = ModelIdentity("trial", "compact", "0" * 64, "test")
    model = load_packaged(file, identity, 64, torch.device("cpu"))
    assert model.net.parts == CompactParts(views=2, token_blocks=1, token_width=32, adapter_bottleneck=16)
    assert model.score_modes == tuple(ScoreMode)
    tiles = model.preprocess(np.full((2, 64, 64, 3), 90, np.uint8))
    images, texts = model.encode_images(tiles), model.encode_texts(["a red field"])
    views = model.region_views(images)
    expected = 0.5 * (images @ texts.T + (views @ texts.T).amax(0))
    scores = model.score(images, texts, images[:, None], torch.ones(2, 1), ScoreMode.MAX_VIEW)
    torch.testing.assert_close(scores, expected)


def test_parts_that_a_checkpoint_does_not_have_start_fresh_and_other_gaps_are_refused(tmp_path: Path) -> None:
    config = TrainingConfig.model_validate(SETTINGS)
    data = TrainingData(write_rsicd(tmp_path / "data", {"train": 16, "val": 8}, side=96), config)
    fabric = Fabric(accelerator="cpu", devices=1)
    first = Trainer(config, data, tmp_path, fabric)
    first.save("start.pt", first.model)
    more = config.model_copy(update={"views": 2, "token_blocks": 1})
    second = Trainer(more, data, tmp_path, fabric, start=tmp_path / "start.pt")
    torch.testing.assert_close(second.model.image_head.weight, first.model.image_head.weight)
    assert second.model.mpr_head is not None
    saved = torch.load(tmp_path / "start.pt", weights_only=True)
    del saved["model"]["image_head.bias"]
    torch.save(saved, tmp_path / "start.pt")
    with pytest.raises(UsageError, match=r"image_head\.bias"):
        Trainer(config, data, tmp_path, fabric, start=tmp_path / "start.pt")


def test_what_a_step_draws_does_not_depend_on_what_the_steps_before_it_drew(tmp_path: Path) -> None:
    config = TrainingConfig.model_validate(SETTINGS)
    data = TrainingData(write_rsicd(tmp_path / "data", {"train": 16, "val": 8}, side=96), config)
    trainer = Trainer(config, data, tmp_path, Fabric(accelerator="cpu", devices=1))

    def drawn(step: int) -> list[float]:
        trainer._seed(step)
        return [float(torch.rand((), generator=trainer.random)), float(torch.rand(()))]

    third = drawn(3)
    torch.rand(17, generator=trainer.random)
    assert drawn(3) == third
    assert drawn(4) != third
    orders = [torch.cat(list(trainer._batches(epoch))).tolist() for epoch in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == list(range(16))
