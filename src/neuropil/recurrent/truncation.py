"""Backpropagation through time that goes back a bounded number of steps, in memory that does not grow with time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from neuropil.errors import InputError

__all__ = ["detach_state", "truncated_steps"]


def detach_state(state: Any) -> Any:
    """The same state without its history: a tensor, or tuples of such.

    Example:
        >>> detach_state((torch.ones(2, requires_grad=True) * 2, None))
        (tensor([2., 2.]), None)
    """
    if isinstance(state, Tensor):
        return state.detach()
    return tuple(detach_state(one) for one in state) if isinstance(state, tuple) else state


def truncated_steps(
    layer: Callable[[Tensor, Any], tuple[Tensor, Any]],
    x: Tensor | Callable[[int, int], Tensor | None],
    *,
    window: int,
    stride: int | None = None,
    state: Any = None,
) -> Iterator[tuple[int, Tensor, Any]]:
    """Runs a recurrent layer piece by piece; the gradient of each piece's outputs goes back `window` steps at most.

    Each piece begins at the state `window` steps before its end and gives its last `stride` outputs. What is handed on
    from piece to piece is detached, and no more than one window of activations is held: call `backward` on a loss of
    each piece before the next is asked for. Where the window covers the sequence, the gradients add up to those of full
    backpropagation through time.

    Source: chapter, "Truncated BPTT" (row 108); Williams and Peng 1990, "An efficient gradient-based algorithm for
    on-line training of recurrent network trajectories", BPTT(h; h') with h = window and h' = stride.

    Args:
        layer: `(x [N, T, D], state) -> (outputs [N, T, H], state)`, such as those of `neuropil.recurrent.cells`.
        x: `[N, T, D]`; or a function that gives the steps from one place up to another, fewer at the end of the
            sequence, `None` behind it.
        window: steps that an error goes back, 1 or more.
        stride: new steps of each piece, of which the window is a multiple; left out: the window.
        state: before the first step, as the layer knows it.

    Yields:
        the place of the first new step, the outputs of the new steps, and the detached state behind them, with which
        a later call goes on.

    Raises:
        InputError: a window below 1, or a stride of which it is no multiple.

    Example:
        >>> layer = torch.nn.GRU(2, 3, batch_first=True)
        >>> pieces = truncated_steps(layer, torch.zeros(1, 7, 2), window=4, stride=2)
        >>> [(place, y.shape[1]) for place, y, _ in pieces]
        [(0, 2), (2, 2), (4, 2), (6, 1)]
    """
    stride = window if stride is None else stride
    if window < 1 or stride < 1 or window % stride:
        raise InputError(f"window is {window} and stride {stride}; give 1 or more, the window a multiple of the stride")
    read = _reader(x) if isinstance(x, Tensor) else x
    begins: deque[tuple[int, Any]] = deque([(0, state)], maxlen=window // stride)
    place = 0
    while (new := read(place, place + stride)) is not None and new.shape[1]:
        begin, before = begins[0]
        old = read(begin, place) if begin < place else None
        piece = new if old is None else torch.cat([old, new], 1)
        outputs, after = layer(piece, before)
        count = new.shape[1]
        state = detach_state(after)
        yield place, outputs[:, -count:], state
        place += count
        if count < stride:
            return
        begins.append((place, state))


def _reader(x: Tensor) -> Callable[[int, int], Tensor | None]:
    return lambda begin, end: x[:, begin:end] if begin < x.shape[1] else None
