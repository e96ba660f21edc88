"""Vocabularies of subwords from files and from a run's record, and into files that Hugging Face's libraries open."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neuropil.errors import InputError
from neuropil.files import write_atomic
from neuropil.registry import nearest
from neuropil.subwords.byte_pairs import END_OF_TEXT, BytePairs
from neuropil.subwords.contracts import Subwords
from neuropil.subwords.library_file import described, from_description
from neuropil.subwords.plain_files import (
    MERGES_NAMES,
    VOCABULARY_NAMES,
    merges_text,
    partner,
    read_byte_pairs,
    read_json,
    read_lines,
    read_wordpiece,
)
from neuropil.subwords.wordpiece import SPECIALS, WordPiece

__all__ = ["from_saved", "read_subwords", "write_subwords"]


def from_saved(saved: Mapping[str, Any]) -> WordPiece | BytePairs:
    """What `saved()` wrote down, as it was.

    Args:
        saved: `kind` is `wordpiece` or `bpe`; the rest are the arguments of `WordPiece` or `BytePairs`.

    Raises:
        InputError: another kind, an argument that is missing, unknown or of another type, or a broken vocabulary.

    Example:
        >>> words = WordPiece(["[PAD]", "[UNK]", "yes"])
        >>> from_saved(words.saved()).encode("Yes no")
        [2, 1]
    """
    kind = saved.get("kind")
    if kind not in SAVED:
        raise InputError(f"the subwords are of kind {kind!r}; {nearest(str(kind), SAVED)}")
    allowed = SAVED[kind]
    for name in (*allowed, *saved):
        if name == "kind":
            continue
        if name not in saved:
            raise InputError(f"the subwords lack {name!r}; the record is damaged")
        if name not in allowed or not isinstance(saved[name], allowed[name]):
            raise InputError(f"the subwords have {name} = {str(saved[name])[:40]}; the record is damaged")
    options = {name: saved[name] for name in allowed}
    if not all(isinstance(one, str) for one in [*options["entries"], *options["specials"]]):
        raise InputError("the subwords have an entry that is no text; the record is damaged")
    if kind == "wordpiece":
        return WordPiece(options.pop("entries"), **options)
    merges = [tuple(one) if isinstance(one, list | tuple) else () for one in options["merges"]]
    if not all(len(one) == 2 and all(isinstance(piece, str) for piece in one) for one in merges):
        raise InputError("the subwords have a merge that is not two texts; the record is damaged")
    return BytePairs(options["entries"], merges, specials=options["specials"])


SAVED: dict[str, dict[str, Any]] = {
    "wordpiece": {
        "entries": list, "lower": bool, "strip_accents": bool | None, "chinese": bool, "longest": int,
        "specials": list,
    },
    "bpe": {"entries": list, "merges": list, "specials": list},
}  # fmt: skip


def read_subwords(path: Path | str) -> WordPiece | BytePairs:
    """A vocabulary from files as Hugging Face's and the first programs have them.

    Args:
        path: `tokenizer.json`; `vocab.txt` of WordPiece; `vocab.json` or `merges.txt` of GPT-2 with the other beside
            it (also `encoder.json` and `vocab.bpe`); or a folder with one of these, looked for in this order.

    Raises:
        InputError: nothing of that kind is there, or a file is broken; file and line are named.
    """
    path = Path(path)
    if path.is_dir():
        for name in ("tokenizer.json", "vocab.txt", *VOCABULARY_NAMES, *MERGES_NAMES):
            if (path / name).is_file():
                return read_subwords(path / name)
        raise InputError(
            f"{path} holds no vocabulary; put tokenizer.json, vocab.txt, or vocab.json and merges.txt into it"
        )
    if path.name.endswith(MERGES_NAMES) or (path.suffix == ".txt" and _begins_merges(path)):
        return read_byte_pairs(partner(path, MERGES_NAMES, VOCABULARY_NAMES), path)
    if path.suffix != ".json":
        return read_wordpiece(path)
    found = read_json(path)
    if isinstance(found, dict) and isinstance(found.get("model"), dict):
        return from_description(found, str(path))
    if isinstance(found, dict) and not all(type(one) is int for one in found.values()):
        raise InputError(f"{path}: this is neither a tokenizer.json, which has a model, nor numbers by entry")
    return read_byte_pairs(path, partner(path, VOCABULARY_NAMES, MERGES_NAMES))


def _begins_merges(path: Path) -> bool:
    return any(line.startswith("#version") for line in read_lines(path)[:1])


def write_subwords(subwords: Subwords, folder: Path | str) -> list[Path]:
    """Files that `transformers` and `tokenizers` open and that give the same numbers there.

    Of WordPiece `vocab.txt`, of byte pairs `vocab.json` and `merges.txt`; of both `tokenizer.json`, which holds all,
    and `tokenizer_config.json`, which names the class.

    Args:
        subwords: `WordPiece` or `BytePairs`.
        folder: made where it is missing; files of these names in it are replaced.

    Returns:
        The files.

    Raises:
        InputError: other subwords.
    """
    if not isinstance(subwords, WordPiece | BytePairs):
        raise InputError(f"{type(subwords).__name__} cannot be written; give WordPiece or BytePairs")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"tokenizer.json": _json(described(subwords)), "tokenizer_config.json": _json(_config(subwords))}
    if isinstance(subwords, WordPiece):
        contents["vocab.txt"] = "".join(f"{one}\n" for one in subwords.entries)
    else:
        contents["vocab.json"] = _json({one: number for number, one in enumerate(subwords.entries)})
        contents["merges.txt"] = merges_text(subwords.merges)
    for name, content in contents.items():
        write_atomic(folder / name, content)
    return [folder / name for name in contents]


def _config(subwords: WordPiece | BytePairs) -> dict[str, Any]:
    """What `transformers` wants to know beside the vocabulary."""
    if isinstance(subwords, WordPiece):
        roles = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
        return {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": subwords.lower,
            "strip_accents": subwords.strip_accents,
            "tokenize_chinese_chars": subwords.chinese,
            **{role: one for role, one in zip(roles, SPECIALS, strict=True) if one in subwords.specials},
        }
    end = END_OF_TEXT if END_OF_TEXT in subwords.specials else None
    pad = None if subwords.pad is None else subwords.entries[subwords.pad]
    return {
        "tokenizer_class": "GPT2Tokenizer",
        "add_prefix_space": False,
        "bos_token": end,
        "eos_token": end,
        "unk_token": end,
        "pad_token": pad,
    }


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, indent=None) + "\n"
