"""Stochastic pooling by us and by hand, and torch's max pooling, on what AlexNet pools."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.records import Measurement
from benchmarks.topics.pooling import LAYOUTS, MAPS, TYPES
from neuropil.nn.stochastic_pooling import StochasticPooling

__all__ = ["COMPETITORS", "composed"]

BATCH, SIZE, STRIDE, WARM_UP, RUNS = 32, 3, 2, 2, 9
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}

Pool = Callable[[Tensor], Tensor]


def largest(x: Tensor) -> Tensor:
    """Torch's max pooling."""
    return F.max_pool2d(x, SIZE, STRIDE)


def composed(x: Tensor) -> Tensor:
    """Stochastic pooling as one writes it: windows into rows, a draw of each row."""
    windows = x.unfold(2, SIZE, STRIDE).unfold(3, SIZE, STRIDE)
    rows = windows.flatten(4).flatten(0, 3)
    weights = rows.detach() + (rows.detach().sum(dim=1, keepdim=True) == 0)  # a row of zeros has no law
    return rows.gather(1, weights.multinomial(1)).view(windows.shape[:4])


def _milliseconds(work: Callable[[], object]) -> float:
    seconds = []
    for run in range(WARM_UP + RUNS):
        begin = time.perf_counter()
        work()
        if run >= WARM_UP:
            seconds.append(time.perf_counter() - begin)
    return 1e3 * statistics.median(seconds)


def _measured(pool: Pool, precision: str, layout: str, seed: int) -> Measurement:
    draw = torch.Generator().manual_seed(seed)
    kept = torch.channels_last if layout else torch.contiguous_format
    figures, shapes = {}, []
    for maps in MAPS:
        x = torch.randn(BATCH, *maps, generator=draw).relu().to(PRECISIONS[precision], memory_format=kept)
        x.requires_grad_()
        said = pool(x)
        gradient = torch.randn(said.shape, generator=draw).to(said.dtype, memory_format=kept)
        shapes.append(list(said.shape))

        def both(x: Tensor = x, gradient: Tensor = gradient) -> object:
            return torch.autograd.grad(pool(x), x, gradient)

        size = "x".join(map(str, maps))
        figures[f"forward ms {size}"] = _milliseconds(partial(pool, x))
        figures[f"forward and backward ms {size}"] = _milliseconds(both)
    work = {"batch": BATCH, "outputs": shapes, "precision": precision, "layout": layout or "contiguous"}
    return Measurement(figures, work)


COMPETITORS: dict[str, Callable[[int], Measurement]] = {
    f"{name}-{precision}{layout}": partial(_measured, pool, precision, layout)
    for name, pool in (("neuropil", StochasticPooling(SIZE, STRIDE)), ("max", largest), ("composed", composed))
    for precision in TYPES
    for layout in LAYOUTS
}
