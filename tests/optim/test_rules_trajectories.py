"""Both forms of all nine rules beside the peer that has the form: 200 float64 steps on three problems, to 1e-10.

PyTorch's form is held against `torch.optim`, the chapter's against Keras, except Adam and AdamW: there the chapter's
form is PyTorch's (Keras adds ε elsewhere). Rules that have a compiled step are followed in both ways of running.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from neuropil.optim import RULES
from neuropil.optim.one_pass import kernel_for
from neuropil.optim.torch_forms import Adadelta

STEPS = 200
NINE = ("gradient_descent", "momentum", "nag", "adagrad", "adadelta", "rmsprop", "adam", "adamax", "adamw")
COMPILED = {
    "chapter": ("momentum", "nag", "adagrad", "adadelta", "rmsprop", "adamax"),
    "torch": ("adadelta", "rmsprop", "adamax"),
}
EPS = 0.25
"""Of Adagrad and RMSprop: large enough that inside or outside of the root shows, and that RMSprop settles in the steep
bowl (rate x steepness / ε < 2) in place of jumping about the minimum, where the last digit soon decides everything."""

OPTIONS: dict[str, dict[str, Any]] = {
    "momentum": {"momentum": 0.9},
    "nag": {"momentum": 0.9},
    "adagrad": {"eps": EPS},
    "adadelta": {"rho": 0.95, "eps": 1e-6},
    "rmsprop": {"rho": 0.9, "eps": EPS},
    "adam": {"eps": 1e-3},
    "adamax": {"eps": 1e-3},
    "adamw": {"eps": 1e-3},
}

NEEDS_COMPILER = pytest.mark.skipif(kernel_for(Adadelta.equation) is None, reason="there is no C compiler")


class Quadratic:
    """A convex bowl a thousand times as steep one way as another, turned so that no axis is special."""

    rate = 2.0**-5

    def start(self) -> list[Tensor]:
        return [torch.from_numpy(np.random.default_rng(1).normal(size=(3, 4)))]

    def __call__(self, weights: list[Tensor]) -> Tensor:
        turned = (
            torch.from_numpy(np.linalg.qr(np.random.default_rng(2).normal(size=(12, 12)))[0]) @ weights[0].flatten()
        )
        return 0.5 * (torch.logspace(-2, 1, 12, dtype=torch.float64) * (turned - 1) ** 2).sum()


class Rosenbrock:
    """The curved valley of Rosenbrock 1960, from his start."""

    rate = 2.0**-11

    def start(self) -> list[Tensor]:
        return [torch.tensor(-1.2, dtype=torch.float64), torch.tensor([1.0], dtype=torch.float64)]

    def __call__(self, weights: list[Tensor]) -> Tensor:
        x, y = weights
        return ((1 - x) ** 2 + 100 * (y - x**2) ** 2).sum()


class Perceptron:
    """Three classes of points by a perceptron of one hidden layer."""

    rate = 2.0**-5

    def start(self) -> list[Tensor]:
        draw = np.random.default_rng(3)
        return [torch.from_numpy(0.5 * draw.normal(size=shape)) for shape in ((8, 4), (8,), (3, 8), (3,))]

    def __call__(self, weights: list[Tensor]) -> Tensor:
        draw = np.random.default_rng(4)
        points = torch.from_numpy(draw.normal(size=(30, 4)))
        classes = (points @ torch.from_numpy(draw.normal(size=(4, 3)))).argmax(dim=1)
        hidden = torch.tanh(torch.nn.functional.linear(points, weights[0], weights[1]))
        return torch.nn.functional.cross_entropy(torch.nn.functional.linear(hidden, weights[2], weights[3]), classes)


Problem = Quadratic | Rosenbrock | Perceptron
PROBLEMS = (Quadratic(), Rosenbrock(), Perceptron())


def rate(name: str, problem: Problem, step: int) -> float:
    """Warm-up, a plateau, a fall to a tenth half-way, and 0 for three steps: where forms of momentum part."""
    if 150 <= step < 153:
        return 0.0
    return (32 if name == "adadelta" else 1) * problem.rate * min(1.0, (step + 1) / 20) * (0.1 if step >= 100 else 1.0)


def follow(name: str, problem: Problem, make: Callable[[list[Tensor]], torch.optim.Optimizer]) -> np.ndarray:
    """All weights after each step."""
    weights = [weight.requires_grad_() for weight in problem.start()]
    rule, path = make(weights), []
    for step in range(STEPS):
        rule.param_groups[0]["lr"] = rate(name, problem, step)
        rule.zero_grad()
        problem(weights).backward()
        rule.step()
        path.append(torch.cat([weight.detach().flatten() for weight in weights]).numpy())
    return np.stack(path)


def ours(name: str, problem: Problem, **options: Any) -> np.ndarray:
    return follow(name, problem, lambda weights: RULES.build(name, weights, **OPTIONS.get(name, {}), **options))


TORCH: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "gradient_descent": torch.optim.SGD,
    "momentum": lambda p, **o: torch.optim.SGD(p, momentum=0.9, **o),
    "nag": lambda p, **o: torch.optim.SGD(p, momentum=0.9, nesterov=True, **o),
    "adagrad": lambda p, **o: torch.optim.Adagrad(p, eps=EPS, **o),
    "adadelta": lambda p, **o: torch.optim.Adadelta(p, rho=0.95, eps=1e-6, **o),
    "rmsprop": lambda p, **o: torch.optim.RMSprop(p, alpha=0.9, eps=EPS, **o),
    "adam": lambda p, **o: torch.optim.Adam(p, eps=1e-3, **o),
    "adamax": lambda p, **o: torch.optim.Adamax(p, eps=1e-3, **o),
    "adamw": lambda p, **o: torch.optim.AdamW(p, eps=1e-3, **o),
}


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    assert np.isfinite(found).all()
    assert np.abs(found[-1] - found[0]).max() > 1e-3, "nothing moved"
    assert np.abs(found - wanted).max() < 1e-10


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("name", NINE)
def test_pytorchs_form_is_torch_optim(name: str, decay: float, problem: Problem) -> None:
    wanted = follow(name, problem, lambda weights: TORCH[name](weights, weight_decay=decay, foreach=False))
    forms = ["torch"] if name not in ("gradient_descent", "adadelta", "adam", "adamw") else ["torch", "chapter"]
    for form in forms:
        close(ours(name, problem, weight_decay=decay, form=form), wanted)


@NEEDS_COMPILER
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("form, name", [(form, name) for form in COMPILED for name in COMPILED[form]])
def test_compiled_steps_are_the_steps_over_lists(form: str, name: str, problem: Problem) -> None:
    for decay in (0.0, 0.05):
        compiled, lists = (
            ours(name, problem, weight_decay=decay, form=form, compiled=compiled) for compiled in (True, False)
        )
        close(compiled, lists)


@pytest.fixture(scope="module")
def keras() -> Iterator[Any]:
    """Keras on torch, its variables and its learning rate in float64."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "torch")
        module = pytest.importorskip("keras")
        before = module.config.floatx()
        module.config.set_floatx("float64")
        yield module
        module.config.set_floatx(before)


