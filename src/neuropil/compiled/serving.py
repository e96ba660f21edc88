"""Whether numbers may be read past torch, by compiled loops above all, and where these are."""

from __future__ import annotations

from functools import cache
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

__all__ = ["gelu_loops", "is_looped", "is_plain", "learns_in_bfloat16", "softmax_loops"]


def learns_in_bfloat16(x: Tensor) -> bool:
    """Whether this is bfloat16 on a processor, on the way to a loss: long enough to make up for compiling."""
    return x.requires_grad and torch.is_grad_enabled() and is_looped(x)


def is_looped(x: Tensor) -> bool:
    """Whether a loop may read this: plain numbers of bfloat16."""
    return x.dtype is torch.bfloat16 and is_plain(x)


def is_plain(*tensors: Tensor) -> bool:
    """Whether these are numbers on a processor, as they are.

    Where something is exported, traced, transformed or watched, torch must see its own operations.
    """
    if torch.compiler.is_compiling() or not all(_is_array(one) for one in tensors):
        return False
    transformed = torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
    return not transformed and torch._C._get_tracing_state() is None and not torch._C._len_torch_dispatch_stack()


def _is_array(x: Tensor) -> bool:
    return type(x) in (Tensor, nn.Parameter) and x.device.type == "cpu" and x.layout is torch.strided


@cache
def gelu_loops() -> ModuleType | None:
    """The module of GELU's loops, where there is a Numba that fits this NumPy, and torch's library of threads."""
    try:
        from neuropil.compiled import gelu
    except (ImportError, OSError):
        return None
    return gelu


@cache
def softmax_loops() -> ModuleType | None:
    """The module of softmax's loops, where there is a Numba that fits this NumPy, and torch's library of threads."""
    try:
        from neuropil.compiled import softmax
    except (ImportError, OSError):
        return None
    return softmax
