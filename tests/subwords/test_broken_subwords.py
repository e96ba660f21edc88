"""Broken files and records: one sentence each, with file and line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neuropil.errors import InputError
from neuropil.subwords import from_saved, read_subwords, write_subwords
from subwords.small_subwords import byte_pairs, wordpiece

TEXTS = [
    ("vocab.txt", b"[PAD]\n[UNK]\na\na\n", r"vocab\.txt:4: 'a' stands on line 3 already"),
    ("vocab.txt", b"[PAD]\n[UNK]\n\na\n", r"vocab\.txt:3: the line is empty"),
    ("vocab.txt", b"[PAD]\n[UNK]\n\xff\n", r"vocab\.txt:3: this is no UTF-8"),
    ("vocab.txt", b"a\n[PAD]\n[UNK]\n", r"vocab\.txt: \[PAD\] is number 1; a vocabulary of WordPiece begins"),
    ("vocab.txt", b"", r"vocab\.txt: \[PAD\] is missing"),
    ("tokenizer.json", b'{"model": {\n"vocab": }', r"tokenizer\.json:2: this is no JSON"),
    ("tokenizer.json", b"[" * 100_000, r"tokenizer\.json: the JSON is nested too deeply"),
    ("tokenizer.json", b'{"version": "1.0"}', r"tokenizer\.json: this is neither a tokenizer\.json"),
    ("vocab.json", b"{}", r"vocab\.json needs merges\.txt or vocab\.bpe beside it"),
    ("merges.txt", b"#version: 0.2\n", r"merges\.txt needs vocab\.json or encoder\.json beside it"),
]


@pytest.mark.parametrize(("name", "content", "message"), TEXTS)
def test_broken_files(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_subwords(tmp_path)


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no vocabulary; put tokenizer\.json, vocab\.txt"):
        read_subwords(tmp_path)
    with pytest.raises(InputError, match=r"none\.txt cannot be read \(No such file"):
        read_subwords(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("vocabulary", "merges", "message"),
    [
        (None, "#version: 0.2\na b\na  c\n", r"merges\.txt:3: 'a  c' is not two pieces"),
        (None, "#version: 0.2\na b\nab\n", r"merges\.txt:3: 'ab' is not two pieces"),
        (None, "a b\na b\n", r"merges\.txt:2: 'a b' stands on line 1 already"),
        (None, "a b\nx y\n", r"merges\.txt:2: 'xy' is no entry of vocab\.json; the two do not belong"),
        (lambda found: '{"a": 0, "a": 1}', "", r"vocab\.json: 'a' stands twice in one object"),
        (lambda found: {**found, "b": 3}, "", r"vocab\.json: .* both have the number 3"),
        (lambda found: {**found, "b": 999}, "", r"vocab\.json: 'b' has the number 999; 257 entries have 0 to 256"),
        (lambda found: {**found, "b": True}, "", r"neither a tokenizer\.json, which has a model, nor numbers by entry"),
        (lambda found: {one: found[one] for one in list(found)[:10]}, "", r"vocab\.json: the entry '\S' \(byte"),
        (lambda found: {**found, **{f"x{n}": 257 + n for n in range(40)}}, "", r"merges\.txt: there is no pair, but"),
        (lambda found: "[1]", "", r"vocab\.json: a vocabulary is an object that gives each entry a number"),
    ],
)  # fmt: skip
def test_broken_pairs(vocabulary: Callable[[Any], Any] | None, merges: str, message: str, tmp_path: Path) -> None:
    write_subwords(byte_pairs("a b"), tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "merges.txt").write_text(merges, encoding="utf-8")
    if vocabulary is not None:
        found = vocabulary(json.loads((tmp_path / "vocab.json").read_text(encoding="utf-8")))
        text = found if isinstance(found, str) else json.dumps(found)
        (tmp_path / "vocab.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_subwords(tmp_path)


DESCRIPTIONS: list[tuple[str, str, Any, str]] = [
    ("wordpiece", "model.type", "Unigram", "the model is 'Unigram'; WordPiece and BPE can be read"),
    ("wordpiece", "model.type", "WordLevel", "the model is 'WordLevel'"),
    ("wordpiece", "model.unk_token", "<unk>", r"model: unk_token is '<unk>'; only '\[UNK\]' can be read"),
    ("wordpiece", "model.continuing_subword_prefix", "@@", "continuing_subword_prefix is '@@'"),
    ("wordpiece", "model.max_input_chars_per_word", "x", "max_input_chars_per_word is 'x'"),
    ("wordpiece", "model.vocab", {"[UNK]": 0, "[PAD]": 1}, r"added_tokens: '\[PAD\]' has the number 0, but it is"),
    ("wordpiece", "model.vocab", [["a", 0.5]], "vocab: a vocabulary is an object"),
    ("wordpiece", "normalizer", {"type": "NFC"}, "normalizer: 'NFC' was found; with this model 'BertNormalizer'"),
    ("wordpiece", "normalizer", None, "normalizer: None was found"),
    ("wordpiece", "normalizer.clean_text", False, "normalizer: clean_text is False; only True can be read"),
    ("wordpiece", "normalizer.lowercase", "yes", "lowercase, strip_accents or handle_chinese_chars is neither"),
    ("wordpiece", "pre_tokenizer", {"type": "Whitespace"}, "pre_tokenizer: 'Whitespace' was found"),
    ("bpe", "model.merges", None, "model: merges are missing"),
    ("bpe", "model.merges", ["ab"], "model: merge 0 is 'ab'; it must be two pieces"),
    ("bpe", "model.merges", [["a", "b"], ["a", "b"]], "'a' and 'b' are merge 0 and merge 1"),
    ("bpe", "model.merges", [["a", "c"]], "merge 0 joins 'a' and 'c', but 'ac' is no entry"),
    ("bpe", "model.dropout", 0.1, "model: dropout is 0.1; only None can be read"),
    ("bpe", "model.byte_fallback", True, "model: byte_fallback is True"),
    ("bpe", "model.ignore_merges", True, "model: ignore_merges is True"),
    ("bpe", "model.end_of_word_suffix", "</w>", "end_of_word_suffix is '</w>'; byte-level pieces have none"),
    ("bpe", "normalizer", {"type": "NFC"}, "normalizer: byte-level pieces are read without one"),
    ("bpe", "pre_tokenizer.add_prefix_space", True, "pre_tokenizer: add_prefix_space is True; only False"),
    ("bpe", "pre_tokenizer.use_regex", False, "pre_tokenizer: use_regex is False"),
    ("bpe", "pre_tokenizer", {"type": "Sequence", "pretokenizers": []}, "pre_tokenizer: 'Sequence' was found"),
    ("bpe", "added_tokens", {"a": 1}, "added_tokens must be a list of objects"),
    ("bpe", "added_tokens", [{"content": "x"}], "has no content or no id"),
    ("bpe", "added_tokens", [{"id": 300, "content": "<x>", "special": True}], "'<x>' has the number 300, but"),
    ("bpe", "added_tokens", [{"id": 257, "content": "<x>", "special": False}], "'<x>' is not special, or asks for"),
    ("bpe", "added_tokens", [{"id": 257, "content": "<x>", "special": True, "lstrip": True}], "'<x>' is not"),
    ("bpe", "added_tokens", [{"id": 257, "content": "a b", "special": True}], "'a b' is empty, named twice or holds"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "place", "value", "message"), DESCRIPTIONS)
def test_descriptions_of_other_rules(kind: str, place: str, value: Any, message: str, tmp_path: Path) -> None:
    write_subwords(wordpiece() if kind == "wordpiece" else byte_pairs("a b"), tmp_path)
    path = tmp_path / "tokenizer.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    *parents, last = place.split(".")
    part = found
    for one in parents:
        part = part[one]
    part[last] = value
    path.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        read_subwords(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "unigram"}, "the subwords are of kind 'unigram'; "),
        ({"kind": None}, "the subwords are of kind None"),
        ({"entries": "abc"}, "the subwords have entries = abc; the record is damaged"),
        ({"entries": [1]}, "the subwords have an entry that is no text"),
        ({"merges": [["a"]]}, "the subwords have a merge that is not two texts"),
        ({"merges": [["a", 1]]}, "the subwords have a merge that is not two texts"),
        ({"lower": True}, "the subwords have lower = True"),
        ({"specials": ["<x>"]}, "the special entry '<x>' is not in the vocabulary"),
    ],
)
def test_damaged_records(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_saved({**byte_pairs().saved(), **change})


def test_records_that_lack_something() -> None:
    saved = wordpiece().saved()
    del saved["lower"]
    with pytest.raises(InputError, match="the subwords lack 'lower'; the record is damaged"):
        from_saved(saved)


def test_a_config_beside_that_says_neither(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n", encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": "yes"}', encoding="utf-8")
    with pytest.raises(InputError, match=r"tokenizer_config\.json: do_lower_case is 'yes'; it must be true or false"):
        read_subwords(tmp_path)
