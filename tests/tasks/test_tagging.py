"""Tagging against scikit-learn's scores and torch's loss; padding that must not count; a set learned by heart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.models import create_model
from neuropil.tasks import TASKS
from neuropil.tasks.spans import SpanCounts
from neuropil.tasks.tagging import Tagging
from neuropil.training.speed import Placed

TAGS = ("DET", "NOUN", "VERB")


class Fixed(nn.Module):
    def __init__(self, outputs: Tensor) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, x: Tensor) -> Tensor:
        return self.outputs


def some(seed: int = 0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    outputs = torch.randn(5, 6, 3, generator=draw)
    targets = torch.randint(0, 3, (5, 6), generator=draw)
    for row, length in enumerate((6, 2, 4, 1, 3)):
        targets[row, length:] = -100
    return outputs, targets


def batch(targets: Tensor, first: int = 0) -> Placed:
    return Placed(torch.zeros(len(targets), 1), targets, np.arange(first, first + len(targets)))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_torchs(smoothing: float) -> None:
    outputs, targets = some()
    task = Tagging(TAGS, label_smoothing=smoothing)
    loss, carry = task.step(Fixed(outputs), batch(targets), None)
    theirs = F.cross_entropy(outputs.flatten(0, 1), targets.flatten(), label_smoothing=smoothing)
    assert carry is None and loss.item() == pytest.approx(theirs.item(), rel=1e-6)


def test_scores_are_those_of_scikit_learn_over_words() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    outputs, targets = some()
    scorer = Tagging(TAGS).scorer()
    for part in (slice(0, 2), slice(2, 5)):
        scorer.update(Fixed(outputs[part]), batch(targets[part], part.start))
    known = targets != -100
    truth, predicted = targets[known].numpy(), outputs.argmax(2)[known].numpy()
    figures, details = scorer.compute(), scorer.details()
    assert figures["accuracy"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert figures["macro_f1"] == pytest.approx(metrics.f1_score(truth, predicted, average="macro"))
    assert figures["loss"] == pytest.approx(F.cross_entropy(outputs[known], targets[known]).item(), rel=1e-6)
    right = [bool(((outputs[row].argmax(1) == targets[row]) | ~known[row]).all()) for row in range(5)]
    assert figures["sentence_accuracy"] == pytest.approx(np.mean(right))
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(truth, predicted, zero_division=0)
    for name, theirs in (("precision", precision), ("recall", recall), ("f1", f1)):
        np.testing.assert_allclose(details[name], theirs)
    np.testing.assert_array_equal(details["confusion"], metrics.confusion_matrix(truth, predicted))
    np.testing.assert_array_equal(details["indices"], np.arange(5))


def test_what_stands_behind_an_end_counts_for_nothing() -> None:
    outputs, targets = some()
    task = Tagging(TAGS)

    def scored(outputs: Tensor, targets: Tensor) -> dict[str, float]:
        scorer = task.scorer()
        scorer.update(Fixed(outputs), batch(targets))
        return scorer.compute()

    other = torch.where((targets == -100)[..., None], 50 * torch.randn(outputs.shape), outputs)
    wider = F.pad(outputs, (0, 0, 0, 4), value=9.0), F.pad(targets, (0, 4), value=-100)
    assert scored(other, targets) == pytest.approx(scored(outputs, targets), rel=1e-6)
    assert scored(*wider) == pytest.approx(scored(outputs, targets), rel=1e-6)
    alone = task.scorer()
    for row in range(5):
        length = int((targets[row] != -100).sum())
        alone.update(Fixed(outputs[row : row + 1, :length]), batch(targets[row : row + 1, :length], row))
    assert alone.compute() == pytest.approx(scored(outputs, targets), rel=1e-6)


def test_a_batch_without_a_tag_costs_nothing() -> None:
    outputs = torch.randn(2, 3, 3, requires_grad=True)
    loss, _ = Tagging(TAGS).step(Fixed(outputs), batch(torch.full((2, 3), -100)), None)
    loss.backward()
    assert loss.item() == 0 and outputs.grad is not None and not outputs.grad.any()


def test_answers_stand_beside_the_words() -> None:
    outputs = torch.tensor([[[9.0, 0, 0], [0, 9, 0], [0, 0, 9]], [[0.0, 9, 0], [0, 0, 9], [0, 0, 0]]])
    task = Tagging(TAGS)
    first, second = task.answer(outputs, words=[["the", "cat", "sat"], ["cats", "sit"]])
    assert first["text"] == "the/DET cat/NOUN sat/VERB" and second["text"] == "cats/NOUN sit/VERB"
    assert second["tags"] == ["NOUN", "VERB"] and len(second["probabilities"]) == 2
    assert task.answer(outputs)[1]["tags"][:2] == ["NOUN", "VERB"]


NAMES = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


def test_names_are_scored_as_by_seqeval() -> None:
    metrics = pytest.importorskip("seqeval.metrics")
    draw = torch.Generator().manual_seed(0)
    task = Tagging(NAMES)
    for count, longest in ((1, 1), (20, 3), (40, 12)):
        targets = torch.randint(0, 5, (count, longest), generator=draw)
        wrong = torch.rand(count, longest, generator=draw) < 0.3
        said = torch.where(wrong, torch.randint(0, 5, (count, longest), generator=draw), targets)
        lengths = torch.randint(1, longest + 1, (count,), generator=draw).tolist()
        tags = [
            [[NAMES[one] for one in row[:length]] for row, length in zip(rows.tolist(), lengths, strict=True)]
            for rows in (targets, said)
        ]
        for row, length in enumerate(lengths):
            targets[row, length:] = -100
        scorer = task.scorer()
        scorer.update(Fixed(F.one_hot(said, 5).float()), batch(targets))
        figures = scorer.compute()
        with np.errstate(all="ignore"):
            assert figures["entity_f1"] == pytest.approx(metrics.f1_score(*tags, zero_division=0))
            assert figures["entity_precision"] == pytest.approx(metrics.precision_score(*tags, zero_division=0))
            assert figures["entity_recall"] == pytest.approx(metrics.recall_score(*tags, zero_division=0))
    assert task.metric == "entity_f1" and Tagging(TAGS).metric == "accuracy"


def test_names_by_hand() -> None:
    """Two names there, three said, one of them right in its words and its kind."""
    counts = SpanCounts()
    counts.add(["B-PER", "I-PER", "O", "B-LOC", "B-LOC"], ["B-PER", "I-PER", "O", "B-LOC", "I-LOC"])
    assert counts.scores() == pytest.approx({"entity_precision": 1 / 3, "entity_recall": 1 / 2, "entity_f1": 2 / 5})


def test_a_small_set_is_learned_by_heart() -> None:
    """The same word has another tag behind another word, and unknown words are told by their letters."""
    torch.manual_seed(0)
    draw = torch.Generator().manual_seed(0)
    words = torch.randint(2, 8, (12, 6), generator=draw)
    before = F.pad(words[:, :-1], (1, 0))
    letters = torch.randint(1, 6, (12, 6, 4), generator=draw)
    targets = (words + before + letters[..., 0]) % 3
    words[:, 0] = 1
    words[:6, 4:], letters[:6, 4:], targets[:6, 4:] = 0, 0, -100
    inputs = torch.cat([words[..., None], letters], 2)
    network = create_model(
        "tagger", num_tokens=8, num_characters=6, num_classes=3, width=32, embedding_width=16, character_width=16,
        dropout=0.0,
    ).train()  # fmt: skip
    task, rule = Tagging(TAGS), torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(60):
        rule.zero_grad()
        loss, _ = task.step(network, Placed(inputs, targets, np.arange(12)), None)
        loss.backward()  # type: ignore[no-untyped-call]
        rule.step()
    scorer = task.scorer()
    scorer.update(network.eval(), Placed(inputs, targets, np.arange(12)))
    assert scorer.compute()["sentence_accuracy"] == 1 and scorer.compute()["loss"] < 0.1


def test_what_does_not_fit_is_refused() -> None:
    outputs, targets = some()
    refused: list[tuple[Any, Any, str]] = [
        (outputs[..., :2], targets, r"but tags need \[N, T, 3\]"),
        (outputs, targets[:, 1:], r"the targets are \[5, 5\] of int64"),
        (outputs, targets.to(torch.int32), "of int32"),
        (outputs, torch.where(targets == -100, 3, targets), "a target is 3, outside 0 to 2"),
        (outputs, torch.where(targets == -100, -1, targets), "a target is -1, outside 0 to 2"),
    ]
    for given, wanted, message in refused:
        with pytest.raises(InputError, match=message):
            Tagging(TAGS).step(Fixed(given), batch(wanted), None)
        with pytest.raises(InputError, match=message):
            Tagging(TAGS).scorer().update(Fixed(given), batch(wanted))
    task = Tagging(TAGS)
    task.step(Fixed(outputs), batch(targets), None)
    with pytest.raises(InputError, match="a target is 7"):  # also behind the first batch
        task.step(Fixed(outputs), batch(torch.where(targets == -100, 7, targets)), None)
    with pytest.raises(InputError, match="at least two tags"):
        TASKS.build("tagging", classes=["a"])
    with pytest.raises(InputError, match="'a' stands there twice"):
        Tagging(["a", "a"])
    with pytest.raises(InputError, match="label_smoothing"):
        Tagging(TAGS, label_smoothing=1.0)
    with pytest.raises(InputError, match="a sentence of 7 words"):
        task.answer(outputs, words=[["w"] * 7] * 5)
    with pytest.raises(InputError, match="no batch was scored"):
        task.scorer().compute()
