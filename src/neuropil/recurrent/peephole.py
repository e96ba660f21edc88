"""An LSTM whose gates see the cell, over all times at once: what torch has no kernel for.

Both ways go by blocks of steps: forwards the input's share of a block's sums is one product, backwards what a block
needs of the way there is prepared at once, and so is its share of the weights' gradients; the gates' gradients of all
times are never in memory together. A step is then one product and ten pointwise operations forwards, one and six
backwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from neuropil.recurrent.steps import Peephole

__all__ = ["peephole_lstm"]

ROWS_AT_ONCE = 1024
"""Rows, steps times sequences, of a block: enough for products at full speed."""

WORTH_PACKING = 1 << 21
"""Multiply-adds from which on it pays to have a product done by oneDNN, with its weight laid out anew."""

LARGEST_KEPT = 32 << 20
"""Bytes of the largest stretch of memory that glibc keeps when it is freed."""


def _onednn_pays(like: Tensor, multiply_adds: int, dtype: torch.dtype) -> bool:
    """Whether a product of so many multiply-adds is quicker through oneDNN: in fp32 up to twice, on processors with
    AVX-512 that are not Intel's, where torch's own way is the library of Intel.
    """
    if multiply_adds < WORTH_PACKING or like.device.type != "cpu" or dtype not in (torch.float32, torch.bfloat16):
        return False
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


class _Product:
    """`x W^T`, many times with the same weight `[K, D]`, for `N` rows."""

    def __init__(self, weight: Tensor, rows: int, dtype: torch.dtype) -> None:
        self.dtype, self.packed = dtype, None
        self.weight = weight.to(dtype).t()
        if _onednn_pays(weight, rows * weight.numel(), dtype):
            self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype).contiguous(), rows)

    def of(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """`[N, D]` -> `[N, K]`, with a bias `[K]` if there is one."""
        x, bias = x.to(self.dtype), None if bias is None else bias.to(self.dtype)
        if self.packed is not None:
            found: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.packed, bias, "none", [], "")
            return found
        return x @ self.weight if bias is None else torch.addmm(bias, x, self.weight)

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """The product and `other` `[N, K]`, which is of the product's numbers, rounded once."""
        if self.packed is not None:
            found: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x.to(self.dtype), other, self.packed, None, "add")
            return found
        return torch.addmm(other, x.to(self.dtype), self.weight)

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
        on_gpu = _gpu_kernels(x, width, kind, dtype)
        weights, biases = (weight_ih, bias) if on_gpu else (_doubled(one, width) for one in (weight_ih, bias))
        hs = torch.empty(times + 1, rows, width, dtype=dtype, device=x.device)
        gates, cs = _room(bias, times, rows, width)
        squashed = bias.new_empty(times if on_gpu else 1, rows, width)
        hs[0], cs[0] = h, c
        if on_gpu:
            gates.copy_(_Product(weights, len(flat), dtype).of(flat, biases).view_as(gates))
            on_gpu.all_steps(gates, weight_hh.to(dtype), peephole, hs, cs, squashed, kind == "previous")
        else:
            shares = _shares(flat.view(times, rows, features), weights, biases)
            _steps(shares, gates, hs, cs, squashed, weight_hh, peephole, kind, dtype)
        ctx.save_for_backward(flat, gates, hs, cs, squashed, weight_ih, weight_hh, peephole)
        ctx.kind, ctx.dtype, ctx.last, ctx.like = kind, dtype, last, (x.dtype, h.dtype)
        end = cs[-1] if last is None else cs[last + 1, torch.arange(rows, device=x.device)]
        return hs[1:].to(dtype), end.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_hs: Tensor, of_end: Tensor) -> Any:
        flat, gates, hs, cs, squashed, weight_ih, weight_hh, peephole = ctx.saved_tensors
        kind, dtype = ctx.kind, ctx.dtype
        of_c = torch.zeros_like(of_end) if ctx.last is not None else of_end.clone()
        ends = None
        if ctx.last is not None:
            ends = torch.zeros_like(cs[1:])
            ends[ctx.last, torch.arange(len(of_end), device=of_end.device)] = of_end
        found = _Gradients(flat, hs, cs, weight_ih, peephole, kind, dtype, ctx.needs_input_grad[0])
        on_gpu = _gpu_kernels(of_hs, weight_hh.shape[1], kind, dtype)
        if on_gpu:
            slopes, through = torch.empty_like(gates), torch.empty_like(squashed)
            _slopes(gates, cs, squashed, slopes, through)
            of_all, weight, previous = torch.empty_like(squashed).copy_(of_hs), weight_hh.to(dtype), kind == "previous"
            sums = on_gpu.all_steps_back(of_all, slopes, through, gates, weight, peephole, ends, of_c, previous)
            found.add(0, sums, sums.to(dtype))
            of_h = _Product(weight_hh.t(), len(of_c), dtype).of(sums[0]).to(of_c.dtype)
        else:
            of_h = _steps_back(of_hs, of_c, cs, ends, gates, weight_hh, peephole, kind, dtype, found)
        of_x_type, of_h_type = ctx.like
        of_x = None if found.of_x is None else found.of_x.view(*of_hs.shape[:2], flat.shape[1]).to(of_x_type)
        of_weights = (one.t() for one in found.of_weights.tensor_split((found.features,)))
        weights = (*of_weights, found.of_bias, found.of_peephole)
        return of_x, of_h.to(of_h_type), of_c, *weights, None, None, None


