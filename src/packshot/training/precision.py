"""Where bfloat16 pays."""

from __future__ import annotations

from typing import Literal

import torch


def mixed_precision(device: torch.device, wish: Literal["auto", "bf16", "fp32"] = "auto") -> torch.autocast:
    """An autocast context: bfloat16 where it is wished for, or with `auto` where the device is fast at it."""
    half = wish == "bf16" or (wish == "auto" and bfloat16_is_fast(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=half)


_FAST: dict[str, bool] = {}
"""Answers by type of device: asking again would split every compiled graph, and torch.compile gives up on those."""


def bfloat16_is_fast(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 itself; processors that imitate it are many times slower than in float32.

    GPUs do so since NVIDIA's Ampere (2020), x86 processors with AVX-512 BF16 or AMX, ARM's with BF16.
    """
    if device.type not in _FAST:
        _FAST[device.type] = _asked(device.type)
    return _FAST[device.type]


def _asked(kind: str) -> bool:
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    return any(bool(able.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))
