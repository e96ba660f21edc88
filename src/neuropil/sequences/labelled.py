"""Texts with a label each, as samples of a classification."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np

from neuropil.data.archive import Archive
from neuropil.data.faults import refuse
from neuropil.data.records import DataInfo, Skipped, Splits
from neuropil.errors import InputError
from neuropil.sequences.division import Parts, by_part, settle_parts, splits_of
from neuropil.sequences.labelled_files import (
    Form,
    Labelled,
    TextTable,
    delimiter_of,
    form_of,
    is_labelled_name,
    read_texts,
    text_table,
)
from neuropil.sequences.ragged import Ragged, SequenceSamples
from neuropil.sequences.text_files import cells_of, plain_name, read_text
from neuropil.sequences.tokens import Level, tokens_of
from neuropil.sequences.vocabulary import Vocabulary

__all__ = ["gather_texts", "labelled_samples", "open_labelled_text", "text_inputs"]

Array = np.ndarray[Any, Any]


def open_labelled_text(
    *,
    root: str,
    form: Literal["auto", "table", "lines", "files", "folders"] = "auto",
    text: str | int | None = None,
    label: str | int | None = None,
    header: bool | None = None,
    encoding: str = "utf-8",
    level: Literal["auto", "word", "character"] = "auto",
    lower: bool = False,
    least_count: int | None = None,
    most: int | None = None,
    max_length: int = 400,
    strict: bool = False,
    leave_out: tuple[str, ...] = (),
    valid_fraction: float = 0.1,
    test_fraction: float | None = None,
    split_seed: int = 0,
) -> Splits:
    """Texts with a label each: a table, lines that begin with the label, a file a class, or a folder a class.

    Files whose names say `train`, `dev` (or `valid`, `val`) and `test` are the parts. Vocabulary and classes are those
    of the training part.

    Shape: inputs int64 `[N, T]`, targets `[N]`.

    Args:
        root: a file, or a folder or zip file of some; gzipped ones too.
        form: see `neuropil.sequences.labelled_files`; `auto` looks.
        text: the column of texts of a table, by name or number from 1; left out: the one of the longest cells.
        label: the column of labels, likewise; left out: the one of the fewest different cells.
        header: whether the first line of a table holds names; found out where left out.
        encoding: of the files, such as utf-8, cp949 or latin-1.
        level: `word` or `character`; `auto` is `character` where most texts are one word, such as names.
        lower: read capital letters as small ones.
        least_count: rarer tokens of the training part are unknown; left out: 2 of words, 1 of characters.
        most: entries of the vocabulary at most.
        max_length: tokens of a text that are read, its first ones.
        strict: stop at the first text that is empty.
        leave_out: patterns of file names that are not read.
        valid_fraction: share of the training texts to validate on, where no file is for that.
        test_fraction: share to test on, likewise; left out: 0.1, or 0 where the files divide themselves.
        split_seed: of the draw.

    Raises:
        InputError: a file that cannot be read, a line without a label or with other columns, or a label that the
            training part lacks; file and line are named.
    """
    notes: list[str] = []
    found, saved = gather_texts(root, form, text, label, header, encoding, leave_out, notes)
    skipped = _without_empty(found, strict)
    parts, sentence = settle_parts(
        found, unit="texts", valid_fraction=valid_fraction, test_fraction=test_fraction, seed=split_seed,
        labels=lambda one: one.label,
    )  # fmt: skip
    saved |= {"level": level, "lower": lower, "max_length": max_length, "encoding": encoding}
    return _described(root, parts, saved, (least_count, most), [*notes, sentence], skipped)


def _described(
    root: str,
    parts: Parts[Labelled],
    saved: dict[str, Any],
    cut_offs: tuple[int | None, int | None],
    notes: list[str],
    skipped: Sequence[Skipped],
) -> Splits:
    """The parts as samples, with the vocabulary and the classes of the training part."""
    most_tokens = saved["max_length"]
    if most_tokens < 1:
        raise InputError(f"max_length is {most_tokens} tokens; give 1 or more")
    level: Level = _usual_level(parts["train"]) if saved["level"] == "auto" else saved["level"]
    least, most = cut_offs
    rows = {one.where: tokens_of(one.text, level, lower=saved["lower"]) for texts in parts.values() for one in texts}
    vocabulary = Vocabulary.build(
        Counter(token for one in parts["train"] for token in rows[one.where][:most_tokens]),
        least_count=least if least is not None else (2 if level == "word" else 1),
        most=most,
    )
    ordered = Counter(one.label for texts in parts.values() for one in texts).most_common()
    (large, many), (small, few) = ordered[0], ordered[-1]
    notes.append(f"{len(ordered)} classes, from {many:,} texts ({large!r}) to {few:,} ({small!r})")
    notes.append(f"vocabulary: {len(vocabulary):,} {level}s")
    if cut := sum(len(tokens) > most_tokens for tokens in rows.values()):
        notes.append(f"{cut:,} texts were cut after {most_tokens} {level}s; data.max_length= keeps more")
    if skipped:
        notes.append(f"{len(skipped)} empty texts were left out, see `skipped`")
    info = DataInfo(
        source=root,
        kind="sequences",
        target="classes",
        input_shape=(0,),
        classes=_class_names(parts["train"], root),
        notes=tuple(notes),
        skipped=tuple(skipped),
        encoding={
            **saved,
            "reads": "labelled_text",
            "level": level,
            "vocabulary": list(vocabulary.entries),
        },
    )
    return splits_of(parts, lambda texts: labelled_samples(texts, info, vocabulary, [rows[one.where] for one in texts]))


def gather_texts(
    root: str,
    form: Form | Literal["auto"],
    text: str | int | None,
    label: str | int | None,
    header: bool | None,
    encoding: str,
    leave_out: Sequence[str],
    notes: list[str],
) -> tuple[dict[str | None, list[Labelled]], dict[str, Any]]:
    """All texts with their labels, of each part; and what new files of that kind are read by.

    Raises:
        InputError: as `open_labelled_text`.
    """
    store, parts = by_part(root, leave_out, is_labelled_name, notes)
    names = [name for of_part in parts.values() for name in of_part]
    chosen = form_of(store, names, encoding) if form == "auto" else form
    table = _table(store, parts, text, label, header, encoding) if chosen == "table" else None
    if table is not None:
        columns = table.names or tuple(f"column {number}" for number in range(1, table.width + 1))
        notes.append(
            f"texts from {columns[table.text]!r}, labels from {columns[table.label]!r}; the first line holds "
            f"{'names' if table.header else 'data'}"
        )
    if chosen == "files" and len(names) < 2:
        raise InputError(
            f"{store.where!r} holds texts without labels; give a text and a label column, a file a class, or "
            "source=text for a language model"
        )
    called = _class_of_file(names, chosen)
    found = {
        part: [
            one
            for name in of_part
            for one in read_texts(store, name, chosen, encoding, table, class_of_file=called[name])
        ]
        for part, of_part in parts.items()
    }
    return found, {"form": chosen, "text": text, "label": label}


def _table(
    store: Archive,
    parts: dict[str | None, list[str]],
    text: str | int | None,
    label: str | int | None,
    header: bool | None,
    encoding: str,
) -> TextTable:
    file = read_text(store, (parts.get("train") or parts[None])[0], encoding)
    delimiter = delimiter_of(file) or ("," if plain_name(file.name).lower().endswith(".csv") else "\t")
    return text_table(file, list(cells_of(file, delimiter)), delimiter, text, label, header)


def _class_of_file(names: Sequence[str], form: Form) -> dict[str, str]:
    """Folder, stem or end of each file's name, whichever tells the classes."""
    if form == "folders":
        return {name: PurePosixPath(name).parent.name for name in names}
    stems = {name: PurePosixPath(plain_name(name)).stem for name in names}
    ends = {name: PurePosixPath(plain_name(name)).suffix.removeprefix(".") for name in names}
    by_folder: dict[str, set[str]] = {}
    for name in names:
        by_folder.setdefault(str(PurePosixPath(name).parent), set()).add(stems[name])
    alike = all(len(one) == 1 for one in by_folder.values()) and len(set(ends.values())) > 1
    return ends if alike else stems


