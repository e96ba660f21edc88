"""What training costs besides the network: memory of update rules, updates of an epoch, trials of a search."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["RULE_COPIES", "greedy_trials", "grid_trials", "rule_numbers", "updates_per_epoch"]

RULE_COPIES = {
    "gradient_descent": 0, "momentum": 1, "nag": 1, "adagrad": 1, "adadelta": 2, "rmsprop": 1, "adam": 2, "adamax": 2,
    "adamw": 2,
}  # fmt: skip
"""How many numbers a rule remembers of each weight (rows 20, 25-32): those with a superscript t - 1 in its formula."""


def rule_numbers(rule: str, num_weights: int) -> int:
    """Numbers that an update rule remembers (rows 25-32): as many as the weights, once or twice; 0 for the plain one.

    Example:
        >>> rule_numbers("momentum", 100), rule_numbers("adam", 100)
        (100, 200)
    """
    return RULE_COPIES[rule] * num_weights


def updates_per_epoch(num_samples: int, batch_size: int) -> int:
    """Iterations of an epoch (row 16): `N / batch size`, rounded up where the last batch is a smaller one.

    Slip corrected: the chapter does not say how it is rounded.

    Example:
        >>> [updates_per_epoch(1000, size) for size in (1, 32, 1000)]
        [1000, 32, 1]
    """
    return math.ceil(num_samples / batch_size)


def grid_trials(choices: Sequence[int]) -> int:
    """Trials of a search through all combinations (row 78): the product of the numbers of choices.

    Example:
        >>> grid_trials([4, 3, 5])
        60
    """
    return math.prod(choices)


def greedy_trials(choices: Sequence[int]) -> int:
    """Trials of a greedy search's first round (row 79): `1 + sum (k - 1)`; a round that changes nothing adds none.

    Example:
        >>> greedy_trials([4, 3, 5])
        10
    """
    return 1 + sum(count - 1 for count in choices)
