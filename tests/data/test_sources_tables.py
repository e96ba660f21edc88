"""Tables against pandas and by hand: columns, missing values, categories, targets, refusals; the built-in sets."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets as real

from neuropil.data.records import Samples, Splits
from neuropil.data.tables import open_csv
from neuropil.errors import InputError, MissingExtraError
from neuropil.sources import SOURCES
from neuropil.sources.opening import check_source, guess_source, open_source

Array = np.ndarray[Any, Any]


def rows_of(splits: Splits) -> tuple[Array, Array]:
    """All samples in the file's order."""
    parts: list[Samples] = [part for part in (splits.train, splits.valid, splits.test) if part is not None]
    lines = np.array([int(part.name(index).split()[1]) for part in parts for index in range(len(part))])
    found = [part.fetch(np.arange(len(part))) for part in parts]
    order = np.argsort(lines)
    return np.concatenate([one[0] for one in found])[order], np.concatenate([one[1] for one in found])[order]


def write(folder: Path, text: str, name: str = "table.csv") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


PETS = "age;weight;colour;kind\n" + "".join(
    f"{age};{weight};{colour};{'cat' if age % 2 else 'dog'}\n"
    for age, weight, colour in zip(
        range(20), [*map(str, range(18)), "NA", ""], ["red", "blue", "", "red", "?"] * 4, strict=True
    )
)


@pytest.mark.parametrize("name", ["iris", "wine", "banknote_authentication", "winequality-red"])
def test_real_files_as_pandas_reads_them(shared_data: Path, name: str) -> None:
    path = shared_data / "tabular" / f"{name}.csv"
    frame = pd.read_csv(path, header=None)
    splits = open_source(str(path), {})
    inputs, targets = rows_of(splits)
    assert np.array_equal(inputs, frame.iloc[:, :-1].to_numpy(np.float32))
    codes, names = pd.factorize(frame.iloc[:, -1], sort=True)
    assert np.array_equal(targets, codes) and splits.info.classes == tuple(map(str, names))
    assert sorted(map(len, (splits.train, splits.valid or [], splits.test or [])))[2] == len(splits.train)
    assert json.loads(json.dumps(splits.info.encoding)) == splits.info.encoding


def test_red_wine_as_regression(shared_data: Path) -> None:
    path = shared_data / "tabular" / "winequality-red.csv"
    splits = open_csv(root=str(path), task="regression", target=12)
    _, targets = rows_of(splits)
    assert np.array_equal(targets[:, 0], pd.read_csv(path, header=None)[11].to_numpy(np.float32))
    assert splits.info.target == "values" and splits.info.targets == ("column 12",) and not splits.info.classes


def test_categories_missing_values_and_fill(tmp_path: Path) -> None:
    splits = open_csv(root=write(tmp_path, PETS))
    inputs, targets = rows_of(splits)
    assert splits.info.columns == ("age", "weight", "colour=blue", "colour=red", "colour=(missing)")
    assert splits.info.classes == ("cat", "dog") and targets.tolist() == [1, 0] * 10
    train_lines = [int(splits.train.name(index).split()[1]) - 2 for index in range(len(splits.train))]
    fill = np.median([line for line in train_lines if line < 18])  # the training part's own median
    assert inputs[18:, 1].tolist() == [fill, fill]
    frame = pd.read_csv(tmp_path / "table.csv", sep=";", na_values=["?"])
    dummies = pd.get_dummies(frame["colour"], dummy_na=True).to_numpy(np.float32)
    assert np.array_equal(inputs[:, 2:], dummies)
    assert any(note.startswith("10 missing cells") for note in splits.info.notes)


def test_only_the_training_part_is_fitted_on(tmp_path: Path) -> None:
    path = write(tmp_path, PETS)
    splits = open_csv(root=path, test_fraction=0.4)
    assert splits.test is not None
    lines = (tmp_path / "table.csv").read_text().splitlines()
    for index in range(len(splits.test)):
        number = int(splits.test.name(index).split()[1]) - 1
        cells = lines[number].split(";")
        lines[number] = ";".join(["1000", "5000", "purple", cells[3]])
    changed = open_csv(root=write(tmp_path, "\n".join(lines), "other.csv"), test_fraction=0.4)
    assert changed.info.encoding == splits.info.encoding
    assert changed.test is not None
    assert changed.test.fetch(np.array([0]))[0][0].tolist() == [1000, 5000, 0, 0, 0]
    assert any("'purple'" in note for note in changed.info.notes)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_quotes_and_a_byte_order_mark(tmp_path: Path, delimiter: str) -> None:
    text = "\ufeff" + PETS.replace(";", delimiter).replace("red", f'"r{delimiter}d"').replace("\n", "\r\n")
    splits = open_csv(root=write(tmp_path, text), delimiter="|" if delimiter == "|" else None)
    assert splits.info.columns[:2] == ("age", "weight") and f"colour=r{delimiter}d" in splits.info.columns


