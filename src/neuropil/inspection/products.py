"""Matrix products of any computation: how many multiply-adds they take, and how many must wait for one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.autograd.graph import Node
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["PRODUCTS", "count_multiply_adds", "longest_chain"]

PRODUCTS = {"MmBackward": 1, "AddmmBackward": 1, "BmmBackward": 1, "BaddbmmBackward": 1, "ScaledDotProduct": 2}
"""Operations of a computation's graph, by the beginnings of their names, and how many products follow in each."""


def count_multiply_adds(run: Callable[[], object]) -> int:
    """Multiply-adds of all products and convolutions while a function runs, also of two activations with one another.

    PyTorch's own counter, by the shapes of what is multiplied. Build and run on the meta device: nothing is computed
    then, and attention is taken apart into its two products; a processor's fused kernel goes uncounted.

    Example:
        >>> import torch
        >>> count_multiply_adds(lambda: torch.empty(5, 3, device="meta") @ torch.empty(3, 2, device="meta"))
        30
    """
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops()) // 2


def longest_chain(output: Tensor, counted: Mapping[str, int] = PRODUCTS) -> int:
    """How many products follow one another on the longest way from a computation's inputs to its output.

    However many processors there are, so many steps one after the other it takes.

    Args:
        output: with its history.
        counted: beginnings of operations' names, and how many steps each is.

    Example:
        >>> import torch
        >>> w = torch.ones(2, 2, requires_grad=True)
        >>> longest_chain(w @ w @ w), longest_chain(w @ w + w @ w)
        (2, 1)
    """
    if output.grad_fn is None:
        return 0
    found: dict[Node, int] = {}
    waiting = [output.grad_fn]
    while waiting:
        node = waiting[-1]
        before = [one for one, _ in node.next_functions if one is not None]
        open_ones = [one for one in before if one not in found]
        if open_ones:
            waiting += open_ones
            continue
        own = next((steps for name, steps in counted.items() if node.name().startswith(name)), 0)
        found[node] = own + max((found[one] for one in before), default=0)
        waiting.pop()
    return found[output.grad_fn]
