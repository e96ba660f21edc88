"""Arrays, tensors, data frames, PyTorch data sets and npz files into samples; what cannot be used."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from neuropil.batches.loading import tensor_loader
from neuropil.data.arrays import DatasetSamples, from_arrays, from_dataset
from neuropil.data.npz import open_npz
from neuropil.data.records import Splits
from neuropil.errors import InputError
from neuropil.sources.opening import open_source

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(30, 4))
Y = np.arange(30) % 3


def everything(splits: Splits) -> tuple[Array, Array]:
    parts = [part for part in (splits.train, splits.valid, splits.test) if part is not None]
    found = [part.fetch(np.arange(len(part))) for part in parts]
    return np.concatenate([one[0] for one in found]), np.concatenate([one[1] for one in found])


@pytest.mark.parametrize("give", [np.asarray, torch.as_tensor, lambda values: np.asarray(values).tolist()])
def test_arrays_tensors_and_lists_are_alike(give: Any) -> None:
    splits = from_arrays(give(X), give(Y), test_fraction=0.2)
    assert splits.info.kind == "table" and splits.info.classes == ("0", "1", "2")
    assert splits.valid is not None and splits.test is not None
    assert [len(splits.train), len(splits.valid), len(splits.test)] == [21, 3, 6]
    inputs, targets = everything(splits)
    assert inputs.dtype == np.float32 and targets.dtype == np.int64
    expected = sorted(zip(X.astype(np.float32).tolist(), Y.tolist(), strict=True))
    assert sorted(zip(inputs.tolist(), targets.tolist(), strict=True)) == expected


@pytest.mark.parametrize(
    ("shape", "dtype", "kind", "found"),
    [
        ((30, 8, 6), np.uint8, "images", (1, 8, 6)),
        ((30, 3, 8, 6), np.uint8, "images", (3, 8, 6)),
        ((30, 8, 6, 3), np.uint8, "images", (3, 8, 6)),
        ((30, 5), np.uint8, "table", (5,)),
        ((30,), np.float64, "table", (1,)),
        ((30, 5), np.bool_, "table", (5,)),
        ((30, 3, 8, 6), np.float64, "arrays", (3, 8, 6)),
        ((30, 7, 2), np.int64, "arrays", (7, 2)),
    ],
)
def test_kinds_of_inputs(shape: tuple[int, ...], dtype: Any, kind: str, found: tuple[int, ...]) -> None:
    values = RANDOM.integers(0, 2, shape).astype(dtype)
    splits = from_arrays(values, Y, valid_fraction=0.0)
    assert (splits.info.kind, splits.info.input_shape) == (kind, found)
    inputs = splits.train.fetch(np.array([4]))[0]
    assert inputs.dtype == (np.uint8 if kind == "images" else np.float32)
    wanted = values[4].transpose(2, 0, 1) if shape[1:] == (8, 6, 3) else values[4]
    assert np.array_equal(inputs[0].ravel(), np.ravel(wanted))


def test_kinds_of_targets() -> None:
    assert from_arrays(X, Y.astype(float)).info.target == "values"
    assert from_arrays(X, Y.astype(float), task="classification").info.classes == ("0", "1", "2")
    assert from_arrays(X, Y, task="regression").train.targets.shape[1:] == (1,)
    assert from_arrays(X, RANDOM.normal(size=(30, 2))).info.targets == ("target 1", "target 2")
    assert from_arrays(X, Y[:, None]).train.targets.ndim == 1
    assert from_arrays(X, Y > 0).info.classes == ("0", "1")
    named = from_arrays(X, np.array(["b", "a", "c"])[Y], valid_fraction=0.0)
    assert named.info.classes == ("a", "b", "c") and named.train.targets[:3].tolist() == [1, 0, 2]
    moved = from_arrays(X, Y + 4, valid_fraction=0.0)
    assert moved.info.classes == ("4", "5", "6") and moved.train.targets[:3].tolist() == [0, 1, 2]
    assert "the labels are 4, 5, 6" in moved.info.notes[0]
    given = from_arrays(X, Y, classes=["x", "y", "z", "never"])
    assert given.info.classes == ("x", "y", "z", "never")


def test_names_that_look_like_numbers_stay_in_their_order() -> None:
    names = tuple(sorted(str(number) for number in range(12)))  # '0', '1', '10', '11', '2' ...
    splits = from_arrays(np.zeros((24, 2)), np.arange(24) % 12, classes=names, valid_fraction=0.0)
    assert splits.train.targets.tolist() == (np.arange(24) % 12).tolist()


def test_parts_that_are_given() -> None:
    splits = from_arrays(X, Y + 4, valid=(X[:5], Y[:5] + 4), test=(X[:2], np.array([6, 6])))
    assert splits.valid is not None and splits.test is not None
    assert len(splits.train) == 30 and splits.valid.targets.tolist() == Y[:5].tolist()
    assert splits.test.targets.tolist() == [2, 2]
    with pytest.raises(InputError, match=r"hold '9' at \[1\], which is no class"):
        from_arrays(X, Y + 4, test=(X[:2], np.array([6, 9])))
    with pytest.raises(InputError, match=r"of shape \[3\], but the training part's"):
        from_arrays(X, Y, valid=(X[:5, :3], Y[:5]))
    with pytest.raises(InputError, match="have 2 columns, the training part's 1"):
        from_arrays(X, X[:, 0], valid=(X[:5], X[:5, :2]))


def nan_at(row: int, column: int) -> Array:
    values = X.copy()
    values[row, column] = np.nan
    return values


@pytest.mark.parametrize(
    ("inputs", "targets", "options", "sentence"),
    [
        (X[:29], Y, {}, "29 inputs but 30 targets"),
        (X[:0], Y[:0], {}, "no samples"),
        (nan_at(7, 2), Y, {}, "row 7, column 2 of the inputs of 'arrays' is nan"),
        (X * 1e300, Y, {}, "row 0, column 0"),
        (X, np.where(Y == 1, np.inf, 0.5), {}, "row 1, column 0 of the targets of 'arrays' is inf"),
        (X, Y - 1, {}, r"hold -1 at \[0\]"),
        (X, Y + 0.5, {"task": "classification"}, r"hold 0.5 at \[0\]"),
        (X, Y, {"classes": ["a", "b"]}, r"hold 2 at \[2\], out of range: the 2 classes are 0 to 1"),
        (X, np.array(["a", "b", "d"])[Y], {"classes": ["a", "b", "c"]}, r"'d' at \[2\], which is no class"),
        (X, np.zeros(30, dtype=int), {}, "all labels of 'arrays' are 0"),
        (X, np.arange(30), {}, "30 different ones in 30 samples"),
        (X, np.array([{}] * 30), {}, "of type object"),
        (np.array([{}] * 30), Y, {}, "of type object"),
        ([[1, 2], [3]], [0, 1], {}, "cannot be made one array"),
        (np.array(["a"] * 30), Y, {}, "are texts"),
        (X, np.zeros((30, 2), dtype=int), {}, "one class a sample"),
        (X, np.array(["a", "b", "c"])[Y], {"task": "regression"}, "are not numbers"),
        (X, 3, {}, "are one value"),
        (np.zeros((30, 0)), Y, {}, "a sample holds no value"),
        (X, Y, {"valid_fraction": 1.0}, "valid_fraction"),
    ],
)
def test_arrays_that_cannot_be_used(inputs: Any, targets: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        from_arrays(inputs, targets, **options)


def test_data_frames() -> None:
    frame = pd.DataFrame(
        {
            "size": [1.5, None, 0.1 + 0.2] * 10,
            "colour": pd.Categorical(["red", "blue", "red"] * 10),
            "code": pd.Categorical([7, 8, 9] * 10),
            "kind": ["a", "b", "c"] * 10,
        }
    )
    splits = from_arrays(frame, "kind", valid_fraction=0.0)
    assert splits.info.columns == ("size", "colour=blue", "colour=red", "code=7", "code=8", "code=9")
    assert splits.train.fetch(np.array([2]))[0][0].tolist() == [np.float32(0.1 + 0.2), 0, 1, 0, 0, 1]
    assert splits.train.fetch(np.array([1]))[0][0, 0] == np.float32(np.median([1.5] * 10 + [0.1 + 0.2] * 10))
    assert splits.info.classes == ("a", "b", "c")
    apart = from_arrays(frame.drop(columns="kind"), frame["kind"], valid_fraction=0.0)
    assert np.array_equal(everything(apart)[0], everything(splits)[0])
    assert np.array_equal(everything(apart)[1], everything(splits)[1])
    assert from_arrays(frame[["size"]], X[:, 0]).info.targets == ("target",)
    with pytest.raises(InputError, match="no column 'knid' to predict; did you mean 'kind'"):
        from_arrays(frame, "knid")
    with pytest.raises(InputError, match="30 rows but 29 targets"):
        from_arrays(frame, Y[:29])
    with pytest.raises(InputError, match="one name"):
        from_arrays(pd.DataFrame(X, columns=["a", "a", "b", "c"]), Y)
    with pytest.raises(InputError, match="leave valid, test and classes out"):
        from_arrays(frame, "kind", classes=["a"])


class Squares(Dataset[Any]):
    """Pairs without a `targets` list."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        return torch.full((2, 3), float(index)), index % 3


