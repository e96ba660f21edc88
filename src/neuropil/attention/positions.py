"""Where a token stands, said by a vector: attention itself does not know."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from neuropil.errors import InputError

__all__ = ["LearnedPositions", "SinusoidalPositions", "check_context", "sinusoids"]


def sinusoids(count: int, width: int, device: torch.device | str | None = None) -> Tensor:
    """Waves from short to long, one pair of values each.

    Source: Vaswani et al. 2017, section 3.5.
    Formula: `PE[t, 2 i] = sin(t / 10000^(2 i / D))`, `PE[t, 2 i + 1] = cos(t / 10000^(2 i / D))`.

    Shape:
        -> `[count, width]`, float32.

    Args:
        count: positions from 0 on, 1 or more.
        width: D, 1 or more.
        device: of the result.

    Raises:
        InputError: a number below 1.

    Differs:
        tensor2tensor's own code puts all sines before all cosines; the paper's order is here.

    Example:
        >>> sinusoids(2, 4)
        tensor([[0.0000, 1.0000, 0.0000, 1.0000],
                [0.8415, 0.5403, 0.0100, 0.9999]])
    """
    if count < 1 or width < 1:
        raise InputError(f"{count} positions of width {width} were asked for; give 1 or more of each")
    pairs = torch.arange(0, width, 2, device=device, dtype=torch.float64)
    angles = torch.arange(count, device=device)[:, None] * torch.exp(pairs * (-math.log(10_000) / width))
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)[:, :width].float()


class SinusoidalPositions(nn.Module):
    """`sinusoids` for as many positions as are asked for; nothing is learned or saved.

    Shape:
        a number of positions, and the first -> `[count, width]`.

    Args:
        width: D.

    Example:
        >>> SinusoidalPositions(4)(1, first=1)
        tensor([[0.8415, 0.5403, 0.0100, 0.9999]])
    """

    table: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("table", sinusoids(64, width), persistent=False)

    def forward(self, count: int, first: int = 0) -> Tensor:
        """The vectors of the positions `first` to `first + count - 1`."""
        while self.table.shape[0] < first + count:
            self.table = sinusoids(2 * self.table.shape[0], self.width, self.table.device).to(self.table.dtype)
        return self.table[first : first + count]


class LearnedPositions(nn.Embedding):
    """A learned vector for each position, up to the last.

    Source: Gehring et al. 2017, "Convolutional sequence to sequence learning", section 3.1; Vaswani et al. 2017,
    section 3.5 and table 3, row E; Devlin et al. 2018, Radford et al. 2018.

    Shape:
        a number of positions, and the first -> `[count, width]`; or int64 positions `[...]` -> `[..., width]`.

    Args:
        context: positions that there are, 1 or more.
        width: D.
        deviation: weights begin as `N(0, deviation^2)`.

    Raises:
        InputError: a number below 1; on call, a position behind the last.

    Example:
        >>> LearnedPositions(5, 8)(3).shape
        torch.Size([3, 8])
    """

    def __init__(self, context: int, width: int, deviation: float = 0.02) -> None:
        if context < 1 or width < 1:
            raise InputError(f"{context} positions of width {width} were asked for; give 1 or more of each")
        super().__init__(context, width)
        nn.init.normal_(self.weight, std=deviation)

    def forward(self, positions: Tensor | int, first: int = 0) -> Tensor:
        """The vectors of given positions, or of the `positions` many from `first` on."""
        if isinstance(positions, Tensor):
            found: Tensor = super().forward(positions)
            return found
        check_context(first + positions, self.num_embeddings)
        return self.weight[first : first + positions]


def check_context(count: int, context: int) -> None:
    """Hold a number of tokens against what a network can read.

    Raises:
        InputError: there are more.
    """
    if count > context:
        raise InputError(
            f"{count} tokens were given to a network that reads {context} at most; shorten the text, or build the "
            f"network with context={count}"
        )