def _without_empty(found: dict[str | None, list[Labelled]], strict: bool) -> list[Skipped]:
    """Take out texts without any token; gives what was taken.

    Raises:
        InputError: there is one, and `strict` asks to stop; or nothing is left of a part.
    """
    skipped = []
    for part, texts in found.items():
        empty = [one for one in texts if not one.text]
        if empty and strict:
            raise InputError(f"{empty[0].where}: the text is empty (strict=true stops at such texts)")
        skipped += [Skipped(one.where, "the text is empty") for one in empty]
        found[part] = [one for one in texts if one.text]
    return skipped


def _usual_level(texts: Sequence[Labelled]) -> Level:
    """Characters where most texts are a single word."""
    single = sum(" " not in one.text for one in texts)
    return "character" if single > len(texts) / 2 else "word"


def _class_names(texts: Sequence[Labelled], root: str) -> tuple[str, ...]:
    """The labels, in order; whole numbers by their value."""
    names = {one.label for one in texts}
    if len(names) < 2:
        raise InputError(f"{root!r}: every text has the label {next(iter(names))!r}; give texts of two or more classes")
    if all(one.isdecimal() for one in names):
        return tuple(sorted(names, key=lambda one: (int(one), one)))
    return tuple(sorted(names))


def labelled_samples(
    texts: Sequence[Labelled], info: DataInfo, vocabulary: Vocabulary, rows: Sequence[Sequence[str]]
) -> SequenceSamples:
    """Texts as samples of known classes.

    Args:
        texts: with their labels.
        info: what is known of the training data.
        vocabulary: of the tokens.
        rows: the tokens of each text.

    Raises:
        InputError: a label that training never saw; file and line are named.
    """
    numbers = {name: number for number, name in enumerate(info.classes)}
    for one in texts:
        if one.label not in numbers:
            refuse(
                one.where,
                f"the label {one.label!r} does not occur in the training part, which has "
                f"{', '.join(info.classes[:20])}; correct it, or train with it",
            )
    known = [place for place, one in enumerate(texts) if one.label in numbers]
    texts, rows = [texts[place] for place in known], [rows[place] for place in known]
    targets = np.array([numbers[one.label] for one in texts], dtype=np.int64)
    inputs = text_inputs(rows, vocabulary, int(info.encoding["max_length"]))
    return SequenceSamples(inputs, targets, info, [one.where for one in texts])


def text_inputs(rows: Sequence[Sequence[str]], vocabulary: Vocabulary, max_length: int) -> Ragged:
    """Tokens as numbers, each text's first `max_length` of them."""
    return Ragged.of([vocabulary.encode(tokens[:max_length]) for tokens in rows])
