"""Classification: cross-entropy, accuracy and its relatives, and an answer by class name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.nn.contracts import BatchLike, Carry

__all__ = ["Classification", "ClassificationScorer"]

Array = np.ndarray[Any, Any]

TOP = 5


class Classification:
    """One class out of K.

    The loss is the mean cross-entropy of the softmax (chapter, row E_t: -sum y' log y); targets are class numbers or,
    where samples were mixed, class probabilities.

    Args:
        classes: names in the order of the outputs.
        label_smoothing: share of each target's probability spread over all classes (Szegedy 2016, section 7).
        class_weights: one weight a class in the loss.

    Raises:
        InputError: fewer than two classes, a smoothing outside [0, 1), or as many weights as not classes.
    """

    name = "classification"
    metric = "accuracy"
    metric_mode: Literal["max", "min"] = "max"

    def __init__(
        self,
        classes: Sequence[str],
        *,
        label_smoothing: float = 0.0,
        class_weights: tuple[float, ...] | None = None,
    ) -> None:
        if len(classes) < 2:
            raise InputError(f"classification needs at least two classes, but the data have {list(classes)}")
        if not 0 <= label_smoothing < 1:
            raise InputError(f"label_smoothing must lie from 0 to below 1, but {label_smoothing} was given")
        if class_weights is not None and len(class_weights) != len(classes):
            raise InputError(f"{len(class_weights)} class weights were given for {len(classes)} classes; give one each")
        self.classes = tuple(classes)
        self.label_smoothing = label_smoothing
        self.weights = None if class_weights is None else torch.tensor(class_weights)
        self._checked = False

    def step(self, model: nn.Module, batch: BatchLike, carry: Carry) -> tuple[Tensor, Carry]:
        """Mean cross-entropy of one batch.

        Raises:
            InputError: the network's output does not fit the classes (looked at on the first batch).
        """
        outputs = model(batch.inputs)
        if not self._checked:
            self._check(outputs, batch.targets)
        weights = None if self.weights is None else self.weights.to(outputs.device)
        return F.cross_entropy(outputs, batch.targets, weights, label_smoothing=self.label_smoothing), carry

    def scorer(self) -> ClassificationScorer:
        """A fresh scorer."""
        return ClassificationScorer(self.classes)

    def answer(self, outputs: Tensor) -> list[dict[str, Any]]:
        """For each sample the class, its probability, and the most probable classes in order.

        Shape: outputs `[N, K]`.
        """
        probabilities = outputs.float().softmax(1)
        values, places = probabilities.topk(min(TOP, len(self.classes)), dim=1)
        answers = []
        for row, numbers in zip(values.tolist(), places.tolist(), strict=True):
            top = [[self.classes[number], probability] for number, probability in zip(numbers, row, strict=True)]
            answers.append({"class": top[0][0], "probability": top[0][1], "top": top})
        return answers

    def _check(self, outputs: Tensor, targets: Tensor) -> None:
        if outputs.dim() != 2 or outputs.shape[1] != len(self.classes):
            raise InputError(
                f"the network gives {list(outputs.shape)} for {len(self.classes)} classes; it must give "
                f"[N, {len(self.classes)}]: set model.num_classes={len(self.classes)}"
            )
        if targets.dim() == 1 and not 0 <= int(targets.min()) <= int(targets.max()) < len(self.classes):
            raise InputError(
                f"labels run from {int(targets.min())} to {int(targets.max())}, but there are {len(self.classes)} "
                f"classes, numbered from 0 to {len(self.classes) - 1}"
            )
        self._checked = True


class ClassificationScorer:
    """Gathers outputs of an evaluation; see `nn.contracts.Scorer`."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._outputs: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._indices: list[Array] = []

    def update(self, model: nn.Module, batch: BatchLike) -> None:
        """Run the model on one batch and keep its outputs."""
        outputs = model(batch.inputs).float().cpu()
        targets = batch.targets.cpu()
        if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < len(self.classes):
            raise InputError(
                f"labels run from {int(targets.min())} to {int(targets.max())}, but the classes are numbered from 0 to "
                f"{len(self.classes) - 1}"
            )
        self._outputs.append(outputs)
        self._targets.append(targets)
        self._indices.append(np.asarray(batch.indices))

    def compute(self) -> dict[str, float]:
        """loss, accuracy, balanced_accuracy, macro_f1, top5_accuracy (more than five classes), auc (two classes)."""
        outputs, targets = self._all()
        confusion = self._confusion(outputs.argmax(1), targets).astype(np.float64)
        found, present, right = confusion.sum(0), confusion.sum(1), np.diag(confusion)
        there = present > 0
        scores = {
            "loss": F.cross_entropy(outputs, targets).item(),
            "accuracy": float(right.sum() / confusion.sum()),
            "balanced_accuracy": float((right[there] / present[there]).mean()),
        }
        either = (found + present) > 0
        scores["macro_f1"] = float((2 * right[either] / (found + present)[either]).mean())
        if len(self.classes) > TOP:
            top = outputs.topk(TOP, dim=1).indices
            scores["top5_accuracy"] = float((top == targets[:, None]).any(1).float().mean())
        if len(self.classes) == 2 and there.all():
            scores["auc"] = _area_under_curve(outputs[:, 1] - outputs[:, 0], targets)
        return scores

    def details(self) -> Mapping[str, Array]:
        """indices, losses, predicted, truth, probability (of the predicted class), confusion [truth, predicted]."""
        outputs, targets = self._all()
        probability, predicted = outputs.softmax(1).max(1)
        return {
            "indices": np.concatenate(self._indices),
            "losses": F.cross_entropy(outputs, targets, reduction="none").numpy(),
            "predicted": predicted.numpy(),
            "truth": targets.numpy(),
            "probability": probability.numpy(),
            "confusion": self._confusion(predicted, targets),
        }

    def _all(self) -> tuple[Tensor, Tensor]:
        if not self._outputs:
            raise InputError("there is nothing to score: the evaluation set is empty")
        return torch.cat(self._outputs), torch.cat(self._targets)

    def _confusion(self, predicted: Tensor, truth: Tensor) -> Array:
        count = len(self.classes)
        counts: Array = torch.bincount(truth * count + predicted, minlength=count * count).reshape(count, count).numpy()
        return counts


def _area_under_curve(scores: Tensor, truth: Tensor) -> float:
    """Chance that a sample of class 1 scores above one of class 0, ties counted half (Mann & Whitney 1947)."""
    values, inverse, counts = scores.double().unique(return_inverse=True, return_counts=True)
    ranks = counts.cumsum(0) - (counts - 1) / 2
    positive = truth == 1
    ones, zeros = int(positive.sum()), int((~positive).sum())
    total = ranks[inverse][positive].sum().item()
    return float((total - ones * (ones + 1) / 2) / (ones * zeros)) if len(values) else 0.5
