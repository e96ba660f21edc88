"""Tagged, labelled and plain text from files to samples: small files with known numbers, and the real sets."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuropil.errors import InputError
from neuropil.sequences.vocabulary import SPECIALS, Vocabulary
from neuropil.sources.opening import guess_source, open_source

CONLLU = """# text = Do it
1\tDo\tdo\tVERB\tVB\t_\t0\troot\t_\t_
2\tit\tit\tPRON\tPRP\t_\t1\tobj\t_\t_

1-2\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tdo\tdo\tAUX\tVB\t_\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_
2.1\tleft\tleave\tVERB\tVB\t_\t_\t_\t_\t_
3\tit\tit\tPRON\tPRP\t_\t0\troot\t_\t_
"""

PLAIN = "the DET\ncat NOUN\nsleeps VERB\n\na DET\ndog NOUN\nbarks VERB\n\n"


def words_of(samples: Any, index: int, name: str = "vocabulary") -> list[str]:
    """The tokens of a sample's input, read back."""
    inputs = samples.fetch(np.array([index]))[0][0]
    numbers = inputs[:, 0] if inputs.ndim == 2 else inputs
    return Vocabulary(samples.info.encoding[name]).decode(numbers.tolist())


def opened(root: Path, **options: Any) -> Any:
    return open_source(str(root), options)


def none_aside(**options: Any) -> dict[str, Any]:
    return {"valid_fraction": 0.0, "test_fraction": 0.0, **options}


def test_conllu(tmp_path: Path) -> None:
    (tmp_path / "a.conllu").write_text(CONLLU, encoding="utf-8")
    splits = opened(tmp_path / "a.conllu", **none_aside(least_count=1, character_length=3))
    info, train = splits.info, splits.train
    assert (info.kind, info.target, info.input_shape) == ("sequences", "tags", (0, 4))
    assert info.classes == ("AUX", "PART", "PRON", "VERB")
    assert info.encoding["vocabulary"] == [*SPECIALS, "it", "Do", "do", "n't"]
    assert words_of(train, 1) == ["do", "n't", "it"]
    inputs, targets = train.fetch(np.array([0, 1]))
    characters = Vocabulary(info.encoding["characters"])
    assert characters.decode(inputs[1, 1, 1:].tolist()) == ["n", "'", "t"]
    assert targets.tolist() == [[3, 2, -100], [0, 1, 2]]
    assert inputs[0, 2].tolist() == [0, 0, 0, 0]
    assert opened(tmp_path / "a.conllu", column="xpos", **none_aside()).info.classes == ("PRP", "RB", "VB")
    assert train.name(1) == f"{tmp_path / 'a.conllu'}, line 6"
    with pytest.raises(InputError, match="no column 'upoz'; did you mean 'upos'"):
        opened(tmp_path / "a.conllu", column="upoz")


def test_word_and_tag_lines(tmp_path: Path) -> None:
    for name, text in (("a.txt", PLAIN), ("b.tsv", PLAIN.replace(" ", "\t"))):
        (tmp_path / name).write_text(text, encoding="utf-8")
        splits = opened(tmp_path / name, **none_aside(least_count=1, lower=True))
        assert "read as 'tagged_text'" in splits.info.notes[0]
        assert splits.info.classes == ("DET", "NOUN", "VERB")
        assert words_of(splits.train, 1) == ["a", "dog", "barks"]


