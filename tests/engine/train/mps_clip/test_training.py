"""Training of MPS-CLIP from a folder of pictures to weights, report and curves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from math import comb
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from engine.cli.main import main
from engine.errors import Cancelled, UsageError
from engine.files import replace_file
from engine.models.mps_clip.adapter_file import load_adapters
from engine.models.registry import load_model
from engine.resources import resource_path
from engine.train.mps_clip.config import read_config
from engine.train.mps_clip.network import build_network
from engine.train.mps_clip.run import train_mps_clip
from engine.train.runs.loop import schedule
from engine.types import Json, Progress, no_progress
from tests.support.mps_clip_training import IMAGES, SETTINGS, SIDE
from tests.support.rsicd import write_rsicd

Settings = Callable[..., Path]


class StopAfter:
    """A sink that stops training after so many steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self, progress: Progress, /) -> None:
        if progress.stage == "train":
            self.left -= 1
            if not self.left:
                raise Cancelled


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two epochs, six steps, that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    config = folder / "settings.json"
    config.write_text(json.dumps(SETTINGS), encoding="utf-8")
    pictures = write_rsicd(folder / "data", IMAGES, SIDE)
    train_mps_clip(pictures, folder / "out", config)
    return folder / "out"


def report(out: Path) -> Json:
    content: Json = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return content


def without_time(row: Json) -> Json:
    return {name: value for name, value in row.items() if name != "minutes"}


def test_the_command_leaves_checkpoint_weights_report_and_curves(
    data: Path, settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["train", "mps-clip", "--data", str(data), "--out", str(out), "--config", str(settings())]) == 0
    found = report(out)
    assert found["status"] == "finished"
    assert [row["epoch"] for row in found["history"]] == [1, 2]
    assert len(found["losses"]) == found["steps"] == 6
    assert found["best"]["val"]["mR"] == max(row["val"]["mR"] for row in found["history"])
    # Four images and twenty captions in random order; an image's five captions are all missed in so many ways.
    i2t = [1 - comb(15, k) / comb(20, k) for k in (1, 5, 10)]
    assert found["chance_mR"] == pytest.approx(100 * (sum(i2t) + 1 / 4 + 1 + 1) / 6, abs=1e-4)
    assert found["data"] == {"folder": str(data), "images": 6, "pairs": 30, "val_images": 4}
    assert found["config"]["optimiser"]["batch_pairs"] == 8
    assert found["environment"]["torch"] == torch.__version__
    assert f"after epoch {found['best']['epoch']}" in capfd.readouterr().out
    with Image.open(out / "curves.png") as picture:
        assert picture.format == "PNG" and picture.width > 600
        assert len(np.unique(np.asarray(picture.convert("L")))) > 20
    assert sorted(path.name for path in out.iterdir()) == ["best.safetensors", "curves.png", "last.ckpt", "report.json"]


def test_a_resumed_run_has_the_curve_and_the_weights_of_an_uninterrupted_one(
    whole: Path, data: Path, settings: Settings, tmp_path: Path
) -> None:
    """Stopped within an epoch, at the end of one before it was measured, and in the second."""
    config, parts = settings(hardware={"checkpoint_steps": 1}), tmp_path / "parts"
    for i, steps in enumerate((2, 1, 3)):
        with pytest.raises(Cancelled):
            train_mps_clip(data, parts, config, resume=i > 0, progress=StopAfter(steps))
    assert len(torch.load(parts / "last.ckpt")["state"]["losses"]) == 5
    train_mps_clip(data, parts, config, resume=True)
    a, b = torch.load(whole / "last.ckpt"), torch.load(parts / "last.ckpt")
    assert a["state"]["losses"] == b["state"]["losses"]
    assert len(a["state"]["losses"]) == 6
    assert list(map(without_time, a["state"]["history"])) == list(map(without_time, b["state"]["history"]))
    assert all(torch.equal(value, b["parameters"][name]) for name, value in a["parameters"].items())
    best, again = load_file(whole / "best.safetensors"), load_file(parts / "best.safetensors")
    assert best.keys() == again.keys() and all(torch.equal(best[name], again[name]) for name in best)


def test_steps_since_the_last_checkpoint_are_done_again_alike(
    whole: Path, data: Path, settings: Settings, tmp_path: Path
) -> None:
    parts = tmp_path / "parts"
    with pytest.raises(Cancelled):
        train_mps_clip(data, parts, settings(), progress=StopAfter(5))
    assert report(parts)["steps"] == 3  # the epoch that was finished
    train_mps_clip(data, parts, settings(data={"workers": 1}), resume=True)
    assert report(parts)["losses"] == report(whole)["losses"]


def test_another_seed_gives_another_curve(whole: Path, data: Path, settings: Settings, tmp_path: Path) -> None:
    other = settings(optimiser={"max_steps": 2})
    other.write_text(json.dumps(json.loads(other.read_text()) | {"seed": 1}), encoding="utf-8")
    train_mps_clip(data, tmp_path / "out", other)
    assert report(tmp_path / "out")["losses"][0] != report(whole)["losses"][0]


