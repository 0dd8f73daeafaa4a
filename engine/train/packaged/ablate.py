"""Each ingredient of the packaged model's training on and off, from one start, under one short fixed budget.

A run is one difference from the base recipe. Steps draw from the seed and their number alone, so that two runs see the
same images in the same order, cropped alike. The text tower stays as published: its features are then computed once
for all runs, and a run is mostly the image tower's work.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from pydantic import ValidationError

from engine.errors import UsageError
from engine.files import make_folder
from engine.train.memory import keep_freed_memory
from engine.train.packaged.ablation_table import BASE, Run, table, write_table
from engine.train.packaged.config import TrainingConfig
from engine.train.packaged.data import TrainingData
from engine.train.packaged.loop import Trainer
from engine.train.packaged.recipe import read_config
from engine.types import ProgressSink, no_progress


@dataclass(frozen=True, slots=True)
class Ingredient:
    """One row of the table: what a run changes in the base recipe's settings."""

    name: str
    label: str
    changes: dict[str, Any]
    seed_shift: int = 0


def changing(name: str, label: str, seed_shift: int = 0, **changes: Any) -> Ingredient:
    """An ingredient whose changes are given by name."""
    return Ingredient(name, label, changes, seed_shift)


START = "start"
INGREDIENTS = (
    changing(START, "the common start, no step"),
    changing("base", "base recipe"),
    changing("base-again", "base recipe, another seed", seed_shift=1000),
    changing("attribution", "with attribution loss (PriorCLIP)", attribution_weight=1.0),
    changing("noun-priors", "with noun priors (OSDPM)", noun_prior_weight=0.3),
    changing("mpr", "with MPR heads on subimages (MPS-CLIP)", views=4),
    changing("token-blocks", "with two token blocks and G²A (MPS-CLIP)", token_blocks=2),
    changing("triplet", "with weighted triplet (MPS-CLIP)", triplet_weight=0.1),
    changing("queue", "with a queue of four batches", queue=4),  # in batches, see configure()
    changing("no-nouns", "without the noun term", noun_weight=0.0),
    changing("no-mosaics", "without mosaics (dense term)", dense_weight=0.0),
    changing("no-rotations", "without rotations", rotations=False),
    changing("soft-targets", "with soft targets", likeness_width=0.04),
    changing("cutmix", "with CutMix and stochastic depth", cutmix=0.5, drop_path=0.1),
    changing("synonyms", "with synonyms in 30 % of the texts", synonym_rate=0.3),
)


STARTS_FROM = {"seed", "image_size", "vocabulary", "embed_dim", "head_steps", "likeness_width", "limit_images"}
"""Settings that the warmed-up heads depend on."""


def base_settings(steps: int) -> dict[str, Any]:
    """The base recipe: the packaged file's, with one caption an image, at 128 px, and more of both towers frozen."""
    return {
        "batch_images": 64,
        "image_size": 128,
        "mosaic_size": 128,
        "frozen_stages": 4,
        "frozen_text_layers": 6,
        "smallest_crop": 0.5,
        "jitter": 0.2,
        "feature_dropout": 0.1,
        "cutmix": 0.0,
        "drop_path": 0.0,
        "likeness_width": 0.0,
        "synonym_rate": 0.0,
        "head_steps": 150,
        "max_steps": steps,
    }


