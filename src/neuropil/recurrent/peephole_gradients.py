"""What the weights of an LSTM with a peephole get, from the gradients of its gates' sums."""

from __future__ import annotations

import torch
from torch import Tensor

from neuropil.recurrent.products import Product, add_product, blocks
from neuropil.recurrent.steps import Peephole

__all__ = ["Gradients"]


class Gradients:
    """The gradients of everything that goes into the gates' sums, from those of one block of steps after another.

    Args:
        flat: input `[T N, D]`, in the products' numbers.
        hs: outputs `[T + 1, N, H]`.
        cs: cells `[T + 1, N, H]`.
        weight_ih: as of `peephole_lstm`, like all that follow.
        peephole: as of `lstm_step`.
        kind: as of `lstm_step`.
        dtype: the products' numbers.
        of_x: whether the input's is wanted.
    """

    def __init__(
        self, flat: Tensor, hs: Tensor, cs: Tensor, weight_ih: Tensor, peephole: Tensor, kind: Peephole,
        dtype: torch.dtype, of_x: bool,
    ) -> None:  # fmt: skip
        self.flat, self.hs, self.cs = flat, hs, cs
        self.kind, self.dtype = kind, dtype
        parts, rows, self.features = blocks(len(hs) - 1, hs.shape[1]), hs.shape[1], flat.shape[1]
        self.steps = parts[0].stop
        self.product = Product(weight_ih.t(), self.steps * rows, dtype, len(parts)) if of_x else None
        self.of_x = torch.empty_like(flat) if of_x else None
        self.of_weights = weight_ih.new_zeros(self.features + hs.shape[2], len(weight_ih))  # transposed, both
        self.of_bias = weight_ih.new_zeros(len(weight_ih))
        self.of_peephole = torch.zeros_like(peephole)

    def room(self, gates: Tensor) -> tuple[Tensor, Tensor]:
        """For the sums' gradients `[K, N, 4 H]` of a block, and for the same in the products' numbers."""
        sums = gates.new_empty(self.steps, *gates.shape[1:])
        return sums, sums if self.dtype == sums.dtype else torch.empty_like(sums, dtype=self.dtype)

    def add(self, block: slice, sums: Tensor, cast: Tensor) -> None:
        """The shares of a block of steps: its sums `[K, N, 4 H]`, and the same in the products' numbers."""
        (steps, rows, four), width = sums.shape, self.hs.shape[2]
        whole, here = sums.view(steps * rows, four), slice(block.start * rows, block.stop * rows)
        cast = cast.view(steps * rows, four)
        if self.of_x is not None and self.product is not None:
            self.of_x[here] = self.product.of(cast)
        fed = cast.new_empty(len(self.of_weights), steps * rows)
        fed[: self.features] = self.flat[here].t()
        fed[self.features :] = self.hs[block].view(steps * rows, width).t()
        add_product(self.of_weights, fed, cast)
        self.of_bias += whole.sum(0, dtype=self.of_bias.dtype)
        of_o, before = sums[..., 3 * width :], self.cs[block]
        seen = before if self.kind == "previous" else self.cs[block.start + 1 : block.stop + 1]
        if self.kind == "full":
            self.of_peephole += of_o.reshape(-1, width).t() @ seen.reshape(-1, width)
            return
        self.of_peephole[-width:] += (of_o * seen).sum((0, 1), dtype=seen.dtype)
        if self.kind == "all":
            for k in (0, 1):
                share = slice(k * width, (k + 1) * width)
                self.of_peephole[share] += (sums[..., share] * before).sum((0, 1))
