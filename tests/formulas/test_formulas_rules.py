"""The rules' formulas against torch.optim and Keras' forms, gradients through time and automatic differentiation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from neuropil.formulas import rules
from neuropil.formulas.automatic_differentiation import Node, derivatives
from neuropil.formulas.recurrent_gradients import (
    clip_by_norm,
    matrix_power,
    regime,
    spectral_radius,
    truncated_window,
)
from neuropil.optim import RULES

STEPS, LR = 200, 2.0**-6
SCALES = np.logspace(-2, 1, 6)


def slope(weight: np.ndarray) -> np.ndarray:
    return SCALES * (weight - 1)


def start() -> np.ndarray:
    return np.random.default_rng(0).normal(size=6)


def by_formula(name: str) -> np.ndarray:
    weight, path = start(), []
    kept: tuple[Any, ...] = (np.zeros(6),) * (1 if name in ("momentum", "nag", "adagrad", "rmsprop") else 2)
    formula = getattr(rules, name)
    for t in range(1, STEPS + 1):
        gradient = slope if name == "nag" else slope(weight)
        lr = LR * (0.1 if t > 100 else 1.0)
        counted = {"t": t} if name.startswith("ada") and name not in ("adagrad", "adadelta") else {}
        weight, *kept = formula(weight, *kept, gradient, lr=lr, **counted)  # type: ignore[assignment]
        path.append(weight)
    return np.stack(path)


def by_optimizer(make: Callable[[Tensor], torch.optim.Optimizer]) -> np.ndarray:
    weight = torch.tensor(start(), requires_grad=True)
    rule, path = make(weight), []
    for t in range(1, STEPS + 1):
        rule.param_groups[0]["lr"] = LR * (0.1 if t > 100 else 1.0)
        weight.grad = torch.from_numpy(slope(weight.detach().numpy()))
        rule.step()
        if hasattr(rule, "at_weights"):
            with rule.at_weights():
                path.append(weight.detach().numpy().copy())
        else:
            path.append(weight.detach().numpy().copy())
    return np.stack(path)


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        ("adadelta", lambda w: torch.optim.Adadelta([w], rho=0.95, eps=1e-6, foreach=False)),
        ("adam", lambda w: torch.optim.Adam([w], eps=1e-8, foreach=False)),
        ("adamw", lambda w: torch.optim.AdamW([w], eps=1e-8, weight_decay=0.01, foreach=False)),
    ],
)
def test_formulas_that_torch_has(name: str, peer: Callable[[Tensor], torch.optim.Optimizer]) -> None:
    assert np.abs(by_formula(name) - by_optimizer(peer)).max() < 1e-10


@pytest.mark.parametrize("name", ["momentum", "nag", "adagrad", "adadelta", "rmsprop", "adam", "adamax", "adamw"])
def test_the_rules_are_their_formulas(name: str) -> None:
    """Keras, which has the chapter's forms, stands behind the rules in tests/optim."""
    assert np.abs(by_formula(name) - by_optimizer(lambda w: RULES.build(name, [w]))).max() < 1e-9


def test_powers_by_eigenvalues() -> None:
    draw = np.random.default_rng(1)
    for scale, word in ((0.3, "vanishes"), (1.5, "explodes")):
        matrix = draw.normal(size=(5, 5))
        matrix *= scale / spectral_radius(matrix)
        np.testing.assert_allclose(matrix_power(matrix, 100), np.linalg.matrix_power(matrix, 100), rtol=1e-8)
        assert spectral_radius(matrix) == pytest.approx(scale)
        assert regime(matrix) == word
        assert (np.linalg.norm(matrix_power(matrix, 100)) > 1) == (word == "explodes")


def test_the_forecast_holds_for_a_recurrent_network() -> None:
    """The gradient of the last state by the first, through 60 steps without and with tanh, by torch."""
    draw = np.random.default_rng(2)
    for radius, slope_, activation in ((0.5, 1.0, "id"), (1.3, 1.0, "id"), (1.3, 0.65, "tanh")):
        matrix = draw.normal(size=(8, 8))
        matrix *= radius / spectral_radius(matrix)
        first = torch.zeros(8, dtype=torch.float64, requires_grad=True)
        state = first
        drive = math.atanh(math.sqrt(1 - slope_))  # the place where tanh has this slope
        for _ in range(60):
            before = torch.from_numpy(matrix) @ state
            state = before if activation == "id" else torch.tanh(before - before.detach() + drive)
        gradient = torch.autograd.grad(state.sum(), first)[0].norm().item()
        assert regime(matrix, slope_) == ("vanishes" if gradient < 1 else "explodes")


@pytest.mark.parametrize(("t", "num_steps"), [(7, 3), (7, 1), (2, 5)])
def test_the_window_is_what_torch_keeps(t: int, num_steps: int) -> None:
    """A shared weight as one copy a step, the state cut off where the error shall not pass."""
    copies = [torch.tensor(0.7, requires_grad=True) for _ in range(t + 1)]
    state = torch.tensor(0.3)
    for k, weight in enumerate(copies):
        if k == t - num_steps + 1:
            state = state.detach()
        state = torch.tanh(weight * state + 0.1)
    found = torch.autograd.grad(state, copies, allow_unused=True)
    assert [k for k, gradient in enumerate(found) if gradient is not None] == truncated_window(t, num_steps)


def test_clipping_is_torchs() -> None:
    for scale in (0.1, 10.0):
        gradient = scale * np.random.default_rng(3).normal(size=7)
        weight = torch.zeros(7, dtype=torch.float64, requires_grad=True)
        weight.grad = torch.from_numpy(gradient.copy())
        torch.nn.utils.clip_grad_norm_([weight], 2.0)
        np.testing.assert_allclose(clip_by_norm(gradient, 2.0), weight.grad.numpy(), rtol=1e-6)
        assert np.linalg.norm(clip_by_norm(gradient, 2.0)) <= 2.0 + 1e-12


def gate(x: Any, y: Any, z: Any) -> Any:
    kept = (x * y + z).tanh()
    for _ in range(3):
        kept = (kept * kept + 0.5 * (kept * x).exp() + y ** (-2.0)).tanh()
    return kept if (kept.value if isinstance(kept, Node) else kept.item()) < 0.9 else (kept + 1).log() * kept


def test_derivatives_are_autograds() -> None:
    draw = np.random.default_rng(4)
    for _ in range(20):
        values = draw.normal(size=3).tolist()
        values[1] = abs(values[1]) + 1
        tensors = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values]
        wanted = torch.autograd.grad(gate(*tensors), tensors)
        np.testing.assert_allclose(derivatives(gate, *values), [one.item() for one in wanted], rtol=1e-10, atol=1e-14)


def test_a_node_used_twice_gets_both_parts() -> None:
    x = Node(3.0)
    y = x * x + x
    y.backward()
    assert (y.value, x.gradient) == (12.0, 7.0)
    assert derivatives(lambda a, b: 2 * a + b * 0.0 + 1.0, 5.0, 6.0) == [2.0, 0.0]


def test_refuses_what_has_no_eigenvectors_or_no_number() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        matrix_power(np.ones((2, 3)), 2)
    with pytest.raises(ValueError, match="math domain error"):
        derivatives(lambda x: x.log(), -1.0)
