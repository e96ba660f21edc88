"""Batches: each sample once, any start, any number of workers, nothing left running."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from batches.memory_samples import MemorySamples, pictures, table
from neuropil.batches import batching
from neuropil.batches.batching import Batches
from neuropil.batches.normalization import fit_normalization
from neuropil.data.records import Batch
from neuropil.errors import InputError


def same(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a.inputs, b.inputs) and torch.equal(a.targets, b.targets) and np.array_equal(a.indices, b.indices)
        for a, b in zip(one, other, strict=True)
    )


def loader_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("neuropil-batches")]


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 220), st.booleans(), st.booleans(), st.integers(0, 9), st.data())
def test_every_sample_exactly_once_an_epoch(
    n: int, batch_size: int, shuffle: bool, drop_last: bool, epoch: int, data: st.DataObject
) -> None:
    samples = table(n, 2)
    if drop_last and batch_size > n:
        batch_size = n
    batches = Batches(samples, batch_size=batch_size, seed=3, shuffle=shuffle, drop_last=drop_last)
    whole = list(batches.epoch(epoch))
    seen = np.concatenate([batch.indices for batch in whole])
    assert len(whole) == len(batches) == (n // batch_size if drop_last else -(-n // batch_size))
    assert len(set(seen.tolist())) == len(seen) == (len(batches) * batch_size if drop_last else n)
    for batch in whole:
        assert batch.inputs[:, 0].tolist() == batch.indices.tolist()  # the first column is the row number
        assert np.array_equal(batch.targets.numpy(), samples.targets[batch.indices])
    start = data.draw(st.integers(0, len(batches)))
    assert same(list(batches.epoch(epoch, start)), whole[start:])


@pytest.mark.parametrize("together", [1, 3_000, 1 << 20])
@pytest.mark.parametrize("start", [0, 1, 7])
def test_any_number_of_workers_gives_the_same_batches(
    monkeypatch: pytest.MonkeyPatch, together: int, start: int
) -> None:
    samples = pictures(83)
    statistics = fit_normalization(samples)

    def epochs(workers: int) -> list[Batch]:
        batches = Batches(samples, batch_size=8, seed=5, workers=workers, normalize=statistics)
        return [batch for epoch in (0, 4) for batch in batches.epoch(epoch, start)]

    wanted = epochs(0)
    monkeypatch.setattr(batching, "CHUNK_BYTES", together)
    for workers in (0, 1, 2, 4):
        assert same(epochs(workers), wanted)
    assert not loader_threads()


def test_seed_and_epoch_change_the_order_and_shuffle_false_keeps_it() -> None:
    samples = table(50)

    def order(seed: int, epoch: int, shuffle: bool = True) -> list[int]:
        batches = Batches(samples, batch_size=7, seed=seed, shuffle=shuffle)
        return np.concatenate([batch.indices for batch in batches.epoch(epoch)]).tolist()

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(0, 0)), tuple(order(0, 1)), tuple(order(1, 0))}) == 3
    assert order(0, 0, shuffle=False) == order(1, 5, shuffle=False) == list(range(50))


def test_what_a_batch_holds() -> None:
    (batch,) = Batches(pictures(6), batch_size=100, seed=0).epoch(0)  # the chapter's batch update
    assert (batch.inputs.dtype, tuple(batch.inputs.shape)) == (torch.float32, (6, 3, 8, 8))
    assert (batch.targets.dtype, batch.indices.dtype) == (torch.int64, np.int64)
    assert 0 <= batch.inputs.min() < batch.inputs.max() <= 1
    assert len(list(Batches(pictures(6), batch_size=1, seed=0).epoch(0))) == 6  # its stochastic update


def test_no_earlier_batch_is_made_to_start_late() -> None:
    samples = pictures(40)
    batches = Batches(samples, batch_size=4, seed=0)
    wanted = next(iter(batches.epoch(2, 9))).indices
    assert np.array_equal(np.concatenate(samples.asked), wanted)


def test_global_random_states_are_left_alone() -> None:
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    list(Batches(pictures(30), batch_size=4, seed=1, workers=2).epoch(0))
    assert torch.equal(states[0], torch.get_rng_state())
    assert (states[1], states[2]) == (np.random.get_state()[1].tolist(), random.getstate())


def test_samples_are_left_alone_by_whoever_changes_a_batch() -> None:
    samples = table(20)
    before = samples.inputs.copy()
    for shuffle in (True, False):
        for batch in Batches(samples, batch_size=6, seed=0, shuffle=shuffle).epoch(0):
            batch.inputs.zero_()
    assert np.array_equal(samples.inputs, before)


class SlowSamples(MemorySamples):
    """Counts its fetches and fails at one sample."""

    fails_at = -1
    pause_seconds = 0.0

    def fetch(self, indices: np.ndarray[Any, Any], draws: np.ndarray[Any, Any] | None = None) -> Any:
        answer = super().fetch(indices, draws)
        if self.fails_at in indices:
            raise InputError(f"row {self.fails_at} is damaged")
        time.sleep(self.pause_seconds)
        return answer


def slow(count: int, **attributes: Any) -> SlowSamples:
    source = pictures(count, (3, 300, 300))  # too large to be made in groups
    samples = SlowSamples(source.inputs, source.targets, classes=source.info.classes)
    for name, value in attributes.items():
        setattr(samples, name, value)
    return samples


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_a_failure_in_a_worker_is_raised_in_its_turn(workers: int) -> None:
    samples = slow(12, fails_at=5)
    stream = Batches(samples, batch_size=2, seed=0, shuffle=False, workers=workers).epoch(0)
    assert [next(stream).indices.tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(InputError, match="row 5 is damaged"):
        next(stream)
    assert not loader_threads()


@pytest.mark.parametrize("how", ["close", "drop", "raise"])
def test_leaving_early_stops_the_workers(how: str) -> None:
    samples = slow(60, pause_seconds=0.005)
    stream = Batches(samples, batch_size=1, seed=0, workers=2, prefetch=3).epoch(0)
    next(stream)
    assert len(loader_threads()) == 2
    if how == "close":
        stream.close()
    elif how == "raise":
        with pytest.raises(KeyError):
            stream.throw(KeyError("x"))
    del stream
    assert not loader_threads()
    assert len(samples.asked) <= 8


def test_workers_read_no_further_ahead_than_asked() -> None:
    samples = slow(40)
    stream = Batches(samples, batch_size=1, seed=0, workers=2, prefetch=2).epoch(0)
    next(stream)
    time.sleep(0.1)
    assert len(samples.asked) == 5
    stream.close()


def test_an_epoch_that_is_not_begun_starts_no_thread() -> None:
    stream = Batches(pictures(9), batch_size=2, seed=0, workers=2).epoch(0)
    assert not loader_threads()
    assert len(list(stream)) == 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, "batch size is 0; give 1 or more"),
        ({"batch_size": 4, "workers": -1}, "workers is -1; give 0 or more"),
        ({"batch_size": 4, "prefetch": 0}, "prefetch is 0; give 1 or more"),
        ({"batch_size": 11, "drop_last": True}, "only 10 samples"),
        ({"batch_size": 4, "seed": -1}, "seed is -1"),
    ],
)
def test_refusals(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Batches(table(10), **{"seed": 0, **options})


def test_refusal_of_no_samples_and_of_places_outside() -> None:
    with pytest.raises(InputError, match="'memory' has no samples"):
        Batches(table(0), batch_size=1, seed=0)
    batches = Batches(table(10), batch_size=5, seed=0)
    assert list(batches.epoch(0, 2)) == []
    for start in (-1, 3):
        with pytest.raises(InputError, match=f"batch {start} is outside the epoch; it has 2 batches"):
            batches.epoch(0, start)
    with pytest.raises(InputError, match="epoch is -1"):
        batches.epoch(-1)
