"""Recurrent layers of ours, of torch's and of Keras', and the loop that one writes by hand."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.records import Measurement
from benchmarks.topics.recurrent import SHAPES, named
from neuropil.recurrent.cells import GRU, LSTM, VanillaRNN

__all__ = ["COMPETITORS", "PeepholeLoop"]

WARM_UP, RUNS, SECONDS = 3, 7, 2.0
"""Runs that do not count, how many do at least, and how long these take together at least."""

Run = Callable[[Tensor], Tensor]


class PeepholeLoop(nn.Module):
    """An LSTM with a peephole as one writes it: one step after another."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.inputs, self.hidden = nn.Linear(features, 4 * width), nn.Linear(width, 4 * width)
        self.peephole = nn.Parameter(torch.zeros(width))
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        """`[N, T, D]` -> `[N, T, H]`."""
        h = c = x.new_zeros(len(x), self.width)
        outputs = []
        for t in range(x.shape[1]):
            i, f, g, o = (self.inputs(x[:, t]) + self.hidden(h)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o + self.peephole * c) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs, 1)


def _ours(make: Callable[..., Any], features: int, width: int) -> Run:
    layer = make(features, width)
    return lambda x: layer(x)[0]


def _theirs(make: Callable[..., Any], features: int, width: int) -> Run:
    layer = make(features, width, batch_first=True)
    return lambda x: layer(x)[0]


def _keras(features: int, width: int) -> Run:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    layer: Run = keras.layers.LSTM(width, return_sequences=True)
    return layer


def _measured(make: Callable[[int, int], Run], bf16: bool, shape: tuple[int, int, int, int], seed: int) -> Measurement:
    batch, steps, features, width = shape
    torch.manual_seed(seed)
    run, x = make(features, width), torch.randn(batch, steps, features).requires_grad_()
    gradient = torch.randn(batch, steps, width)
    precision = torch.autocast("cpu", torch.bfloat16) if bf16 else contextlib.nullcontext()
    seconds: list[float] = []
    while len(seconds) < WARM_UP + RUNS or sum(seconds[WARM_UP:]) < SECONDS:
        begin = time.perf_counter()
        with precision:
            outputs = run(x)
        outputs.backward(gradient.to(outputs.dtype))  # type: ignore[no-untyped-call]
        seconds.append(time.perf_counter() - begin)
    assert outputs.shape == gradient.shape
    return Measurement({f"ms {named(shape)}": 1e3 * statistics.median(seconds[WARM_UP:])}, {"shape": list(shape)})


def _start(steps: int, seed: int) -> Measurement:
    """How much longer the first pass takes than the next."""
    torch.manual_seed(seed)
    layer, x = LSTM(64, 128), torch.randn(32, steps, 64)
    seconds: list[float] = []
    for _ in range(3):
        begin = time.perf_counter()
        layer(x)[0].sum().backward()
        seconds.append(time.perf_counter() - begin)
    return Measurement({"compile s": seconds[0] - seconds[-1]})


MAKERS: dict[str, Callable[[int, int], Run]] = {
    "peephole": partial(_ours, LSTM),
    "rnn": partial(_ours, VanillaRNN),
    "lstm": partial(_ours, partial(LSTM, peephole="none")),
    "gru": partial(_ours, GRU),
    "torch-rnn": partial(_theirs, nn.RNN),
    "torch-lstm": partial(_theirs, nn.LSTM),
    "torch-gru": partial(_theirs, nn.GRU),
    "loop": PeepholeLoop,
    "keras-lstm": _keras,
}

COMPETITORS: dict[str, Callable[[int], Measurement]] = {
    **{f"{name}-{named(one)}": partial(_measured, make, False, one) for name, make in MAKERS.items() for one in SHAPES},
    **{f"peephole-bf16-{named(one)}": partial(_measured, MAKERS["peephole"], True, one) for one in SHAPES},
    **{f"peephole-start-{steps}": partial(_start, steps) for steps in (50, 2000)},
}
