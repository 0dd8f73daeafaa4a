"""WebDataset: tar shards whose neighbouring members of one name are a sample (``000001.jpg``, ``000001.txt``).

A shard is read from front to end as a stream; nothing of it is ever written to a disk.
"""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path

from engine.datasets.captioned_folder import (
    USUAL_KEYS,
    CaptionedPicture,
    Damaged,
    DamagedSampleError,
    Keys,
    read_captions,
)

SHARD_ENDINGS = (".tar", ".tar.gz", ".tgz")
LARGEST_PART = 64 * 2**20  # bytes; what is larger is no picture of a tile, and is not read
_MEMBER = re.compile(r"((?:.*/)?[^/.]+)\.([^/]+)")
_BROKEN = (tarfile.TarError, OSError, EOFError, zlib.error, LZMAError)


def find_shards(folder: Path) -> list[Path]:
    """The shards in a folder and below it, by path."""
    return sorted(path for path in folder.rglob("*") if path.name.lower().endswith(SHARD_ENDINGS) and path.is_file())


def read_shard(path: Path, keys: Keys = USUAL_KEYS, folder: Path | None = None) -> Iterator[CaptionedPicture | Damaged]:
    """The samples of a shard in their order; a sample is named ``SHARD/NAME``. Pictures are not decoded.

    ``SHARD`` is the path below ``folder``, so that shards of one name in two folders stay apart; without it the name.

    A sample without a picture or a caption, or with a part above 64 MiB, is damaged; so is the rest of a shard that
    breaks off, as one.
    """
    shard_name = path.name if folder is None else path.relative_to(folder).as_posix()
    try:
        with tarfile.open(path, "r|*") as shard:
            parts: dict[str, bytes | None] = {}
            name = ""
            for member in shard:
                found = _MEMBER.fullmatch(member.name)
                if found is None or not member.isreg():
                    continue
                if found[1] != name:
                    yield from _sample(shard_name, name, parts, keys)
                    name, parts = found[1], {}
                key = found[2].lower()
                if key in keys.image or key in keys.text:
                    file = shard.extractfile(member) if member.size <= LARGEST_PART else None
                    parts[key] = None if file is None else file.read()
            yield from _sample(shard_name, name, parts, keys)
    except _BROKEN as error:
        yield Damaged(shard_name, f"the shard breaks off: {' '.join(str(error).split()) or type(error).__name__}")


def count_samples(path: Path, keys: Keys = USUAL_KEYS) -> int:
    """How many samples of a shard have a picture and a caption, by the names of its members alone.

    A shard that is not compressed is not read for this but leapt through.
    """
    kinds: dict[str, set[str]] = {}
    try:
        with tarfile.open(path, "r:" if path.suffix.lower() == ".tar" else "r|*") as shard:
            for member in shard:
                found = _MEMBER.fullmatch(member.name)
                if found is not None and member.isreg():
                    key = found[2].lower()
                    kind = "image" if key in keys.image else "text" if key in keys.text else ""
                    kinds.setdefault(found[1], set()).add(kind)
    except _BROKEN:
        pass  # what came before the break counts; reading names the break
    return sum({"image", "text"} <= found for found in kinds.values())


def _sample(shard: str, name: str, parts: dict[str, bytes | None], keys: Keys) -> Iterator[CaptionedPicture | Damaged]:
    if not parts:
        return
    whole = f"{shard}/{name}"
    image = next((key for key in keys.image if key in parts), None)
    text = next((key for key in keys.text if key in parts), None)
    if image is None or text is None:
        yield Damaged(whole, f"it has no {'picture' if image is None else 'caption'}")
        return
    picture, said = parts[image], parts[text]
    if picture is None or said is None:
        yield Damaged(whole, f"its {image if picture is None else text} is larger than {LARGEST_PART // 2**20} MiB")
        return
    try:
        yield CaptionedPicture(whole, picture, read_captions(said, text, keys))
    except DamagedSampleError as error:
        yield Damaged(whole, str(error))
