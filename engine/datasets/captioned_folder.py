"""Pictures with captions beside them, at any depth of a folder: ``NAME.jpg`` and ``NAME.txt`` or ``NAME.json``."""

from __future__ import annotations

import io
import json
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from engine.errors import UsageError
from engine.types import UInt8Array

IMAGE_KEYS = ("jpg", "jpeg", "png", "webp", "tif", "tiff")
TEXT_KEYS = ("txt", "caption", "json")
CAPTION_FIELDS = ("caption", "captions", "text")


@dataclass(frozen=True, slots=True)
class Keys:
    """Which parts of a sample are what.

    Attributes:
        image: endings of pictures, without the dot, lower case.
        text: endings of captions, the first that a sample has counts; one that ends in ``json`` is an object whose
            fields are looked at, in any other each line is a caption.
        fields: of such an object: the first that is there, a text or a list of texts.
    """

    image: Sequence[str] = IMAGE_KEYS
    text: Sequence[str] = TEXT_KEYS
    fields: Sequence[str] = CAPTION_FIELDS


USUAL_KEYS = Keys()


@dataclass(frozen=True, slots=True)
class CaptionedPicture:
    """One picture, in a file or as the bytes of one, with its captions (at least one) and its scene, where known."""

    name: str
    picture: Path | bytes = field(repr=False)
    captions: tuple[str, ...]
    scene: str | None = None


@dataclass(frozen=True, slots=True)
class Damaged:
    """A sample that cannot be used, and why not."""

    name: str
    reason: str


class DamagedSampleError(ValueError):
    """What a part of a sample says of itself when it cannot be used."""


def read_folder(folder: Path, keys: Keys = USUAL_KEYS) -> Iterator[CaptionedPicture | Damaged]:
    """All pictures below ``folder``, in the order of their paths; none is decoded.

    Raises:
        UsageError: the folder cannot be read.
    """
    endings = {f".{key}" for key in keys.image}
    try:
        files = sorted(Path(top, name) for top, _, names in os.walk(folder, onerror=_refuse) for name in names)
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror}.", "Check --data.", folder=str(folder)) from error
    known = set(files)
    for file in files:
        if file.suffix.lower() not in endings:
            continue
        name = str(file.relative_to(folder))
        beside = next((text for key in keys.text if (text := file.with_suffix(f".{key}")) in known), None)
        try:
            if beside is None:
                raise DamagedSampleError("there is no caption beside it")
            captions = read_captions(beside.read_bytes(), beside.suffix[1:], keys)
        except (DamagedSampleError, OSError) as error:
            yield Damaged(name, str(error))
            continue
        yield CaptionedPicture(name, file, captions)


def read_captions(content: bytes, key: str, keys: Keys = USUAL_KEYS) -> tuple[str, ...]:
    """The captions in a sample's text part, white space made single; none is empty.

    Args:
        content: of the part.
        key: its ending.
        keys: which fields count.

    Raises:
        DamagedSampleError: it is no UTF-8 or JSON, or holds no caption.
    """
    try:
        text = content.decode("utf-8-sig")
        found: object = _field(json.loads(text), keys.fields) if key.lower().endswith("json") else text.splitlines()
    except ValueError as error:
        raise DamagedSampleError(f"its {key} cannot be read: {' '.join(str(error).split())}") from error
    several = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    captions = tuple(said for one in several if isinstance(one, str) and (said := " ".join(one.split())))
    if not captions:
        raise DamagedSampleError(f"its {key} holds no caption")
    return captions


def decode(sample: CaptionedPicture) -> UInt8Array:
    """The picture as uint8 RGB ``(H, W, 3)``.

    Raises:
        DamagedSampleError: it cannot be read as a picture, or is larger than Pillow takes for harmless.
    """
    source = io.BytesIO(sample.picture) if isinstance(sample.picture, bytes) else sample.picture
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source) as picture:
                return np.array(picture.convert("RGB"))
    except Exception as error:  # Pillow's readers raise whatever the damage leads to
        said = str(error) if isinstance(error, (Image.DecompressionBombWarning, Image.DecompressionBombError)) else ""
        raise DamagedSampleError(said or "it cannot be read as a picture") from error


def _field(content: object, fields: Sequence[str]) -> object:
    if not isinstance(content, dict):
        return None
    return next((content[name] for name in fields if content.get(name)), None)


def _refuse(error: OSError) -> None:
    raise error
