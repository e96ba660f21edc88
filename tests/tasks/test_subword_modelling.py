"""Language models and translations of subwords: the loss by parts, bits of a character, what is written."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.models import create_model
from neuropil.subwords.training import train_bpe, train_wordpiece
from neuropil.tasks.language_modelling import LanguageModelling
from neuropil.tasks.tagging import Tagging
from neuropil.tasks.text import characters_of, end_of, pad_of, silent, text_of
from neuropil.tasks.translation import Translation
from neuropil.tasks.vocabulary_scores import token_scores
from neuropil.training.speed import Placed

TEXT = "Naïve façades, 한국어 문장과 漢字: it isn't the critic who counts; the doer of deeds counts 😀!\n" * 4
BYTES = train_bpe([TEXT], size=330)
WORDS = train_wordpiece([TEXT], size=120)


def gpt(**options: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        small: dict[str, Any] = {"width": 16, "num_heads": 2, "num_layers": 2, "context": 24, "dropout": 0.0}
        return create_model("gpt", num_tokens=len(BYTES), **small, **options).eval()


def windows(window: int = 12) -> Placed:
    ids = torch.tensor(BYTES.encode(TEXT))
    count = (len(ids) - 1) // window
    inputs, targets = (ids[shift : shift + count * window].view(count, window) for shift in (0, 1))
    return Placed(inputs, targets, np.arange(count))


def test_characters_of_byte_level_pieces_sum_to_the_text() -> None:
    counts = characters_of(BYTES.entries, "bpe")
    assert sum(counts[one] for one in BYTES.encode(TEXT)) == len(TEXT)
    assert text_of([BYTES.entries[one] for one in BYTES.encode(TEXT)], "bpe") == TEXT
    for text in ("it isn't", " 漢字 ", "a  b"):
        assert (
            text_of([BYTES.entries[one] for one in BYTES.encode(text)], "bpe")
            == BYTES.decode(BYTES.encode(text))
            == text
        )
    assert text_of([BYTES.entries[one] for one in BYTES.encode("😀")[:1]], "bpe").startswith("\ufffd")
    counts = characters_of(WORDS.entries, "wordpiece")
    assert sum(counts[one] for one in WORDS.encode("the critic counts")) == len("thecriticcounts")


def test_the_loss_by_parts_is_that_of_all_logits() -> None:
    model, one = gpt(), windows()
    task = LanguageModelling(BYTES.entries, level="bpe")
    logits, _ = model(one.inputs)
    wanted = F.cross_entropy(logits.flatten(0, 1), one.targets.flatten())
    (expected,) = torch.autograd.grad(wanted, model.transformer.wte.weight)
    loss, carry = task.step(model, one, None)
    loss.backward()  # type: ignore[no-untyped-call]
    assert carry is None and loss.item() == pytest.approx(wanted.item(), abs=1e-5)
    assert torch.allclose(model.transformer.wte.weight.grad, expected, atol=1e-5)
    scorer = task.scorer()
    scorer.update(model, one)
    figures = scorer.compute()
    said = sum(characters_of(BYTES.entries, "bpe")[one] for one in one.targets.flatten().tolist())
    assert figures["loss"] == pytest.approx(wanted.item(), abs=1e-5)
    assert figures["bits_per_character"] == pytest.approx(
        wanted.item() * one.targets.numel() / math.log(2) / said, rel=1e-5
    )
    assert figures["perplexity"] == pytest.approx(math.exp(wanted.item()), rel=1e-4)
    assert figures["accuracy"] == pytest.approx((logits.argmax(2) == one.targets).double().mean().item())


def test_the_first_byte_level_token_is_no_padding() -> None:
    """Id 0 of GPT-2's vocabulary is a token like any other; only -100 counts for nothing."""
    entries = ("!", *BYTES.entries[1:])
    assert (pad_of(entries), pad_of(WORDS.entries), pad_of(("<pad>", "<unk>"))) == (None, 0, 0)
    task = LanguageModelling(entries, level="bpe")
    targets = torch.tensor([[0, 5, -100]])
    assert task.known(targets).tolist() == [[0, 5, -100]]
    assert LanguageModelling(WORDS.entries, level="wordpiece").known(targets).tolist() == [[-100, 5, -100]]


