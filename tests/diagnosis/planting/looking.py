"""Looking at a trained network in plain torch: gradients, units, what it answers. It knows none of the rules."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diagnosis.planting.training import Trained

__all__ = [
    "answers", "dead_share", "falling", "gradient_norms", "gradients_over_time", "loss_of", "outputs_of", "ratio_below",
    "saturated_share", "worst_norm",
]  # fmt: skip


def loss_of(trained: Trained, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of classes, or the squared error of standardised values."""
    out = model(x)
    if y.is_floating_point():
        mean, scale = (
            torch.tensor(one) for one in (trained.parts.signature.target_mean, trained.parts.signature.target_scale)
        )
        return F.mse_loss(out, (y.reshape(out.shape) - mean) / scale)
    return F.cross_entropy(out.flatten(0, -2), y.flatten(), ignore_index=-100)


def gradient_norms(trained: Trained, model: nn.Module, most: int = 256) -> dict[str, float]:
    """The norm of the gradient of each weight (no bias) over some training samples, from input to output."""
    x, y = trained.batch(most=most)
    model.train()
    model.zero_grad()
    torch.autograd.backward(loss_of(trained, model, x, y))
    return {
        name: float(one.grad.norm()) for name, one in model.named_parameters() if one.ndim > 1 and one.grad is not None
    }


def ratio_below(norms: dict[str, float]) -> float:
    """The lowest layer's gradient over the highest's."""
    found = list(norms.values())
    return found[0] / max(found[-1], 1e-30)


def worst_norm(trained: Trained) -> float:
    """The largest gradient that the log has."""
    return max(trained.of("step", "gradient_norm"), default=math.inf)


@contextmanager
def _recorded(model: nn.Module, kinds: tuple[type[nn.Module], ...]) -> Iterator[dict[str, Tensor]]:
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            found[name] = (output[0] if isinstance(output, tuple) else output).detach().clone()

        return hook

    handles = [one.register_forward_hook(keep(name)) for name, one in model.named_modules() if isinstance(one, kinds)]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def outputs_of(model: nn.Module, x: Tensor, *kinds: type[nn.Module]) -> dict[str, Tensor]:
    """What the layers of some kinds give, in evaluation mode."""
    model.eval()
    with torch.no_grad(), _recorded(model, kinds) as found:
        model(x)
    return found


def dead_share(model: nn.Module, x: Tensor) -> float:
    """Of the ReLU layer that is worst: the share of units (maps) that are 0 for every sample and place."""
    shares = []
    for out in outputs_of(model, x, nn.ReLU).values():
        silent = (out == 0).transpose(0, 1).flatten(1).all(1)
        shares.append(float(silent.float().mean()))
    return max(shares)


def saturated_share(model: nn.Module, x: Tensor, *kinds: type[nn.Module]) -> float:
    """Of the layer that is worst: the share of values within 1 % of the activation's ends."""
    shares = []
    for out in outputs_of(model, x, *kinds).values():
        low, high = (0.0, 1.0) if float(out.min()) >= 0 else (-1.0, 1.0)
        near = (out > high - 0.01 * (high - low)) | (out < low + 0.01 * (high - low))
        shares.append(float(near.float().mean()))
    return max(shares)


def gradients_over_time(trained: Trained, model: nn.Module, most: int = 64) -> list[float]:
    """The gradient of the loss by what the recurrent layer reads at each step, root of the mean over samples."""
    x, y = trained.batch(most=most)
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        read = inputs[0].detach().requires_grad_()
        kept.append(read)
        return (read, *inputs[1:])

    layer = next(one for one in model.modules() if isinstance(one, nn.RNNBase))
    handle = layer.register_forward_pre_hook(keep)
    try:
        torch.autograd.backward(loss_of(trained, model.train(), x, y))
    finally:
        handle.remove()
    (read,) = kept
    assert read.grad is not None
    return [float(one) for one in read.grad.square().sum(2).mean(0).sqrt()]


def answers(model: nn.Module, x: Tensor) -> Tensor:
    """The network's outputs, in evaluation mode."""
    with torch.no_grad():
        found: Tensor = model.eval()(x)
    return found


def falling(column: list[float]) -> float:
    """How much of its first value a curve has lost at its end."""
    return 1 - float(np.mean(column[-2:])) / column[0]
