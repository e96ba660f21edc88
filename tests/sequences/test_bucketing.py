"""Batches of sequences: each sample once an epoch, little padding, the same from any batch and for any workers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neuropil.batches.batching import Batches
from neuropil.batches.bucketing import bucketed, by_length, lanes
from neuropil.corpora.windows import WindowSamples
from neuropil.data.records import DataInfo
from neuropil.errors import InputError
from neuropil.sequences.ragged import IGNORED, Ragged, SequenceSamples

INFO = DataInfo("memory", "sequences", "tags", (0,), classes=("a", "b"))


def sequences(lengths: Any) -> SequenceSamples:
    """Sample i holds i + 1, as often as its length says."""
    rows = [np.full(length, number + 1) for number, length in enumerate(lengths)]
    return SequenceSamples(Ragged.of(rows), Ragged.of(rows), INFO, [f"line {n}" for n in range(len(rows))], IGNORED)


LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=80)


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(1, 9), st.integers(0, 3), st.booleans())
def test_every_sample_once_and_padded_to_the_longest(lengths: list[int], size: int, epoch: int, shuffle: bool) -> None:
    seen: list[int] = []
    batches = Batches(sequences(lengths), batch_size=size, seed=3, shuffle=shuffle)
    for batch in batches.epoch(epoch):
        own = [lengths[index] for index in batch.indices]
        assert batch.inputs.shape == (len(own), max(own))
        assert batch.inputs.dtype == batch.targets.dtype == torch.int64
        for row, (index, length) in enumerate(zip(batch.indices.tolist(), own, strict=True)):
            assert batch.inputs[row].tolist() == [index + 1] * length + [0] * (max(own) - length)
            assert batch.targets[row].tolist() == [index + 1] * length + [IGNORED] * (max(own) - length)
        seen += batch.indices.tolist()
    assert sorted(seen) == list(range(len(lengths)))


@settings(max_examples=25, deadline=None)
@given(LENGTHS, st.integers(1, 9), st.integers(0, 10))
def test_a_resumed_epoch_is_the_rest_of_the_whole_one(lengths: list[int], size: int, start: int) -> None:
    whole = list(Batches(sequences(lengths), batch_size=size, seed=1).epoch(2))
    start = min(start, len(whole))
    rest = list(Batches(sequences(lengths), batch_size=size, seed=1, workers=start % 3).epoch(2, start))
    assert len(rest) == len(whole) - start
    for one, other in zip(whole[start:], rest, strict=True):
        assert torch.equal(one.inputs, other.inputs) and torch.equal(one.targets, other.targets)
        assert one.indices.tolist() == other.indices.tolist()


def test_little_of_a_batch_is_padding_and_batches_stay_mixed() -> None:
    lengths = 1 + np.random.default_rng(0).geometric(0.06, 4000)
    order = bucketed(lengths, 32, seed=0, epoch=0)
    batches = [lengths[order[begin : begin + 32]] for begin in range(0, len(order), 32)]
    padded = sum(len(one) * one.max() for one in batches)
    assert lengths.sum() / padded > 0.9
    plain = np.random.default_rng(1).permutation(lengths)[:3968].reshape(-1, 32)
    assert lengths.sum() / (plain.max(1) * 32).sum() < 0.5
    longest = np.array([one.max() for one in batches])
    assert abs(np.corrcoef(np.arange(len(longest)), longest)[0, 1]) < 0.2  # long ones are not all at one end
    assert (bucketed(lengths, 32, seed=0, epoch=1) != order).mean() > 0.9


def test_pairs_are_sorted_by_both_lengths() -> None:
    assert by_length(np.array([[2, 9], [2, 1], [1, 5]])).tolist() == [2, 1, 0]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 400), st.integers(1, 12), st.integers(1, 9))
def test_lanes_walk_through_the_text(tokens: int, window: int, size: int) -> None:
    """Row r goes on where row r of the batch before ended; every token is foretold once."""
    samples = WindowSamples(np.arange(4, 4 + tokens), window, DataInfo("text", "sequences", "next", (0,)))
    size = min(size, len(samples))
    foretold: list[int] = []
    before: list[int] | None = None
    ends: list[int] = []
    for batch in Batches(samples, batch_size=size, seed=0).epoch(5):
        if before is not None:
            assert batch.indices.tolist() == [one + 1 for one in before[: len(batch.indices)]]
            assert batch.inputs[:, 0].tolist() == [end + 1 for end in ends[: len(batch.indices)]]
        known = batch.targets != IGNORED
        assert torch.equal(batch.targets[known], batch.inputs[known] + 1)
        foretold += batch.targets[known].tolist()
        before, ends = batch.indices.tolist(), batch.inputs[:, -1].tolist()
    assert sorted(foretold) == list(range(5, 4 + tokens))


def test_lanes_are_as_even_as_can_be() -> None:
    assert lanes(6, 2).tolist() == [0, 3, 1, 4, 2, 5]
    assert lanes(3, 3).tolist() == [0, 1, 2]
    batches = Batches(WindowSamples(np.arange(99), 9, INFO), batch_size=4, seed=0, drop_last=True)
    assert [len(batch.inputs) for batch in batches.epoch(0)] == [4, 4]


def test_refusals() -> None:
    with pytest.raises(InputError, match="cannot be cut"):
        Ragged(np.arange(3), np.array([1, 1]))
    with pytest.raises(InputError, match="1 targets"):
        SequenceSamples(Ragged.of([np.arange(2)] * 2), np.zeros(1, dtype=np.int64), INFO, ["a", "b"])
    for numbers, window, words in ((np.arange(1), 4, "needs 2 or more"), (np.arange(9), 0, "window is 0")):
        with pytest.raises(InputError, match=words):
            WindowSamples(numbers, window, INFO)
