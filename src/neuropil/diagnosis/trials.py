"""Short trainings on copies: what another learning rate, or weights that are not frozen, would have done."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import nn

from neuropil.diagnosis.case import Case
from neuropil.nn.contracts import BatchLike
from neuropil.optim.clipping import clip_by_global_norm, clip_by_value
from neuropil.recipes.assembly import make_optimizer
from neuropil.training.seeding import seed_everything

__all__ = ["Trial", "loss_of", "rate_trials", "short_training", "unfrozen_trial"]

MOST_STEPS, MOST_UNFROZEN = 60, 200
BUDGET_SECONDS = 10.0
"""What all trials of one kind may take together."""

FACTORS = (1.0, 0.1, 10.0, 0.01, 100.0, 1e-3, 1e3, 1e4)
"""In the order in which they are tried, should time run out."""

MOST_RATE, PATIENCE_SECONDS = 100.0, 20.0


@dataclass(frozen=True, slots=True)
class Trial:
    """Some steps at one learning rate.

    Args:
        rate: of the rule.
        factor: over the run's own.
        before: loss on the same training samples before.
        after: and behind the steps; infinite where it was no number.
        losses: of the steps.
        norms: global norms of their gradients.
    """

    rate: float
    factor: float
    before: float
    after: float
    losses: tuple[float, ...]
    norms: tuple[float, ...]


def loss_of(case: Case, model: nn.Module, batches: Sequence[BatchLike]) -> float:
    """Mean loss over batches as a network is used: no dropout, stored statistics."""
    total, samples = 0.0, 0
    model = copy.deepcopy(model).eval()
    carry = None
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        for batch in batches:
            loss, carry = case.task.step(model, batch, carry)
            total += loss.item() * len(batch.inputs)
            samples += len(batch.inputs)
    return total / samples if math.isfinite(total) and samples else math.inf


def steps_that_fit(case: Case, trainings: int, most: int = MOST_STEPS) -> int:
    """How many steps of so many trainings fit into the time that there is."""
    batches = list(islice(case.endless(), 2))
    probe = copy.deepcopy(case.first).train()
    begun = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        for batch in batches:
            if len(batch.inputs) > 1:
                loss, _ = case.task.step(probe, batch, None)
                if loss.requires_grad:
                    loss.backward()  # type: ignore[no-untyped-call]
    each = (time.perf_counter() - begun) / len(batches)
    return max(5, min(most, int(BUDGET_SECONDS / trainings / max(each, 1e-6))))


def short_training(
    case: Case,
    model: nn.Module,
    steps: int,
    held: Sequence[BatchLike],
    factor: float = 1.0,
    thaw: bool = False,
) -> tuple[Trial, nn.Module]:
    """Train a copy for some steps, in the run's own order of batches, by its own rule, penalty and clipping.

    Args:
        case: the run.
        model: stays as it is.
        steps: how many.
        held: batches whose loss is compared.
        factor: of the learning rate.
        thaw: let everything learn, all at the same rate.
    """
    plan, penalty = case.assembly.plan, case.assembly.make_penalty()
    trained = copy.deepcopy(model)
    if thaw:
        trained.requires_grad_(True)
    before = loss_of(case, trained, held)
    losses: list[float] = []
    norms: list[float] = []
    carry = None
    with torch.random.fork_rng(devices=[]):
        seed_everything(case.recipe.seed)
        trained.train()
        optimizer = make_optimizer(case.recipe, trained) if thaw else case.assembly.make_optimizer(trained)
        for group in optimizer.param_groups:
            group["lr"] *= factor
        parameters = [one for group in optimizer.param_groups for one in group["params"]]
        rate = max(float(group["lr"]) for group in optimizer.param_groups)
        for batch in islice(case.endless(), steps):
            if len(batch.inputs) == 1 and case.batch_size > 1:
                continue
            optimizer.zero_grad()
            loss, carry = case.task.step(trained, batch, carry)
            if penalty is not None:
                loss = loss + penalty(trained)
            if loss.requires_grad:
                loss.backward()  # type: ignore[no-untyped-call]
            norm = float(clip_by_global_norm(parameters, plan.clip_norm or math.inf))
            losses.append(loss.item())
            norms.append(norm)
            if not (math.isfinite(losses[-1]) and math.isfinite(norm)):
                break
            if plan.clip_value is not None:
                clip_by_value(parameters, plan.clip_value)
            optimizer.step()
    finite = all(math.isfinite(one) for one in (*losses, *norms))
    after = loss_of(case, trained, held) if finite else math.inf
    return Trial(rate, factor, before, after, tuple(losses), tuple(norms)), trained


def rate_trials(case: Case, model: nn.Module, held: Sequence[BatchLike]) -> list[Trial]:
    """The same steps from the same weights at rates from a thousandth of the run's to ten thousand times it."""
    steps = steps_that_fit(case, len(FACTORS))
    planned = case.assembly.plan.total_steps(len(case.assembly.train))
    steps = min(steps, max(5, planned))
    begun, found = time.perf_counter(), []
    for factor in FACTORS:
        if factor <= 1 or factor * case.rate <= MOST_RATE:
            found.append(short_training(case, model, steps, held, factor)[0])
        if time.perf_counter() - begun > PATIENCE_SECONDS:
            break
    return sorted(found, key=lambda one: one.factor)


def unfrozen_trial(case: Case, held: Sequence[BatchLike]) -> tuple[Trial, Trial]:
    """The same steps from the initial weights: with what the run froze, and with everything learning."""
    steps = steps_that_fit(case, 2, MOST_UNFROZEN)
    frozen, _ = short_training(case, case.first, steps, held)
    return frozen, short_training(case, case.first, steps, held, thaw=True)[0]
