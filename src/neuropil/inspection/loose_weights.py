"""Weights that are read past the layer that holds them: a part of a matrix, or several matrices side by side.

Attention does so: it makes keys of one sequence and questions of another by parts of one layer's matrix, and the layer
itself is never called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ["LooseUse", "LooseUses"]

PRODUCTS = ("linear", "matmul", "__matmul__", "__rmatmul__", "mm", "bmm")


class LooseUse(NamedTuple):
    """One operation that read weights which no called layer holds.

    Args:
        kind: its name.
        output: what it gave.
        parameters: names of what it read.
        multiply_adds: of a product with a matrix, for one sample; 0 for the rest.
    """

    kind: str
    output: Tensor
    parameters: frozenset[str]
    multiply_adds: int


class LooseUses(TorchFunctionMode):
    """While it is entered, tells of every operation between weights, or what was made of them alone, and other numbers.

    Args:
        parameters: a network's weights as it reads them, by name.
        tell: is called with each use.

    Example:
        >>> import torch
        >>> from torch.nn import functional as F
        >>> weight, found = torch.ones(4, 3), []
        >>> with LooseUses({"w": weight}, found.append):
        ...     _ = F.linear(torch.ones(1, 5, 3), weight[:2])
        >>> [(use.kind, sorted(use.parameters), use.multiply_adds) for use in found]
        [('linear', ['w'], 30)]
    """

    def __init__(self, parameters: Mapping[str, Tensor], tell: Any) -> None:
        super().__init__()
        self._tell = tell
        self._made_of: Any = WeakTensorKeyDictionary()
        for name, one in parameters.items():
            self._made_of[one] = frozenset([name])

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run an operation, and see what it read."""
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        sources = [self._made_of.get(leaf, frozenset()) for leaf in given]
        result = func(*args, **(kwargs or {}))
        if any(sources):
            made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
            read = frozenset().union(*sources)
            if all(sources):
                for one in made:
                    self._made_of[one] = read
            elif made:
                kind = func.__name__.strip("_")
                product = func.__name__ in PRODUCTS
                cost = made[0].numel() * given[0].shape[-1] if product else 0
                self._tell(LooseUse(kind, made[0], read, cost))
        return result
