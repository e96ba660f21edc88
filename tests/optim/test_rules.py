"""The nine rules: the chapter's forms against the formulas written out in NumPy, resuming, groups, refusals."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.optim import RULES
from neuropil.optim.chapter import NesterovMomentum
from neuropil.optim.rules import nag

NINE = ("gradient_descent", "momentum", "nag", "adagrad", "adadelta", "rmsprop", "adam", "adamax", "adamw")
STEPS = 200
LR = 0.02

EPS = 1e-2
"""Of the rules that have it inside or outside a root: large enough that the place shows, and that RMSprop settles
instead of jumping about the minimum, where the last digit soon decides everything."""

OPTIONS: dict[str, dict[str, float]] = {"adagrad": {"eps": EPS}, "rmsprop": {"eps": EPS}}


def quadratic(w: Tensor) -> Tensor:
    """A badly scaled bowl."""
    scales = torch.logspace(-2, 1, w.numel(), dtype=w.dtype)
    return 0.5 * (scales * (w - 1) ** 2).sum()


def ravine(w: Tensor) -> Tensor:
    """A curved, smooth, convex ravine: neighbours are held together, each is drawn to its place."""
    places = torch.linspace(-1, 2, w.numel(), dtype=w.dtype)
    return ((w - places) ** 2 + 0.1).sqrt().sum() + torch.cosh(0.7 * (w[1:] - w[:-1])).sum()


def logistic(w: Tensor) -> Tensor:
    """Logistic regression on fixed points, one feature of which is always 0."""
    points = torch.from_numpy(np.random.default_rng(5).normal(size=(20, w.numel())))
    points[:, -1] = 0
    labels = (points[:, 0] > 0).to(w.dtype) * 2 - 1
    return torch.nn.functional.softplus(-labels * (points @ w)).mean()


PROBLEMS: list[Callable[[Tensor], Tensor]] = [quadratic, ravine, logistic]


def rate(step: int) -> float:
    """A rate that rises, falls, and jumps: where momentum's forms part."""
    return (0.2 + 0.8 * min(1.0, step / 20)) * (0.1 if step >= 120 else 1.0)


def start() -> np.ndarray[Any, Any]:
    return np.random.default_rng(2).normal(size=6)


def trajectory(optimizer: torch.optim.Optimizer, w: Tensor, problem: Callable[[Tensor], Tensor]) -> Tensor:
    base, path = optimizer.param_groups[0]["lr"], []
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = base * rate(step)
        optimizer.zero_grad()
        problem(w).backward()
        optimizer.step()
        path.append(w.detach().clone())
    return torch.stack(path)


def ours(name: str, problem: Callable[[Tensor], Tensor], **options: Any) -> Tensor:
    w = torch.tensor(start(), requires_grad=True)
    return trajectory(RULES.build(name, [w], **OPTIONS.get(name, {}), **options), w, problem)


Gradient = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]


