"""The loss over a vocabulary from what the logits are made of, without ever holding the logits of all places.

`n` places of width `D`, `V` tokens.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from neuropil.errors import InputError

__all__ = ["linear_cross_entropy"]

IGNORED = -100
"""A target that does not count."""

SHARE = 0.045
"""Of all `n V` logits, how many are alive at once at most, so that with all else it is a twentieth."""

FEW = 2**18
"""As many logits or fewer are made at once: there is nothing to be saved."""


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    *,
    chunk: int | None = None,
    label_smoothing: float = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Tensor:
    """`cross_entropy(linear(hidden, weight, bias), targets)`, a part of the vocabulary at a time.

    Forward keeps one number a place, the logarithm of the sum over the vocabulary; backward makes each part's logits
    again: four products where the plain way has three, but nothing of size `n V` is written or read.

    Source: Rabe and Staats 2021 for the sum by parts; Wijmans et al. 2025, "Cut your losses in large-vocabulary
    language models", section 4, which does so on a GPU.
    Formula: `E = log sum_v exp(x w_v + b_v) - (1 - s) (x w_t + b_t) - (s / V) sum_v (x w_v + b_v)`.

    Shape:
        hidden `[n, D]`, weight `[V, D]`, bias `[V]`, targets int64 `[n]` -> scalar; unreduced `[n]`.

    Args:
        hidden: what the logits are made of. Products are in its type, or in autocast's; sums over the vocabulary are in
            float32 at least.
        weight: of the tokens.
        bias: of the tokens.
        targets: ids from 0 to V - 1; -100 where a place does not count.
        chunk: tokens of the vocabulary at a time; left out, 5 % of all logits with what is made of them.
        label_smoothing: s, 0 to 1.
        reduction: `mean` over the places that count, `sum`, or `none`, which has 0 where a place does not count.

    Raises:
        InputError: shapes that do not fit, a target outside 0 to V - 1, or a number outside its range.

    Differs:
        Where nothing counts the mean is 0, with gradients of 0, as in `neuropil.nn.losses`; torch gives NaN.

    Example:
        >>> x, w = torch.zeros(3, 4), torch.zeros(10, 4)
        >>> round(linear_cross_entropy(x, w, None, torch.tensor([1, 2, -100])).item(), 4)  # log 10
        2.3026
    """
    partly = _check(hidden, weight, bias, targets, label_smoothing, chunk)
    counted = targets
    if partly:
        counted = targets != IGNORED
        hidden, targets = hidden[counted], targets[counted]
    losses = _losses(hidden, weight, bias, targets, chunk, label_smoothing)
    if reduction == "none":
        return losses.new_zeros(counted.shape).masked_scatter(counted, losses) if partly else losses
    return losses.sum() if reduction == "sum" else losses.sum() / max(1, len(losses))


def _losses(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, chunk: int | None, smoothing: float
) -> Tensor:
    places, tokens = len(hidden), len(weight)
    if chunk is None and places * tokens <= FEW:
        logits = F.linear(hidden, weight, bias)
        exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return F.cross_entropy(exact, targets, reduction="none", label_smoothing=smoothing)
    device = hidden.device.type
    if torch.is_autocast_enabled(device):
        kind = torch.get_autocast_dtype(device)
        hidden, weight = hidden.to(kind), weight.to(kind)
    bias = None if bias is None else bias.to(hidden.dtype)
    if chunk is None:
        copies = 1.0 if hidden.element_size() >= 4 else 1.5  # half precision stands beside float32
        chunk = max(1, int(SHARE * tokens / copies))
    found: Tensor = _Chunked.apply(hidden, weight, bias, targets, chunk, smoothing)  # type: ignore[no-untyped-call]
    return found


class _Chunked(torch.autograd.Function):
    """The losses `[n]`."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, chunk: int, smoothing: float
    ) -> Tensor:
        exact = torch.promote_types(hidden.dtype, torch.float32)
        largest = hidden.new_full((len(hidden),), -torch.inf, dtype=exact)
        total, true, plain = (torch.zeros_like(largest) for _ in range(3))
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(weight), chunk):
                logits = _logits(hidden, weight, bias, start, chunk, exact)
                _take_true(true, logits, targets, start)
                if smoothing:
                    plain += logits.sum(1)
                higher = torch.maximum(largest, logits.amax(1))
                total = total * (largest - higher).exp_() + logits.sub_(higher[:, None]).exp_().sum(1)
                largest = higher
                del logits  # before the next are made
        log_sum = largest + total.log()
        ctx.save_for_backward(hidden, weight, bias, targets, log_sum)
        ctx.settings = chunk, smoothing
        return log_sum - (1 - smoothing) * true - (smoothing / len(weight)) * plain

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, targets, log_sum = ctx.saved_tensors
        chunk, smoothing = ctx.settings
        wants_hidden, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        exact, rows = log_sum.dtype, torch.arange(len(hidden), device=hidden.device)
        of_hidden = torch.zeros_like(hidden, dtype=exact) if wants_hidden else None
        of_weight = torch.empty_like(weight) if wants_weight else None
        of_bias = torch.empty_like(bias) if bias is not None and wants_bias else None
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(weight), chunk):
                part = slice(start, start + chunk)
                errors = _logits(hidden, weight, bias, start, chunk, exact).sub_(log_sum[:, None]).exp_()
                if smoothing:
                    errors -= smoothing / len(weight)
                here = (targets >= start) & (targets < start + errors.shape[1])
                errors[rows[here], targets[here] - start] -= 1 - smoothing
                errors = errors.mul_(grad[:, None])
                if of_bias is not None:
                    of_bias[part] = errors.sum(0)
                errors = errors.to(hidden.dtype)
                if of_hidden is not None:
                    of_hidden += errors @ weight[part]
                if of_weight is not None:
                    torch.mm(errors.t(), hidden, out=of_weight[part])
                del errors
        return None if of_hidden is None else of_hidden.to(hidden.dtype), of_weight, of_bias, None, None, None


