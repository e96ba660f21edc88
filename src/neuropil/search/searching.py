"""`search`: trials of a recipe, chosen by a method, carried out by any number of processes, and the report on them.

    FOLDER/  search.json  trials.journal  best.toml  report.html  trials.csv  runs/<task>/trial-0007-1/  claims/

Every process does the same: take a trial that nobody works on (one that a killed process left, or a new one), carry it
out as an ordinary run, note its value; until there is nothing left to take. A trial that was killed goes on from its
checkpoint, to the last bit as if it had not been.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from neuropil.errors import InputError, NonFiniteError
from neuropil.files import write_atomic
from neuropil.recipes.assembly import Assembly, assemble, check_recipe
from neuropil.recipes.exporting import with_weights_of_run
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.running import Running
from neuropil.recipes.train import Interrupted, carry_out
from neuropil.search import METHODS
from neuropil.search.carrying import begin_or_go_on, ended_run
from neuropil.search.found import Found, SearchPlan
from neuropil.search.locks import Lock
from neuropil.search.methods import WAIT, Method
from neuropil.search.optuna_words import load_optuna
from neuropil.search.search_page import search_page
from neuropil.search.trials import Trial, Trials
from neuropil.training.reports import StepReport
from neuropil.training.run_folder import RunFolder

__all__ = ["Tell", "Worker", "search"]

Tell = Callable[[str], None]

PAUSE_SECONDS = 0.2
RUNGS = 9
"""Successive halving first compares trials after this part of their length."""


def search(
    plan: SearchPlan,
    *,
    trials: int,
    folder: Path | str,
    tell: Tell = lambda sentence: None,
    kind: type[Worker] | None = None,
) -> Found:
    """Carry out trials until so many are there, and write report and best recipe.

    Call it in several processes on one folder and they share the work; call it again and it goes on.

    Args:
        plan: recipe, space, method.
        trials: how many there shall be in the end, 1 or more.
        folder: journal, runs and report.
        tell: gets sentences for the reader.
        kind: how a trial is valued and what is written, where that is not a metric and a report on it.

    Raises:
        InputError: something in the plan cannot be, or the folder holds another search.
        MissingExtraError: Optuna is not installed.
        Interrupted: a signal came; the trial's state is saved.
    """
    load_optuna()
    if trials < 1:
        raise InputError(f"trials must be at least 1, but {trials} was given")
    plan.check()
    plan = replace(plan, recipe=with_weights_of_run(plan.recipe, tell))
    assembly = assemble(plan.recipe)
    if assembly.valid is None:
        raise InputError("a search needs a validation part to judge by; set one aside with data.valid_fraction=0.2")
    place = Path(folder)
    try:
        for name in ("runs", "claims"):
            (place / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{str(place)!r} cannot be made: {error.strerror}; give another folder") from error
    worker = (kind or Worker)(plan, assembly, place, trials, tell)
    worker.work()
    return worker.written()


@dataclass(frozen=True, slots=True)
class _Taken:
    """A trial that this process works on, and the lock that says so."""

    trial: Trial
    claim: Lock


class _Pruned(Exception):  # noqa: N818 - it ends a loop, and is no error
    """Successive halving ends the trial."""


class Worker:
    """One process of a search.

    Args:
        plan: what it does.
        assembly: of the plan's recipe.
        folder: of the search.
        budget: trials in the end.
        tell: gets sentences for the reader.
    """

    def __init__(self, plan: SearchPlan, assembly: Assembly, folder: Path, budget: int, tell: Tell) -> None:
        self.plan, self.assembly, self.folder, self.budget, self.tell = plan, assembly, folder, budget, tell
        self.turn = Lock(folder / ".turn")
        with self.turn:
            plan.claim_folder(folder)
            epochs = _epochs(assembly)
            halve_from = max(1, epochs // RUNGS) if plan.halving else None
            self.trials = Trials(
                folder / "trials.journal", plan.space, mode=assembly.task.metric_mode, halve_from=halve_from
            )
        self.method: Method = METHODS.build(plan.method, plan.space, seed=plan.seed, start=plan.start())

    def work(self) -> None:
        """Carry out trials until there are none to take, and nobody else works on one."""
        while (taken := self._take()) is not None:
            if taken == WAIT:
                time.sleep(PAUSE_SECONDS)
                continue
            try:
                self._carry_out(taken.trial)
            finally:
                taken.claim.release()

    def _take(self) -> _Taken | Literal["wait"] | None:
        """A trial that a killed process left, or a new one; `WAIT` where only others' results can tell."""
        with self.turn:
            present = self.trials.all()
            running = [trial for trial in present if trial.state == "running"]
            for trial in running:
                claim = self._claim(trial.number)
                if claim.try_take():
                    return _Taken(trial, claim)
            if len(present) < self.budget:
                point = self.method.propose(self.trials.told())
                if point is not None and point != WAIT:
                    number = self.trials.add(point)
                    claim = self._claim(number)
                    claim.take()
                    return _Taken(Trial(number, point, "running"), claim)
        return WAIT if running else None

    def _claim(self, number: int) -> Lock:
        return Lock(self.folder / "claims" / f"{number:04d}")

    # --- one trial -------------------------------------------------------------------------------

    def _carry_out(self, trial: Trial) -> None:
        self.tell(f"trial {trial.number}: {self.plan.in_words(trial)}")
        try:
            recipe = self.plan.recipe_of(trial)
            check_recipe(recipe)
            value = self.value(recipe, trial)
        except _Pruned:
            self.trials.prune(trial.number)
        except (InputError, NonFiniteError) as failure:
            self.tell(f"trial {trial.number}: {failure}")
            self.trials.fail(trial.number, str(failure))
        else:
            self.trials.complete(trial.number, value)

    def value(self, recipe: Recipe, trial: Trial) -> float:
        """What a trial is worth: the validation metric of its best checkpoint."""
        told: set[int] = set()
        return self.trained(recipe, lambda folder, last: self._report_epochs(trial, folder, told, last=last))

    def trained(self, recipe: Recipe, note: Callable[[RunFolder, bool], None] = lambda folder, last: None) -> float:
        """The validation metric of a recipe's run; trained for where that was not done yet.

        Args:
            recipe: its name is the run's.
            note: called with the run's folder whenever an epoch was judged, and whether that was the last one.
        """
        if (done := ended_run(self.folder / "runs", recipe.name)) is None:
            running = self.begin(recipe)

            def hear(report: StepReport) -> None:
                if report.evaluation is not None:
                    note(running.folder, report.ending is not None)

            try:
                done = carry_out(running, hear, pictures=False).folder.path
            except Interrupted as stop:
                stop.args = (f"interrupted by signal {stop.signal}; the same command goes on with the search",)
                raise
            finally:
                running.folder.close()
        folder = RunFolder(done)
        note(folder, True)
        return self.plan.value_of(folder, self.assembly.task.metric)

    def _report_epochs(self, trial: Trial, folder: RunFolder, told: set[int], *, last: bool) -> None:
        """Note what the log tells of epochs not yet told, but for a run's last one, whose metric is the trial's value.

        The log, not the report that was heard, is what counts: a process may die between the checkpoint of an epoch
        and its report, and the one that goes on from there hears only of later epochs.
        """
        name = f"valid_{self.assembly.task.metric}"
        rows = [row for row in folder.history() if row["event"] == "epoch" and name in row]
        for row in rows[:-1] if last else rows:
            if row["epoch"] in told:
                continue
            value = math.nan if row[name] is None else float(row[name])
            if self.trials.report(trial.number, row["epoch"], value):
                raise _Pruned
            told.add(row["epoch"])

    def begin(self, recipe: Recipe) -> Running:
        """The trial's run; the first one of a search settles the speed plan of all."""
        runs, data = self.folder / "runs", self.assembly.recipe.section("data")
        splits = self.assembly.splits if recipe.section("data") == data else None
        speed = self.plan.settled_speed(self.folder)
        if speed is not None:
            return begin_or_go_on(recipe.with_values({"speed": speed}), runs, splits=splits)
        with self.turn:
            speed = self.plan.settled_speed(self.folder)
            recipe = recipe if speed is None else recipe.with_values({"speed": speed})
            running = begin_or_go_on(recipe, runs, splits=splits)
            self.plan.settle_speed(self.folder, running.assembly.recipe.section("speed"))
            return running

    def written(self) -> Found:
        """Report, table and best recipe."""
        found = self.found()
        with self.turn:
            if found.best is not None:
                write_atomic(self.folder / "best.toml", found.best_recipe().to_toml())
            write_atomic(self.folder / "trials.csv", found.to_csv(), durable=False)
            write_atomic(self.folder / "report.html", self.page(found), durable=False)
        return found

    def found(self) -> Found:
        """What is known so far."""
        task, present = self.assembly.task, tuple(self.trials.all())
        return Found(self.plan, task.metric, task.metric_mode, present, self.trials.importances(), self.folder)

    def page(self, found: Found) -> str:
        """The report."""
        return search_page(found)


def _epochs(assembly: Assembly) -> int:
    plan = assembly.plan
    return plan.epochs if plan.epochs is not None else max(1, (plan.steps or 1) // max(1, len(assembly.train)))
