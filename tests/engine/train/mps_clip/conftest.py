"""Pictures to train on, and files of settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.mps_clip_training import IMAGES, SETTINGS, SIDE
from tests.support.rsicd import write_rsicd


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """The networks are so small that a second thread gains nothing, and waits for long on a busy machine.

    For whole modules: runs that are compared to the last bit must have the same number of threads.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with :data:`IMAGES`, five captions each."""
    return write_rsicd(tmp_path / "data", IMAGES, SIDE)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of settings: the very small ones with those of some sections put over them."""

    def write(name: str = "settings.json", **sections: dict[str, Any]) -> Path:
        file = tmp_path / name
        content = {section: values | sections.get(section, {}) for section, values in SETTINGS.items()}
        file.write_text(json.dumps(content), encoding="utf-8")
        return file

    return write
