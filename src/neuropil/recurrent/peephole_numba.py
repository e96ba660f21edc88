"""The steps of an LSTM with a peephole on a processor, in fp32: all of a step but its product is one call, compiled by
Numba when the first is made.

torch has a call for each operation, which in a layer of some hundred units takes longer than its arithmetic. Imported
only where Numba is.
"""

from __future__ import annotations

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuropil.recurrent.peephole_gradients import Gradients
from neuropil.recurrent.products import Product, blocks
from neuropil.recurrent.steps import Peephole

__all__ = ["all_steps", "all_steps_back"]

Array = NDArray[np.float32]
_f = np.float32
_compiled = numba.njit(fastmath={"contract"}, error_model="numpy", nogil=True)
_inlined = numba.njit(fastmath={"contract"}, error_model="numpy", inline="always")


@_inlined
def _exp(x: np.float32) -> np.float32:
    """2^n e^r with |r| at most half of log 2, by the first eight terms (relative error 5e-9) and the bits of 2^n; one
    that a loop can do for many numbers at once.
    """
    x = _f(88) if x > _f(88) else x
    x = _f(-87) if x < _f(-87) else x
    n = np.floor(x * _f(1 / np.log(2)) + _f(0.5))
    r = (x - n * _f(0.693359375)) - n * _f(np.log(2) - 0.693359375)  # log 2 in two parts, the first of few bits
    e = _f(1 / 5040)
    for k in (720, 120, 24, 6, 2, 1, 1):
        e = e * r + _f(1 / k)
    return e * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@_inlined
def _sigmoid(x: np.float32) -> np.float32:
    return _f(1) / (_f(1) + _exp(-x))


@_inlined
def _tanh(x: np.float32) -> np.float32:
    return _f(2) * _sigmoid(_f(2) * x) - _f(1)


@_compiled
def _forwards(
    t: int, sums: Array, gates: Array, cells: Array, outputs: Array, to: int, x: Array, fed: Array, inner: Array,
    outer: Array, previous: bool,
) -> None:  # fmt: skip
    """The step `t` from its sums `[N, 4 H]`: fills `gates[t]`, `cells[t + 1]` and `outputs[to]`, and `fed`
    `[N, D + H]` for the next step.

    `inner` are the peepholes of input and forget gate `[2 H]`, or none. Every loop is over few enough arrays that many
    of its numbers are done at once.
    """
    width, features = cells.shape[2], x.shape[2]
    for n in range(cells.shape[1]):
        s, a = sums[n], gates[t, n]
        before, now, h = cells[t, n], cells[t + 1, n], outputs[to, n]
        coming, put, last = x[min(t + 1, len(x) - 1), n], fed[n, :features], fed[n, features:]
        if len(inner):
            of_i, of_f, s_i, s_f = inner[:width], inner[width:], s[:width], s[width : 2 * width]
            for j in range(width):
                s_i[j] += of_i[j] * before[j]
            for j in range(width):
                s_f[j] += of_f[j] * before[j]
        for j in range(2 * width):
            a[j] = _sigmoid(s[j])
        i, f, g, o = a[:width], a[width : 2 * width], a[2 * width : 3 * width], a[3 * width :]
        s_g, s_o = s[2 * width : 3 * width], s[3 * width :]
        for j in range(width):
            g[j] = _tanh(s_g[j])
        for j in range(width):
            now[j] = f[j] * before[j] + i[j] * g[j]
        seen = before if previous else now
        for j in range(width):
            o[j] = _sigmoid(s_o[j] + outer[j] * seen[j])
        for j in range(width):
            h[j] = o[j] * _tanh(now[j])
        for j in range(width):
            last[j] = h[j]
        for j in range(features):
            put[j] = coming[j]


