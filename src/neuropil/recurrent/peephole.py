"""An LSTM whose gates see the cell, over all times at once: what torch has no kernel for.

The input's products stand before the loop and the gradients of all weights after it, each one product over all times;
what the loop back needs of the way there is prepared for all times, too. A step is then one product and eight
pointwise operations forwards, one and five backwards, all into memory that is there already.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from neuropil.recurrent.steps import Peephole

__all__ = ["peephole_lstm"]

WORTH_PACKING = 1 << 24
"""Multiply-adds from which on it pays to have a product done by oneDNN, with its weight laid out anew."""


class _Product:
    """`x W^T`, many times with the same weight `[K, D]`, for `N` rows."""

    def __init__(self, weight: Tensor, rows: int, dtype: torch.dtype) -> None:
        self.dtype, self.packed = dtype, None
        self.weight = weight.to(dtype).t()
        known = dtype in (torch.float32, torch.bfloat16) and weight.device.type == "cpu"
        if known and rows * weight.numel() >= WORTH_PACKING and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype).contiguous(), rows)

    def of(self, x: Tensor) -> Tensor:
        """`[N, D]` -> `[N, K]`."""
        x = x.to(self.dtype)
        if self.packed is None:
            return x @ self.weight
        found: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.packed, None, "none", [], "")
        return found

    def add_to(self, there: Tensor, x: Tensor) -> None:
        """Adds the product to what is there."""
        if self.packed is None and there.dtype == self.dtype:
            there.addmm_(x, self.weight)
        else:
            there.add_(self.of(x))


class _PeepholeLSTM(torch.autograd.Function):
    """Time first: x `[T, N, D]`, h and c `[N, H]` -> h `[T, N, H]`, c `[N, H]` at each sequence's last step."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h: Tensor,
        c: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias: Tensor,
        peephole: Tensor,
        kind: Peephole,
        last: Tensor | None,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        (times, rows, features), width = x.shape, weight_hh.shape[1]
        flat = x.reshape(times * rows, features).to(dtype)
        gates = _Product(weight_ih, len(flat), dtype).of(flat).to(bias.dtype).add_(bias).view(times, rows, 4 * width)
        on_gpu = _gpu_kernels(x, width, kind, dtype)
        hs = torch.empty(times + 1, rows, width, dtype=dtype if on_gpu else bias.dtype, device=x.device)
        cs, squashed = bias.new_empty(times + 1, rows, width), bias.new_empty(times, rows, width)
        hs[0], cs[0] = h, c
        if on_gpu:
            on_gpu.all_steps(gates, weight_hh.to(dtype), peephole, hs, cs, squashed, kind == "previous")
        else:
            _steps(gates, hs, cs, squashed, weight_hh, peephole, kind, dtype)
        ctx.save_for_backward(flat, gates, hs, cs, squashed, weight_ih, weight_hh, peephole)
        ctx.kind, ctx.dtype, ctx.last, ctx.like = kind, dtype, last, (x.dtype, h.dtype)
        end = cs[-1] if last is None else cs[last + 1, torch.arange(rows, device=x.device)]
        return hs[1:].to(dtype), end.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_hs: Tensor, of_end: Tensor) -> Any:
        flat, gates, hs, cs, squashed, weight_ih, weight_hh, peephole = ctx.saved_tensors
        kind, dtype = ctx.kind, ctx.dtype
        of_h = torch.empty_like(squashed).copy_(of_hs)
        of_c = torch.zeros_like(of_end) if ctx.last is not None else of_end.clone()
        slopes, through = _slopes(gates, cs, squashed)
        ends = None
        if ctx.last is not None:
            ends = torch.zeros_like(squashed)
            ends[ctx.last, torch.arange(len(of_end), device=of_end.device)] = of_end
        on_gpu = _gpu_kernels(of_hs, weight_hh.shape[1], kind, dtype)
        if on_gpu:
            weight, previous = weight_hh.to(dtype), kind == "previous"
            sums = on_gpu.all_steps_back(of_h, slopes, through, gates, weight, peephole, ends, of_c, previous)
        else:
            sums = _steps_back(of_h, of_c, slopes, through, ends, gates, weight_hh, peephole, kind, dtype)
        return _of_inputs(ctx, sums, of_c, flat, hs, cs, weight_ih, weight_hh)


