"""Translation and captioning: torch's loss, sacreBLEU's score, padding that must not count, small sets learned."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.models import create_model
from neuropil.sequences.tokens import tokens_of as words_of
from neuropil.tasks.captioning import Captioning
from neuropil.tasks.text import text_of
from neuropil.tasks.translation import Translation
from neuropil.training.speed import Placed

WORDS = ["the", "cat", "dog", "sat", "ran", "on", "mat", "home"]
VOCABULARY = ["<pad>", "<unk>", "<bos>", "<eos>", *WORDS]


def pairs(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Sentences, and the same words from the last to the first."""
    draw = torch.Generator().manual_seed(seed)
    sources, targets = [], []
    for _ in range(count):
        length = int(torch.randint(1, 6, (), generator=draw))
        words = torch.randint(4, 12, (length,), generator=draw)
        sources.append(torch.cat([words, torch.tensor([3])]))
        targets.append(torch.cat([torch.tensor([2]), words.flip(0), torch.tensor([3])]))
    padded = nn.utils.rnn.pad_sequence
    return padded(sources, batch_first=True), padded(targets, batch_first=True)


def model(**more: Any) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        options = {"num_tokens": 12, "num_target_tokens": 12, "width": 16, "embedding_width": 12, "dropout": 0.0}
        return create_model("seq2seq", **{**options, **more})


def learned(network: nn.Module, task: Translation, batch: Placed, steps: int, lr: float = 0.02) -> nn.Module:
    rule = torch.optim.Adam(network.train().parameters(), lr=lr)
    for _ in range(steps):
        rule.zero_grad()
        loss, _ = task.step(network, batch, None)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        rule.step()
    return network.eval()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_torchs(smoothing: float) -> None:
    network, (sources, targets) = model(), pairs(6)
    task = Translation(VOCABULARY, label_smoothing=smoothing)
    loss, carry = task.step(network, Placed(sources, targets, np.arange(6)), None)
    logits = network(sources, targets[:, :-1]).flatten(0, 1)
    theirs = F.cross_entropy(logits, targets[:, 1:].flatten(), ignore_index=0, label_smoothing=smoothing)
    assert carry is None and loss.item() == pytest.approx(theirs.item(), rel=1e-6)


@pytest.mark.parametrize("width", [1, 3])
def test_a_sentence_is_scored_the_same_alone_and_in_a_padded_batch(width: int) -> None:
    network, (sources, targets) = model().eval().double(), pairs(6, seed=3)
    task = Translation(VOCABULARY, beam_width=width, most=12)
    together, alone = task.scorer(), task.scorer()
    together.update(network, Placed(F.pad(sources, (0, 3)), F.pad(targets, (0, 2)), np.arange(6)))
    for row in range(6):
        source, target = sources[row : row + 1], targets[row : row + 1]
        source, target = source[:, : int((source != 0).sum())], target[:, : int((target != 0).sum())]
        alone.update(network, Placed(source, target, np.arange(row, row + 1)))
    assert together.compute() == pytest.approx(alone.compute(), rel=1e-9)
    assert together.details()["answers"] == alone.details()["answers"]


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"attention": "additive", "cell": "gru"}])
def test_a_small_set_is_learned_by_heart(options: dict[str, Any]) -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    sources, targets = pairs(12)
    batch, task = Placed(sources, targets, np.arange(12)), Translation(VOCABULARY, label_smoothing=0.0)
    early = learned(model(width=32, **options), task, batch, 12)
    scorer = task.scorer()
    scorer.update(early, batch)
    details = scorer.details()
    theirs = sacrebleu.corpus_bleu(details["answers"], [[one[0] for one in details["references"]]])
    assert scorer.compute()["bleu"] == pytest.approx(theirs.score, abs=1e-9)
    late = learned(early, task, batch, 70)
    for width in (1, 4):
        scorer = Translation(VOCABULARY, label_smoothing=0.0, beam_width=width).scorer()
        scorer.update(late, batch)
        figures = scorer.compute()
        assert figures["exact"] == 1 and figures["bleu"] == pytest.approx(100) and figures["perplexity"] < 1.2
    answer = task.answer(task.write(late, sources[:1]))[0]  # type: ignore[arg-type]
    assert answer["text"] == task.reference(targets[0].tolist()) and answer["tokens"] == answer["text"].split()


