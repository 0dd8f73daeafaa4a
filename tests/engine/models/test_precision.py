"""The format of the image tower at inference."""

from __future__ import annotations

import pytest
import torch

from engine.models.precision import inference_dtype


@pytest.mark.parametrize(
    ("bf16", "amx", "expected"),
    [(False, False, torch.float32), (True, False, torch.bfloat16), (False, True, torch.bfloat16)],
)
def test_a_cpu_takes_bfloat16_only_where_it_computes_in_it(
    bf16: bool, amx: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    assert inference_dtype(torch.device("cpu")) is expected


def test_a_torch_that_cannot_say_is_taken_for_one_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert inference_dtype(torch.device("cpu")) is torch.float32


def test_cuda_takes_float16() -> None:
    assert inference_dtype(torch.device("cuda", 0)) is torch.float16
