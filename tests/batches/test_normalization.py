"""Normalisation against NumPy and scikit-learn, and its refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from batches.memory_samples import MemorySamples, pictures, table
from neuropil.batches import normalization
from neuropil.batches.normalization import Normalization, fit_normalization, to_float
from neuropil.errors import InputError


def test_channel_statistics_of_pictures_are_numpys() -> None:
    samples = pictures(50)
    found = fit_normalization(samples)
    scaled = samples.inputs.astype(np.float64) / 255
    assert found.mean == pytest.approx(scaled.mean(axis=(0, 2, 3)), rel=1e-14)
    assert found.std == pytest.approx(scaled.std(axis=(0, 2, 3)), rel=1e-13)


def test_table_statistics_are_scikit_learns() -> None:
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    samples = table(300)
    samples.inputs[:, 1] += 1e4  # far from 0: the naive sum of squares would lose half the digits
    scaler = preprocessing.StandardScaler().fit(samples.inputs.astype(np.float64))
    found = fit_normalization(samples, kind="feature")
    assert found.mean == pytest.approx(scaler.mean_, rel=1e-12)
    assert found.std == pytest.approx(scaler.scale_, rel=1e-10)
    wanted = scaler.transform(samples.inputs.astype(np.float64))
    assert np.abs(found.apply(samples.inputs) - wanted).max() < 1e-6
    assert fit_normalization(samples, kind="channel") == found


def test_features_of_pictures_are_single_pixels() -> None:
    samples = pictures(20, (1, 4, 3))
    found = fit_normalization(samples, kind="feature")
    applied = found.apply(samples.inputs)
    assert len(found.mean) == 12
    assert np.abs(applied.mean(axis=0)).max() < 1e-6
    assert np.abs(applied.std(axis=0) - 1).max() < 1e-5


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 28, 28), (3, 500, 500)])
def test_pictures_are_normalised_as_torchvision_does(shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    images = pictures(3, shape).inputs
    mean, std = (0.49, 0.48, 0.45)[: shape[0]], (0.25, 0.24, 0.26)[: shape[0]]
    sides = (shape[0], 1, 1)
    wanted = (torch.from_numpy(images) / 255 - torch.tensor(mean).view(sides)) / torch.tensor(std).view(sides)
    found = Normalization(mean, std).apply(images)
    assert found.dtype == np.float32
    assert np.abs(found - wanted.numpy()).max() < 1e-6


@pytest.mark.parametrize("chunk_bytes", [1, 400, 1 << 20])
def test_fit_does_not_depend_on_how_much_is_read_at_a_time(monkeypatch: pytest.MonkeyPatch, chunk_bytes: int) -> None:
    images, rows = pictures(33), table(33)
    wanted = fit_normalization(images), fit_normalization(rows)
    monkeypatch.setattr(normalization, "CHUNK_BYTES", chunk_bytes)
    assert fit_normalization(images) == wanted[0]  # whole numbers: to the last bit
    assert fit_normalization(rows).mean == pytest.approx(wanted[1].mean, rel=1e-12, abs=1e-15)
    assert fit_normalization(rows).std == pytest.approx(wanted[1].std, rel=1e-12)


@pytest.mark.parametrize("value", [0.1, 1e-30, 3e38, -7.0])
def test_a_constant_column_becomes_zero(value: float) -> None:
    samples = table(100)
    samples.inputs[:, 2] = value
    found = fit_normalization(samples)
    assert found.std[2] == 1
    assert not found.apply(samples.inputs)[:, 2].any()


def test_a_constant_picture_becomes_zero() -> None:
    samples = MemorySamples(np.full((4, 1, 2, 2), 77, dtype=np.uint8), np.zeros(4, dtype=np.int64), classes=("a",))
    assert np.abs(fit_normalization(samples).apply(samples.inputs)).max() < 1e-5


def test_saved_as_plain_json_and_read_back_to_the_last_bit() -> None:
    found = fit_normalization(table(40))
    assert Normalization.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_without_statistics_pictures_become_shares_and_other_kinds_stay() -> None:
    assert to_float(np.array([0, 51, 255], dtype=np.uint8)).tolist() == pytest.approx([0, 0.2, 1])
    assert to_float(np.array([1.5])).dtype == np.float32
    assert to_float(np.array([3], dtype=np.int32)).dtype == np.int64


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_with_its_column(bad: float) -> None:
    samples = table(20, 3)
    samples.inputs[11, 1] = bad
    named = MemorySamples(samples.inputs, samples.targets, columns=("height", "weight", "age"))
    with pytest.raises(InputError, match="column 'weight' of 'memory' holds a value that is not finite"):
        fit_normalization(named)
    with pytest.raises(InputError, match="channel 1 of"):
        fit_normalization(samples)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Normalization((0.0,), (1.0, 1.0)), "1 means and 2 stds"),
        (lambda: Normalization((), ()), "0 means"),
        (lambda: Normalization((0.0,), (0.0,)), "greater than 0"),
        (lambda: Normalization((float("nan"),), (1.0,)), "finite"),
        (
            lambda: Normalization((0.0,) * 3, (1.0,) * 3).apply(np.zeros((2, 1, 4, 4), np.uint8)),
            r"3 means, but .*1, 4, 4",
        ),
        (lambda: Normalization((0.0,) * 3, (1.0,) * 3).apply(np.zeros(3, np.uint8)), "3 means"),
        (lambda: Normalization.from_json({"mean": [0.0]}), "'mean' and 'std'"),
        (lambda: Normalization.from_json({"mean": ["x"], "std": [1]}), "'mean' and 'std'"),
        (lambda: fit_normalization(table(0)), "no samples"),
    ],
)
def test_refusals(call, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