def test_header_told_apart(tmp_path: Path) -> None:
    numbers = "1,2,a\n3,4,b\n5,6,a\n7,8,b\n"
    without = open_csv(root=write(tmp_path, numbers))
    assert len(rows_of(without)[0]) == 4 and without.info.columns == ("column 1", "column 2")
    years = open_csv(root=write(tmp_path, "1990,1991,kind\n" + numbers), header=True)
    assert years.info.columns == ("1990", "1991") and len(rows_of(years)[0]) == 4
    texts = open_csv(root=write(tmp_path, "size,kind\nbig,a\nsmall,b\nbig,b\n"))
    assert texts.info.columns == ("size=big", "size=small")
    plain = open_csv(root=write(tmp_path, "big,a\nsmall,b\nbig,b\n"))
    assert len(rows_of(plain)[0]) == 3


@pytest.mark.parametrize(
    ("cells", "target", "count"),
    [
        (["a", "b"] * 20, "classes", 2),
        (["0", "1.0"] * 20, "classes", 2),
        ([str(number % 8) for number in range(40)], "classes", 8),
        ([str(number % 9) for number in range(40)], "values", 0),
        ([str(number / 2) for number in range(40)], "values", 0),
        (["0.5", "1.5"] * 20, "values", 0),
    ],
)
def test_classes_and_values_told_apart(tmp_path: Path, cells: list[str], target: str, count: int) -> None:
    path = write(tmp_path, "x,y\n" + "".join(f"{row},{cell}\n" for row, cell in enumerate(cells)))
    info = open_csv(root=path).info
    assert (info.target, len(info.classes)) == (target, count)
    assert any("read as" in note and "'y'" in note for note in info.notes)


def test_target_ignored_and_category_columns(tmp_path: Path) -> None:
    splits = open_csv(root=write(tmp_path, PETS), target=4, ignore=("age", "colour"), categories=("weight",))
    assert all(name.startswith("weight=") for name in splits.info.columns)


NUMBERS = "x,y\n" + "".join(f"{row},{row % 2}\n" for row in range(20))


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        (PETS, {"target": "kidn"}, "no column 'kidn' to predict; did you mean 'kind'"),
        (PETS, {"target": 5}, "no column '5'"),
        (PETS, {"ignore": ("agee",)}, "no column 'agee'; did you mean 'age'"),
        (PETS, {"ignore": ("age", "weight", "colour")}, "leaves no input"),
        (PETS, {"ignore": ("kind",)}, "leaves no target"),
        (PETS, {"delimiter": ";;"}, "give one character"),
        (PETS, {"task": "regression"}, r"line 2: the target column 'kind' holds 'dog', which is no finite number"),
        (NUMBERS.replace("\n7,", "\nseven,"), {}, r"line 9: column 'x' holds 'seven', but 19 of its 20 cells"),
        (NUMBERS.replace("\n7,", "\n1_0,"), {}, "column 'x' holds '1_0'"),
        (NUMBERS.replace("\n7,", "\ninf,"), {}, "line 9: column 'x' holds 'inf', which is no finite"),
        (NUMBERS.replace("\n7,", "\n1e60,"), {}, "line 9: column 'x' holds '1e60'"),
        (NUMBERS.replace("7,1", "7,inf"), {}, "line 9: the target column 'y' holds 'inf'"),
        (NUMBERS.replace("7,1", "7,nan"), {}, "line 9: the target column 'y' holds 'nan'; fill"),
        (NUMBERS.replace("7,1\n", "7,\n"), {}, "line 9: the target column 'y' is empty"),
        (NUMBERS.replace("7,1", "7,1,1"), {}, "line 9: it has 3 cells, but line 1 has 2"),
        (NUMBERS.replace(",1\n", ",0\n"), {}, "all 20 rows have '0' in the target column 'y'"),
        ("", {}, "is empty"),
        ("\n\n", {}, "is empty"),
        ("x,y\n", {}, "a header and no rows"),
        ("x\n1\n2\n", {}, "one column only"),
        ("x,x,y\n1,2,a\n2,3,b\n", {}, "2 columns named 'x'"),
        ('x,y\n1,"a\n2,b\n', {}, "correct the quotes"),
        ("x,y\n" + "".join(f"n{row},{row % 2}\n" for row in range(150)), {}, "150 different texts in 150 rows"),
        ("x;y\n" + "".join(f"{row},5;{row % 2}\n" for row in range(150)), {}, "write its numbers with a point"),
        ("x,y\n" + "".join(f"1,n{row}\n" for row in range(30)), {}, "30 different cells in 30 rows, too many"),
        ("x,y\n" + "".join(f",{row % 2}\n" for row in range(9)), {}, "every input column is empty"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        open_csv(root=write(tmp_path, text), **options)


def test_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes("x,y\n1,a\n2,é\n".encode("latin-1"))
    with pytest.raises(InputError, match="line 3: this is not UTF-8"):
        open_csv(root=str(tmp_path / "table.csv"))


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_built_in_tables(name: str) -> None:
    found = getattr(real, f"load_{name}")(**({"scaled": False} if name == "diabetes" else {}))
    splits = open_source(name, {"valid_fraction": 0.0})
    inputs, targets = rows_of(splits)
    assert np.array_equal(inputs, found.data.astype(np.float32))
    assert np.array_equal(targets.ravel(), found.target)
    assert splits.info.columns == tuple(found.feature_names)
    assert splits.info.classes == (tuple(found.target_names) if name != "diabetes" else ())


def test_digits() -> None:
    found = real.load_digits()
    splits = open_source("digits", {})
    inputs, targets = rows_of(splits)
    assert np.array_equal(np.rint(inputs[:, 0] * (16 / 255)), found.images) and inputs.max() == 255
    assert np.array_equal(targets, found.target)
    assert open_source("digits", {"size": 32}).info.input_shape == (1, 32, 32)
    padded = rows_of(open_source("digits", {"size": 12, "fit": "pad"}))[0]
    assert np.array_equal(padded[:, :, 2:10, 2:10], inputs) and not padded[:, :, :2].any()


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, package: str | None = None) -> Any:
        raise ImportError(name)

    monkeypatch.setattr("neuropil.data.samples.import_module", refuse)
    with pytest.raises(MissingExtraError, match=r"pip install 'neuropil\[samples\]'"):
        open_source("iris", {})


