"""The model catalogue, ``resources/models.json``: every model as data, checked when it is read.

What nobody could verify is null there: a revision is resolved and a sha256 taken at the first fetch, both are recorded
and held to ever after (:mod:`engine.models.weights`).
"""

from __future__ import annotations

import difflib
import json
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from engine.errors import ModelError, UsageError
from engine.resources import resource_path

DEFAULT_MODEL = "rsicd-mini"
_OF_THE_INSTALLATION = ("packaged", "compact_parts")


def _digits(value: object) -> object:
    """``sha256:3d2f…`` and ``commit:ab5b…`` to their digits.

    Bare digits between quotes look like a secret to the scanner of the plugin repository, which then refuses the zip.
    """
    return value.removeprefix("sha256:").removeprefix("commit:") if isinstance(value, str) else value


Sha256 = Annotated[str, BeforeValidator(_digits), Field(pattern=r"^[0-9a-f]{64}$")]
Commit = Annotated[str, BeforeValidator(_digits), Field(pattern=r"^[0-9a-f]{40}$")]
Channels = tuple[float, float, float]
# Normalisation of CLIP's training (Radford et al. 2021, arXiv 2103.00020) for RGB in [0, 1].
CLIP_MEAN: Channels = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Channels = (0.26862954, 0.26130258, 0.27577711)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PackagedSource(_Record):
    """A file below ``resources/models/``."""

    type: Literal["packaged"]
    file: str = Field(pattern=r"^[\w.-]+$")

    @property
    def filename(self) -> str:
        return self.file


class HubSource(_Record):
    """A file of a model repository on the Hugging Face hub; ``revision`` is a commit, null where not known."""

    type: Literal["hub"]
    repo: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    filename: str = Field(pattern=r"^[\w-][\w./-]*$")
    revision: Commit | None


class UrlSource(_Record):
    """A file on the web, or the file called ``member`` (in whichever folder) of a zip there."""

    type: Literal["url"]
    url: str = Field(pattern=r"^https://\S+$")
    member: str | None = Field(default=None, pattern=r"^[\w.-]+$")

    @property
    def filename(self) -> str:
        return self.member or PurePosixPath(self.url).name


Source = Annotated[PackagedSource | HubSource | UrlSource, Field(discriminator="type")]


class ModelEntry(_Record):
    """One model.

    Attributes:
        id: what ``--model`` takes.
        title: one line for people.
        kind: which loader reads it; ``compact_parts`` are parts that belong on the packaged model, and a model that is
            left out of :func:`catalogue` where this installation does not have their file.
        architecture: open_clip's name of it, or the packaged format's.
        source: where its weights are.
        sha256: of the weight file (hex).
        size_mb: rounded size of the weight file, 10^6 bytes.
        licence: of the weights, as their publisher states it; null where none is stated.
        paper: address.
        image_size: side of the square input, pixels.
        mean, std: normalisation per RGB channel, for values in [0, 1].
        ignored_keys: entries of the weight file that the model has no use for; any other surplus is an error.
        default_score: how regions enter its scores, chosen by validation (a value of
            :class:`engine.models.contract.ScoreMode`); null: as its class has it.
        wordings: of the packaged model, and of parts on it: file below ``resources/models/`` that says what it was not
            taught in words that it was (:mod:`engine.models.compact.wordings`); null: none.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    title: str = Field(min_length=1)
    kind: Literal["packaged", "compact_parts", "open_clip"]
    architecture: str = Field(min_length=1)
    source: Source
    sha256: Sha256 | None
    size_mb: float | None = Field(gt=0)
    licence: str | None
    paper: str | None = Field(pattern=r"^https://\S+$")
    image_size: int = Field(gt=0, le=2048)
    mean: Channels
    std: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
    ignored_keys: tuple[str, ...] = ()
    default_score: Literal["global", "fused", "max_view"] | None = None
    wordings: str | None = Field(default=None, pattern=r"^[\w.-]+$")

    @model_validator(mode="after")
    def _packaged_kind_and_source_agree(self) -> ModelEntry:
        if (self.kind in _OF_THE_INSTALLATION) != (self.source.type == "packaged"):
            raise ValueError(f"{self.id}: kind {self.kind} does not go with source {self.source.type}")
        return self


class Catalogue(_Record):
    """All models, in the order in which they are listed."""

    models: tuple[ModelEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Catalogue:
        ids = self.ids
        double = sorted({name for name in ids if ids.count(name) > 1})
        if double:
            raise ValueError(f"these ids stand twice: {', '.join(double)}")
        return self

    @property
    def ids(self) -> list[str]:
        return [entry.id for entry in self.models]

    def get(self, model_id: str) -> ModelEntry:
        """The entry of a model.

        Raises:
            UsageError: there is none; the message lists the known ones.
        """
        for entry in self.models:
            if entry.id == model_id:
                return entry
        close = difflib.get_close_matches(model_id, self.ids, n=1)
        hint = f"Did you mean {close[0]}? " if close else ""
        raise UsageError(
            f"There is no model {model_id!r}.",
            f"{hint}Known models: {', '.join(self.ids)}; or open_clip:ARCHITECTURE:FILE or mps_clip:FILE for weights "
            "of your own.",
            model=model_id,
            known=self.ids,
        )


def read_catalogue(path: Path) -> Catalogue:
    """Reads and checks a catalogue file.

    Raises:
        ModelError: it is missing, is no JSON, or breaks the schema; the message names the field.
    """
    try:
        return Catalogue.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ModelError(f"The model catalogue {path} cannot be read: {error.strerror}.", _REINSTALL) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise ModelError(f"The model catalogue {path} is wrong at {place}: {first['msg']}.", _REINSTALL) from error
    except ValueError as error:
        raise ModelError(f"The model catalogue {path} is no JSON: {error}.", _REINSTALL) from error


@cache
def catalogue() -> Catalogue:
    """The catalogue of this installation, without parts that it does not have."""
    everything = read_catalogue(resource_path("models.json"))
    here = tuple(entry for entry in everything.models if entry.kind != "compact_parts" or _is_here(entry))
    return everything.model_copy(update={"models": here})


def _is_here(entry: ModelEntry) -> bool:
    return resource_path("models", entry.source.filename).is_file()


_REINSTALL = "Restore the file or install the project again."
