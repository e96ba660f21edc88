"""Texts as subwords: ids against Hugging Face's tokenizers, tags and spans in their places, what a run remembers."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuropil.data.records import Splits
from neuropil.errors import InputError
from neuropil.recipes.signature import DataSignature, sign_data
from neuropil.sequences.marked import shared_room
from neuropil.sequences.pieces import Pieces
from neuropil.sources.opening import open_source
from neuropil.sources.reading import open_labelled, read_inputs

TABLE = "premise\thypothesis\tlabel\n" + "".join(
    f"The {'red' if n % 3 else 'old'} cat {n} sleeps on and on.\tA cat, no {n}, sleeps!\t{'no' if n % 2 else 'yes'}\n"
    for n in range(60)
)
REVIEWS = "".join(
    f"a {'fine' if n % 2 else 'bad'} long film {n}, isn't it\t{'pos' if n % 2 else 'neg'}\n" for n in range(60)
)
TAGGED = "".join(f"the DET\nunbelievable{n % 7} ADJ\ncat's NOUN\n\na DET\ndog NOUN\nbarks VERB\n\n" for n in range(30))
PAIRS = "".join(f"eine Katze schläft {n % 7}\ta cat sleeps {n % 7}\n" for n in range(60))
ASKED = "question\tcontext\tanswer\n" + "".join(
    f"Who sleeps {n % 5}?\tHere (at number {n}) the unbelievable Cat-{n} sleeps, and so on.\tCat-{n}\n"
    for n in range(40)
)


def opened(folder: Path, content: str, source: str, **options: Any) -> Splits:
    (folder / "a.tsv").write_text(content, encoding="utf-8")
    return open_source(source, {"root": str(folder / "a.tsv"), **options})


def raw(samples: Any, index: int) -> tuple[Any, Any]:
    inputs, targets = samples.fetch(np.array([index]))
    return inputs[0], targets[0]


def test_pairs_and_texts_are_those_of_hugging_face(tmp_path: Path) -> None:
    """Longest first, `[CLS] A [SEP] B [SEP]`, segments."""
    tokenizers = pytest.importorskip("tokenizers")
    for most in (12, 17, 40):
        splits = opened(tmp_path, TABLE, "labelled_text", text=("premise", "hypothesis"), size=90, max_length=most)
        entries = splits.info.encoding["vocabulary"]
        peer = tokenizers.BertWordPieceTokenizer({entry: number for number, entry in enumerate(entries)})
        peer.enable_truncation(most, strategy="longest_first")
        lines = {line: one.split("\t") for line, one in enumerate(TABLE.splitlines(), 1)}
        assert splits.info.input_shape == (0, 2) and splits.info.classes == ("no", "yes")
        for index in range(len(splits.train)):
            first, second, label = lines[int(splits.train.name(index).split("line ")[1])]
            (ids, segments), target = raw(splits.train, index)[0].T, raw(splits.train, index)[1]
            wanted = peer.encode(first, second)
            assert ids.tolist() == wanted.ids and segments.tolist() == wanted.type_ids
            assert splits.info.classes[target] == label
    splits = opened(tmp_path, REVIEWS, "labelled_text", level="wordpiece", size=90, max_length=9)
    entries = splits.info.encoding["vocabulary"]
    peer = tokenizers.BertWordPieceTokenizer({entry: number for number, entry in enumerate(entries)})
    peer.enable_truncation(9)
    first = REVIEWS.splitlines()[int(splits.train.name(0).split("line ")[1]) - 1].split("\t")[0]
    assert raw(splits.train, 0)[0].tolist() == peer.encode(first).ids and entries[0] == "[PAD]"


def test_pairs_of_bert_s_own_vocabulary(shared_data: Path, tmp_path: Path) -> None:
    """The public ids of 40 pairs, made with Hugging Face's tokenizers."""
    with gzip.open(shared_data / "vocab" / "tokenisation_cases.json.gz") as file:
        cases = json.load(file)["pairs"]
    kept = [one for one in cases if "\t" not in one["a"] + one["b"]]
    table = "".join(f"{one['a']}\t{one['b']}\t{n % 2}\n" for n, one in enumerate(kept))
    vocabulary = str(shared_data / "vocab" / "bert-base-uncased-vocab.txt")
    splits = opened(
        tmp_path, table, "labelled_text", text=(1, 2), subwords=vocabulary, valid_fraction=0.0, test_fraction=0.0,
        max_length=512,
    )  # fmt: skip
    found = {int(splits.train.name(n).split("line ")[1]): raw(splits.train, n)[0] for n in range(len(splits.train))}
    for line, inputs in found.items():
        assert inputs[:, 0].tolist() == kept[line - 1]["ids"]
    assert len(found) > 30


