"""Losses as functions: one value for the batch, or one a sample."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from neuropil.errors import InputError

__all__ = ["Reduction", "cross_entropy", "squared_error"]

Reduction = Literal["mean", "none"]


def cross_entropy(
    logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0, reduction: Reduction = "mean"
) -> Tensor:
    """How surprised the network is by the truth, in nats.

    Source: chapter, "Learning of recurrent networks", error of classification.
    Formula: `E = -sum_k y'_k log softmax(x)_k`, with `y' <- (1 - s) y' + s / K` for label smoothing `s`.

    Shape:
        logits `[N, K, ...]`; targets class numbers `[N, ...]` or probabilities `[N, K, ...]` -> scalar; unreduced
        `[N, ...]`.

    Args:
        logits: the network's outputs before softmax; half precision is computed in float32.
        targets: class numbers, or a probability for each class (mixed-up pictures, distillation).
        label_smoothing: 0 (none) to 1 (the target is the uniform distribution).
        reduction: `mean` over samples, or `none`.

    Raises:
        InputError: smoothing outside [0, 1], or probabilities of another shape than the logits.

    Differs:
        The chapter's index `y_{yi}` is a slip for `y_{ti}`.

    Example:
        >>> import torch
        >>> round(cross_entropy(torch.zeros(1, 10), torch.tensor([3])).item(), 4)  # log 10
        2.3026
    """
    if not 0 <= label_smoothing <= 1:
        raise InputError(f"label smoothing of {label_smoothing} was given; it lies between 0 and 1")
    if targets.is_floating_point():
        if targets.shape != logits.shape:
            raise InputError(
                f"the network gives {_shape(logits)} values but the target probabilities are {_shape(targets)}; "
                "they need one probability for each class"
            )
        targets = targets.float()
    return F.cross_entropy(logits.float(), targets, label_smoothing=label_smoothing, reduction=reduction)


def squared_error(outputs: Tensor, targets: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """The mean squared difference over the values of a sample.

    Source: chapter, "Learning of recurrent networks", error of regression.
    Formula: `E = (1/D) sum_d (y'_d - y_d)^2`.

    Shape:
        outputs and targets `[N, D]` (or `[N]`) -> scalar, or `[N]` unreduced.

    Args:
        outputs: what the network says; half precision is computed in float32.
        targets: what is true.
        reduction: `mean` over samples, or `none`.

    Raises:
        InputError: different shapes, which torch would stretch over one another.

    Example:
        >>> import torch
        >>> squared_error(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 0.0]])).item()
        2.5
    """
    if outputs.shape != targets.shape:
        raise InputError(
            f"the network gives {_shape(outputs)} values but the targets are {_shape(targets)}; give both one shape"
        )
    errors = F.mse_loss(outputs.float(), targets.float(), reduction="none").reshape(len(outputs), -1).mean(1)
    return errors.mean() if reduction == "mean" else errors


def _shape(x: Tensor) -> str:
    return "x".join(map(str, x.shape)) or "single"