def test_a_pytorch_data_set() -> None:
    samples = DatasetSamples(Squares())
    assert samples.info.input_shape == (2, 3) and samples.info.kind == "arrays" and len(samples) == 12
    assert samples.targets.tolist() == [index % 3 for index in range(12)] and samples.name(3) == "sample 3"
    inputs, targets = samples.fetch(np.array([5, 2]))
    batch = next(iter(DataLoader(torch.utils.data.Subset(Squares(), [5, 2]), batch_size=2)))
    assert np.array_equal(inputs, batch[0].numpy()) and np.array_equal(targets, batch[1].numpy())
    splits = from_dataset(Squares(), test=Squares(), valid_fraction=0.25)
    assert splits.valid is not None and splits.test is not None
    assert (len(splits.train), len(splits.valid), len(splits.test)) == (9, 3, 12)


def test_targets_are_taken_from_the_data_set_where_it_lists_them() -> None:
    class Listed(Squares):
        targets = [5, 6] * 6
        classes = None

        def __getitem__(self, index: int) -> Any:
            if index:
                raise RuntimeError("read before it was fetched")
            return torch.zeros(4, dtype=torch.uint8).reshape(2, 2), 5

    samples = DatasetSamples(Listed())
    assert samples.info.classes == ("5", "6") and samples.info.input_shape == (1, 2, 2)


