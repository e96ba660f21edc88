"""TensorBoard events beside the log, where TensorBoard is installed (extra `track`)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from neuropil.training.reports import StepReport

__all__ = ["EventLog"]


class EventLog:
    """Writes each evaluated report's figures as TensorBoard scalars; without TensorBoard it does nothing.

    Args:
        folder: where `events.out.*` goes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: Any = None
        self._wanted = importlib.util.find_spec("tensorboard") is not None

    def add(self, report: StepReport) -> None:
        """Note one report; only those that close an epoch are written."""
        if not self._wanted or report.train_loss is None:
            return
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            # what a killed run wrote past its checkpoint is hidden by the step at which this process begins
            self._writer = SummaryWriter(str(self.folder), purge_step=report.step)
        scalars = {"train/loss": report.train_loss, "train/learning_rate": report.learning_rate}
        if report.evaluation is not None:
            scalars |= {f"valid/{name}": value for name, value in report.evaluation.metrics.items()}
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, report.step)

    def close(self) -> None:
        """Flush what was written."""
        if self._writer is not None:
            self._writer.close()
