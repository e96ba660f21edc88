"""One optimizer step: gradients over the accumulated batches, clipping, the update, and what to do at NaN."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from neuropil.errors import InputError, NonFiniteError
from neuropil.nn.contracts import BatchLike, BatchStream, LearnsByEpoch, Task
from neuropil.optim.averaging import WeightAverage
from neuropil.optim.clipping import clip_by_global_norm, clip_by_value
from neuropil.optim.penalties import Penalty
from neuropil.optim.schedules import Schedule
from neuropil.training.non_finite import culprit
from neuropil.training.plan import TrainingPlan
from neuropil.training.reports import StepReport
from neuropil.training.speed import SpeedPlan, compiled
from neuropil.training.state import RunState, put_weights

__all__ = ["Ingredients", "MakeStepper", "Stepper", "TakesSteps"]

MOST_SKIPS_IN_A_ROW = 10
MOST_ROLLBACKS = 5


class TakesSteps(Protocol):
    """What the loop asks of whoever takes the steps: the `Stepper`, or a seat among runs that step together."""

    def step(self, group: Sequence[BatchLike]) -> StepReport:
        """One step over a group of accumulated batches."""
        ...


class MakeStepper(Protocol):
    """Builds what takes the steps of one run, once its state stands."""

    def __call__(
        self,
        ingredients: Ingredients,
        plan: TrainingPlan,
        state: RunState,
        total_steps: int,
        tell: Callable[[str], None],
    ) -> TakesSteps:
        """What takes the steps."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """The live objects of one run.

    Args:
        model: the network, already where `speed.placement` puts it.
        task: loss, metrics, answer.
        train: batches to learn from.
        valid: batches to evaluate on; without them the training loss is what is watched.
        optimizer: over the model's parameters; each group's `lr` is the base rate that the schedule multiplies.
        schedule: of the learning rate.
        penalty: L1 and L2 terms of the loss.
        average: moving average of the weights, over the same model.
        freezing: which weights learn in which epoch; all of them where left out.
        speed: placement, precision, compiled or not.
        make_stepper: who takes the steps; an ordinary `Stepper` where left out.
    """

    model: nn.Module
    task: Task
    train: BatchStream
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    valid: BatchStream | None = None
    penalty: Penalty | None = None
    average: WeightAverage | None = None
    freezing: LearnsByEpoch | None = None
    speed: SpeedPlan
    make_stepper: MakeStepper | None = None


class Stepper:
    """Takes the optimizer steps of one run.

    Args:
        ingredients: network, task, rule.
        plan: accumulation, clipping, what to do at numbers that are not finite.
        state: changed by each step.
        total_steps: of the whole run, for the schedule.
        tell: gets a sentence where a step is skipped or rolled back.
    """

    def __init__(
        self,
        ingredients: Ingredients,
        plan: TrainingPlan,
        state: RunState,
        total_steps: int,
        tell: Callable[[str], None],
    ) -> None:
        self.ingredients, self.plan, self.state = ingredients, plan, state
        self.total_steps, self.tell = total_steps, tell
        self.forward = compiled(state.model) if ingredients.speed.compile else state.model
        self.placement = ingredients.speed.placement
        self.parameters = [p for group in state.optimizer.param_groups for p in group["params"]]
        self.buffers = list(state.model.buffers()) if plan.non_finite == "skip" else []
        self.skips_in_a_row = 0
        for group in state.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])

    def step(self, group: Sequence[BatchLike]) -> StepReport:
        """One step over a group of accumulated batches.

        Raises:
            NonFiniteError: the loss or a gradient is no finite number, and the plan says stop, or skipping and going
                back did not help.
        """
        state, progress = self.state, self.state.progress
        learning_rate = self._set_learning_rate()
        state.optimizer.zero_grad(set_to_none=True)
        generator = torch.get_rng_state()
        buffers = [buffer.clone() for buffer in self.buffers]
        carry = state.carry
        samples = sum(len(batch.targets) for batch in group)
        loss = self._forward_backward(group, samples)
        norm = float(clip_by_global_norm(self.parameters, self.plan.clip_norm or math.inf))
        progress.step += 1
        if math.isfinite(loss) and math.isfinite(norm):
            if self.plan.clip_value is not None:
                clip_by_value(self.parameters, self.plan.clip_value)
            state.optimizer.step()
            if state.average is not None:
                with state.rule_weights():
                    state.average.update()
            progress.loss_sum += loss * samples
            progress.loss_samples += samples
            self.skips_in_a_row = 0
        else:
            state.carry = carry
            self._recover(group, loss, norm, buffers, generator)
        return StepReport(progress.step, self.total_steps, progress.epoch, loss, learning_rate, norm, samples)

    def _forward_backward(self, group: Sequence[BatchLike], samples: int) -> float:
        """Gradients of the mean loss over all samples of the group, penalties included; the loss as a number."""
        total = 0.0
        for number, batch in enumerate(group):
            try:
                loss = self._loss(batch, first=number == 0, share=len(batch.targets) / samples)
            except ValueError as error:
                if "more than 1 value per channel" not in str(error):
                    raise
                raise InputError(
                    f"a batch of {len(batch.targets)} leaves batch normalization one value a channel, but it needs two "
                    "while training; give another batches.batch_size, batches.drop_last=true or larger pictures"
                ) from error
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        return total

    def _loss(self, batch: BatchLike, *, first: bool, share: float) -> Tensor:
        batch = self.placement.place(batch)
        if self.placement.precision == "fp32":
            loss, self.state.carry = self.ingredients.task.step(self.forward, batch, self.state.carry)
        else:
            with self.placement.precision_context():
                loss, self.state.carry = self.ingredients.task.step(self.forward, batch, self.state.carry)
        if share != 1.0:
            loss = loss * share
        if first and self.ingredients.penalty is not None:
            loss = loss + self.ingredients.penalty(self.state.model)
        return loss

    def _set_learning_rate(self) -> float:
        factor = self.ingredients.schedule.factor(self.state.progress.step, self.total_steps)
        factor *= self.state.progress.learning_rate_scale
        groups = self.state.optimizer.param_groups
        for group in groups:
            group["lr"] = group["initial_lr"] * factor
        return float(groups[0]["lr"])

    def _recover(
        self, group: Sequence[BatchLike], loss: float, norm: float, buffers: list[Tensor], generator: Tensor
    ) -> None:
        what = f"the loss became {loss}" if not math.isfinite(loss) else f"the gradient's norm became {norm}"
        progress = self.state.progress
        if self.plan.non_finite == "skip" and self.skips_in_a_row < MOST_SKIPS_IN_A_ROW:
            for buffer, before in zip(self.buffers, buffers, strict=True):
                buffer.copy_(before)
            self.skips_in_a_row += 1
            progress.skipped_steps += 1
            self.tell(f"step {progress.step} was skipped: {what}")
        elif self.plan.non_finite == "rollback" and progress.rollbacks < MOST_ROLLBACKS:
            self._roll_back()
            self.tell(
                f"step {progress.step}: {what}; back to the weights of the epoch's start at half the learning rate"
            )
        else:
            torch.set_rng_state(generator)
            raise NonFiniteError(
                f"step {progress.step}, epoch {progress.epoch + 1}: {what}; {self._cause(group)}; checkpoints "
                "are untouched: try a smaller optimizer.lr or training.clip_norm=1"
            )
        self.state.optimizer.zero_grad(set_to_none=True)

    def _cause(self, group: Sequence[BatchLike]) -> str:
        """What made the first number that is not finite; each batch of the step is run again, without compiling."""
        self.forward = self.state.model
        for number, batch in enumerate(group):
            self.state.optimizer.zero_grad(set_to_none=True)
            found = culprit(
                self.state.model, batch, partial(self._loss, batch, first=number == 0, share=1 / len(group))
            )
            if found is not None:
                return found
        return "every batch's own gradient is finite, so their sum or its norm is too large for its type"

    def _roll_back(self) -> None:
        if self.state.safe is not None:
            put_weights(self.state, self.state.safe.copy())
        self.state.progress.rollbacks += 1
        self.state.progress.learning_rate_scale *= 0.5