def test_documents_in_one_row_are_read_apart() -> None:
    model, task = gpt(), LanguageModelling(BYTES.entries, level="bpe")
    one = windows()
    row, target = one.inputs[:1], one.targets[:1]
    numbers = torch.tensor([[1] * 5 + [2] * 7])
    packed = task.step(model, Placed(torch.stack([row, numbers], 2), target, np.arange(1)), None)[0]
    apart = [
        F.cross_entropy(model(row[:, part])[0][0], target[0, part], reduction="sum")
        for part in (slice(5), slice(5, 12))
    ]
    assert packed.item() == pytest.approx(sum(apart).item() / 12, abs=1e-5)  # type: ignore[union-attr]


def test_what_is_told_and_written_is_readable() -> None:
    model, task = gpt(), LanguageModelling(BYTES.entries, level="bpe")
    with torch.no_grad():
        answer = task.answer(model(torch.tensor([BYTES.encode("the critic")])))[0]
    assert "\u0120" not in "".join(one for one, _ in answer["top"])
    text = task.write(model, torch.tensor([BYTES.encode("the")]), most=8, generator=torch.Generator().manual_seed(0))[0]
    assert isinstance(text, str) and "\u0120" not in text
    assert end_of(BYTES.entries) == 0 and end_of(WORDS.entries) == 3
    assert silent(WORDS.entries) == (0, 1, 2, 4) and silent(BYTES.entries, ends=True) == (0,)


def test_scores_are_made_some_places_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = torch.Generator().manual_seed(0)
    hidden, weight, bias = (torch.randn(*shape, generator=draw) for shape in ((50, 8), (30, 8), (30,)))
    targets = torch.randint(0, 30, (50,), generator=draw)
    targets[7] = -100
    whole = token_scores(hidden, weight, bias, targets)
    monkeypatch.setattr("neuropil.tasks.vocabulary_scores.LOGITS", 100)
    losses, right = token_scores(hidden, weight, bias, targets)
    wanted = F.cross_entropy(F.linear(hidden, weight, bias), targets, reduction="none")
    assert torch.allclose(losses, wanted) and torch.allclose(losses, whole[0]) and torch.equal(right, whole[1])


def test_a_vocabulary_of_another_model_is_refused() -> None:
    with pytest.raises(
        InputError, match=f"tells {len(BYTES)} tokens apart, but the vocabulary has {len(WORDS)}; build"
    ):
        LanguageModelling(WORDS.entries, level="wordpiece").step(gpt(), windows(), None)


def test_translations_of_pieces_are_texts_and_hold_no_special_entries() -> None:
    entries = ["<pad>", "<unk>", "<bos>", "<eos>", *BYTES.entries]
    task = Translation(entries, level="bpe", most=5)
    ids = [2, *(one + 4 for one in BYTES.encode("the doer")), 3, 0]
    assert task.reference(ids) == "the doer" and task.answer(torch.tensor([ids]))[0]["text"] == "the doer"
    special = entries.index("<|endoftext|>")

    class Writer:
        def begin(self, source: torch.Tensor) -> Any:
            return self

        def select(self, indices: torch.Tensor) -> Any:
            return self

        def step(self, ids: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
            logits = torch.zeros(len(ids), len(entries))
            logits[:, special], logits[:, 9] = 9.0, 5.0
            return logits, self

    assert task.write(Writer(), torch.zeros(1, 3, dtype=torch.int64)).tolist() == [[9] * 5]  # type: ignore[arg-type]


def test_tags_are_said_of_words_alone() -> None:
    outputs = torch.tensor([[[9.0, 0], [0, 9], [9, 0], [0, 9]]])
    answer = Tagging(["DET", "NOUN"]).answer(outputs, [["", "cats", "", "the"]])[0]
    assert (answer["text"], answer["words"], answer["tags"]) == (
        "cats/NOUN the/NOUN",
        ["cats", "the"],
        ["NOUN", "NOUN"],
    )
    assert len(answer["probabilities"]) == 2
