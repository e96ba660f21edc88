"""BERT's pretraining loss against the public implementation; answers, and what does not fit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.models import create_model
from neuropil.tasks.pretraining import Pretraining, Told
from neuropil.training.speed import Placed
from sequence_models.foreign_transformers import foreign_bert, own_bert

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{n}" for n in range(45))]


def batch(rows: int = 6, length: int = 14, seed: int = 0) -> Placed:
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 50, (rows, length), generator=draw)
    segments = (torch.arange(length) > length // 2).long().expand(rows, -1)
    targets = torch.full((rows, 1 + length), -100)
    chosen = torch.rand(rows, length, generator=draw) < 0.3
    targets[:, 1:][chosen] = ids[chosen]
    targets[:, 0] = torch.arange(rows) % 2
    ids = ids.masked_fill(chosen, 4)
    ids[0, -4:] = 0
    targets[0, -4:] = -100
    return Placed(torch.stack([ids, segments], 2), targets, np.arange(rows))


@pytest.mark.slow
def test_the_loss_is_hugging_face_s() -> None:
    foreign = foreign_bert("BertForPreTraining", "small", len(VOCABULARY))
    own = own_bert("bert", "small", len(VOCABULARY), foreign)
    one = batch()
    ids, segments = one.inputs.unbind(2)
    wanted = foreign(
        input_ids=ids, token_type_ids=segments, attention_mask=(ids != 0).long(),
        labels=one.targets[:, 1:].contiguous(), next_sentence_label=one.targets[:, 0],
    )  # fmt: skip
    task = Pretraining(VOCABULARY)
    loss, carry = task.step(own, one, None)
    assert loss.item() == pytest.approx(wanted.loss.item(), abs=1e-5) and carry is None
    loss.backward()  # type: ignore[no-untyped-call]
    wanted.loss.backward()
    name = "bert.encoder.layer.0.attention.self.query.weight"
    ours, theirs = (dict(network.named_parameters())[name].grad for network in (own, foreign))
    assert torch.allclose(ours, theirs, atol=1e-6)
    scorer = task.scorer()
    scorer.update(own, one)
    figures = scorer.compute()
    assert figures["loss"] == pytest.approx(wanted.loss.item(), abs=1e-5)
    known = one.targets[:, 1:] >= 0
    right = (wanted.prediction_logits.argmax(2) == one.targets[:, 1:])[known].double().mean()
    assert figures["mlm_accuracy"] == pytest.approx(right.item())
    follows = wanted.seq_relationship_logits.argmax(1) == one.targets[:, 0]
    assert figures["nsp_accuracy"] == pytest.approx(follows.double().mean().item())
    assert figures["perplexity"] == pytest.approx(math.exp(figures["mlm_loss"]))


def test_without_next_sentences_the_loss_is_hugging_face_s_of_hidden_tokens() -> None:
    foreign = foreign_bert("BertForPreTraining", "small", len(VOCABULARY))
    own, one = own_bert("bert", "small", len(VOCABULARY), foreign), batch()
    ids = one.inputs[..., 0]
    said = foreign(
        input_ids=ids, token_type_ids=one.inputs[..., 1], attention_mask=(ids != 0).long()
    ).prediction_logits  # fmt: skip
    wanted = nn.functional.cross_entropy(said.flatten(0, 1), one.targets[:, 1:].flatten())
    one.targets[:, 0] = -100
    task = Pretraining(VOCABULARY)
    loss, _ = task.step(own, one, None)
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-5)
    loss.backward()  # type: ignore[no-untyped-call]
    assert not own.cls["seq_relationship"].weight.grad.any()
    scorer = task.scorer()
    scorer.update(own, one)
    figures = scorer.compute()
    assert figures["loss"] == figures["mlm_loss"] == pytest.approx(wanted.item(), abs=1e-5)
    assert "nsp_accuracy" not in figures


def network(seed: int = 0) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return create_model("bert", num_tokens=50, size="tiny", context=32).eval()


def test_scores_do_not_hang_on_how_samples_are_put_together() -> None:
    model, task, one = network(), Pretraining(VOCABULARY), batch()
    whole, parts = task.scorer(), task.scorer()
    whole.update(model, one)
    for begin in (0, 2, 3):
        end = {0: 2, 2: 3, 3: 6}[begin]
        parts.update(model, Placed(one.inputs[begin:end], one.targets[begin:end], one.indices[begin:end]))
    assert parts.compute() == pytest.approx(whole.compute(), rel=1e-5)
    assert set(whole.details()) == {"indices", "losses", "counts"}


def test_hidden_tokens_are_told() -> None:
    model, task = network(), Pretraining(VOCABULARY)
    inputs = torch.tensor([[[2, 0], [4, 0], [9, 0], [3, 0], [4, 1], [3, 1]], [[2, 0], [8, 0], [3, 0], *[[0, 0]] * 3]])
    told = task.tell(model, inputs)
    with torch.no_grad():
        hidden, follows = model(inputs)
        chances = model.scores(hidden)[0, [1, 4]].softmax(1)
    chances[:, :5] = 0
    assert [[number for number, _ in one] for one in told[0].top] == chances.topk(5).indices.tolist()
    assert told[0].top[1][0][1] == pytest.approx(chances[1].max().item())
    assert told[0].follows == pytest.approx(follows[0].softmax(0)[0].item())
    assert told[1] == Told([2, 8, 3], [], None)
    answers = task.answer(told)
    best = [VOCABULARY[one[0][0]] for one in told[0].top]
    assert answers[0]["text"] == f"{best[0]} w4 {best[1]}" and len(answers[0]["hidden"][0]) == 5
    assert "follows" in answers[0] and answers[1]["text"] == "w3" and "follows" not in answers[1]


class Other(nn.Module):
    """Gives what does not fit."""

    def __init__(self, count: int, labels: int) -> None:
        super().__init__()
        self.weight, self.labels = nn.Parameter(torch.zeros(count, 4)), labels

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros(*inputs.shape[:2], 4), torch.zeros(len(inputs), self.labels)

    def transformed(self, hidden: Tensor) -> Tensor:
        return hidden

    def output_matrix(self) -> tuple[Tensor, None]:
        return self.weight, None


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match=r"holds no \[MASK\]"):
        Pretraining(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b"])
    for model, words in (
        (Other(49, 2), "the network tells 49 tokens apart, but the vocabulary has 50; build the network with num_tok"),
        (nn.Identity(), "use model=bert"),
        (Other(50, 3), r"are needed for targets \[N, 1 \+ T\]; use model=bert and source=pretraining_text"),
    ):
        with pytest.raises(InputError, match=words):
            Pretraining(VOCABULARY).step(model, batch(), None)
