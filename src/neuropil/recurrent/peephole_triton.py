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
def _arrive(counter):
    """Say that all that this program has written so far may be read."""
    tl.debug_barrier()
    tl.atomic_add(counter, 1, sem="release", scope="gpu")


@triton.jit
def _wait(counter, arrived):
    """Go on once all programs have come this far."""
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
def _of_gate(all_four, gate: tl.constexpr):
    """One plane of `[4, N, H]`."""
    return tl.sum(tl.where(tl.arange(0, 4)[:, None, None] == gate, all_four, 0.0), 0)


@triton.jit
def _forwards(
    gates, weight, peephole, hs, cs, squashed, counter, times, count,
    WIDTH: tl.constexpr, ROWS: tl.constexpr, UNITS: tl.constexpr, PIECE: tl.constexpr, PREVIOUS: tl.constexpr,
):  # fmt: skip
    units = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    rows, four, piece = tl.arange(0, ROWS), tl.arange(0, 4), tl.arange(0, PIECE)
    real = (rows < count)[:, None]
    own = rows[:, None] * WIDTH + units[None, :]
    own_gates = four[:, None, None] * WIDTH + rows[None, :, None] * 4 * WIDTH + units[None, None, :]
    own_weights = weight + (four[:, None, None] * WIDTH + units[None, :, None]) * WIDTH + piece[None, None, :]
    all_real = real[None, :, :] & (four < 4)[:, None, None]
    seen = tl.load(peephole + units)[None, :]
    c = tl.load(cs + own, mask=real, other=0.0)
    sums = tl.load(gates + own_gates, mask=all_real, other=0.0)
    for t in range(times):
        before = hs + t * count * WIDTH + rows[:, None] * WIDTH + piece[None, :]
        for begin in range(0, WIDTH, PIECE):
            h = tl.load(before + begin, mask=real, other=0.0, cache_modifier=".cg")
            column = tl.permute(tl.load(own_weights + begin), (0, 2, 1))
            sums = tl.dot(tl.broadcast_to(h[None, :, :], (4, ROWS, PIECE)), column, sums)
        i, f, g = _sigmoid(_of_gate(sums, 0)), _sigmoid(_of_gate(sums, 1)), _tanh(_of_gate(sums, 2))
        last = c
        c = f * c + i * g
        o = _sigmoid(_of_gate(sums, 3) + seen * (last if PREVIOUS else c))
        s = _tanh(c)
        tl.store(hs + (t + 1) * count * WIDTH + own, (o * s).to(hs.dtype.element_ty), mask=real)
        _arrive(counter)
        gate = gates + t * count * 4 * WIDTH + rows[:, None] * 4 * WIDTH + units[None, :]
        tl.store(gate, i, mask=real)
        tl.store(gate + WIDTH, f, mask=real)
        tl.store(gate + 2 * WIDTH, g, mask=real)
        tl.store(gate + 3 * WIDTH, o, mask=real)
        tl.store(cs + (t + 1) * count * WIDTH + own, c, mask=real)
        tl.store(squashed + t * count * WIDTH + own, s, mask=real)
        ahead = gates + (t + 1) * count * 4 * WIDTH + own_gates
        sums = tl.load(ahead, mask=all_real & (t + 1 < times), other=0.0)
        _wait(counter, (t + 1) * tl.num_programs(0))


@triton.jit
def _backwards(
    of_h, slopes, through, forget, weight, peephole, ends, sums, of_c, counter, times, count,
    WIDTH: tl.constexpr, ROWS: tl.constexpr, UNITS: tl.constexpr, PIECE: tl.constexpr, PREVIOUS: tl.constexpr,
    ENDS: tl.constexpr,
):  # fmt: skip
    units = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    rows, four, piece = tl.arange(0, ROWS), tl.arange(0, 4), tl.arange(0, PIECE)
    real = (rows < count)[:, None]
    own = rows[:, None] * WIDTH + units[None, :]
    own_gates = rows[:, None] * 4 * WIDTH + units[None, :]
    all_real = real[None, :, :] & (four < 4)[:, None, None]
    own_weights = weight + (units[None, :, None] * 4 + four[:, None, None]) * WIDTH + piece[None, None, :]
    asked_for = rows[None, :, None] * 4 * WIDTH + four[:, None, None] * WIDTH + piece[None, None, :]
    kind = sums.dtype.element_ty
    seen = tl.load(peephole + units)[None, :]
    c = tl.load(of_c + own, mask=real, other=0.0)
    for step in range(times):
        t = times - 1 - step
        gate = t * count * 4 * WIDTH + own_gates
        h = tl.load(of_h + t * count * WIDTH + own, mask=real, other=0.0)
        slope_i = tl.load(slopes + gate, mask=real, other=0.0)
        slope_f = tl.load(slopes + gate + WIDTH, mask=real, other=0.0)
        slope_g = tl.load(slopes + gate + 2 * WIDTH, mask=real, other=0.0)
        slope_o = tl.load(slopes + gate + 3 * WIDTH, mask=real, other=0.0)
        slope_c = tl.load(through + t * count * WIDTH + own, mask=real, other=0.0)
        kept = tl.load(forget + gate + WIDTH, mask=real, other=0.0)
        if ENDS:
            c += tl.load(ends + t * count * WIDTH + own, mask=real, other=0.0)
        if step > 0:
            _wait(counter, step * tl.num_programs(0))
            parts = tl.zeros((4, ROWS, UNITS), dtype=tl.float32)
            after = sums + (t + 1) * count * 4 * WIDTH + asked_for
            for begin in range(0, WIDTH, PIECE):
                asked = tl.load(after + begin, mask=all_real, other=0.0, cache_modifier=".cg")
                parts = tl.dot(asked, tl.permute(tl.load(own_weights + begin), (0, 2, 1)), parts)
            h += tl.sum(parts, 0)
        o = h * slope_o
        c += h * slope_c
        if not PREVIOUS:
            c += o * seen
        tl.store(sums + gate, (c * slope_i).to(kind), mask=real)
        tl.store(sums + gate + WIDTH, (c * slope_f).to(kind), mask=real)
        tl.store(sums + gate + 2 * WIDTH, (c * slope_g).to(kind), mask=real)
        tl.store(sums + gate + 3 * WIDTH, o.to(kind), mask=real)
        _arrive(counter)
        c = c * kept
        if PREVIOUS:
            c += o * seen
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