def _gpu_kernels(x: Tensor, width: int, kind: Peephole, dtype: torch.dtype) -> Any:
    """The module of the GPU's kernels where they serve, else `None`."""
    if x.device.type != "cuda" or dtype != torch.bfloat16 or kind not in ("output", "previous"):
        return None
    if find_spec("triton") is None:
        return None
    from neuropil.recurrent import peephole_triton

    return peephole_triton if peephole_triton.fits(x.shape[1], width, x.device) else None


def _steps(
    gates: Tensor, hs: Tensor, cs: Tensor, squashed: Tensor, weight_hh: Tensor, peephole: Tensor, kind: Peephole,
    dtype: torch.dtype,
) -> None:  # fmt: skip
    """All steps forwards: `gates` holds the input's shares and then the gates; the others are filled."""
    _, rows, width = squashed.shape
    candidates = gates[..., 2 * width : 3 * width].mul_(2)  # tanh(x) = 2 s(2 x) - 1, which is several times faster
    doubled = weight_hh.clone()
    doubled[2 * width : 3 * width] *= 2
    product = _Product(doubled, rows, dtype)
    of_gates, of_output = _split(peephole, kind, width)
    matrix = _Product(of_output, rows, dtype) if kind == "full" else None
    three, both = gates[..., : 3 * width], gates[..., : 2 * width]
    i, f, g, o = gates.chunk(4, -1)
    steps = zip(*(one.unbind(0) for one in (gates, three, both, i, f, g, o, squashed)), strict=True)
    h, c, after = hs.unbind(0), cs.unbind(0), cs[1:].unbind(0)
    for t, (gate, squash, inner, i_t, f_t, g_t, o_t, s_t) in enumerate(steps):
        before, now = c[t], after[t]
        product.add_to(gate, h[t])
        if of_gates is not None:
            inner.view(rows, 2, width).addcmul_(before[:, None], of_gates)
        squash.sigmoid_()
        torch.mul(before, f_t, out=now)
        now.sub_(i_t).addcmul_(i_t, g_t, value=2)
        if matrix is not None:
            matrix.add_to(o_t, now)
        else:
            o_t.addcmul_(before if kind == "previous" else now, of_output)
        o_t.sigmoid_()
        torch.mul(now, 2, out=s_t).sigmoid_().mul_(2).sub_(1)
        torch.mul(o_t, s_t, out=h[t + 1])
    candidates.mul_(2).sub_(1)


def _slopes(gates: Tensor, cs: Tensor, squashed: Tensor) -> tuple[Tensor, Tensor]:
    """What each gate's sum gets of the cell's gradient (i, f, g) or the output's (o), and the cell of the output's."""
    i, f, g, o = gates.chunk(4, -1)
    slopes = torch.empty_like(gates)
    of_i, of_f, of_g, of_o = slopes.chunk(4, -1)
    torch.addcmul(i, i, i, value=-1, out=of_i).mul_(g)  # g i (1 - i)
    torch.addcmul(f, f, f, value=-1, out=of_f).mul_(cs[:-1])
    torch.addcmul(i, i * g, g, value=-1, out=of_g)  # i (1 - g^2)
    torch.addcmul(o, o, o, value=-1, out=of_o).mul_(squashed)
    return slopes, torch.addcmul(o, o * squashed, squashed, value=-1)


def _steps_back(
    of_h: Tensor, of_c: Tensor, slopes: Tensor, through: Tensor, ends: Tensor | None, gates: Tensor,
    weight_hh: Tensor, peephole: Tensor, kind: Peephole, dtype: torch.dtype,
) -> Tensor:  # fmt: skip
    """All steps backwards: the gradients of the gates' sums; `of_c` ends as the first cell's."""
    times, rows, width = through.shape
    of_gates, of_output = _split(peephole, kind, width)
    product = _Product(weight_hh.t(), rows, dtype)
    matrix = _Product(of_output.t(), rows, dtype) if kind == "full" else None
    sums = torch.empty_like(gates)
    inner, inner_slopes = (one[..., : 3 * width].unflatten(-1, (3, width)) for one in (sums, slopes))  # type: ignore[no-untyped-call]
    of_outputs, slopes_o, forget = sums[..., 3 * width :], slopes[..., 3 * width :], gates[..., width : 2 * width]
    views = (of_h, sums, of_outputs, inner, slopes_o, inner_slopes, through, forget)
    steps = list(zip(*(one.unbind(0) for one in views), strict=True))
    wide, after = of_c[:, None], None
    for t in reversed(range(times)):
        h_t, now, o_t, inner_t, slope_o, slope_inner, through_t, forget_t = steps[t]
        if after is not None:
            product.add_to(h_t, after)
        if ends is not None:
            of_c.add_(ends[t])
        torch.mul(h_t, slope_o, out=o_t)
        of_c.addcmul_(h_t, through_t)
        if matrix is not None:
            matrix.add_to(of_c, o_t)
        elif kind != "previous":
            of_c.addcmul_(o_t, of_output)
        torch.mul(slope_inner, wide, out=inner_t)
        of_c.mul_(forget_t)
        if kind == "previous":
            of_c.addcmul_(o_t, of_output)
        if of_gates is not None:
            of_c.addcmul_(inner_t[:, 0], of_gates[0]).addcmul_(inner_t[:, 1], of_gates[1])
        after = now
    return sums


