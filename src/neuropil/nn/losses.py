"""Losses as functions: one value for the batch, or one a step or sample. Sequences of different lengths take a mask."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from neuropil.errors import InputError

__all__ = ["Reduction", "cross_entropy", "mask_of_lengths", "squared_error"]

Reduction = Literal["mean", "sum", "none"]

NOTHING_IGNORED = torch.iinfo(torch.int64).min
"""torch leaves out targets of -100 in silence; here only those that the caller names."""


def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    *,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    mask: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """How surprised the network is by the truth, in nats.

    Source: chapter, "Learning of recurrent networks", error of classification; smoothing: Szegedy et al. 2016.
    Formula: `E = -sum_k w_k y'_k log softmax(x)_k`, with `y' <- (1 - s) y' + s / K` for label smoothing `s`. The mean
    divides the sum of E by the sum of the true classes' weights: a class of weight 2 counts as if each of its samples
    came twice. For probabilities it divides by the number of samples or steps.

    Shape:
        logits `[N, K]`, or sequences and pictures `[N, K, ...]`; targets class numbers `[N, ...]` or probabilities
        `[N, K, ...]`; mask `[N, ...]` -> scalar; unreduced `[N, ...]`.

    Args:
        logits: the network's outputs before softmax; half precision is computed in float32.
        targets: class numbers (int64), or a probability for each class (mixed-up pictures, distillation).
        class_weights: `[K]`, how much each class counts, at least 0; all 1 where left out.
        label_smoothing: 0 (none) to 1 (the target is the uniform distribution).
        ignore_index: a class number that marks targets to leave out (padding); none where left out.
        mask: true where a step counts, see `mask_of_lengths`; what stands elsewhere, NaN included, has no influence.
        reduction: `mean`, `sum` (the chapter's `E = sum_t E_t`), or `none`, which has 0 where nothing counts.

    Returns:
        the loss; 0, with gradients of 0, where nothing in the batch counts. NaN among what counts gives NaN.

    Raises:
        InputError: smoothing outside [0, 1], shapes that do not fit, or a class number outside 0 to K - 1 (on a GPU
            torch itself stops there).

    Differs:
        The chapter's index `y_{yi}` is a slip for `y_{ti}`. torch leaves out targets of -100 unasked, and its mean of
        nothing is NaN.

    Example:
        >>> round(cross_entropy(torch.zeros(1, 10), torch.tensor([3])).item(), 4)  # log 10
        2.3026
    """
    _check_cross_entropy(logits, targets, class_weights, label_smoothing, mask)
    counted = mask
    if ignore_index is not None and not targets.is_floating_point():
        counted = targets != ignore_index if mask is None else mask & (targets != ignore_index)
    losses, shares = _surprises(_exact(logits), targets, class_weights, label_smoothing, counted)
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else _quotient(losses.sum(), shares.sum())


def squared_error(
    outputs: Tensor, targets: Tensor, *, mask: Tensor | None = None, reduction: Reduction = "mean"
) -> Tensor:
    """The mean squared difference over the values of a sample, or of each step of a sequence.

    Source: chapter, "Learning of recurrent networks", error of regression.
    Formula: `E = (1/D) sum_d (y'_d - y_d)^2`.

    Shape:
        outputs and targets `[N, D]` (or `[N]`), or sequences `[N, D, ...]`; mask `[N, ...]` -> scalar; unreduced
        `[N]` or `[N, ...]`.

    Args:
        outputs: what the network says; half precision is computed in float32.
        targets: what is true.
        mask: true where a step counts, see `mask_of_lengths`; what stands elsewhere, NaN included, has no influence.
        reduction: `mean` over what counts, `sum` (the chapter's `E = sum_t E_t`), or `none`, which has 0 elsewhere.

    Returns:
        the loss; 0, with gradients of 0, where nothing in the batch counts. NaN among what counts gives NaN.

    Raises:
        InputError: different shapes, which torch would stretch over one another.

    Example:
        >>> squared_error(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 0.0]])).item()
        2.5
    """
    if outputs.shape != targets.shape:
        raise InputError(
            f"the network gives {_shape(outputs)} values but the targets are {_shape(targets)}; give both one shape"
        )
    if mask is not None:
        _check_mask(mask, outputs)
        hidden = ~mask.unsqueeze(1) if outputs.ndim > 1 else ~mask
        outputs, targets = outputs.masked_fill(hidden, 0), targets.masked_fill(hidden, 0)
    errors = (_exact(outputs) - _exact(targets)).square()
    if errors.ndim > 1:
        errors = errors.mean(1)
    if reduction == "none":
        return errors
    if reduction == "sum":
        return errors.sum()
    return errors.mean() if mask is None else _quotient(errors.sum(), mask.sum())


def mask_of_lengths(lengths: Tensor | list[int], num_steps: int) -> Tensor:
    """Which steps of padded sequences are real.

    Shape:
        `[N]` -> `[N, num_steps]`, bool.

    Args:
        lengths: real steps of each sequence, 0 (none) to `num_steps` (all).
        num_steps: the padded length.

    Raises:
        InputError: a length outside 0 to `num_steps`.

    Example:
        >>> mask_of_lengths([3, 1], 3).tolist()
        [[True, True, True], [True, False, False]]
    """
    lengths = torch.as_tensor(lengths)
    wrong = next((one for one in lengths.tolist() if not 0 <= one <= num_steps), None)
    if wrong is not None:
        raise InputError(
            f"a length of {wrong} was given for sequences padded to {num_steps} steps; give 0 to {num_steps}"
        )
    return torch.arange(num_steps, device=lengths.device) < lengths[:, None]


def _check_cross_entropy(
    logits: Tensor, targets: Tensor, class_weights: Tensor | None, label_smoothing: float, mask: Tensor | None
) -> None:
    if not 0 <= label_smoothing <= 1:
        raise InputError(f"label smoothing of {label_smoothing} was given; it lies between 0 and 1")
    if logits.ndim < 2:
        raise InputError(f"the network gives {_shape(logits)} values; cross-entropy needs logits [N, K] or [N, K, ...]")
    if targets.is_floating_point():
        if targets.shape != logits.shape:
            raise InputError(
                f"the network gives {_shape(logits)} values but the target probabilities are {_shape(targets)}; "
                "they need one probability for each class"
            )
    elif targets.shape != logits.shape[:1] + logits.shape[2:]:
        raise InputError(
            f"the network gives {_shape(logits)} values but the class numbers are {_shape(targets)}; "
            f"they must be {_shape(logits[:, 0])}, one for each sample or step"
        )
    if class_weights is not None and class_weights.shape != logits.shape[1:2]:
        raise InputError(
            f"class weights of shape {_shape(class_weights)} were given for {logits.shape[1]} classes; "
            "give one number for each class"
        )
    if mask is not None:
        _check_mask(mask, logits)


def _surprises(
    logits: Tensor, targets: Tensor, class_weights: Tensor | None, label_smoothing: float, counted: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The loss of each sample or step, 0 where it does not count, and its share in the mean."""
    soft = targets.is_floating_point()
    weights = None if class_weights is None else class_weights.to(logits)
    targets = targets.to(logits) if soft else targets
    if counted is not None:
        hidden = ~counted.unsqueeze(1)
        logits, targets = logits.masked_fill(hidden, 0), targets.masked_fill(hidden if soft else ~counted, 0)
    try:
        losses = F.cross_entropy(
            logits, targets, weights, ignore_index=NOTHING_IGNORED, reduction="none", label_smoothing=label_smoothing
        )
    except (IndexError, RuntimeError) as error:
        raise _in_words(error, targets, logits.shape[1]) from error
    shares = torch.ones_like(losses) if weights is None or soft else weights[targets]
    if counted is not None:
        losses, shares = losses.masked_fill(~counted, 0), shares.masked_fill(~counted, 0)
    return losses, shares