def gradient_of(problem: Callable[[Tensor], Tensor], decay: float) -> Gradient:
    def gradient(w: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        point = torch.tensor(w, requires_grad=True)
        (problem(point) + decay / 2 * point.square().sum()).backward()
        return point.grad.numpy()  # type: ignore[union-attr]

    return gradient


def written_out(name: str, gradient: Gradient, decay: float) -> np.ndarray[Any, Any]:
    """The papers' and the chapter's equations, a line each; the weights w after each step."""
    w, base, path = start(), LR, []
    a = b = np.zeros_like(w)
    for step in range(STEPS):
        lr, t = base * rate(step), step + 1
        g = gradient(w)
        if name == "gradient_descent":
            w = w - lr * g
        elif name == "momentum":
            a = 0.9 * a + lr * g
            w = w - a
        elif name == "nag":
            a = 0.9 * a + lr * gradient(w - 0.9 * a)
            w = w - a
        elif name == "adagrad":
            a = a + g**2
            w = w - lr / np.sqrt(a + EPS) * g
        elif name == "adadelta":
            a = 0.95 * a + 0.05 * g**2
            delta = np.sqrt(b + 1e-6) / np.sqrt(a + 1e-6) * g
            b = 0.95 * b + 0.05 * delta**2
            w = w - lr * delta
        elif name == "rmsprop":
            a = 0.9 * a + (1 - 0.9) * g**2
            w = w - lr * g / np.sqrt(a + EPS)
        elif name == "adamax":
            a, b = 0.9 * a + 0.1 * g, np.maximum(0.999 * b, np.abs(g))
            w = w - lr / (1 - 0.9**t) * a / (b + 1e-8)
        else:
            a, b = 0.9 * a + 0.1 * g, 0.999 * b + 0.001 * g**2
            shrunk = w * (1 - lr * decay) if name == "adamw" else w
            w = shrunk - lr * (a / (1 - 0.9**t)) / (np.sqrt(b / (1 - 0.999**t)) + 1e-8)
        path.append(w)
    return np.stack(path)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("name", NINE)
def test_chapter_form_is_the_equation(name: str, decay: float, problem: Callable[[Tensor], Tensor]) -> None:
    wanted = written_out(name, gradient_of(problem, 0.0 if name == "adamw" else decay), decay)
    if name == "nag":
        w = torch.tensor(start(), requires_grad=True)
        found = weights_of_nag(w, problem, decay)
    else:
        found = ours(name, problem, lr=LR, weight_decay=decay)
    assert np.abs(found.numpy() - wanted).max() < 1e-10


def weights_of_nag(w: Tensor, problem: Callable[[Tensor], Tensor], decay: float) -> Tensor:
    """An ordinary loop, w looked at with `at_weights` after each step."""
    rule, path = nag([w], lr=LR, weight_decay=decay), []
    for step in range(STEPS):
        rule.param_groups[0]["lr"] = LR * rate(step)
        rule.zero_grad()
        problem(w).backward()
        rule.step()
        before = w.detach().clone()
        with rule.at_weights():  # type: ignore[attr-defined]
            path.append(w.detach().clone())
        assert torch.equal(before, w)
    return torch.stack(path)


@pytest.mark.slow
def test_the_forms_differ_where_they_are_said_to() -> None:
    for name in ("momentum", "nag", "adagrad", "rmsprop"):
        gap = ours(name, quadratic, lr=LR) - ours(name, quadratic, lr=LR, form="torch")
        assert gap.abs().max() > 1e-4, name
    for name in ("gradient_descent", "adadelta", "adam", "adamw"):
        assert torch.equal(ours(name, quadratic), ours(name, quadratic, form="torch")), name


def test_the_lectures_momentum_in_figures() -> None:
    """Four steps with a rate that falls, by hand: the chapter's path and torch's part."""
    found = {}
    for form in ("chapter", "torch"):
        w = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
        rule = RULES.build("momentum", [w], lr=0.4, momentum=0.9, form=form)
        for lr in (0.4, 0.04):
            rule.param_groups[0]["lr"] = lr
            w.grad = w.detach().clone()
            rule.step()
        found[form] = w.item()
    assert found["chapter"] == pytest.approx(0.6 - (0.9 * 0.4 + 0.04 * 0.6), abs=1e-15)
    assert found["torch"] == pytest.approx(0.6 - 0.04 * (0.9 * 1.0 + 0.6), abs=1e-15)


@pytest.mark.parametrize("form", ["chapter", "torch"])
@pytest.mark.parametrize("name", NINE)
def test_resume_is_exact(name: str, form: str) -> None:
    """State saved after seven steps and loaded into a fresh rule gives the same bits."""

    def build() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
        return net, RULES.build(name, net.parameters(), weight_decay=0.01, form=form)

    def train(net: nn.Module, rule: torch.optim.Optimizer, steps: range) -> None:
        for step in steps:
            inputs = torch.randn(16, 4, generator=torch.Generator().manual_seed(step))
            rule.zero_grad()
            net(inputs).square().mean().backward()
            rule.step()

    straight, rule = build()
    train(straight, rule, range(15))
    first, rule = build()
    train(first, rule, range(7))
    saved = copy.deepcopy((first.state_dict(), rule.state_dict()))
    second, rule = build()
    second.load_state_dict(saved[0])
    rule.load_state_dict(saved[1])
    train(second, rule, range(7, 15))
    for wanted, found in zip(straight.parameters(), second.parameters(), strict=True):
        assert torch.equal(wanted, found)


@pytest.mark.parametrize("name", NINE)
def test_groups_keep_their_own_options(name: str) -> None:
    still, moved = (torch.ones(3, requires_grad=True) for _ in range(2))
    rule = RULES.build(name, [{"params": [still], "lr": 0.0}, {"params": [moved]}], lr=0.5, weight_decay=0.1)
    for weight in (still, moved):
        weight.grad = torch.ones(3)
    rule.step()
    assert torch.equal(still, torch.ones(3))
    assert not torch.equal(moved, torch.ones(3))


@pytest.mark.parametrize("name", NINE)
def test_gradients_are_left_alone_and_missing_ones_skipped(name: str) -> None:
    given, without = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    given.grad = torch.tensor([1.0, -2.0, 0.0])
    rule = RULES.build(name, [given, without], weight_decay=0.1)
    for _ in range(3):
        rule.step()
    assert given.grad.tolist() == [1.0, -2.0, 0.0]
    assert torch.equal(without, torch.ones(3))
    assert given.isfinite().all()


def test_a_closure_is_called_once_and_its_loss_given_back() -> None:
    w = torch.tensor([2.0], requires_grad=True)
    rule = RULES.build("momentum", [w], lr=0.1)

    def closure() -> Tensor:
        rule.zero_grad()
        loss = w.square().sum()
        loss.backward()
        return loss

    assert rule.step(closure).item() == 4.0
    assert w.item() == pytest.approx(1.6)


def test_nag_shows_its_weights_only_inside() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    rule = nag([w], lr=0.1, momentum=0.5)
    assert isinstance(rule, NesterovMomentum)
    with rule.at_weights():
        assert w.tolist() == [1.0, 2.0]
    w.grad = torch.ones(2)
    rule.step()
    point = w.detach().clone()
    with pytest.raises(KeyError), rule.at_weights():
        assert not torch.equal(w, point)
        raise KeyError
    assert torch.equal(w, point)


@pytest.mark.parametrize("form", ["chapter", "torch"])
@pytest.mark.parametrize("name", NINE)
def test_refuses_sparse_gradients(name: str, form: str) -> None:
    table = nn.Embedding(5, 2, sparse=True)
    rule = RULES.build(name, table.parameters(), form=form)
    table(torch.tensor([1, 3])).sum().backward()
    with pytest.raises(InputError, match=r"\[5, 2\] is sparse.*sparse=False"):
        rule.step()


@pytest.mark.parametrize("name", NINE)
def test_refuses_numbers_outside_their_range(name: str) -> None:
    w = [torch.zeros(2, requires_grad=True)]
    for option, wrong in (("lr", -0.1), ("lr", float("nan")), ("lr", float("inf")), ("weight_decay", -1.0)):
        with pytest.raises(InputError, match=f"{option} must be at least 0, but"):
            RULES.build(name, w, **{option: wrong})
    with pytest.raises(InputError, match="given no parameters"):
        RULES.build(name, [])
    with pytest.raises(InputError, match="no real number"):
        RULES.build(name, [torch.zeros(2, dtype=torch.int64)])
    with pytest.raises(InputError, match="form"):
        RULES.build(name, w, form="keras")


def test_refuses_what_only_some_rules_have() -> None:
    w = [torch.zeros(2, requires_grad=True)]
    with pytest.raises(InputError, match=r"momentum must be at least 0 and below 1, but 1[.]0"):
        RULES.build("momentum", w, momentum=1.0)
    with pytest.raises(InputError, match=r"betas must be at least 0 and below 1, but 1[.]5"):
        RULES.build("adam", w, betas=[0.9, 1.5])
    with pytest.raises(InputError, match="rho"):
        RULES.build("adadelta", w, rho=-0.1)
    with pytest.raises(InputError, match=r"eps must be above 0, but 0[.]0"):
        RULES.build("rmsprop", w, eps=0.0)
    with pytest.raises(InputError, match="use gradient_descent"):
        RULES.build("nag", w, momentum=0.0)
    with pytest.raises(InputError, match="did you mean 'betas'"):
        RULES.build("adam", w, beta=(0.9, 0.99))
    with pytest.raises(InputError, match="form must be 'chapter' or 'torch', but 'keras'"):
        nag(w, form="keras")  # type: ignore[arg-type]


def test_the_catalogue_has_the_nine_and_an_alias() -> None:
    assert [name for name in RULES if name != "sgd"] == list(NINE)
    assert RULES.builder("sgd") is RULES.builder("gradient_descent")
