"""An LSTM whose gates see the cell, over all times at once: what torch has no kernel for.

A step is one product, and the rest by the quickest of what is there: a kernel of all steps on a GPU
(`peephole_triton`), a compiled call on a processor (`peephole_numba`), torch's operations (`peephole_torch`). Backwards
a block of steps gives its share of the weights' gradients at once (`peephole_gradients`); but on a GPU the gates'
gradients of all times are never in memory together.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from neuropil.recurrent import peephole_torch
from neuropil.recurrent.peephole_gradients import Gradients
from neuropil.recurrent.products import Product
from neuropil.recurrent.steps import Peephole

__all__ = ["peephole_lstm"]

LARGEST_KEPT = 32 << 20
"""Bytes of the largest stretch of memory that glibc keeps when it is freed."""


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
        trained: bool,
    ) -> tuple[Tensor, Tensor]:
        (times, rows, features), width = x.shape, weight_hh.shape[1]
        flat = x.reshape(times * rows, features).to(dtype)
        on_gpu = _gpu_kernels(x, width, kind, dtype)
        steps = _steps_on_processor(bias, kind, dtype, trained and any(ctx.needs_input_grad))
        hs = torch.empty(times + 1, rows, width, dtype=dtype, device=x.device)
        gates, cs = _room(bias, times, rows, width)
        squashed = bias.new_empty(times if on_gpu else 0, rows, width)
        hs[0], cs[0] = h, c
        if on_gpu:
            gates.copy_(Product(weight_ih, len(flat), dtype, 1).of(flat, bias).view_as(gates))
            on_gpu.all_steps(gates, weight_hh.to(dtype), peephole, hs, cs, squashed, kind == "previous")
        else:
            steps.all_steps(flat.view_as(x), weight_ih, weight_hh, bias, gates, hs, cs, peephole, kind)
        ctx.save_for_backward(flat, gates, hs, cs, squashed, weight_ih, weight_hh, peephole)
        ctx.kind, ctx.dtype, ctx.last, ctx.like, ctx.steps = kind, dtype, last, (x.dtype, h.dtype), steps
        end = cs[-1] if last is None else cs[last + 1, torch.arange(rows, device=x.device)]
        return hs[1:].to(dtype), end.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_hs: Tensor, of_end: Tensor) -> Any:
        flat, gates, hs, cs, squashed, weight_ih, weight_hh, peephole = ctx.saved_tensors
        kind, dtype = ctx.kind, ctx.dtype
        of_c = (torch.zeros_like(of_end) if ctx.last is not None else of_end.clone()).contiguous()
        ends = None
        if ctx.last is not None:
            ends = torch.zeros_like(cs[1:])
            ends[ctx.last, torch.arange(len(of_end), device=of_end.device)] = of_end
        found = Gradients(flat, hs, cs, weight_ih, peephole, kind, dtype, ctx.needs_input_grad[0])
        on_gpu = _gpu_kernels(of_hs, weight_hh.shape[1], kind, dtype)
        if on_gpu:
            slopes, through = torch.empty_like(gates), torch.empty_like(squashed)
            peephole_torch.slopes(gates, cs, squashed, slopes, through)
            of_all, weight, previous = torch.empty_like(squashed).copy_(of_hs), weight_hh.to(dtype), kind == "previous"
            sums = on_gpu.all_steps_back(of_all, slopes, through, gates, weight, peephole, ends, of_c, previous)
            found.add(slice(0, len(sums)), sums, sums.to(dtype))
            of_h = Product(weight_hh.t(), len(of_c), dtype, 1).of(sums[0]).to(of_c.dtype)
        else:
            of_h = ctx.steps.all_steps_back(of_hs, of_c, ends, gates, cs, weight_hh, peephole, kind, found)
        of_x_type, of_h_type = ctx.like
        of_x = None if found.of_x is None else found.of_x.view(*of_hs.shape[:2], flat.shape[1]).to(of_x_type)
        of_weights = (one.t() for one in found.of_weights.tensor_split((found.features,)))
        weights = (*of_weights, found.of_bias, found.of_peephole)
        return of_x, of_h.to(of_h_type), of_c, *weights, None, None, None, None


def _gpu_kernels(x: Tensor, width: int, kind: Peephole, dtype: torch.dtype) -> Any:
    """The module of the GPU's kernels where they serve, else `None`."""
    if x.device.type != "cuda" or dtype != torch.bfloat16 or kind not in ("output", "previous"):
        return None
    if find_spec("triton") is None:
        return None
    from neuropil.recurrent import peephole_triton

    return peephole_triton if peephole_triton.fits(x.shape[1], width, x.device) else None


def _steps_on_processor(like: Tensor, kind: Peephole, dtype: torch.dtype, trained: bool) -> ModuleType:
    """The module of the steps: compiled where that can be had and there is training to make up for three seconds."""
    plain = like.device.type == "cpu" and like.dtype == torch.float32 and type(like.detach()) is Tensor
    written = kind != "full" and dtype in (torch.float32, torch.bfloat16)
    compiled = _compiled_steps() if plain and written and trained else None
    return compiled or peephole_torch


@cache
def _compiled_steps() -> ModuleType | None:
    """Their module, where there is a Numba that fits this NumPy."""
    try:
        from neuropil.recurrent import peephole_numba
    except ImportError:
        return None
    return peephole_numba


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
    trained = torch.is_grad_enabled()  # which it is not within the function
    dtype = torch.get_autocast_dtype(kind_of) if torch.is_autocast_enabled(kind_of) else weight_hh.dtype
    with torch.autocast(kind_of, enabled=False):
        h, c = state
        found: tuple[Tensor, Tensor] = _PeepholeLSTM.apply(  # type: ignore[no-untyped-call]
            x,
            h.to(weight_hh.dtype),
            c.to(weight_hh.dtype),
            weight_ih,
            weight_hh,
            bias,
            peephole,
            kind,
            last,
            dtype,
            trained,
        )
    return found
