"""Ordinary runs whose steps are taken together: each run's own loop goes on, but its step is a seat in a stack.

The loops advance in turn, one step at a time; the first that asks for a step has it taken for all. Whatever is not the
step itself (evaluation, log, checkpoints, early stopping, results) is the loop's own, for each run by itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from neuropil.errors import NonFiniteError
from neuropil.nn.contracts import BatchLike
from neuropil.recipes.running import Running
from neuropil.search.stacking import Member, Stack, StepOutcome
from neuropil.training.plan import TrainingPlan
from neuropil.training.reports import StepReport
from neuropil.training.signals import StopSignals
from neuropil.training.state import RunState
from neuropil.training.stepping import Ingredients

__all__ = ["Ended", "Table"]


class _NoBatches:
    """As many batches as a stream has, without content: what a seat's loop walks through."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __len__(self) -> int:
        return self.number

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """Nothing, so often."""
        yield from [None] * (self.number - start)


class Ended:
    """How one run ended: `ending` of its last report, or `failure`."""

    def __init__(self) -> None:
        self.ending: str = "done"
        self.signal: int | None = None
        self.failure: NonFiniteError | None = None


class Table:
    """Runs of one form, at the same step, that are carried out together.

    Args:
        runnings: started or resumed, not yet iterated over; those of one rule side by side.
        rules: the rule of each, as a text that is equal for equal ones.
        stop: polled by each run's loop.
    """

    def __init__(self, runnings: Sequence[Running], rules: Sequence[str], stop: StopSignals | None = None) -> None:
        self.runnings = list(runnings)
        self.seats: list[Seat] = []
        self.loops = [running.reports(stop, change=partial(self._seated, running)) for running in self.runnings]
        seeds = [running.assembly.recipe.seed for running in self.runnings]
        streams = sorted(set(seeds))
        self.streams = [self.runnings[seeds.index(seed)].assembly.train for seed in streams]
        members = [
            Member(seat.state.model, seat.state.optimizer, rule, streams.index(seed))
            for seat, rule, seed in zip(self.seats, rules, seeds, strict=True)
        ]
        first = self.runnings[0].assembly
        self.stack = Stack(members, first.task, clip_norm=first.plan.clip_norm, clip_value=first.plan.clip_value)
        self.computed = self.seats[0].state.progress.step
        self.outcome: StepOutcome | None = None
        self.samples = 0
        self._batches: list[Iterator[BatchLike]] = []
        self._epoch = -1

    def _seated(self, running: Running, ingredients: Ingredients) -> Ingredients:
        def make(
            ingredients: Ingredients,
            plan: TrainingPlan,
            state: RunState,
            total_steps: int,
            tell: Callable[[str], None],
        ) -> Seat:
            self.seats.append(Seat(self, len(self.seats), ingredients, state, total_steps))
            return self.seats[-1]

        return replace(ingredients, train=_NoBatches(len(running.assembly.train)), make_stepper=make)

    def carry_out(self, hear: Callable[[Running, StepReport], Any]) -> list[Ended]:
        """Run all loops to their ends.

        Args:
            hear: called with each run's reports.

        Returns:
            How each run ended, in their order.
        """
        ends = [Ended() for _ in self.runnings]
        going = list(range(len(self.runnings)))
        try:
            while going:
                target = min(self.seats[number].state.progress.step for number in going) + 1
                going = [number for number in going if self._advance(number, target, ends[number], hear)]
        finally:
            for loop, running in zip(self.loops, self.runnings, strict=True):
                loop.close()  # type: ignore[attr-defined]
                running.folder.close()
        return ends

    def _advance(self, number: int, target: int, end: Ended, hear: Callable[[Running, StepReport], Any]) -> bool:
        """Let one loop go on to a step; `False` once it has ended."""
        seat = self.seats[number]
        while seat.state.progress.step < target:
            try:
                report = next(self.loops[number], None)
            except NonFiniteError as failure:
                end.failure = failure
                return False
            if report is None:
                return False
            hear(self.runnings[number], report)
            if report.ending is not None:
                end.ending, end.signal = report.ending, report.signal
                return False
        return True

    def result(self, seat: Seat) -> tuple[float, float, int]:
        """Loss, gradient norm and samples of a seat's next step; taken for all where it was not yet."""
        progress = seat.state.progress
        if self.computed == progress.step or self.outcome is None:
            begun = time.perf_counter()
            for one in self.seats:
                one.set_learning_rate(progress.step)
            batches = self._next_batches(progress.epoch, progress.batch - 1)
            self.samples = len(batches[0].targets)
            self.outcome = self.stack.step(batches)
            self.computed = progress.step + 1
            self._share_time(seat, time.perf_counter() - begun)
        return self.outcome.losses[seat.number], self.outcome.norms[seat.number], self.samples

    def _next_batches(self, epoch: int, batch: int) -> list[BatchLike]:
        """The next batch of each stream."""
        if epoch != self._epoch:
            self._batches = [stream.epoch(epoch, batch) for stream in self.streams]
            self._epoch = epoch
        return [next(one) for one in self._batches]

    def _share_time(self, asker: Seat, seconds: float) -> None:
        """A step's time is everybody's, not only his who asked for it."""
        for running in self.runnings:
            running.seconds += seconds / len(self.runnings)
        self.runnings[asker.number].seconds -= seconds


class Seat:
    """What takes the steps of one run at a table."""

    def __init__(self, table: Table, number: int, ingredients: Ingredients, state: RunState, total_steps: int) -> None:
        self.table, self.number, self.ingredients = table, number, ingredients
        self.state, self.total_steps = state, total_steps
        for group in state.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])

    def set_learning_rate(self, step: int) -> None:
        """Each group's rate of a step."""
        factor = self.ingredients.schedule.factor(step, self.total_steps)
        for group in self.state.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor

    def step(self, group: Sequence[BatchLike]) -> StepReport:
        """The run's part of the common step.

        Raises:
            NonFiniteError: its loss or gradient is no finite number.
        """
        progress = self.state.progress
        loss, norm, samples = self.table.result(self)
        progress.step += 1
        if not (math.isfinite(loss) and math.isfinite(norm)):
            what = f"the loss became {loss}" if not math.isfinite(loss) else f"the gradient's norm became {norm}"
            raise NonFiniteError(
                f"step {progress.step}, epoch {progress.epoch + 1}: {what}; checkpoints are untouched: try a smaller "
                "optimizer.lr or training.clip_norm=1"
            )
        progress.loss_sum += loss * samples
        progress.loss_samples += samples
        rate = float(self.state.optimizer.param_groups[0]["lr"])
        return StepReport(progress.step, self.total_steps, progress.epoch, loss, rate, norm, samples)
