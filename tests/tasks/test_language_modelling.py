"""Language modelling: windows that make up one text, nats and perplexity, what is carried, and what is written."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.models import create_model
from neuropil.tasks.language_modelling import LanguageModelling, carried, continued
from neuropil.training.speed import Placed
from neuropil.training.tree import pack, unpack

VOCABULARY = ["<pad>", "<unk>", "<bos>", "<eos>", "a", "b", "c", "d"]
CELLS = ("rnn", "lstm", "lstm_peephole", "gru")


def model(cell: str = "lstm", seed: int = 0, **more: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return create_model("language_model", **{"num_tokens": 8, "width": 12, "dropout": 0.0, "cell": cell, **more})


def lanes(steps: int, rows: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    text = torch.randint(3, 8, (rows, steps + 1), generator=torch.Generator().manual_seed(seed))
    return text[:, :-1].contiguous(), text[:, 1:].contiguous()


def windows(inputs: Tensor, targets: Tensor, width: int) -> list[Placed]:
    """Row r's windows have the numbers r W, r W + 1, ..."""
    count = inputs.shape[1] // width
    return [
        Placed(
            inputs[:, one * width : (one + 1) * width], targets[:, one * width : (one + 1) * width],
            np.arange(len(inputs)) * count + one,
        )
        for one in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("cell", CELLS)
def test_windows_of_a_text_are_scored_like_the_whole(cell: str) -> None:
    network, (inputs, targets) = model(cell).eval().double(), lanes(12)
    scorer = LanguageModelling(VOCABULARY).scorer()
    for one in windows(inputs, targets, 4):
        scorer.update(network, one)
    with torch.no_grad():
        logits, _ = network(inputs)
    nats = F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
    figures = scorer.compute()
    assert figures["loss"] == pytest.approx(nats, abs=1e-9)
    assert figures["perplexity"] == pytest.approx(math.exp(nats))
    assert figures["bits_per_word"] == pytest.approx(nats / math.log(2))
    assert figures["accuracy"] == pytest.approx((logits.argmax(2) == targets).double().mean().item())


@pytest.mark.parametrize("cell", CELLS)
def test_the_state_goes_on_but_the_error_does_not(cell: str) -> None:
    network, (inputs, targets) = model(cell).double(), lanes(8)
    task, (first, second) = LanguageModelling(VOCABULARY), windows(inputs, targets, 4)
    loss, carry = task.step(network, first, None)
    loss.backward()  # type: ignore[no-untyped-call]
    loss, _ = task.step(network, second, carry)
    loss.backward()  # type: ignore[no-untyped-call]  # would fail if it went back into the first window
    with torch.no_grad():
        logits, _ = network(inputs)
    assert loss.item() == pytest.approx(F.cross_entropy(logits[:, 4:].flatten(0, 1), targets[:, 4:].flatten()).item())
    tensors: dict[str, Tensor] = {}
    restored = unpack(pack(carry, tensors), tensors)
    again, _ = task.step(network, second, restored)
    assert again.item() == loss.item() and not any(one.requires_grad for one in tensors.values())


def test_rows_go_on_only_where_their_numbers_do() -> None:
    state = (torch.ones(2, 3, 5), 2 * torch.ones(2, 3, 5))
    at = Placed(torch.zeros(3, 4), torch.zeros(3, 4), np.array([0, 10, 20]))
    carry = carried(state, at)

    def next_state(*numbers: int) -> Any:
        return continued(carry, Placed(torch.zeros(len(numbers), 4), torch.zeros(len(numbers), 4), np.array(numbers)))

    assert all(map(torch.equal, next_state(1, 11, 21), state))
    h, c = next_state(1, 0, 21)
    assert h[:, 1].sum() == 0 and torch.equal(h[:, 0], state[0][:, 0]) and torch.equal(c[:, 2], state[1][:, 2])
    assert next_state(1, 11)[0].shape == (2, 2, 5), "the last batch of an epoch may be smaller"
    assert next_state(0, 10, 20) is None and next_state(1, 11, 21, 31) is None and continued(None, at) is None


def test_padding_counts_for_nothing() -> None:
    network, (inputs, targets) = model().eval(), lanes(6)
    task = LanguageModelling(VOCABULARY)

    def scored(inputs: Tensor, targets: Tensor) -> dict[str, float]:
        scorer = task.scorer()
        scorer.update(network, Placed(inputs, targets, np.arange(len(inputs))))
        return scorer.compute()

    plain = scored(inputs, targets)
    for filler in (-100, 0):
        padded = scored(F.pad(inputs, (0, 3)), F.pad(targets, (0, 3), value=filler))
        assert padded == pytest.approx(plain, rel=1e-6)
    loss, _ = task.step(network, Placed(F.pad(inputs, (0, 3)), F.pad(targets, (0, 3), value=-100), np.arange(3)), None)
    assert loss.item() == pytest.approx(plain["loss"], rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_text_is_learned_by_heart_and_written_down(cell: str) -> None:
    text = [4, 4, 5, 4, 6, 7, 7, 5, 6, 3] * 6
    inputs, targets = torch.tensor([text[:-1]]), torch.tensor([text[1:]])
    network, task = model(cell, width=24).train(), LanguageModelling(VOCABULARY, level="character")
    rule = torch.optim.Adam(network.parameters(), lr=0.03)
    for _ in range(40):
        carry = None
        for one in windows(inputs[:, :50], targets[:, :50], 10):
            rule.zero_grad()
            loss, carry = task.step(network, one, carry)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            rule.step()
    scorer = task.scorer()
    scorer.update(network.eval(), Placed(inputs, targets, np.arange(1)))
    assert scorer.compute()["perplexity"] < 1.3 and "bits_per_character" in scorer.compute()
    prompt = torch.tensor([[4, 4]])
    assert task.write(network, prompt, most=6, temperature=0.1, stop=True) == ["bacddb"]
    assert task.write(network, prompt, most=20, temperature=0.1, stop=True) == ["bacddbc"]
    assert task.write(network, prompt, most=9, temperature=0.1) == ["bacddbc<eos>a"]


def test_answers_name_the_next_token() -> None:
    network, task = model().eval(), LanguageModelling(VOCABULARY)
    inputs, _ = lanes(5)
    with torch.no_grad():
        found = network(inputs)
    answers = task.answer(found)
    for row, one in enumerate(answers):
        chances = found[0][row, -1].softmax(0)
        assert one["next"] == VOCABULARY[int(chances.argmax())]
        assert one["probability"] == pytest.approx(chances.max().item()) and len(one["top"]) == 5


def test_what_is_written_is_drawn_by_the_generator() -> None:
    network, task = model().eval(), LanguageModelling(VOCABULARY)
    prompt = torch.tensor([[4, 5], [6, 7]])

    def write(seed: int) -> list[str]:
        return task.write(network, prompt, most=12, generator=torch.Generator().manual_seed(seed))

    assert write(1) == write(1) and write(1) != write(2)
    assert not {"<unk>", "<pad>", "<bos>"} & set(" ".join(write(1) + write(2)).split())
    assert all(len(text.split()) == 12 for text in write(1))


def test_what_does_not_fit_is_refused() -> None:
    network, (inputs, targets) = model(), lanes(5)
    with pytest.raises(InputError, match=r"tokens need \[N, T, 7\]"):
        LanguageModelling(VOCABULARY[:7]).step(network, Placed(inputs, targets, np.arange(3)), None)
    with pytest.raises(InputError, match="a target is 9, outside 0 to 7"):
        wrong = torch.where(targets == targets.max(), 9, targets)
        LanguageModelling(VOCABULARY).step(network, Placed(inputs, wrong, np.arange(3)), None)
    with pytest.raises(InputError, match="needs at least one entry more"):
        LanguageModelling(VOCABULARY[:4])
    with pytest.raises(InputError, match="one at least"):
        LanguageModelling(VOCABULARY).write(network, torch.zeros(1, 0, dtype=torch.int64))
