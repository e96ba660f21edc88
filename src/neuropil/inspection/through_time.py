"""Backpropagation through time, looked into: which step's error asks what of the weights at which earlier step.

`T` steps, `N` sequences, `D` features, `H` units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from neuropil.errors import InputError

__all__ = [
    "Fading", "Regime", "StepTerms", "fading", "forecast_regime", "gradient_terms", "sensitivity",
]  # fmt: skip

Regime = Literal["vanishes", "stays", "explodes"]
Loss = Callable[[Tensor], Tensor]

FAINT = 1e-3
"""Share of the last step's gradient below which an earlier one has vanished; its inverse: above which it exploded."""


@dataclass(frozen=True, slots=True)
class StepTerms:
    """The terms of `dE/dW = sum_t sum_k dE_t/dW_k`, where `W_k` is the weight as step k uses it.

    Args:
        errors: `E_t`, `[T]`.
        terms: for each weight `[T, T, ...]`: of the error of step t (first axis) by the weight at step k (second); 0
            where k is after t.
    """

    errors: Tensor
    terms: Mapping[str, Tensor]

    def of_error(self, t: int) -> dict[str, Tensor]:
        """`dE_t/dW`: the terms of one error, summed over the steps that led to it (row 104)."""
        return {name: one[t].sum(0) for name, one in self.terms.items()}

    def total(self, over: Literal["sum", "mean"] = "sum") -> dict[str, Tensor]:
        """`dE/dW`, where the objective is the `sum` over all errors (the chapter's formulas) or their `mean` (its
        text; row 100).

        Raises:
            InputError: neither of the two.
        """
        if over not in ("sum", "mean"):
            raise InputError(f"errors are put together by their 'sum' or 'mean', not {over!r}")
        count = len(self.errors) if over == "mean" else 1
        return {name: one.sum((0, 1)) / count for name, one in self.terms.items()}


