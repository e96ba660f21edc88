"""The chapter's regularisers: terms of the loss that charge for large weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.optim.groups import weights_of

__all__ = ["Penalty"]


@dataclass(frozen=True, slots=True)
class Penalty:
    """What large weights cost; biases and normalisation are spared.

    Source:
        Chapter, regularisation: loss = error + complexity of the model. Ridge: Hoerl & Kennard 1970; lasso:
        Tibshirani 1996.

    Formula:
        l1 Σ|w| + l2 Σw².

    Args:
        l1: strength of the lasso term, at least 0; drives small weights to 0.
        l2: strength of the ridge term, at least 0.

    Raises:
        InputError: a strength below 0 or not finite.

    Differs:
        `weight_decay` λ of PyTorch's rules adds λw to the gradient: l2 = λ / 2. Keras's L1L2 as here.

    Example:
        >>> import torch
        >>> layer = nn.Linear(2, 1)
        >>> _ = nn.init.constant_(layer.weight, -3.0)
        >>> Penalty(l1=1.0)(layer).item(), Penalty(l2=1.0)(layer).item()
        (6.0, 18.0)
    """

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("l1", self.l1), ("l2", self.l2)):
            if not 0 <= value < math.inf:
                raise InputError(f"{name} must be at least 0 and finite, but {value} was given")

    def __call__(self, model: nn.Module) -> Tensor:
        """The penalty, a 0-d tensor that gradients flow through.

        Raises:
            InputError: the network has no weight to charge for.
        """
        weights = weights_of(model)
        if not weights:
            raise InputError("the network has no trainable weight that a penalty could charge for; leave [penalty] out")
        total = weights[0].new_zeros(())
        for weight in weights:
            if self.l1:
                total = total + self.l1 * weight.abs().sum()
            if self.l2:
                total = total + self.l2 * weight.square().sum()
        return total
