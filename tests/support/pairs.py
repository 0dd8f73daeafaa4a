"""Small tar shards and folders of captioned pictures, with damage where it is asked for."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.rsicd import COLOURS


def picture(number: int, side: int = 24) -> tuple[str, bytes]:
    """A name of a colour and a PNG of it, with some noise."""
    name, colour = list(COLOURS.items())[number % len(COLOURS)]
    noise = np.random.default_rng(number).normal(0, 12, (side, side, 3))
    content = io.BytesIO()
    Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(content, "PNG")
    return name, content.getvalue()


def write_shard(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """A tar of these members, in their order."""
    with tarfile.open(path, "w") as shard:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            shard.addfile(member, io.BytesIO(content))
    return path


def good_members(first: int, count: int) -> list[tuple[str, bytes]]:
    """Samples with a picture and a caption, some of them in JSON."""
    members = []
    for number in range(first, first + count):
        name, content = picture(number)
        key, said = f"tiles/{number:05d}", f"{name} ground {number}"
        text = (f"{key}.json", json.dumps({"caption": said}).encode()) if number % 2 else (f"{key}.txt", said.encode())
        members += [(f"{key}.png", content), text]
    return members


def write_shards(folder: Path, shards: int, each: int) -> Path:
    """``shards`` shards of ``each`` samples."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(shards):
        write_shard(folder / f"part-{number:03d}.tar", good_members(number * each, each))
    return folder


def write_folder(folder: Path, count: int) -> Path:
    """Pictures with captions beside them, two folders deep."""
    for number in range(count):
        name, content = picture(number)
        place = folder / f"area-{number % 2}" / f"tile {number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        place.with_suffix(".txt").write_text(f"a {name} field\nmuch {name}\n\n", encoding="utf-8")
    return folder
