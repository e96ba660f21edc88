"""Claims about training: updates of an epoch, what the update rules remember, trials of a search."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from neuropil.batches.loading import tensor_loader
from neuropil.costs.claims import Claim, Clock, raced, weights_of
from neuropil.formulas.training_costs import RULE_COPIES, greedy_trials, grid_trials, rule_numbers, updates_per_epoch
from neuropil.models import create_model
from neuropil.optim import RULES
from neuropil.pictures.cost_lines import CostLine
from neuropil.search.methods import Greedy, Grid, Method, Random, Told
from neuropil.search.space import Choices

__all__ = ["rules", "searches", "updates"]

SAMPLES, FEATURES = 300, 20
CHOICES = (4, 3, 5)


def updates(clock: Clock | None) -> Claim:
    """Iterations of an epoch, stochastic, in mini-batches, and in one batch (rows 16-19)."""
    x = np.zeros((SAMPLES, FEATURES), dtype=np.float32)
    y = np.arange(SAMPLES) % 2
    kinds = {"stochastic: 1 sample": 1, "mini-batches of 32": 32, "batch: all": SAMPLES}
    loaders = {name: tensor_loader(x, y, batch_size=size) for name, size in kinds.items()}
    counts = {name: sum(1 for _ in loader.epoch(0)) for name, loader in loaders.items()}
    lines = [
        CostLine(name, f"updates in an epoch of {SAMPLES} samples", counts[name], updates_per_epoch(SAMPLES, size),
                 f"{SAMPLES} / {size}, rounded up", "counted batch by batch")
        for name, size in kinds.items()
    ]  # fmt: skip
    times: tuple[CostLine, ...] = ()
    words = ""
    if clock is not None:
        network = create_model("perceptron", in_features=FEATURES, num_classes=2, hidden=(32,))
        rule = RULES.build("gradient_descent", network.parameters())

        def epoch(size: int) -> Callable[[], object]:
            inputs, targets = torch.from_numpy(x), torch.from_numpy(y)

            def run() -> object:
                for begin in range(0, SAMPLES, size):
                    rule.zero_grad()
                    loss: Tensor = F.cross_entropy(network(inputs[begin : begin + size]), targets[begin : begin + size])
                    loss.backward()  # type: ignore[no-untyped-call]
                    rule.step()
                return None

            return run

        times = raced(clock, {name: epoch(size) for name, size in kinds.items()}, "an epoch of a small perceptron")
        first, _, last = times
        words = (
            f" An epoch itself takes {first.measured / last.measured:.0f} times as long one by one as all at once: "
            "slow is a batch update only by what it learns in an epoch."
        )
    one_by_one, some, whole = counts.values()
    return Claim(
        "updates", (16, 17, 18, 19), "Update strategies",
        "Iterations = number of data / batch size. Batch update learns slowly.",
        one_by_one > some > whole == 1,
        f"{one_by_one}, {some} and {whole} updates; where the sizes do not divide, the last batch is a smaller one, so "
        "the number is rounded up, which the chapter leaves open." + words,
        (*lines, *times),
    )  # fmt: skip


def rules(_: Clock | None) -> Claim:
    """What each update rule remembers (rows 20, 25-32)."""
    network = create_model("lenet5")
    count, lines, found = weights_of(network), [], {}
    for rule in RULE_COPIES:
        one = RULES.build(rule, network.parameters())
        for weight in network.parameters():
            weight.grad = torch.ones_like(weight)
        one.step()
        kept = [state for of_weight in one.state.values() for state in of_weight.values() if isinstance(state, Tensor)]
        found[rule] = sum(state.numel() for state in kept if state.ndim)
        lines.append(CostLine(rule, "numbers remembered", found[rule], rule_numbers(rule, count),
                              f"{RULE_COPIES[rule]} · {count:,} weights",
                              "counted from the rule's state after a step, without its counters of steps"))  # fmt: skip
    return Claim(
        "rules", (20, 25, 26, 27, 28, 29, 30, 31, 32), "Gradient descent and the eight rules after it",
        "By their formulas (five of them are pictures), momentum, NAG, Adagrad and RMSprop carry one number for each "
        "weight from step to step, Adadelta, Adam, AdaMax and AdamW two.",
        all(line.agrees for line in lines),
        f"LeNet-5 has {count:,} weights: gradient descent remembers {found['gradient_descent']:,} numbers, momentum "
        f"{found['momentum']:,}, Adam {found['adam']:,}. With weights and gradients, Adam takes "
        f"{(2 * count + found['adam']) / (2 * count):g} times the memory of gradient descent.",
        tuple(lines),
    )  # fmt: skip


def _walk(method: Method, score: Callable[[Told], float]) -> int:
    """Trials until the method has nothing left to try."""
    trials: list[Told] = []
    while isinstance(point := method.propose(trials), dict):
        trials.append(Told(point, score(Told(point, None, False)), False))
    return len(trials)


def searches(_: Clock | None) -> Claim:
    """Trials of the ways to search (rows 78-81)."""
    space = [Choices(name, tuple(range(count))) for name, count in zip("abc", CHOICES, strict=True)]

    def score(trial: Told) -> float:
        return -float(sum(trial.values.values()))

    grid, chance, greedy = (_walk(make(space, seed=0, start={}), score) for make in (Grid, Random, Greedy))
    sizes = " · ".join(map(str, CHOICES))
    lines = (
        CostLine("all combinations (grid)", "trials", grid, grid_trials(CHOICES), sizes, "counted until it ends"),
        CostLine("at random among given choices, to the end", "trials", chance, grid_trials(CHOICES),
                 f"{sizes}, none twice", "counted until it ends"),
        CostLine("greedy, one value after the other", "trials", greedy, greedy_trials(CHOICES),
                 f"1 + {' + '.join(f'({count} - 1)' for count in CHOICES)}", "counted until it ends"),
    )  # fmt: skip
    return Claim(
        "searches", (78, 79, 80, 81), "MnasNet: AutoML",
        "Hyperparameters are found by greedy search, at random among given ones, or just at random.",
        greedy < grid,
        f"Of {grid} combinations greedy search tries {greedy}, where values do not depend on one another; where they "
        "do, it goes round again. A random search among given choices ends when all were tried, one among ranges "
        "never: it takes as many as one grants it.",
        lines,
    )  # fmt: skip
