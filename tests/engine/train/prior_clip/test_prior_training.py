"""Both stages of PriorCLIP's open domain, from pictures to weights that a search loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from engine.cli.main import main
from engine.errors import Cancelled, ModelError, UsageError
from engine.models.registry import load_model
from engine.resources import resource_path
from engine.train.prior_clip.config import PriorConfig, read_config
from engine.train.prior_clip.run import train_prior_clip
from engine.types import Json, Progress
from tests.support.mps_clip_training import ARCHITECTURE
from tests.support.pairs import good_members, write_shard, write_shards
from tests.support.rsicd import write_rsicd

COARSE: dict[str, dict[str, Any]] = {
    "model": {"architecture": ARCHITECTURE, "weights": ""},
    "prior": {"use": False},
    "objective": {"attribution": 0.0},
    "data": {"workers": 0, "val_pairs": 4, "shuffle": 4, "augment_operations": 0},
    "optimiser": {"epochs": 2, "batch_pairs": 8, "lr": 1e-3},
    "hardware": {"accelerator": "cpu", "precision": "32-true"},
}
FINE = COARSE | {
    "prior": {"use": True, "width": 8},
    "objective": {"attribution": 1.0},
    "data": {"workers": 0, "augment_operations": 0},
}


class StopAfter:
    """A sink that stops training after so many steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self, progress: Progress, /) -> None:
        if progress.stage == "train":
            self.left -= 1
            if not self.left:
                raise Cancelled


