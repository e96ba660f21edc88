"""BERT's pretraining: to tell hidden tokens, and whether one text follows the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.contracts import BatchLike, Carry
from neuropil.nn.vocabulary_loss import linear_cross_entropy
from neuropil.tasks.gathering import Gathering, at_least_single
from neuropil.tasks.text import checked_vocabulary, silent, text_of
from neuropil.tasks.token_loss import IGNORED, weighted_mean
from neuropil.tasks.vocabulary_scores import check_matrix, token_scores

__all__ = ["Pretraining", "PretrainingScorer", "Told"]

Array = np.ndarray[Any, Any]

TOP = 5

MASK = "[MASK]"


class Tells(Protocol):
    """What a network offers that tells hidden tokens."""

    def __call__(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """What each token means `[N, T, D]`, and logits `[N, 2]`: the second text follows, or does not."""
        ...

    def transformed(self, hidden: Tensor) -> Tensor:
        """What the output matrix makes logits of."""
        ...

    def output_matrix(self) -> tuple[Tensor, Tensor | None]:
        """Weights `[V, D]` and biases `[V]`."""
        ...


class Told(NamedTuple):
    """What a network tells of one text.

    Args:
        ids: its tokens.
        top: of each hidden token the likeliest ids with their probabilities.
        follows: the probability that the second text follows the first; `None` where there is one text.
    """

    ids: list[int]
    top: list[list[tuple[int, float]]]
    follows: float | None


class Pretraining:
    """Cross-entropy of the hidden tokens, and of whether the second segment follows the first.

    Source:
        Devlin et al. 2019, "BERT", section 3.1 and appendix A.2.

    Formula:
        E = mean over hidden tokens of `-log softmax(z)` at what they were, plus the mean over samples of the same of
        two classes, over those that have a second segment.

    Shape:
        the network: ids and segments `[N, T, 2]` -> what tokens mean `[N, T, D]`, and logits `[N, 2]`; targets int64
        `[N, 1 + T]`: 0 where the second segment follows, 1 where it does not, -100 where there is none, then the ids of
        hidden tokens, -100 where none is hidden.

    Args:
        vocabulary: the tokens in the order of their ids.

    Raises:
        InputError: no `[MASK]` among them.

    Example:
        >>> task = Pretraining(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat"])
        >>> task.answer([Told([2, 4, 3], [[(5, 0.9)]], None)])[0]["text"]
        'cat'
    """

    name = "pretraining"
    metric = "loss"
    metric_mode: Literal["max", "min"] = "min"

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = checked_vocabulary(vocabulary)
        if MASK not in self.vocabulary:
            raise InputError("the vocabulary holds no [MASK], which stands for hidden tokens; give one of BERT's kind")
        self._mask = self.vocabulary.index(MASK)
        self._checked = False

    def step(self, model: nn.Module, batch: BatchLike, carry: Carry) -> tuple[Tensor, Carry]:
        """The loss of one batch.

        Raises:
            InputError: outputs or targets of the wrong shape (looked at in the first batch only).
        """
        if not callable(getattr(model, "output_matrix", None)):
            raise InputError(f"{type(model).__name__} tells no hidden tokens; use model=bert")
        hidden, follows = model(batch.inputs)
        network = cast(Tells, model)
        weight, bias = network.output_matrix()
        labels, targets = batch.targets[:, 0], batch.targets[:, 1:]
        if not self._checked:
            self.check(hidden, follows, batch.targets, weight)
            self._checked = True
        places = targets != IGNORED
        of_tokens = linear_cross_entropy(network.transformed(hidden[places]), weight, bias, targets[places])
        of_pairs = F.cross_entropy(at_least_single(follows), labels, ignore_index=IGNORED, reduction="sum")
        return of_tokens + of_pairs / (labels != IGNORED).sum().clamp(min=1), carry

    def check(self, hidden: Tensor, follows: Tensor, targets: Tensor, weight: Tensor) -> None:
        """Hold the shapes against one another and the vocabulary.

        Raises:
            InputError: they do not fit.
        """
        check_matrix(weight, len(self.vocabulary))
        if targets.ndim != 2 or hidden.shape[:2] != (len(targets), targets.shape[1] - 1) or follows.shape[1:] != (2,):
            raise InputError(
                f"the network gives {list(hidden.shape)} and {list(follows.shape)} for targets {list(targets.shape)}, "
                "but "
                "[N, T, D] and [N, 2] are needed for targets [N, 1 + T]; use model=bert and source=pretraining_text"
            )

    def scorer(self) -> PretrainingScorer:
        """A fresh scorer."""
        return PretrainingScorer(self)

    def tell(self, model: nn.Module, inputs: Tensor) -> list[Told]:
        """What a network tells of some texts: their hidden tokens, and whether the second follows the first.

        Args:
            model: in evaluation mode.
            inputs: ids and segments, int64 `[N, T, 2]`.
        """
        network = cast(Tells, model)
        with torch.no_grad():
            hidden, follows = network(inputs)
            places = inputs[..., 0] == self._mask
            weight, bias = network.output_matrix()
            logits = F.linear(network.transformed(hidden[places]), weight, bias)
            likeliest = self._likeliest(at_least_single(logits))
            chances = at_least_single(follows).softmax(1)[:, 0].tolist()
        top = [list(zip(ids, sure, strict=True)) for ids, sure in likeliest]
        counts = places.sum(1).cumsum(0).tolist()
        found = []
        for row, (begin, end) in enumerate(zip([0, *counts], counts, strict=False)):
            ids = inputs[row, :, 0]
            pair = bool(inputs[row, :, 1].any())
            found.append(Told(ids[ids != 0].tolist(), top[begin:end], chances[row] if pair else None))
        return found

    def _likeliest(self, logits: Tensor) -> list[tuple[list[int], list[float]]]:
        """The five likeliest ids of each row that stand for text, and their probabilities."""
        chances = logits.softmax(1)
        chances[:, list(silent(self.vocabulary, ends=True))] = -1.0
        found = chances.topk(min(TOP, logits.shape[1]), 1)
        return list(zip(found.indices.tolist(), found.values.tolist(), strict=True))

    def answer(self, outputs: Sequence[Told]) -> list[dict[str, Any]]:
        """The text with its hidden tokens filled in, the five likeliest of each, and whether the second text follows.

        Args:
            outputs: what `tell` gave.
        """
        return [self._answer(one) for one in outputs]

    def _answer(self, told: Told) -> dict[str, Any]:
        best = iter(told.top)
        filled = [next(best)[0][0] if one == self._mask else one for one in told.ids]
        without = set(silent(self.vocabulary, ends=True))
        hidden = [[[self.vocabulary[number], chance] for number, chance in one if chance >= 0] for one in told.top]
        found: dict[str, Any] = {
            "text": text_of([self.vocabulary[one] for one in filled if one not in without], "wordpiece"),
            "likeliest": "; ".join(", ".join(f"{token} {chance:.2f}" for token, chance in one) for one in hidden),
            "hidden": hidden,
        }
        if told.follows is not None:
            found["follows"] = told.follows
        return found


class PretrainingScorer:
    """Both losses summed, perplexity and accuracy of hidden tokens, accuracy of what follows.

    Args:
        task: whose vocabulary these are.
    """

    def __init__(self, task: Pretraining) -> None:
        self.task = task
        self._found = Gathering()

    def update(self, model: nn.Module, batch: BatchLike) -> None:
        """Run the model on one batch and add its results.

        Raises:
            InputError: outputs or targets that do not fit the task.
        """
        with torch.no_grad():
            hidden, follows = model(batch.inputs)
            network = cast(Tells, model)
            weight, bias = network.output_matrix()
            self.task.check(hidden, follows, batch.targets, weight)
            labels, targets = batch.targets[:, 0], batch.targets[:, 1:]
            places = targets != IGNORED
            each, hits = token_scores(network.transformed(hidden[places]), weight, bias, targets[places])
            counts = places.sum(1)
            rows = torch.arange(len(targets), device=targets.device).repeat_interleave(counts)
            losses = each.new_zeros(len(targets)).index_add_(0, rows, each) / counts.clamp(min=1)
            right = counts.new_zeros(len(targets)).index_add_(0, rows, hits.long())
            follows = at_least_single(follows)
        self._found.add(
            batch.indices,
            losses=losses,
            counts=counts,
            right=right,
            next_losses=F.cross_entropy(follows, labels, ignore_index=IGNORED, reduction="none"),
            next_right=follows.argmax(1) == labels,
            paired=labels != IGNORED,
        )

    def compute(self) -> dict[str, float]:
        """The metrics of all samples so far; `nsp_accuracy` where there are second segments.

        Raises:
            InputError: there are no samples.
        """
        found = self._found
        hidden, pairs = weighted_mean(found), int(found.column("paired").sum())
        following = float(found.column("next_losses").sum()) / max(1, pairs)
        metrics = {
            "loss": hidden + following,
            "mlm_loss": hidden,
            "perplexity": math.exp(hidden) if hidden < 700 else math.inf,
            "mlm_accuracy": float(found.column("right").sum() / max(1, found.column("counts").sum())),
        }
        return metrics | ({"nsp_accuracy": float(found.column("next_right").sum()) / pairs} if pairs else {})

    def details(self) -> Mapping[str, Array]:
        """What a report draws: per sample `indices`, `losses` (the mean over its hidden tokens) and their `counts`.

        Raises:
            InputError: no batch was scored.
        """
        columns = {name: self._found.column(name) for name in ("losses", "counts")}
        return {"indices": self._found.indices, **columns}