@pytest.mark.parametrize("first", range(7))
@pytest.mark.parametrize("second", range(7))
def test_room_is_shared_as_hugging_face_does(first: int, second: int) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    model = tokenizers.models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]")
    peer = tokenizers.Tokenizer(model)
    peer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    for room in range(2, 13):
        peer.enable_truncation(room, strategy="longest_first")
        kinds = peer.encode(" ".join("a" * first), " ".join("a" * second)).type_ids
        assert shared_room(first, second, room) == (kinds.count(0), kinds.count(1))


@pytest.mark.parametrize("level", ["wordpiece", "bpe"])
def test_tags_stand_at_first_pieces(level: str, tmp_path: Path) -> None:
    splits = opened(tmp_path, TAGGED, "tagged_text", level=level, size=300)
    info = splits.info
    pieces = Pieces.from_saved(info.encoding)
    for index in range(4):
        inputs, targets = raw(splits.train, index)
        ids = inputs[:, 0] if level == "bpe" else inputs
        tags = [info.classes[one] for one in targets[targets >= 0]]
        words = {("DET", "ADJ", "NOUN"): "the unbelievable", ("DET", "NOUN", "VERB"): "a dog barks"}[tuple(tags)]
        inside = ids if level == "bpe" else ids[1:-1]
        text = pieces.subwords.decode((inside - (4 if level == "bpe" else 0)).tolist())
        assert text.startswith(words)
        begins = [pieces.named([number])[0] for number in ids[targets >= 0].tolist()]
        assert not any(one.startswith("##") for one in begins[1:])
        assert level != "bpe" or all(one.startswith("\u0120") for one in begins[1:])
        assert level != "wordpiece" or pieces.named(ids[[0, -1]].tolist()) == ["[CLS]", "[SEP]"]
    signature = sign_data(splits.train, None)
    assert sum(signature.class_counts) == sum(3 for _ in range(len(splits.train)))
    read = read_inputs(["the unbelievable3 cat"], signature.info("new"))
    assert [one for one in read.tokens[0] if one] == ["the", "unbelievable3", "cat"]
    assert len(read.tokens[0]) == read.arrays.shape[1]
    other = open_labelled(str(tmp_path / "a.tsv"), signature.info("other"))
    assert (raw(other, 0)[1] >= 0).sum() == 3
    short = opened(tmp_path, TAGGED, "tagged_text", level=level, size=300, max_length=3)
    assert all(len(raw(short.train, n)[0]) <= 3 for n in range(len(short.train)))
    assert "training words stand behind the first 3 tokens of their sentence" in short.info.notes[-1]


@pytest.mark.parametrize("level", ["wordpiece", "bpe"])
@pytest.mark.parametrize("shared", [True, False])
def test_parallel_text_keeps_the_house_s_four(level: str, shared: bool, tmp_path: Path) -> None:
    splits = opened(tmp_path, PAIRS, "parallel", level=level, size=300, shared_vocabulary=shared)
    saved = splits.info.encoding
    assert saved["vocabulary"][:4] == saved["target_vocabulary"][:4] == ["<pad>", "<unk>", "<bos>", "<eos>"]
    assert (saved["vocabulary"] == saved["target_vocabulary"]) is shared
    source, target = raw(splits.train, 0)
    assert source[-1] == 3 and target[0] == 2 and target[-1] == 3
    pieces = Pieces.from_saved(saved, "target_")
    assert pieces.subwords.decode((target[1:-1] - 4).tolist()).startswith("a cat sleeps")
    assert min(target[1:-1]) >= 4 <= min(source[:-1])
    info = sign_data(splits.train, None).info("new")
    line = PAIRS.splitlines()[int(splits.train.name(0).split("line ")[1]) - 1]
    assert read_inputs([line.split("\t")[0]], info).arrays[0].tolist() == source.tolist()
    assert raw(open_labelled(str(tmp_path / "a.tsv"), info), 0)[1][0] == 2


