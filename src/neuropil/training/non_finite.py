"""Which module made the first number that is not finite: the failed step is run once more under hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from neuropil.nn.contracts import BatchLike

__all__ = ["all_finite", "culprit"]


def all_finite(tensors: list[Tensor]) -> bool:
    """Whether every number of every tensor is finite.

    Example:
        >>> all_finite([torch.ones(3), torch.tensor([float("inf")])])
        False
    """
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def culprit(model: nn.Module, batch: BatchLike, loss_of: Callable[[], Tensor]) -> str | None:
    """Name what first made a non-finite number in a step: data, weights, a layer, the loss, or a layer going backward.

    Args:
        model: its gradients are added to; buffers may change.
        batch: the batch of the failed step.
        loss_of: runs the step's forward pass again and gives its loss.

    Returns:
        A clause, or `None` if everything is finite this time.
    """
    for name, tensor in (("inputs", batch.inputs), ("targets", batch.targets)):
        if tensor.is_floating_point() and not all_finite([tensor]):
            bad = sorted({int(batch.indices[row]) for row in (~torch.isfinite(tensor)).nonzero()[:, 0].tolist()})
            return f"the {name} of sample {', '.join(map(str, bad[:5]))} hold it already"
    for name, parameter in model.named_parameters():
        if not all_finite([parameter]):
            return f"the weights {name!r} are not finite: an earlier step was too large"
    watch = _Watch(model)
    try:
        loss = loss_of()
        if watch.broken:
            return f"{watch.broken[0]} made the first one"
        if not all_finite([loss]):
            return "every layer's output is finite; the loss itself made it"
        loss.backward()  # type: ignore[no-untyped-call]
    finally:
        watch.close()
    if (found := watch.way_back()) is not None:
        return found
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not all_finite([parameter.grad]):
            return f"the gradient of {name!r} is not finite"
    return None


class _Watch:
    """Hooks on every module of a network, and on the gradients of what goes in and out of its layers."""

    def __init__(self, model: nn.Module) -> None:
        self.answer: int | None = None
        self.broken: list[str] = []
        self.tensors: dict[int, Tensor] = {}
        self.made_by: dict[int, str] = {}
        self.taken_by: dict[int, str] = {}
        self.gradients: list[tuple[int, bool]] = []
        self.handles = [
            module.register_forward_hook(self._hook(f"layer {name!r}" if name else "the network itself"))
            for name, module in model.named_modules()
        ]

    def close(self) -> None:
        """Take the hooks off."""
        for handle in self.handles:
            handle.remove()

    def way_back(self) -> str | None:
        """Where the first gradient that is not finite came from."""
        bad = next((number for number, finite in self.gradients if not finite), None)
        if bad is None:
            return None
        if bad in self.taken_by:
            return f"the gradient stopped being finite on its way back through {self.taken_by[bad]}"
        if bad == self.answer:
            return "the gradient of the loss itself is not finite"
        return f"the gradient stopped being finite in an operation between {self.made_by[bad]} and what follows it"

    def _hook(self, place: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(module: nn.Module, inputs: Any, output: Any) -> None:
            label = f"{place} ({type(module).__name__})"
            outputs = output if isinstance(output, tuple | list) else (output,)
            for tensor in _floating(outputs):
                if not all_finite([tensor]):
                    self.broken.append(label)
                if self._follow(tensor):
                    self.made_by.setdefault(id(tensor), label)
                    self.answer = id(tensor)
            if not any(module.children()):
                for tensor in _floating(inputs):
                    if self._follow(tensor):
                        self.taken_by[id(tensor)] = label

        return note

    def _follow(self, tensor: Tensor) -> bool:
        """Whether a gradient will come to this tensor; it is noted when it does."""
        if tensor.requires_grad and id(tensor) not in self.tensors:
            number = id(tensor)
            self.tensors[number] = tensor  # held, so that no other tensor gets its id
            tensor.register_hook(  # type: ignore[no-untyped-call]
                lambda gradient: self.gradients.append((number, all_finite([gradient])))
            )
        return tensor.requires_grad


def _floating(values: Any) -> list[Tensor]:
    return [value for value in values if isinstance(value, Tensor) and value.is_floating_point()]