def _split(peephole: Tensor, kind: Peephole, width: int) -> tuple[Tensor | None, Tensor]:
    """The peepholes of input and forget gate `[2, H]`, if any, and the output gate's."""
    if kind == "all":
        return peephole[: 2 * width].view(2, width), peephole[2 * width :]
    return None, peephole


def _of_inputs(
    ctx: Any, sums: Tensor, of_c: Tensor, flat: Tensor, hs: Tensor, cs: Tensor, weight_ih: Tensor, weight_hh: Tensor
) -> tuple[Any, ...]:
    """The gradients of everything that went in, from those of all gates' sums."""
    needed, (of_x_type, of_h_type) = ctx.needs_input_grad, ctx.like
    (times, rows, four), width = sums.shape, hs.shape[2]
    whole = sums.view(times * rows, four)
    cast = whole.to(ctx.dtype)
    of_x = _Product(weight_ih.t(), len(cast), ctx.dtype).of(cast).view(times, rows, -1) if needed[0] else None
    of_x = None if of_x is None else of_x.to(of_x_type)
    of_h = None
    if needed[1]:
        of_h = torch.zeros_like(cs[0])
        _Product(weight_hh.t(), rows, ctx.dtype).add_to(of_h, sums[0])
    of_weight_ih = (cast.t() @ flat).to(weight_ih.dtype)
    of_weight_hh = (cast.t() @ hs[:-1].reshape(times * rows, width).to(ctx.dtype)).to(weight_ih.dtype)
    of_o, after = sums[..., 3 * width :], cs[:-1] if ctx.kind == "previous" else cs[1:]
    if ctx.kind == "full":
        of_peephole = of_o.reshape(-1, width).t() @ after.reshape(-1, width)
    else:
        of_peephole = (of_o * after).sum((0, 1), dtype=after.dtype)
    if ctx.kind == "all":
        before = [(sums[..., k * width : (k + 1) * width] * cs[:-1]).sum((0, 1)) for k in (0, 1)]
        of_peephole = torch.cat([*before, of_peephole])
    of_h = None if of_h is None else of_h.to(of_h_type)
    return (
        of_x,
        of_h,
        of_c,
        of_weight_ih,
        of_weight_hh,
        whole.sum(0, dtype=weight_ih.dtype),
        of_peephole,
        None,
        None,
        None,
    )


def peephole_lstm(
    x: Tensor,
    state: tuple[Tensor, Tensor],
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor,
    peephole: Tensor,
    kind: Peephole,
    last: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`lstm_step` over all times; products in bf16 under autocast, sums and cells as the weights are.

    Source: chapter, "LSTM" (row 112); see `neuropil.recurrent.steps.lstm_step`.

    Shape: x `[T, N, D]`, h and c `[N, H]` -> h `[T, N, H]`, and c `[N, H]` after the last step.

    Args:
        x: input, time first.
        state: h and c before.
        weight_ih: `[4 H, D]`.
        weight_hh: `[4 H, H]`.
        bias: `[4 H]`, the sum of both of torch's.
        peephole: as of `lstm_step`.
        kind: as of `lstm_step`, not `none`.
        last: int64 `[N]`: each sequence's last step, where they differ.

    Differs:
        Derivatives of the first order only; the step has all.
    """
    kind_of = x.device.type
    dtype = torch.get_autocast_dtype(kind_of) if torch.is_autocast_enabled(kind_of) else weight_hh.dtype
    with torch.autocast(kind_of, enabled=False):
        h, c = state
        found: tuple[Tensor, Tensor] = _PeepholeLSTM.apply(  # type: ignore[no-untyped-call]
            x, h.to(weight_hh.dtype), c.to(weight_hh.dtype), weight_ih, weight_hh, bias, peephole, kind, last, dtype
        )
    return found
