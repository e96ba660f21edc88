"""Regression: squared error and its relatives on standardised values; metrics and answers in the data's own units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.nn.contracts import BatchLike, Carry

__all__ = ["Regression", "RegressionScorer"]

Array = np.ndarray[Any, Any]


class Regression:
    """One or more numbers.

    The network predicts (value - mean) / scale; the loss is the mean over values of the squared error (chapter, row
    E_t: 1/K sum (y' - y)^2), the absolute error, or Huber's mixture of both.

    Args:
        targets: names of the values.
        mean: of each value in the training part.
        scale: standard deviation of each value in the training part.
        loss: which error.

    Raises:
        InputError: not one mean and one scale above 0 for each value.
    """

    name = "regression"
    metric = "r2"
    metric_mode: Literal["max", "min"] = "max"

    def __init__(
        self,
        targets: Sequence[str],
        *,
        mean: Sequence[float],
        scale: Sequence[float],
        loss: Literal["squared", "absolute", "huber"] = "squared",
    ) -> None:
        if not len(targets) == len(mean) == len(scale) or not all(one > 0 for one in scale):
            raise InputError(f"{len(targets)} values need as many means and scales above 0, not {mean} and {scale}")
        self.targets = tuple(targets)
        self.mean, self.scale = torch.tensor(list(mean)), torch.tensor(list(scale))
        self.error = {"squared": F.mse_loss, "absolute": F.l1_loss, "huber": F.smooth_l1_loss}[loss]
        self._checked = False

    def step(self, model: nn.Module, batch: BatchLike, carry: Carry) -> tuple[Tensor, Carry]:
        """Mean error of one batch, in standard deviations.

        Raises:
            InputError: the network's output does not fit the values (looked at on the first batch).
        """
        outputs = model(batch.inputs)
        targets = _columns(batch.targets)
        if not self._checked:
            if outputs.shape != targets.shape:
                raise InputError(
                    f"the network gives {list(outputs.shape)} for targets {list(targets.shape)}; "
                    f"set model.num_classes={targets.shape[1]}"
                )
            self._checked = True
        wanted = (targets - self.mean.to(targets.device)) / self.scale.to(targets.device)
        return self.error(outputs.float(), wanted), carry

    def scorer(self) -> RegressionScorer:
        """A fresh scorer."""
        return RegressionScorer(self)

    def values(self, outputs: Tensor) -> Tensor:
        """Outputs in the data's own units.

        Shape: `[N, D]`.
        """
        return outputs.float().cpu() * self.scale + self.mean

    def answer(self, outputs: Tensor) -> list[dict[str, Any]]:
        """For each sample its values by name."""
        return [dict(zip(self.targets, row, strict=True)) for row in self.values(outputs).tolist()]


class RegressionScorer:
    """Gathers outputs of an evaluation; see `nn.contracts.Scorer`."""

    def __init__(self, task: Regression) -> None:
        self.task = task
        self._predicted: list[Tensor] = []
        self._truth: list[Tensor] = []
        self._indices: list[Array] = []

    def update(self, model: nn.Module, batch: BatchLike) -> None:
        """Run the model on one batch and keep its values."""
        self._predicted.append(self.task.values(model(batch.inputs)))
        self._truth.append(_columns(batch.targets).float().cpu())
        self._indices.append(np.asarray(batch.indices))

    def compute(self) -> dict[str, float]:
        """Loss (in standard deviations), r2 (mean over values), rmse, mae (in the data's units)."""
        predicted, truth = (part.double() for part in self._all())
        task = self.task
        error = predicted - truth
        spread = (truth - truth.mean(0)).square().sum(0)
        lost = error.square().sum(0)
        r2 = torch.where(spread > 0, 1 - lost / spread.clamp_min(1e-300), torch.where(lost == 0, 1.0, 0.0))
        scaled = [(part - task.mean.double()) / task.scale.double() for part in (predicted, truth)]
        return {
            "loss": task.error(scaled[0], scaled[1]).item(),
            "r2": r2.mean().item(),
            "rmse": error.square().mean().sqrt().item(),
            "mae": error.abs().mean().item(),
        }

    def details(self) -> Mapping[str, Array]:
        """indices, losses (squared error a sample), predicted and truth `[N, D]`."""
        predicted, truth = self._all()
        return {
            "indices": np.concatenate(self._indices),
            "losses": ((predicted - truth) / self.task.scale).square().mean(1).numpy(),
            "predicted": predicted.numpy(),
            "truth": truth.numpy(),
        }

    def _all(self) -> tuple[Tensor, Tensor]:
        if not self._predicted:
            raise InputError("there is nothing to score: the evaluation set is empty")
        return torch.cat(self._predicted), torch.cat(self._truth)


def _columns(targets: Tensor) -> Tensor:
    return targets[:, None] if targets.dim() == 1 else targets
