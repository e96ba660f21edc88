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


def culprit(model: nn.Module, batch: BatchLike, loss_of: Callable[[], Tensor]) -> str:
    """Name what first made a non-finite number in a step: data, weights, a layer, the loss, or a layer going backward.

    Args:
        model: its gradients are overwritten; buffers may be (the caller puts them back).
        batch: the batch of the failed step.
        loss_of: runs the step's forward pass again and gives its loss.
    """
    for name, tensor in (("inputs", batch.inputs), ("targets", batch.targets)):
        if tensor.is_floating_point() and not all_finite([tensor]):
            bad = sorted({int(batch.indices[row]) for row in (~torch.isfinite(tensor)).nonzero()[:, 0].tolist()})
            return f"the {name} of sample {', '.join(map(str, bad[:5]))} hold it already"
    for name, parameter in model.named_parameters():
        if not all_finite([parameter]):
            return f"the weights {name!r} are not finite: an earlier step was too large"
    return _by_hooks(model, loss_of)


def _by_hooks(model: nn.Module, loss_of: Callable[[], Tensor]) -> str:
    forward: list[str] = []
    backward: list[tuple[str, bool]] = []

    def watch(name: str, module: nn.Module) -> Callable[[nn.Module, Any, Any], None]:
        label = f"layer {name!r} ({type(module).__name__})"

        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or not output.is_floating_point():
                return
            if not all_finite([output]):
                forward.append(label)
            elif output.requires_grad:
                output.register_hook(  # type: ignore[no-untyped-call]
                    lambda gradient: backward.append((label, all_finite([gradient])))
                )

        return hook

    leaves = [(name, module) for name, module in model.named_modules() if not any(module.children())]
    handles = [module.register_forward_hook(watch(name, module)) for name, module in leaves]
    try:
        loss = loss_of()
        if forward:
            return f"{forward[0]} made the first one"
        if not all_finite([loss]):
            return "every layer's output is finite; the loss itself made it"
        loss.backward()  # type: ignore[no-untyped-call]
    finally:
        for handle in handles:
            handle.remove()
    bad = next((place for place, (_, finite) in enumerate(backward) if not finite), None)
    if bad == 0:
        return "the gradient of the loss itself is not finite"
    if bad is not None:
        return f"the gradient stopped being finite on its way back through {backward[bad - 1][0]}"
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not all_finite([parameter.grad]):
            return f"the gradient of {name!r} is not finite"
    return "it did not come back when the step was repeated"
