"""Whether the compiled loops may be used, and where they are."""

from __future__ import annotations

from functools import cache
from types import ModuleType

import torch
from torch import Tensor

__all__ = ["gelu_loops", "learns_in_bfloat16", "softmax_loops"]


def learns_in_bfloat16(x: Tensor) -> bool:
    """Whether this is bfloat16 on a processor, on the way to a loss: long enough to make up for compiling.

    Nothing is compiled for what is exported, traced or transformed: there torch must see its own operations.
    """
    half = x.dtype is torch.bfloat16 and x.device.type == "cpu"
    return half and x.requires_grad and torch.is_grad_enabled() and not _seen_by_others()


def _seen_by_others() -> bool:
    return torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()


@cache
def gelu_loops() -> ModuleType | None:
    """The module of GELU's loops, where there is a Numba that fits this NumPy."""
    try:
        from neuropil.compiled import gelu
    except ImportError:
        return None
    return gelu


@cache
def softmax_loops() -> ModuleType | None:
    """The module of softmax's loops, where there is a Numba that fits this NumPy."""
    try:
        from neuropil.compiled import softmax
    except ImportError:
        return None
    return softmax
