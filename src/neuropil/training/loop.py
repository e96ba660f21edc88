"""The training loop: a generator of one report an optimizer step.

Stopping, printing, pruning and drawing are plain code in the body of `for report in fit(...)`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor

from neuropil.errors import InputError, NonFiniteError
from neuropil.nn.contracts import BatchLike, Scorer
from neuropil.training.checkpoint import newest_checkpoint, save_checkpoint, tidy_checkpoints
from neuropil.training.evaluating import evaluate
from neuropil.training.non_finite import all_finite
from neuropil.training.plan import TrainingPlan
from neuropil.training.reports import Ending, Evaluation, StepReport
from neuropil.training.run_folder import RunFolder
from neuropil.training.signals import StopSignals
from neuropil.training.state import Progress, RunState, describe_state, differences_from, restore_state, take_weights
from neuropil.training.stepping import Ingredients, Stepper
from neuropil.training.watching import Watch

__all__ = ["fit"]

LOG_LINES = 200


def fit(
    ingredients: Ingredients,
    plan: TrainingPlan,
    *,
    run: RunFolder | None = None,
    stop: StopSignals | None = None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Iterator[StepReport]:
    """Train, one report an optimizer step, from the run folder's newest checkpoint where there is one.

    The weights, the log and every state after the last report are the same bit for bit whether the run was
    interrupted, killed and started again any number of times or never, on the same machine and thread count.

    Args:
        ingredients: network, task, data, rule, schedule.
        plan: lengths, accumulation, clipping, stopping, saving.
        run: where checkpoints and the log go; without it nothing is written.
        stop: polled each step and each evaluated batch; where a signal came, the state is saved and the last report
            says so.
        tell: gets sentences for the reader (a damaged checkpoint passed over, another thread count).

    Raises:
        NonFiniteError: a loss or gradient is no finite number, and the plan says stop, or skipping did not help.
        CheckpointError: a checkpoint cannot be written, or none can be read.
    """
    loop = _Loop(ingredients, plan, run, stop, tell)
    loop.restore()
    return loop.reports()


class _Loop:
    """The state of one run between two reports."""

    def __init__(
        self,
        ingredients: Ingredients,
        plan: TrainingPlan,
        run: RunFolder | None,
        stop: StopSignals | None,
        tell: Callable[[str], None],
    ) -> None:
        self.ingredients, self.plan, self.run, self.stop, self.tell = ingredients, plan, run, stop, tell
        self.model = ingredients.model
        self.batches_per_epoch = len(ingredients.train)
        if self.batches_per_epoch == 0:
            raise InputError(
                "the training part gives no batch; give more data, a smaller batch_size or drop_last=false"
            )
        self.total_steps = plan.total_steps(self.batches_per_epoch)
        self.state = RunState(self.model, ingredients.optimizer, ingredients.schedule, ingredients.average)
        make_stepper = ingredients.make_stepper or Stepper
        self.stepper = make_stepper(ingredients, plan, self.state, self.total_steps, tell)
        self.log_every = plan.log_every_steps or max(1, self.total_steps // LOG_LINES)
        self.best_weights: dict[str, Tensor] | None = None
        self.epoch_modules: list[Any] = [module for module in self.model.modules() if hasattr(module, "start_epoch")]
        self.saved_at = time.monotonic()
        looks = ingredients.make_stepper is None and not ingredients.speed.compile
        self.watch = Watch(self.model, self._warn, looks=looks) if plan.warnings else None

    @property
    def progress(self) -> Progress:
        """The counters of the run."""
        return self.state.progress

    # --- the outer order of things ---------------------------------------------------------------

    def reports(self) -> Iterator[StepReport]:
        """Steps, evaluations, saves and the ending, in order."""
        self.model.train()
        while self.progress.ending is None:
            report = None
            if not self.progress.evaluation_due:
                for report in self._steps_of_epoch():
                    if self._at_evaluation():
                        break
                    if self._interrupted():
                        yield self._leave(report)
                        return
                    yield report
            report = report or self._last_report()
            self.progress.evaluation_due = True
            if (evaluated := self._close_epoch(report)) is None:
                yield self._leave(report)
                return
            if self._interrupted() and evaluated.ending is None:
                yield self._leave(evaluated)
                return
            yield evaluated

    def _at_evaluation(self) -> bool:
        return self.progress.evaluation_due

    def _steps_of_epoch(self) -> Iterator[StepReport]:
        """The remaining steps of the current epoch; sets `evaluation_due` at its end."""
        progress = self.progress
        group: list[BatchLike] = []
        if self.ingredients.freezing is not None:
            self.ingredients.freezing.start_epoch(progress.epoch)
        if progress.batch == 0:
            for module in self.epoch_modules:
                module.start_epoch()
        for batch in self.ingredients.train.epoch(progress.epoch, progress.batch):
            group.append(batch)
            progress.batch += 1
            at_end = progress.batch == self.batches_per_epoch
            if len(group) < self.plan.accumulate and not at_end:
                continue
            report = self._step(group)
            group = []
            if report.step % self.log_every == 0:
                self._log_step(report)
            if at_end:
                progress.epoch, progress.batch, progress.evaluation_due = progress.epoch + 1, 0, True
                report = replace(report, epoch=progress.epoch)
            elif report.step >= self.total_steps:
                progress.evaluation_due = True
            elif self._save_due():
                self._save()
            yield report

    def _step(self, group: list[BatchLike]) -> StepReport:
        """One optimizer step, watched."""
        if self.watch is None:
            return self.stepper.step(group)
        self.watch.begin(self.progress.step)
        report = self.stepper.step(group)
        self.watch.end(report.loss, report.gradient_norm)
        return report

    def _warn(self, fault: str, layer: str | None, sentence: str) -> None:
        """Tell the reader, and the log."""
        self.tell(f"step {self.progress.step}: {sentence}")
        if self.run is not None:
            row = {"event": "warning", "step": self.progress.step, "fault": fault, "layer": layer, "says": sentence}
            self.run.log(row)

    def _close_epoch(self, report: StepReport) -> StepReport | None:
        """Evaluate where it is due, log, watch the best; `None` if interrupted before the evaluation was over."""
        progress, plan = self.progress, self.plan
        finished = progress.step >= self.total_steps
        evaluation = None
        train_loss = progress.loss_sum / max(1, progress.loss_samples)
        if finished or progress.epoch % plan.evaluate_every_epochs == 0:
            metrics = self._evaluate(train_loss)
            if metrics is None:
                return None
            evaluation = self._judge(metrics)
        progress.loss_sum, progress.loss_samples, progress.evaluation_due = 0.0, 0, False
        if finished:
            progress.ending = "done"
        elif plan.patience_epochs is not None and progress.epochs_without_gain >= plan.patience_epochs:
            progress.ending = "early stopping"
        report = replace(report, train_loss=train_loss, evaluation=evaluation, ending=progress.ending)  # type: ignore[arg-type]
        self._log_epoch(report)
        self._remember_safe_weights()
        if progress.ending is not None or self._save_due():
            self._save()
        return report

    # --- evaluating and logging ------------------------------------------------------------------

    def _evaluate(self, train_loss: float) -> dict[str, float] | None:
        if self.ingredients.valid is None:
            return {"train_loss": train_loss}
        with self.state.weights_for_use():
            scorer = self._score()
        return None if scorer is None else scorer.compute()

    def _score(self) -> Scorer | None:
        return evaluate(
            self.model,
            self.ingredients.task,
            self.ingredients.valid,  # type: ignore[arg-type]
            placement=self.ingredients.speed.placement,
            should_stop=self._interrupted,
        )

    def _judge(self, metrics: dict[str, float]) -> Evaluation:
        """Whether these metrics are the best so far; keeps the weights that made them."""
        task, progress = self.ingredients.task, self.progress
        name, mode = (task.metric, task.metric_mode) if self.ingredients.valid is not None else ("train_loss", "min")
        value = metrics[name]
        self.ingredients.schedule.observe(value)
        sign = 1 if mode == "max" else -1
        loss = metrics.get("loss", value)
        present = (sign * value, -loss)  # of equal metrics the one with the smaller loss is better
        best = (-math.inf, 0.0)
        if progress.best_value is not None and progress.best_loss is not None:
            best = (sign * progress.best_value, -progress.best_loss)
        is_best = present > best
        if is_best:
            progress.best_loss = loss
            progress.best_value, progress.best_step, progress.epochs_without_gain = value, progress.step, 0
            with self.state.weights_for_use():
                self.best_weights = {name: one.detach().clone() for name, one in self.model.state_dict().items()}
        else:
            progress.epochs_without_gain += self.plan.evaluate_every_epochs
        return Evaluation(metrics, is_best)

    def _log_step(self, report: StepReport) -> None:
        if self.run is not None:
            row = {"event": "step", "step": report.step, "loss": report.loss, "lr": report.learning_rate}
            self.run.log({**row, "gradient_norm": report.gradient_norm})

    def _log_epoch(self, report: StepReport) -> None:
        if self.run is None:
            return
        row: dict[str, Any] = {"event": "epoch", "step": report.step, "epoch": report.epoch}
        row |= {"train_loss": report.train_loss, "lr": report.learning_rate}
        if report.evaluation is not None:
            prefix = "valid_" if self.ingredients.valid is not None else ""
            row |= {f"{prefix}{name}": value for name, value in report.evaluation.metrics.items()}
            row["is_best"] = report.evaluation.is_best
        self.run.log(row)

    # --- saving and resuming ---------------------------------------------------------------------

    def restore(self) -> None:
        """Go on from the newest good checkpoint, or from the start."""
        if self.run is not None:
            tidy_checkpoints(self.run.checkpoints)
            checkpoint, complaints = newest_checkpoint(self.run.checkpoints)
            for complaint in complaints:
                self.tell(f"{complaint}; the one before it is used")
            log_bytes = 0
            if checkpoint is not None:
                log_bytes = restore_state(checkpoint, self.state)
                for sentence in differences_from(checkpoint):
                    self.tell(sentence)
            self.run.cut_log(log_bytes)
        if self.watch is not None:
            self.watch.put(self.progress.watch)
        if self.state.safe is None:
            self._remember_safe_weights()

    def _remember_safe_weights(self) -> None:
        """Keep a copy for rollbacks: at the start and after each epoch, so that it does not hang on the clock."""
        if self.plan.non_finite == "rollback" and self._broken_tensor() is None:
            self.state.safe = take_weights(self.state).copy()

    def _save_due(self) -> bool:
        if self.run is None:
            return False
        every = self.plan.save_every_steps
        if every is not None and self.progress.step % every == 0:
            return True
        return time.monotonic() - self.saved_at >= self.plan.save_every_seconds

    def _save(self) -> None:
        if self.run is None:
            return
        if (broken := self._broken_tensor()) is not None:
            if self.plan.non_finite == "rollback" and self.progress.ending is None and not self._interrupted():
                return  # the next step finds it and goes back
            raise NonFiniteError(
                f"step {self.progress.step}: {broken!r} is not finite, so nothing is saved; the last checkpoint is "
                "untouched: try a smaller optimizer.lr or training.clip_norm=1"
            )
        root, progress = self.run.checkpoints, self.progress
        if self.best_weights is not None and progress.best_step is not None:
            record = {"metric": self.ingredients.task.metric, "value": progress.best_value}
            save_checkpoint(root, progress.best_step, {"model": self.best_weights}, record, kind="best")
            self.best_weights = None
        if self.watch is not None:
            progress.watch = self.watch.state()
        tensors, state = describe_state(self.state, self.run.synced_log_size())
        save_checkpoint(root, progress.step, tensors, state)
        tidy_checkpoints(root, keep=self.plan.keep_checkpoints, newest=progress.step)
        self.saved_at = time.monotonic()

    def _broken_tensor(self) -> str | None:
        """The first weight or buffer that is not finite."""
        tensors = self.model.state_dict().items()
        return next((name for name, t in tensors if t.is_floating_point() and not all_finite([t])), None)

    # --- leaving ---------------------------------------------------------------------------------

    def _interrupted(self) -> bool:
        return self.stop is not None and self.stop.requested is not None

    def _leave(self, report: StepReport) -> StepReport:
        self._save()
        ending: Ending = "interrupted"
        return replace(report, ending=ending, signal=self.stop.requested if self.stop else None)

    def _last_report(self) -> StepReport:
        """The report of a step that was taken before this process began (its evaluation is still due)."""
        progress = self.progress
        loss = progress.loss_sum / max(1, progress.loss_samples)
        rate = float(self.state.optimizer.param_groups[0]["lr"])
        return StepReport(progress.step, self.total_steps, progress.epoch, loss, rate, math.nan, 0)