def test_what_a_run_remembers_reads_new_texts_alike(tmp_path: Path) -> None:
    splits = opened(tmp_path, TABLE, "labelled_text", text=("premise", "hypothesis"), size=90)
    signature = DataSignature.from_json(sign_data(splits.train, None).to_json(), origin="here")
    assert signature.entries("vocabulary") == len(splits.info.encoding["subwords"]["entries"])
    line = TABLE.splitlines()[int(splits.train.name(3).split("line ")[1]) - 1]
    read = read_inputs([line.rpartition("\t")[0]], signature.info("new"))
    assert (read.arrays[0] == raw(splits.train, 3)[0]).all() and read.tokens[0][0] == "[CLS]"
    other = open_labelled(str(tmp_path / "a.tsv"), signature.info("other"))
    assert len(other) == 60 and raw(other, 0)[0].shape[1] == 2
    for level in ("bpe", "wordpiece"):
        splits = opened(tmp_path, REVIEWS, "labelled_text", level=level, size=300)
        info = sign_data(splits.train, None).info("new")
        text = REVIEWS.splitlines()[int(splits.train.name(0).split("line ")[1]) - 1].split("\t")[0]
        assert read_inputs([text], info).arrays[0].tolist() == raw(splits.train, 0)[0].tolist()
        assert info.encoding["shifted"] is (level == "bpe")
    with pytest.raises(InputError, match="this run reads pairs of texts, but one only was given; put a tab between"):
        read_inputs(["one text alone"], signature.info("new"))


def test_spans_stand_where_the_characters_do(tmp_path: Path) -> None:
    splits = opened(tmp_path, ASKED, "questions", size=120, stride=6, max_length=24, max_question=8)
    info = sign_data(splits.train, None).info("new")
    entries = info.encoding["vocabulary"]
    seen = set()
    for index in range(len(splits.train)):
        inputs, target = raw(splits.train, index)
        ids, segments = inputs.T
        assert len(ids) <= 24 and entries[ids[0]] == "[CLS]" and segments[-1] == 1
        if target[1] >= 0:
            said = " ".join(entries[one] for one in ids[target[1] : target[2] + 1]).replace(" ##", "")
            line = int(splits.train.name(index).split("line ")[1])
            assert said.replace(" - ", "-") == f"cat-{line - 2}" and segments[target[1]] == 1
            seen.add(int(target[0]))
    assert seen == set(range(32)), "each question's answer stands in one of its stretches"
    assert len(splits.train) > 32
    read = read_inputs(["Who sleeps 3?\tHere  (at one) the unbelievable Cat-9 sleeps."], info)
    assert "".join(one for row in read.tokens[:1] for one in row).startswith("Here  (at one)")
    assert len(read.names) == len(read.arrays) == len(read.tokens)


def test_squad_s_json(tmp_path: Path) -> None:
    answers = [{"text": "cat", "answer_start": 4}, {"text": "cat sleeps", "answer_start": 4}]
    asked = [
        {"id": "1", "question": "What sleeps?", "answers": answers},
        {"id": "2", "question": "What barks?", "answers": [], "is_impossible": True},
    ]
    document = {"data": [{"paragraphs": [{"context": "The cat sleeps.", "qas": asked}]}]}
    (tmp_path / "train.json").write_text(json.dumps(document), encoding="utf-8")
    options = {"size": 60, "valid_fraction": 0.0, "test_fraction": 0.0}
    splits = open_source("questions", {"root": str(tmp_path / "train.json"), **options})
    assert splits.info.encoding["no_answer"] is True
    assert "1 of the training questions have no answer" in splits.info.notes
    _, targets = splits.train.fetch(np.arange(2))
    assert targets.shape == (2, 5) and sorted((targets[:, 1] >= 0).tolist()) == [False, True]
    row = targets[targets[:, 1] >= 0][0]
    assert row[1] == row[3] and row[4] > row[2]