def test_parts_by_the_usual_names_in_folders_and_zip_files(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "README.md").write_text("about", encoding="utf-8")
    for name in ("x-train.conllu", "x-dev.conllu", "x-test.conllu.gz"):
        content = CONLLU.encode()
        (folder / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as packed:
        for one in folder.iterdir():
            packed.write(one, f"inside/{one.name}")
    for place in (folder, tmp_path / "set.zip"):
        splits = opened(place)
        assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [2, 2, 2]
        assert "parts as the files say" in splits.info.notes[-2]


LABELLED = {
    "a.tsv": (
        "id\tdocument\tlabel\n" + "".join(f"{n}\ta fine long film {n}\t{n % 2}\n" for n in range(20)),
        ("0", "1"),
    ),
    "b.csv": ("text,mood\n" + "".join(f'"well, film {n} it is",{"ab"[n % 2]}\n' for n in range(20)), ("a", "b")),
    "c.txt": ("".join(f"{n % 3} what a film {n}\n" for n in range(20)), ("0", "1", "2")),
    "d.txt": ("".join(f"__label__{'xy'[n % 2]} what a film {n}\n" for n in range(20)), ("x", "y")),
    "e.tsv": ("".join(f"a film of {n} hours\t{'ab'[n % 2]}\n" for n in range(20)), ("a", "b")),
}


@pytest.mark.parametrize("name", LABELLED)
def test_labelled_forms(name: str, tmp_path: Path) -> None:
    text, classes = LABELLED[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    splits = opened(tmp_path / name, least_count=1)
    assert splits.info.classes == classes
    parts = [part for part in (splits.train, splits.valid, splits.test) if part is not None]
    assert [len(part) for part in parts] == [16, 2, 2]
    assert "film" in words_of(splits.train, 0)
    inputs, targets = splits.train.fetch(np.arange(16))
    assert inputs.dtype == targets.dtype == np.int64
    assert np.bincount(targets).max() <= 8


def test_a_file_a_class_and_a_folder_a_class(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "ends").mkdir()
    for label, end in (("Korean", "pos"), ("Irish", "neg")):
        names = "".join(f"{label}{n}\n" for n in range(10))
        (tmp_path / "files" / f"{label}.txt").write_text(names, encoding="utf-8")
        (tmp_path / "ends" / f"reviews.{end}").write_bytes("a caf\u00e9 film\n".encode("latin-1") * 10)
        for part in ("train", "test"):
            folder = tmp_path / "folders" / part / end
            folder.mkdir(parents=True)
            for number in range(3):
                (folder / f"{number}.txt").write_text(f"a film\nof {number} lines\n", encoding="utf-8")
    splits = opened(tmp_path / "files")
    assert splits.info.classes == ("Irish", "Korean")
    assert splits.info.encoding["level"] == "character"
    assert "".join(words_of(splits.train, 0)).startswith("Irish")
    assert opened(tmp_path / "ends", encoding="latin-1").info.classes == ("neg", "pos")
    splits = opened(tmp_path / "folders", valid_fraction=0.0, least_count=1)
    assert [len(splits.train), len(splits.test), splits.valid] == [6, 6, None]
    assert words_of(splits.train, 1)[:4] == ["a", "film", "of", "1"]


def test_plain_text(tmp_path: Path) -> None:
    text = "so it goes.\nand on it goes.\n" * 20
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    splits = opened(tmp_path / "a.txt", window=7)
    assert (splits.info.target, splits.info.input_shape) == ("next", (0,))
    numbers = [part.fetch(np.arange(len(part))) for part in (splits.train, splits.valid, splits.test)]
    vocabulary = Vocabulary(splits.info.encoding["vocabulary"])
    read = [
        vocabulary.decode([*x.ravel()[: (y != -100).sum()].tolist(), *y[y != -100][-1:].tolist()]) for x, y in numbers
    ]
    assert "".join("".join(one) for one in read) == text  # nothing is lost, nothing said twice
    assert len(read[2]) == round(len(text) / 10)
    words = opened(tmp_path / "a.txt", level="word", least_count=1, valid_fraction=0.0, test_fraction=0.0)
    assert words_of(words.train, 0)[:8] == ["so", "it", "goes", ".", "<eos>", "and", "on", "it"]


@pytest.mark.parametrize(
    ("place", "options", "parts", "classes", "entries"),
    [
        ("ud-english-ewt", {}, (12544, 2001, 2077), 17, 9877),
        ("ud-korean-gsd", {}, (4400, 950, 989), 16, 5592),
        ("sst2", {}, (6920, 872, 1821), 2, 7208),
        pytest.param("nsmc", {}, (18000, 2000, 4000), 2, 12554, marks=pytest.mark.slow),
        pytest.param("rt-polarity", {"encoding": "latin-1"}, (8530, 1066, 1066), 2, None, marks=pytest.mark.slow),
        ("names", {"leave_out": ["makemore*"]}, (16040, 2005, 2005), 18, None),
        ("tinyshakespeare", {}, None, 0, 69),
        ("names/makemore_names.txt", {}, None, 0, 31),
    ],
)
def test_real_sets(
    place: str, options: dict[str, Any], parts: Any, classes: int, entries: int | None, shared_data: Path
) -> None:
    root = shared_data / place
    if not root.exists():
        pytest.skip(f"no {root}")
    splits = opened(root, **options)
    assert parts is None or (len(splits.train), len(splits.valid), len(splits.test)) == parts
    assert len(splits.info.classes) == classes
    assert entries is None or len(splits.info.encoding["vocabulary"]) == entries
    inputs, targets = splits.train.fetch(np.arange(4))
    assert inputs.shape[:2] == targets.shape[:2] if targets.ndim == 2 else len(inputs) == len(targets)


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.csv", "x,y\n1,2\n3,4\n", "csv"),
        ("a.txt", "1;2\n3;4\n", "csv"),
        ("a.txt", "Well, it is.\nIs it?\n", "text"),
        ("a.csv", "day,x\n2024-01-01,1\n2024-01-02,2\n", "series"),
        ("a.tsv", "the cat sleeps\tdie Katze schläft\na dog is here\tein Hund ist hier\n", "parallel"),
        ("a.csv", "size,kind\n1.5,a\n2.5,b\n", "csv"),
        ("a.txt", "a\0b\n", "text"),
        ("a.txt", PLAIN.replace("\n", "\r"), "tagged_text"),
    ],
)
def test_guesses(name: str, text: str, kind: str, tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / name).write_bytes(text.encode(encoding))
        assert guess_source(tmp_path / name) == kind or (encoding == "utf-16" and kind == "csv")


def test_words_are_cut_into_parts_between_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two three\nfour five\n" * 30, encoding="utf-8")
    splits = opened(tmp_path / "a.txt", level="word", window=4)
    assert [words_of(part, 0)[0] in ("one", "four") for part in (splits.train, splits.valid, splits.test)] == [True] * 3
    assert [part.targets[-1] for part in (splits.train, splits.valid, splits.test)] == [3, 3, 3]
