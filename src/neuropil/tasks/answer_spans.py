"""Span prediction: where in a text the answer to a question begins and ends."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.contracts import BatchLike, Carry
from neuropil.tasks.gathering import Gathering, at_least_single
from neuropil.tasks.text import checked_vocabulary, silent, text_of
from neuropil.tasks.token_loss import IGNORED

__all__ = ["AnswerSpans", "AnswerSpansScorer", "best_spans", "exact_match", "normalized_answer", "word_f1"]

Array = np.ndarray[Any, Any]

ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalized_answer(text: str) -> str:
    """Small letters without punctuation, articles and more than single spaces.

    Source: the evaluation program of SQuAD (Rajpurkar et al. 2016, section 6.1).

    Example:
        >>> normalized_answer("The cat,  sat.")
        'cat sat'
    """
    kept = "".join(sign for sign in text.lower() if sign not in string.punctuation)
    return " ".join(ARTICLES.sub(" ", kept).split())


def exact_match(answer: str, truth: str) -> float:
    """1 where both are the same after `normalized_answer`, else 0.

    Example:
        >>> exact_match("the Cat.", "cat")
        1.0
    """
    return float(normalized_answer(answer) == normalized_answer(truth))


def word_f1(answer: str, truth: str) -> float:
    """F1 of the words that both have; where one of them has none, 1 if the other has none either.

    Source: as `normalized_answer`; answers without words: Rajpurkar et al. 2018, "Know what you don't know".
    Formula: `F1 = 2 p r / (p + r)`, p and r the shared words over those of the answer and of the truth.

    Example:
        >>> word_f1("the black cat", "a cat")
        0.6666666666666666
    """
    said, there = normalized_answer(answer).split(), normalized_answer(truth).split()
    if not said or not there:
        return float(said == there)
    shared = (Counter(said) & Counter(there)).total()
    if not shared:
        return 0.0
    precision, recall = shared / len(said), shared / len(there)
    return 2 * precision * recall / (precision + recall)


class Span(NamedTuple):
    """A span of tokens and its score: the sum of two logits."""

    score: float
    first: int
    last: int


def best_spans(outputs: Tensor, allowed: Tensor, most: int) -> list[Span]:
    """The span with the largest sum of logits in each row; of no token (score -inf) where none is allowed.

    Shape:
        outputs `[N, T, 2]`, allowed bool `[N, T]`.

    Args:
        outputs: logits of begin and end.
        allowed: where a span may begin and end.
        most: tokens of a span at most.
    """
    outputs = at_least_single(outputs).masked_fill(~allowed[..., None], -torch.inf)
    length = outputs.shape[1]
    band = torch.ones(length, length, dtype=torch.bool, device=outputs.device).triu().tril(most - 1)
    found = []
    for row in outputs:
        sums = (row[:, None, 0] + row[None, :, 1]).masked_fill(~band, -torch.inf)
        place = int(sums.argmax())
        found.append(Span(float(sums.flatten()[place]), *divmod(place, length)))
    return found


class AnswerSpans:
    """Cross-entropy of the token at which an answer begins, and of that at which it ends.

    Source:
        Devlin et al. 2019, "BERT", sections 4.2 and 4.3: the likeliest span is the one of the largest sum of both
        logits; "no answer" is the span of `[CLS]`.

    Formula:
        E = the mean of `-log softmax(s)` at the first token and `-log softmax(e)` at the last one, over the tokens of a
        row.

    Shape:
        the network: ids and segments `[N, T, 2]` -> logits `[N, T, 2]`; targets int64 `[N, 1 + 2 R]`: the question's
        number, then first and last token of each of its R answers, -100 where it is not in this stretch of the text.
        The first answer is learned, and `[CLS]` where it is not there.

    Args:
        vocabulary: the tokens in the order of their ids.
        no_answer: whether questions without an answer are among the data, so that none may be the answer.
        most: tokens of an answer at most.

    Raises:
        InputError: a number outside its range.

    Differs:
        Padding is left out of both softmaxes. While scored, answers are the texts of pieces (in small letters where
        the vocabulary is), those of the truth, too; SQuAD's program takes the text's own characters.

    Example:
        >>> task = AnswerSpans(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat"])
        >>> outputs = torch.zeros(1, 6, 2)
        >>> outputs[0, 3, 0] = outputs[0, 4, 1] = 9.0
        >>> task.answer(outputs, [["", "", "", "black ", "cat ", ""]])[0]["text"]
        'black cat'
    """

    name = "spans"
    metric = "f1"
    metric_mode: Literal["max", "min"] = "max"

    def __init__(self, vocabulary: Sequence[str], *, no_answer: bool = False, most: int = 30) -> None:
        if most < 1:
            raise InputError(f"answers of at most {most} tokens were asked for; give 1 or more")
        self.vocabulary, self.no_answer, self.most = checked_vocabulary(vocabulary), no_answer, most
        self._silent = set(silent(self.vocabulary, ends=True))
        self._checked = False

    def step(self, model: nn.Module, batch: BatchLike, carry: Carry) -> tuple[Tensor, Carry]:
        """The loss of one batch.

        Raises:
            InputError: outputs or targets of the wrong shape (looked at in the first batch only).
        """
        outputs = model(batch.inputs)
        if not self._checked:
            self.check(outputs, batch.targets)
            self._checked = True
        return self.losses(outputs, batch.inputs, batch.targets).mean(), carry

    def losses(self, outputs: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each row, `[N]`."""
        logits = at_least_single(outputs).masked_fill((inputs[..., 0] == 0)[..., None], -torch.inf)
        wanted = targets[:, 1:3].clamp(min=0)
        first, last = (F.cross_entropy(logits[..., end], wanted[:, end], reduction="none") for end in (0, 1))
        return (first + last) / 2

    def check(self, outputs: Tensor, targets: Tensor) -> None:
        """Hold the shapes against one another.

        Raises:
            InputError: they do not fit.
        """
        if outputs.ndim != 3 or outputs.shape[2] != 2:
            raise InputError(
                f"the network's outputs are {list(outputs.shape)}, but spans need [N, T, 2]; use model=bert_spans"
            )
        if targets.ndim != 2 or len(targets) != len(outputs) or targets.shape[1] < 3 or targets.shape[1] % 2 == 0:
            raise InputError(
                f"the targets are {list(targets.shape)}, but outputs {list(outputs.shape)} need [{len(outputs)}, 1 + 2 "
                "R]"
            )

    def scorer(self) -> AnswerSpansScorer:
        """A fresh scorer."""
        return AnswerSpansScorer(self)

    def words(self, ids: Sequence[int]) -> str:
        """The text of some tokens."""
        return text_of([self.vocabulary[one] for one in ids if one not in self._silent], "wordpiece")

    def answer(self, outputs: Tensor, texts: Sequence[Sequence[str]] | None = None) -> list[dict[str, Any]]:
        """The answer to each question and its probability; first and last token where no texts are given.

        Args:
            outputs: logits `[N, T, 2]`.
            texts: of each row what stands at its tokens, with the spaces behind it; `""` at the question and at a
                word's other pieces.

        Raises:
            InputError: outputs of another shape, or more texts than there are outputs.
        """
        self.check(outputs, torch.zeros(len(outputs), 3, dtype=torch.int64))
        allowed = torch.ones(outputs.shape[:2], dtype=torch.bool, device=outputs.device)
        for row, said in enumerate(texts or ()):
            if len(said) > outputs.shape[1]:
                raise InputError(
                    f"a text of {len(said)} tokens was given, but there are outputs for {outputs.shape[1]}"
                )
            begin = next((place for place, one in enumerate(said) if one), len(said))
            allowed[row, :begin] = False
            allowed[row, len(said) - 1 :] = False
        return [
            self._answer(outputs[row], span, None if texts is None else texts[row])
            for row, span in enumerate(best_spans(outputs.detach(), allowed, self.most))
        ]

    def _answer(self, logits: Tensor, span: Span, said: Sequence[str] | None) -> dict[str, Any]:
        logits = at_least_single(logits.detach())[: None if said is None else len(said)]
        none = float(logits[0].sum())
        if span.score == -torch.inf or (self.no_answer and none > span.score):
            first = last = 0
        else:
            first, last = span.first, span.last
        chances = logits.softmax(0)
        found: dict[str, Any] = {"probability": float(chances[first, 0] * chances[last, 1])}
        if said is None:
            return {"first": first, "last": last, **found}
        while first and last and not said[first]:
            first -= 1  # the word's begin
        return {"text": "".join(said[first : last + 1]).strip() if last else "", **found}


class AnswerSpansScorer:
    """Loss; exact match and F1 of answers, as shares: each question counts once, with the best of its stretches.

    Args:
        task: whose vocabulary these are.
    """

    def __init__(self, task: AnswerSpans) -> None:
        self.task = task
        self._found = Gathering()
        self._best: dict[int, tuple[float, str]] = {}
        self._none: dict[int, float] = {}
        self._truths: dict[int, set[str]] = {}

    def update(self, model: nn.Module, batch: BatchLike) -> None:
        """Run the model on one batch and add its results.

        Raises:
            InputError: outputs or targets that do not fit the task.
        """
        with torch.no_grad():
            outputs = at_least_single(model(batch.inputs))
            self.task.check(outputs, batch.targets)
            losses = self.task.losses(outputs, batch.inputs, batch.targets)
            ids, inside = batch.inputs[..., 0], batch.inputs[..., 1] == 1
            inside = inside & (torch.roll(inside, -1, 1) & (torch.roll(ids, -1, 1) != 0))  # but the last mark
            inside[:, -1] = False
            spans = best_spans(outputs, inside, self.task.most)
            none = outputs[:, 0].sum(1).tolist()
        self._found.add(batch.indices, losses=losses)
        for row, (tokens, target) in enumerate(zip(ids.tolist(), batch.targets.tolist(), strict=True)):
            self._add(target, tokens, spans[row], none[row])

    def _add(self, target: Sequence[int], tokens: Sequence[int], span: Span, none: float) -> None:
        number = target[0]
        truths = self._truths.setdefault(number, set())
        for first, last in zip(target[1::2], target[2::2], strict=True):
            if first != IGNORED:
                truths.add(self.task.words(tokens[first : last + 1]))
        if span.score > self._best.get(number, (-np.inf, ""))[0]:
            self._best[number] = (span.score, self.task.words(tokens[span.first : span.last + 1]))
        self._none[number] = min(none, self._none.get(number, np.inf))

    def answers(self) -> dict[int, str]:
        """The answer to each question by its number; nothing where none is said."""
        found = {}
        for number in self._truths:
            score, text = self._best.get(number, (-np.inf, ""))
            found[number] = "" if self.task.no_answer and self._none[number] > score else text
        return found

    def compute(self) -> dict[str, float]:
        """The metrics of all questions so far.

        Raises:
            InputError: there are no questions.
        """
        losses, answers = self._found.column("losses"), self.answers()
        of = {number: truths or {""} for number, truths in self._truths.items()}
        return {
            "loss": float(losses.mean()),
            "exact_match": float(np.mean([max(exact_match(answers[n], one) for one in of[n]) for n in of])),
            "f1": float(np.mean([max(word_f1(answers[n], one) for one in of[n]) for n in of])),
        }

    def details(self) -> Mapping[str, Array]:
        """What a report draws: per stretch `indices` and `losses`.

        Raises:
            InputError: no batch was scored.
        """
        return {"indices": self._found.indices, "losses": self._found.column("losses")}
