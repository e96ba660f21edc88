"""Transfer learning: what of a network with loaded weights learns, when, and how fast.

Source: Yosinski et al. 2014, "How transferable are features in deep neural networks?"; Howard and Ruder 2018,
"Universal language model fine-tuning for text classification", sections 3.2 (smaller rates for lower layers) and 3.3
(the new layer first, then the others).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

from torch import nn

from neuropil.errors import InputError
from neuropil.nn.frozen import freeze_statistics

__all__ = ["Freezing", "TransferPlan", "classifier_of"]

TransferMethod = Literal["all", "features", "fine_tune"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferPlan:
    """How a network with loaded weights learns.

    Args:
        method: `all` trains everything alike; `features` only the classifier, so that the rest stays as it was loaded
            to the last bit; `fine_tune` first the classifier, then everything, lower stages at smaller rates.
        head_epochs: of `fine_tune`: epochs in which only the classifier learns.
        body_rate: of `fine_tune`: the learning rate of the last stage as a share of the classifier's, which begins from
            nothing, while the stages begin from something good.
        lower_rate: of `fine_tune`: the learning rate of each other stage as a share of the one above it.
        statistics: `frozen` keeps the running means and variances of batch normalization and uses them in training,
            `learned` goes by the mini-batches; left out: `frozen` for `features` and `fine_tune`.

    Raises:
        InputError: a number outside its range, or one that the method does not use.
    """

    method: TransferMethod = "all"
    head_epochs: int | None = None
    body_rate: float | None = None
    lower_rate: float | None = None
    statistics: Literal["frozen", "learned"] | None = None

    def __post_init__(self) -> None:
        rates = {"body_rate": self.body_rate, "lower_rate": self.lower_rate}
        for name, value in {"head_epochs": self.head_epochs, **rates}.items():
            if value is not None and self.method != "fine_tune":
                raise InputError(f"transfer.{name} is for transfer.method=fine_tune, but that is {self.method!r}")
        if self.head_epochs is not None and self.head_epochs < 0:
            raise InputError(f"transfer.head_epochs must be at least 0, but {self.head_epochs} was given")
        for name, value in rates.items():
            if value is not None and not 0 < value <= 1:
                raise InputError(f"transfer.{name} must be above 0 and at most 1, but {value} was given")

    @property
    def keeps_statistics(self) -> bool:
        """Whether batch normalization goes by what was loaded."""
        return (self.statistics or ("learned" if self.method == "all" else "frozen")) == "frozen"


HEAD_EPOCHS, BODY_RATE, LOWER_RATE = 3, 0.01, 0.7
"""What `fine_tune` takes where the plan leaves it open."""


class Freezing:
    """A plan carried out on one network.

    Making it freezes the statistics and, for `features`, all weights below the classifier.

    Args:
        model: with its weights loaded and its new classifier in place.
        plan: what learns.

    Raises:
        InputError: a network without a classifier that can be told from the rest.
    """

    def __init__(self, model: nn.Module, plan: TransferPlan) -> None:
        self.plan = plan
        if plan.keeps_statistics:
            freeze_statistics(model)
        head = classifier_of(model) if plan.method != "all" else set[str]()
        if plan.method != "all" and not head:
            raise InputError(f"{type(model).__name__} has no classifier to train; use transfer=all")
        self.below = [parameter for name, parameter in model.named_parameters() if head and name not in head]
        self.start_epoch(0 if plan.method == "features" else self.head_epochs)

    @property
    def head_epochs(self) -> int:
        """Epochs in which only the classifier learns."""
        return HEAD_EPOCHS if self.plan.head_epochs is None else self.plan.head_epochs

    def start_epoch(self, epoch: int) -> None:
        """Set what learns in this epoch, counted from 0."""
        learns = self.plan.method == "fine_tune" and epoch >= self.head_epochs
        for parameter in self.below:
            parameter.requires_grad_(learns)

    def shares(self, model: nn.Module) -> Mapping[str, float]:
        """What share of the learning rate each parameter has, where it is less than 1."""
        if self.plan.method != "fine_tune":
            return {}
        first = BODY_RATE if self.plan.body_rate is None else self.plan.body_rate
        each = LOWER_RATE if self.plan.lower_rate is None else self.plan.lower_rate
        head, levels = classifier_of(model), _levels(model)
        top = max(levels.values(), default=0)
        names = [name for name, _ in model.named_parameters() if name not in head]
        return {name: first * each ** (top - levels[name]) for name in names}


def classifier_of(model: nn.Module) -> set[str]:
    """The names of the parameters that `reset_classifier` exchanges.

    Of a network that stands on a backbone, all but the backbone's: no public weights hold what is above it.

    Example:
        >>> class Net(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.body, self.fc = nn.Linear(4, 3), nn.Linear(3, 2)
        ...     def reset_classifier(self, num_classes):
        ...         self.fc = nn.Identity()
        >>> sorted(classifier_of(Net()))
        ['fc.bias', 'fc.weight']
    """
    if not hasattr(model, "reset_classifier"):
        return set()
    if isinstance(getattr(model, "backbone", None), nn.Module):
        return {name for name, _ in model.named_parameters() if not name.startswith("backbone.")}
    tensors = (*model.parameters(), *model.buffers())
    body = deepcopy(model, {id(tensor): tensor for tensor in tensors})  # shares the tensors, which stay as they are
    body.reset_classifier(0)  # type: ignore[operator]
    return {name for name, _ in model.named_parameters()} - {name for name, _ in body.named_parameters()}


def _levels(model: nn.Module) -> dict[str, int]:
    """The stage of each parameter, from 0; what stands outside counts to the last stage before it, or to the lowest."""
    stages = enumerate(getattr(model, "stages", ()))
    inside = {id(one): number for number, stage in stages for one in stage.parameters()}
    level, found = 0, dict[str, int]()
    for name, parameter in model.named_parameters():
        level = found[name] = inside.get(id(parameter), level)
    return found
