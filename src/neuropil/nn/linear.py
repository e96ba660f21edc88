"""Linear layers: of networks that write a token at a time, and the last one, which users exchange for their classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.compiled.serving import is_plain
from neuropil.errors import InputError
from neuropil.nn.initialization import initialize

__all__ = ["Linear", "linear", "linear_head"]

SMALLEST_PART = 1 << 15
"""Numbers of a weight that are worth a thread of their own."""

HAS_MKL: bool = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
"""Whether torch multiplies by Intel's library; another's batched products may be slower than its single rows."""


class Linear(nn.Linear):
    """A weighted sum of all inputs for each output, by all threads where there is but one row.

    A network that writes a token at a time reads all its weights for a single row of numbers, as fast as the memory
    gives them; Intel's MKL, which torch calls for that row on most processors, reads with one thread.

    Formula: `y = x W^T + b`.

    Shape:
        `[..., D]` -> `[..., K]`.

    Args:
        in_features: D.
        out_features: K.
        bias: whether there is a b.

    Differs:
        From `torch.nn.Linear` in the time of a single row without gradients on a processor, and its rounding.

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
    parts = 1 if torch.is_grad_enabled() else _worthwhile_parts(x, weight, bias)
    return F.linear(x, weight, bias) if parts == 1 else _by_parts(x, weight, bias, parts)


def _worthwhile_parts(x: Tensor, weight: Tensor, bias: Tensor | None) -> int:
    """How many threads are worth it: 1 but for a row of plain numbers; the rest torch computes, sees or refuses."""
    tensors = (x, weight) if bias is None else (x, weight, bias)
    if not is_plain(*tensors) or torch._C._len_torch_function_stack() or torch.is_autocast_enabled("cpu"):
        return 1
    one_row = x.shape[-1:] == weight.shape[1:] and x.numel() == weight.shape[1] and weight.is_contiguous()
    exact = x.dtype in (torch.float32, torch.float64) and all(one.dtype is x.dtype for one in tensors)
    if not one_row or not exact or not HAS_MKL:
        return 1
    return max(1, min(torch.get_num_threads(), len(weight), weight.numel() // SMALLEST_PART))


def _by_parts(x: Tensor, weight: Tensor, bias: Tensor | None, parts: int) -> Tensor:
    """A product for each part of the outputs, all in one call that gives each to a thread, and those left over."""
    outputs, inputs = weight.shape
    each = outputs // parts
    shared = parts * each
    row, found = x.reshape(1, 1, inputs), x.new_empty(outputs)
    weights = weight[:shared].view(parts, each, inputs).transpose(1, 2)
    torch.bmm(row.expand(parts, 1, inputs), weights, out=found[:shared].view(parts, 1, each))
    if shared < outputs:
        torch.mv(weight[shared:], row.view(inputs), out=found[shared:])
    if bias is not None:
        found += bias
    return found.view(*x.shape[:-1], outputs)


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
