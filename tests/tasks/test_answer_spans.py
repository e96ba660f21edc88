"""Spans: the loss against the public implementation, exact match and F1 against another library's, stretches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.tasks.answer_spans import AnswerSpans, best_spans, exact_match, word_f1
from neuropil.training.speed import Placed
from sequence_models.foreign_transformers import foreign_bert, own_bert

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "who", "a", "cat", "dog", "##s", "sleep", "black"]

SCORED = [
    ("The black cat", "a black cat.", 1.0, 1.0),
    ("Denver Broncos", "the Denver Broncos team", 0.0, 0.8),
    ("1,5 km", "15 km", 1.0, 1.0),
    ("an apple a day", "apple day", 1.0, 1.0),
    ("yes yes no", "yes no no", 0.0, 0.666667),
    ("U.S.", "us", 1.0, 1.0),
    ("a", "the", 1.0, 1.0),
    ("", "x", 0.0, 0.0),
    ("naïve café", "naive cafe", 0.0, 0.0),
    ("don't", "dont", 1.0, 1.0),
    ("Santa Clara, California", "California Santa Clara", 0.0, 1.0),
]
"""Answer, truth, exact match and F1 as torchmetrics 1.9.0 has them, which follows SQuAD's published program."""


@pytest.mark.parametrize(("answer", "truth", "exact", "f1"), SCORED)
def test_answers_are_scored_as_squad_does(answer: str, truth: str, exact: float, f1: float) -> None:
    assert exact_match(answer, truth) == exact
    assert word_f1(answer, truth) == pytest.approx(f1, abs=1e-6)


def inputs() -> Tensor:
    """`[CLS] who [SEP] a black cat ##s sleep [SEP]`, and a shorter one."""
    rows = [[2, 5, 3, 6, 11, 7, 9, 10, 3], [2, 5, 3, 6, 8, 10, 3, 0, 0]]
    segments = [[0, 0, 0, 1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1, 0, 0]]
    return torch.stack([torch.tensor(rows), torch.tensor(segments)], 2)


TARGETS = torch.tensor([[0, 4, 6, 5, 6], [1, 4, 4, -100, -100]])


@pytest.mark.slow
def test_the_loss_is_hugging_face_s() -> None:
    foreign = foreign_bert("BertForQuestionAnswering", "small", len(VOCABULARY))
    own = own_bert("bert_spans", "small", len(VOCABULARY), foreign)
    one = Placed(inputs()[:1], TARGETS[:1], np.arange(1))
    wanted = foreign(
        input_ids=one.inputs[..., 0], token_type_ids=one.inputs[..., 1], start_positions=one.targets[:, 1],
        end_positions=one.targets[:, 2],
    )  # fmt: skip
    task = AnswerSpans(VOCABULARY)
    assert task.step(own, one, None)[0].item() == pytest.approx(wanted.loss.item(), abs=1e-5)
    scorer = task.scorer()
    scorer.update(own, one)
    assert scorer.compute()["loss"] == pytest.approx(wanted.loss.item(), abs=1e-5)
    both = Placed(inputs(), TARGETS, np.arange(2))
    padded = task.losses(own(both.inputs), both.inputs, both.targets)[1]
    alone = task.losses(own(both.inputs[1:, :7]), both.inputs[1:, :7], both.targets[1:])[0]
    assert padded.item() == pytest.approx(alone.item(), abs=1e-5)


class Says(nn.Module):
    """Logits as they are given."""

    def __init__(self, *spans: tuple[int, int, float]) -> None:
        super().__init__()
        self.spans = spans

    def forward(self, ids: Tensor) -> Tensor:
        found = torch.zeros(*ids.shape[:2], 2)
        for row, (first, last, score) in enumerate(self.spans):
            found[row, first, 0] = found[row, last, 1] = score
        return found