def _logits(hidden: Tensor, weight: Tensor, bias: Tensor | None, start: int, chunk: int, exact: torch.dtype) -> Tensor:
    """Of some tokens, `[n, chunk]`, in float32 at least, to be overwritten."""
    part = slice(start, start + chunk)
    return F.linear(hidden, weight[part], None if bias is None else bias[part]).to(exact)


def _take_true(true: Tensor, logits: Tensor, targets: Tensor, start: int) -> None:
    """The logits of those targets that are among these tokens."""
    inside = (targets - start).clamp(0, logits.shape[1] - 1)
    here = inside == targets - start
    torch.where(here, logits.gather(1, inside[:, None])[:, 0], true, out=true)


def _check(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, smoothing: float, chunk: int | None
) -> bool:
    """Hold everything against what it may be; whether there are places that do not count."""
    fits = hidden.ndim == 2 and weight.ndim == 2 and hidden.shape[1] == weight.shape[1]
    if not fits or (bias is not None and bias.shape != weight.shape[:1]) or targets.shape != hidden.shape[:1]:
        biases = "none" if bias is None else str(list(bias.shape))
        raise InputError(
            f"hidden {list(hidden.shape)}, weight {list(weight.shape)}, bias {biases} and targets "
            f"{list(targets.shape)} do not fit; give [n, D], [V, D], [V] and [n]"
        )
    if not 0 <= smoothing <= 1:
        raise InputError(f"label_smoothing must be from 0 to 1, but {smoothing} was given")
    if chunk is not None and chunk < 1:
        raise InputError(f"a chunk of {chunk} tokens was asked for; give 1 or more, or leave it out")
    if targets.dtype is not torch.int64:
        raise InputError(f"targets must be int64, but {str(targets.dtype).removeprefix('torch.')} was given")
    if not len(targets):
        return False
    lowest, highest = (int(one) for one in targets.aminmax())
    if lowest >= 0 and highest < len(weight):
        return False
    wrong = targets[((targets < 0) & (targets != IGNORED)) | (targets >= len(weight))]
    if len(wrong):
        raise InputError(
            f"target {int(wrong[0])} was given to a vocabulary of {len(weight)} tokens, 0 to {len(weight) - 1}; "
            f"give {IGNORED} where a place does not count"
        )
    return True
