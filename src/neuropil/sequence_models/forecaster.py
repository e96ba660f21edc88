"""What comes after a series of values.

Source: chapter, RNN, "sequence data" (prices, sensors) and mapping (c): one result at the end; E_t of regression.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.dropout import todays_dropout
from neuropil.nn.linear import linear_head
from neuropil.sequence_models.tokens import CellName, positive, recurrent

__all__ = ["Forecaster"]


class Forecaster(nn.Module):
    """Recurrent layers over a window of a series, and a linear layer on what they know at its end.

    Shape:
        `[N, T, in_features]` -> `[N, num_classes]`.

    Args:
        in_features: values at each step, D.
        num_classes: values that are foretold: steps ahead times series; 0 leaves the last layer out.
        cell: of the recurrent layers.
        width: of each.
        num_layers: how many there are.
        dropout: share of the values between and behind the recurrent layers left out while training.

    Raises:
        InputError: a number out of its range; on call, windows that do not fit.

    Example:
        >>> import torch
        >>> Forecaster(in_features=3, num_classes=2)(torch.zeros(5, 24, 3)).shape
        torch.Size([5, 2])
    """

    usual_steps: ClassVar[int] = 24

    def __init__(
        self,
        *,
        in_features: int,
        num_classes: int = 1,
        cell: CellName = "lstm",
        width: int = 64,
        num_layers: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        positive(in_features=in_features, width=width)
        self.recurrent = recurrent(cell, in_features, width, num_layers=num_layers, dropout=dropout)
        self.behind = todays_dropout(dropout)
        self.in_features, self.widths = in_features, (width,)
        self.head = linear_head(width, num_classes, "glorot_normal")

    @property
    def in_shape(self) -> tuple[int, int]:
        """Of a usual window."""
        return (self.usual_steps, self.in_features)

    def features(self, x: Tensor) -> list[Tensor]:
        """What is known at the end of each window, `[N, width]`."""
        if x.ndim != 3 or x.shape[2] != self.in_features or not x.shape[1]:
            raise InputError(f"this network reads windows [N, T, {self.in_features}], but {list(x.shape)} was given")
        outputs, _ = self.recurrent(x)  # [N, T, width]
        return [outputs[:, -1]]

    def forward(self, x: Tensor) -> Tensor:
        """What is foretold, `[N, num_classes]`."""
        foretold: Tensor = self.head(self.behind(self.features(x)[0]))
        return foretold

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        self.head = linear_head(self.widths[0], num_classes, "glorot_normal", like=next(self.parameters()))