def test_unknown_words_match_nothing() -> None:
    class Says(nn.Module):
        """Whatever comes, unknown is likeliest, then token 4, and the end behind it."""

        def begin(self, source: Tensor) -> Any:
            return self

        def select(self, indices: Tensor) -> Any:
            return self

        def step(self, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
            chances = torch.zeros(12)
            chances[1], chances[4] = 9, 5
            then = torch.zeros(12)
            then[3] = 9
            return torch.where((ids == 4)[:, None], then, chances), state

        def forward(self, source: Tensor, target: Tensor) -> Tensor:
            return torch.zeros(*target.shape, 12)

    scorer = Translation(VOCABULARY).scorer()
    targets = torch.tensor([[2, 1, 3], [2, 4, 3]])
    scorer.update(Says(), Placed(torch.ones(2, 2, dtype=torch.int64), targets, np.arange(2)))
    assert scorer.details()["answers"] == ["the", "the"] and scorer.compute()["exact"] == 0.5
    assert scorer.details()["references"][1] == ["the"] and "unk" not in scorer.details()["references"][0][0]
    assert scorer.compute()["perplexity"] == pytest.approx(12)


def test_a_picture_is_described_once_and_has_all_its_captions_for_references() -> None:
    torch.manual_seed(0)
    pictures = torch.randn(3, 3, 32, 32)
    captions = torch.tensor([[2, 4, 5, 3, 0], [2, 6, 7, 8, 3], [2, 9, 3, 0, 0], [2, 4, 5, 7, 3]])
    batch = Placed(pictures[[0, 1, 2, 0]], captions, np.arange(4))
    network = create_model(
        "captioner", num_target_tokens=12, width=16, embedding_width=12, backbone="resnet20",
        backbone_options={"width": 4}, dropout=0.0,
    )  # fmt: skip
    task = Captioning(VOCABULARY)
    scorer = task.scorer()
    scorer.update(network.eval(), Placed(batch.inputs[:2], captions[:2], np.arange(2)))
    scorer.update(network, Placed(batch.inputs[2:], captions[2:], np.arange(2, 4)))
    details = scorer.details()
    assert details["references"][0] == details["references"][3] == ["the cat", "the cat sat"]
    assert details["answers"][0] == details["answers"][3]
    learned(network, task, batch, 25, lr=0.01)
    scorer = task.scorer()
    scorer.update(network.train(), batch)  # by the batch's own statistics, which are the ones that were learned
    assert scorer.compute()["exact"] == 1


def test_letters_are_joined_without_spaces() -> None:
    task = Translation(["<pad>", "<unk>", "<bos>", "<eos>", "h", "i", " "], level="character")
    assert task.answer(torch.tensor([[4, 5, 6, 4, 5, 3, 0]]))[0]["text"] == "hi hi"


def test_what_does_not_fit_is_refused() -> None:
    network, (sources, targets) = model(), pairs(3)
    with pytest.raises(InputError, match=r"tokens need \[N, T, 11\]"):
        Translation(VOCABULARY[:-1]).step(network, Placed(sources, targets, np.arange(3)), None)
    with pytest.raises(InputError, match="label_smoothing must be"):
        Translation(VOCABULARY, label_smoothing=1.0)
    with pytest.raises(InputError, match="a beam of 0"):
        Translation(VOCABULARY, beam_width=0)
    with pytest.raises(InputError, match="length_penalty must be"):
        Captioning(VOCABULARY, length_penalty=-1.0)
    with pytest.raises(InputError, match=r"ids .* which `write` gives"):
        Translation(VOCABULARY).answer(torch.zeros(2, 3, 12))
    with pytest.raises(InputError, match="no batch was scored"):
        Translation(VOCABULARY).scorer().compute()


def test_texts_are_set_as_they_are_written(shared_data: Path) -> None:
    """What sacreBLEU finds in sentences that were cut into words and set again."""
    sacrebleu = pytest.importorskip("sacrebleu")
    with gzip.open(shared_data / "multi30k" / "test_2016_flickr.en.gz", "rt", encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file]
    again = [text_of(words_of(line, "word"), "word") for line in lines]
    assert sacrebleu.corpus_bleu(again, [lines]).score > 99
    assert sum(one == two for one, two in zip(lines, again, strict=True)) / len(lines) > 0.97


@given(st.lists(st.sampled_from(["a", "b", ".", ",", '"', "(", ")", "-", "’"]), max_size=12))
def test_a_longer_text_begins_with_the_shorter(words: list[str]) -> None:
    assert text_of(words, "word").startswith(text_of(words[:-1], "word"))
    assert text_of(words, "word").replace(" ", "") == "".join(words)
