"""Files of parallel text: two line by line, or a table of two columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple

from neuropil.data.archive import Archive
from neuropil.data.faults import attempt, refuse
from neuropil.errors import InputError
from neuropil.registry import nearest
from neuropil.sequences.text_files import TextFile, cells_of, part_of, plain_name, read_text, text_store, usable_names

__all__ = ["Pair", "gather_pairs", "language_files"]

LANGUAGE = re.compile(r"[a-z]{2}([-_][A-Za-z]{2,4})?")
"""How the end of a file's name says a language: `en`, `pt-BR`."""

NO_LANGUAGES = {"gz", "md", "py", "db", "so", "js", "ps"}
"""Two letters that are other kinds of files."""


class Pair(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str
    where: str


def language_files(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Files that differ in a language at the end of their names alone: stem -> language -> name.

    Example:
        >>> language_files(["a/train.de.gz", "a/train.en.gz", "notes.txt"])
        {'a/train': {'de': 'a/train.de.gz', 'en': 'a/train.en.gz'}}
    """
    groups: dict[str, dict[str, str]] = {}
    for name in names:
        path = PurePosixPath(name).with_name(plain_name(name))
        end = path.suffix.removeprefix(".")
        if LANGUAGE.fullmatch(end) and end not in NO_LANGUAGES:
            groups.setdefault(str(path.with_suffix("")), {})[end] = name
    return {stem: dict(sorted(ends.items())) for stem, ends in groups.items() if len(ends) > 1}


def gather_pairs(
    root: str,
    translate_from: str | int | None,
    translate_to: str | int | None,
    encoding: str,
    leave_out: Sequence[str],
    notes: list[str],
) -> tuple[dict[str | None, list[Pair]], tuple[str, str]]:
    """All pairs of each part, and the two languages or columns.

    Raises:
        InputError: as `open_parallel`.
    """
    store = text_store(root)
    names = usable_names(store, leave_out)
    groups = _groups(names, translate_from, translate_to)
    found: dict[str | None, list[Pair]] = {}
    if groups:
        ends = _chosen_ends(
            store.where, sorted({end for group in groups.values() for end in group}), translate_from, translate_to
        )
        for stem, group in groups.items():
            if set(ends) <= set(group):
                pairs = _aligned(*(read_text(store, group[end], encoding) for end in ends))
                found.setdefault(part_of(stem), []).extend(pairs)
    else:
        ends = ("", "")
        for name in (one for one in names if plain_name(one).lower().endswith((".tsv", ".csv", ".txt"))):
            pairs, ends = _table_pairs(read_text(store, name, encoding), translate_from, translate_to)
            found.setdefault(part_of(name), []).extend(pairs)
    if not found:
        raise InputError(
            f"{store.where!r} holds no parallel text; give files that differ in their ends (train.de, train.en), or a "
            "table of two columns"
        )
    return _by_part(found, store, notes), ends


def _by_part(found: dict[str | None, list[Pair]], store: Archive, notes: list[str]) -> dict[str | None, list[Pair]]:
    """The parts, or everything as one where no name says `train`."""
    if "train" not in found or len(found) == 1:
        return {None: [one for pairs in found.values() for one in pairs]}
    if aside := found.pop(None, None):
        notes.append(f"{len(aside):,} pairs are left aside, as their files' names are of no part (train, valid, test)")
    return found


def _groups(
    names: Sequence[str], translate_from: str | int | None, translate_to: str | int | None
) -> dict[str, dict[str, str]]:
    """Files line by line, by their stem; those of the two ends that were named, whatever they look like."""
    if not (isinstance(translate_from, str) and isinstance(translate_to, str)):
        return language_files(names)
    groups: dict[str, dict[str, str]] = {}
    for name in names:
        path = PurePosixPath(name).with_name(plain_name(name))
        if path.suffix.removeprefix(".") in (translate_from, translate_to):
            groups.setdefault(str(path.with_suffix("")), {})[path.suffix.removeprefix(".")] = name
    return {stem: ends for stem, ends in groups.items() if len(ends) > 1}


def _chosen_ends(
    where: str, known: Sequence[str], first: str | int | None, second: str | int | None
) -> tuple[str, str]:
    for one in (first, second):
        if one is not None and str(one) not in known:
            raise InputError(f"{where!r} has no files that end in {str(one)!r}; {nearest(str(one), known)}")
    if len(known) > 2 and (first is None or second is None):
        raise InputError(
            f"{where!r} holds the languages {', '.join(known)}; say which with data.translate_from= and "
            "data.translate_to="
        )
    source = str(first) if first is not None else next(one for one in known if one != str(second))
    target = str(second) if second is not None else next((one for one in known if one != source), source)
    if source == target:
        raise InputError(f"translate_from and translate_to are both {source!r}; give two of {', '.join(known)}")
    return source, target


def _aligned(source: TextFile, target: TextFile) -> list[Pair]:
    """The pairs of two files.

    Raises:
        InputError: not as many lines in both, or an empty one.
    """
    for file in (source, target):
        file.check_lines()
        while file.lines and not file.lines[-1].strip():
            file.lines.pop()
    if len(source.lines) != len(target.lines):
        shorter, longer = sorted((source, target), key=lambda file: len(file.lines))
        sentence = (
            f"{longer.where} has {len(longer.lines):,} lines, but {shorter.where} has {len(shorter.lines):,}, so line "
            f"{len(shorter.lines) + 1:,} has no translation; give files that fit line by line"
        )
        attempt(partial(_raise, sentence))
    for file in (source, target):
        for number, line in enumerate(file.lines, 1):
            if not line.strip():
                refuse(
                    file.place(number),
                    "the line is empty, so its translation has no source; fill it in, or remove it from both files",
                )
    pairs = enumerate(zip(source.lines, target.lines, strict=False), 1)
    return [
        Pair(one.strip(), other.strip(), source.place(number))
        for number, (one, other) in pairs
        if one.strip() and other.strip()
    ]


def _raise(sentence: str) -> None:
    raise InputError(sentence)


def _table_pairs(
    file: TextFile, first: str | int | None, second: str | int | None
) -> tuple[list[Pair], tuple[str, str]]:
    """The pairs of a table; its first line holds names where `translate_from` or `translate_to` is one of them.

    Raises:
        InputError: no such column, a line with another number of columns, or an empty cell.
    """
    file.check_lines()
    rows = list(cells_of(file, "," if plain_name(file.name).lower().endswith(".csv") else "\t"))
    names = rows[0].cells
    header = any(isinstance(one, str) and one in names for one in (first, second))
    places = []
    for one, usual in ((first, 1), (second, 2)):
        if header and one in names:
            places.append(names.index(str(one)))
        elif str(one or usual).isdecimal() and 1 <= int(one or usual) <= len(names):
            places.append(int(one or usual) - 1)
        else:
            where = file.place(rows[0].line)
            raise InputError(f"{where}: there is no column {one or usual!r}; {nearest(str(one or usual), names)}")
    pairs = []
    for row in rows[1:] if header else rows:
        if len(row.cells) != len(names):
            refuse(file.place(row.line), f"it has {len(row.cells)} columns, but {len(names)} are needed; correct it")
            continue
        texts = [row.cells[place] for place in places]
        if not all(texts):
            refuse(file.place(row.line), "a sentence or its translation is empty; fill in or remove it")
            continue
        pairs.append(Pair(texts[0], texts[1], file.place(row.line)))
    if not pairs:
        raise InputError(f"{file.where} holds names of columns and no sentences; give it at least one")
    called = [names[place] if header else f"column {place + 1}" for place in places]
    return pairs, (called[0], called[1])
