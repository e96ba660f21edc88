"""How gradients flow while a network trains: by layer, and by component, step for step.

Source: chapter, "Vanishing gradients" (rows 6, 106): a few components may vanish unnoticed while the norm stays.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from neuropil.errors import InputError

__all__ = ["GradientFlow", "gradient_flow"]

Array = np.ndarray[Any, Any]
Batch = TypeVar("Batch")


@dataclass(frozen=True, slots=True)
class GradientFlow:
    """The gradients of some steps.

    Args:
        layers: paths of the layers with weights, in the network's order.
        norms: `[S, L]`: of the loss by all weights of a layer.
        components: for each layer `[S, units]`: of the loss by the weights of each of its outputs.
        losses: `[S]`.
    """

    layers: tuple[str, ...]
    norms: Array
    components: Mapping[str, Array]
    losses: Array


def gradient_flow(
    model: nn.Module,
    batches: Iterable[Batch],
    loss: Callable[[nn.Module, Batch], Tensor],
    rule: Callable[[nn.Module], torch.optim.Optimizer],
) -> GradientFlow:
    """Train a copy of a network on some batches and write down the gradients of each step.

    Args:
        model: stays as it is.
        batches: a step each, of whatever kind.
        loss: of the network on a batch, one number.
        rule: makes the update rule of the copy.

    Raises:
        InputError: no batch, or nothing to train.

    Example:
        >>> flow = gradient_flow(nn.Linear(2, 3), [torch.ones(4, 2)] * 5, lambda net, x: net(x).square().mean(),
        ...     lambda net: torch.optim.SGD(net.parameters(), lr=0.1))
        >>> flow.norms.shape, flow.components["Linear"].shape
        ((5, 1), (5, 3))
    """
    trained = copy.deepcopy(model).train()
    owned: dict[str, list[nn.Parameter]] = {}
    for name, module in trained.named_modules():
        own = [weight for weight in module.parameters(recurse=False) if weight.requires_grad]
        if own:
            owned[name or type(module).__name__] = own
    if not owned:
        raise InputError("the network has no trainable parameter, so no gradient flows; unfreeze a part of it")
    optimizer = rule(trained)
    norms, losses = [], []
    components: dict[str, list[Tensor]] = {name: [] for name in owned}
    with torch.random.fork_rng(), torch.enable_grad():
        for batch in batches:
            optimizer.zero_grad()
            value = loss(trained, batch)
            value.backward()  # type: ignore[no-untyped-call]
            losses.append(value.item())
            for name, own in owned.items():
                components[name].append(_by_unit(own))
            norms.append([float(components[name][-1].norm()) for name in owned])
            optimizer.step()
    if not losses:
        raise InputError("there is no batch to train on; give one or more")
    stacked = {name: torch.stack(found).numpy(force=True) for name, found in components.items()}
    return GradientFlow(tuple(owned), np.array(norms), stacked, np.array(losses))


def _by_unit(own: list[nn.Parameter]) -> Tensor:
    """The norm of the gradient by what belongs to each output: the rows of the weight, the entries of the bias."""
    units = own[0].shape[0] if own[0].ndim else 1
    total = torch.zeros(units)
    rest = torch.zeros(())
    for weight in own:
        if weight.grad is None:
            continue
        squares = weight.grad.detach().square().float()
        if weight.ndim and weight.shape[0] == units:
            total += squares.reshape(units, -1).sum(1)
        else:
            rest = rest + squares.sum()
    return (total + rest / units).sqrt()
