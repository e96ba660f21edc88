"""The chapter's regularisers: terms of the loss that charge for large weights."""

from __future__ import annotations

from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.optim.groups import weights_of

__all__ = ["Penalty"]


class Penalty:
    """l1 * sum |w| (lasso) + l2 * sum w^2 (ridge), over weights; biases and normalisation are spared.

    Source: chapter, regularisation: loss = error + complexity of the model; Hoerl & Kennard 1970, Tibshirani 1996.

    Args:
        l1: strength of the lasso term, at least 0.
        l2: strength of the ridge term, at least 0.

    Raises:
        InputError: a negative strength.

    Differs: `weight_decay` of PyTorch's rules adds lambda * w to the gradient, which is the gradient of lambda/2 * w^2:
        l2 = lambda / 2 gives the same steps of gradient descent.

    Example:
        >>> import torch
        >>> layer = nn.Linear(2, 1)
        >>> _ = layer.weight.data.copy_(torch.tensor([[3.0, -4.0]]))
        >>> float(Penalty(l1=1.0)(layer)), float(Penalty(l2=1.0)(layer))
        (7.0, 25.0)
    """

    def __init__(self, *, l1: float = 0.0, l2: float = 0.0) -> None:
        for name, value in (("l1", l1), ("l2", l2)):
            if not value >= 0:
                raise InputError(f"{name} must be at least 0, but {value} was given")
        self.l1, self.l2 = l1, l2

    def __call__(self, model: nn.Module) -> Tensor:
        """The penalty, a scalar that gradients flow through."""
        total = next(model.parameters()).new_zeros(())
        for weight in weights_of(model):
            if self.l1:
                total = total + self.l1 * weight.abs().sum()
            if self.l2:
                total = total + self.l2 * weight.square().sum()
        return total
