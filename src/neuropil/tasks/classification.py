"""Classification: one of K classes a sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.contracts import BatchLike, Carry, WithAuxiliaries
from neuropil.tasks.class_metrics import balanced_accuracy, confusion_matrix, macro_f1, roc_auc
from neuropil.tasks.gathering import Gathering, at_least_single

__all__ = ["Classification", "ClassificationScorer"]

Array = np.ndarray[Any, Any]

NOTHING_IGNORED = torch.iinfo(torch.int64).min
"""torch leaves samples of class -100 out of the loss in silence; here a number outside 0..K-1 is always refused."""

TOP = 5


class Classification:
    """Cross-entropy between the softmax of the logits and the true class.

    Source:
        Chapter, E_t of classification (its index y'_{yi} is a slip for y'_i). Label smoothing: Szegedy et al. 2016,
        section 7.

    Formula:
        E = -Σ_i y'_i log softmax(z)_i, the mean over the samples of a batch; y' is 1 at the true class, or
        (1 - s) onehot + s/K with smoothing s, or the class probabilities that mixup made.

    Shape:
        outputs `[N, K]` logits; targets `[N]` int64 class numbers or `[N, K]` probabilities.

    Args:
        classes: names in the order of their numbers.
        label_smoothing: share of each target that is spread over all classes, 0 up to 1 (excluded).
        class_weights: one weight a class, high for rare classes that shall count more; the loss of class numbers is
            then the weighted mean, as in torch. `balanced` gives class k the weight n / (K n_k), as in scikit-learn.
        class_counts: training samples of each class, n_k, for `balanced`; a recipe counts them.

    Raises:
        InputError: fewer than two classes, a name twice, a number outside its range, or `balanced` with a class that
            has no sample.

    Differs:
        torch: a class number of -100 is refused like any other outside 0..K-1, not left out in silence.

    Example:
        >>> task = Classification(["cat", "dog"])
        >>> task.answer(torch.tensor([[0.0, 2.0]]))[0]["class"]
        'dog'
    """

    name = "classification"
    metric = "accuracy"
    metric_mode: Literal["max", "min"] = "max"

    def __init__(
        self,
        classes: Sequence[str],
        *,
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | Literal["balanced"] | None = None,
        class_counts: Sequence[int] = (),
    ) -> None:
        self.classes = tuple(classes)
        self.label_smoothing = label_smoothing
        if len(self.classes) < 2:
            raise InputError(f"classification needs at least two classes, but {list(classes)} was given")
        twice = sorted({one for one in self.classes if self.classes.count(one) > 1})
        if twice:
            raise InputError(f"class names must differ, but {twice[0]!r} stands there twice")
        if not 0 <= label_smoothing < 1:
            raise InputError(f"label_smoothing must be at least 0 and below 1, but {label_smoothing} was given")
        if class_weights == "balanced":
            class_weights = self._balanced_weights(class_counts)
        self._weights = None if class_weights is None else self._checked_weights(class_weights)
        self._checked = False

    def _balanced_weights(self, counts: Sequence[int]) -> list[float]:
        if len(counts) != len(self.classes) or min(counts) < 1:
            raise InputError(
                f"class_weights='balanced' needs training samples of each of the {len(self.classes)} classes, "
                f"but their numbers are {list(counts)}; give the weights as a list"
            )
        return [sum(counts) / (len(counts) * count) for count in counts]

    def _checked_weights(self, weights: Sequence[float] | str) -> Tensor:
        if isinstance(weights, str):
            raise InputError(f"class_weights can be 'balanced' or a list of numbers, but {weights!r} was given")
        if len(weights) != len(self.classes):
            raise InputError(
                f"class_weights needs one number for each of the {len(self.classes)} classes, "
                f"but {len(weights)} were given"
            )
        if not all(math.isfinite(one) and one > 0 for one in weights):
            raise InputError(f"class_weights must all be finite and above 0, but {list(weights)} was given")
        return torch.tensor(weights, dtype=torch.float64)

    def step(self, model: nn.Module, batch: BatchLike, carry: Carry) -> tuple[Tensor, Carry]:
        """The loss of one batch.

        Raises:
            InputError: outputs or targets of the wrong shape (looked at in the first batch only), or a class number
                outside 0..K-1.
        """
        found, targets = model(batch.inputs), batch.targets
        if not isinstance(found, WithAuxiliaries):
            found = WithAuxiliaries(found, (), 0.0)
        outputs = at_least_single(found.logits)
        if not self._checked:
            self.check(outputs, targets)
            self._checked = True
        loss = self.loss(outputs, targets)
        for extra in found.auxiliary:
            loss = loss + found.weight * self.loss(at_least_single(extra), targets)
        return loss, carry

    def loss(self, outputs: Tensor, targets: Tensor, reduction: Literal["mean", "none"] = "mean") -> Tensor:
        """Cross-entropy of logits `[N, K]`: the (weighted) mean, or `[N]` of them.

        Raises:
            InputError: what torch cannot compute, in words.
        """
        weights = None if self._weights is None else self._weights.to(outputs)
        try:
            return F.cross_entropy(
                outputs,
                targets,
                weights,
                reduction=reduction,
                label_smoothing=self.label_smoothing,
                ignore_index=NOTHING_IGNORED,
            )
        except (IndexError, RuntimeError, ValueError):
            self.check(outputs, targets)
            raise

    def check(self, outputs: Tensor, targets: Tensor) -> None:
        """Hold the shapes against the classes, and the class numbers against their range.

        Raises:
            InputError: they do not fit.
        """
        self.check_outputs(outputs)
        num_classes, soft = len(self.classes), targets.is_floating_point()
        if targets.shape != (outputs.shape if soft else outputs.shape[:1]):
            raise InputError(
                f"the targets are {list(targets.shape)} of {_type(targets)}, but outputs {list(outputs.shape)} need "
                f"class numbers [{len(outputs)}] or probabilities {list(outputs.shape)}"
            )
        if targets.dtype is not torch.int64 and not soft:
            raise InputError(f"class numbers must be int64, but {_type(targets)} was given; use targets.long()")
        if not soft and len(targets):
            least, most = (int(one) for one in targets.aminmax())
            if least < 0 or most >= num_classes:
                raise InputError(
                    f"class number {least if least < 0 else most} is outside 0 to {num_classes - 1}; "
                    f"number the {num_classes} classes from 0, or name more classes"
                )

    def check_outputs(self, outputs: Tensor) -> None:
        """Hold the shape of the network's outputs against the classes.

        Raises:
            InputError: they are not `[N, K]`.
        """
        num_classes = len(self.classes)
        if outputs.ndim != 2 or outputs.shape[1] != num_classes:
            raise InputError(
                f"the network's outputs are {list(outputs.shape)}, but classification into {num_classes} classes needs "
                f"[N, {num_classes}]; build the network with num_classes={num_classes}"
            )

    def target_weights(self, targets: Tensor) -> Tensor:
        """What each sample counts in the mean loss, `[N]`: its class's weight, or 1."""
        if self._weights is None or targets.ndim == 2:
            return torch.ones(len(targets), dtype=torch.float64)
        return self._weights[targets.cpu()]

    def scorer(self) -> ClassificationScorer:
        """A fresh scorer."""
        return ClassificationScorer(self)

    def answer(self, outputs: Tensor) -> list[dict[str, Any]]:
        """The likeliest class of each sample, its probability, and the five likeliest with theirs.

        Raises:
            InputError: outputs that are not `[N, K]`.
        """
        self.check_outputs(outputs)
        likeliest = at_least_single(outputs.detach()).softmax(dim=1).topk(min(TOP, len(self.classes)), dim=1)
        answers = []
        for probabilities, numbers in zip(likeliest.values.tolist(), likeliest.indices.tolist(), strict=True):
            top = [[self.classes[number], one] for number, one in zip(numbers, probabilities, strict=True)]
            answers.append({"class": top[0][0], "probability": top[0][1], "top": top})
        return answers


