"""Tagging: the class of every word of a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.contracts import BatchLike, Carry
from neuropil.tasks.class_metrics import confusion_matrix, macro_f1
from neuropil.tasks.gathering import Gathering, at_least_single
from neuropil.tasks.spans import SpanCounts, are_spans
from neuropil.tasks.token_loss import IGNORED, TokenLosses, check_tokens, token_losses, weighted_mean

__all__ = ["Tagging", "TaggingScorer"]

Array = np.ndarray[Any, Any]


class Tagging:
    """Cross-entropy of every word's tag.

    Source:
        Chapter, RNN, mapping (a) and E_t of classification, summed over time; here it is their mean over all words of a
        batch, so that one learning rate suits sentences of any length.

    Formula:
        E = mean over words of `-log softmax(z_t)` at the true tag; what stands behind a sentence's end does not count.

    Shape:
        outputs `[N, T, K]` logits; targets int64 `[N, T]`, -100 where there is no word or no tag is known.

    Args:
        classes: names of the tags in the order of their numbers. Where they are `O`, `B-...` and `I-...`, whole names
            are scored, too, and what is watched is `entity_f1`.
        label_smoothing: share of each target that is spread over all tags, 0 up to 1 (excluded).

    Raises:
        InputError: fewer than two tags, a name twice, or a number outside its range.

    Example:
        >>> task = Tagging(["DET", "NOUN"])
        >>> task.answer(torch.tensor([[[2.0, 0.0], [0.0, 3.0]]]), words=[["the", "cat"]])[0]["text"]
        'the/DET cat/NOUN'
    """

    name = "tagging"
    metric = "accuracy"
    metric_mode: Literal["max", "min"] = "max"

    def __init__(self, classes: Sequence[str], *, label_smoothing: float = 0.0) -> None:
        self.classes, self.label_smoothing = tuple(classes), label_smoothing
        if len(self.classes) < 2:
            raise InputError(f"tagging needs at least two tags, but {list(classes)} was given")
        if len(set(self.classes)) < len(self.classes):
            twice = next(one for one in self.classes if self.classes.count(one) > 1)
            raise InputError(f"the names of tags must differ, but {twice!r} stands there twice")
        if not 0 <= label_smoothing < 1:
            raise InputError(f"label_smoothing must be at least 0 and below 1, but {label_smoothing} was given")
        self.spans = are_spans(self.classes)
        if self.spans:
            self.metric = "entity_f1"
        self._checked = False

    def step(self, model: nn.Module, batch: BatchLike, carry: Carry) -> tuple[Tensor, Carry]:
        """The loss of one batch.

        Raises:
            InputError: outputs or targets of the wrong shape (looked at in the first batch only), or a tag's number
                outside 0 to K - 1.
        """
        outputs = model(batch.inputs)
        if not self._checked:
            self.check(outputs, batch.targets)
            self._checked = True
        return self.losses(outputs, batch.targets).mean, carry

    def losses(self, outputs: Tensor, targets: Tensor) -> TokenLosses:
        """The loss of each word.

        Raises:
            InputError: what torch cannot compute, in words.
        """
        return token_losses(outputs, targets, "tags", self.label_smoothing)

    def check(self, outputs: Tensor, targets: Tensor) -> None:
        """Hold shapes and numbers against the tags.

        Raises:
            InputError: they do not fit.
        """
        check_tokens(outputs, targets, "tags", len(self.classes))

    def scorer(self) -> TaggingScorer:
        """A fresh scorer."""
        return TaggingScorer(self)

    def answer(self, outputs: Tensor, words: Sequence[Sequence[str]] | None = None) -> list[dict[str, Any]]:
        """The likeliest tag of each word and its probability.

        Args:
            outputs: logits `[N, T, K]`.
            words: of each sentence; with them an answer has the words beside their tags, and ends where they do. Where
                tokens are pieces of words, the word at its first piece and `""` at the others, which get no tag.

        Raises:
            InputError: outputs of another shape, or more words than there are outputs.
        """
        check_tokens(outputs, outputs.new_zeros(outputs.shape[:2], dtype=torch.int64), "tags", len(self.classes))
        chances, numbers = at_least_single(outputs.detach()).softmax(2).max(2)
        answers: list[dict[str, Any]] = []
        for row, (found, sure) in enumerate(zip(numbers.tolist(), chances.tolist(), strict=True)):
            tags = [self.classes[number] for number in found]
            if words is None:
                answers.append({"tags": tags, "probabilities": sure})
                continue
            said = list(words[row])
            if len(said) > len(tags):
                raise InputError(f"a sentence of {len(said)} words was given, but there are outputs for {len(tags)}")
            places = [place for place, word in enumerate(said) if word]
            text = " ".join(f"{said[place]}/{tags[place]}" for place in places)
            answers.append({
                "text": text, "words": [said[place] for place in places], "tags": [tags[place] for place in places],
                "probabilities": [sure[place] for place in places],
            })  # fmt: skip
        return answers


class TaggingScorer:
    """Loss, accuracy and macro F1 over words; the share of sentences without a wrong tag; F1 of names, if any.

    Args:
        task: whose loss and tags these are. The loss is the one that is trained, smoothing included.
    """

    def __init__(self, task: Tagging) -> None:
        self.task = task
        self._found = Gathering()
        self._names = SpanCounts()
        self._confusion = np.zeros((len(task.classes), len(task.classes)), dtype=np.int64)

    def update(self, model: nn.Module, batch: BatchLike) -> None:
        """Run the model on one batch and add its results.

        Raises:
            InputError: outputs or targets that do not fit the task.
        """
        with torch.no_grad():
            outputs, targets = at_least_single(model(batch.inputs)), batch.targets
            self.task.check(outputs, targets)
            losses = self.task.losses(outputs, targets)
            predicted, known = outputs.argmax(2), targets != IGNORED
            wrong = ((predicted != targets) & known).sum(1)
        self._found.add(batch.indices, **losses.columns(), wrong=wrong)
        truth, said = targets[known].cpu().numpy(), predicted[known].cpu().numpy()
        self._confusion += confusion_matrix(truth, said, len(self.task.classes))
        if self.task.spans:
            sentences = np.cumsum(known.sum(1).cpu().numpy())[:-1]
            for tags in zip(np.split(said, sentences), np.split(truth, sentences), strict=True):
                self._names.add(*([self.task.classes[number] for number in numbers] for numbers in tags))

    def compute(self) -> dict[str, float]:
        """The metrics of all words so far.

        Raises:
            InputError: there are no sentences.
        """
        loss, counts = weighted_mean(self._found), self._found.column("counts")
        right = self._confusion.trace() / max(1, self._confusion.sum())
        return {
            "loss": loss,
            "accuracy": float(right),
            "macro_f1": macro_f1(self._confusion) if counts.sum() else 0.0,
            "sentence_accuracy": float((self._found.column("wrong") == 0).mean()),
            **(self._names.scores() if self.task.spans else {}),
        }

    def details(self) -> Mapping[str, Array]:
        """What a report draws.

        Per sentence `indices`, `losses` (the mean over its words), `counts` of words, and of `wrong` ones; `confusion`
        `[K, K]` with a row for each true tag, and `precision`, `recall`, `f1` of each tag, 0 where they mean nothing.

        Raises:
            InputError: no batch was scored.
        """
        columns = {name: self._found.column(name) for name in ("losses", "counts", "wrong")}
        right, there, said = self._confusion.diagonal(), self._confusion.sum(1), self._confusion.sum(0)
        return {
            "indices": self._found.indices,
            **columns,
            "confusion": self._confusion,
            "precision": right / np.maximum(said, 1),
            "recall": right / np.maximum(there, 1),
            "f1": 2 * right / np.maximum(there + said, 1),
        }