def _gpu_kernels(x: Tensor, width: int, kind: Peephole, dtype: torch.dtype) -> Any:
    """The module of the GPU's kernels where they serve, else `None`."""
    if x.device.type != "cuda" or dtype != torch.bfloat16 or kind not in ("output", "previous"):
        return None
    if find_spec("triton") is None:
        return None
    from neuropil.recurrent import peephole_triton

    return peephole_triton if peephole_triton.fits(x.shape[1], width, x.device) else None


def _doubled(weights: Tensor, width: int) -> Tensor:
    """Those of the candidate twice as large: tanh(x) = 2 s(2 x) - 1, which is several times faster."""
    doubled = weights.clone()
    doubled[2 * width : 3 * width] *= 2
    return doubled


def _room(like: Tensor, times: int, rows: int, width: int) -> tuple[Tensor, Tensor]:
    """Gates `[T, N, 4 H]` and cells `[T + 1, N, H]`, empty.

    They are one stretch of memory where that is small enough: of what is freed, glibc keeps twice the largest stretch
    that it ever kept, and gives the rest back to the system, which costs a quarter as much time as the arithmetic.
    """
    parts = (4 * times, times + 1)
    if like.element_size() * sum(parts) * rows * width < LARGEST_KEPT:
        gates, cells = like.new_empty(sum(parts), rows, width).split(parts)  # type: ignore[no-untyped-call]
    else:
        gates, cells = (like.new_empty(part, rows, width) for part in parts)
    return gates.view(times, rows, 4 * width), cells