def ablate(
    data: Path,
    out: Path,
    steps: int,
    seeds: Sequence[int] = (0,),
    config_file: Path | None = None,
    progress: ProgressSink = no_progress,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Makes all runs that ``out`` does not hold yet, and after each of them the table.

    A run that was cut starts again; one that is done under the same settings stays. The warmed-up heads from which all
    start, and the features of the texts, are made once.

    Args:
        data: folder of RSICD, or laid out like it.
        out: folder; gets ``start.pt``, ``texts.pt``, ``runs/NAME-SEED.json``, ``ablation.md`` and ``ablation.json``.
        steps: of each run.
        seeds: of each ingredient's runs.
        config_file: settings that are put over the base recipe's, JSON.
        progress: told after each step; may stop all.
        say: given one line after each run.

    Returns:
        The Markdown file.

    Raises:
        UsageError: the data folder or the settings cannot be used.
        OutputError: the output folder cannot be made.
    """
    make_folder(out / "runs")
    keep_freed_memory()
    base = base_settings(steps)
    if config_file is not None:
        base |= read_config(config_file).model_dump(exclude_unset=True)
    start_config = configure(base, {}, seeds[0], 1)
    held = TrainingData(data, start_config)
    steps_an_epoch = len(held.train) // start_config.batch_images
    if not steps_an_epoch:
        raise UsageError(
            f"{len(held.train)} images do not fill a batch of {start_config.batch_images}.",
            "Lower batch_images, or give more data.",
        )
    epochs = -(-steps // steps_an_epoch)
    fabric = Fabric(accelerator="auto", devices=1)
    texts = out / "texts.pt"
    held.published.load(texts)
    start = _start(start_config, held, out, fabric, progress)
    runs: list[Run] = []
    for seed in seeds:
        for ingredient in INGREDIENTS:
            config = configure(base, ingredient.changes, seed + ingredient.seed_shift, epochs)
            file = out / "runs" / f"{ingredient.name}-{seed}.json"
            run = _done(file, config)
            if run is None:
                run = _run(ingredient, seed, config, held, out, fabric, progress, start)
                held.published.save(texts)
                file.write_text(json.dumps(run.to_json(), indent=1) + "\n", encoding="utf-8")
                say(f"{ingredient.name}, seed {seed}: val mR {run.val_mr:.2f}, {run.minutes:.1f} min")
            runs.append(run)
            write_table(out, runs, steps, config)
    say(table(runs))
    return out / "ablation.md"


def configure(base: dict[str, Any], changes: dict[str, Any], seed: int, epochs: int) -> TrainingConfig:
    """Settings of one run; a queue is given in batches."""
    merged = base | changes
    if "queue" in changes:
        merged["queue"] = changes["queue"] * merged["batch_images"]
    try:
        return TrainingConfig(**merged | {"seed": seed, "epochs": epochs, "horizon_epochs": epochs})
    except ValidationError as error:
        raise UsageError(f"These settings cannot be used: {error}", "Mend --steps or --config.") from error


def _start(config: TrainingConfig, data: TrainingData, out: Path, fabric: Fabric, progress: ProgressSink) -> Path:
    """The checkpoint from which all runs start: published towers, heads warmed up."""
    file = out / "start.pt"
    wanted = config.model_dump(include=STARTS_FROM)
    if file.is_file():
        saved = torch.load(file, map_location="cpu", weights_only=True)["config"]
        if {name: saved.get(name) for name in wanted} == wanted:
            return file
    trainer = Trainer(config, data, out, fabric, progress)
    trainer.warm_up()
    trainer.save(file.name, trainer.model)
    return file


def _done(file: Path, config: TrainingConfig) -> Run | None:
    """What an earlier call left, if it was made with the same settings."""
    try:
        run = Run(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # none, or cut while it was written
        return None
    return run if run.config == config.model_dump(mode="json") else None


def _run(
    ingredient: Ingredient,
    seed: int,
    config: TrainingConfig,
    data: TrainingData,
    out: Path,
    fabric: Fabric,
    progress: ProgressSink,
    start: Path,
) -> Run:
    started, worked = time.monotonic(), time.process_time()
    trainer = Trainer(config, data, out, fabric, progress, start)
    history: dict[str, float] = {}
    if ingredient.name == START:
        val_mr = trainer.validate(trainer.model).mean_recall
    else:
        trainer.run()
        history = trainer.history[-1]
        val_mr = history["val_mR"]
    bare = trainer.validate(trainer.model).mean_recall if ingredient.name == BASE else None
    return Run(
        name=ingredient.name,
        label=ingredient.label,
        seed=seed,
        config=config.model_dump(mode="json"),
        val_mr=round(val_mr, 3),
        val_mr_without_average=None if bare is None else round(bare, 3),
        loss=history.get("loss"),
        parameters=sum(parameter.numel() for parameter in trainer.model.parameters()),
        minutes=round((time.monotonic() - started) / 60, 2),
        processor_minutes=round((time.process_time() - worked) / 60, 2),
    )
