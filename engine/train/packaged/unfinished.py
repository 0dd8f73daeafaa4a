"""A training that was cut goes on from its last epoch: everything that the next step depends on, in one file.

Random numbers follow from the place (:mod:`engine.train.seeds`), so that a run that was cut ends where an uninterrupted
one does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from engine.datasets.rsicd import read_split
from engine.evaluate.retrieval import Recalls, RetrievalReport
from engine.files import replace_file
from engine.train.packaged.data import texts_of

FILE = "unfinished.pt"


def keep(file: Path, run: str, parts: Mapping[str, Any], place: Mapping[str, Any]) -> None:
    """Replaces the file.

    Args:
        file: that it is kept in.
        run: tells runs apart, see :func:`digest_of`.
        parts: what has a state: modules and the optimiser.
        place: plain values.

    Raises:
        OutputError: it cannot be written.
    """
    states = {name: part.state_dict() for name, part in parts.items()}
    content = {"run": run, "parts": states, "place": dict(place)}
    replace_file(file, lambda temporary: torch.save(content, temporary))


def read(file: Path, run: str, *, mmap: bool = False) -> dict[str, Any] | None:
    """What was kept of a run; None: nothing of this one."""
    try:
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=mmap)
        return dict(content) if content["run"] == run else None
    except Exception:  # there is none, or it is damaged: torch raises whatever the bytes lead to
        return None


def is_of(file: Path, run: str) -> bool:
    """Whether :func:`read` would find this run; the states are left on the disk."""
    return read(file, run, mmap=True) is not None


def put_back(kept: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """Loads the states of the parts and returns the place."""
    for name, part in parts.items():
        part.load_state_dict(kept["parts"][name])
    return dict(kept["place"])


def digest_of(settings: str, data: Path, *files: Path) -> str:
    """What tells runs apart: settings, the training images' names and texts, and the files that they start from.

    Raises:
        UsageError: ``data`` does not hold the training split.
    """
    digest = hashlib.sha256(settings.encode())
    for image in read_split(data, "train"):
        digest.update("\n".join([image.path.name, *texts_of(image)]).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def report_to_kept(report: RetrievalReport) -> dict[str, Any]:
    """A report as plain values."""
    return asdict(report)


def report_from_kept(kept: Mapping[str, Any]) -> RetrievalReport:
    """What :func:`report_to_kept` made of it, back."""
    return RetrievalReport(kept["model"], kept["split"], Recalls(**kept["i2t"]), Recalls(**kept["t2i"]))
