"""PyTorch's forms of the rules that it has no fused kernel for: Adadelta, RMSprop, AdaMax.

The same steps as `torch.optim`'s, in one pass over memory for large networks; options and state bear PyTorch's names,
so that a state saved by one goes into the other.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from neuropil.optim.chapter import Adamax
from neuropil.optim.elementwise import ElementwiseRule
from neuropil.optim.one_pass import Equation

__all__ = ["Adadelta", "TorchAdamax", "TorchRMSprop"]

Group = dict[str, Any]
Lists = list[list[Tensor]]
Numbers = dict[str, float]


class Adadelta(ElementwiseRule):
    """Gradients over the root of their recent squares, times that of past steps (Zeiler 2012, algorithm 1).

    v ← ρv + (1 - ρ)g², δ = g √(s + ε) / √(v + ε), s ← ρs + (1 - ρ)δ², w ← w - ηδ.
    """

    equation = Equation(
        ("square_avg", "acc_delta"),
        ("lr", "rho", "fresh", "eps"),
        "square_avg = rho * square_avg + fresh * g * g;"
        "const real delta = sqrt(acc_delta + eps) / sqrt(square_avg + eps) * g;"
        "acc_delta = rho * acc_delta + fresh * delta * delta; w -= lr * delta;",
    )
    counts_steps = True

    def numbers(self, group: Group, count: int) -> Numbers:
        """η, ρ, 1 - ρ and ε."""
        return {"lr": group["lr"], "rho": group["rho"], "fresh": 1 - group["rho"], "eps": group["eps"]}

    def update(self, weights: list[Tensor], gradients: list[Tensor], slots: Lists, numbers: Numbers) -> None:
        """The mean squares of gradients, the step, the mean squares of steps, the weights."""
        squares, of_steps = slots
        torch._foreach_mul_(squares, numbers["rho"])
        torch._foreach_addcmul_(squares, gradients, gradients, value=numbers["fresh"])
        steps = torch._foreach_add(of_steps, numbers["eps"])
        torch._foreach_sqrt_(steps)
        roots = torch._foreach_add(squares, numbers["eps"])
        torch._foreach_sqrt_(roots)
        torch._foreach_div_(steps, roots)
        torch._foreach_mul_(steps, gradients)
        torch._foreach_mul_(of_steps, numbers["rho"])
        torch._foreach_addcmul_(of_steps, steps, steps, value=numbers["fresh"])
        torch._foreach_add_(weights, steps, alpha=-numbers["lr"])


class TorchRMSprop(ElementwiseRule):
    """RMSprop with ε outside the root: v ← ρv + (1 - ρ)g², w ← w - ηg / (√v + ε); PyTorch calls ρ alpha."""

    equation = Equation(
        ("square_avg",),
        ("lr", "alpha", "fresh", "eps"),
        "square_avg = alpha * square_avg + fresh * g * g; w -= lr * g / (sqrt(square_avg) + eps);",
    )
    counts_steps = True
    foreign = (*ElementwiseRule.foreign, "momentum")

    def numbers(self, group: Group, count: int) -> Numbers:
        """η, ρ, 1 - ρ and ε."""
        return {"lr": group["lr"], "alpha": group["alpha"], "fresh": 1 - group["alpha"], "eps": group["eps"]}

    def update(self, weights: list[Tensor], gradients: list[Tensor], slots: Lists, numbers: Numbers) -> None:
        """The mean squares, then the weights."""
        (squares,) = slots
        torch._foreach_mul_(squares, numbers["alpha"])
        torch._foreach_addcmul_(squares, gradients, gradients, value=numbers["fresh"])
        roots = torch._foreach_sqrt(squares)
        torch._foreach_add_(roots, numbers["eps"])
        torch._foreach_addcdiv_(weights, gradients, roots, value=-numbers["lr"])


class TorchAdamax(Adamax):
    """AdaMax with ε in the maximum: u ← max(β₂u, |g| + ε), w ← w - η / (1 - β₁ᵗ) · m / u."""

    equation = Equation(
        ("exp_avg", "exp_inf"),
        ("rate", "fresh", "beta2", "eps"),
        "exp_avg += fresh * (g - exp_avg);"
        "const real faded = beta2 * exp_inf, size = fabs(g) + eps;"
        "exp_inf = faded > size || isnan(faded) ? faded : size;"
        "w -= rate * exp_avg / exp_inf;",
    )

    def update(self, weights: list[Tensor], gradients: list[Tensor], slots: Lists, numbers: Numbers) -> None:
        """The means, the largest, then the weights."""
        means, largest = slots
        torch._foreach_lerp_(means, gradients, numbers["fresh"])
        sizes = torch._foreach_abs(gradients)
        torch._foreach_add_(sizes, numbers["eps"])
        torch._foreach_mul_(largest, numbers["beta2"])
        torch._foreach_maximum_(largest, sizes)
        torch._foreach_addcdiv_(weights, means, largest, value=-numbers["rate"])
