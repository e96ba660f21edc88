"""What a search is asked for, and what it found."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from neuropil.errors import InputError
from neuropil.files import write_atomic
from neuropil.recipes.assembly import check_recipe
from neuropil.recipes.recipe import MAIN_KEYS, SHORT, Recipe
from neuropil.search import METHODS
from neuropil.search.space import Choices, Parameter, written
from neuropil.search.trials import Trial
from neuropil.training.run_folder import RunFolder

__all__ = ["Found", "SearchPlan"]

KEPT, SPEED = "search.json", "speed.json"


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """What a search does.

    Args:
        recipe: what all trials have in common.
        space: what is chosen.
        method: how: a name of `METHODS`.
        seed: of the method's draws; that of the trials is the recipe's.
        halving: end trials early that are not among the best third of those that went as far.
    """

    recipe: Recipe
    space: Sequence[Parameter]
    method: str = "tpe"
    seed: int = 0
    halving: bool = False

    def check(self) -> None:
        """Hold the method, and each single choice, against what is allowed; nothing is read.

        Raises:
            InputError: the first thing that is wrong, with its path.
        """
        METHODS.describe(self.method)
        if isinstance(self.seed, bool) or self.seed < 0:
            raise InputError(f"the search's seed must be a whole number from 0 on, but {self.seed} was given")
        paths = [_whole_path(one.path) for one in self.space]
        twice = next((path for path in paths if paths.count(path) > 1), None)
        if twice is not None:
            raise InputError(f"the space names {twice} twice; name it once")
        check_recipe(self.recipe)
        for one in self.space:
            tried = one.values if isinstance(one, Choices) else (one.draw(0.0), one.draw(1.0))
            reasons = [reason for value in tried if (reason := self._refused(one.path, value))]
            if reasons and (isinstance(one, Choices) or len(reasons) == 2) and not self._hangs_on_others(one):
                raise InputError(f"the space's {one.path} cannot be tried: {reasons[0]}")

    def _refused(self, path: str, value: Any) -> str:
        try:
            check_recipe(self.recipe.with_values({path: value}))
        except InputError as error:
            return str(error)
        return ""

    def _hangs_on_others(self, one: Parameter) -> bool:
        """Whether another path chooses the part that this one is an option of (momentum, of some optimizers)."""
        section = _whole_path(one.path).partition(".")[0]
        chooser = f"{section}.{MAIN_KEYS.get(section, '')}"
        return chooser != _whole_path(one.path) and chooser in {_whole_path(other.path) for other in self.space}

    def start(self) -> dict[str, Any]:
        """The recipe's own values of the searched paths, where it has them."""
        found = {}
        for one in self.space:
            section, _, key = _whole_path(one.path).partition(".")
            table = self.recipe.sections.get(section, {})
            if isinstance(table, Mapping) and key in table:
                found[one.path] = table[key]
        return found

    def chosen(self, trial: Trial) -> Recipe:
        """The recipe with one trial's values."""
        return self.recipe.with_values(dict(trial.values))

    def recipe_of(self, trial: Trial) -> Recipe:
        """The recipe by which one trial is carried out."""
        return self.chosen(trial).with_values({"name": f"trial-{trial.number:04d}"})

    def in_words(self, trial: Trial) -> str:
        """What a trial tries."""
        return ", ".join(f"{path}={value}" for path, value in trial.values.items())

    @staticmethod
    def value_of(run: RunFolder, metric: str) -> float:
        """The validation metric of a finished run's best checkpoint.

        Raises:
            InputError: the file is damaged.
        """
        path = run.path / "results.json"
        try:
            return float(json.loads(path.read_text(encoding="utf-8"))["valid"][metric])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{str(path)!r} is damaged ({error})") from error

    # --- what the processes of a search share ----------------------------------------------------

    def claim_folder(self, folder: Path) -> None:
        """Note the plan in an empty folder; in another, see that it is the same.

        Raises:
            InputError: the folder holds another search.
        """
        document = self.document()
        path = folder / KEPT
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            write_atomic(path, json.dumps(document, indent=1) + "\n")
            return
        except ValueError as error:
            raise InputError(f"{str(path)!r} is damaged ({error}); give another folder") from error
        changed = next((key for key in document if not isinstance(kept, dict) or kept.get(key) != document[key]), None)
        if changed is not None:
            raise InputError(
                f"{str(folder)!r} holds a search with another {changed}; give another folder with --folder"
            )

    def document(self) -> dict[str, Any]:
        """All that must be equal for two searches to be one."""
        return {
            "recipe": self.recipe.to_toml(),
            "space": [repr(one) for one in self.space],
            "method": self.method,
            "seed": self.seed,
            "halving": self.halving,
        }

    @staticmethod
    def settled_speed(folder: Path) -> dict[str, Any] | None:
        """The [speed] section that the first trial settled."""
        try:
            found: dict[str, Any] = json.loads((folder / SPEED).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found

    @staticmethod
    def settle_speed(folder: Path, section: Mapping[str, Any]) -> None:
        """Keep the [speed] section for all trials."""
        if not (folder / SPEED).exists():
            write_atomic(folder / SPEED, json.dumps(dict(section)) + "\n")


def _whole_path(path: str) -> str:
    """The path that a short name, or a section given as one word, stands for."""
    path = SHORT.get(path, path)
    return f"{path}.{MAIN_KEYS[path]}" if path in MAIN_KEYS else path


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Args:
        plan: what was asked for.
        metric: of the validation part.
        mode: whether more of it is better.
        trials: all, in their order.
        importances: of each path, adding up to 1; empty where too few trials are done.
        folder: journal, runs, report.
    """

    plan: SearchPlan
    metric: str
    mode: Literal["max", "min"]
    trials: tuple[Trial, ...]
    importances: Mapping[str, float]
    folder: Path

    @property
    def best(self) -> Trial | None:
        """The best trial that came to its end; of equal ones the first."""
        done = [trial for trial in self.trials if trial.state == "complete" and trial.value is not None]
        sign = -1 if self.mode == "max" else 1
        return min(done, key=lambda trial: (sign * (trial.value or 0.0), trial.number), default=None)

    def best_recipe(self) -> Recipe:
        """The recipe of the best trial, ready to run.

        Raises:
            InputError: no trial came to its end.
        """
        if self.best is None:
            raise InputError("no trial came to its end; look at trials.csv for the reasons")
        base, speed = self.plan.recipe, self.plan.settled_speed(self.folder)
        chosen = self.plan.chosen(self.best)
        named = chosen.with_values({"name": f"{base.name}-best"[-100:], "title": base.title})
        return named if speed is None else named.with_values({"speed": speed})

    def rows(self) -> list[dict[str, Any]]:
        """A row a trial."""
        return [
            {
                "trial": trial.number,
                "state": trial.state,
                self.metric: trial.value,
                **{path: written(value) for path, value in trial.values.items()},
                "epochs_told": max(trial.by_epoch, default=0),
                "failure": trial.failure,
            }
            for trial in self.trials
        ]

    def in_words(self) -> list[str]:
        """The lines that answer a command."""
        lines = [f"report: {self.folder / 'report.html'}  (open it in a browser)"]
        if self.best is None:
            return lines
        counted = f"{len(self.trials):,} trial{'' if len(self.trials) == 1 else 's'}"
        return [
            f"best of {counted}: {self.best.number}, {self.metric} {self.best.value or 0.0:.4f}",
            *(f"  {path} = {value}" for path, value in self.best.values.items()),
            f"train it: neuropil train {self.folder / 'best.toml'}",
            *lines,
        ]

    def to_csv(self) -> str:
        """The rows as a table for spreadsheets."""
        text, rows = io.StringIO(), self.rows()
        heads = rows[0] if rows else ("trial", "state", self.metric)
        writer = csv.DictWriter(text, list(heads), lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()