KERAS: dict[str, tuple[str, dict[str, Any]]] = {
    "gradient_descent": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nag": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {"epsilon": EPS, "initial_accumulator_value": 0.0}),
    "adadelta": ("Adadelta", {"rho": 0.95, "epsilon": 1e-6}),
    "rmsprop": ("RMSprop", {"rho": 0.9, "epsilon": EPS}),
    "adamax": ("Adamax", {"epsilon": 1e-3}),
}


def follow_keras(keras: Any, name: str, problem: Problem, decay: float) -> np.ndarray:
    """The weights of Keras' optimizer, which gets the L2 term as Keras gives it: with the loss, by its gradient."""
    kind, options = KERAS[name]
    variables = [keras.Variable(start.numpy(), dtype="float64") for start in problem.start()]
    peer, path = getattr(keras.optimizers, kind)(learning_rate=problem.rate, **options), []
    peer.build(variables)
    for step in range(STEPS):
        peer.learning_rate = rate(name, problem, step)
        points = [variable.value.detach().clone().requires_grad_() for variable in variables]
        loss = problem(points) + decay / 2 * sum(point.square().sum() for point in points)
        peer.apply(torch.autograd.grad(loss, points), variables)
        path.append(np.concatenate([variable.value.detach().numpy().ravel() for variable in variables]))
    assert peer._learning_rate.dtype == "float64"
    return np.stack(path)


@pytest.mark.slow
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("name", KERAS)
def test_the_chapters_form_is_keras(keras: Any, name: str, decay: float, problem: Problem) -> None:
    wanted = follow_keras(keras, name, problem, decay)
    close(ours(name, problem, weight_decay=decay), wanted)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda one: type(one).__name__)
def test_nag_is_pytorchs_while_the_rate_stays(problem: Problem) -> None:
    """The documented change of variables: both hold the look-ahead point, and Δ = ηv."""
    weights = {side: [one.requires_grad_() for one in problem.start()] for side in ("ours", "torch")}
    mine = RULES.build("nag", weights["ours"], lr=problem.rate, momentum=0.9)
    peer = torch.optim.SGD(weights["torch"], lr=problem.rate, momentum=0.9, nesterov=True, foreach=False)
    for _ in range(STEPS):
        for side, rule in (("ours", mine), ("torch", peer)):
            rule.zero_grad()
            problem(weights[side]).backward()
            rule.step()
        for one, other in zip(weights["ours"], weights["torch"], strict=True):
            assert (one - other).abs().max() < 1e-10
            gap = mine.state[one]["delta"] - problem.rate * peer.state[other]["momentum_buffer"]
            assert gap.abs().max() < 1e-10


def test_nag_by_its_definition_in_exact_numbers() -> None:
    """E = a/2 w², so that ∇E(w - αΔ) = a (w - αΔ): Δ ← αΔ + η∇E(w - αΔ), w ← w - Δ, in fractions."""
    alpha, slope = Fraction(9, 10), Fraction(3, 2)
    rates = [Fraction(1, 4), Fraction(1, 4), Fraction(1, 8), Fraction(0), Fraction(1, 3)]
    w, delta, by_hand = Fraction(1), Fraction(0), []
    for eta in rates:
        delta = alpha * delta + eta * slope * (w - alpha * delta)
        w -= delta
        by_hand.append((w, w - alpha * delta))
    assert by_hand[:2] == [(Fraction(5, 8), Fraction(23, 80)), (Fraction(23, 128), Fraction(-283, 1280))]

    p = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    rule = RULES.build("nag", [p], lr=0.25, momentum=0.9)
    for eta, (weight, point) in zip(rates, by_hand, strict=True):
        rule.param_groups[0]["lr"] = float(eta)
        rule.zero_grad()
        (0.75 * p**2).sum().backward()
        rule.step()
        assert p.item() == pytest.approx(float(point), abs=1e-14)
        with rule.at_weights():
            assert p.item() == pytest.approx(float(weight), abs=1e-14)
