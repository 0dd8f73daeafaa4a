"""Settings: the recipe that ships, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.errors import UsageError
from engine.resources import resource_path
from engine.train.mps_clip.config import TrainingConfig, read_config


def test_the_recipe_that_ships_is_the_released_one_and_what_defaults_say() -> None:
    recipe = read_config(resource_path("recipes", "mps-clip-vit-b-32.toml"))
    assert recipe == TrainingConfig()
    assert (recipe.optimiser.epochs, recipe.optimiser.batch_pairs, recipe.optimiser.lr) == (35, 64, 4e-5)
    assert (recipe.optimiser.new_lr_factor, recipe.optimiser.weight_decay, recipe.optimiser.warm_up) == (2.0, 0.04, 0.1)
    assert (recipe.data.smallest_crop, recipe.data.augment_operations, recipe.data.augment_magnitude) == (0.5, 2, 7)
    assert not recipe.model.train_backbone


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("sed = 1", "sed"),
        ("[optimiser]\nepoch = 3", "optimiser.epoch"),
        ("[data]\nsmallest_crop = 1.5", "data.smallest_crop"),
        ('[data]\nsegmenter = "sam"', "data.segmenter"),
        ('[model]\nweights = ""', "train_backbone = true"),
        ("[data", "cannot be read as TOML"),
    ],
)
def test_unknown_keys_and_values_are_refused_by_name(tmp_path: Path, text: str, key: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_config(file)
    assert key in str(caught.value)
    assert str(file) in str(caught.value)


def test_json_and_toml_say_the_same(tmp_path: Path) -> None:
    toml, json = tmp_path / "a.toml", tmp_path / "a.json"
    toml.write_text("seed = 4\n[optimiser]\nlr = 1e-3\n", encoding="utf-8")
    json.write_text('{"seed": 4, "optimiser": {"lr": 0.001}}', encoding="utf-8")
    assert read_config(toml) == read_config(json)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "nowhere"], "has no RSICD split"),
        (["--config", "nowhere.toml"], "nowhere.toml cannot be read"),
        (["--start", "weights.pt"], "--start is an option of 'mpsclip train packaged'"),
        (["--resume"], "There is no checkpoint"),
    ],
)
def test_wrong_use_is_told_with_exit_status_2(
    data: Path,
    settings: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    given = ["--data", str(data), "--out", str(tmp_path / "out"), "--config", str(settings())]
    assert main(["train", "mps-clip", *given, *arguments]) == 2
    assert said in capsys.readouterr().err
