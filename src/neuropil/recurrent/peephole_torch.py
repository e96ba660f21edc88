"""The steps of an LSTM with a peephole by torch's own operations, on any device and in any numbers: ten for a step
forwards and six backwards, beside its product.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from neuropil.recurrent.peephole_gradients import Gradients
from neuropil.recurrent.products import Product, blocks
from neuropil.recurrent.steps import Peephole

__all__ = ["all_steps", "all_steps_back", "slopes"]


def all_steps(
    x: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor, gates: Tensor, hs: Tensor, cs: Tensor,
    peephole: Tensor, kind: Peephole,
) -> None:  # fmt: skip
    """Fills gates `[T, N, 4 H]`, after their functions, and hs and cs `[T + 1, N, H]` but for their first.

    Args:
        x: input `[T, N, D]`; it and hs are of the products' numbers.
        weight_ih: as of `peephole_lstm`, like all that follow.
        weight_hh: beside it.
        bias: beside both.
        gates: to fill.
        hs: outputs.
        cs: cells.
        peephole: as of `lstm_step`.
        kind: as of `lstm_step`.
    """
    (rows, width), times = cs.shape[1:], len(x)
    shares = _shares(x, _doubled(weight_ih, width), _doubled(bias, width))
    product = Product(_doubled(weight_hh, width), rows, hs.dtype, times)
    less, s_t = gates.new_tensor(-1.0), gates.new_empty(rows, width)
    of_gates, of_output = _split(peephole, kind, width)
    matrix = Product(of_output, rows, product.dtype, times) if kind == "full" else None
    i, f, g, o = gates.chunk(4, -1)
    steps = zip(shares, *(one.unbind(0) for one in (gates[..., : 3 * width], i, f, g, o)), strict=True)
    h, c = hs.unbind(0), cs.unbind(0)
    for t, (share, inner_t, i_t, f_t, g_t, o_t) in enumerate(steps):
        before, now = c[t], c[t + 1]
        inner, outer = product.plus(h[t], share).to(gates.dtype).tensor_split((3 * width,), 1)
        if of_gates is not None:
            inner[:, : 2 * width].view(rows, 2, width).addcmul_(before[:, None], of_gates)
        torch.sigmoid(inner, out=inner_t)
        torch.mul(before, f_t, out=now)
        now.sub_(i_t).addcmul_(i_t, g_t, value=2)
        if matrix is not None:
            matrix.add_to(outer, now)
            torch.sigmoid(outer, out=o_t)
        else:
            torch.addcmul(outer, before if kind == "previous" else now, of_output, out=o_t).sigmoid_()
        torch.mul(o_t, _tanh(now, less, s_t), out=h[t + 1])
    torch.add(less, g, alpha=2, out=g)


def all_steps_back(
    of_hs: Tensor, of_c: Tensor, ends: Tensor | None, gates: Tensor, cs: Tensor, weight_hh: Tensor, peephole: Tensor,
    kind: Peephole, found: Gradients,
) -> Tensor:  # fmt: skip
    """All steps backwards, by blocks: what a block needs of the way there is prepared at once.

    Args:
        of_hs: gradient of the outputs `[T, N, H]`.
        of_c: the last cell's `[N, H]`; ends as the first one's.
        ends: of each step's cell `[T, N, H]`, where sequences end.
        gates: of the way there.
        cs: beside them.
        weight_hh: as on the way there, like all that follow.
        peephole: as of `lstm_step`.
        kind: as of `lstm_step`.
        found: gets the gradients of every block's sums.

    Returns:
        The first h's `[N, H]`.
    """
    (times, rows, width), dtype = of_hs.shape, found.dtype
    of_gates, of_output = _split(peephole, kind, width)
    product = Product(weight_hh.t(), rows, dtype, times)
    matrix = Product(of_output.t(), rows, dtype, times) if kind == "full" else None
    sums, cast = found.room(gates)
    through = gates.new_empty(len(sums), rows, width)
    squashed, less = torch.empty_like(through), gates.new_tensor(-1.0)
    inner, of_outputs = sums[..., : 3 * width].unflatten(-1, (3, width)), sums[..., 3 * width :]  # type: ignore[no-untyped-call]
    steps = list(zip(*(one.unbind(0) for one in (sums, cast, of_outputs, inner, through)), strict=True))
    forget, wide = gates[..., width : 2 * width].unbind(0), of_c[:, None]
    of_h = of_hs[-1].to(dtype).to(of_c.dtype)
    for block in reversed(blocks(times, rows)):
        first, here = block.start, block.stop - block.start
        before = max(0, first - 1)
        given = of_hs[before : block.stop - 1].to(dtype).contiguous().unbind(0)  # to the steps before
        cells = cs[first : block.stop + 1]
        slopes(gates[block], cells, _tanh(cells[1:], less, squashed[:here]), sums[:here], through[:here])
        for t in reversed(range(first, block.stop)):
            now, cast_t, o_t, inner_t, through_t = steps[t - first]
            if ends is not None:
                of_c.add_(ends[t])
            o_t.mul_(of_h)
            of_c.addcmul_(of_h, through_t)
            if matrix is not None:
                matrix.add_to(of_c, o_t)
            elif kind != "previous":
                of_c.addcmul_(o_t, of_output)
            inner_t.mul_(wide)
            of_c.mul_(forget[t])
            if kind == "previous":
                of_c.addcmul_(o_t, of_output)
            if of_gates is not None:
                of_c.addcmul_(inner_t[:, 0], of_gates[0]).addcmul_(inner_t[:, 1], of_gates[1])
            if cast is not sums:
                cast_t.copy_(now)
            of_h = (product.plus(cast_t, given[t - 1 - before]) if t else product.of(cast_t)).to(of_c.dtype)
        found.add(block, sums[:here], cast[:here])
    return of_h


def slopes(gates: Tensor, cs: Tensor, squashed: Tensor, found: Tensor, through: Tensor) -> None:
    """Fills `found`, what each gate's sum gets of the cell's gradient (i, f, g) or the output's (o), and `through`,
    what the cell gets of the output's.
    """
    (i, f, g, o), (of_i, of_f, of_g, of_o) = gates.chunk(4, -1), found.chunk(4, -1)
    torch.addcmul(i, i, i, value=-1, out=of_i).mul_(g)  # g i (1 - i)
    torch.addcmul(f, f, f, value=-1, out=of_f).mul_(cs[:-1])
    torch.addcmul(i, i, torch.mul(g, g, out=of_g), value=-1, out=of_g)  # i (1 - g^2)
    torch.addcmul(o, o, o, value=-1, out=of_o).mul_(squashed)
    torch.addcmul(o, o, torch.mul(squashed, squashed, out=through), value=-1, out=through)


def _tanh(x: Tensor, less: Tensor, out: Tensor) -> Tensor:
    """By sigmoid, which is quicker; `less` is -1."""
    return torch.add(less, torch.mul(x, 2, out=out).sigmoid_(), alpha=2, out=out)


def _split(peephole: Tensor, kind: Peephole, width: int) -> tuple[Tensor | None, Tensor]:
    """The peepholes of input and forget gate `[2, H]`, if any, and the output gate's."""
    if kind == "all":
        return peephole[: 2 * width].view(2, width), peephole[2 * width :]
    return None, peephole


def _doubled(weights: Tensor, width: int) -> Tensor:
    """Those of the candidate twice as large: tanh(x) = 2 s(2 x) - 1, which is several times faster."""
    doubled = weights.clone()
    doubled[2 * width : 3 * width] *= 2
    return doubled


def _shares(x: Tensor, weight: Tensor, bias: Tensor) -> Iterator[Tensor]:
    """The input's share `[N, 4 H]` of the sums of each step of `[T, N, D]`, made by blocks of steps."""
    (times, rows), four = x.shape[:2], len(bias)
    parts = blocks(times, rows)
    product = Product(weight, rows * parts[0].stop, x.dtype, len(parts))
    for block in parts:
        yield from product.of(x[block].flatten(0, 1), bias).view(block.stop - block.start, rows, four).unbind(0)
