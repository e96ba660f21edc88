"""Which runs may take their steps together, and whether that is worth it.

By rule (measured on a processor): networks of fully connected layers and activations gain as long as they are small: 45
of 2,410 weights took a quarter of the separate time, 45 of 9,610 two thirds, 45 of 19,210 more than all of it.
Convolutions lose, since a stack of them is a grouped convolution; batch normalization keeps statistics of its own, and
dropout draws numbers of its own, so that such runs are carried out one by one. What the rule lets through is probed: a
few steps both ways on copies, and the faster way is taken. Runs too short to repay a probe go by their size alone.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import nn

from neuropil.nn.activation import HardSigmoid, ScaledTanh, Softmax, TanhGELU
from neuropil.nn.contracts import BatchLike
from neuropil.optim.clipping import clip_by_global_norm
from neuropil.recipes.running import Running
from neuropil.search.stacking import Member, Stack

__all__ = ["joinable", "kinship", "needs_probe", "rule_of", "seconds_each_way", "why_apart"]

LAYERS = (
    nn.Linear, nn.Flatten, nn.Identity, nn.LayerNorm, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.SiLU,
    nn.GELU, TanhGELU, nn.Hardswish, HardSigmoid, ScaledTanh, Softmax,
)  # fmt: skip
"""What a network may be made of, to be stacked."""

TASKS = ("classification", "regression")
MOST_WEIGHTS = 15_000
"""Of one network, above which a stack is not even probed."""

SURE_WEIGHTS = 5_000
"""Of one network, up to which a stack is known to gain; short runs are not probed."""

SHORT_STEPS = 200
TIMED_STEPS = 3
TIMED_RULES = 3
MARGIN = 0.8
"""The part of the separate time below which going together is worth it."""


def why_apart(running: Running) -> str | None:
    """Why a run cannot take its steps with others; `None` where it can."""
    assembly, plan = running.assembly, running.assembly.plan
    layers = [one for one in assembly.model.modules() if not any(one.children())]
    odd = next((one for one in layers if type(one) not in LAYERS), None)
    if odd is not None:
        return f"it has a layer {type(odd).__name__}, which gains nothing in a stack"
    if assembly.task.name not in TASKS:
        return f"its task is {assembly.task.name}"
    if any(True for _ in assembly.model.buffers()) or not all(p.requires_grad for p in assembly.model.parameters()):
        return "not all of its numbers are learned"
    weights = sum(parameter.numel() for parameter in assembly.model.parameters())
    short = plan.total_steps(len(assembly.train)) < SHORT_STEPS
    said = {
        f"{weights:,} weights are too many to gain in a stack": weights > (SURE_WEIGHTS if short else MOST_WEIGHTS),
        "its steps are of several batches": plan.accumulate != 1,
        "it keeps a moving average of its weights": plan.average_decay is not None,
        "it goes on after numbers that are not finite": plan.non_finite != "stop",
        "its loss has a penalty": assembly.make_penalty() is not None,
        "its learning rate hangs on its metric": bool(assembly.make_schedule().state_dict()),
        "it does not run in fp32 on the processor": running.speed.placement.device != "cpu"
        or running.speed.placement.precision != "fp32"
        or running.speed.compile,
        "its optimizer's steps are compiled": bool(assembly.recipe.section("optimizer").get("compiled")),
        "parts of it learn more slowly": bool(assembly.recipe.section("transfer")),
    }
    return next((reason for reason, so in said.items() if so), None)


def kinship(running: Running) -> str:
    """Equal for runs that may share a stack: they differ in rule, schedule, seed and initial weights alone."""
    recipe = running.assembly.recipe
    model = recipe.section("model")
    model.pop("initialization", None)
    named = {name: recipe.section(name) for name in ("task", "data", "batches", "training", "speed")}
    return json.dumps({**named, "model": model, "augment": recipe.augment}, sort_keys=True, default=str)


def rule_of(running: Running) -> str:
    """Equal for runs whose rule, options and learning rates are equal throughout."""
    recipe = running.assembly.recipe
    return json.dumps([recipe.section("optimizer"), recipe.section("schedule")], sort_keys=True, default=str)


def joinable(runnings: Sequence[Running]) -> list[list[Running]]:
    """The groups that could take their steps together, each of at least two, those of one rule side by side."""
    groups: dict[str, list[Running]] = {}
    for running in runnings:
        if why_apart(running) is None:
            groups.setdefault(kinship(running), []).append(running)
    return [sorted(group, key=rule_of) for group in groups.values() if len(group) > 1]


def needs_probe(runnings: Sequence[Running]) -> bool:
    """Whether these runs are long enough that trying both ways costs little."""
    first = runnings[0].assembly
    return first.plan.total_steps(len(first.train)) >= SHORT_STEPS


def seconds_each_way(runnings: Sequence[Running]) -> tuple[float, float]:
    """Seconds that a step of all these runs takes together, and one by one: a few steps on copies.

    Where a stack cannot be computed at all (an operation that draws random numbers), the first is infinite.
    """
    first = runnings[0].assembly
    batch = next(iter(first.train.epoch(0)))
    models = [copy.deepcopy(running.assembly.model) for running in runnings]
    optimizers = [running.assembly.make_optimizer(model) for running, model in zip(runnings, models, strict=True)]
    rules = [rule_of(running) for running in runnings]
    alone = 0.0
    timed = list(dict.fromkeys(rules))[:TIMED_RULES]
    for rule in timed:
        place = rules.index(rule)
        step = _separate_step(runnings[place], models[place], optimizers[place], batch)
        alone += _timed(step) * len(runnings) / len(timed)
        models[place] = copy.deepcopy(runnings[place].assembly.model)
        optimizers[place] = runnings[place].assembly.make_optimizer(models[place])
    members = [Member(m, o, rule, 0) for m, o, rule in zip(models, optimizers, rules, strict=True)]
    try:
        stack = Stack(members, first.task, clip_norm=first.plan.clip_norm, clip_value=first.plan.clip_value)
        together = _timed(lambda: stack.step([batch]))
    except (RuntimeError, NotImplementedError):
        together = math.inf
    return together, alone


def _separate_step(
    running: Running, model: nn.Module, optimizer: torch.optim.Optimizer, batch: BatchLike
) -> Callable[[], object]:
    """A step as a run by itself takes it."""
    task, parameters = running.assembly.task, list(model.parameters())

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss, _ = task.step(model, batch, None)
        loss.backward()  # type: ignore[no-untyped-call]
        clip_by_global_norm(parameters, math.inf)
        optimizer.step()

    return step


def _timed(step: Callable[[], object]) -> float:
    """The shortest time of a few steps, a first one left out: other programs of the machine only make it longer."""
    step()
    times = []
    for _ in range(TIMED_STEPS):
        begun = time.perf_counter()
        step()
        times.append(time.perf_counter() - begun)
    return min(times)
