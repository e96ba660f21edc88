"""The one file of the library `tokenizers`: `tokenizer.json`, which tells rules and vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neuropil.errors import InputError
from neuropil.subwords.byte_pairs import BytePairs
from neuropil.subwords.plain_files import vocabulary_of
from neuropil.subwords.wordpiece import CONTINUES, WordPiece

__all__ = ["described", "from_description"]


def from_description(found: Any, where: str) -> WordPiece | BytePairs:
    """Subwords from what `tokenizer.json` holds.

    Read are the model, the normalizer, the pre-tokenizer and the special added tokens. What the library does with
    numbers afterwards (truncation, padding, what is put around a text) is left to those who make samples.

    Args:
        found: the file's content.
        where: for messages.

    Raises:
        InputError: another kind of model, rules other than BERT's or GPT-2's, or a broken vocabulary.
    """
    if not isinstance(found, dict) or not isinstance(found.get("model"), dict):
        raise InputError(f"{where}: there is no model in it; give a tokenizer.json of the library tokenizers")
    model = found["model"]
    kind = model.get("type") or ("BPE" if "merges" in model else None)
    if kind not in ("WordPiece", "BPE"):
        raise InputError(f"{where}: the model is {kind!r}; WordPiece and BPE can be read")
    entries = vocabulary_of(model.get("vocab"), f"{where}: vocab")
    specials = _added(found.get("added_tokens") or [], entries, where)
    try:
        if kind == "WordPiece":
            return _wordpiece(found, model, entries, specials, where)
        return _byte_pairs(found, model, entries, specials, where)
    except InputError as error:
        raise InputError(str(error) if str(error).startswith(where) else f"{where}: {error}") from None


def _wordpiece(
    found: Mapping[str, Any], model: Mapping[str, Any], entries: list[str], specials: list[str], where: str
) -> WordPiece:
    rules = _part(found, "normalizer", "BertNormalizer", where)
    _part(found, "pre_tokenizer", "BertPreTokenizer", where)
    _only(model, {"unk_token": "[UNK]", "continuing_subword_prefix": CONTINUES}, f"{where}: model")
    _only(rules, {"clean_text": True}, f"{where}: normalizer")
    lower, chinese = rules.get("lowercase", True), rules.get("handle_chinese_chars", True)
    accents, longest = rules.get("strip_accents"), model.get("max_input_chars_per_word", 100)
    if not isinstance(lower, bool) or not isinstance(chinese, bool) or not isinstance(accents, bool | None):
        raise InputError(
            f"{where}: normalizer: lowercase, strip_accents or handle_chinese_chars is neither true nor false"
        )
    if type(longest) is not int:
        raise InputError(f"{where}: model: max_input_chars_per_word is {longest!r}; it must be a whole number")
    return WordPiece(entries, lower=lower, strip_accents=accents, chinese=chinese, longest=longest, specials=specials)


def _byte_pairs(
    found: Mapping[str, Any], model: Mapping[str, Any], entries: list[str], specials: list[str], where: str
) -> BytePairs:
    if found.get("normalizer") is not None:
        raise InputError(f"{where}: normalizer: byte-level pieces are read without one; this file asks for one")
    rules = _part(found, "pre_tokenizer", "ByteLevel", where)
    _only(rules, {"add_prefix_space": False, "use_regex": True}, f"{where}: pre_tokenizer")
    nothing = {"dropout": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False}
    _only(model, nothing, f"{where}: model")
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise InputError(f"{where}: model: {name} is {model[name]!r}; byte-level pieces have none")
    merges = model.get("merges")
    if not isinstance(merges, list):
        raise InputError(f"{where}: model: merges are missing; BPE needs the list of pairs")
    pairs = []
    for rank, one in enumerate(merges):
        pair = one.split(" ") if isinstance(one, str) else one
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(piece, str) for piece in pair):
            raise InputError(f"{where}: model: merge {rank} is {one!r}; it must be two pieces")
        pairs.append((pair[0], pair[1]))
    return BytePairs(entries, pairs, specials=specials)


def _part(found: Mapping[str, Any], name: str, kind: str, where: str) -> Mapping[str, Any]:
    part = found.get(name)
    given = part.get("type") if isinstance(part, dict) else part
    if not isinstance(part, dict) or given != kind:
        raise InputError(f"{where}: {name}: {given!r} was found; with this model {kind!r} can be read")
    return part


def _only(part: Mapping[str, Any], allowed: Mapping[str, Any], where: str) -> None:
    """What may be left out, but must be so where it is given."""
    for name, value in allowed.items():
        if part.get(name, value) != value:
            raise InputError(f"{where}: {name} is {part[name]!r}; only {value!r} can be read")


def _added(added: Any, entries: list[str], where: str) -> list[str]:
    """The special entries; those that the vocabulary lacks are put behind it, as their numbers say."""
    if not isinstance(added, list) or not all(isinstance(one, dict) for one in added):
        raise InputError(f"{where}: added_tokens must be a list of objects")
    numbers = {one: number for number, one in enumerate(entries)}
    specials = []
    for one in added:
        name, number = one.get("content"), one.get("id")
        if not isinstance(name, str) or type(number) is not int:
            raise InputError(f"{where}: added_tokens: {one!r} has no content or no id; correct it")
        if not one.get("special") or one.get("single_word") or one.get("lstrip") or one.get("rstrip"):
            raise InputError(
                f"{where}: added_tokens: {name!r} is not special, or asks for single_word, lstrip or rstrip; such "
                "tokens cannot be read"
            )
        if numbers.setdefault(name, len(entries)) == len(entries):
            entries.append(name)
        if numbers[name] != number:
            raise InputError(
                f"{where}: added_tokens: {name!r} has the number {number}, but it is entry {numbers[name]}"
            )
        specials.append(name)
    return specials


def described(subwords: WordPiece | BytePairs) -> dict[str, Any]:
    """What `tokenizer.json` holds, so that the library gives the same numbers.

    BERT's `[CLS]` and `[SEP]` are put around texts there, where the vocabulary has them.
    """
    vocabulary = {one: number for number, one in enumerate(subwords.entries)}
    found: dict[str, Any] = {"version": "1.0", "truncation": None, "padding": None}
    found["added_tokens"] = [
        {"id": number, "content": one, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": True}
        for one, number in sorted(subwords.specials.items(), key=lambda pair: pair[1])
    ]  # fmt: skip
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    if isinstance(subwords, BytePairs):
        return found | {
            "normalizer": None,
            "pre_tokenizer": byte_level,
            "post_processor": byte_level | {"trim_offsets": False},
            "decoder": byte_level,
            "model": {
                "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                "vocab": vocabulary, "merges": [list(pair) for pair in subwords.merges],
            },
        }  # fmt: skip
    return found | {
        "normalizer": {
            "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": subwords.chinese,
            "strip_accents": subwords.strip_accents, "lowercase": subwords.lower,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": _around(subwords.specials),
        "decoder": {"type": "WordPiece", "prefix": CONTINUES, "cleanup": True},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": CONTINUES,
            "max_input_chars_per_word": subwords.longest, "vocab": vocabulary,
        },
    }  # fmt: skip


def _around(specials: Mapping[str, int]) -> dict[str, Any] | None:
    """`[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`, the second sentence marked 1."""
    if not {"[CLS]", "[SEP]"} <= specials.keys():
        return None

    def special(name: str, sentence: int = 0) -> dict[str, Any]:
        return {"SpecialToken": {"id": name, "type_id": sentence}}

    def text(name: str, sentence: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": sentence}}

    single: Sequence[dict[str, Any]] = [special("[CLS]"), text("A", 0), special("[SEP]")]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, text("B", 1), special("[SEP]", 1)],
        "special_tokens": {one: {"id": one, "ids": [specials[one]], "tokens": [one]} for one in ("[CLS]", "[SEP]")},
    }