def scored(
    task: AnswerSpans, targets: Tensor, *spans: tuple[int, int, float]
) -> tuple[dict[str, float], dict[int, str]]:
    scorer = task.scorer()
    scorer.update(Says(*spans), Placed(inputs()[: len(targets)], targets, np.arange(len(targets))))
    return scorer.compute(), scorer.answers()


def test_the_best_of_a_question_s_answers_and_stretches_counts() -> None:
    task = AnswerSpans(VOCABULARY)
    figures, answers = scored(task, TARGETS, (5, 6, 9.0), (4, 4, 9.0))
    assert answers == {0: "cats", 1: "dog"} and figures["exact_match"] == figures["f1"] == 1.0
    figures, answers = scored(task, TARGETS, (4, 5, 9.0), (3, 5, 9.0))
    assert answers == {0: "black cat", 1: "a dog sleep"}
    assert figures["f1"] == pytest.approx((0.5 + 2 / 3) / 2) and figures["exact_match"] == 0
    same = torch.tensor([[7, 5, 6], [7, -100, -100]])
    assert scored(task, same, (5, 6, 4.0), (4, 4, 9.0))[1] == {7: "dog"}
    assert scored(task, same, (5, 6, 9.0), (4, 4, 4.0))[1] == {7: "cats"}
    none = AnswerSpans(VOCABULARY, no_answer=True)
    figures, answers = scored(none, torch.tensor([[0, 5, 6], [1, -100, -100]]), (0, 0, 9.0), (0, 0, 9.0))
    assert answers == {0: "", 1: ""} and figures["exact_match"] == 0.5
    assert scored(task, TARGETS, (0, 1, 9.0), (6, 8, 9.0))[1][0] != "who", "only the text holds answers"


def test_spans_begin_before_they_end_and_are_not_too_long() -> None:
    outputs = torch.zeros(1, 6, 2)
    outputs[0, 4, 0], outputs[0, 1, 1], outputs[0, 1, 0], outputs[0, 5, 1] = 9.0, 9.0, 2.0, 3.0
    every = torch.ones(1, 6, dtype=torch.bool)
    assert best_spans(outputs, every, 30)[0] == (12.0, 4, 5)
    outputs[0, 4, 0] = 0.0
    assert best_spans(outputs, every, 30)[0][1:] == (1, 1)
    outputs[0, 1, 1] = 0.0
    assert best_spans(outputs, every, 5)[0] == (5.0, 1, 5)
    short = best_spans(outputs, every, 4)[0]
    assert short.score == 3.0 and short.last == 5 and short.last - short.first < 4
    assert best_spans(outputs, ~every, 4)[0].score == -float("inf")


def test_answers_are_the_text_s_own_characters() -> None:
    task, texts = AnswerSpans(VOCABULARY), [["", "", "", "A ", "black ", "Cats", "", " (sleep) ", ""]]
    outputs = Says((6, 7, 9.0))(inputs()[:1])
    assert task.answer(outputs, texts)[0]["text"] == "Cats (sleep)"
    assert task.answer(outputs)[0]["first"] == 6
    assert AnswerSpans(VOCABULARY, no_answer=True).answer(Says((0, 0, 9.0))(inputs()[:1]), texts)[0]["text"] == ""
    with pytest.raises(InputError, match="a text of 12 tokens was given, but there are outputs for 9"):
        task.answer(outputs, [["a "] * 12])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="at most 0 tokens were asked for"):
        AnswerSpans(VOCABULARY, most=0)
    task = AnswerSpans(VOCABULARY)
    with pytest.raises(InputError, match=r"spans need \[N, T, 2\]; use model=bert_spans"):
        task.check(torch.zeros(2, 9), TARGETS)
    with pytest.raises(InputError, match=r"the targets are \[2, 4\], but outputs \[2, 9, 2\] need \[2, 1 \+ 2 R\]"):
        task.check(torch.zeros(2, 9, 2), TARGETS[:, :4])
