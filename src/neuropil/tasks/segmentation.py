"""Segmentation: which class each picture element is of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.contracts import BatchLike, Carry
from neuropil.nn.tiling import outline
from neuropil.tasks.gathering import Gathering, at_least_single

__all__ = ["IGNORED", "Segmentation", "SegmentationScorer"]

Array = np.ndarray[Any, Any]

IGNORED = 255
"""In a mask: the class is not known, or there is no picture; left out of loss and metrics."""

MOST_MASKS = 8
"""Predicted masks that a scorer keeps for the report: those with the greatest loss."""


class Segmentation:
    """Cross-entropy of every picture element, and the overlap of the classes' areas if that is asked for.

    Source:
        Chapter, "U-Net"; Ronneberger et al. 2015, section 3, equation 1 (a pixel-wise softmax with cross-entropy, whose
        weights balance the classes). Dice loss: Milletari, Navab and Ahmadi 2016, "V-Net", section 3.

    Formula:
        E = mean over elements of `-w_k log softmax(z)_k` at the true class k, and with a share d of Dice:
        `(1 - d) E + d (1 - mean_k 2 sum p_k y_k / (sum p_k^2 + sum y_k^2))`. With border weights w_k becomes
        `w_k + w_0 exp(-(d_1 + d_2)^2 / (2 sigma^2))` (equation 2 there), the exponential from the data.

    Shape:
        outputs `[N, K, H, W]` (pictures are mirrored at their borders until the network's sizes fit); targets uint8
        `[N, H, W]`, 255 where nothing is known, or `[N, 2, H, W]` with the nearness to borders, 0 to 255, behind.

    Args:
        classes: names in the order of their numbers, the background included.
        class_weights: one weight a class; `balanced` gives class k the weight n / (K n_k).
        class_counts: picture elements of each class in the training part, for `balanced`; a recipe counts them.
        dice: share of the Dice loss, 0 to 1.
        border_weight: w_0, where the data say how near borders are (`data.borders`); 10 in the paper.

    Raises:
        InputError: fewer than two classes, a name twice, a number outside its range, or `balanced` with a class that
            has no element.

    Example:
        >>> task = Segmentation(["background", "cell"])
        >>> task.answer(torch.tensor([[[[0.0, 0.0]], [[1.0, -1.0]]]]))[0]["shares"]
        {'background': 0.5, 'cell': 0.5}
    """

    name = "segmentation"
    metric = "iou"
    metric_mode: Literal["max", "min"] = "max"

    def __init__(
        self,
        classes: Sequence[str],
        *,
        class_weights: Sequence[float] | Literal["balanced"] | None = None,
        class_counts: Sequence[int] = (),
        dice: float = 0.0,
        border_weight: float = 10.0,
    ) -> None:
        self.classes, self.dice, self.border_weight = tuple(classes), dice, border_weight
        if not 0 <= border_weight < math.inf:
            raise InputError(f"border_weight must be finite and at least 0, but {border_weight} was given")
        count = len(self.classes)
        if count < 2:
            raise InputError(f"segmentation needs at least two classes, the background too, but {list(classes)} came")
        if len(set(self.classes)) < count:
            twice = next(one for one in self.classes if self.classes.count(one) > 1)
            raise InputError(f"class names must differ, but {twice!r} stands there twice")
        if not 0 <= dice <= 1:
            raise InputError(f"dice is a share of the loss from 0 to 1, but {dice} was given")
        if class_weights == "balanced":
            if len(class_counts) != count or min(class_counts) < 1:
                raise InputError(
                    "class_weights='balanced' needs training elements of each class, but their numbers are "
                    f"{list(class_counts)}; give the weights as a list"
                )
            class_weights = [sum(class_counts) / (count * one) for one in class_counts]
        if class_weights is not None and (
            len(class_weights) != count or not all(math.isfinite(one) and one > 0 for one in class_weights)
        ):
            raise InputError(f"class_weights needs {count} numbers above 0, but {list(class_weights)} was given")
        self._weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float64)

    def step(self, model: nn.Module, batch: BatchLike, carry: Carry) -> tuple[Tensor, Carry]:
        """The loss of one batch.

        Raises:
            InputError: outputs or targets that do not fit the task.
        """
        outputs = at_least_single(outline(model, batch.inputs))
        return self.loss(outputs, batch.targets).mean(), carry

    def check(self, outputs: Tensor, targets: Tensor) -> None:
        """Hold the shapes against the classes.

        Raises:
            InputError: they do not fit.
        """
        count = len(self.classes)
        if outputs.ndim != 4 or outputs.shape[1] != count:
            raise InputError(
                f"the network's outputs are {list(outputs.shape)}, but {count} classes need [N, {count}, H, W]; take a "
                "network that outlines, such as unet"
            )
        if targets.shape != (len(outputs), *outputs.shape[2:]):
            raise InputError(f"the masks are {list(targets.shape)}, but the network's outputs {list(outputs.shape)}")

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each picture, `[N]`.

        Raises:
            InputError: shapes that do not fit, or a class outside 0 to K - 1.
        """
        nearness = targets[:, 1] if targets.ndim == 4 else None
        targets = class_plane(targets)
        self.check(outputs, targets)
        classes = targets.long()
        known = classes != IGNORED
        if bool((known & (classes >= len(self.classes))).any()):
            raise InputError(f"a mask holds a class outside 0 to {len(self.classes) - 1}; name more classes")
        weights = None if self._weights is None else self._weights.to(outputs)
        each = F.cross_entropy(outputs, classes, weights, ignore_index=IGNORED, reduction="none")
        share = known.to(outputs) if weights is None else weights[classes.clamp(max=len(self.classes) - 1)] * known
        if nearness is not None:
            added = self.border_weight / 255 * nearness.to(outputs) * known
            plain = F.cross_entropy(outputs, classes, ignore_index=IGNORED, reduction="none")
            each, share = each + added * plain, share + added
        losses = each.sum((1, 2)) / share.sum((1, 2)).clamp(min=torch.finfo(outputs.dtype).tiny)
        if not self.dice:
            return losses
        return (1 - self.dice) * losses + self.dice * _dice_loss(outputs, classes, known)

    def scorer(self) -> SegmentationScorer:
        """A fresh scorer."""
        return SegmentationScorer(self)

    def answer(self, outputs: Tensor) -> list[dict[str, Any]]:
        """The share of each class in each picture, and the mask: rows of class numbers.

        Raises:
            InputError: outputs of another shape.
        """
        self.check(outputs, outputs[:, 0])
        answers = []
        for mask in outputs.detach().argmax(1).cpu().numpy().astype(np.uint8):
            counts = np.bincount(mask.ravel(), minlength=len(self.classes)) / mask.size
            shares = dict(zip(self.classes, counts.tolist(), strict=True))
            said = ", ".join(f"{share:.0%} {name}" for name, share in shares.items() if share)
            answers.append({"found": said, "shares": shares, "mask": mask})
        return answers


def class_plane(targets: Tensor) -> Tensor:
    """The classes alone, `[N, H, W]`, of masks with or without nearness to borders."""
    return targets[:, 0] if targets.ndim == 4 else targets


def _dice_loss(outputs: Tensor, classes: Tensor, known: Tensor) -> Tensor:
    """One less the mean overlap of the classes, `[N]`; a class that a picture lacks counts where it is predicted."""
    count = outputs.shape[1]
    likely = outputs.softmax(1) * known[:, None]
    true = F.one_hot(classes.clamp(max=count - 1), count).permute(0, 3, 1, 2).to(outputs) * known[:, None]
    both = 2 * (likely * true).sum((2, 3))
    return 1 - ((both + 1) / (likely.square().sum((2, 3)) + true.square().sum((2, 3)) + 1)).mean(1)


class SegmentationScorer:
    """Loss; of every class intersection over union and Dice, over all picture elements; the share of right ones.

    Args:
        task: whose loss and classes these are.
    """

    def __init__(self, task: Segmentation) -> None:
        self.task = task
        self._gathered = Gathering()
        self._worst: list[tuple[float, int, Array]] = []
        self._count = 0
        self._confusion = np.zeros((len(task.classes), len(task.classes)), dtype=np.int64)

    def update(self, model: nn.Module, batch: BatchLike) -> None:
        """Run the model on one batch and add its results.

        Raises:
            InputError: outputs or targets that do not fit the task.
        """
        with torch.no_grad():
            outputs = at_least_single(outline(model, batch.inputs))
            losses = self.task.loss(outputs, batch.targets)
            predicted = outputs.argmax(1).cpu().numpy().astype(np.uint8)
        self._gathered.add(batch.indices, losses=losses)
        truth = class_plane(batch.targets).cpu().numpy()
        known, count = truth != IGNORED, len(self.task.classes)
        pairs = truth[known].astype(np.int64) * count + predicted[known]
        self._confusion += np.bincount(pairs, minlength=count * count).reshape(count, count)
        for loss, mask in zip(losses.tolist(), predicted, strict=True):
            self._worst.append((loss, self._count, mask))
            self._count += 1
        self._worst = sorted(self._worst, key=lambda one: (-one[0], one[1]))[:MOST_MASKS]

    def compute(self) -> dict[str, float]:
        """`loss`, `iou` and `dice` (means over the classes that occur), `pixel_accuracy`, and each class's Dice.

        Raises:
            InputError: no batch was scored.
        """
        losses = self._gathered.column("losses")
        right = np.diag(self._confusion).astype(np.float64)
        there, said = self._confusion.sum(axis=1), self._confusion.sum(axis=0)
        occurs = (there + said) > 0
        iou = right[occurs] / (there + said - right)[occurs]
        dice = 2 * right / np.maximum(there + said, 1)
        return {
            "loss": float(losses.mean()),
            "iou": float(iou.mean()),
            "dice": float(dice[occurs].mean()),
            "pixel_accuracy": float(right.sum() / max(1, self._confusion.sum())),
            **{f"dice_{name}": float(value) for name, value in zip(self.task.classes, dice, strict=True)},
        }

    def details(self) -> Mapping[str, Any]:
        """What a report draws: per sample `indices` and `losses`; `confusion` `[K, K]`; the eight worst `masks`, with
        their places among the samples in `worst`.

        Raises:
            InputError: no batch was scored.
        """
        return {
            "indices": self._gathered.indices,
            "losses": self._gathered.column("losses"),
            "confusion": self._confusion,
            "worst": np.array([place for _, place, _ in self._worst], dtype=np.int64),
            "masks": [mask for _, _, mask in self._worst],
        }
