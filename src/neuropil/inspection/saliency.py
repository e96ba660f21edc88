"""Which values of an input a network's answer hangs on: the plain gradient, integrated gradients, Grad-CAM."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.registry import nearest

__all__ = ["Saliency", "grad_cam", "gradient_saliency", "integrated_gradients", "last_maps"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Saliency:
    """What the answer hangs on.

    Args:
        method: `gradient`, `integrated gradients` or `Grad-CAM`.
        values: `[C, H, W]` as the input, or Grad-CAM's `[H', W']`, as large as the maps that it looks at.
        target: the class that was asked for.
        score: its logit.
        gap: how far integrated gradients miss the difference that they should add up to; 0 for the others.
    """

    method: str
    values: Array
    target: int
    score: float
    gap: float = 0.0


def gradient_saliency(model: nn.Module, x: Tensor, target: int | None = None) -> Saliency:
    """The gradient of a class's logit by the input.

    Source: Simonyan, Vedaldi and Zisserman 2014, "Deep inside convolutional networks", section 3.

    Shape: x `[1, ...]`; the network gives `[1, K]`.

    Args:
        model: as it stands, taken in evaluation mode.
        x: one sample.
        target: the class; the most likely one where left out.

    Raises:
        InputError: not one sample, no logits `[1, K]`, or no such class.

    Example:
        >>> layer = nn.Linear(2, 3)
        >>> np.array_equal(gradient_saliency(layer, torch.zeros(1, 2), 1).values, layer.weight[1].detach().numpy())
        True
    """
    with _evaluating(model):
        given = _leaf(x)
        score, chosen = _score(model(given), target)
        (found,) = torch.autograd.grad(score, given)
    return Saliency("gradient", found[0].numpy(force=True), chosen, score.item())


def integrated_gradients(
    model: nn.Module, x: Tensor, target: int | None = None, *, baseline: Tensor | None = None, steps: int = 64
) -> Saliency:
    """The gradient on the way from a baseline to the input, summed, times that way; all values add up to the
    difference of the two logits (completeness).

    Source: Sundararajan, Taly and Yan 2017, "Axiomatic attribution for deep networks", section 3.
    Formula: `(x - x') sum_k w_k dF/dx (x' + a_k (x - x'))`, nodes `a_k` and weights `w_k` by Gauss and Legendre.

    Shape: x `[1, ...]`, baseline the same.

    Args:
        model: as it stands, taken in evaluation mode.
        x: one sample.
        target: the class; the most likely one where left out.
        baseline: an input that says nothing; zeros where left out (the mean, of normalised pictures).
        steps: points on the way, from 1 on.

    Raises:
        InputError: as `gradient_saliency`; no steps, or a baseline of another shape.
    """
    if steps < 1:
        raise InputError(f"the way from the baseline needs 1 step or more, but {steps} were given")
    start = torch.zeros_like(x) if baseline is None else baseline.detach()
    if start.shape != x.shape:
        raise InputError(f"the baseline must be {list(x.shape)} as the sample, but {list(start.shape)} was given")
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    with _evaluating(model):
        score, chosen = _score(model(_leaf(x)), target)
        begun, _ = _score(model(start), chosen)
        total = torch.zeros_like(x)
        for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            given = _leaf(start + float(node) * (x - start))
            total += float(weight) * torch.autograd.grad(_score(model(given), chosen)[0], given)[0]
    found = ((x - start) * total)[0].detach()
    gap = abs(found.double().sum().item() - (score.item() - begun.item()))
    return Saliency("integrated gradients", found.numpy(force=True), chosen, score.item(), gap)


def grad_cam(model: nn.Module, x: Tensor, target: int | None = None, *, layer: str | None = None) -> Saliency:
    """The maps of a layer, weighted by the mean gradient of a class's logit by each, and cut at zero.

    Source: Selvaraju et al. 2017, "Grad-CAM", equations 1 and 2.
    Formula: `relu(sum_k a_k A_k)`, `a_k` the mean of `dy/dA_k` over places.

    Shape: x `[1, C, H, W]`; the layer gives `[1, K, H', W']`.

    Args:
        model: as it stands, taken in evaluation mode.
        x: one picture.
        target: the class; the most likely one where left out.
        layer: path of a module that gives maps; the last such one where left out.

    Raises:
        InputError: as `gradient_saliency`; no such layer, or it gives no maps.
    """
    chosen_layer = last_maps(model, x) if layer is None else layer
    modules = dict(model.named_modules())
    if chosen_layer not in modules:
        raise InputError(f"the network has no layer {chosen_layer!r}; {nearest(chosen_layer, modules)}")
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Any) -> Any:
        if isinstance(output, Tensor) and output.ndim == 4 and not kept:
            kept.append(output.clone() if output.requires_grad else output.clone().requires_grad_())
            return kept[0].clone()  # what is overwritten behind it leaves these maps as they are
        return None

    handle = modules[chosen_layer].register_forward_hook(keep)
    try:
        with _evaluating(model):
            score, chosen = _score(model(_leaf(x)), target)
            if not kept:
                raise InputError(f"layer {chosen_layer!r} gives no maps [1, K, H, W]; name a convolution or a pooling")
            (gradient,) = torch.autograd.grad(score, kept[0])
    finally:
        handle.remove()
    weights = gradient.mean((2, 3), keepdim=True)
    found = torch.relu((weights * kept[0]).sum(1))[0].detach()
    return Saliency("Grad-CAM", found.numpy(force=True), chosen, score.item())


def last_maps(model: nn.Module, x: Tensor) -> str:
    """The last layer, in the order of calls, that gives maps of more than one value.

    Raises:
        InputError: none does.

    Example:
        >>> last_maps(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten()), torch.zeros(1, 1, 5, 5))
        '1'
    """
    found: list[str] = []
    hooks = []
    for name, module in model.named_modules():
        if name and not any(True for _ in module.children()):

            def keep(module: nn.Module, inputs: Any, output: Any, name: str = name) -> None:
                if isinstance(output, Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1:
                    found.append(name)

            hooks.append(module.register_forward_hook(keep))
    try:
        with _evaluating(model), torch.no_grad():
            model(x)
    finally:
        for handle in hooks:
            handle.remove()
    if not found:
        raise InputError(f"{type(model).__name__} has no layer that gives maps [N, K, H, W]; it does not see pictures")
    return found[-1]


def _leaf(x: Tensor) -> Tensor:
    return x.detach().clone().requires_grad_()


def _score(output: Any, target: int | None) -> tuple[Tensor, int]:
    """The logit asked for, and the class."""
    logits = output if isinstance(output, Tensor) else output[0]
    if logits.ndim != 2 or logits.shape[0] != 1:
        raise InputError(f"saliency is that of one sample's logits [1, K], but the network gives {list(logits.shape)}")
    chosen = int(logits[0].argmax()) if target is None else target
    if not 0 <= chosen < logits.shape[1]:
        raise InputError(f"there is no class {chosen}; the network has {logits.shape[1]}, from 0 on")
    return logits[0, chosen], chosen


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode with gradients, modes put back at the end."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with torch.enable_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training
