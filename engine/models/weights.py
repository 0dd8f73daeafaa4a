"""Where a model's weight file is on this machine, and whether it is the file it was.

A catalogue model's files lie in ``<data folder>/models/<id>/``, whether fetched or put there by hand. ``record.json``
beside them holds what the catalogue leaves open: the hub commit and the sha256 of the first file seen.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

import platformdirs

from engine.errors import ModelError
from engine.models.catalogue import ModelEntry
from engine.resources import resource_path

DATA_FOLDER_VARIABLE = "MPSCLIP_DATA_DIR"
_RECORD = "record.json"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class WeightRecord:
    """What is held to after the first fetch: the sha256 of the file (hex) and, from a hub, the commit."""

    sha256: str
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A weight file on this machine, its sha256 (hex) checked."""

    path: Path
    sha256: str


def data_folder() -> Path:
    """The user's data folder of this product; the environment variable MPSCLIP_DATA_DIR overrides it."""
    chosen = os.environ.get(DATA_FOLDER_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_data_dir("mpsclip", appauthor=False))


def model_folder(entry: ModelEntry) -> Path:
    """Where the model's fetched files lie, or are to be put by hand."""
    return data_folder() / "models" / entry.id


def local_file(entry: ModelEntry) -> Path | None:
    """The model's weight file if it is on this machine."""
    if entry.source.type == "packaged":
        packaged = resource_path("models", entry.source.file)
        return packaged if packaged.is_file() else None
    name = entry.source.filename
    # The folders of a hub repository need not be repeated by whoever copies a file by hand.
    candidates = (model_folder(entry) / name, model_folder(entry) / PurePosixPath(name).name)
    return next((path for path in candidates if path.is_file()), None)


def read_record(entry: ModelEntry) -> WeightRecord | None:
    """What was recorded of the model at its first fetch.

    Raises:
        ModelError: the record is damaged.
    """
    path = model_folder(entry) / _RECORD
    try:
        return WeightRecord(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"{path} cannot be read: {error}.",
            f"Delete the folder {path.parent}, then search again or run: mpsclip models fetch {entry.id}",
            path=str(path),
        ) from error


def checked(entry: ModelEntry, path: Path, revision: str | None = None) -> WeightFile:
    """Holds the file to the catalogue's sha256 or the recorded one; the first seen is recorded, with ``revision``.

    Raises:
        ModelError: the file is another one, or cannot be read.
    """
    actual = file_sha256(path)
    record = read_record(entry)
    expected = entry.sha256 or (record.sha256 if record else None)
    if expected is None:
        _write_record(entry, WeightRecord(actual, revision))
    elif actual != expected:
        known = "the catalogue's" if entry.sha256 else "the one recorded at the first fetch"
        remedy = (
            "Install the project again."
            if entry.source.type == "packaged"
            else f"Delete {model_folder(entry)}, then search again or run: mpsclip models fetch {entry.id}"
        )
        raise ModelError(
            f"{path} is not the file of model {entry.id}: its sha256 is {actual}, {known} is {expected}.",
            remedy,
            model=entry.id,
            path=str(path),
            sha256=actual,
            expected=expected,
        )
    return WeightFile(path, actual)


def file_sha256(path: Path) -> str:
    """sha256 of a file (hex).

    Raises:
        ModelError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            # hashlib.file_digest is not in Python 3.10.
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.", "Check the path.", path=str(path)) from error
    return digest.hexdigest()


def _write_record(entry: ModelEntry, record: WeightRecord) -> None:
    # The packaged model belongs to the installation: nothing is recorded outside it.
    if entry.source.type == "packaged":
        return
    folder = model_folder(entry)
    temporary = folder / f"{_RECORD}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
        temporary.replace(folder / _RECORD)
    except OSError as error:
        raise ModelError(
            f"The checksum of model {entry.id} cannot be recorded in {folder}: {error.strerror}.",
            f"Make the folder writable, or choose another with {DATA_FOLDER_VARIABLE}.",
            path=str(folder),
        ) from error