def test_a_run_goes_on_only_as_itself(data: Path, settings: Settings, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train_mps_clip(data, out, settings(optimiser={"max_steps": 1}))
    with pytest.raises(UsageError, match=r"holds a run already.*--resume"):
        train_mps_clip(data, out, settings())
    with pytest.raises(UsageError, match=r"another run: config\.optimiser\.lr, config\.optimiser\.max_steps differ"):
        train_mps_clip(data, out, settings(optimiser={"lr": 2e-3}), resume=True)
    (out / "last.ckpt").write_bytes(b"half a file")
    with pytest.raises(UsageError, match="no checkpoint of this version"):
        train_mps_clip(data, out, settings(optimiser={"max_steps": 1}), resume=True)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "last.ckpt"
    replace_file(file, lambda temporary: temporary.write_bytes(b"first"))

    def half(temporary: Path) -> None:
        temporary.write_bytes(b"sec")
        raise Cancelled

    with pytest.raises(Cancelled):
        replace_file(file, half)
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
    assert file.read_bytes() == b"first"


def test_a_search_loads_what_was_trained(whole: Path) -> None:
    model = load_model(f"mps_clip:{whole / 'best.safetensors'}", "cpu")
    trained = load_file(whole / "best.safetensors")
    assert torch.equal(model.net.visual.proj, trained["model.visual.proj"])  # type: ignore[attr-defined]
    assert (model.image_size, model.embed_dim) == (16, 16)
    assert model.encode_texts(["a red field"]).shape == (1, 16)
    pixels = np.zeros((2, 48, 48, 3), np.uint8)
    assert model.encode_images(model.preprocess(pixels)).shape == (2, 16)


def test_training_stops_when_val_no_longer_gains(data: Path, settings: Settings, tmp_path: Path) -> None:
    config = settings(optimiser={"epochs": 50, "patience": 2, "lr": 1e-9})
    train_mps_clip(data, tmp_path / "out", config)
    found = report(tmp_path / "out")
    assert found["status"] == "stopped early"
    assert len(found["history"]) == found["best"]["epoch"] + 2


def test_on_given_weights_adapters_and_heads_alone_are_trained(data: Path, settings: Settings, tmp_path: Path) -> None:
    random = build_network(read_config(settings()).model, 0, no_progress).model.clip
    state = {name: value for name, value in random.state_dict().items() if "g2adapter" not in name}
    save_file(state, tmp_path / "clip.safetensors")
    given = {"weights": str(tmp_path / "clip.safetensors"), "train_backbone": False}
    config, out = settings(model=given, optimiser={"lr": 1e-2}), tmp_path / "out"
    train_mps_clip(data, out, config)
    saved = load_file(out / "best.safetensors")
    assert all("g2adapter" in name or name.startswith("mpr_head.") for name in saved)
    assert report(out)["parameters"]["trained"] == sum(value.numel() for value in saved.values())
    built = build_network(read_config(config).model, 0, no_progress)
    load_adapters(built, out / "best.safetensors")
    up = built.model.adapters()[0].up_proj.weight
    assert float(up.detach().abs().max()) > 1e-3  # zero in a fresh adapter
    assert torch.equal(built.model.clip.visual.proj, state["visual.proj"])


@pytest.mark.slow
def test_regions_are_outlined_once_and_trained_on(data: Path, settings: Settings, tmp_path: Path) -> None:
    config = settings(data={"regions": 2, "limit_train": 2, "workers": 0}, optimiser={"max_steps": 1})
    told: list[Progress] = []
    cache = tmp_path / "cache"
    assert train_mps_clip(data, tmp_path / "a", config, masks_only=True, cache=cache, progress=told.append) is None
    assert told[-1] == Progress("outline", 2, 2)
    assert not (tmp_path / "a").exists()
    kept = (cache / "training-masks.sqlite").read_bytes()
    train_mps_clip(data, tmp_path / "a", config, cache=cache)
    train_mps_clip(data, tmp_path / "b", config, cache=cache)
    assert (cache / "training-masks.sqlite").read_bytes() == kept
    without = settings(data={"regions": 0, "limit_train": 2}, optimiser={"max_steps": 1})
    train_mps_clip(data, tmp_path / "c", without)
    losses = [report(tmp_path / name)["losses"] for name in "abc"]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.slow
def test_two_processes_have_the_loss_of_one_with_the_whole_batch(
    data: Path, settings: Settings, tmp_path: Path
) -> None:
    train_mps_clip(data, tmp_path / "one", settings(optimiser={"max_steps": 2}))
    two = settings("two.json", optimiser={"max_steps": 2, "batch_pairs": 4}, hardware={"devices": 2, "strategy": "ddp"})
    command = [sys.executable, "-m", "engine", "train", "mps-clip", "--data", str(data), "--config", str(two)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, "--out", str(tmp_path / "two")], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("val mR") == 1
    # Fresh adapters are the identity, so that the first step knows nothing of dropout.
    assert report(tmp_path / "two")["losses"][0] == pytest.approx(report(tmp_path / "one")["losses"][0], rel=1e-5)
    assert report(tmp_path / "two")["environment"]["devices"] == 2


def test_rates_rise_in_a_line_and_fall_in_a_line() -> None:
    factors = [schedule(step, 100, 0.1) for step in range(100)]
    assert np.allclose(factors[:10], np.arange(1, 11) / 10)
    assert np.allclose(factors[10:], 1 - np.arange(90) / 90)
    assert schedule(0, 5, 0.0) == 1.0


@pytest.mark.slow
def test_a_trial_on_rsicd_learns(shared_data: Path, tmp_path: Path) -> None:
    """From random weights, on a CPU, in minutes: at least five times what a random order reaches."""
    rsicd = shared_data / "data" / "rsicd"
    outcome = train_mps_clip(rsicd, tmp_path / "out", resource_path("recipes", "trial-cpu.toml"))
    assert outcome is not None and outcome.state.best is not None
    assert outcome.state.best["val"]["mR"] >= 5 * outcome.chance
    losses = outcome.state.losses
    assert np.mean(losses[-50:]) < np.mean(losses[:50])
