"""One command from RSICD to the packaged weights."""

from __future__ import annotations

import json
from pathlib import Path

from lightning.fabric import Fabric
from pydantic import ValidationError

from engine.errors import OutputError, UsageError
from engine.train.memory import keep_freed_memory
from engine.train.packaged.config import TrainingConfig
from engine.train.packaged.data import TrainingData
from engine.train.packaged.export import export
from engine.train.packaged.loop import Trainer
from engine.types import ProgressSink, no_progress

FIRST = "before-"  # marks what a run left that another one followed


def train_packaged(
    data: Path,
    out: Path,
    config_file: Path | None,
    progress: ProgressSink = no_progress,
    start: Path | None = None,
) -> Path:
    """Trains, picks the best epoch on val, writes ``out/rsicd-mini.safetensors``; returns its path.

    Where the settings name a second run, it starts from the best weights of the first, and its best are written.

    Raises:
        UsageError: the data folder or the settings cannot be used.
        OutputError: the output folder cannot be made.
    """
    config = read_config(config_file)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be made: {error.strerror}.", "Choose another folder with --out.") from error
    keep_freed_memory()
    Trainer(config, TrainingData(data, config), out, Fabric(devices=1), progress, start).run()
    while config.then is not None:  # the last run is the one that is exported
        config, start = config.then, out / f"{FIRST}best.pt"
        for file in ("best.pt", "report.json"):
            (out / file).replace(out / f"{FIRST}{file}")
        Trainer(config, TrainingData(data, config), out, Fabric(devices=1), progress, start).run()
    return export(out / "best.pt", out / "rsicd-mini.safetensors")


def read_config(file: Path | None) -> TrainingConfig:
    """The recipe's settings with those of a JSON file put over them."""
    if file is None:
        return TrainingConfig()
    try:
        return TrainingConfig.model_validate_json(file.read_bytes())
    except (OSError, ValidationError, json.JSONDecodeError) as error:
        raise UsageError(f"{file} cannot be used as training settings: {error}", "Mend the file.") from error
