"""The trials of a search in one journal file, for any number of processes; nothing is lost when one is killed.

The journal is Optuna's own (one JSON line for each thing that happened), so that its dashboard can read it too. It is
written under a lock that the system takes back from a killed process, and half a line that one left is cut off.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from neuropil.errors import InputError
from neuropil.search.locks import Lock
from neuropil.search.methods import Told
from neuropil.search.optuna_words import distributions, in_optuna, load_optuna, out_of_optuna
from neuropil.search.space import Parameter, Point

__all__ = ["State", "Trial", "Trials"]

State = Literal["running", "complete", "pruned", "failed"]

STUDY = "search"
REDUCTION = 3
"""Successive halving keeps the best third of the trials at each rung."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial.

    Args:
        number: from 0 on.
        values: by path.
        state: what became of it.
        value: the metric; `None` where there is none.
        by_epoch: the metric after each epoch, as far as it was told.
        failure: why there is no value.
        notes: numbers that were measured beside it, by name.
    """

    number: int
    values: Point
    state: State
    value: float | None = None
    by_epoch: dict[int, float] = field(default_factory=dict)
    failure: str = ""
    notes: dict[str, float] = field(default_factory=dict)


class _JournalLock:
    """Optuna's lock of its journal, by flock; whoever takes it cuts off half a line of a killed process."""

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.lock = Lock(journal.with_name(f".{journal.name}.lock"))

    def acquire(self) -> bool:
        """Wait for the lock."""
        self.lock.take()
        with self.journal.open("rb+") as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    file.seek(0)
                    file.truncate(file.read().rfind(b"\n") + 1)
        return True

    def release(self) -> None:
        """Give the lock back."""
        self.lock.release()


class Trials:
    """The journal of a search.

    Args:
        path: the file; made where it is missing.
        space: choices and ranges.
        mode: whether more of the metric is better.
        halve_from: epochs before successive halving first compares trials; `None` for never.

    Raises:
        MissingExtraError: Optuna is not installed.
        InputError: the file is no such journal.
    """

    def __init__(
        self, path: Path, space: Sequence[Parameter], *, mode: Literal["max", "min"], halve_from: int | None = None
    ) -> None:
        self.optuna = load_optuna()
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        self.space, self.sign = list(space), 1 if mode == "max" else -1
        self.distributions = distributions(space)
        pruners = self.optuna.pruners
        pruner = pruners.NopPruner()
        if halve_from is not None:
            pruner = pruners.SuccessiveHalvingPruner(min_resource=halve_from, reduction_factor=REDUCTION)
        lock: Any = _JournalLock(path)
        try:
            self.storage = JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
            self.study = self.optuna.create_study(
                storage=self.storage,
                study_name=STUDY,
                direction="maximize" if mode == "max" else "minimize",
                pruner=pruner,
                load_if_exists=True,
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
            raise InputError(
                f"the journal {str(path)!r} is not one of a search ({error}); give another folder"
            ) from error

    def all(self) -> list[Trial]:
        """All trials, in their order."""
        return [self._read(one) for one in self.study.get_trials(deepcopy=False)]

    def _read(self, one: Any) -> Trial:
        states: dict[str, State] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
        return Trial(
            number=one.number,
            values=out_of_optuna(self.space, one.params),
            state=states.get(one.state.name, "running"),
            value=one.value if one.state.name in ("COMPLETE", "PRUNED") else None,
            by_epoch=dict(one.intermediate_values),
            failure=str(one.user_attrs.get("failure", "")),
            notes={key: value for key, value in one.user_attrs.items() if key != "failure"},
        )

    def told(self) -> list[Told]:
        """All trials as methods see them."""
        return [
            Told(one.values, None if one.value is None else self.sign * one.value, one.state == "running")
            for one in self.all()
        ]

    def add(self, point: Point) -> int:
        """Note a new trial, whole in one line of the journal; its number. The caller holds the search's lock."""
        params = in_optuna(self.space, point)
        running = self.optuna.trial.TrialState.RUNNING
        self.study.add_trial(self.optuna.create_trial(state=running, params=params, distributions=self.distributions))
        return int(self.study.get_trials(deepcopy=False)[-1].number)

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Note the metric after an epoch, once; whether successive halving ends the trial."""
        found = self.study.get_trials(deepcopy=False)[number]
        if epoch not in found.intermediate_values:
            self.storage.set_trial_intermediate_value(found._trial_id, epoch, value)
        fresh = self.storage.get_trial(found._trial_id)
        return bool(self.study.pruner.prune(self.study, fresh))

    def note(self, number: int, name: str, value: float) -> float:
        """Note a measured number of a trial, once; what stands there from then on."""
        found = self.study.get_trials(deepcopy=False)[number]
        if name not in found.user_attrs:
            self.storage.set_trial_user_attr(found._trial_id, name, value)
        return float(self.all()[number].notes[name])

    def complete(self, number: int, value: float) -> None:
        """Note a trial's result."""
        self.study.tell(number, value)

    def prune(self, number: int) -> None:
        """Note that a trial was ended early; its value is the last that was reported."""
        self.study.tell(number, state=self.optuna.trial.TrialState.PRUNED)

    def fail(self, number: int, sentence: str) -> None:
        """Note why a trial has no result."""
        trial = self.study.get_trials(deepcopy=False)[number]
        self.storage.set_trial_user_attr(trial._trial_id, "failure", sentence)
        self.study.tell(number, state=self.optuna.trial.TrialState.FAIL)

    def importances(self) -> dict[str, float]:
        """How much of what distinguishes good trials each path explains (PED-ANOVA); empty where too few are done."""
        done = [one for one in self.all() if one.state == "complete"]
        if len(done) < 4 or len({one.value for one in done}) < 2:
            return {}
        try:
            found = self.optuna.importance.get_param_importances(self.study)
        except (ValueError, RuntimeError):  # all trials have one value of a path, or no two differ
            return {}
        return {str(path): float(value) for path, value in found.items()}
