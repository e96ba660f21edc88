"""Update rules in the chapter's own form, where that differs from PyTorch's: momentum, NAG, Adagrad, RMSprop, AdaMax.

Each is an ordinary `torch.optim.Optimizer`: state by `state_dict`, groups with options of their own, an `lr` that a
schedule may change before any step. `weight_decay` is the L2 term λ/2 |w|² of the loss, added to the gradient as λw.
Each formula stands twice: as `equation`, one weight's step in C for large networks, and as `update`, over lists of
tensors for small ones and other devices.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from neuropil.optim.elementwise import ElementwiseRule
from neuropil.optim.one_pass import Equation

__all__ = ["Adagrad", "Adamax", "Momentum", "NesterovMomentum", "RMSprop"]

Group = dict[str, Any]
Lists = list[list[Tensor]]
Numbers = dict[str, float]


class Momentum(ElementwiseRule):
    """Gradient descent with momentum: Δ ← αΔ + ηg, w ← w - Δ (chapter; Polyak 1964).

    Differs:
        torch keeps v ← αv + g and takes w ← w - ηv: the same while η is constant. When η falls, here the past steps
        keep the size that they had; there they shrink at once.
    """

    equation = Equation(
        ("delta",),
        ("lr", "alpha"),
        "delta = alpha * delta + lr * g; w -= delta;",
    )

    def numbers(self, group: Group, count: int) -> Numbers:
        """η and α."""
        return {"lr": group["lr"], "alpha": group["momentum"]}

    def update(self, weights: list[Tensor], gradients: list[Tensor], slots: Lists, numbers: Numbers) -> None:
        """Δ ← αΔ + ηg, w ← w - Δ."""
        (deltas,) = slots
        torch._foreach_mul_(deltas, numbers["alpha"])
        torch._foreach_add_(deltas, gradients, alpha=numbers["lr"])
        torch._foreach_sub_(weights, deltas)


class NesterovMomentum(Momentum):
    """Nesterov's accelerated gradient: Δ ← αΔ + η∇E(w - αΔ), w ← w - Δ (chapter; Nesterov 1983).

    The gradient is wanted at the look-ahead point p = w - αΔ, so between steps the parameters hold p, not w: an
    ordinary loop that computes gradients at the parameters then follows the definition exactly. In terms of p a step
    is Δ ← αΔ + ηg, p ← p - ηg - αΔ. Before the first step p = w; `at_weights` shows w.

    Differs:
        Keras takes the same steps and also leaves p in the parameters; torch has the rate outside, v ← αv + g,
        p ← p - η(g + αv), which is the same while η is constant. Neither gives w back.

    Example:
        >>> p = torch.nn.Parameter(torch.tensor([1.0]))
        >>> rule = NesterovMomentum([p], lr=0.1, momentum=0.5, weight_decay=0.0)
        >>> p.grad = torch.tensor([2.0])
        >>> rule.step()
        >>> with rule.at_weights():
        ...     round(p.item(), 6)
        0.8
        >>> round(p.item(), 6)
        0.7
    """

    equation = Equation(
        ("delta",),
        ("lr", "alpha"),
        "delta = alpha * delta + lr * g; w -= lr * g + alpha * delta;",
    )

    def update(self, weights: list[Tensor], gradients: list[Tensor], slots: Lists, numbers: Numbers) -> None:
        """Δ ← αΔ + ηg, p ← p - ηg - αΔ."""
        (deltas,) = slots
        torch._foreach_mul_(deltas, numbers["alpha"])
        torch._foreach_add_(deltas, gradients, alpha=numbers["lr"])
        torch._foreach_add_(weights, gradients, alpha=-numbers["lr"])
        torch._foreach_add_(weights, deltas, alpha=-numbers["alpha"])

    @contextmanager
    def at_weights(self) -> Iterator[None]:
        """The weights w = p + αΔ in the parameters inside, the look-ahead point p again afterwards, bit for bit."""
        moved = [(p, group["momentum"]) for group in self.param_groups for p in group["params"] if self.state.get(p)]
        kept = [parameter.detach().clone() for parameter, _ in moved]
        with torch.no_grad():
            for parameter, momentum in moved:
                parameter.add_(self.state[parameter]["delta"], alpha=momentum)
        try:
            yield
        finally:
            with torch.no_grad():
                for (parameter, _), point in zip(moved, kept, strict=True):
                    parameter.copy_(point)


def _divide_by_root(
    weights: list[Tensor], gradients: list[Tensor], squares: list[Tensor], eps: float, lr: float
) -> None:
    """Take w ← w - ηg / √(squares + ε)."""
    roots = torch._foreach_add(squares, eps)
    torch._foreach_sqrt_(roots)
    torch._foreach_addcdiv_(weights, gradients, roots, value=-lr)


class Adagrad(ElementwiseRule):
    """A rate of its own for each weight: G ← G + g², w ← w - ηg / √(G + ε) (chapter; Duchi, Hazan & Singer 2011).

    Differs:
        torch divides by √G + ε; Keras as here, but its G begins at 0.1.
    """

    equation = Equation(
        ("sum_of_squares",),
        ("lr", "eps"),
        "sum_of_squares += g * g; w -= lr * g / sqrt(sum_of_squares + eps);",
    )

    def numbers(self, group: Group, count: int) -> Numbers:
        """η and ε."""
        return {"lr": group["lr"], "eps": group["eps"]}

    def update(self, weights: list[Tensor], gradients: list[Tensor], slots: Lists, numbers: Numbers) -> None:
        """G ← G + g², w ← w - ηg / √(G + ε)."""
        (squares,) = slots
        torch._foreach_addcmul_(squares, gradients, gradients)
        _divide_by_root(weights, gradients, squares, numbers["eps"], numbers["lr"])


class RMSprop(ElementwiseRule):
    """Adagrad that forgets: v ← ρv + (1 - ρ)g², w ← w - ηg / √(v + ε) (Tieleman & Hinton 2012, lecture 6.5).

    The chapter shows the formula only as a picture; it is taken from the lecture, ε inside the root as in the
    chapter's Adagrad.

    Differs:
        torch divides by √v + ε; Keras as here.
    """

    equation = Equation(
        ("mean_square",),
        ("lr", "rho", "fresh", "eps"),
        "mean_square = rho * mean_square + fresh * g * g; w -= lr * g / sqrt(mean_square + eps);",
    )

    def numbers(self, group: Group, count: int) -> Numbers:
        """η, ρ, 1 - ρ and ε."""
        return {"lr": group["lr"], "rho": group["rho"], "fresh": 1 - group["rho"], "eps": group["eps"]}

    def update(self, weights: list[Tensor], gradients: list[Tensor], slots: Lists, numbers: Numbers) -> None:
        """The running mean of squares, then the weights."""
        (squares,) = slots
        torch._foreach_mul_(squares, numbers["rho"])
        torch._foreach_addcmul_(squares, gradients, gradients, value=numbers["fresh"])
        _divide_by_root(weights, gradients, squares, numbers["eps"], numbers["lr"])


class Adamax(ElementwiseRule):
    """Adam with the largest gradient for the second moment (Kingma & Ba 2015, algorithm 2).

    m ← β₁m + (1 - β₁)g, u ← max(β₂u, |g|), w ← w - η / (1 - β₁ᵗ) · m / (u + ε). The chapter shows the formula only as
    a picture; the paper has no ε, and 0 / 0 where a weight never had a gradient.

    Differs:
        torch has max(β₂u, |g| + ε); Keras as here.
    """

    equation = Equation(
        ("mean", "largest"),
        ("rate", "fresh", "beta2", "eps"),
        "mean += fresh * (g - mean);"
        "const real faded = beta2 * largest, size = fabs(g);"
        "largest = faded > size || isnan(faded) ? faded : size;"
        "w -= rate * mean / (largest + eps);",
    )
    counts_steps = True

    def numbers(self, group: Group, count: int) -> Numbers:
        """η / (1 - β₁ᵗ), 1 - β₁, β₂ and ε."""
        beta1, beta2 = group["betas"]
        return {"rate": group["lr"] / (1 - beta1**count), "fresh": 1 - beta1, "beta2": beta2, "eps": group["eps"]}

    def update(self, weights: list[Tensor], gradients: list[Tensor], slots: Lists, numbers: Numbers) -> None:
        """The means, the largest, then the weights."""
        means, largest = slots
        torch._foreach_lerp_(means, gradients, numbers["fresh"])
        torch._foreach_mul_(largest, numbers["beta2"])
        torch._foreach_maximum_(largest, torch._foreach_abs(gradients))
        torch._foreach_addcdiv_(weights, means, torch._foreach_add(largest, numbers["eps"]), value=-numbers["rate"])
