"""Linear layers: as quick as torch can, and the last one of a network, which users exchange for their own classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.compiled.serving import is_plain
from neuropil.errors import InputError
from neuropil.nn.initialization import initialize

__all__ = ["Linear", "linear", "linear_head"]

WORTH_NUMBERS = 1 << 16
"""Numbers of a weight above which oneDNN is quicker for a single row already."""

WORTH_ONEDNN = 1 << 22
"""Multiply-adds from which on it is quicker for smaller weights, too."""

HAS_BOTH: bool = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
"""Whether torch has Intel's MKL, by which it multiplies, and oneDNN, by which it could."""


class Linear(nn.Linear):
    """A weighted sum of all inputs for each output, without gradients by the quicker of torch's two libraries.

    In single precision torch multiplies by Intel's MKL, which reads the weights of a single row with one thread, and
    on processors that are not Intel's takes twice the time for many rows, too; oneDNN does neither.

    Formula: `y = x W^T + b`.

    Shape:
        `[..., D]` -> `[..., K]`.

    Args:
        in_features: D.
        out_features: K.
        bias: whether there is a b.

    Differs:
        From `torch.nn.Linear` in time and rounding, in single precision without gradients on a processor.

    Example:
        >>> Linear(4, 3)(torch.zeros(2, 4)).shape
        torch.Size([2, 3])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The sums."""
        return linear(input, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """What `Linear` computes, with weights `[K, D]` and biases `[K]` from elsewhere.

    Example:
        >>> linear(torch.ones(1, 2), torch.tensor([[1.0, 2.0]]), torch.tensor([4.0]))
        tensor([[7.]])
    """
    if torch.is_grad_enabled() or not _is_for_onednn(x, weight, bias):
        return F.linear(x, weight, bias)
    return _by_onednn(x, weight, bias)


def _is_for_onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether these are enough plain numbers that fit; the rest torch computes, sees or refuses."""
    tensors = (x, weight) if bias is None else (x, weight, bias)
    if not HAS_BOTH or not is_plain(*tensors) or torch._C._len_torch_function_stack():
        return False
    if any(one.dtype is not torch.float32 for one in tensors) or torch.is_autocast_enabled("cpu"):
        return False
    fits = x.shape[-1:] == weight.shape[1:] and (bias is None or bias.shape == weight.shape[:1])
    as_read = weight.is_contiguous() and (bias is None or bias.is_contiguous())  # oneDNN takes biases for such
    enough = weight.numel() > WORTH_NUMBERS or x.numel() * len(weight) >= WORTH_ONEDNN
    return fits and as_read and enough and bool(torch.backends.mkldnn.enabled)


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
