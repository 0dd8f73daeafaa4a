"""The floating-point format in which a tower runs fastest at inference without losing retrieval quality."""

from __future__ import annotations

import torch


def inference_dtype(device: torch.device) -> torch.dtype:
    """float16 on CUDA; bfloat16 on a CPU that computes in it (AVX512-BF16, AMX); else float32."""
    if device.type == "cuda":
        return torch.float16
    if device.type == "cpu" and _cpu_computes_bfloat16():
        return torch.bfloat16
    return torch.float32


def _cpu_computes_bfloat16() -> bool:
    # torch.ops.mkldnn says yes for emulation too, which is slower than float32. These two have no public name.
    checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(check is not None and check() for check in checks)
