"""Parallel text, time series and captions from files to samples."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neuropil.batches.batching import Batches
from neuropil.errors import InputError
from neuropil.sequences.vocabulary import Vocabulary
from neuropil.sources.opening import open_source

DE = ["eine Katze schläft", "ein Hund bellt laut", "eine Katze", "ein Hund"] * 5
EN = ["a cat sleeps", "a dog barks loudly", "a cat", "a dog"] * 5


def opened(root: Path, **options: Any) -> Any:
    return open_source(str(root), options)


def write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def decoded(splits: Any, index: int) -> tuple[list[str], list[str]]:
    inputs, targets = splits.train.fetch(np.array([index]))
    encoding = splits.info.encoding
    read = [Vocabulary(encoding[name]) for name in ("vocabulary", "target_vocabulary")]
    return read[0].decode(inputs[0].tolist()), read[1].decode(targets[0].tolist())


@pytest.mark.parametrize("form", ["files", "table"])
def test_parallel_text(form: str, tmp_path: Path) -> None:
    if form == "files":
        for end, lines in (("de", DE), ("en", EN)):
            write(tmp_path / f"train.{end}", lines)
            write(tmp_path / f"val.{end}", lines[:3])
        splits = opened(tmp_path)
        assert splits.info.notes[-1].startswith("from de (")
        assert [len(splits.train), len(splits.valid), splits.test] == [20, 3, None]
        back = opened(tmp_path, translate_to="de")
        assert decoded(back, 0)[1] == ["<bos>", "eine", "Katze", "schläft", "<eos>"]
    else:
        write(tmp_path / "pairs.tsv", [f"{one}\t{other}" for one, other in zip(DE, EN, strict=True)])
        splits = opened(tmp_path / "pairs.tsv", valid_fraction=0.0, test_fraction=0.0)
    assert (splits.info.target, splits.info.input_shape) == ("tokens", (0,))
    assert decoded(splits, 0) == (
        ["eine", "Katze", "schläft", "<eos>"],
        ["<bos>", "a", "cat", "sleeps", "<eos>"],
    )
    batch = next(iter(Batches(splits.train, batch_size=20, seed=0).epoch(0)))
    assert batch.inputs.shape == (20, 5) and batch.targets.shape == (20, 6)


def test_long_pairs_are_named_and_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a.de", [*DE, "sehr " * 30])
    write(tmp_path / "a.en", [*EN, "very " * 3])
    splits = opened(tmp_path, max_length=9, valid_fraction=0.0, test_fraction=0.0)
    assert len(splits.train) == 20
    assert splits.info.skipped[0].where.endswith("a.de, line 21")
    with pytest.raises(InputError, match="no files that end in 'fr'; allowed: de, en"):
        opened(tmp_path, translate_from="fr")


def test_multi30k(shared_data: Path) -> None:
    root = shared_data / "multi30k"
    if not root.exists():
        pytest.skip(f"no {root}")
    splits = opened(root, leave_out=["test_2017*", "train*"], test_fraction=0.1)
    assert len(splits.train) + len(splits.valid) + len(splits.test) == 1014 + 1000


SERIES = "day,temp,wind\n" + "".join(f"2024-{1 + n // 28:02}-{1 + n % 28:02},{n},{-n}\n" for n in range(100))


def test_series_windows_lie_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(SERIES, encoding="utf-8")
    splits = opened(tmp_path / "a.csv", window=5, horizon=2, valid_fraction=0.1, test_fraction=0.2)
    info = splits.info
    assert (info.kind, info.target, info.input_shape) == ("sequences", "values", (5, 2))
    assert info.targets == ("temp +1", "wind +1", "temp +2", "wind +2")
    assert info.encoding["mean"] == [34.5, -34.5]
    told: dict[str, list[float]] = {}
    for name in ("train", "valid", "test"):
        part = getattr(splits, name)
        inputs, targets = part.fetch(np.arange(len(part)))
        assert inputs.shape[1:] == (5, 2) and inputs.dtype == targets.dtype == np.float32
        assert np.array_equal(inputs[:, :, 1], -inputs[:, :, 0])
        assert np.array_equal(targets[:, 0], inputs[:, -1, 0] + 1)
        assert np.array_equal(targets[:, 2], targets[:, 0] + 1)
        told[name] = np.unique(targets[:, [0, 2]]).tolist()
    assert told == {"train": list(range(5, 70)), "valid": list(range(70, 80)), "test": list(range(80, 100))}
    assert splits.valid.name(0) == "2024-03-15"
    only = opened(tmp_path / "a.csv", target="wind", window=3).info
    assert only.targets == ("wind +1",) and only.columns == ("temp", "wind")
    with pytest.raises(InputError, match="no column 'rain' to foretell"):
        opened(tmp_path / "a.csv", target="rain")


@pytest.mark.parametrize("name", ["airline-passengers", "daily-min-temperatures", "monthly-sunspots"])
def test_real_series(name: str, shared_data: Path) -> None:
    root = shared_data / "timeseries" / f"{name}.csv"
    if not root.exists():
        pytest.skip(f"no {root}")
    splits = opened(root)
    assert "read as 'series'" in splits.info.notes[0]
    assert splits.info.input_shape == (24, 1)


def pictures(folder: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        Image.new("RGB", (12, 10), (20 * number, 0, 90)).save(folder / name)


FLICKR = "".join(f"p{n}.png#{k}\tA dog runs , version {k} .\n" for n in range(6) for k in range(2))
TABLE = "image,caption\n" + "".join(f'p{n}.png,"A dog, number {n}"\n' for n in range(6))


@pytest.mark.parametrize(("name", "text", "each"), [("a.token.txt", FLICKR, 2), ("captions.csv", TABLE, 1)])
def test_captions(name: str, text: str, each: int, tmp_path: Path) -> None:
    pictures(tmp_path, [f"p{n}.png" for n in range(5)])
    (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "x_8k.trainImages.txt").write_text("p0.png\np1.png\np2.png\n", encoding="utf-8")
    (tmp_path / "x_8k.devImages.txt").write_text("p3.png\n", encoding="utf-8")
    splits = opened(tmp_path, size=8)
    info = splits.info
    assert (info.kind, info.target, info.input_shape) == ("images", "tokens", (3, 8, 8))
    assert [len(splits.train), len(splits.valid), splits.test] == [3 * each, each, None]
    assert [one.reason for one in info.skipped] == ["there is no picture 'p5.png'"]
    inputs, targets = splits.train.fetch(np.arange(2))
    assert inputs.shape == (2, 3, 8, 8) and inputs.dtype == np.uint8
    said = Vocabulary(info.encoding["target_vocabulary"]).decode(targets[0].tolist())
    assert said[:3] == ["<bos>", "a", "dog"] and said[-1] == "<eos>"
    batch = next(iter(Batches(splits.train, batch_size=2, seed=0).epoch(0)))
    assert batch.inputs.shape == (2, 3, 8, 8) and batch.targets.dtype.is_signed
    with pytest.raises(InputError, match=r"there is no picture 'p5\.png' \(strict=true"):
        opened(tmp_path, size=8, strict=True)


def test_whole_pictures_are_drawn_where_nothing_divides_them(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    pictures(tmp_path / "pictures", [f"p{n}.png" for n in range(6)])
    (tmp_path / "a.txt").write_text(FLICKR, encoding="utf-8")
    splits = open_source(
        "captions", {"root": str(tmp_path / "a.txt"), "pictures": str(tmp_path / "pictures"), "size": 8,
                     "valid_fraction": 0.2, "test_fraction": 0.2},
    )  # fmt: skip
    named = [
        {part.name(n).split(" ")[0] for n in range(len(part))} for part in (splits.train, splits.valid, splits.test)
    ]
    assert [len(one) for one in named] == [4, 1, 1]
    assert len(set.union(*named)) == 6


def test_the_captions_of_flickr8k(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "flickr8k-captions"
    if not root.exists():
        pytest.skip(f"no {root}")
    names = {}
    for part in ("train", "dev", "test"):
        with gzip.open(root / f"Flickr_8k.{part}Images.txt.gz", "rt") as file:
            names[part] = [next(file).strip() for _ in range(4)]
    pictures(tmp_path, [name for some in names.values() for name in some])
    splits = opened(root, pictures=str(tmp_path), size=8)
    assert [len(splits.train), len(splits.valid), len(splits.test)] == [20, 20, 20]
    assert len(splits.info.skipped) == 8093 - 12
    assert "2258277193_586949ec62.jpg.1" in " ".join(one.reason for one in splits.info.skipped)
