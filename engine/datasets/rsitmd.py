"""RSITMD (Yuan et al., IEEE TGRS 2022): 4,743 aerial images of 256 x 256 px with five captions each, in the split files
that retrieval papers share.

``rsitmd_train.json`` is a list with one entry a caption: ``{"caption": text, "image": "train/NAME.tif", "image_id",
"label_name": scene, "label"}``; ``rsitmd_val.json`` and ``rsitmd_test.json`` are lists with one entry an image:
``{"image": "test/NAME.tif", "caption": [five texts]}``, with ``label_name`` or without.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from engine.datasets.rsicd import SPLITS, CaptionedImage
from engine.errors import UsageError

CAPTIONS = 5
_IMAGE_FOLDERS = (".", "images", "rsitmd")
_SCENE_AND_NUMBER = re.compile(r"(?P<scene>[A-Za-z]+)_\d+")


def read_rsitmd(folder: Path, split: str) -> list[CaptionedImage]:
    """The images of a split in the order of its file, ``folder/rsitmd_SPLIT.json``.

    Images lie below the folder itself, or below ``images/`` or ``rsitmd/`` in it. An image whose entry names no scene
    has the one that its file name begins with (``airport_12.tif``), if it does.

    Raises:
        UsageError: the folder does not hold the split, the file is of another format, an image is missing, or has
            another number of captions than five.
    """
    listing = folder / f"rsitmd_{split}.json"
    if split not in SPLITS or not listing.is_file():
        raise UsageError(
            f"{folder} has no RSITMD split {split!r}.",
            f"Give the folder that holds {', '.join(f'rsitmd_{s}.json' for s in SPLITS)} and the images with --data.",
            folder=str(folder),
            split=split,
        )
    captions: dict[str, list[str]] = {}
    scenes: dict[str, str | None] = {}
    for name, texts, scene in _entries(listing):
        captions.setdefault(name, []).extend(texts)
        scenes.setdefault(name, scene)
    for name, texts in captions.items():
        if len(texts) != CAPTIONS:
            raise UsageError(
                f"{listing}: {name} has {len(texts)} captions, not {CAPTIONS}.",
                "Recalls of other numbers of captions do not compare: take the split file as it was published.",
                file=str(listing),
                image=name,
                captions=len(texts),
            )
    root = _image_root(folder, listing, list(captions))
    return [CaptionedImage(root / name, scenes[name], tuple(texts), ()) for name, texts in captions.items()]


def _entries(listing: Path) -> list[tuple[str, list[str], str | None]]:
    """Of each entry the image's name, its captions and its scene."""
    try:
        rows: Any = json.loads(listing.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _malformed(listing, str(error)) from error
    if not isinstance(rows, list) or not rows:
        raise _malformed(listing, "not a list of entries")
    out = []
    for number, row in enumerate(rows, 1):
        name = row.get("image") if isinstance(row, dict) else None
        texts = row.get("caption") if isinstance(row, dict) else None
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(name, str) or not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
            raise _malformed(listing, f"entry {number} does not have an image's name and a caption, or a list of them")
        named = row.get("label_name")
        out.append((name, texts, named if isinstance(named, str) else scene_of_name(name)))
    return out


def scene_of_name(name: str) -> str | None:
    """``"airport"`` of ``"test/airport_12.tif"``; None of a name of another form."""
    found = _SCENE_AND_NUMBER.fullmatch(Path(name).stem)
    return found["scene"] if found else None


def _malformed(listing: Path, problem: str) -> UsageError:
    return UsageError(
        f"{listing} is no split file of RSITMD: {problem}.",
        'Entries are {"image": "test/NAME.tif", "caption": [five texts]}, or, in train, one for each caption.',
        file=str(listing),
    )


def _image_root(folder: Path, listing: Path, names: list[str]) -> Path:
    """Where all images lie.

    Raises:
        UsageError: an image is missing.
    """
    roots = [folder / below for below in _IMAGE_FOLDERS if (folder / below / names[0]).is_file()]
    root = roots[0] if roots else folder
    missing = [name for name in names if not (root / name).is_file()]
    if missing:
        raise UsageError(
            f"{len(missing)} of {len(names)} images of {listing.name} are missing, the first is {root / missing[0]}.",
            f"Put the images below {folder}, as the split file names them ({names[0]}).",
            folder=str(folder),
            missing=len(missing),
        )
    return root
