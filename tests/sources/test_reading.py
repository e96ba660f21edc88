"""New files for a trained network: the same numbers as in training, and what is not like the training data."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neuropil.data.arrays import from_arrays
from neuropil.data.records import DataInfo, Samples
from neuropil.data.tables import open_csv
from neuropil.errors import InputError
from neuropil.sources.opening import open_source
from neuropil.sources.reading import open_labelled, read_inputs

Array = np.ndarray[Any, Any]

HEADER = "age,colour,kind\n"
ROWS = "".join(f"{age},{'red' if age % 3 else 'green'},{'cat' if age % 2 else 'dog'}\n" for age in range(20))


def write(folder: Path, text: str, name: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


@pytest.fixture
def info(tmp_path: Path) -> DataInfo:
    return open_csv(root=write(tmp_path, HEADER + ROWS, "train.csv")).info


def by_line(samples: Samples) -> dict[str, list[float]]:
    inputs = samples.fetch(np.arange(len(samples)))[0]
    return {samples.name(index): inputs[index].tolist() for index in range(len(samples))}


def test_the_training_file_reads_as_it_did_in_training(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + ROWS, "train.csv")
    splits = open_csv(root=path)
    read = read_inputs([path], splits.info)
    again = dict(zip(read.names, read.arrays.tolist(), strict=True))
    for part in (splits.train, splits.valid, splits.test):
        assert part is not None
        assert by_line(part).items() <= again.items()
    assert read.arrays.dtype == np.float32 and not read.skipped


@pytest.mark.parametrize(
    "text",
    [
        "age,colour\n3,red\n,green\n",
        "colour;age;extra\nred;3;1\ngreen;NA;2\n",
        "kind,colour,age\n,red,3\nunheard,green,?\n",
        "3,red\n,green\n",
        "3,red,cat\n,green,\n",
    ],
)
def test_columns_are_found_by_name_else_by_place(tmp_path: Path, info: DataInfo, text: str) -> None:
    fill = next(one["fill"] for one in info.encoding["columns"] if one["name"] == "age")
    read = read_inputs([write(tmp_path, text, "new.csv")], info)
    assert info.columns == ("age", "colour=green", "colour=red")
    assert read.arrays.tolist() == [[3, 0, 1], [fill, 1, 0]]


def test_standard_input_and_several_files(tmp_path: Path, info: DataInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"age,colour\n7,red\n")))
    path = write(tmp_path, "8,green\n", "one.csv")
    read = read_inputs(["-", path], info)
    assert read.arrays.tolist() == [[7, 0, 1], [8, 1, 0]]
    assert read.names == ("-, line 2", f"{path}, line 1")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "age,colour\n3,gren\n",
            r"line 2: column 'colour' holds 'gren', which .* did you mean 'green'",
        ),
        ("age,colour\n3,red\nold,red\n", "line 3: column 'age' holds 'old', but its cells are numbers"),
        ("age,color\n3,red\n", "no column 'colour'; did you mean 'color'"),
        ("years,colours\n3,red\n", "has no column 'age'"),
        ("3,red,cat,9\n4,red,cat,9\n", r"has 4 columns and no header; give the 2 columns .*age, colour"),
        ("3\n", "has 1 columns and no header"),
        ("age,colour\n", "a header and no rows"),
        ("", "is empty"),
    ],
)
def test_rows_unlike_the_training_rows(tmp_path: Path, info: DataInfo, text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_inputs([write(tmp_path, text, "new.csv")], info)


def test_a_delimiter_that_was_named_is_remembered(tmp_path: Path) -> None:
    text = (HEADER + ROWS).replace(",", "|")
    info = open_csv(root=write(tmp_path, text, "train.csv"), delimiter="|").info
    assert read_inputs([write(tmp_path, "3|red\n", "new.csv")], info).arrays.tolist() == [[3, 0, 1]]


def test_built_in_tables_predict_on_files(shared_data: Path) -> None:
    info = open_source("iris", {}).info
    path = shared_data / "tabular" / "iris.csv"
    read = read_inputs([str(path)], info)
    wanted = np.loadtxt(path, delimiter=",", usecols=range(4), dtype=np.float32)
    assert np.array_equal(read.arrays, wanted)


def test_nothing_and_no_file(tmp_path: Path, info: DataInfo) -> None:
    with pytest.raises(InputError, match="nothing to predict on"):
        read_inputs([], info)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_inputs([str(tmp_path / "none.csv")], info)
    arrays = from_arrays(np.zeros((10, 3)), np.arange(10) % 2).info
    with pytest.raises(InputError, match="trained on arrays"):
        read_inputs([write(tmp_path, "1,2,3\n", "a.csv")], arrays)
    with pytest.raises(InputError, match="is damaged; train the run again"):
        read_inputs([write(tmp_path, "1,2\n", "a.csv")], replace(info, encoding={"columns": [{}]}))


def test_npz_inputs(tmp_path: Path, info: DataInfo) -> None:
    path = str(tmp_path / "new.npz")
    arrays = from_arrays(np.zeros((10, 3)), np.arange(10) % 2).info
    np.savez(path, x=np.arange(6).reshape(2, 3))
    assert read_inputs([path], arrays).arrays.tolist() == [[0, 1, 2], [3, 4, 5]]
    np.savez(path, anything=np.ones((1, 3)))
    assert read_inputs([path], arrays).names == ("sample 0",)
    np.savez(path, x=np.ones((1, 4)))
    with pytest.raises(InputError, match=r"of shape \[4\], but the network was trained on \[3\]"):
        read_inputs([path], arrays)
    np.savez(path, a=np.ones((1, 3)), b=np.ones((1, 3)))
    with pytest.raises(InputError, match="name the inputs 'x'"):
        read_inputs([path], arrays)


def test_evaluating_on_another_table(tmp_path: Path, info: DataInfo) -> None:
    path = write(tmp_path, "kind,colour,age\ndog,red,3\ncat,green,4\n", "other.csv")
    samples = open_labelled(path, info)
    inputs, targets = samples.fetch(np.array([0, 1]))
    assert inputs.tolist() == [[3, 0, 1], [4, 1, 0]] and [info.classes[one] for one in targets] == ["dog", "cat"]
    assert samples.info.source == path and samples.name(1) == "line 3"
    for text, sentence in (
        (
            "age,colour,kind\n3,red,cow\n4,red,ape\n5,red,cow\n",
            r"line 3: .*'kind' .*: 'ape', 'cow'; known",
        ),
        ("age,colour,kind\n3,red,\n", "line 2: the target column 'kind' is empty"),
        ("age,colour\n3,red\n", "no column 'kind'"),
    ):
        with pytest.raises(InputError, match=sentence):
            open_labelled(write(tmp_path, text, "wrong.csv"), info)


def test_evaluating_a_regression(tmp_path: Path) -> None:
    text = "x,y\n" + "".join(f"{row},{row * 1.5}\n" for row in range(20))
    info = open_csv(root=write(tmp_path, text, "train.csv")).info
    samples = open_labelled(write(tmp_path, "y,x\n2.5,1\n", "other.csv"), info)
    assert samples.targets.tolist() == [[2.5]]


def test_evaluating_on_arrays(tmp_path: Path) -> None:
    info = from_arrays(np.zeros((10, 3)), np.arange(10) % 2 + 5).info
    path = str(tmp_path / "other.npz")
    np.savez(path, x=np.ones((2, 3)), y=np.array([6, 6]))
    assert open_labelled(path, info).targets.tolist() == [1, 1]
    np.savez(path, x=np.ones((2, 3)), y=np.array([6, 7]))
    with pytest.raises(InputError, match="hold '7'"):
        open_labelled(path, info)


def save_pictures(folder: Path, classes: dict[str, int], count: int = 3) -> None:
    for name, grey in classes.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("L", (8, 8), grey + number).save(folder / name / f"{number}.png")


def test_pictures(tmp_path: Path) -> None:
    info = open_source("digits", {}).info
    save_pictures(tmp_path / "new", {"3": 30, "5": 50})
    read = read_inputs([str(tmp_path / "new")], info)
    assert read.arrays[:, 0, 0, 0].tolist() == [30, 31, 32, 50, 51, 52] and read.arrays.shape == (6, 1, 8, 8)
    samples = open_labelled(str(tmp_path / "new"), info)
    inputs, targets = samples.fetch(np.arange(6))
    assert targets.tolist() == [3, 3, 3, 5, 5, 5] and np.array_equal(inputs, read.arrays)
    save_pictures(tmp_path / "strange", {"3": 30, "cat": 50})
    with pytest.raises(InputError, match="classes that training never saw: 'cat'; known are '0'"):
        open_labelled(str(tmp_path / "strange"), info)
    with pytest.raises(InputError, match="read as 'csv', but the network was trained on images"):
        open_labelled(write(tmp_path, HEADER + ROWS, "t.csv"), info)


def test_mnist_on_other_sizes(shared_data: Path, tmp_path: Path) -> None:
    splits = open_source("mnist", {"root": str(shared_data / "mnist"), "size": 32, "fit": "pad"})
    assert splits.test is not None
    first = splits.test.fetch(np.array([0]))[0][0, 0]
    Image.fromarray(first[2:30, 2:30]).save(tmp_path / "seven.png")
    read = read_inputs([str(tmp_path / "seven.png")], splits.info)
    assert np.array_equal(read.arrays[0, 0], first)