def write(file: Path, settings: dict[str, dict[str, Any]], **sections: dict[str, Any]) -> Path:
    content = {name: values | sections.get(name, {}) for name, values in settings.items()}
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def report(out: Path) -> Json:
    content: Json = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data for both stages, and both trained in ``coarse`` and ``fine`` by the command line."""
    top = tmp_path_factory.mktemp("stages")
    shards = write_shards(top / "shards", 2, 10)
    damaged = good_members(30, 2)
    damaged[0] = (damaged[0][0], b"no picture")
    write_shard(shards / "part-000b.tar", damaged)
    write_rsicd(top / "rsicd", {"train": 6, "val": 4}, 24)
    (top / "rsicd" / "images" / "train" / "blue_2.png").write_bytes(b"no picture")
    coarse = ["--data", str(shards), "--out", str(top / "coarse"), "--config", str(write(top / "coarse.json", COARSE))]
    assert main(["train", "prior-clip", *coarse]) == 0
    fine = ["--data", str(top / "rsicd"), "--out", str(top / "fine"), "--config", str(write(top / "fine.json", FINE))]
    assert main(["train", "prior-clip", *fine, "--start", str(top / "coarse" / "best.safetensors")]) == 0
    return top


def test_first_stage_reads_shards_and_names_what_it_left_out(stages: Path) -> None:
    found = report(stages / "coarse")
    assert (found["status"], found["steps"], len(found["history"])) == ("finished", 4, 2)
    assert found["data"]["layout"] == "webdataset" and found["data"]["val_images"] == 4
    assert found["data"]["pairs"] == 22 - 4
    assert found["damaged"] == {"part-000b.tar/tiles/00030": "it cannot be read as a picture"}
    assert found["scene_prior"] is None and found["start"] is None
    assert found["best"]["val"]["mR"] == max(row["val"]["mR"] for row in found["history"])
    assert sorted(path.name for path in (stages / "coarse").iterdir()) == [
        "best.safetensors", "curves.png", "last.ckpt", "report.json",
    ]  # fmt: skip
    assert not any("instruction" in name for name in load_file(stages / "coarse" / "best.safetensors"))


def test_second_stage_goes_on_from_the_first_and_reads_by_its_scene_prior(stages: Path) -> None:
    found = report(stages / "fine")
    assert found["start"]["file"] == str(stages / "coarse" / "best.safetensors")
    assert found["scene_prior"]["scenes"] == 4 and 0 <= found["scene_prior"]["val_accuracy"] <= 100
    assert found["damaged"] == {"train/blue_2.png": "it cannot be read as a picture"}
    assert (found["steps"], found["data"]["scenes"]) == (6, 4)
    first, second = (load_file(stages / name / "best.safetensors") for name in ("coarse", "fine"))
    assert not torch.equal(second["clip.visual.conv1.weight"], first["clip.visual.conv1.weight"])
    assert float(second["temp2"]) != pytest.approx(0.07, abs=1e-6)


def test_a_search_loads_what_was_trained(stages: Path) -> None:
    model = load_model(f"prior_clip:{stages / 'fine' / 'best.safetensors'}", "cpu")
    images = model.preprocess(np.random.default_rng(0).integers(0, 256, (2, 24, 24, 3), dtype=np.uint8))
    assert model.encode_images(images).shape == (2, 16)
    assert model.encode_patches(images).shape == (2, 2, 2, 16)
    assert model.encode_texts(["a red field"]).shape == (1, 16)
    assert (model.identity.architecture.startswith("prior_clip {"), model.image_size) == (True, 16)


@pytest.mark.parametrize("stage", ["coarse", "fine"])
def test_a_resumed_stage_has_the_curve_and_the_weights_of_an_uninterrupted_one(
    stages: Path, tmp_path: Path, stage: str
) -> None:
    settings = COARSE if stage == "coarse" else FINE
    config = write(tmp_path / "settings.json", settings, hardware={"checkpoint_steps": 1})
    data = stages / ("shards" if stage == "coarse" else "rsicd")
    start = None if stage == "coarse" else stages / "coarse" / "best.safetensors"
    for i, steps in enumerate((2, 2)):
        with pytest.raises(Cancelled):
            train_prior_clip(data, tmp_path, config, start=start, resume=i > 0, progress=StopAfter(steps))
    train_prior_clip(data, tmp_path, config, start=start, resume=True)
    whole, parts = (torch.load(out / "last.ckpt") for out in (stages / stage, tmp_path))
    assert whole["state"]["losses"] == parts["state"]["losses"]
    assert whole["state"]["damaged"] == parts["state"]["damaged"]
    assert all(torch.equal(value, parts["parameters"][name]) for name, value in whole["parameters"].items())
    best, again = (load_file(out / "best.safetensors") for out in (stages / stage, tmp_path))
    assert best.keys() == again.keys() and all(torch.equal(best[name], again[name]) for name in best)


def test_instruction_alone_is_trained_and_a_kept_scene_prior_is_taken(stages: Path, tmp_path: Path) -> None:
    kept = stages / "fine" / "scene-prior.safetensors"
    config = write(
        tmp_path / "settings.json",
        FINE,
        model={"train_backbone": False},
        prior={"use": True, "file": str(kept)},
        optimiser={"max_steps": 1},
    )
    train_prior_clip(stages / "rsicd", tmp_path / "out", config)
    saved, before = load_file(tmp_path / "out" / "best.safetensors"), load_file(kept)
    assert {name for name in saved if name.startswith("clip.")} == {
        "clip.visual.ln_pre.instruction.map.weight",
        "clip.visual.ln_pre.instruction.map.bias",
    }
    assert before.keys() <= saved.keys() and all(torch.equal(saved[name], value) for name, value in before.items())
    assert report(tmp_path / "out")["parameters"]["trained"] == 16 * 8 + 16 + 2
    # On the CLIP of a first stage the file has that CLIP too: the backbone's own weights are others.
    first = stages / "coarse" / "best.safetensors"
    train_prior_clip(stages / "rsicd", tmp_path / "on", config, start=first)
    again = load_file(tmp_path / "on" / "best.safetensors")
    assert all(torch.equal(again[name], v) for name, v in load_file(first).items() if name.startswith("clip."))


def test_what_cannot_be_trained_is_told(stages: Path, tmp_path: Path) -> None:
    shards, rsicd, start = stages / "shards", stages / "rsicd", stages / "coarse" / "best.safetensors"
    fine = write(tmp_path / "fine.json", FINE)
    with pytest.raises(UsageError, match=r"has no scenes to learn the prior from.*prior\.scenes"):
        train_prior_clip(shards, tmp_path / "a", write(tmp_path / "b.json", FINE, data={"val_pairs": 4}))
    other = tmp_path / "other.json"
    other.write_text(json.dumps(json.loads(fine.read_text()) | {"seed": 5}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"stands on the backbone random:.*the settings name random:"):
        train_prior_clip(rsicd, tmp_path / "b", other, start=start)
    with pytest.raises(UsageError, match="There is no file"):
        train_prior_clip(rsicd, tmp_path / "c", fine, start=tmp_path / "none.safetensors")
    with pytest.raises(UsageError, match=r"another run: backbone differ"):
        train_prior_clip(rsicd, stages / "fine", stages / "fine.json", resume=True)
    with pytest.raises(UsageError, match="do not fill a batch"):
        train_prior_clip(rsicd, tmp_path / "d", write(tmp_path / "d.json", FINE, optimiser={"batch_pairs": 31}))


def test_recipes_that_ship_are_two_stages_and_the_second_is_what_defaults_say(tmp_path: Path) -> None:
    coarse, fine = (read_config(resource_path("recipes", f"prior-clip-{name}.toml")) for name in ("coarse", "fine"))
    assert fine == PriorConfig() == read_config(None)
    assert fine.prior.use and not coarse.prior.use and coarse.objective.attribution == 0
    assert (coarse.model, coarse.seed) == (fine.model, fine.seed)  # the same backbone, as the second stage needs
    file = tmp_path / "settings.toml"
    for text, said in (
        ("[prior]\nuse = false\n[model]\ntrain_backbone = false", "nothing would be trained"),
        ("[data]\nregions = 2", r"data\.regions"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=said):
            read_config(file)
