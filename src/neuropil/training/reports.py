"""What the loop tells the code in its body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["Ending", "Evaluation", "StepReport"]

Ending = Literal["done", "early stopping", "interrupted"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of one pass over the validation part, and whether they are the best so far."""

    metrics: Mapping[str, float]
    is_best: bool


@dataclass(frozen=True, slots=True)
class StepReport:
    """One optimizer step.

    Args:
        step: steps done, this one included.
        total_steps: of the whole run.
        epoch: epochs done.
        loss: the mean over this step's samples, penalties included.
        learning_rate: of the first parameter group.
        gradient_norm: global norm before clipping.
        samples: of this step.
        train_loss: mean over the epoch; only on its last step.
        evaluation: only where one was due.
        ending: why this report is the last one; `None` while there are more.
        signal: the number of the signal that interrupted the run.
    """

    step: int
    total_steps: int
    epoch: int
    loss: float
    learning_rate: float
    gradient_norm: float
    samples: int
    train_loss: float | None = None
    evaluation: Evaluation | None = None
    ending: Ending | None = None
    signal: int | None = None
