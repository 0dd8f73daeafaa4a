"""Small models in the released ones' file layouts, built once a session: the real samgeo runs on them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.segment.samgeo.weights import SAM, SAM3
from engine.types import UInt8Array
from tests.support.tiny_sam import save_dino, save_sam, save_sam3, tiny_sam_builder


@pytest.fixture(scope="session")
def samgeo_installed() -> None:
    if importlib.util.find_spec("samgeo") is None or importlib.util.find_spec("groundingdino") is None:
        pytest.skip("samgeo or groundingdino is not installed; the development packages of 'make test' hold them")


@pytest.fixture(scope="session")
def sam3_weights(samgeo_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sam3-weights")
    save_sam3(folder / SAM3.path)
    return folder


@pytest.fixture(scope="session")
def sam_weights(samgeo_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """While it is in use, the kind vit_b of the package segment_anything is a small one."""
    from segment_anything import sam_model_registry

    folder = tmp_path_factory.mktemp("sam-weights")
    save_sam(folder / SAM["vit_b"].path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sam_model_registry, "vit_b", tiny_sam_builder)
        yield folder


@pytest.fixture(scope="session")
def langsam_weights(sam_weights: Path) -> Path:
    save_dino(sam_weights)
    return sam_weights


@pytest.fixture(scope="session")
def tiles() -> list[UInt8Array]:
    """Two tiles of different size and content."""
    noise = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    blocks = np.kron(np.arange(16, dtype=np.uint8).reshape(4, 4) * 16, np.ones((48, 56), np.uint8))
    return [noise, np.stack([blocks, 255 - blocks, blocks // 2], axis=-1)[:180, :200].copy()]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt to connect anywhere fails the test."""
    import socket

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was attempted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
