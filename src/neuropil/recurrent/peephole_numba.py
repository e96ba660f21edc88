"""The steps of an LSTM with a peephole on a processor, in fp32 but for the products: all of a step but its product is
one call, compiled by Numba when the first is made.

torch has a call for each operation, which in a layer of some hundred units takes longer than its arithmetic. Imported
only where Numba is.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuropil.compiled.arithmetic import narrowed, sigmoid, tanh, widened
from neuropil.recurrent.peephole_gradients import Gradients
from neuropil.recurrent.products import Product, blocks
from neuropil.recurrent.steps import Peephole

__all__ = ["all_steps", "all_steps_back"]

Array = NDArray[np.float32]
Bits = NDArray[np.uint16]
_f = np.float32
_compiled = numba.njit(fastmath={"contract"}, error_model="numpy", nogil=True)


@_compiled
def _forwards_row(
    s: Array, a: Array, before: Array, now: Array, h: Array, inner: Array, outer: Array, previous: bool
) -> None:
    """One sequence's step from its sums `[4 H]` and its cell `before`: fills its gates `a`, its cell and its output.

    `inner` are the peepholes of input and forget gate `[2 H]`, or none. Every loop is over few enough arrays that many
    of its numbers are done at once.
    """
    width = len(h)
    if len(inner):
        of_i, of_f, s_i, s_f = inner[:width], inner[width:], s[:width], s[width : 2 * width]
        for j in range(width):
            s_i[j] += of_i[j] * before[j]
        for j in range(width):
            s_f[j] += of_f[j] * before[j]
    for j in range(2 * width):
        a[j] = sigmoid(s[j])
    i, f, g, o = a[:width], a[width : 2 * width], a[2 * width : 3 * width], a[3 * width :]
    s_g, s_o = s[2 * width : 3 * width], s[3 * width :]
    for j in range(width):
        g[j] = tanh(s_g[j])
    for j in range(width):
        now[j] = f[j] * before[j] + i[j] * g[j]
    seen = before if previous else now
    for j in range(width):
        o[j] = sigmoid(s_o[j] + outer[j] * seen[j])
    for j in range(width):
        h[j] = o[j] * tanh(now[j])


@_compiled
def _backwards_row(
    of_h: Array, of_c: Array, a: Array, before: Array, now: Array, s: Array, inner: Array, outer: Array, previous: bool
) -> None:
    """One sequence's step from its output's gradient: fills `s`, the gradients of its sums, and goes on to the cell
    before with `of_c`.
    """
    width = len(of_h)
    i, f, g, o = a[:width], a[width : 2 * width], a[2 * width : 3 * width], a[3 * width :]
    of_i, of_f, of_g, of_o = s[:width], s[width : 2 * width], s[2 * width : 3 * width], s[3 * width :]
    for j in range(width):
        of_o[j] = tanh(now[j])
    for j in range(width):
        of_c[j] += of_h[j] * o[j] * (_f(1) - of_o[j] * of_o[j])
    for j in range(width):
        of_o[j] *= of_h[j] * o[j] * (_f(1) - o[j])
    if not previous:
        for j in range(width):
            of_c[j] += of_o[j] * outer[j]
    for j in range(width):
        of_i[j] = of_c[j] * g[j] * i[j] * (_f(1) - i[j])
    for j in range(width):
        of_f[j] = of_c[j] * before[j] * f[j] * (_f(1) - f[j])
    for j in range(width):
        of_g[j] = of_c[j] * i[j] * (_f(1) - g[j] * g[j])
    for j in range(width):
        of_c[j] *= f[j]
    if previous:
        for j in range(width):
            of_c[j] += of_o[j] * outer[j]
    if len(inner):
        for_i, for_f = inner[:width], inner[width:]
        for j in range(width):
            of_c[j] += of_i[j] * for_i[j] + of_f[j] * for_f[j]


@_compiled
def _forwards(
    t: int, sums: Array, gates: Array, cells: Array, hs: Array, x: Array, fed: Array, inner: Array, outer: Array,
    previous: bool,
) -> None:  # fmt: skip
    """The step `t` from its sums `[N, 4 H]`; `fed` `[N, D + H]` becomes what the next step is fed."""
    width, features, next_one = hs.shape[2], x.shape[2], min(t + 1, len(x) - 1)
    for n in range(hs.shape[1]):
        h, put, last, coming = hs[t + 1, n], fed[n, :features], fed[n, features:], x[next_one, n]
        _forwards_row(sums[n], gates[t, n], cells[t, n], cells[t + 1, n], h, inner, outer, previous)
        for j in range(width):
            last[j] = h[j]
        for j in range(features):
            put[j] = coming[j]


@_compiled
def _backwards(
    t: int, k: int, of_h: Array, given: Array, of_c: Array, gates: Array, cells: Array, sums: Array, cast: Array,
    inner: Array, outer: Array, previous: bool,
) -> None:  # fmt: skip
    """The step `t`, the block's `k`-th, from its output's gradients: `of_h` by the step after, `given[t]` otherwise.
    `cast` is `sums` here.
    """
    width = of_h.shape[1]
    for n in range(of_h.shape[0]):
        of_out, more = of_h[n], given[t, n]
        for j in range(width):
            of_out[j] += more[j]
        _backwards_row(of_out, of_c[n], gates[t, n], cells[t, n], cells[t + 1, n], sums[k, n], inner, outer, previous)


@_compiled
def _forwards_bf16(
    t: int, sums: Bits, gates: Array, cells: Array, hs: Bits, x: Bits, fed: Bits, inner: Array, outer: Array,
    previous: bool,
) -> None:  # fmt: skip
    """As `_forwards`, with bf16 in what the products take and give."""
    width, features, next_one = hs.shape[2], x.shape[2], min(t + 1, len(x) - 1)
    s, h = np.empty(4 * width, np.float32), np.empty(width, np.float32)
    for n in range(hs.shape[1]):
        read, kept, put, last, coming = sums[n], hs[t + 1, n], fed[n, :features], fed[n, features:], x[next_one, n]
        for j in range(4 * width):
            s[j] = widened(read[j])
        _forwards_row(s, gates[t, n], cells[t, n], cells[t + 1, n], h, inner, outer, previous)
        for j in range(width):
            kept[j] = narrowed(h[j])
        for j in range(width):
            last[j] = kept[j]
        for j in range(features):
            put[j] = coming[j]


@_compiled
def _backwards_bf16(
    t: int, k: int, of_h: Bits, given: Bits, of_c: Array, gates: Array, cells: Array, sums: Array, cast: Bits,
    inner: Array, outer: Array, previous: bool,
) -> None:  # fmt: skip
    """As `_backwards`, with bf16 in what the products take and give; `cast` becomes `sums` in it."""
    width = of_h.shape[1]
    of_out = np.empty(width, np.float32)
    for n in range(of_h.shape[0]):
        read, more, found, put = of_h[n], given[t, n], sums[k, n], cast[k, n]
        for j in range(width):
            of_out[j] = widened(read[j]) + widened(more[j])
        _backwards_row(of_out, of_c[n], gates[t, n], cells[t, n], cells[t + 1, n], found, inner, outer, previous)
        for j in range(4 * width):
            put[j] = narrowed(found[j])


def _peepholes(peephole: Tensor, width: int) -> tuple[Array, Array]:
    """Those of input and forget gate `[2 H]`, or none, and the output gate's `[H]`."""
    all_of_them: Array = peephole.detach().contiguous().numpy()
    return all_of_them[:-width], all_of_them[-width:]