def _type(targets: Tensor) -> str:
    return str(targets.dtype).removeprefix("torch.")


class ClassificationScorer:
    """Loss, accuracy, balanced accuracy and macro F1; AUC of two classes; top-5 accuracy of more than five.

    Args:
        task: whose loss and classes these are. The loss is the one that is trained, smoothing and weights included.
    """

    def __init__(self, task: Classification) -> None:
        self.task = task
        self._found = Gathering()

    def update(self, model: nn.Module, batch: BatchLike) -> None:
        """Run the model on one batch and add its results.

        Raises:
            InputError: outputs or targets that do not fit the task.
        """
        with torch.no_grad():
            outputs, targets = at_least_single(model(batch.inputs)), batch.targets
            self.task.check(outputs, targets)
            probability, predicted = outputs.softmax(dim=1).max(dim=1)
            truth = targets if targets.ndim == 1 else targets.argmax(dim=1)
            columns = {
                "losses": self.task.loss(outputs, targets, reduction="none"),
                "weights": self.task.target_weights(targets),
                "predicted": predicted,
                "truth": truth,
                "probability": probability,
            }
            if len(self.task.classes) == 2:
                columns["margin"] = outputs[:, 1] - outputs[:, 0]
            elif len(self.task.classes) > TOP:
                columns["in_top"] = (outputs.topk(TOP, dim=1).indices == truth[:, None]).any(dim=1)
            self._found.add(batch.indices, **columns)

    def compute(self) -> dict[str, float]:
        """The metrics of all samples so far; `auc` is left out where one of the two classes never came.

        Raises:
            InputError: there are no samples.
        """
        found = self._found
        truth, predicted = found.column("truth"), found.column("predicted")
        confusion = confusion_matrix(truth, predicted, len(self.task.classes))
        metrics = {
            "loss": float(found.column("losses").sum() / found.column("weights").sum()),
            "accuracy": float((truth == predicted).mean()),
            "balanced_accuracy": balanced_accuracy(confusion),
            "macro_f1": macro_f1(confusion),
        }
        if len(self.task.classes) == 2:
            area = roc_auc(truth, found.column("margin"))
            if area is not None:
                metrics["auc"] = area
        elif len(self.task.classes) > TOP:
            metrics["top5_accuracy"] = float(found.column("in_top").mean())
        return metrics

    def details(self) -> Mapping[str, Array]:
        """What a report draws.

        Per sample `indices`, `losses`, `predicted`, `truth`, `probability` (of the predicted class); `confusion`
        `[K, K]` with a row for each true class.

        Raises:
            InputError: no batch was scored.
        """
        found = self._found
        columns = {name: found.column(name) for name in ("losses", "predicted", "truth", "probability")}
        confusion = confusion_matrix(columns["truth"], columns["predicted"], len(self.task.classes))
        return {"indices": found.indices, **columns, "confusion": confusion}