def _check_mask(mask: Tensor, values: Tensor) -> None:
    wanted = values.shape[:1] + values.shape[2:]
    if mask.dtype is not torch.bool or mask.shape != wanted:
        raise InputError(
            f"a mask {_shape(mask)} of {str(mask.dtype).removeprefix('torch.')} was given for values {_shape(values)}; "
            f"give true or false for each of {'x'.join(map(str, wanted))} samples or steps"
        )


def _in_words(error: Exception, targets: Tensor, num_classes: int) -> Exception:
    """What torch found wrong with class numbers, as our own error where it is that."""
    if targets.is_floating_point() or not targets.numel():
        return error
    if targets.dtype is not torch.int64:
        return InputError(
            f"class numbers must be int64, but {str(targets.dtype).removeprefix('torch.')} was given; "
            "use targets.long()"
        )
    least, most = (int(one) for one in targets.aminmax())
    if least >= 0 and most < num_classes:
        return error
    return InputError(
        f"class number {least if least < 0 else most} is outside 0 to {num_classes - 1}; "
        "number the classes from 0, or name it as ignore_index"
    )


def _exact(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _quotient(total: Tensor, count: Tensor) -> Tensor:
    """The mean, and 0 where nothing counts."""
    return total / count.where(count != 0, 1)


def _shape(x: Tensor) -> str:
    return "x".join(map(str, x.shape)) or "single"