@pytest.mark.parametrize(
    ("source", "options", "sentence"),
    [
        ("digit", {}, "did you mean 'digits'"),
        ("./nowhere.csv", {}, "check the path"),
        ("digits", {"siz": 3}, "no option 'siz'; did you mean 'size'"),
        ("digits", {"fit": "stretch"}, "cannot be 'stretch'"),
        ("mnist", {}, "needs the option 'root'"),
        ("mnist", {"root": "/nowhere"}, "there is no file or folder '/nowhere'"),
    ],
)
def test_sources_are_checked_before_they_are_read(source: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_source(source, options)


def test_checking_reads_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, PETS)

    def refuse(*args: Any, **options: Any) -> Any:
        raise RuntimeError("a file was opened")

    check_source(path, {})  # modules are imported by now
    monkeypatch.setattr(Path, "read_bytes", refuse)
    monkeypatch.setattr(builtins, "open", refuse)
    check_source(path, {"target": "kind"})
    with pytest.raises(InputError, match="no option 'targte'; did you mean 'target'"):
        check_source(path, {"targte": "kind"})
    with pytest.raises(InputError, match=r"leave data\.root out"):
        check_source(path, {"root": path})


def test_paths_are_guessed_and_that_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, PETS)
    splits = open_source(path, {})
    assert splits.info.source == path and splits.info.notes[0].startswith(f"{path!r} was read as 'csv'")
    assert splits.train.info is splits.info and splits.test is not None and splits.test.info is splits.info
    for name, kind in (("a.tsv", "csv"), ("a.npz", "npz"), ("a.ZIP", "folder")):
        write(tmp_path, "", name)
        assert guess_source(tmp_path / name) == kind
    (tmp_path / "classes" / "cat").mkdir(parents=True)
    assert guess_source(tmp_path / "classes") == "folder"
    write(tmp_path, "", "train-images-idx3-ubyte.gz")
    assert guess_source(tmp_path) == "idx"
    (tmp_path / "empty").mkdir()
    for wrong, sentence in (
        ("train-images-idx3-ubyte.gz", "give the folder"),
        ("empty", "neither class folders nor boxes nor idx"),
        ("nowhere", "no file or folder"),
    ):
        with pytest.raises(InputError, match=sentence):
            guess_source(tmp_path / wrong)
    write(tmp_path / "empty", "", "a.csv")
    with pytest.raises(InputError, match="give one of them"):
        guess_source(tmp_path / "empty")
    write(tmp_path, "", "a.xls")
    with pytest.raises(InputError, match="of no known kind"):
        guess_source(tmp_path / "a.xls")


def test_every_source_of_the_catalogue_has_typed_keyword_options() -> None:
    for name in SOURCES:
        assert (
            name in ("text", "series", "python_docs") or SOURCES.builder(name).__kwdefaults__["split_seed"] == 0
        )  # cut in order
        assert "valid_fraction" in SOURCES.builder(name).__annotations__
