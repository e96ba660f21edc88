"""What a network carries from token to token while it writes, so that a search can choose among its rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

__all__ = ["LayerState", "WritingState", "rows_of"]

LayerState = Tensor | tuple[Tensor, Tensor]
"""Of recurrent layers: `[L, N, H]`, or the LSTM's pair of such."""


@dataclass(frozen=True, slots=True)
class WritingState:
    """The state of a network that writes, a row for each sequence.

    Args:
        layers: of the recurrent layers.
        memory: what is attended to, `[N, S, M]`.
        keys: by which it is found, `[N, S, A]`.
        there: which of it is no padding, bool `[N, S]`; `None` for all of it.
        fed: what the last step hands to the next, `[N, W]`.
    """

    layers: LayerState
    memory: Tensor | None = None
    keys: Tensor | None = None
    there: Tensor | None = None
    fed: Tensor | None = None

    def select(self, indices: Tensor) -> WritingState:
        """The state whose row i is row `indices[i]` of this one."""
        rows = {
            name: None if (part := getattr(self, name)) is None else part.index_select(0, indices)
            for name in ("memory", "keys", "there", "fed")
        }
        return replace(self, layers=rows_of(self.layers, indices), **rows)


def rows_of(state: LayerState, indices: Tensor) -> LayerState:
    """Rows of the state of recurrent layers.

    Example:
        >>> import torch
        >>> rows_of(torch.arange(3.0).view(1, 3, 1), torch.tensor([2, 2])).flatten()
        tensor([2., 2.])
    """
    if isinstance(state, Tensor):
        return state.index_select(1, indices)
    return state[0].index_select(1, indices), state[1].index_select(1, indices)
