"""`compare`: all runs of a comparison, together where that is faster, and the report on them.

    FOLDER/  report.html  results.csv  comparison.json  runs/<task>/<values>-s<seed>-<digest>-1/

Each run is an ordinary one in a folder of its own, named by all that its recipe says. What is finished is not done
again, what was begun goes on from its checkpoint: the same call goes on with a comparison that was killed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from neuropil.data.records import Splits
from neuropil.errors import CheckpointError, InputError, NonFiniteError
from neuropil.files import write_atomic
from neuropil.recipes.finishing import finish
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.running import Running
from neuropil.recipes.train import Interrupted, carry_out
from neuropil.search.carrying import FAILURE, begin_or_go_on, ended_run
from neuropil.search.comparison import Comparison, outcome_of
from neuropil.search.comparison_page import comparison_page
from neuropil.search.joining import MARGIN, joinable, needs_probe, rule_of, seconds_each_way, why_apart
from neuropil.search.locks import Lock
from neuropil.search.seats import Ended, Table
from neuropil.search.variation import Cell, cells_of, read_axis
from neuropil.training.checkpoint import newest_checkpoint
from neuropil.training.signals import StopSignals

__all__ = ["compare"]

Tell = Callable[[str], None]

KEPT = "comparison.json"


def compare(
    recipe: Recipe,
    vary: Sequence[str],
    *,
    seeds: int = 1,
    folder: Path | str,
    together: bool = True,
    tell: Tell = lambda sentence: None,
) -> Comparison:
    """Carry out all combinations of what is varied, each with several seeds, and write the report.

    Args:
        recipe: what all runs have in common.
        vary: `PATH=VALUE,VALUE` each.
        seeds: repetitions of each combination, 1 or more; seeds count from the recipe's on.
        folder: where runs and report go; the same call goes on with what is there.
        together: let small networks take their steps in one vectorised pass where that is faster.
        tell: gets sentences for the reader.

    Raises:
        InputError: something cannot be varied so, or another process works in this folder.
        Interrupted: a signal came; all states are saved.

    Example:
        >>> from neuropil.recipes.catalogue import find_recipe
        >>> compare(find_recipe("iris-perceptron"), ["optimizer=sgd,adam"], folder="both")  # doctest: +SKIP
    """
    axes = [read_axis(words) for words in vary]
    cells = cells_of(recipe, axes, seeds)
    place = Path(folder)
    try:
        (place / "runs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{str(place)!r} cannot be made: {error.strerror}; give another folder") from error
    lock = Lock(place / ".lock")
    if not lock.try_take():
        raise InputError(f"another process compares in {str(place)!r}; wait for it, or give another folder")
    try:
        how = _Comparing(place, tell).carry_out(cells, together=together)
        outcomes = [outcome_of(cell, ended_run(place / "runs", cell.recipe.name)) for cell in cells]
        found = Comparison(recipe, tuple(axes), seeds, tuple(outcomes), place, how)
        write_atomic(place / "results.csv", found.to_csv(), durable=False)
        write_atomic(place / "report.html", comparison_page(found), durable=False)
        return found
    finally:
        lock.release()


class _Comparing:
    """The runs of a comparison, brought to their ends."""

    def __init__(self, folder: Path, tell: Tell) -> None:
        self.folder, self.runs, self.tell = folder, folder / "runs", tell
        self.kept: dict[str, Any] = _read(folder / KEPT)
        self.splits: dict[str, Splits] = {}
        self.begun: dict[str, Running] = {}

    def carry_out(self, cells: Sequence[Cell], *, together: bool) -> list[str]:
        """Bring every run to its end; sentences about how."""
        left = [cell.recipe for cell in cells if ended_run(self.runs, cell.recipe.name) is None]
        if len(left) < len(cells):
            self.tell(f"{len(cells) - len(left)} of {len(cells)} runs are there already")
        try:
            if together:
                left = self._in_stacks(left)
            for number, recipe in enumerate(left, 1):
                self.tell(f"run {number} of {len(left)}: {recipe.name}")
                running = self.begun.pop(recipe.name) if recipe.name in self.begun else self._begin(recipe)
                self._alone(running)
        finally:
            for running in self.begun.values():
                running.folder.close()
        return list(self.kept.get("how", []))

    def _alone(self, running: Running) -> None:
        try:
            carry_out(running, lambda report: None, pictures=False)
        except NonFiniteError as failure:
            self._fail(running, failure)
        except Interrupted as stop:
            raise self._interrupted(stop.signal) from stop

    def _begin(self, recipe: Recipe) -> Running:
        """A run of its own, on data that are opened once, at the speed plan that the first run settled."""
        key = json.dumps(recipe.section("data"), sort_keys=True, default=str)
        own = json.dumps(recipe.section("speed"), sort_keys=True)
        speeds: dict[str, Any] = self.kept.setdefault("speeds", {})
        if own in speeds:
            recipe = recipe.with_values({"speed": speeds[own]})
        running = begin_or_go_on(recipe, self.runs, splits=self.splits.get(key), tell=lambda sentence: None)
        self.splits.setdefault(key, running.assembly.splits)
        if own not in speeds:
            speeds[own] = running.assembly.recipe.section("speed")
            self._keep()
        return running

    # --- together --------------------------------------------------------------------------------

    def _in_stacks(self, left: Sequence[Recipe]) -> list[Recipe]:
        """Carry out what goes faster together; what is left for one by one."""
        rest: list[Recipe] = []
        for recipes in _alike(left):
            if len(recipes) == 1:
                rest += recipes
                continue
            self._begin_all(recipes[:1])
            if (reason := why_apart(self.begun[recipes[0].name])) is not None:
                self._note(f"{_counted(len(recipes))} of {_network(recipes[0])} were carried out one by one: {reason}")
                rest += recipes
                continue
            self._begin_all(recipes[1:])
            runnings = [self.begun[recipe.name] for recipe in recipes]
            done: set[str] = set()
            for group in (same for able in joinable(runnings) for same in _same_step(able)):
                if self._worth_it(group):
                    self._stacked(group)
                    done |= {running.assembly.recipe.name for running in group}
            rest += [recipe for recipe in recipes if recipe.name not in done]
        return rest

    def _begin_all(self, recipes: Iterable[Recipe]) -> None:
        for recipe in recipes:
            self.begun[recipe.name] = self._begin(recipe)

    def _worth_it(self, group: Sequence[Running]) -> bool:
        if len(group) < 2:
            return False
        name = _network(group[0].assembly.recipe)
        if not needs_probe(group):
            self._note(f"{_counted(len(group))} of {name} took their steps together: small, and too short to probe")
            return True
        together, alone = seconds_each_way(group)
        faster = together < MARGIN * alone
        told = f"a step of all took {1000 * together:.1f} ms together, {1000 * alone:.1f} ms one by one"
        way = "took their steps together" if faster else "were carried out one by one"
        self._note(f"{_counted(len(group))} of {name} {way}: {told}")
        return faster

    def _stacked(self, group: Sequence[Running]) -> None:
        for running in group:
            del self.begun[running.assembly.recipe.name]
        with StopSignals() as stop:
            ends = Table(group, [rule_of(running) for running in group], stop).carry_out(lambda running, report: None)
        stopped = next((end for end in ends if end.ending == "interrupted"), None)
        for running, end in zip(group, ends, strict=True):
            if end.failure is not None:
                self._fail(running, end.failure)
            elif end.ending != "interrupted":
                self._finish(running, end)
        if stopped is not None:
            raise self._interrupted(stopped.signal or 2)

    def _finish(self, running: Running, end: Ended) -> None:
        finish(running, end.ending, pictures=False)

    # --- notes -----------------------------------------------------------------------------------

    def _fail(self, running: Running, failure: NonFiniteError) -> None:
        """Note that a run came to nothing, so that it is not tried again."""
        self.tell(f"{running.assembly.recipe.name}: {failure}")
        running.folder.write(FAILURE, json.dumps({"failure": str(failure)}) + "\n")

    def _note(self, sentence: str) -> None:
        self.tell(sentence)
        self.kept["how"] = [*(one for one in self.kept.get("how", []) if one != sentence), sentence]
        self._keep()

    def _keep(self) -> None:
        write_atomic(self.folder / KEPT, json.dumps(self.kept, indent=1) + "\n")

    def _interrupted(self, signal: int) -> Interrupted:
        stop = Interrupted(self.folder, signal)
        stop.args = (f"interrupted by signal {signal}; the same command goes on with the comparison",)
        return stop


def _alike(recipes: Iterable[Recipe]) -> list[list[Recipe]]:
    """Recipes that differ in rule, schedule, seed and initial weights alone."""
    groups: dict[str, list[Recipe]] = {}
    for recipe in recipes:
        sections = {name: part for name, part in recipe.sections.items() if name not in ("optimizer", "schedule")}
        model = recipe.section("model")
        model.pop("initialization", None)
        key = json.dumps({**sections, "model": model}, sort_keys=True, default=str)
        groups.setdefault(key, []).append(recipe)
    return list(groups.values())


def _same_step(group: Sequence[Running]) -> list[list[Running]]:
    """Runs by the step at which their newest checkpoint stands; those whose checkpoints are damaged are left out."""
    found: dict[int, list[Running]] = {}
    for running in group:
        try:
            checkpoint, _ = newest_checkpoint(running.folder.checkpoints)
        except CheckpointError:
            continue
        step = 0 if checkpoint is None else int(checkpoint.state["progress"]["step"])
        found.setdefault(step, []).append(running)
    return list(found.values())


def _network(recipe: Recipe) -> str:
    return str(recipe.section("model")["name"])


def _counted(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"


def _read(path: Path) -> dict[str, Any]:
    """What an earlier process kept; nothing where there is none, or a crash left half of it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
