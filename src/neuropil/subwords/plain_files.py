"""Vocabularies as plain files: BERT's `vocab.txt`, and GPT-2's pair of `vocab.json` and `merges.txt`.

GPT-2 came with the names `encoder.json` and `vocab.bpe` for its two; both are read, also behind a prefix that the two
share, such as `gpt2-encoder.json` and `gpt2-vocab.bpe`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from neuropil.errors import InputError
from neuropil.subwords.byte_level import BYTE_LETTERS
from neuropil.subwords.byte_pairs import BytePairs
from neuropil.subwords.wordpiece import WordPiece

__all__ = [
    "MERGES_NAMES", "VOCABULARY_NAMES", "merges_text", "partner", "read_byte_pairs", "read_json", "read_lines",
    "read_wordpiece", "vocabulary_of",
]  # fmt: skip

VOCABULARY_NAMES, MERGES_NAMES = ("vocab.json", "encoder.json"), ("merges.txt", "vocab.bpe")


def read_wordpiece(path: Path) -> WordPiece:
    """A vocabulary of WordPiece, one entry a line; its number is its line, from 0.

    Whether capital letters become small ones is told by `tokenizer_config.json` beside it, else by the entries: they
    do where no entry has a capital letter.

    Raises:
        InputError: no UTF-8, an entry stands twice or is empty, `[PAD]` is not the first, or `[UNK]` is missing.
    """
    lines = read_lines(path)
    seen: dict[str, int] = {}
    for number, entry in enumerate(lines, 1):
        if not entry:
            raise InputError(f"{path}:{number}: the line is empty; a vocabulary has one entry a line")
        if seen.setdefault(entry, number) != number:
            raise InputError(f"{path}:{number}: {entry!r} stands on line {seen[entry]} already; name each entry once")
    beside = path.with_name("tokenizer_config.json")
    config = read_json(beside) if beside.is_file() else {}
    lower = _flag(config, "do_lower_case", beside)
    try:
        return WordPiece(
            lines,
            lower=not any(_has_capital(one) for one in lines) if lower is None else lower,
            strip_accents=_flag(config, "strip_accents", beside),
            chinese=_flag(config, "tokenize_chinese_chars", beside) is not False,
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _has_capital(entry: str) -> bool:
    return not (entry.startswith("[") and entry.endswith("]")) and entry != entry.lower()


def _flag(config: Any, name: str, path: Path) -> bool | None:
    value = config.get(name) if isinstance(config, dict) else None
    if value is not None and not isinstance(value, bool):
        raise InputError(f"{path}: {name} is {value!r}; it must be true or false")
    return value


def read_byte_pairs(vocabulary: Path, merges: Path) -> BytePairs:
    """Byte-level pieces from GPT-2's two files.

    Entries that are neither a byte nor made by a pair cannot come out of a text: they are the special ones.

    Raises:
        InputError: a file that cannot be read, an entry or pair that stands twice, a pair of other than two pieces, a
            pair whose pieces are no entries; file and line are named.
    """
    entries = vocabulary_of(read_json(vocabulary), str(vocabulary))
    known, pairs = set(entries), []
    lines: dict[tuple[str, str], int] = {}
    for number, line in enumerate(read_lines(merges), 1):
        if line.startswith("#version") or not line:
            continue
        pieces = line.split(" ")
        if len(pieces) != 2 or not all(pieces):
            raise InputError(f"{merges}:{number}: {line!r} is not two pieces with a space between; correct the line")
        left, right = pieces
        for one in (left, right, left + right):
            if one not in known:
                raise InputError(f"{merges}:{number}: {one!r} is no entry of {vocabulary.name}; the two do not belong")
        if lines.setdefault((left, right), number) != number:
            raise InputError(f"{merges}:{number}: {line!r} stands on line {lines[left, right]} already; name it once")
        pairs.append((left, right))
    if not pairs and len(entries) > len(BYTE_LETTERS) + 16:
        raise InputError(f"{merges}: there is no pair, but {vocabulary.name} has {len(entries):,} entries")
    reached = {*BYTE_LETTERS, *(left + right for left, right in pairs)}
    try:
        return BytePairs(entries, pairs, specials=[one for one in entries if one not in reached])
    except InputError as error:
        raise InputError(f"{vocabulary}: {error}") from None


def partner(path: Path, names: tuple[str, ...], others: tuple[str, ...]) -> Path:
    """The other file of GPT-2's two, by its name.

    Args:
        path: the one that is known.
        names: what it may be called.
        others: what the other may be called.

    Raises:
        InputError: it is not there.
    """
    prefixes = [path.name.removesuffix(one) for one in names if path.name.endswith(one)]
    allowed = [path.with_name(prefix + one) for prefix in prefixes or [""] for one in others]
    for one in allowed:
        if one.is_file():
            return one
    raise InputError(f"{path} needs {' or '.join(one.name for one in allowed)} beside it; put it there")


def vocabulary_of(found: Any, where: str) -> list[str]:
    """Entries in the order of their numbers, which must be 0, 1, 2, …

    Args:
        found: numbers by entry, as read.
        where: for messages.

    Raises:
        InputError: it is something else, a number is missing or stands twice.

    Example:
        >>> vocabulary_of({"b": 1, "a": 0}, "vocab.json")
        ['a', 'b']
    """
    if not isinstance(found, dict) or not found:
        raise InputError(f'{where}: a vocabulary is an object that gives each entry a number, such as {{"the": 0}}')
    entries: dict[int, str] = {}
    for entry, number in found.items():
        if type(number) is not int or not 0 <= number < len(found):
            raise InputError(
                f"{where}: {entry!r} has the number {number!r}; {len(found)} entries have 0 to {len(found) - 1}"
            )
        if number in entries:
            raise InputError(f"{where}: {entry!r} and {entries[number]!r} both have the number {number}")
        entries[number] = entry
    return [entries[number] for number in range(len(entries))]


def merges_text(merges: tuple[tuple[str, str], ...]) -> str:
    """Pairs as `merges.txt` holds them."""
    return "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in merges)


def read_lines(path: Path) -> list[str]:
    """The lines of a file in UTF-8, without their ends; only a line feed ends one.

    Raises:
        InputError: it cannot be read.
    """
    lines = [line.removesuffix("\r") for line in _text(path).split("\n")]
    return lines[:-1] if not lines[-1] else lines


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        InputError: it cannot be read, is no JSON (the line is named), or names an entry twice in one object.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise InputError(f"{path}: {name!r} stands twice in one object; name each entry once")
            found[name] = value
        return found

    try:
        return json.loads(_text(path), object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: this is no JSON ({error.msg}); the file is damaged") from None
    except RecursionError:
        raise InputError(f"{path}: the JSON is nested too deeply; this is no vocabulary") from None


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the name") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: this is no UTF-8; save the file as UTF-8") from None
