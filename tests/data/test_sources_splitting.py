"""Splits: shares, classes, seeds; samples in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.memory_samples import pictures, table
from neuropil.data.in_memory import Described, InMemory, Subset, fit_square
from neuropil.data.records import DataInfo
from neuropil.data.splitting import split, split_indices
from neuropil.errors import InputError

Array = np.ndarray[Any, Any]


@given(
    sizes=st.lists(st.integers(1, 60), min_size=2, max_size=6),
    valid=st.floats(0, 0.45),
    test=st.floats(0, 0.45),
    seed=st.integers(0, 2**64 - 1),
)
def test_every_sample_once_and_every_class_in_training(sizes: list[int], valid: float, test: float, seed: int) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    parts = split_indices(labels, classes=True, valid_fraction=valid, test_fraction=test, seed=seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    assert set(labels[parts[0]].tolist()) == set(range(len(sizes)))
    for part, fraction in ((parts[1], valid), (parts[2], test)):
        counts = np.bincount(labels[part], minlength=len(sizes))
        assert (counts <= np.array(sizes) * fraction + 1).all()
        assert all(np.diff(part) > 0)


def test_shares_are_those_of_each_class() -> None:
    labels = np.repeat([0, 1, 2], [100, 50, 10])
    parts = split_indices(labels, classes=True, valid_fraction=0.1, test_fraction=0.2, seed=3)
    assert [np.bincount(labels[part]).tolist() for part in parts] == [[70, 35, 7], [10, 5, 1], [20, 10, 2]]


def test_the_seed_alone_decides() -> None:
    def of(seed: int) -> list[list[int]]:
        found = split_indices(np.zeros(50), classes=False, valid_fraction=0.1, test_fraction=0.2, seed=seed)
        return [part.tolist() for part in found]

    assert of(5) == of(5) != of(6)
    assert of(0)[2] == [5, 9, 10, 15, 17, 18, 21, 32, 38, 45]  # the same in every version of NumPy


def test_the_test_part_does_not_depend_on_the_validation_share() -> None:
    labels = np.arange(90) % 3
    with_valid = split_indices(labels, classes=True, valid_fraction=0.3, test_fraction=0.2, seed=1)
    without = split_indices(labels, classes=True, valid_fraction=0.0, test_fraction=0.2, seed=1)
    assert np.array_equal(with_valid[2], without[2]) and not len(without[1])


@pytest.mark.parametrize(
    ("valid", "test", "sentence"),
    [
        (1.0, 0.0, "valid_fraction is 1.0"),
        (-0.1, 0.0, "valid_fraction"),
        (0.0, 1.5, "test_fraction"),
        (0.5, 0.5, "sum"),
    ],
)
def test_shares_that_leave_nothing_are_refused(valid: float, test: float, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        split_indices(np.zeros(4), classes=False, valid_fraction=valid, test_fraction=test, seed=0)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="seed is -1"):
        split_indices(np.zeros(4), classes=False, valid_fraction=0.1, test_fraction=0.1, seed=-1)


def test_split_gives_subsets_of_the_samples() -> None:
    samples = pictures(40)
    parts = split(samples, valid_fraction=0.0, test_fraction=0.25, seed=0)
    assert parts.valid is None and parts.test is not None and len(parts.test) == 10
    inputs, targets = parts.test.fetch(np.array([2, 0]))
    numbers = [int(parts.test.name(index).split()[1]) - 1 for index in (2, 0)]
    assert np.array_equal(inputs, samples.inputs[numbers]) and np.array_equal(targets, samples.targets[numbers])
    values = split(table(20), valid_fraction=0.1, test_fraction=0.1, seed=0)
    assert len(values.train) == 16


def test_in_memory_refuses_what_does_not_fit() -> None:
    info = DataInfo("here", "table", "values", (3,))
    good = InMemory(np.zeros((4, 3), dtype=np.float32), np.zeros((4, 1), dtype=np.float32), info)
    assert good.name(0) == "row 1" and len(good) == 4
    with pytest.raises(InputError, match="4 inputs but 3 targets"):
        InMemory(np.zeros((4, 3)), np.zeros((3, 1)), info)
    with pytest.raises(InputError, match=r"shape \[2\]"):
        InMemory(np.zeros((4, 2)), np.zeros((4, 1)), info)
    with pytest.raises(InputError, match="1 names"):
        InMemory(np.zeros((4, 3)), np.zeros((4, 1)), info, ["a"])


def test_a_subset_of_a_subset_and_a_new_record() -> None:
    samples = table(10)
    part = Subset(Subset(samples, np.array([9, 3, 5])), np.array([2, 0]))
    assert part.fetch(np.array([0, 1]))[0][:, 0].tolist() == [5.0, 9.0] and part.name(0) == "row 6"
    assert not part.crops_while_decoding
    info = DataInfo("new", "table", "values", (5,))
    again = Described(part, info)
    assert again.info.source == "new" and again.name(1) == "row 10" and len(again) == 2
    assert np.array_equal(again.targets, part.targets)
    for wrong in (10, -1):
        with pytest.raises(InputError, match=f"sample {wrong} was asked for"):
            Subset(samples, np.array([0, wrong]))


def test_a_size_out_of_range_is_refused() -> None:
    with pytest.raises(InputError, match="size is 0"):
        fit_square(np.zeros((1, 1, 2, 2), dtype=np.uint8), 0, "resize")
