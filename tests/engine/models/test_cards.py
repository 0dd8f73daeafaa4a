"""A card is used where PyTorch has code for it, and only there."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from engine.diagnose.probes import look_at_devices
from engine.errors import UsageError
from engine.models.cards import first_usable_card, is_covered
from engine.models.registry import resolve_device
from engine.server.handlers import machine

BUILT_FOR = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]


def put_in(monkeypatch: pytest.MonkeyPatch, *capabilities: tuple[int, int], built_for: Sequence[str]) -> None:
    """The driver reports these cards, as it does whatever PyTorch was built for."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: list(built_for))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda card: capabilities[card])
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda card: f"card {card}")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize(
    ("capability", "built_for", "expected"),
    [
        ((6, 1), BUILT_FOR, False),  # GTX 1080
        ((7, 0), BUILT_FOR, False),  # V100: the same first number does not do
        ((7, 5), BUILT_FOR, True),
        ((8, 9), BUILT_FOR, True),
        ((10, 3), BUILT_FOR, True),
        ((11, 0), BUILT_FOR, False),
        ((12, 1), BUILT_FOR, True),
        ((13, 0), BUILT_FOR, True),  # translated by the driver
        ((9, 0), ["sm_90a"], True),
        ((9, 1), ["sm_90a", "compute_90a"], False),
        ((10, 3), ["sm_100f"], True),
        ((12, 0), ["compute_100f"], False),
        ((9, 0), ["gfx90a"], True),  # ROCm
    ],
)
def test_card_is_covered_by_code_of_its_kind(capability: tuple[int, int], built_for: list[str], expected: bool) -> None:
    assert is_covered(capability, built_for) is expected


@pytest.mark.parametrize(
    ("cards", "expected"),
    [([(6, 1)], "cpu"), ([(8, 6)], "cuda"), ([(6, 1), (8, 6)], "cuda:1"), ([(8, 6), (6, 1)], "cuda")],
)
def test_auto_takes_a_card_that_can_compute(
    monkeypatch: pytest.MonkeyPatch, cards: list[tuple[int, int]], expected: str
) -> None:
    put_in(monkeypatch, *cards, built_for=BUILT_FOR)
    assert resolve_device("auto") == torch.device(expected)


def test_a_card_without_code_that_is_asked_for_is_refused_with_another(monkeypatch: pytest.MonkeyPatch) -> None:
    put_in(monkeypatch, (6, 1), built_for=BUILT_FOR)
    for name in ("cuda", "cuda:0"):
        with pytest.raises(UsageError, match=r"card 0, has compute capability 6\.1: .* no code .*Choose cpu, or leave"):
            resolve_device(name)
    put_in(monkeypatch, (6, 1), (8, 6), built_for=BUILT_FOR)
    with pytest.raises(UsageError, match="Choose cuda:1, or leave the choice to auto"):
        resolve_device("cuda")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    put_in(monkeypatch, (8, 6), (6, 1), built_for=BUILT_FOR)
    assert resolve_device("cuda") == torch.device("cuda")


def test_card_without_code_is_told_by_the_doctor_and_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    put_in(monkeypatch, (6, 1), built_for=BUILT_FOR)
    assert first_usable_card() is None
    seen = look_at_devices("auto")
    assert "cuda (card 0)" in seen.detail
    assert "a product of matrices on cpu" in seen.detail
    assert "no code for its compute capability 6.1" in seen.advice


def test_server_names_the_card_that_auto_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    put_in(monkeypatch, (6, 1), (8, 6), built_for=BUILT_FOR)
    assert machine._devices()["device"] == "cuda:1"