@_compiled
def _backwards(
    t: int, k: int, of_h: Array, given: Array, of_c: Array, gates: Array, cells: Array, sums: Array, inner: Array,
    outer: Array, previous: bool,
) -> None:  # fmt: skip
    """The step `t` from its output's gradient, `of_h` by the step after it and `given[t]` from outside: fills
    `sums[k]`, the gradients of its sums, and goes on to the cell before with `of_c`.
    """
    width = cells.shape[2]
    for n in range(cells.shape[1]):
        a, s, of_now, of_out, from_outside = gates[t, n], sums[k, n], of_c[n], of_h[n], given[t, n]
        before, now = cells[t, n], cells[t + 1, n]
        i, f, g, o = a[:width], a[width : 2 * width], a[2 * width : 3 * width], a[3 * width :]
        of_i, of_f, of_g, of_o = s[:width], s[width : 2 * width], s[2 * width : 3 * width], s[3 * width :]
        for j in range(width):
            of_out[j] += from_outside[j]
        for j in range(width):
            of_o[j] = _tanh(now[j])
        for j in range(width):
            of_now[j] += of_out[j] * o[j] * (_f(1) - of_o[j] * of_o[j])
        for j in range(width):
            of_o[j] *= of_out[j] * o[j] * (_f(1) - o[j])
        if not previous:
            for j in range(width):
                of_now[j] += of_o[j] * outer[j]
        for j in range(width):
            of_i[j] = of_now[j] * g[j] * i[j] * (_f(1) - i[j])
        for j in range(width):
            of_f[j] = of_now[j] * before[j] * f[j] * (_f(1) - f[j])
        for j in range(width):
            of_g[j] = of_now[j] * i[j] * (_f(1) - g[j] * g[j])
        for j in range(width):
            of_now[j] *= f[j]
        if previous:
            for j in range(width):
                of_now[j] += of_o[j] * outer[j]
        if len(inner):
            for_i, for_f = inner[:width], inner[width:]
            for j in range(width):
                of_now[j] += of_i[j] * for_i[j] + of_f[j] * for_f[j]


def _peepholes(peephole: Tensor, width: int) -> tuple[Array, Array]:
    """Those of input and forget gate `[2 H]`, or none, and the output gate's `[H]`."""
    all_of_them: Array = peephole.detach().contiguous().numpy()
    return all_of_them[:-width], all_of_them[-width:]


def all_steps(
    x: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor, gates: Tensor, hs: Tensor, cs: Tensor,
    peephole: Tensor, kind: Peephole,
) -> None:  # fmt: skip
    """As of `peephole_torch.all_steps`, but for the kind `full`; input and last output go into one product."""
    (times, rows), dtype, numbers = x.shape[:2], hs.dtype, gates.dtype
    product, bias = Product(torch.cat((weight_ih, weight_hh), 1), rows, dtype, times), bias.to(dtype)
    x = x.to(numbers).contiguous()
    fed = torch.cat((x[0], hs[0].to(numbers)), 1)
    whole = dtype == numbers
    outputs, h = hs if whole else fed.new_empty(1, *hs.shape[1:]), hs.unbind(0)
    (inner, outer), previous = _peepholes(peephole, cs.shape[2]), kind == "previous"
    filled, cells, written, given, joined = (one.numpy() for one in (gates, cs, outputs, x, fed))
    for t in range(times):
        sums, to = product.of(fed, bias).to(numbers).numpy(), t + 1 if whole else 0
        _forwards(t, sums, filled, cells, written, to, given, joined, inner, outer, previous)
        if not whole:
            h[t + 1].copy_(outputs[0])


def all_steps_back(
    of_hs: Tensor, of_c: Tensor, ends: Tensor | None, gates: Tensor, cs: Tensor, weight_hh: Tensor, peephole: Tensor,
    kind: Peephole, found: Gradients,
) -> Tensor:  # fmt: skip
    """As of `peephole_torch.all_steps_back`, but for the kind `full`."""
    (times, rows, width), numbers = of_hs.shape, gates.dtype
    product = Product(weight_hh.t(), rows, found.dtype, times)
    sums, cast = found.room(gates)
    of_h, of_hs = gates.new_zeros(rows, width), of_hs.to(numbers).contiguous()
    (inner, outer), previous = _peepholes(peephole, width), kind == "previous"
    given, of_cells, kept, cells, filled = (one.numpy() for one in (of_hs, of_c, gates, cs, sums))
    parts = list(zip(sums.unbind(0), cast.unbind(0), strict=True))
    for block in reversed(blocks(times, rows)):
        first, here = block.start, block.stop - block.start
        for t in reversed(range(first, block.stop)):
            if ends is not None:
                of_c.add_(ends[t])
            _backwards(t, t - first, of_h.numpy(), given, of_cells, kept, cells, filled, inner, outer, previous)
            now, cast_t = parts[t - first]
            if cast is not sums:
                cast_t.copy_(now)
            of_h = product.of(cast_t).to(numbers)
        found.add(block, sums[:here], cast[:here])
    return of_h
