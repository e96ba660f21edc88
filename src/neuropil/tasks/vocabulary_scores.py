"""Losses and hits over a vocabulary whose logits never stand in memory all at once."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from neuropil.errors import InputError
from neuropil.tasks.gathering import at_least_single
from neuropil.tasks.token_loss import IGNORED

__all__ = ["OffersHidden", "check_matrix", "token_scores"]

LOGITS = 1 << 22
"""Logits that stand in memory at once, about."""


@runtime_checkable
class OffersHidden(Protocol):
    """A network of texts whose logits are `hidden @ weight.T + bias`, made by whoever wants them."""

    def hidden(self, ids: Tensor) -> tuple[Tensor, object]:
        """What the logits are made of, `[N, T, D]`, and a state."""
        ...

    def output_matrix(self) -> tuple[Tensor, Tensor | None]:
        """Weights `[V, D]`, and biases `[V]` or none."""
        ...


def check_matrix(weight: Tensor, count: int) -> None:
    """Hold a network's output matrix against the vocabulary.

    Raises:
        InputError: it has other outputs.
    """
    if len(weight) != count:
        raise InputError(
            f"the network tells {len(weight)} tokens apart, but the vocabulary has {count}; build the network with "
            f"num_tokens={count}"
        )


def token_scores(hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of each place in nats, and whether the likeliest token is the right one; for evaluation.

    Shape:
        hidden `[n, D]`, weight `[V, D]`, bias `[V]`, targets int64 `[n]`, -100 where there is none -> `[n]` twice, 0
        and false there.

    Example:
        >>> losses, right = token_scores(torch.eye(2), 9 * torch.eye(2), None, torch.tensor([0, -100]))
        >>> losses.round(decimals=3).tolist(), right.tolist()
        ([0.0, 0.0], [True, False])
    """
    rows = max(1, LOGITS // len(weight))
    losses, right = [hidden.new_zeros(0, dtype=torch.float32)], [targets.new_zeros(0, dtype=torch.bool)]
    for begin in range(0, len(hidden), rows):
        logits = at_least_single(F.linear(hidden[begin : begin + rows], weight, bias))
        wanted = targets[begin : begin + rows]
        losses.append(F.cross_entropy(logits, wanted, ignore_index=IGNORED, reduction="none"))
        right.append(logits.argmax(1) == wanted)
    return torch.cat(losses), torch.cat(right)
