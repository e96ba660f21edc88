"""TPE: the tree-structured Parzen estimator of Optuna (Bergstra et al. 2011), asked anew for each trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from neuropil.search.methods import Told
from neuropil.search.optuna_words import distributions, in_optuna, load_optuna, out_of_optuna
from neuropil.search.space import Parameter, Point

__all__ = ["Tpe"]


class Tpe:
    """Values drawn where the density of good trials is large beside that of bad ones; the first ten at random.

    Each draw is seeded by (seed, number of the trial) and sees the trials so far, running ones as if they were bad:
    one process alone, killed or not, chooses the same.

    Args:
        space: choices and ranges.
        seed: of all draws.
        start: not used.

    Raises:
        MissingExtraError: Optuna is not installed.
    """

    def __init__(self, space: Sequence[Parameter], *, seed: int, start: Point) -> None:
        self.space, self.seed = list(space), seed
        self.optuna = load_optuna()
        self.distributions = distributions(space)

    def propose(self, trials: Sequence[Told]) -> Point | Literal["wait"] | None:
        """The next draw."""
        optuna = self.optuna
        sampler = optuna.samplers.TPESampler(seed=(self.seed * 1_000_003 + len(trials)) % 2**32)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        states = optuna.trial.TrialState
        for trial in trials:
            told: dict[str, Any] = {"state": states.RUNNING} if trial.running else {"value": trial.score}
            if not trial.running and trial.score is None:
                told = {"state": states.FAIL}
            params = in_optuna(self.space, trial.values)
            study.add_trial(optuna.create_trial(params=params, distributions=self.distributions, **told))
        chosen = out_of_optuna(self.space, study.ask(self.distributions).params)
        return {one.path: one.rounded(chosen[one.path]) for one in self.space}
