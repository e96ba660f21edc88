"""Broken texts and series: one sentence that names file and line, and nothing that can be read is lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neuropil.errors import InputError
from neuropil.sources import SOURCES

TAGGED = "a DET\ndog NOUN\n\n"
TABLE = "".join(f"a film of {n} hours\t{n % 2}\n" for n in range(20))
SERIES = "day,temp,wind\n" + "".join(f"2024-01-{n:02},{n},{n % 3}\n" for n in range(1, 31))

Made = tuple[str, dict[str, bytes | str], dict[str, Any], str]

BROKEN: dict[str, Made] = {
    "mixed encodings": (
        "labelled_text",
        {"a.tsv": TABLE.encode() + "좋은 영화\t1\n".encode("cp949")},
        {},
        r"a\.tsv, line 21: this is not UTF-8 text; save .* encoding=cp949",
    ),
    "a wrong encoding": (
        "text",
        {"a.txt": "caf\u00e9 noir\n".encode("latin-1")},
        {"encoding": "ascii"},
        "line 1: .*ASCII",
    ),
    "an unknown encoding": ("text", {"a.txt": "abc"}, {"encoding": "utf-88"}, "encoding='utf-88' is unknown"),
    "unequal line counts": (
        "parallel",
        {"train.de": "eins\nzwei\n", "train.en": "one\ntwo\nthree\n"},
        {},
        r"train\.en has 3 lines, but .*train\.de has 2, so line 3 has no translation",
    ),
    "an empty line": (
        "parallel",
        {"train.de": "eins\n\ndrei\n", "train.en": "one\ntwo\nthree\n"},
        {},
        r"train\.de, line 2:",
    ),
    "no tag column": ("tagged_text", {"a.txt": "a\ndog\n\nis\n"}, {}, r"a\.txt, line 1: it has one column only"),
    "a line without tag": ("tagged_text", {"a.txt": f"{TAGGED}barks\n"}, {}, r"a\.txt, line 4: it has 1 column, but 2"),
    "too few columns": (
        "tagged_text",
        {"a.conllu": "1\ta\ta\tDET\tDT\t_\t2\tdet\t_\t_\n2\tdog\tdog\tNOUN\n"},
        {},
        r"a\.conllu, line 2: it has 4 columns, but 10",
    ),
    "comments only, of no kind": ("tagged_text", {"a.txt": "# a dog\n"}, {}, r"a\.txt holds comments only"),
    "comments only": ("tagged_text", {"a.conllu": "# text = a dog\n"}, {}, r"a\.conllu holds no sentence"),
    "no tag in CoNLL-U": (
        "tagged_text",
        {"a.conllu": "1\ta\ta\t_\tDT\t_\t2\tdet\t_\t_\n"},
        {},
        r"a\.conllu, line 1: there is no tag",
    ),
    "a sentence without end": ("tagged_text", {"a.txt": "a X\nb Y\n" * 1200}, {}, r"line 1: a sentence of 2,400 words"),
    "a line of a megabyte": (
        "tagged_text",
        {"a.txt": TAGGED + "b" * (1 << 20) + " X\n"},
        {},
        r"line 4: it has 1,048,578 char",
    ),
    "a text of a megabyte": (
        "labelled_text",
        {"a.tsv": TABLE + "b" * (1 << 20) + "\t1\n"},
        {},
        "line 21: it has 1,048,578",
    ),
    "a NUL byte": ("labelled_text", {"a.tsv": TABLE + "a\0film\t1\n"}, {}, r"a\.tsv, line 21: it holds a NUL byte"),
    "UTF-16 read as UTF-8": ("text", {"a.txt": "ab\nc".encode("utf-16-le")}, {}, r"line 1: it holds a NUL .*utf-16"),
    "an unknown label in the test part": (
        "labelled_text",
        {"train.tsv": TABLE, "test.tsv": "a fine film\t1\na film\t7\n"},
        {},
        r"test\.tsv, line 2: the label '7' does not occur in the training part, which has 0, 1",
    ),
    "an unknown tag in the test part": (
        "tagged_text",
        {"train.txt": TAGGED, "test.txt": "\na DET\nb FOO\n"},
        {},
        r"test\.txt, line 3: the tag 'FOO' does not occur",
    ),
    "two label columns": (
        "labelled_text",
        {"a.tsv": "text\tlabel\tlabel\n" + "".join(f"film {n}\t{n % 2}\t{n % 2}\n" for n in range(9))},
        {"label": "label"},
        r"a\.tsv, line 1: 2 columns are named 'label'",
    ),
    "no label": ("labelled_text", {"a.tsv": f"{TABLE}a film\t\n"}, {}, r"a\.tsv, line 21: there is no label"),
    "another number of cells": ("labelled_text", {"a.tsv": f"{TABLE}a\tb\t1\n"}, {}, "line 21: it has 3 cells, but 2"),
    "broken quotes": ("labelled_text", {"a.csv": 'text,label\n"a film,1\nb,0\n'}, {}, r"a\.csv, line \d: .*quotes"),
    "one class": (
        "labelled_text",
        {"a.txt": "1 a film\n1 b film\n"},
        {"form": "lines"},
        "every text has the label '1'",
    ),
    "an empty file": ("text", {"a.txt": ""}, {}, r"a\.txt is empty"),
    "a file of spaces": ("tagged_text", {"train.txt": TAGGED, "test.txt": " \n\n"}, {}, r"test\.txt is empty"),
    "a text too short": ("text", {"a.txt": "ab"}, {"valid_fraction": 0.0, "test_fraction": 0.5}, "has 1 tokens"),
    "a gap in a series": (
        "series",
        {"a.csv": SERIES.replace("-07,7,", "-07,,")},
        {},
        r"line 8: there is no number in .*'temp'",
    ),
    "no number in a series": (
        "series",
        {"a.csv": SERIES.replace("-09,9,", "-09,x9,")},
        {},
        r"line 10: 'x9' in the column 'temp'",
    ),
    "a series that goes back": (
        "series",
        {"a.csv": SERIES.replace("01-05", "01-03")},
        {},
        "line 6: 2024-01-03 comes after",
    ),
    "a series too short": ("series", {"a.csv": SERIES}, {"window": 40}, "has 30 rows, 21 of them to train on"),
    "a row too short": ("series", {"a.csv": f"{SERIES}2024-02-01,3\n"}, {}, r"line 32: it has 2 cells, but 3"),
    "a caption of no picture": (
        "captions",
        {"a.txt": "a.jpg,a dog\nb.jpg,a cat\nx\n"},
        {},
        r"line 3: 'x' names no picture",
    ),
    "captions without pictures": (
        "captions",
        {"a.txt": "a.jpg,a dog\nb.jpg,a cat\n"},
        {},
        r"line 1: there is no picture 'a\.jpg'",
    ),
    "a damaged archive": ("text", {"a.txt.gz": b"\x1f\x8b\x08\0garbage"}, {}, r"a\.txt\.gz.*cannot be unpacked"),
    "parts without training": ("tagged_text", {"dev.txt": TAGGED, "test.txt": TAGGED}, {}, "nothing to train on"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_named(case: str, tmp_path: Path) -> None:
    kind, files, options, words = BROKEN[case]
    for name, content in files.items():
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    root = tmp_path / next(iter(files)) if len(files) == 1 else tmp_path
    opener: Callable[..., Any] = SOURCES.builder(kind)
    with pytest.raises(InputError) as caught:
        opener(root=str(root), **options)
    sentence = str(caught.value)
    assert re.search(words, sentence, re.DOTALL), sentence
    assert "\n" not in sentence and len(sentence) < 500


def test_empty_texts_are_listed_and_the_rest_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(f"{TABLE}\t1\n  \t0\n", encoding="utf-8")
    splits = SOURCES.builder("labelled_text")(root=str(tmp_path / "a.tsv"))
    assert [(one.where.rpartition(" ")[2], one.reason) for one in splits.info.skipped] == [
        ("21", "the text is empty"),
        ("22", "the text is empty"),
    ]
    assert sum(len(part) for part in (splits.train, splits.valid, splits.test)) == 20
    with pytest.raises(InputError, match=r"line 21: the text is empty \(strict=true"):
        SOURCES.builder("labelled_text")(root=str(tmp_path / "a.tsv"), strict=True)


def test_a_gap_can_be_filled_with_the_value_before(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(SERIES.replace("-07,7,", "-07,,"), encoding="utf-8")
    splits = SOURCES.builder("series")(root=str(tmp_path / "a.csv"), window=3, missing="previous")
    assert splits.train.fetch([4])[0][0, :, 0].tolist() == [5.0, 6.0, 6.0]
