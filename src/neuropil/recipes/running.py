"""A recipe carried out: from the assembled parts through the loop to a finished run folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from torch import nn

from neuropil.batches.batching import Batches
from neuropil.data.records import Splits
from neuropil.errors import InputError
from neuropil.nn.contracts import Scorer
from neuropil.recipes.assembly import Assembly, assemble
from neuropil.recipes.exporting import with_weights_of_run
from neuropil.recipes.in_memory import refuse_in_memory
from neuropil.recipes.options import batch_options, speed_options
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.run import recipe_of
from neuropil.training.checkpoint import checkpoint_folders
from neuropil.training.environment import describe_environment
from neuropil.training.evaluating import evaluate
from neuropil.training.finding import find_batch_size, find_learning_rate
from neuropil.training.loop import fit
from neuropil.training.memory import keep_freed_memory
from neuropil.training.reports import StepReport
from neuropil.training.run_folder import RunFolder
from neuropil.training.seeding import seed_everything
from neuropil.training.signals import StopSignals
from neuropil.training.speed import Placement, SpeedPlan, choose_speed
from neuropil.training.stepping import Ingredients
from neuropil.training.tracking import EventLog

__all__ = ["Running", "resume", "start"]

Tell = Callable[[str], None]

MEMORY_SHARE = 0.5
"""Part of the free memory that an automatic batch size may fill."""


class Running:
    """One run under way: iterate over `reports()`, then look at `folder`.

    Args:
        folder: the run folder, locked by this object.
        assembly: the live parts.
        speed: placement, precision, compiled or not.
        tell: gets sentences for the reader.
    """

    def __init__(self, folder: RunFolder, assembly: Assembly, speed: SpeedPlan, tell: Tell) -> None:
        self.folder, self.assembly, self.speed, self.tell = folder, assembly, speed, tell
        self.samples_done = 0
        self.seconds = 0.0

    @property
    def total_epochs(self) -> int:
        """Epochs of the whole run, a begun one counted whole."""
        per_epoch = -(-len(self.assembly.train) // self.assembly.plan.accumulate)
        return -(-self.assembly.plan.total_steps(len(self.assembly.train)) // per_epoch)

    def reports(
        self, stop: StopSignals | None = None, *, change: Callable[[Ingredients], Ingredients] | None = None
    ) -> Iterator[StepReport]:
        """Train; one report a step. The folder is given back at the end, whatever happens.

        Only the loop's own time is counted as training time: steps, evaluations and saves, not what the body does.

        Args:
            stop: polled each step.
            change: gets the live parts before the loop begins, and may exchange some (who takes the steps).
        """
        begun = time.perf_counter()
        try:
            ingredients = self._ingredients() if change is None else change(self._ingredients())
            steps = fit(ingredients, self.assembly.plan, run=self.folder, stop=stop, tell=self.tell)
        except BaseException:
            self.folder.close()
            raise
        self.seconds += time.perf_counter() - begun
        return self._timed(steps)

    def _ingredients(self) -> Ingredients:
        assembly = self.assembly
        model = self.speed.placement.place_model(assembly.model)
        seed_everything(assembly.recipe.seed)
        return Ingredients(
            model=model,
            task=assembly.task,
            train=assembly.train,
            valid=assembly.valid,
            optimizer=assembly.make_optimizer(model),
            schedule=assembly.make_schedule(),
            penalty=assembly.make_penalty(),
            average=assembly.make_average(model),
            freezing=assembly.freezing,
            speed=self.speed,
        )

    def _timed(self, steps: Iterator[StepReport]) -> Iterator[StepReport]:
        """The loop's reports, its time counted."""
        events = EventLog(self.folder.path)
        begun = time.perf_counter()
        try:
            for report in steps:
                self.seconds += time.perf_counter() - begun
                self.samples_done += report.samples
                events.add(report)
                yield report
                begun = time.perf_counter()
        finally:
            events.close()
            self._note_time()
            self.folder.close()

    def score(self, model: nn.Module, batches: Batches) -> Scorer:
        """A filled scorer of a network on an evaluation part, in fp32 on the run's device."""
        placement = Placement(self.speed.placement.device)
        scorer = evaluate(placement.place_model(model), self.assembly.task, batches, placement=placement)
        if scorer is None:
            raise InputError("the evaluation was stopped")
        return scorer

    def _note_time(self) -> None:
        """Add this process's time to the run's; kept apart from everything that a repeated run repeats."""
        path = self.folder.path / "timing.json"
        before = _read_timing(path)
        total = {
            "training_seconds": before.get("training_seconds", 0.0) + self.seconds,
            "samples": before.get("samples", 0) + self.samples_done,
            "processes": before.get("processes", 0) + 1,
            "speed_plan": self.speed.in_words(),
        }
        self.folder.write("timing.json", json.dumps(total, indent=1) + "\n", durable=False)


def start(
    recipe: Recipe,
    *,
    runs: Path | str = "runs",
    tell: Tell = lambda sentence: None,
    splits: Splits | None = None,
) -> Running:
    """Assemble a recipe, settle what it leaves open (batch size, learning rate, speed) and make its run folder.

    The resolved recipe in the folder names every choice, so that running it again repeats the run.

    Args:
        recipe: what to do.
        runs: the folder of all runs.
        tell: gets sentences for the reader.
        splits: data that are in memory already, in place of the recipe's source; such a run cannot be resumed.

    Raises:
        InputError: something in the recipe or the data cannot be used.
    """
    keep_freed_memory()
    assembly = assemble(with_weights_of_run(recipe, tell), splits, tell=tell)
    for note in assembly.splits.info.notes:
        tell(note)
    _tell_skipped(assembly, tell)
    assembly, speed = _settle(assembly, tell)
    folder = RunFolder.create(runs, assembly.task.name, assembly.recipe.name)
    with _locked(folder):
        folder.write("data.json", assembly.signature.to_json())
        folder.write("environment.json", json.dumps(describe_environment(folder.path), indent=1) + "\n")
        folder.write("recipe.toml", assembly.recipe.to_toml())
        return Running(folder, assembly, speed, tell)


