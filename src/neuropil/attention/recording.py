"""The weights of attention on request: who looked at whom.

Without a request no weights are kept, and on most paths none are ever held at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch import Tensor, nn

from neuropil.attention.heads import AttentionHeads
from neuropil.errors import InputError

__all__ = ["Recorded", "recording"]


class Recorded(dict[str, Tensor]):
    """By each attention's name in the network the weights `[N, H, T, S]` of its last call, before dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, list[Tensor]] = {}
        """Of every call, in order: generation makes one a token."""

    def add(self, name: str, weights: Tensor) -> None:
        """One more call."""
        self[name] = weights
        self.calls.setdefault(name, []).append(weights)


@contextmanager
def recording(network: nn.Module) -> Iterator[Recorded]:
    """Collect the weights of every attention of a network while the block runs.

    Args:
        network: with attention in it; what it says stays the same.

    Raises:
        InputError: there is no attention in it, or another block collects its weights already.

    Example:
        >>> import torch
        >>> from neuropil.attention.multihead import MultiHeadAttention
        >>> layer = nn.Sequential(MultiHeadAttention(8, 2))
        >>> with recording(layer) as found:
        ...     _ = layer(torch.zeros(1, 4, 8))
        >>> {name: weights.shape for name, weights in found.items()}
        {'0': torch.Size([1, 2, 4, 4])}
    """
    layers = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, AttentionHeads)]
    if not layers:
        raise InputError(f"a {type(network).__name__} was given to record, but there is no attention in it")
    if any(layer.recorder is not None for _, layer in layers):
        raise InputError("the weights of this network are being recorded already; leave that block first")
    found = Recorded()
    for name, layer in layers:
        layer.recorder = partial(found.add, name)
    try:
        yield found
    finally:
        for _, layer in layers:
            layer.recorder = None
