"""Steps of our update rules and of torch.optim's by turns, and the floor that memory traffic sets."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn, optim

from benchmarks.records import Measurement
from benchmarks.shared_data import transforms
from benchmarks.topics.rules import CASES, COLD, NETWORKS
from neuropil.models import create_model
from neuropil.optim import RULES
from neuropil.optim.one_pass import kernel_for

__all__ = ["COMPETITORS", "PEERS", "check_same_end", "prepared", "weights_like"]

WARM_UP, STEPS, COLD_STEPS = 3, 40, 200
LR = 1e-3
SAME = 1e-2 * LR
"""How far weights may be apart on the average; a step moves them by about the rate."""

FLOATS = {"gradient_descent": 3, "momentum": 5, "nag": 5, "adagrad": 5, "rmsprop": 5}
"""Values read and written for each weight: the weight twice, the gradient once, the state twice; 7 for the rest."""

PEERS: dict[str, Callable[[list[Tensor]], optim.Optimizer]] = {
    "gradient_descent": lambda w: optim.SGD(w, lr=LR, fused=True),
    "momentum": lambda w: optim.SGD(w, lr=LR, momentum=0.9, fused=True),
    "nag": lambda w: optim.SGD(w, lr=LR, momentum=0.9, nesterov=True, fused=True),
    "adagrad": lambda w: optim.Adagrad(w, lr=LR, eps=1e-8, fused=True),
    "adam": lambda w: optim.Adam(w, lr=LR, fused=True),
    "adamw": lambda w: optim.AdamW(w, lr=LR, weight_decay=0.01, fused=True),
    "adadelta": lambda w: optim.Adadelta(w, lr=LR, rho=0.95, eps=1e-6),
    "rmsprop": lambda w: optim.RMSprop(w, lr=LR, alpha=0.9, eps=1e-8),
    "adamax": lambda w: optim.Adamax(w, lr=LR),
}


def network(name: str) -> nn.Module:
    """The network whose parameters are stepped."""
    if name == "resnet18":
        return create_model("resnet18", num_classes=1000)
    transforms()  # torchvision, also where its compiled part does not fit
    found: nn.Module = import_module("torchvision.models").mobilenet_v2()
    return found


def weights_like(shapes: list[torch.Size], seed: int) -> list[Tensor]:
    """Random weights with random gradients."""
    draw = torch.Generator().manual_seed(seed)
    weights = [torch.randn(shape, generator=draw).requires_grad_() for shape in shapes]
    for weight in weights:
        weight.grad = torch.randn(weight.shape, generator=draw)
    return weights


def prepared(rule: str, form: str, weights: list[Tensor]) -> optim.Optimizer:
    """Our rule, as its user gets it."""
    built: optim.Optimizer = RULES.build(rule, weights, lr=LR, form="torch" if form == "torch" else "chapter")
    return built


def check_same_end(rule: str, ours: list[Tensor], peers: list[Tensor]) -> None:
    """Hold the weights of both sides against each other, on the average: where a gradient is near 0, ε shows.

    Raises:
        RuntimeError: they are not the same: the sides did not do the same work.
    """
    gaps = torch.cat([(one - other).detach().abs().flatten() for one, other in zip(ours, peers, strict=True)])
    if not gaps.mean().item() < SAME:
        raise RuntimeError(f"{rule}: our weights and torch's differ by {gaps.mean():g} after the same steps")


def _seconds(step: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def _by_turns(rule: str, form: str, shapes: list[torch.Size], seed: int) -> tuple[float, float]:
    """Milliseconds a step of ours, and our share of torch's."""
    first, second = weights_like(shapes, seed), weights_like(shapes, seed)
    ours, peers = (first, second) if seed % 2 == 0 else (second, first)  # where it lies matters to some percent
    mine, other = prepared(rule, form, ours), PEERS[rule](peers)
    times: dict[optim.Optimizer, list[float]] = {mine: [], other: []}
    for number in range(WARM_UP + STEPS):
        for one in (mine, other) if number % 2 == 0 else (other, mine):
            times[one].append(_seconds(one.step))
    check_same_end(rule, ours, peers)
    taken, theirs = (times[one][WARM_UP:] for one in (mine, other))
    return 1e3 * statistics.median(taken), statistics.median(a / b for a, b in zip(taken, theirs, strict=True))


def _cold(shapes: list[torch.Size], seed: int) -> dict[str, float]:
    """The first 200 steps, from building the rule, before anything was compiled."""

    def run(make: Callable[[list[Tensor]], optim.Optimizer]) -> float:
        weights = weights_like(shapes, seed)
        begin = time.perf_counter()
        rule = make(weights)
        for _ in range(COLD_STEPS):
            rule.step()
        return time.perf_counter() - begin

    PEERS[COLD](weights_like(shapes[:1], seed))  # the first optimizer of a process imports much of torch
    ours = run(partial(prepared, COLD, "chapter"))
    kernel_for.cache_clear()
    equation = prepared(COLD, "chapter", weights_like(shapes[:1], seed)).equation  # type: ignore[attr-defined]
    return {"cold ratio": ours / run(PEERS[COLD]), "compiling seconds": _seconds(partial(kernel_for, equation))}


def _work(shapes: list[torch.Size]) -> dict[str, int]:
    return {"weights": sum(map(torch.Size.numel, shapes)), "tensors": len(shapes)}


def by_turns(name: str, seed: int) -> Measurement:
    """Every rule in every form beside torch's."""
    shapes = [parameter.shape for parameter in network(name).parameters()]
    figures = _cold(shapes, seed)
    for rule, form in CASES:
        milliseconds, ratio = _by_turns(rule, form, shapes, seed)
        figures |= {f"{rule} {form} ms": milliseconds, f"{rule} {form} ratio": ratio}
    return Measurement(figures, _work(shapes))


def floor(name: str, seed: int) -> Measurement:
    """The bytes of each rule over the bandwidth of an addition in place: two values read, one written."""
    shapes = [parameter.shape for parameter in network(name).parameters()]
    total = sum(map(torch.Size.numel, shapes))
    draw = torch.Generator().manual_seed(seed)
    one, other = (torch.randn(1 << 25, generator=draw) for _ in range(2))
    bandwidth = 12 * one.numel() / min(_seconds(partial(one.add_, other)) for _ in range(12))
    figures = {"cold ratio": 1.0, "compiling seconds": 0.0}
    for rule, form in CASES:
        milliseconds = 1e3 * 4 * FLOATS.get(rule, 7) * total / bandwidth
        figures |= {f"{rule} {form} ms": milliseconds, f"{rule} {form} ratio": 1.0}
    return Measurement(figures, _work(shapes), notes={"gbyte_per_second": 1e-9 * bandwidth})


COMPETITORS: dict[str, Callable[[int], Measurement]] = {
    f"{side}-{name}": partial(measure, name)
    for name in NETWORKS
    for side, measure in (("neuropil", by_turns), ("floor", floor))
}
