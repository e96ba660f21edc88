"""Update rules in the chapter's own form, where that differs from PyTorch's: momentum, NAG, Adagrad, RMSprop, AdaMax.

Each is an ordinary `torch.optim.Optimizer`: state by `state_dict`, groups with options of their own, an `lr` that a
schedule may change before any step. `weight_decay` is the L2 term λ/2 |w|² of the loss, added to the gradient as λw.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer

from neuropil.errors import InputError

__all__ = ["Adagrad", "Adamax", "ChapterRule", "Momentum", "NesterovMomentum", "RMSprop", "refuse_sparse"]

Group = dict[str, Any]
State = dict[str, Any]


def refuse_sparse(weight: Tensor) -> None:
    """Refuse a sparse gradient.

    Raises:
        InputError: it is sparse, as of an embedding with `sparse=True`.
    """
    if weight.grad is not None and weight.grad.layout is not torch.strided:
        raise InputError(
            f"the gradient of a parameter of {list(weight.shape)} is sparse, but the rules take dense ones; "
            "build the embedding with sparse=False"
        )


class ChapterRule(Optimizer):
    """What the chapter's rules share: gathering gradients, weight decay, state that begins at 0.

    Args:
        params: parameters or groups of them.
        options: defaults of the groups; `lr` and `weight_decay` among them.
    """

    slots: tuple[str, ...] = ()
    """Names of the tensors that the rule keeps for each weight."""

    def __init__(self, params: Any, **options: Any) -> None:
        super().__init__(params, options)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of every parameter that has a gradient.

        Args:
            closure: computes the loss and its gradients first, if given.

        Returns:
            What the closure gave.

        Raises:
            InputError: a sparse gradient.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            gradients: list[Tensor] = []
            for weight in weights:
                refuse_sparse(weight)
                gradients.append(weight.grad)
            if group["weight_decay"]:
                gradients = list(torch._foreach_add(gradients, weights, alpha=group["weight_decay"]))
            self.update(weights, gradients, [self._state_of(weight) for weight in weights], group)
        return loss

    def _state_of(self, weight: Tensor) -> State:
        state: State = self.state[weight]
        if not state:
            for slot in self.slots:
                state[slot] = torch.zeros_like(weight)
        return state

    @abstractmethod
    def update(self, weights: list[Tensor], gradients: list[Tensor], states: list[State], group: Group) -> None:
        """Change the weights of one group and their state in place; the gradients are left alone."""


class Momentum(ChapterRule):
    """Gradient descent with momentum: Δ ← αΔ + ηg, w ← w - Δ (chapter; Polyak 1964).

    Differs:
        torch keeps v ← αv + g and takes w ← w - ηv: the same while η is constant. When η falls, here the past steps
        keep the size that they had; there they shrink at once.
    """

    slots = ("delta",)

    def update(self, weights: list[Tensor], gradients: list[Tensor], states: list[State], group: Group) -> None:
        """Δ ← αΔ + ηg, w ← w - Δ."""
        deltas = [state["delta"] for state in states]
        torch._foreach_mul_(deltas, group["momentum"])
        torch._foreach_add_(deltas, gradients, alpha=group["lr"])
        torch._foreach_sub_(weights, deltas)


class NesterovMomentum(ChapterRule):
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

    slots = ("delta",)

    def update(self, weights: list[Tensor], gradients: list[Tensor], states: list[State], group: Group) -> None:
        """Δ ← αΔ + ηg, p ← p - ηg - αΔ."""
        deltas = [state["delta"] for state in states]
        torch._foreach_mul_(deltas, group["momentum"])
        torch._foreach_add_(deltas, gradients, alpha=group["lr"])
        torch._foreach_add_(weights, gradients, alpha=-group["lr"])
        torch._foreach_add_(weights, deltas, alpha=-group["momentum"])

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


class Adagrad(ChapterRule):
    """A rate of its own for each weight: G ← G + g², w ← w - ηg / √(G + ε) (chapter; Duchi, Hazan & Singer 2011).

    Differs:
        torch divides by √G + ε; Keras as here, but its G begins at 0.1.
    """

    slots = ("sum_of_squares",)

    def update(self, weights: list[Tensor], gradients: list[Tensor], states: list[State], group: Group) -> None:
        """G ← G + g², w ← w - ηg / √(G + ε)."""
        squares = [state["sum_of_squares"] for state in states]
        torch._foreach_addcmul_(squares, gradients, gradients)
        _divide_by_root(weights, gradients, squares, group["eps"], group["lr"])


class RMSprop(ChapterRule):
    """Adagrad that forgets: v ← ρv + (1 - ρ)g², w ← w - ηg / √(v + ε) (Tieleman & Hinton 2012, lecture 6.5).

    The chapter shows the formula only as a picture; it is taken from the lecture, ε inside the root as in the
    chapter's Adagrad.

    Differs:
        torch divides by √v + ε; Keras as here.
    """

    slots = ("mean_square",)

    def update(self, weights: list[Tensor], gradients: list[Tensor], states: list[State], group: Group) -> None:
        """The running mean of squares, then the weights."""
        squares = [state["mean_square"] for state in states]
        torch._foreach_mul_(squares, group["rho"])
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - group["rho"])
        _divide_by_root(weights, gradients, squares, group["eps"], group["lr"])


class Adamax(ChapterRule):
    """Adam with the largest gradient for the second moment (Kingma & Ba 2015, algorithm 2).

    m ← β₁m + (1 - β₁)g, u ← max(β₂u, |g|), w ← w - η / (1 - β₁ᵗ) · m / (u + ε). The chapter shows the formula only as
    a picture; the paper has no ε, and 0 / 0 where a weight never had a gradient.

    Differs:
        torch has max(β₂u, |g| + ε); Keras as here.
    """

    slots = ("mean", "largest")

    def update(self, weights: list[Tensor], gradients: list[Tensor], states: list[State], group: Group) -> None:
        """The means, the largest, then the weights, each weight by its own count of steps."""
        means, largest = [state["mean"] for state in states], [state["largest"] for state in states]
        beta1, beta2 = group["betas"]
        torch._foreach_lerp_(means, gradients, 1 - beta1)
        torch._foreach_mul_(largest, beta2)
        torch._foreach_maximum_(largest, torch._foreach_abs(gradients))
        rates = []
        for state in states:
            state["step"] = state.get("step", 0) + 1
            rates.append(-group["lr"] / (1 - beta1 ** state["step"]))
        torch._foreach_addcdiv_(weights, means, torch._foreach_add(largest, group["eps"]), rates)
