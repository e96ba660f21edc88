"""What is wrong with texts that are read as subwords, pairs and questions: one sentence each, with file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from neuropil.errors import InputError
from neuropil.sources.opening import open_source
from neuropil.sources.reading import read_inputs

TABLE = "a\tb\tlabel\n" + "".join(f"a film {n}\tof note {n}\t{n % 2}\n" for n in range(20))
TAGGED = "a DET\ndog NOUN\n\n" * 8
VOCABULARY = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ndog\n"
ASKED = "Who?\tA dog barks.\tdog\n" * 12

Made = tuple[str, dict[str, bytes | str], dict[str, Any], str]

PAIRS = {"text": ["a", "b"], "size": 60}

BROKEN: dict[str, Made] = {
    "a pair table with one text": (
        "labelled_text",
        {"a.tsv": "a film\t1\nb film\t0\n"},
        PAIRS,
        r"a\.tsv, line 1: it has 2 columns only",
    ),
    "a pair table with one column": (
        "labelled_text",
        {"a.tsv": "a\nfilm\nb\nfilm\n"},
        PAIRS,
        r"a\.tsv' holds no table, so no pairs",
    ),
    "no such column": (
        "labelled_text",
        {"a.tsv": TABLE},
        {"text": ["a", "c"]},
        r"a\.tsv, line 1: there is no column 'c'",
    ),
    "one column twice": (
        "labelled_text",
        {"a.tsv": TABLE},
        {"text": ["a", "a"]},
        "both texts of a pair are one column",
    ),
    "the label as a text": (
        "labelled_text",
        {"a.tsv": TABLE},
        {"text": ["a", "label"], "label": "label"},
        "text and label are one",
    ),
    "a line with another number of cells": (
        "labelled_text",
        {"a.tsv": f"{TABLE}x\t1\n"},
        PAIRS,
        r"a\.tsv, line 22: it has 2 cells, but 3",
    ),
    "no room for the marks": (
        "labelled_text",
        {"a.tsv": TABLE},
        {**PAIRS, "max_length": 4},
        "max_length is 4 tokens, but a pair needs 5",
    ),
    "pairs of words": (
        "labelled_text",
        {"a.tsv": TABLE},
        {**PAIRS, "level": "word"},
        "pairs of texts are read at level wordpiece",
    ),
    "not UTF-8": (
        "labelled_text",
        {"a.tsv": TABLE.encode() + b"caf\xe9\tb\t1\n"},
        PAIRS,
        r"a\.tsv, line 22: this is not UTF-8 text",
    ),
    "a NUL byte": (
        "labelled_text",
        {"a.tsv": TABLE + "a\0\tb\t1\n"},
        PAIRS,
        r"a\.tsv, line 22: it holds a NUL byte",
    ),
    "an empty second text": (
        "labelled_text",
        {"a.tsv": f"{TABLE}x\t\t1\n"},
        {**PAIRS, "strict": True},
        r"line 22: the text is empty",
    ),
    "a vocabulary without marks": (
        "labelled_text",
        {"a.tsv": TABLE, "vocab.txt": "[PAD]\n[UNK]\na\nb\n"},
        {"text": ["a", "b"], "subwords": "vocab.txt"},
        r"the vocabulary holds no \[CLS\], which this needs",
    ),
    "padding elsewhere than at 0": (
        "labelled_text",
        {"a.tsv": TABLE, "vocab.txt": "[UNK]\n[PAD]\n[CLS]\n[SEP]\na\nb\n"},
        {"text": ["a", "b"], "subwords": "vocab.txt"},
        r"\[PAD\]",
    ),
    "the other kind of subwords": (
        "tagged_text",
        {"a.txt": TAGGED, "vocab.txt": VOCABULARY},
        {"level": "bpe", "subwords": "vocab.txt"},
        "holds subwords of the kind 'wordpiece', but level=bpe was asked; say level=wordpiece",
    ),
    "subwords for words": (
        "tagged_text",
        {"a.txt": TAGGED},
        {"size": 60},
        "size=60 is for data.level=wordpiece or bpe",
    ),
    "characters for subwords": (
        "tagged_text",
        {"a.txt": TAGGED},
        {"level": "bpe", "character_length": 3},
        "character_length=3 is for",
    ),
    "too small for one letter": (
        "tagged_text",
        {"a.txt": TAGGED},
        {"level": "wordpiece", "size": 3},
        "3 entries have no room",
    ),
    "no file of subwords": (
        "parallel",
        {"a.tsv": "ein Hund\ta dog\n" * 9},
        {"level": "bpe", "subwords": "no.json"},
        r"no\.json",
    ),
    "most for subwords": (
        "parallel",
        {"a.tsv": "ein Hund\ta dog\n" * 9},
        {"level": "bpe", "most": 5},
        "most=5 is for words",
    ),
    "two vocabularies of one file": (
        "parallel",
        {"a.tsv": "ein Hund\ta dog\n" * 9, "vocab.txt": VOCABULARY},
        {"level": "wordpiece", "subwords": "vocab.txt", "shared_vocabulary": False},
        "subwords that are read serve both languages",
    ),
    "an answer that is not there": (
        "questions",
        {"a.tsv": f"{ASKED}Who?\tA cat.\tdog\n"},
        {},
        r"a\.tsv, line 13: the answer 'dog' does not",
    ),
    "a question without text": (
        "questions",
        {"a.tsv": f"{ASKED}Who?\t\t\n"},
        {},
        r"a\.tsv, line 13: the question or its text is empty",
    ),
    "two columns of questions": (
        "questions",
        {"a.tsv": "Who?\tA dog.\n"},
        {},
        r"a\.tsv, line 1: it has 2 columns, but a question",
    ),
    "no place of a character": (
        "questions",
        {"a.tsv": "Who?\tA dog.\tdog\tx\n"},
        {},
        r"line 1: 'x' is no place of a character",
    ),
    "no room for a text": (
        "questions",
        {"a.tsv": ASKED},
        {"max_length": 60},
        "leave no room for a text; give a max_length of 68",
    ),
    "no JSON": (
        "questions",
        {"a.json": "{"},
        {},
        r"a\.json: it is no JSON",
    ),
    "another JSON": (
        "questions",
        {"a.json": '{"data": [{"a": 1}]}'},
        {},
        r"a\.json: it lacks 'paragraphs' of SQuAD's form",
    ),
    "an answer elsewhere": (
        "questions",
        {
            "a.json": json.dumps(
                {
                    "data": [
                        {
                            "paragraphs": [
                                {
                                    "context": "A dog.",
                                    "qas": [
                                        {
                                            "id": "q7",
                                            "question": "Who?",
                                            "answers": [{"text": "dog", "answer_start": 3}],
                                        }
                                    ],
                                }
                            ]
                        }
                    ]
                }
            )
        },
        {},
        r"a\.json, question 'q7': the answer 'dog' does not stand at character 3",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_one_sentence_says_what_is_wrong(name: str, tmp_path: Path) -> None:
    source, files, options, words = BROKEN[name]
    for file, content in files.items():
        (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    placed = {key: str(tmp_path / one) if key == "subwords" else one for key, one in options.items()}
    with pytest.raises(InputError, match=words) as found:
        open_source(source, {"root": str(tmp_path / next(iter(files))), **placed})
    assert "\n" not in str(found.value)


def test_a_hidden_word_needs_its_sign(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n\n".join("A dog barks.\nIt sleeps." for _ in range(9)), encoding="utf-8")
    info = open_source("pretraining_text", {"root": str(tmp_path / "a.txt"), "size": 60, "valid_fraction": 0.0}).info
    read = read_inputs(["A [MASK] barks.", "A dog.\tIt [MASK]."], info)
    mask = info.encoding["vocabulary"].index("[MASK]")
    assert (read.arrays[..., 0] == mask).sum(1).tolist() == [1, 1] and read.arrays[1, :, 1].any()
    with pytest.raises(InputError, match=r"'A dog barks\.'|A dog barks\.: it holds no \[MASK\]"):
        read_inputs(["A dog barks."], info)
