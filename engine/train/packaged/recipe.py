"""A recipe of more than one run: teachers, and the distillation of what they know together."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import UsageError
from engine.train.packaged.config import TrainingConfig
from engine.train.packaged.distil.config import DistilConfig


class Recipe(BaseModel):
    """Teachers are trained one after the other; the student starts from the first of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    teachers: list[TrainingConfig] = Field(min_length=1)
    distil: DistilConfig = DistilConfig()


def read_recipe(file: Path | None) -> TrainingConfig | Recipe:
    """The settings of a JSON file put over the defaults: of one run, or of teachers and a distillation.

    Raises:
        UsageError: the file cannot be read, or a setting is unknown or out of its range.
    """
    if file is None:
        return TrainingConfig()
    try:
        settings = json.loads(file.read_bytes())
        kind = Recipe if isinstance(settings, dict) and "teachers" in settings else TrainingConfig
        return kind.model_validate(settings)
    except (OSError, ValidationError, ValueError) as error:
        raise UsageError(f"{file} cannot be used as training settings: {error}", "Mend the file.") from error


def read_config(file: Path | None) -> TrainingConfig:
    """As :func:`read_recipe`, for what wants the settings of one run.

    Raises:
        UsageError: also where the file names teachers.
    """
    settings = read_recipe(file)
    if isinstance(settings, Recipe):
        raise UsageError(f"{file} names teachers.", "Give the settings of one run, such as those of a teacher.")
    return settings
