"""Decoding against every sequence there is, against NumPy's probabilities and against peers' warpers."""

from __future__ import annotations

import itertools
import math
from typing import Any, Self

import numpy as np
import pytest
import torch
from torch import Tensor

from neuropil.errors import InputError
from neuropil.recurrent.decoding import Beams, beam, greedy, length_penalty, narrowed, sample

TOKENS, LONGEST, END = 4, 4, 3


class Written:
    """What has been said so far, `[N, t]`: a network that remembers everything."""

    def __init__(self, table: dict[tuple[int, ...], Tensor], said: Tensor) -> None:
        self.table, self.said = table, said

    def select(self, indices: Tensor) -> Self:
        return type(self)(self.table, self.said[indices])


def step(ids: Tensor, state: Written) -> tuple[Tensor, Written]:
    said = torch.cat([state.said, ids[:, None]], 1)
    logits = torch.stack([state.table[tuple(one)] for one in said.tolist()])
    return logits, Written(state.table, said)


def network(seed: int, rows: int, tokens: int = TOKENS, sharp: float = 1.5) -> tuple[Written, Tensor]:
    """Its own logits for each row and each prefix; row r begins with token r."""
    draw = torch.Generator().manual_seed(seed)
    table = {
        (row, *prefix): sharp * torch.randn(tokens, generator=draw, dtype=torch.float64)
        for row in range(rows)
        for length in range(LONGEST)
        for prefix in itertools.product(range(tokens), repeat=length)
    }
    return Written(table, torch.zeros(rows, 0, dtype=torch.int64)), torch.arange(rows)


def every_sequence(table: dict[tuple[int, ...], Tensor], row: int, allowed: list[int]) -> dict[tuple[int, ...], float]:
    """The log-probability of each sequence that ends, or is cut off, by brute force."""
    found: dict[tuple[int, ...], float] = {}
    for length in range(1, LONGEST + 1):
        for sequence in itertools.product(allowed, repeat=length):
            if END in sequence[:-1] or (sequence[-1] != END and length < LONGEST):
                continue
            total = 0.0
            for place, token in enumerate(sequence):
                logits = table[(row, *sequence[:place])].numpy()
                chances = np.exp(logits[allowed])
                total += math.log(math.exp(logits[token]) / chances.sum())
            found[sequence] = total
    assert math.isclose(sum(map(math.exp, found.values())), 1)
    return found


def without_padding(ids: list[int]) -> tuple[int, ...]:
    return tuple(ids[: ids.index(END) + 1] if END in ids else ids)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("never", [(), (0,)])
def test_a_beam_as_wide_as_everything_finds_the_best_of_all(alpha: float, never: tuple[int, ...]) -> None:
    state, start = network(seed=1, rows=3)
    found = beam(step, state, start, width=TOKENS**LONGEST, most=LONGEST, alpha=alpha, best=5, end=END, never=never)
    for row in range(3):
        truth = every_sequence(state.table, row, [token for token in range(TOKENS) if token not in never])
        scored = {one: total / length_penalty(len(one), alpha) for one, total in truth.items()}
        best = sorted(scored, key=scored.__getitem__, reverse=True)[:5]
        assert [without_padding(ids) for ids in found.ids[row].tolist()] == best
        np.testing.assert_allclose(found.scores[row], [scored[one] for one in best])


def plain_beam(
    table: dict[tuple[int, ...], Tensor], row: int, width: int, alpha: float
) -> tuple[float, tuple[int, ...]]:
    """The same search with lists, one row, never stopping early."""
    alive: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    whole: list[tuple[float, tuple[int, ...]]] = []
    for place in range(LONGEST):
        candidates = []
        for total, said in alive:
            chances = table[(row, *said)].log_softmax(0).tolist()
            candidates += [(total + chance, (*said, token)) for token, chance in enumerate(chances)]
        candidates = sorted(candidates, reverse=True)[: 2 * width]
        ended = [one for one in candidates if one[1][-1] == END or place == LONGEST - 1]
        whole += [(total / length_penalty(len(said), alpha), said) for total, said in ended]
        alive = [one for one in candidates if one not in ended][:width]
    return max(whole)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_narrow_beams_are_those_of_a_plain_search(width: int) -> None:
    for seed in range(5):
        state, start = network(seed, rows=4)
        found = beam(step, state, start, width=width, most=LONGEST, alpha=0.6, end=END, never=())
        for row in range(4):
            score, said = plain_beam(state.table, row, width, 0.6)
            assert without_padding(found.ids[row, 0].tolist()) == said
            assert found.scores[row, 0].item() == pytest.approx(score)


def test_wider_beams_are_not_worse_than_greedy() -> None:
    state, start = network(seed=3, rows=6)
    one = greedy(step, state, start, most=LONGEST, end=END, never=())
    many = beam(step, state, start, width=2, most=LONGEST, alpha=0.0, end=END, never=())
    assert (many.scores[:, 0] >= one.scores - 1e-12).all()


def test_greedy_takes_the_likeliest_and_sums_its_logarithms() -> None:
    state, start = network(seed=2, rows=5)
    found = greedy(step, state, start, most=LONGEST, end=END, never=(0,))
    for row in range(5):
        said: tuple[int, ...] = ()
        while len(said) < LONGEST and END not in said:
            said = (*said, 1 + int(state.table[(row, *said)][1:].argmax()))
        assert without_padding(found.ids[row].tolist()) == said
        assert found.scores[row].item() == pytest.approx(every_sequence(state.table, row, [1, 2, 3])[said])
        assert not found.ids[row, len(said) :].any()


