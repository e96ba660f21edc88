"""How large the gradient is in each layer: vanishing is hard to notice, since the loss alone does not show it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from neuropil.errors import InputError

__all__ = ["GradientNorms", "LayerGradient", "gradient_norms"]


@dataclass(frozen=True, slots=True)
class LayerGradient:
    """One layer that has parameters of its own.

    Args:
        name: its path in the network.
        gradient_norm: of the loss by all its parameters, as one vector; 0 where the loss does not hang on them.
        weight_norm: of these parameters.
        ratio: gradient over weight norm, how fast a step of rate 1 would change the layer; infinite where all weights
            are 0, and 0 where the gradient is too.
    """

    name: str
    gradient_norm: float
    weight_norm: float
    ratio: float


@dataclass(frozen=True, slots=True)
class GradientNorms:
    """The gradients of a network for one batch.

    Args:
        loss: what was differentiated.
        layers: from the network's first to its last, as it lists its modules.
    """

    loss: float
    layers: tuple[LayerGradient, ...]


def gradient_norms(
    model: nn.Module, inputs: Tensor, targets: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
) -> GradientNorms:
    """The norms of gradients and weights, layer by layer, of the network as it stands, in its present mode.

    Weights, their `.grad`, running averages, modes and random numbers stay as they were.

    Source:
        Chapter, "Vanishing gradients"; Glorot & Bengio 2010, section 4.2.

    Args:
        model: the network; frozen parameters are left out.
        inputs: of one batch.
        targets: of the batch.
        loss: of the network's output and the targets, one number.

    Raises:
        InputError: nothing to train, or a loss that is no single number or does not hang on the network.

    Example:
        >>> deep = nn.Sequential(*(part for _ in range(6) for part in (nn.Linear(4, 4), nn.Sigmoid())))
        >>> layers = gradient_norms(deep, torch.ones(8, 4), torch.zeros(8, 4), nn.functional.mse_loss).layers
        >>> layers[0].gradient_norm < 1e-2 * layers[-1].gradient_norm
        True
    """
    owners: dict[nn.Parameter, str] = {}
    for name, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            if parameter.requires_grad:
                owners.setdefault(parameter, name or type(module).__name__)
    if not owners:
        raise InputError("the network has no trainable parameter, so it has no gradients; unfreeze a part of it")
    with _left_alone(model), torch.enable_grad():
        value = loss(model(inputs), targets)
        if not isinstance(value, Tensor) or value.numel() != 1:
            shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise InputError(f"the loss is {shape}, but one number is needed; take its mean or its sum")
        if not value.requires_grad:
            raise InputError("the loss does not hang on the network's parameters; compute it from its output")
        found = torch.autograd.grad(value.reshape(()), list(owners), allow_unused=True)
    squares: dict[str, list[float]] = {}
    for (parameter, name), gradient in zip(owners.items(), found, strict=True):
        sums = squares.setdefault(name, [0.0, 0.0])
        sums[0] += 0.0 if gradient is None else gradient.double().square().sum().item()
        sums[1] += parameter.detach().double().square().sum().item()
    return GradientNorms(value.item(), tuple(_layer(name, *map(math.sqrt, sums)) for name, sums in squares.items()))


def _layer(name: str, gradient: float, weight: float) -> LayerGradient:
    ratio = gradient / weight if weight else math.inf if gradient else 0.0
    return LayerGradient(name, gradient, weight, ratio)


@contextmanager
def _left_alone(model: nn.Module) -> Iterator[None]:
    """Buffers and random numbers as before, whatever happens inside."""
    kept = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    try:
        with torch.random.fork_rng():
            yield
    finally:
        with torch.no_grad():
            for buffer, before in kept:
                buffer.copy_(before)