def _memory(x: Tensor) -> NDArray[Any]:
    """The same memory, bf16 as bits."""
    found: NDArray[Any] = (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy()
    return found


def all_steps(
    x: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor, gates: Tensor, hs: Tensor, cs: Tensor,
    peephole: Tensor, kind: Peephole,
) -> None:  # fmt: skip
    """As of `peephole_torch.all_steps`, but for the kind `full`; input and last output go into one product."""
    (times, rows), dtype = x.shape[:2], hs.dtype
    product, bias = Product(torch.cat((weight_ih, weight_hh), 1), rows, dtype, times), bias.to(dtype)
    x = x.contiguous()
    fed = torch.cat((x[0], hs[0]), 1)
    step: Any = _forwards if dtype == gates.dtype else _forwards_bf16
    kept = [_memory(one) for one in (gates, cs, hs, x, fed)]
    peepholes = (*_peepholes(peephole, cs.shape[2]), kind == "previous")
    for t in range(times):
        step(t, _memory(product.of(fed, bias)), *kept, *peepholes)


def all_steps_back(
    of_hs: Tensor, of_c: Tensor, ends: Tensor | None, gates: Tensor, cs: Tensor, weight_hh: Tensor, peephole: Tensor,
    kind: Peephole, found: Gradients,
) -> Tensor:  # fmt: skip
    """As of `peephole_torch.all_steps_back`, but for the kind `full`."""
    (times, rows, width), dtype = of_hs.shape, found.dtype
    product = Product(weight_hh.t(), rows, dtype, times)
    sums, cast = found.room(gates)
    of_h, of_hs = gates.new_zeros(rows, width, dtype=dtype), of_hs.to(dtype).contiguous()
    step: Any = _backwards if dtype == gates.dtype else _backwards_bf16
    given, *kept = (_memory(one) for one in (of_hs, of_c, gates, cs, sums, cast))
    peepholes, parts = (*_peepholes(peephole, width), kind == "previous"), cast.unbind(0)
    for block in reversed(blocks(times, rows)):
        first, here = block.start, block.stop - block.start
        for t in reversed(range(first, block.stop)):
            if ends is not None:
                of_c.add_(ends[t])
            step(t, t - first, _memory(of_h), given, *kept, *peepholes)
            of_h = product.of(parts[t - first])
        found.add(block, sums[:here], cast[:here])
    return of_h.to(gates.dtype)
