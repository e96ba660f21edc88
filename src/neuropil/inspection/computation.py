"""The computation graph of one step: every operation that autograd saw, its value, and the loss's gradient by it.

Source: chapter, "Computation graph" (row 125): "gradients by chain rule on it".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from neuropil.errors import InputError

__all__ = ["Computation", "Operation", "computation_graph"]

Array = np.ndarray[Any, Any]
MOST = 600


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, or a value that the computation began from.

    Args:
        kind: what autograd calls it, in small letters; `given` for a value that was there before.
        name: of a given value; empty for an operation.
        value: what it gave; `None` where it is hidden inside one of torch's functions.
        gradient: of the loss by its value; `None` where no gradient came.
    """

    kind: str
    name: str
    value: Array | None
    gradient: Array | None


@dataclass(frozen=True, slots=True)
class Computation:
    """Operations in an order in which they can be carried out, the loss last, and which reads which.

    Args:
        operations: all that the loss hangs on.
        edges: pairs of places: the second reads the first.
        loss: its value.
    """

    operations: tuple[Operation, ...]
    edges: frozenset[tuple[int, int]]
    loss: float


def computation_graph(compute: Callable[[dict[str, Tensor]], Tensor], values: Mapping[str, Tensor]) -> Computation:
    """Carry out a computation forward and back, and write down what autograd did.

    Args:
        compute: from the values, by name, to one number.
        values: where it begins; each becomes a node. They are copied.

    Raises:
        InputError: the result is no single number, does not hang on the values, or took more than 600 operations.

    Example:
        >>> product = computation_graph(lambda v: (v["x"] + v["y"]) * v["z"], {
        ...     name: torch.tensor(value) for name, value in (("x", -2.0), ("y", 5.0), ("z", -4.0))})
        >>> [(one.name or one.kind, one.value.item(), one.gradient.item()) for one in product.operations]
        [('x', -2.0, -4.0), ('y', 5.0, -4.0), ('add', 3.0, -4.0), ('z', -4.0, 3.0), ('mul', -12.0, 1.0)]
    """
    given = {name: value.detach().clone().requires_grad_(value.is_floating_point()) for name, value in values.items()}
    with torch.enable_grad(), _Values() as seen:
        loss = compute(given)
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        raise InputError("a computation graph ends in one number; take the mean or the sum of the errors")
    if loss.grad_fn is None:
        raise InputError("the result does not hang on the values that were given; compute it from them")
    order, edges = _walk(loss.grad_fn)
    if len(order) > MOST:
        raise InputError(f"the step took {len(order)} operations, more than the {MOST} that a picture shows; take less")
    gradients: dict[Any, Tensor] = {}
    hooks = [node.register_prehook(_keep(node, gradients)) for node in order]
    loss.backward()  # type: ignore[no-untyped-call]
    for hook in hooks:
        hook.remove()
    names = {id(value): name for name, value in given.items()}
    operations = tuple(_operation(node, names, seen.values, gradients) for node in order)
    place = {node: number for number, node in enumerate(order)}
    return Computation(operations, frozenset((place[a], place[b]) for a, b in edges), loss.item())


class _Values(TorchFunctionMode):
    """Remembers what each operation of autograd gave; what a `Function` gave is seen where the next one takes it."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[Any, Tensor] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._remember(args)
        results = func(*args, **(kwargs or {}))
        self._remember(results if isinstance(results, tuple | list) else (results,))
        return results

    def _remember(self, found: Iterable[Any]) -> None:
        for one in found:
            if isinstance(one, Tensor) and one.grad_fn is not None and one.grad_fn not in self.values:
                self.values[one.grad_fn] = one.detach().clone()


def _walk(last: Any) -> tuple[list[Any], set[tuple[Any, Any]]]:
    """Autograd's nodes behind the last one, what is read before what reads it, and their edges."""
    order: dict[Any, None] = {}
    edges = set()
    waiting = [(last, False)]
    while waiting:
        node, seen = waiting.pop()
        if seen:
            order[node] = None
        elif node not in order:
            waiting.append((node, True))
            behind = [one for one, _ in node.next_functions if one is not None]
            edges |= {(one, node) for one in behind}
            waiting += [(one, False) for one in reversed(behind) if one not in order]
    return list(order), edges


def _keep(node: Any, gradients: dict[Any, Tensor]) -> Callable[[Any], None]:
    def hook(given: Any) -> None:
        if given and given[0] is not None:
            gradients[node] = given[0].detach().clone()

    return hook


def _operation(node: Any, names: dict[int, str], values: dict[Any, Tensor], gradients: dict[Any, Tensor]) -> Operation:
    gradient = gradients.get(node)
    known = None if gradient is None else gradient.numpy(force=True)
    if hasattr(node, "variable"):
        value = node.variable.detach()
        return Operation("given", names.get(id(node.variable), "weight"), value.numpy(force=True), known)
    kept = values.get(node)
    kind = re.sub(r"Backward\d*$", "", node.name())
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
    return Operation(kind, "", None if kept is None else kept.numpy(force=True), known)
