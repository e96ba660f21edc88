"""Regression: one or more values a sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.contracts import BatchLike, Carry, WithAuxiliaries
from neuropil.tasks.gathering import Gathering, at_least_single

__all__ = ["Regression", "RegressionScorer"]

Array = np.ndarray[Any, Any]

ERRORS: dict[str, Callable[..., Tensor]] = {"squared": F.mse_loss, "absolute": F.l1_loss, "huber": F.huber_loss}


class Regression:
    """The error between the network's values and the true ones, both standardised by the training part.

    Source:
        Chapter, E_t of regression (its index y'_{yi} is a slip for y'_i).

    Formula:
        with u = (value - mean) / scale: squared (1/D) Σ (u' - u)², absolute (1/D) Σ |u' - u|, Huber half the square
        up to |u' - u| = 1 and linear beyond; the mean over the samples of a batch.

    Shape:
        outputs `[N, D]`, or `[N]` for one target; targets `[N, D]` or, for one target, `[N]`.

    Args:
        targets: names of the D values.
        mean: of each target in the training part; 0 where left out.
        scale: standard deviation of each target in the training part, above 0; 1 where left out.
        loss: `squared` aims at the mean; `absolute` and `huber` heed targets that lie far out less.

    Raises:
        InputError: no target, or a mean or scale that does not fit.

    Differs:
        The loss is that of standardised values, so that one learning rate suits targets of any unit; metrics and
        answers are in the units of the data.

    Example:
        >>> task = Regression(["price"], mean=[100.0], scale=[10.0])
        >>> task.answer(torch.tensor([[2.0]]))
        [{'price': 120.0}]
    """

    name = "regression"
    metric = "r2"
    metric_mode: Literal["max", "min"] = "max"

    def __init__(
        self,
        targets: Sequence[str],
        *,
        mean: Sequence[float] | Array | None = None,
        scale: Sequence[float] | Array | None = None,
        loss: Literal["squared", "absolute", "huber"] = "squared",
    ) -> None:
        self.targets = tuple(targets)
        if not self.targets:
            raise InputError("regression needs at least one target, but none was named")
        if loss not in ERRORS:
            raise InputError(f"no loss of a regression is named {loss!r}; allowed: {', '.join(ERRORS)}")
        self.error = ERRORS[loss]
        self._statistics = torch.stack([self._one_a_target("mean", mean, 0.0), self._one_a_target("scale", scale, 1.0)])
        if not (self._statistics[1] > 0).all():
            raise InputError(f"scale must be above 0 for each target, but {self._statistics[1].tolist()} was given")
        self._cast = self._statistics.unbind()

    def _one_a_target(self, name: str, given: Sequence[float] | Array | None, otherwise: float) -> Tensor:
        width = len(self.targets)
        values = np.full(width, otherwise) if given is None else np.asarray(given, dtype=np.float64)
        if values.shape != (width,) or not np.isfinite(values).all():
            raise InputError(
                f"{name} needs one finite number for each of the {width} targets, but {values.tolist()} was given"
            )
        return torch.tensor(values)

    def step(self, model: nn.Module, batch: BatchLike, carry: Carry) -> tuple[Tensor, Carry]:
        """The loss of one batch.

        Raises:
            InputError: outputs or targets of the wrong shape.
        """
        found = model(batch.inputs)
        if not isinstance(found, WithAuxiliaries):
            found = WithAuxiliaries(found, (), 0.0)
        outputs, wanted = self.standardized(found.logits, batch.targets)
        loss = self.error(outputs, wanted)
        for extra in found.auxiliary:
            loss = loss + found.weight * self.error(*self.standardized(extra, batch.targets))
        return loss, carry

    def standardized(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs and standardised targets, both `[N, D]`.

        Raises:
            InputError: shapes that do not fit the task.
        """
        outputs, targets = self.columns(at_least_single(outputs)), self.columns(targets)
        if len(outputs) != len(targets):
            raise InputError(
                f"the network's outputs are {list(outputs.shape)}, but the targets are {list(targets.shape)}"
            )
        mean, scale = self._cast
        if mean.device != outputs.device or mean.dtype != outputs.dtype:
            mean, scale = self._cast = self._statistics.to(outputs).unbind()
        return outputs, (targets - mean) / scale

    def columns(self, values: Tensor) -> Tensor:
        """Outputs or targets as `[N, D]`.

        Raises:
            InputError: they are neither that nor, for one target, `[N]`.
        """
        width = len(self.targets)
        if values.ndim == 2 and values.shape[1] == width:
            return values
        if values.ndim == 1 and width == 1:
            return values[:, None]
        wanted = f"[N, {width}]" + (" or [N]" if width == 1 else "")
        raise InputError(
            f"regression of {width} {'target' if width == 1 else 'targets'} needs outputs and targets {wanted}, "
            f"but {list(values.shape)} was given; build the network with num_classes={width}"
        )

    def in_units(self, outputs: Tensor) -> Tensor:
        """Standardised outputs `[N, D]` in the units of the data, float64 on the processor."""
        mean, scale = self._statistics.unbind()
        return outputs.double().cpu() * scale + mean

    def scorer(self) -> RegressionScorer:
        """A fresh scorer."""
        return RegressionScorer(self)

    def answer(self, outputs: Tensor) -> list[dict[str, Any]]:
        """The values of each sample by name, in the units of the data.

        Raises:
            InputError: outputs of the wrong shape.
        """
        rows = self.in_units(self.columns(outputs.detach())).tolist()
        return [dict(zip(self.targets, row, strict=True)) for row in rows]


class RegressionScorer:
    """Loss, R², root of the mean squared error and mean absolute error, each the plain mean over the targets.

    Args:
        task: whose loss and units these are.
    """

    def __init__(self, task: Regression) -> None:
        self.task = task
        self._found = Gathering()

    def update(self, model: nn.Module, batch: BatchLike) -> None:
        """Run the model on one batch and add its results.

        Raises:
            InputError: outputs or targets that do not fit the task.
        """
        with torch.no_grad():
            outputs, wanted = self.task.standardized(model(batch.inputs), batch.targets)
            self._found.add(
                batch.indices,
                losses=self.task.error(outputs, wanted, reduction="none").mean(dim=1),
                predicted=self.task.in_units(outputs),
                truth=self.task.columns(batch.targets),
            )

    def compute(self) -> dict[str, float]:
        """The metrics of all samples so far, in the units of the data; `loss` in standardised units.

        A target that never changes has an R² of 1 where it is met exactly, else 0.

        Raises:
            InputError: there are no samples.
        """
        found = self._found
        truth, predicted = found.column("truth"), found.column("predicted")
        squared = (truth - predicted) ** 2
        spread = ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
        missed = squared.sum(axis=0)
        moving = spread > 0
        r2 = np.where(moving, 1 - missed / np.where(moving, spread, 1.0), np.where(missed > 0, 0.0, 1.0))
        return {
            "loss": float(found.column("losses").mean()),
            "r2": float(r2.mean()),
            "rmse": float(np.sqrt(squared.mean(axis=0)).mean()),
            "mae": float(np.abs(truth - predicted).mean()),
        }

    def details(self) -> Mapping[str, Array]:
        """What a report draws: `indices`, `losses` `[n]`; `predicted`, `truth` `[n, D]` in the units of the data.

        Raises:
            InputError: no batch was scored.
        """
        columns = {name: self._found.column(name) for name in ("losses", "predicted", "truth")}
        return {"indices": self._found.indices, **columns}
