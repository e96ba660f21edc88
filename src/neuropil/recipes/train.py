"""`train`: one call from a recipe to a finished run, with progress on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neuropil.drawing.progress import TrainingProgress
from neuropil.errors import InputError
from neuropil.models import model_options
from neuropil.recipes.catalogue import find_recipe
from neuropil.recipes.finishing import finish
from neuropil.recipes.in_memory import IN_MEMORY, splits_of
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.run import Run
from neuropil.recipes.running import Running, resume, start
from neuropil.training.reports import StepReport
from neuropil.training.signals import StopSignals

__all__ = ["Interrupted", "carry_out", "read_recipe", "resume_run", "train"]


class Interrupted(KeyboardInterrupt):
    """A signal ended the run after its state was saved.

    Args:
        folder: the run folder, to be resumed.
        signal: the signal's number.
    """

    def __init__(self, folder: Path, signal: int) -> None:
        super().__init__(f"interrupted by signal {signal}; go on with: neuropil resume {folder}")
        self.folder, self.signal = folder, signal


def read_recipe(words: Sequence[str]) -> Recipe:
    """A recipe from words as on the command line: a recipe's name or file first (it may be left out), then key=value.

    Raises:
        InputError: no such recipe, or a word that is neither.
    """
    if words and "=" not in words[0]:
        return find_recipe(words[0]).with_overrides(words[1:])
    if not words:
        raise InputError(
            "give a recipe (`neuropil recipes` lists them) or key=value words such as model=lenet5 data=digits"
        )
    recipe = Recipe().with_overrides(words)
    if recipe.name == "run":
        recipe = recipe.with_values({"name": model_options(str(recipe.section("model").get("name", "run")), {})[0]})
    return recipe


def train(
    recipe: Recipe | Path | str | None = None,
    *overrides: str,
    data: Any = None,
    runs: Path | str = "runs",
    progress: bool = True,
    on_report: Callable[[StepReport], None] = lambda report: None,
    **values: Any,
) -> Run:
    """Train a recipe and open the finished run.

    Args:
        recipe: a `Recipe`, the name of a built-in one, or a TOML file; left out, `values` name at least model and data.
        overrides: `key=value` words.
        data: in place of the recipe's: a name or a path, a table of `[data]`, a pair `(X, y)` of arrays, tensors or
            data frames, or a PyTorch `Dataset`. A run on data in memory cannot be resumed.
        runs: the folder of all runs.
        progress: show a bar on standard error.
        on_report: called with each step's report.
        values: values by short name (`epochs=3`) or section (`model="lenet5"`, `optimizer={"name": "adam"}`).

    Raises:
        InputError: something in the recipe or the data cannot be used.
        Interrupted: a signal came; the state is saved.

    Example:
        >>> import neuropil
        >>> neuropil.train("digits-lenet5", epochs=3).evaluate().compute()  # doctest: +SKIP
        {'loss': 0.11, 'accuracy': 0.97}
    """
    if recipe is None:
        recipe = Recipe(name=model_options(_name_of(values.get("model", "run")), {})[0])
    base = recipe if isinstance(recipe, Recipe) else find_recipe(str(recipe))
    given = splits = None
    if isinstance(data, str | Path | Mapping):
        given = dict(data) if isinstance(data, Mapping) else str(data)
    elif data is not None:
        given, splits = {"source": IN_MEMORY}, splits_of(data)
    chosen = base.with_overrides(overrides).with_values(values if given is None else {**values, "data": given})
    with _telling(progress) as (tell, watch):
        running = start(chosen, runs=runs, tell=tell, splits=splits)

        def hear(report: StepReport) -> None:
            watch(running, report)
            on_report(report)

        return carry_out(running, hear)


def _name_of(model: Any) -> str:
    """The network's name in `train`'s value of a model."""
    return str(model.get("name", "run") if isinstance(model, Mapping) else model)


def resume_run(path: Path | str, *, progress: bool = True) -> Run:
    """Go on with an interrupted or killed run, to its end; see `train`."""
    with _telling(progress) as (tell, watch):
        running = resume(path, tell=tell)
        return carry_out(running, lambda report: watch(running, report))


def carry_out(running: Running, on_report: Callable[[StepReport], Any], *, pictures: bool = True) -> Run:
    """Run the loop to its end and write what a run leaves behind.

    Args:
        running: a run that was started or resumed.
        on_report: called with each step's report.
        pictures: also draw the plots and the report.

    Raises:
        Interrupted: a signal came; the state is saved.
    """
    ending: str = "done"
    with StopSignals() as stop:
        for report in running.reports(stop):
            on_report(report)
            if report.ending == "interrupted":
                raise Interrupted(running.folder.path, report.signal or 2)
            ending = report.ending or ending
    return finish(running, ending, pictures=pictures)


Watch = Callable[[Running, StepReport], None]


@contextmanager
def _telling(progress: bool) -> Iterator[tuple[Callable[[str], None], Watch]]:
    """Where sentences and reports go: a live bar on standard error, or nowhere."""
    if not progress:
        yield (lambda sentence: None), (lambda running, report: None)
        return
    with TrainingProgress() as bar:
        yield bar.say, _Watcher(bar)


class _Watcher:
    """Turns reports into what the bar shows."""

    def __init__(self, bar: TrainingProgress) -> None:
        self.bar = bar
        self.samples = 0
        self.begun = self.epoch_begun = time.perf_counter()
        self.metrics: dict[str, float] = {}

    def __call__(self, running: Running, report: StepReport) -> None:
        now = time.perf_counter()
        rate = self.samples / (now - self.begun) if self.samples else 0.0
        if self.samples == 0:  # what came before the first report was reading and planning, not training
            self.begun = self.epoch_begun = now
        self.samples += report.samples
        if report.evaluation is not None:
            self.metrics = {f"valid_{name}": value for name, value in report.evaluation.metrics.items()}
        epochs = running.total_epochs
        metric = f"valid_{running.assembly.task.metric}"
        self.bar.update(
            report.step,
            report.total_steps,
            min(report.epoch + (report.train_loss is None), epochs),
            epochs,
            report.loss,
            rate,
            {metric: self.metrics[metric]} if metric in self.metrics else {},
        )
        if report.train_loss is not None:
            shown = {name: self.metrics[name] for name in ("valid_loss", metric) if name in self.metrics}
            best = report.evaluation is not None and report.evaluation.is_best
            figures = {"train_loss": report.train_loss, **shown}
            self.bar.epoch_done(report.epoch, epochs, figures, report.learning_rate, now - self.epoch_begun, best=best)
            self.epoch_begun = now
