"""Products of matrices by the quicker of torch's two libraries, for the layers that run one after another."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Product", "add_product", "blocks"]

ROWS_AT_ONCE = 1024
"""Rows, steps times sequences, of a block of steps: enough for products at full speed."""

WORTH_ONEDNN = 1 << 21
"""Multiply-adds from which on it pays to have a product done by oneDNN."""

WORTH_PACKING = 16
"""Products from which on it pays to lay the weight out anew for them."""

QUICK_TRANSPOSED = 1 << 19
"""Numbers of a weight up to which, where it lies transposed, products with it are as quick as they get."""


def _onednn_pays(like: Tensor, multiply_adds: int, dtype: torch.dtype) -> bool:
    """Whether a product of so many multiply-adds is quicker through oneDNN: in fp32 up to twice, on processors with
    AVX-512 that are not Intel's, where torch's own way is the library of Intel.
    """
    if multiply_adds < WORTH_ONEDNN or like.device.type != "cpu" or dtype not in (torch.float32, torch.bfloat16):
        return False
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def blocks(times: int, rows: int) -> list[slice]:
    """Steps that are done at once, of so many sequences."""
    steps = max(1, ROWS_AT_ONCE // max(1, rows))
    return [slice(first, min(first + steps, times)) for first in range(0, times, steps)]


class Product:
    """`x W^T`, so many times with the same weight `[K, D]`, for `N` rows, in the numbers of `dtype`."""

    def __init__(self, weight: Tensor, rows: int, dtype: torch.dtype, times: int) -> None:
        self.dtype = dtype
        self.weight = weight.to(dtype)
        self.onednn = _onednn_pays(weight, rows * weight.numel(), dtype)
        if not self.onednn:
            self.weight = self.weight.t()
            return
        if times >= WORTH_PACKING and (weight.is_contiguous() or weight.numel() > QUICK_TRANSPOSED):
            self.weight = torch.ops.mkldnn._reorder_linear_weight(self.weight.contiguous(), rows)
        self.linear = torch.ops.mkldnn._linear_pointwise.default
        self.linear_plus = torch.ops.mkldnn._linear_pointwise.binary

    def of(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """`[N, D]` -> `[N, K]`, with a bias `[K]` if there is one."""
        x, bias = x.to(self.dtype), None if bias is None else bias.to(self.dtype)
        if self.onednn:
            found: Tensor = self.linear(x, self.weight, bias, "none", [], "")
            return found
        return x @ self.weight if bias is None else torch.addmm(bias, x, self.weight)

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """The product and `other` `[N, K]`, which is of the product's numbers, rounded once."""
        if self.onednn:
            found: Tensor = self.linear_plus(x.to(self.dtype), other, self.weight, None, "add")
            return found
        return torch.addmm(other, x.to(self.dtype), self.weight)

    def add_to(self, there: Tensor, x: Tensor) -> None:
        """Adds the product to what is there."""
        if not self.onednn and there.dtype == self.dtype:
            there.addmm_(x, self.weight)
        else:
            there.add_(self.of(x))


def add_product(there: Tensor, left: Tensor, right: Tensor) -> None:
    """Adds `left right`."""
    if there.dtype != left.dtype:
        there += left @ right
    elif _onednn_pays(left, left.numel() * right.shape[1], left.dtype):
        there += torch.ops.mkldnn._linear_pointwise(left, right.t(), None, "none", [], "")
    else:
        there.addmm_(left, right)
