"""How much memory training keeps for the way back, counted from what autograd really saves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from types import TracebackType

import torch
from torch import Tensor

__all__ = ["KeptMemory"]


class KeptMemory:
    """While it is entered, counts the bytes that operations keep for their gradients; memory held twice counts once.

    What is let go, by `backward` or because nothing needs it any more, is taken off again, so that `peak` is what a
    machine must have at the worst moment.

    Source: chapter, "BPTT", "Truncated BPTT" (rows 99, 108).

    Args:
        without: tensors that are there anyway, such as a network's weights.

    Example:
        >>> x = torch.ones(10, requires_grad=True)
        >>> with KeptMemory() as kept:
        ...     y = x.tanh().tanh()  # each keeps its own output: 2 x 10 numbers of 4 bytes
        >>> kept.now, kept.peak
        (80, 80)
        >>> y.sum().backward()
        >>> kept.now, kept.peak
        (0, 80)
    """

    def __init__(self, without: Iterable[Tensor] = ()) -> None:
        self._without = {one.untyped_storage().data_ptr() for one in without}
        self._holders: Counter[int] = Counter()
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, _unpack)
        self.now = 0
        """Bytes that are kept."""
        self.peak = 0
        """The most that were kept at a time."""

    def __enter__(self) -> KeptMemory:
        self._hooks.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hooks.__exit__(kind, error, trace)

    def _pack(self, tensor: Tensor) -> _Held:
        return _Held(tensor, self)

    def take(self, place: int, num_bytes: int) -> None:
        """One more operation keeps the memory at a place."""
        if place in self._without:
            return
        self._holders[place] += 1
        if self._holders[place] == 1:
            self.now += num_bytes
            self.peak = max(self.peak, self.now)

    def leave(self, place: int, num_bytes: int) -> None:
        """One operation less does."""
        if place in self._without:
            return
        self._holders[place] -= 1
        if not self._holders[place]:
            self.now -= num_bytes


class _Held:
    """A tensor that an operation keeps; it tells when it is let go."""

    __slots__ = ("counter", "num_bytes", "place", "tensor")

    def __init__(self, tensor: Tensor, counter: KeptMemory) -> None:
        storage = tensor.untyped_storage()
        self.tensor, self.counter = (
            tensor.detach(),
            counter,
        )  # an output that held its own operation would stay for ever
        self.place, self.num_bytes = storage.data_ptr(), storage.nbytes()
        counter.take(self.place, self.num_bytes)

    def __del__(self) -> None:
        self.counter.leave(self.place, self.num_bytes)


def _unpack(held: _Held) -> Tensor:
    return held.tensor
