"""Linear layers: quick for a token at a time, and the last one of a network, which users exchange for their classes."""

from __future__ import annotations

from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from neuropil.compiled.serving import is_plain
from neuropil.errors import InputError
from neuropil.nn.initialization import initialize

__all__ = ["linear_head", "through"]

FEW_ROWS = 8
"""Up to so many oneDNN is asked: of every number of rows it saw, it keeps half a megabyte for each size of a layer."""

WORTH_ONEDNN = 1 << 17
"""Numbers of a weight above which oneDNN is quicker: those that do not wait in a core's own cache."""

HAS_BOTH: bool = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
"""Whether torch has Intel's MKL, by which it multiplies, and oneDNN, by which it could."""


def through(layer: nn.Module, x: Tensor) -> Tensor:
    """`layer(x)`, for few rows and no gradients by the quicker of torch's two libraries.

    A network that writes a token at a time reads all its weights for a row of numbers, and in single precision MKL
    leaves that to one thread; oneDNN does not. The layer is torch's own, so that whatever exchanges, watches or hooks
    it finds it.

    Shape:
        x `[..., D]` -> `[..., K]`.

    Args:
        layer: a `torch.nn.Linear` as a rule; any other is called as it is.
        x: what it reads.

    Example:
        >>> through(nn.Linear(4, 3), torch.zeros(2, 4)).shape
        torch.Size([2, 3])
    """
    if torch.is_grad_enabled() or not HAS_BOTH or not _is_as_it_was(layer) or not _is_for_onednn(layer, x):
        found: Tensor = layer(x)
        return found
    return _by_onednn(x, layer.weight, layer.bias)


def _is_as_it_was(layer: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether calling the layer means a linear layer's product and nothing else."""
    if type(layer) is not nn.Linear or "forward" in vars(layer) or layer._compiled_call_impl is not None:
        return False
    everywhere: bool = _has_any_global_hook()  # type: ignore[no-untyped-call]
    return not (everywhere or layer._forward_hooks or layer._forward_pre_hooks)


def _is_for_onednn(layer: nn.Linear, x: Tensor) -> bool:
    """Whether these are few rows of plain numbers that fit many weights; the rest torch computes, sees or refuses."""
    if layer.in_features * layer.out_features <= WORTH_ONEDNN:
        return False
    weight, bias = layer.weight, layer.bias
    tensors = (x, weight) if bias is None else (x, weight, bias)
    if not is_plain(*tensors) or torch._C._len_torch_function_stack():
        return False
    if any(one.dtype is not torch.float32 for one in tensors) or torch.is_autocast_enabled("cpu"):
        return False
    fits = x.shape[-1:] == weight.shape[1:] and (bias is None or bias.shape == weight.shape[:1])
    as_read = weight.is_contiguous() and (bias is None or bias.is_contiguous())  # oneDNN takes biases for such
    few = x.numel() <= FEW_ROWS * weight.shape[-1]
    return fits and as_read and few and bool(torch.backends.mkldnn.enabled)


def _by_onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    found: Tensor = torch.ops.mkldnn._linear_pointwise.default(x, weight, bias, "none", [], "")
    return found


def linear_head(in_features: int, num_classes: int, scheme: str, like: Tensor | None = None) -> nn.Module:
    """A fresh linear classifier, or none: with 0 classes the features pass through unchanged.

    Args:
        in_features: width of what it reads.
        num_classes: outputs; 0 for no classifier.
        scheme: a name in `neuropil.nn.INITIALIZATIONS`.
        like: a tensor whose device and dtype the new layer takes.

    Raises:
        InputError: a negative number of classes.

    Example:
        >>> linear_head(64, 10, "he")
        Linear(in_features=64, out_features=10, bias=True)
    """
    if num_classes < 0:
        raise InputError(f"{num_classes} classes were asked for; give 1 or more, or 0 for no classifier")
    if num_classes == 0:
        return nn.Identity()
    head = initialize(nn.Linear(in_features, num_classes), scheme)
    return head if like is None else head.to(device=like.device, dtype=like.dtype)