def _at_once(rows: int) -> int:
    """Steps of a block."""
    return max(1, ROWS_AT_ONCE // max(1, rows))


def _shares(x: Tensor, weight: Tensor, bias: Tensor) -> Iterator[Tensor]:
    """The input's share `[N, 4 H]` of the sums of each step of `[T, N, D]`, made by blocks of steps."""
    rows, steps = x.shape[1], _at_once(x.shape[1])
    product = _Product(weight, rows * min(len(x), steps), x.dtype)
    for block in x.split(steps):  # type: ignore[no-untyped-call]
        yield from product.of(block.flatten(0, 1), bias).view(len(block), rows, len(bias)).unbind(0)


def _steps(
    shares: Iterator[Tensor], gates: Tensor, hs: Tensor, cs: Tensor, squashed: Tensor, weight_hh: Tensor,
    peephole: Tensor, kind: Peephole, dtype: torch.dtype,
) -> None:  # fmt: skip
    """All steps forwards: `shares` gives the input's, the candidate's twice; the others are filled, `squashed`
    `[1, N, H]` with the last cell's tanh.
    """
    (s_t,) = squashed
    rows, width = s_t.shape
    product, less = _Product(_doubled(weight_hh, width), rows, dtype), gates.new_tensor(-1.0)
    of_gates, of_output = _split(peephole, kind, width)
    matrix = _Product(of_output, rows, dtype) if kind == "full" else None
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


def _tanh(x: Tensor, less: Tensor, out: Tensor) -> Tensor:
    """By sigmoid, which is quicker; `less` is -1."""
    return torch.add(less, torch.mul(x, 2, out=out).sigmoid_(), alpha=2, out=out)


def _slopes(gates: Tensor, cs: Tensor, squashed: Tensor, slopes: Tensor, through: Tensor) -> None:
    """Fills `slopes`, what each gate's sum gets of the cell's gradient (i, f, g) or the output's (o), and `through`,
    what the cell gets of the output's.
    """
    (i, f, g, o), (of_i, of_f, of_g, of_o) = gates.chunk(4, -1), slopes.chunk(4, -1)
    torch.addcmul(i, i, i, value=-1, out=of_i).mul_(g)  # g i (1 - i)
    torch.addcmul(f, f, f, value=-1, out=of_f).mul_(cs[:-1])
    torch.addcmul(i, i, torch.mul(g, g, out=of_g), value=-1, out=of_g)  # i (1 - g^2)
    torch.addcmul(o, o, o, value=-1, out=of_o).mul_(squashed)
    torch.addcmul(o, o, torch.mul(squashed, squashed, out=through), value=-1, out=through)


def _steps_back(
    of_hs: Tensor, of_c: Tensor, cs: Tensor, ends: Tensor | None, gates: Tensor, weight_hh: Tensor,
    peephole: Tensor, kind: Peephole, dtype: torch.dtype, found: _Gradients,
) -> Tensor:  # fmt: skip
    """All steps backwards: the first h's gradient; `of_c` ends as the first cell's, and `found` gets every block's."""
    times, rows, width = of_hs.shape
    of_gates, of_output = _split(peephole, kind, width)
    product = _Product(weight_hh.t(), rows, dtype)
    matrix = _Product(of_output.t(), rows, dtype) if kind == "full" else None
    at_once = min(times, _at_once(rows))
    sums, through = gates.new_empty(at_once, rows, 4 * width), gates.new_empty(at_once, rows, width)
    squashed, less = torch.empty_like(through), gates.new_tensor(-1.0)
    cast = sums if dtype == sums.dtype else torch.empty_like(sums, dtype=dtype)
    inner, of_outputs = sums[..., : 3 * width].unflatten(-1, (3, width)), sums[..., 3 * width :]  # type: ignore[no-untyped-call]
    steps = list(zip(*(one.unbind(0) for one in (sums, cast, of_outputs, inner, through)), strict=True))
    forget, wide = gates[..., width : 2 * width].unbind(0), of_c[:, None]
    of_h = of_hs[-1].to(dtype).to(of_c.dtype)
    for first in reversed(range(0, times, at_once)):
        here = min(at_once, times - first)
        part, cells = slice(first, first + here), slice(first, first + here + 1)
        given = of_hs[max(0, first - 1) : first + here - 1].to(dtype).contiguous().unbind(0)  # to the steps before
        _slopes(gates[part], cs[cells], _tanh(cs[cells][1:], less, squashed[:here]), sums[:here], through[:here])
        for t in reversed(range(first, first + here)):
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
            before = given[t - 1 - max(0, first - 1)] if t else None
            of_h = (product.of(cast_t) if before is None else product.plus(cast_t, before)).to(of_c.dtype)
        found.add(first, sums[:here], cast[:here])
    return of_h


class _Gradients:
    """The gradients of everything that goes into the gates' sums, from those of one block of steps after another."""

    def __init__(
        self, flat: Tensor, hs: Tensor, cs: Tensor, weight_ih: Tensor, peephole: Tensor, kind: Peephole,
        dtype: torch.dtype, of_x: bool,
    ) -> None:  # fmt: skip
        self.flat, self.hs, self.cs = flat, hs, cs
        self.kind, self.dtype = kind, dtype
        self.product = _Product(weight_ih.t(), min(len(flat), ROWS_AT_ONCE), dtype) if of_x else None
        self.of_x = torch.empty_like(flat) if of_x else None
        self.features = flat.shape[1]
        self.of_weights = weight_ih.new_zeros(self.features + hs.shape[2], len(weight_ih))  # transposed, both
        self.of_bias = weight_ih.new_zeros(len(weight_ih))
        self.of_peephole = torch.zeros_like(peephole)

    def add(self, first: int, sums: Tensor, cast: Tensor) -> None:
        """The block's shares: sums `[K, N, 4 H]` from the step `first` on, and the same in the products' numbers."""
        (steps, rows, four), width = sums.shape, self.hs.shape[2]
        whole, times = sums.view(steps * rows, four), slice(first, first + steps)
        cast, here = cast.view(steps * rows, four), slice(first * rows, (first + steps) * rows)
        if self.of_x is not None and self.product is not None:
            self.of_x[here] = self.product.of(cast)
        fed = cast.new_empty(len(self.of_weights), steps * rows)
        fed[: self.features] = self.flat[here].t()
        fed[self.features :] = self.hs[times].view(steps * rows, width).t()
        _add_product(self.of_weights, fed, cast)
        self.of_bias += whole.sum(0, dtype=self.of_bias.dtype)
        of_o, before = sums[..., 3 * width :], self.cs[times]
        seen = before if self.kind == "previous" else self.cs[first + 1 : first + steps + 1]
        if self.kind == "full":
            self.of_peephole += of_o.reshape(-1, width).t() @ seen.reshape(-1, width)
            return
        self.of_peephole[-width:] += (of_o * seen).sum((0, 1), dtype=seen.dtype)
        if self.kind == "all":
            for k in (0, 1):
                share = slice(k * width, (k + 1) * width)
                self.of_peephole[share] += (sums[..., share] * before).sum((0, 1))


def _add_product(there: Tensor, left: Tensor, right: Tensor) -> None:
    """Adds `left right`."""
    if there.dtype != left.dtype:
        there += left @ right
    elif _onednn_pays(left, left.numel() * right.shape[1], left.dtype):
        there += torch.ops.mkldnn._linear_pointwise(left, right.t(), None, "none", [], "")
    else:
        there.addmm_(left, right)


def _split(peephole: Tensor, kind: Peephole, width: int) -> tuple[Tensor | None, Tensor]:
    """The peepholes of input and forget gate `[2, H]`, if any, and the output gate's."""
    if kind == "all":
        return peephole[: 2 * width].view(2, width), peephole[2 * width :]
    return None, peephole


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
