"""Cross-entropy of tokens, padding left out: what the tasks of sequences share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from neuropil.errors import InputError
from neuropil.tasks.gathering import Gathering, at_least_single

__all__ = ["IGNORED", "TokenLosses", "check_tokens", "token_losses", "weighted_mean"]

IGNORED = -100
"""A target that stands for nothing."""


class TokenLosses:
    """The losses of each token, `[N, T]`, 0 where there is none.

    Args:
        each: the losses.
        known: where a token is.
    """

    def __init__(self, each: Tensor, known: Tensor) -> None:
        self.each, self.known = each, known

    @property
    def mean(self) -> Tensor:
        """Over all tokens; 0 where there is none."""
        return self.each.sum() / self.known.sum().clamp(min=1)

    def columns(self) -> dict[str, Tensor]:
        """Of each sequence: `losses`, the mean over its tokens, and `counts` of them."""
        counts = self.known.sum(1)
        return {"losses": self.each.sum(1) / counts.clamp(min=1), "counts": counts}


def token_losses(outputs: Tensor, targets: Tensor, what: str, label_smoothing: float = 0.0) -> TokenLosses:
    """`-log softmax(z)` at the target of each token, or its mixture with the mean over all with smoothing.

    Args:
        outputs: logits `[N, T, K]`.
        targets: int64 `[N, T]`, -100 where there is none.
        what: the K things are, in words.
        label_smoothing: share of each target that is spread over all K.

    Raises:
        InputError: shapes that do not fit, or a number outside 0 to K - 1.
    """
    outputs = at_least_single(outputs)
    if outputs.ndim != 3 or outputs.shape[:2] != targets.shape:
        check_tokens(outputs, targets, what)
    try:
        each = F.cross_entropy(
            outputs.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none",
            label_smoothing=label_smoothing,
        )  # fmt: skip
    except (IndexError, RuntimeError, ValueError):
        check_tokens(outputs, targets, what)
        raise
    return TokenLosses(each.view(targets.shape), targets != IGNORED)


def check_tokens(outputs: Tensor, targets: Tensor, what: str, count: int | None = None) -> None:
    """Hold the shapes of outputs and targets, and the targets' numbers against one another.

    Args:
        outputs: logits `[N, T, K]`.
        targets: int64 `[N, T]`.
        what: the K things are, in words.
        count: K, where it is known.

    Raises:
        InputError: they do not fit.
    """
    if outputs.ndim != 3 or (count is not None and outputs.shape[2] != count):
        wanted = "K" if count is None else count
        raise InputError(
            f"the network's outputs are {list(outputs.shape)}, but {what} need [N, T, {wanted}]; build the network "
            f"with as many outputs as there are {what}"
        )
    if targets.shape != outputs.shape[:2] or targets.dtype is not torch.int64:
        kind = str(targets.dtype).removeprefix("torch.")
        raise InputError(
            f"the targets are {list(targets.shape)} of {kind}, but outputs {list(outputs.shape)} need int64 "
            f"{list(outputs.shape[:2])}"
        )
    known = targets[targets != IGNORED]
    if len(known):
        least, most = (int(one) for one in known.aminmax())
        if least < 0 or most >= outputs.shape[2]:
            raise InputError(
                f"a target is {least if least < 0 else most}, outside 0 to {outputs.shape[2] - 1}, the {what} there are"
            )


def weighted_mean(found: Gathering) -> float:
    """The mean loss of all tokens, from the means of sequences and their counts."""
    losses, counts = found.column("losses"), found.column("counts")
    return float((losses * counts).sum() / max(1, counts.sum()))