def test_a_row_says_the_same_alone_and_in_a_batch() -> None:
    state, start = network(seed=4, rows=4)
    together = beam(step, state, start, width=3, most=LONGEST, best=2, end=END, never=(0,))
    for row in range(4):
        alone = beam(step, state, start[row : row + 1], width=3, most=LONGEST, best=2, end=END, never=(0,))
        ids = torch.zeros_like(together.ids[row])
        ids[:, : alone.ids.shape[2]] = alone.ids[0]
        assert torch.equal(ids, together.ids[row])
        torch.testing.assert_close(alone.scores[0], together.scores[row])


class Fixed:
    """A network without memory, `[V]`."""

    def select(self, indices: Tensor) -> Self:
        return self


def drawn(logits: Tensor, count: int, **options: Any) -> np.ndarray[Any, Any]:
    """How often each token came among as many draws."""
    rows = logits.expand(count, -1)
    generator = torch.Generator().manual_seed(0)
    found = sample(
        lambda ids, state: (rows, state), Fixed(), torch.zeros(count, dtype=torch.int64), most=1, never=(),
        generator=generator, **options,
    )  # fmt: skip
    return np.bincount(found.ids[:, 0].numpy(), minlength=len(logits))


@pytest.mark.parametrize("options", [{}, {"temperature": 0.5}, {"temperature": 3.0, "top_k": 3}, {"top_p": 0.8}])
def test_tokens_are_drawn_by_their_probability(options: dict[str, Any]) -> None:
    stats = pytest.importorskip("scipy.stats")
    chances = np.array([0.05, 0.4, 0.1, 0.3, 0.15])
    wanted = chances ** (1 / options.get("temperature", 1.0))
    if "top_k" in options:
        wanted[[0, 2]] = 0
    if "top_p" in options:  # 0.4 + 0.3 + 0.15 = 0.85 is the first to reach it
        wanted[[0, 2]] = 0
    wanted /= wanted.sum()
    counts = drawn(torch.tensor(chances).log(), 20_000, **options)
    left = wanted > 0
    assert counts[~left].sum() == 0
    assert stats.chisquare(counts[left], 20_000 * wanted[left]).pvalue > 0.001


def test_whole_sequences_are_drawn_by_their_probability() -> None:
    stats = pytest.importorskip("scipy.stats")
    state, _ = network(seed=5, rows=1, sharp=0.5)
    count = 5_000
    many = Written(state.table, state.said.expand(count, 0))
    found = sample(
        step, many, torch.zeros(count, dtype=torch.int64), most=LONGEST, end=END, never=(0,),
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    truth = every_sequence(state.table, 0, [1, 2, 3])
    seen = [without_padding(ids) for ids in found.ids.tolist()]
    counts = np.array([seen.count(one) for one in truth])
    assert counts.sum() == count
    assert stats.chisquare(counts, count * np.exp(list(truth.values()))).pvalue > 0.001
    np.testing.assert_allclose(found.scores, [truth[one] for one in seen])


def test_a_generator_repeats_its_draws() -> None:
    state, start = network(seed=6, rows=4)

    def draw(seed: int) -> Tensor:
        torch.rand(1)  # the global source is not asked
        generator = torch.Generator().manual_seed(seed)
        return sample(step, state, start, most=LONGEST, end=END, never=(), generator=generator).ids

    assert torch.equal(draw(1), draw(1))
    assert any(draw(1).tolist() != draw(seed).tolist() for seed in range(2, 6))


@pytest.mark.slow
def test_narrowing_is_that_of_transformers() -> None:
    peer = pytest.importorskip("transformers.generation.logits_process")
    logits = torch.randn(50, 30, generator=torch.Generator().manual_seed(0))
    ids = torch.zeros(50, 1, dtype=torch.int64)
    for warper, options in (
        (peer.TemperatureLogitsWarper(0.7), {"temperature": 0.7}),
        (peer.TopKLogitsWarper(5), {"top_k": 5}),
        (peer.TopPLogitsWarper(0.6), {"top_p": 0.6}),
    ):
        torch.testing.assert_close(narrowed(logits, **options), warper(ids, logits))


def test_narrowing_leaves_at_least_one_token() -> None:
    logits = torch.tensor([[0.0, 5.0, 1.0]])
    for options in ({"top_p": 1e-9}, {"top_k": 1}):
        assert narrowed(logits, **options).softmax(1).tolist() == [[0, 1, 0]]  # type: ignore[arg-type]
    assert torch.equal(narrowed(logits, top_k=9, top_p=1.0), logits)


def test_what_cannot_be_is_refused() -> None:
    state, start = network(seed=0, rows=2)
    with pytest.raises(InputError, match="temperature must be above 0"):
        sample(step, state, start, most=2, temperature=0)
    with pytest.raises(InputError, match="top_k must be 1 or more"):
        narrowed(torch.zeros(1, 3), top_k=0)
    with pytest.raises(InputError, match="top_p must be above 0"):
        narrowed(torch.zeros(1, 3), top_p=0.0)
    with pytest.raises(InputError, match="at most 0 tokens"):
        greedy(step, state, start, most=0)
    with pytest.raises(InputError, match=r"must be int64 \[N\]"):
        greedy(step, state, start.float(), most=2)
    with pytest.raises(InputError, match="a beam of 2 that gives 3"):
        beam(step, state, start, width=2, most=2, best=3)
    with pytest.raises(InputError, match="alpha must be finite"):
        beam(step, state, start, width=2, most=2, alpha=-1)


def test_fewer_sequences_than_beams_leave_empty_places() -> None:
    found: Beams = beam(
        lambda ids, state: (torch.zeros(len(ids), 4), state), Fixed(), torch.zeros(1, dtype=torch.int64), width=8,
        most=1, best=8, end=END, never=(0, 2),
    )  # fmt: skip
    assert found.scores[0].tolist() == pytest.approx([math.log(0.5)] * 2 + [-math.inf] * 6)
