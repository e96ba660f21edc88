"""An architecture search, carried out as any other search: trials, journal, claims and kills are those of `search`.

    FOLDER/  as of a search, and  latency.json  references/0.json ...  again.json

A trial's latency is measured before it is trained, and noted in the journal: a trial that goes on keeps it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from neuropil.architecture.found import ArchitectureFound, Reference
from neuropil.architecture.latency import Stopwatch, interleaved, ratio_to
from neuropil.architecture.page import architecture_page
from neuropil.architecture.plan import ArchitecturePlan
from neuropil.architecture.reward import reward
from neuropil.errors import InputError
from neuropil.files import write_atomic
from neuropil.recipes.assembly import Assembly, build_network
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.running import Running
from neuropil.search.found import Found
from neuropil.search.locks import Lock
from neuropil.search.searching import Tell, Worker, search
from neuropil.search.trials import Trial

__all__ = ["search_architectures"]

LATENCY, AGAIN = "latency.json", "again.json"


def search_architectures(
    plan: ArchitecturePlan, *, trials: int, folder: Path | str, tell: Tell = lambda sentence: None
) -> ArchitectureFound:
    """Look for a network of blocks that is accurate and fast on this machine.

    Several processes may share a folder, and a killed one goes on, as in `neuropil.search.searching.search`; numbers
    are of one machine, so a folder should stay on one.

    Args:
        plan: from `architecture_plan`.
        trials: networks to train in the end.
        folder: journal, runs, report, `best.toml`.
        tell: gets sentences for the reader.

    Raises:
        InputError: something in the plan cannot be, or the folder holds another search.
        MissingExtraError: Optuna is not installed.
        Interrupted: a signal came; the trial's state is saved.
    """
    found = search(plan, trials=trials, folder=folder, tell=tell, kind=ArchitectureWorker)
    if not isinstance(found, ArchitectureFound):
        raise TypeError(type(found).__name__)
    return found


class ArchitectureWorker(Worker):
    """One process of an architecture search."""

    def __init__(self, plan: ArchitecturePlan, assembly: Assembly, folder: Path, budget: int, tell: Tell) -> None:
        if assembly.task.metric_mode != "max" or len(assembly.signature.input_shape) != 3:
            raise InputError("an architecture search is for pictures with classes; use --space FILE for other data")
        super().__init__(plan, assembly, folder, budget, tell)
        self.wanted = plan
        (folder / "references").mkdir(exist_ok=True)
        with self.turn:
            self.stopwatch = self._stopwatch()
        self.target_ms = plan.architecture.target_ms or self.stopwatch.yardstick_ms

    def _stopwatch(self) -> Stopwatch:
        """With the base as its yardstick, whose own time is measured once a search."""
        wanted, path = self.wanted.architecture, self.folder / LATENCY
        known = _read(path)
        stopwatch = Stopwatch(
            self.assembly.model,
            self.assembly.signature.input_shape,
            batch=wanted.batch,
            threads=wanted.threads,
            yardstick_ms=known.get("yardstick_ms"),
        )
        if not known:
            write_atomic(path, json.dumps({"yardstick_ms": stopwatch.yardstick_ms}) + "\n")
            how = f"batch {wanted.batch}, threads {wanted.threads}"
            self.tell(f"the base takes {stopwatch.yardstick_ms:.3f} ms a pass ({how})")
        return stopwatch

    # --- trials ----------------------------------------------------------------------------------

    def value(self, recipe: Recipe, trial: Trial) -> float:
        """Accuracy after the short training, weighed against latency."""
        latency = trial.notes.get("latency_ms")
        if latency is None:
            latency = self.trials.note(trial.number, "latency_ms", self.stopwatch.milliseconds(self._network(recipe)))
        accuracy = self.trials.note(trial.number, "accuracy", super().value(recipe, trial))
        gain = reward(accuracy, latency, self.target_ms, self.wanted.architecture.reward)
        left = self.budget - trial.number - 1
        self.tell(f"trial {trial.number}: accuracy {accuracy:.4f}, {latency:.3f} ms, reward {gain:.4f}; {left} to go")
        return gain

    def begin(self, recipe: Recipe) -> Running:
        """The run, without its test part: nothing is chosen by that."""
        running = super().begin(recipe)
        running.assembly = replace(running.assembly, test=None)
        return running

    def _network(self, recipe: Recipe) -> nn.Module:
        return build_network(recipe, self.assembly.signature)

    # --- what stands beside ----------------------------------------------------------------------

    def work(self) -> None:
        """Trials, then the references."""
        super().work()
        for number, words in enumerate(self.wanted.architecture.references):
            claim = Lock(self.folder / "claims" / f"reference-{number}")
            claim.take()
            try:
                if not _read(self._reference_path(number)):
                    self._reference(number, words)
            finally:
                claim.release()
        with self.turn:
            self._measure_again()

    def _reference_path(self, number: int) -> Path:
        return self.folder / "references" / f"{number}.json"

    def _reference(self, number: int, words: str) -> None:
        self.tell(f"to compare: {words}")
        recipe = self.wanted.reference(words).with_values({"name": f"reference-{number}"})
        latency = self.stopwatch.milliseconds(self._network(recipe))
        accuracy = self.trained(recipe)
        self.tell(f"to compare: {words}: accuracy {accuracy:.4f}, {latency:.3f} ms")
        document = {"words": words, "latency_ms": latency, "accuracy": accuracy}
        write_atomic(self._reference_path(number), json.dumps(document) + "\n")

    def _measure_again(self) -> None:
        """The winner and the references in turn, in one go, to see how well the first numbers hold."""
        best = super().found().best
        if best is None or _read(self.folder / AGAIN).get("trial") == best.number:
            return
        recipes: dict[str, Recipe] = {"best": self.wanted.recipe_of(best)}
        recipes |= {words: self.wanted.reference(words) for words in self.wanted.architecture.references}
        networks = [self.assembly.model, *(self._network(recipe) for recipe in recipes.values())]
        times = interleaved(networks, self.stopwatch.x, threads=self.wanted.architecture.threads)
        known = self.stopwatch.yardstick_ms
        found: dict[str, Any] = {
            name: ratio_to(mine, times[0]) * known for name, mine in zip(recipes, times[1:], strict=True)
        }
        write_atomic(self.folder / AGAIN, json.dumps({"trial": best.number, "latency_ms": found}) + "\n")

    def found(self) -> Found:
        """What is known so far."""
        plain = super().found()
        return ArchitectureFound(
            plain.plan,
            "reward",
            "max",
            plain.trials,
            plain.importances,
            plain.folder,
            wanted=self.wanted,
            accuracy=plain.metric,
            target_ms=self.target_ms,
            references=tuple(
                Reference(**known)
                for number in range(len(self.wanted.architecture.references))
                if (known := _read(self._reference_path(number)))
            ),
            again=_read(self.folder / AGAIN).get("latency_ms", {}),
        )

    def page(self, found: Found) -> str:
        """The report."""
        return architecture_page(found) if isinstance(found, ArchitectureFound) else super().page(found)


def _read(path: Path) -> dict[str, Any]:
    """A note of an earlier process, if there is one.

    Raises:
        InputError: the file is damaged.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} is damaged ({error}); remove it, and it is made again") from error
    return found