def resume(path: Path | str, *, tell: Tell = lambda sentence: None) -> Running:
    """Open a run folder and go on where its newest good checkpoint stands.

    Raises:
        InputError: no run folder, or its data are gone or have changed.
    """
    keep_freed_memory()
    folder = RunFolder(path)
    recipe = recipe_of(folder)
    refuse_in_memory(recipe, "such a run cannot be resumed, train a new one")
    with _locked(folder):
        assembly = assemble(recipe, resolved=True, load=not checkpoint_folders(folder.checkpoints))
        if (folder.path / "report.html").exists():
            tell(f"the run {str(path)!r} had ended; its report is written again")
        recorded = folder.path / "data.json"
        if recorded.exists() and recorded.read_text(encoding="utf-8") != assembly.signature.to_json():
            raise InputError(
                f"the data of {str(folder.path)!r} are not what they were when the run began, so it cannot go on "
                "exactly; put the data back, or train a new run"
            )
        return Running(folder, assembly, _recorded_speed(recipe), tell)


@contextmanager
def _locked(folder: RunFolder) -> Iterator[None]:
    """Lock a run folder; give it back at once where what follows fails."""
    folder.lock()
    try:
        yield
    except BaseException:
        folder.close()
        raise


def _read_timing(path: Path) -> dict[str, Any]:
    """What earlier processes noted; nothing where a crash left no such file or half of one."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _recorded_speed(recipe: Recipe) -> SpeedPlan:
    options = speed_options(recipe)
    precision: Literal["fp32", "bf16"] = "bf16" if options.precision == "bf16" else "fp32"
    placement = Placement(options.chosen_device(), bool(options.channels_last), precision)
    return SpeedPlan(placement, bool(options.compile), reason="as the run's recipe says")


def _tell_skipped(assembly: Assembly, tell: Tell) -> None:
    skipped = assembly.splits.info.skipped
    for one in skipped[:20]:
        tell(f"skipped {one.where}: {one.reason}")
    if skipped:
        tell(f"{len(skipped)} samples were skipped; use data.strict=true to stop instead")


def _settle(assembly: Assembly, tell: Tell) -> tuple[Assembly, SpeedPlan]:
    """Find the batch size, the speed plan and the learning rate, in this order, where the recipe leaves them open."""
    recipe = assembly.recipe
    size = batch_options(recipe).batch_size
    if size == "auto":
        size = _batch_size(assembly, tell)
        recipe = recipe.with_values({"batch_size": size})
        assembly = replace(assembly, recipe=recipe, train=assembly.train_batches(size))
    speed = _speed(assembly)
    if speed_options(recipe).mode == "auto":
        tell(f"speed plan: {speed.in_words()}")
    settled: dict[str, Any] = {
        "speed.mode": "plain",
        "speed.precision": speed.placement.precision,
        "speed.channels_last": speed.placement.channels_last,
        "speed.compile": speed.compile,
        "speed.device": speed.placement.device,
        "task.name": assembly.task.name,
    }
    if recipe.section("optimizer").get("lr") == "auto":
        settled["optimizer.lr"] = _learning_rate(assembly, speed.placement, tell)
    if recipe.section("schedule").get("name") is None:
        settled["schedule.name"] = "constant"
    if recipe.section("optimizer").get("name") is None:
        settled["optimizer.name"] = "adam"
    return replace(assembly, recipe=recipe.with_values(settled)), speed


def _speed(assembly: Assembly) -> SpeedPlan:
    options = speed_options(assembly.recipe)
    if options.mode == "plain":
        return _recorded_speed(assembly.recipe)
    return choose_speed(
        assembly.model,
        assembly.task,
        next(iter(assembly.train.epoch(0))),
        assembly.plan.total_steps(len(assembly.train)),
        device=options.chosen_device(),
        precision=options.precision,
        channels_last=options.channels_last,
        compile=options.compile,
    )


def _learning_rate(assembly: Assembly, placement: Placement, tell: Tell) -> float:
    trial = find_learning_rate(
        assembly.model, assembly.task, assembly.train, assembly.make_optimizer, placement=placement
    )
    tell(f"learning rate {trial.suggested:g} found by a range test of {len(trial.rates)} steps")
    return trial.suggested


def _batch_size(assembly: Assembly, tell: Tell) -> int:
    trial = find_batch_size(
        assembly.model,
        assembly.task,
        lambda size: next(iter(assembly.train_batches(size).epoch(0))),
        samples=len(assembly.train.samples),
        memory_bytes=int(MEMORY_SHARE * _free_memory_bytes()),
    )
    speeds = ", ".join(f"{n}: {v:,.0f}/s" for n, v in zip(trial.sizes, trial.samples_per_second, strict=True))
    tell(f"batch size {trial.suggested} found by trying ({speeds})")
    return trial.suggested


def _free_memory_bytes() -> int:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 4 * 1024**3
