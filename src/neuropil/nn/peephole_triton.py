"""The LSTM with a peephole on a GPU: all steps of a pass in one kernel, whose programs wait for one another.

A program owns 16 units: their cells stay in its registers, and it reads the last outputs of all units each step. The
matrix stays in the GPU's cache. Imported only where Triton is.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["all_steps", "all_steps_back", "fits"]

UNITS = 16
"""Units of a program: the least that a product of tiles takes."""

MOST_ROWS = 64
PIECE = 128
"""Of a sum over units or gates, at a time."""


def fits(rows: int, width: int, device: torch.device) -> bool:
    """Whether all programs of such a layer run at the same time, as they must."""
    programs = width // UNITS
    processors = torch.cuda.get_device_properties(device).multi_processor_count
    return rows <= MOST_ROWS and width % PIECE == 0 and programs <= processors


@triton.jit
def _wait(counter, arrived):
    """Go on once all programs have come this far; what they have written is seen then."""
    tl.debug_barrier()
    tl.atomic_add(counter, 1, sem="release", scope="gpu")
    while tl.atomic_add(counter, 0, sem="acquire", scope="gpu") < arrived:
        pass
    tl.debug_barrier()


@triton.jit
def _sigmoid(x):
    return 1 / (1 + tl.exp(-x))


@triton.jit
def _tanh(x):
    return 2 / (1 + tl.exp(-2 * x)) - 1


@triton.jit
def _forwards(
    gates, weight, peephole, hs, cs, squashed, counter, times, count,
    WIDTH: tl.constexpr, ROWS: tl.constexpr, UNITS: tl.constexpr, PIECE: tl.constexpr, PREVIOUS: tl.constexpr,
):  # fmt: skip
    units = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    rows = tl.arange(0, ROWS)
    real = (rows < count)[:, None]
    own = rows[:, None] * WIDTH + units[None, :]
    own_gates = rows[:, None] * 4 * WIDTH + units[None, :]
    piece = tl.arange(0, PIECE)
    seen = tl.load(peephole + units)[None, :]
    c = tl.load(cs + own, mask=real, other=0.0)
    for t in range(times):
        gate = gates + t * count * 4 * WIDTH + own_gates
        i = tl.load(gate, mask=real, other=0.0)
        f = tl.load(gate + WIDTH, mask=real, other=0.0)
        g = tl.load(gate + 2 * WIDTH, mask=real, other=0.0)
        o = tl.load(gate + 3 * WIDTH, mask=real, other=0.0)
        before = hs + t * count * WIDTH
        for begin in range(0, WIDTH, PIECE):
            h = tl.load(before + rows[:, None] * WIDTH + begin + piece[None, :], mask=real, other=0.0,
                        cache_modifier=".cg")  # fmt: skip
            at = weight + units[:, None] * WIDTH + begin + piece[None, :]
            i = tl.dot(h, tl.trans(tl.load(at)), i)
            f = tl.dot(h, tl.trans(tl.load(at + WIDTH * WIDTH)), f)
            g = tl.dot(h, tl.trans(tl.load(at + 2 * WIDTH * WIDTH)), g)
            o = tl.dot(h, tl.trans(tl.load(at + 3 * WIDTH * WIDTH)), o)
        i, f, g = _sigmoid(i), _sigmoid(f), _tanh(g)
        last = c
        c = f * c + i * g
        o = _sigmoid(o + seen * (last if PREVIOUS else c))
        s = _tanh(c)
        tl.store(hs + (t + 1) * count * WIDTH + own, (o * s).to(hs.dtype.element_ty), mask=real)
        tl.store(gate, i, mask=real)
        tl.store(gate + WIDTH, f, mask=real)
        tl.store(gate + 2 * WIDTH, g, mask=real)
        tl.store(gate + 3 * WIDTH, o, mask=real)
        tl.store(cs + (t + 1) * count * WIDTH + own, c, mask=real)
        tl.store(squashed + t * count * WIDTH + own, s, mask=real)
        _wait(counter, (t + 1) * tl.num_programs(0))


@triton.jit
def _backwards(
    of_h, slopes, through, forget, weight, peephole, ends, sums, of_c, counter, times, count,
    WIDTH: tl.constexpr, ROWS: tl.constexpr, UNITS: tl.constexpr, PIECE: tl.constexpr, PREVIOUS: tl.constexpr,
    ENDS: tl.constexpr,
):  # fmt: skip
    units = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    rows = tl.arange(0, ROWS)
    real = (rows < count)[:, None]
    own = rows[:, None] * WIDTH + units[None, :]
    own_gates = rows[:, None] * 4 * WIDTH + units[None, :]
    piece = tl.arange(0, PIECE)
    seen = tl.load(peephole + units)[None, :]
    c = tl.load(of_c + own, mask=real, other=0.0)
    for step in range(times):
        t = times - 1 - step
        h = tl.load(of_h + t * count * WIDTH + own, mask=real, other=0.0)
        if step > 0:
            after = sums + (t + 1) * count * 4 * WIDTH
            for begin in range(0, 4 * WIDTH, PIECE):
                asked = tl.load(after + rows[:, None] * 4 * WIDTH + begin + piece[None, :], mask=real, other=0.0,
                                cache_modifier=".cg")  # fmt: skip
                column = tl.load(weight + units[:, None] * 4 * WIDTH + begin + piece[None, :])
                h = tl.dot(asked, tl.trans(column), h)
        gate = t * count * 4 * WIDTH + own_gates
        o = h * tl.load(slopes + gate + 3 * WIDTH, mask=real, other=0.0)
        c += h * tl.load(through + t * count * WIDTH + own, mask=real, other=0.0)
        if ENDS:
            c += tl.load(ends + t * count * WIDTH + own, mask=real, other=0.0)
        if not PREVIOUS:
            c += o * seen
        i = c * tl.load(slopes + gate, mask=real, other=0.0)
        f = c * tl.load(slopes + gate + WIDTH, mask=real, other=0.0)
        g = c * tl.load(slopes + gate + 2 * WIDTH, mask=real, other=0.0)
        c = c * tl.load(forget + gate + WIDTH, mask=real, other=0.0)
        if PREVIOUS:
            c += o * seen
        kind = sums.dtype.element_ty
        tl.store(sums + gate, i.to(kind), mask=real)
        tl.store(sums + gate + WIDTH, f.to(kind), mask=real)
        tl.store(sums + gate + 2 * WIDTH, g.to(kind), mask=real)
        tl.store(sums + gate + 3 * WIDTH, o.to(kind), mask=real)
        _wait(counter, (step + 1) * tl.num_programs(0))
    tl.store(of_c + own, c, mask=real)


def _launched(kernel: Any, width: int, rows: int, device: torch.device, *given: Any, **options: Any) -> None:
    counter = torch.zeros(1, dtype=torch.int32, device=device)
    padded = max(16, triton.next_power_of_2(rows))
    with torch.cuda.device(device):
        kernel[(width // UNITS,)](
            *given[:-2], counter, *given[-2:], WIDTH=width, ROWS=padded, UNITS=UNITS, PIECE=PIECE, num_warps=4,
            launch_cooperative_grid=True, **options,
        )  # fmt: skip


def all_steps(
    gates: Tensor, weight: Tensor, peephole: Tensor, hs: Tensor, cs: Tensor, squashed: Tensor, previous: bool
) -> None:
    """All steps forwards: `gates` holds the input's shares and then the gates; the others are filled.

    Shape: gates `[T, N, 4 H]` float32; weight `[4 H, H]` and hs `[T + 1, N, H]` in bf16; cs `[T + 1, N, H]` and
        squashed `[T, N, H]` float32.
    """
    times, rows, width = squashed.shape
    _launched(
        _forwards, width, rows, gates.device, gates, weight, peephole, hs, cs, squashed, times, rows, PREVIOUS=previous
    )


def all_steps_back(
    of_h: Tensor, slopes: Tensor, through: Tensor, gates: Tensor, weight: Tensor, peephole: Tensor,
    ends: Tensor | None, of_c: Tensor, previous: bool,
) -> Tensor:  # fmt: skip
    """All steps backwards; gives the gradients of the gates' sums `[T, N, 4 H]` in the weight's type, and leaves in
    `of_c` the first cell's.
    """
    times, rows, width = through.shape
    sums = torch.empty(times, rows, 4 * width, dtype=weight.dtype, device=weight.device)
    _launched(
        _backwards, width, rows, weight.device, of_h, slopes, through, gates, weight.t().contiguous(), peephole,
        through if ends is None else ends, sums, of_c, times, rows, PREVIOUS=previous, ENDS=ends is not None,
    )  # fmt: skip
    return sums
