"""Reference files: a description in JSON, the weights, and inputs with the outputs and losses they lead to."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from engine.errors import ModelError, UsageError
from engine.models.checkpoint import StateDict


@dataclass(frozen=True, slots=True)
class Fixture:
    """One instance of a model.

    Attributes:
        name: of the files, without their endings.
        description: sizes and constants; ``kind`` says of which model.
        weights: file of the weights, safetensors.
        tensors: inputs and expected results by name.
        path: file of ``tensors``, for messages.
    """

    name: str
    description: dict[str, Any]
    weights: Path
    tensors: StateDict
    path: Path

    @property
    def kind(self) -> str:
        return str(self.description.get("kind"))

    def input(self, name: str) -> Tensor:
        """An input tensor.

        Raises:
            ModelError: there is none of this name.
        """
        if name not in self.tensors:
            raise ModelError(f"{self.path} has no input {name!r}.", _REMEDY, path=str(self.path), name=name)
        return self.tensors[name]


Sizes = TypeVar("Sizes", bound=BaseModel)


def described(fixture: Fixture, kind: type[Sizes]) -> Sizes:
    """The description as its kind's model of it.

    Raises:
        ModelError: it is incomplete or wrong; the message names the first place.
    """
    try:
        return kind.model_validate(fixture.description)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise ModelError(
            f"{fixture.name}.json is wrong at {place}: {first['msg']}.", "Complete the description.", field=place
        ) from error


def expected_names(fixture: Fixture, inputs: Collection[str], known: Collection[str], model: str) -> list[str]:
    """Names of the outputs and losses that a fixture expects, sorted.

    Args:
        fixture: the reference file.
        inputs: names of its kind's inputs.
        known: names of its kind's outputs and losses.
        model: the kind's name in messages.

    Raises:
        ModelError: one is none of the known ones.
    """
    names = sorted(fixture.tensors.keys() - set(inputs))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ModelError(
            f"{fixture.path} expects what {model} does not have: {', '.join(unknown)}.",
            f"Known outputs and losses: {', '.join(known)}.",
            unknown=unknown,
        )
    return names


def in_shape(fixture: Fixture, name: str, value: Tensor) -> Tensor:
    """A result as the file has it: numbers are stored as vectors of one. Other shapes stay what they are."""
    expected = fixture.tensors[name]
    return value.reshape(expected.shape) if value.ndim == 0 and expected.numel() == 1 else value


def read_fixture(prefix: str) -> Fixture:
    """Reads ``PREFIX.json``, ``PREFIX.weights.safetensors`` and ``PREFIX.io.safetensors``.

    Raises:
        UsageError: one of them does not exist.
        ModelError: one of them cannot be read.
    """
    description, weights, tensors = (Path(prefix + end) for end in (".json", ".weights.safetensors", ".io.safetensors"))
    for path in (description, weights, tensors):
        if not path.is_file():
            raise UsageError(
                f"There is no file {path}.",
                "PREFIX is what stands before .json, .weights.safetensors and .io.safetensors; all three are needed.",
                path=str(path),
            )
    try:
        said = json.loads(description.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{description} cannot be read as JSON: {error}.", _REMEDY, path=str(description)) from error
    if not isinstance(said, dict):
        raise ModelError(f"{description} is no JSON object.", _REMEDY, path=str(description))
    try:
        return Fixture(description.stem, said, weights, load_file(tensors), tensors)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{tensors} cannot be read as safetensors: {error}.", _REMEDY, path=str(tensors)) from error


def max_abs_difference(fixture: Fixture, computed: StateDict) -> dict[str, float]:
    """The largest absolute difference of each computed tensor from the expected one.

    Raises:
        ModelError: shapes differ, or a value is no number.
    """
    differences = {}
    for name, value in computed.items():
        expected = fixture.tensors[name]
        if value.shape != expected.shape:
            raise ModelError(
                f"{name} has the shape {tuple(value.shape)} where {fixture.path} has {tuple(expected.shape)}.",
                _REMEDY,
                name=name,
            )
        difference = float((value.double() - expected.double()).abs().max()) if value.numel() else 0.0
        if not math.isfinite(difference):
            raise ModelError(f"{name} has values that are no numbers, here or in {fixture.path}.", _REMEDY, name=name)
        differences[name] = difference
    return differences


_REMEDY = "Use the files as they were made, all three of one fixture."