def gradient_terms(layer: nn.Module, x: Tensor, losses: Loss, state: Any = None) -> StepTerms:
    """The gradient of each step's error by the weights of each earlier step.

    The layer runs step by step, each step with weights of its own; errors may hang on the output of their step alone.
    Nothing of the layer is changed.

    Source: chapter, "BPTT" (rows 99-104).
    Formula: `dE_t/dW = sum_{k <= t} dE_t/dh_t dh_t/dh_k dh_k/dW_k`.

    Shape: x `[N, T, D]`.

    Args:
        layer: `(x, state) -> (outputs [N, T, ...], state)`: a recurrent layer, or a whole network with a readout (the
            chapter's V is then among its weights).
        x: sequences.
        losses: outputs `[N, T, ...]` -> errors `[T]`.
        state: before the first step.

    Raises:
        InputError: sequences without a step, or losses that are no `[T]`.

    Example:
        >>> layer = torch.nn.RNN(1, 1, bias=False, batch_first=True)
        >>> found = gradient_terms(layer, torch.ones(1, 3, 1), lambda y: y[0, :, 0])
        >>> found.terms["weight_hh_l0"].shape, found.terms["weight_hh_l0"][0].abs().sum().item()
        (torch.Size([3, 3, 1, 1]), 0.0)
    """
    if x.ndim != 3 or not x.shape[1]:
        raise InputError(f"sequences are [N, T, D] with a step at least, but {list(x.shape)} came")
    times = x.shape[1]
    names = [name for name, weight in layer.named_parameters() if weight.requires_grad]
    own = dict(layer.named_parameters())
    copies = [{name: own[name].detach().clone().requires_grad_() for name in names} for _ in range(times)]
    with torch.enable_grad(), _by_steps(layer):
        outputs = []
        for t in range(times):
            said, state = torch.func.functional_call(layer, copies[t], (x[:, t : t + 1].detach(), state))
            outputs.append(said)
        errors = losses(torch.cat(outputs, 1))
        if errors.shape != (times,):
            raise InputError(f"losses must give the {times} errors of the steps, but {list(errors.shape)} came")
        weights = [one[name] for one in copies for name in names]
        terms = {name: errors.new_zeros(times, times, *own[name].shape) for name in names}
        for t in range(times):
            asked = weights[: (t + 1) * len(names)]
            found = torch.autograd.grad(errors[t], asked, retain_graph=True, allow_unused=True)
            for place, one in enumerate(found):
                if one is not None:
                    terms[names[place % len(names)]][t, place // len(names)] = one
    return StepTerms(errors.detach(), terms)


def sensitivity(layer: nn.Module, x: Tensor, state: Any = None) -> Tensor:
    """How much each output hangs on each input: the size (Frobenius norm) of `dy_t/dx_k`, for one sequence.

    Source: chapter, sensitivity picture (row 110); Graves 2012, "Supervised sequence labelling", figure 4.1.

    Shape: x `[1, T, D]` -> `[T, T]`: outputs by step (first axis), inputs by step (second); 0 where the input comes
        after the output.

    Args:
        layer: `(x, state) -> (outputs [1, T, H], state)`.
        x: one sequence.
        state: before the first step.

    Raises:
        InputError: not one sequence.

    Example:
        >>> sensitivity(torch.nn.RNN(2, 3, batch_first=True), torch.zeros(1, 4, 2)).triu(1).sum().item()
        0.0
    """
    if x.ndim != 3 or x.shape[0] != 1:
        raise InputError(f"the sensitivity is that of one sequence [1, T, D], but {list(x.shape)} came")
    with torch.enable_grad(), _by_steps(layer):
        given = x.detach().clone().requires_grad_()
        outputs = layer(given, state)[0]
        rows = []
        for said in outputs[0].unbind(0):
            each = torch.eye(len(said), dtype=said.dtype, device=said.device)
            (found,) = torch.autograd.grad(said, given, each, retain_graph=True, is_grads_batched=True)
            rows.append(found[:, 0].square().sum((0, 2)).sqrt())
    return torch.stack(rows)


@dataclass(frozen=True, slots=True)
class Fading:
    """The gradient of the last state on its way back.

    Args:
        norms: `[T]`, of the gradient by the state of step t, over all components.
        components: `[T, H]`, its absolute value in each component of the state.
    """

    norms: Tensor
    components: Tensor

    def regime(self) -> Regime:
        """What the gradient as a whole does from the last step to the first."""
        return _regime(float(self.norms[0]), float(self.norms[-1]))

    def regimes(self) -> list[Regime]:
        """What it does in each component: a few may vanish, unnoticed, while the norm stays (row 106)."""
        last = self.components[-1].tolist()
        return [_regime(first, then) for first, then in zip(self.components[0].tolist(), last, strict=True)]


def _regime(first: float, last: float) -> Regime:
    if first < FAINT * last or last == 0.0:
        return "vanishes"
    return "explodes" if first > last / FAINT else "stays"


def fading(layer: nn.Module, x: Tensor, state: Any = None) -> Fading:
    """How the gradient of the last state fades on its way back through the earlier ones, in each component.

    Source: chapter, "Vanishing and exploding" (rows 105-106); Pascanu, Mikolov and Bengio 2013, section 2.
    Formula: `d(sum_i h_T[i])/dh_t`; of the LSTM the cell's, on the way through the cells.

    Shape: x `[N, T, D]`; the gradient is summed over sequences by absolute value.

    Args:
        layer: `(x, state) -> (outputs, state)` of one layer in one direction.
        x: sequences.
        state: before the first step.

    Raises:
        InputError: sequences without two steps.
    """
    if x.ndim != 3 or x.shape[1] < 2:
        raise InputError(f"the way back needs [N, T, D] with two steps at least, but {list(x.shape)} came")
    with torch.enable_grad(), _by_steps(layer):
        states = []
        for t in range(x.shape[1]):
            _, state = layer(x[:, t : t + 1].detach(), state)
            carried = state if isinstance(state, Tensor) else state[-1]
            carried.retain_grad() if carried.requires_grad else carried.requires_grad_()
            states.append(carried)
        found = torch.autograd.grad(states[-1].sum(), states, allow_unused=True)
    steps = [torch.zeros_like(of) if one is None else one for one, of in zip(found, states, strict=True)]
    components = torch.stack([one.detach().abs().sum((0, 1)) for one in steps])
    return Fading(components.norm(dim=1), components)


def forecast_regime(weight: Tensor, steps: int, slope: float = 1.0) -> tuple[Regime, float]:
    """What the gradient through many steps will do, read off the recurrent weight alone.

    Source: chapter, "Vanishing and exploding", eigenvalues (row 105).
    Formula: it grows by `(slope rho(W))^steps`, where `rho` is the largest size of an eigenvalue.

    Args:
        weight: `[H, H]`.
        steps: that the gradient goes back.
        slope: typical slope of the activation; 1 is tanh at 0.

    Returns:
        the regime and the spectral radius.

    Raises:
        InputError: no square matrix.

    Example:
        >>> forecast_regime(torch.diag(torch.tensor([0.5, 1.1])), 100)
        ('explodes', 1.100000023841858)
    """
    if weight.ndim != 2 or weight.shape[0] != weight.shape[1]:
        raise InputError(f"the recurrent weight is a square matrix, but {list(weight.shape)} came")
    radius = float(torch.linalg.eigvals(weight.detach()).abs().max())
    return _regime((slope * radius) ** steps, 1.0), radius


@contextmanager
def _by_steps(layer: nn.Module) -> Iterator[None]:
    """While inside, layers of ours compute by single steps, whose every derivative autograd knows."""
    layers = [one for one in layer.modules() if isinstance(getattr(one, "stepwise", None), bool)]
    before = [one.stepwise for one in layers]
    for one in layers:
        one.stepwise = True  # type: ignore[assignment]
    try:
        yield
    finally:
        for one, was in zip(layers, before, strict=True):
            one.stepwise = was