def test_values_of_a_tensor_data_set() -> None:
    pairs = TensorDataset(torch.as_tensor(X), torch.as_tensor(X[:, :2]))
    samples = DatasetSamples(pairs)
    assert samples.info.target == "values" and np.array_equal(samples.targets, X[:, :2].astype(np.float32))


def test_data_sets_that_cannot_be_used() -> None:
    class Ragged(Squares):
        def __getitem__(self, index: int) -> Any:
            return torch.zeros(index + 1), index % 2

    with pytest.raises(InputError, match=r"sample 3 of 'dataset' is of shape \[4\], another of \[1\]"):
        DatasetSamples(Ragged()).fetch(np.array([0, 3]))
    with pytest.raises(InputError, match="no pair"):
        DatasetSamples([torch.zeros(3), torch.zeros(3)])
    with pytest.raises(InputError, match="no samples"):
        DatasetSamples([])
    with pytest.raises(InputError, match="map-style"):
        DatasetSamples(iter([]))


def test_pairs_to_a_loader_in_one_call() -> None:
    loader = tensor_loader(torch.as_tensor(X), torch.as_tensor(Y), batch_size=8, shuffle=False)
    theirs = DataLoader(TensorDataset(torch.as_tensor(X).float(), torch.as_tensor(Y)), batch_size=8)
    assert len(loader) == len(theirs) == 4
    for ours, (inputs, targets) in zip(loader.epoch(0), theirs, strict=True):
        assert torch.equal(ours.inputs, inputs) and torch.equal(ours.targets, targets)
    shuffled = [batch.indices.tolist() for batch in tensor_loader(X, Y).epoch(0)]
    assert sorted(shuffled[0]) == list(range(30)) != shuffled[0]
    with pytest.raises(InputError, match="batch size is 0"):
        tensor_loader(X, Y, batch_size=0)


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=X, y=Y)
    splits = open_source(str(path), {})
    assert splits.valid is not None and splits.test is not None
    assert [len(splits.train), len(splits.valid), len(splits.test)] == [21, 3, 6]
    assert np.array_equal(np.sort(everything(splits)[0], 0), np.sort(X.astype(np.float32), 0))
    pictures = RANDOM.integers(0, 256, (30, 5, 5), dtype=np.uint8)
    np.savez(path, X_train=pictures, Y_train=Y[:, None], x_test=pictures[:4], y_test=Y[:4])
    parts = open_npz(root=str(path))
    assert parts.test is not None and parts.info.kind == "images"
    assert np.array_equal(parts.test.fetch(np.arange(4))[0][:, 0], pictures[:4])
    np.savez(path, images=pictures, labels=np.array(["a", "b", "c"])[Y])
    assert open_npz(root=str(path)).info.classes == ("a", "b", "c")


def test_npz_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npz"

    def refused(sentence: str) -> None:
        with warnings.catch_warnings(), pytest.raises(InputError, match=sentence):
            warnings.simplefilter("error")
            open_npz(root=str(path))

    refused("cannot be read")
    path.write_bytes(b"nothing")
    refused("is no .npz file")
    np.savez(path, a=X, b=Y)
    refused("holds 'a', 'b'; name the arrays")
    np.savez(path, x=X, y=np.array([{}] * 30, dtype=object), allow_pickle=True)
    refused("'y' of .* holds Python objects")
    np.savez(path, x=X, y=Y[:20])
    refused("30 inputs but 20 targets")
    for save in (np.savez, np.savez_compressed):
        save(path, x=RANDOM.normal(size=(3000, 4)), y=np.tile(Y, 100))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1  # one bit of one value
        path.write_bytes(content)
        refused(r"damaged \(")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00\x04\x00oops")
    refused("'x' of .* has a damaged header")
    with zipfile.ZipFile(path, "w") as archive:
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 9), }\n"
        content_of = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        archive.writestr("x.npy", content_of)
        archive.writestr("y.npy", content_of)
    refused("announces 14,399,999,999,856 bytes; at most 4,294,967,296")
