"""Texts with a label each, as samples of a classification."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Literal, NamedTuple

import numpy as np

from neuropil.data.archive import Archive
from neuropil.data.faults import refuse
from neuropil.data.records import DataInfo, Skipped, Splits
from neuropil.errors import InputError
from neuropil.sequences.division import Parts, by_part, settle_parts, splits_of
from neuropil.sequences.labelled_files import (
    Column,
    Form,
    Labelled,
    TextColumns,
    TextTable,
    delimiter_of,
    form_of,
    is_labelled_name,
    read_texts,
    text_table,
)
from neuropil.sequences.marked import marked_pairs, marked_texts
from neuropil.sequences.pieces import AnyLevel, Pieces, is_subwords, pieces_of, settled_lower
from neuropil.sequences.ragged import Ragged, SequenceSamples
from neuropil.sequences.text_files import cells_of, plain_name, read_text
from neuropil.sequences.tokens import Level, tokens_of
from neuropil.sequences.vocabulary import Vocabulary

__all__ = ["gather_texts", "labelled_samples", "open_labelled_text", "piece_inputs", "text_inputs"]

Array = np.ndarray[Any, Any]


def open_labelled_text(
    *, root: str, form: Literal["auto", "table", "lines", "files", "folders"] = "auto", text: TextColumns = None,
    label: Column | None = None, header: bool | None = None, encoding: str = "utf-8",
    level: Literal["auto"] | AnyLevel = "auto", lower: bool | None = None, subwords: str | None = None,
    size: int | None = None, least_count: int | None = None, most: int | None = None, max_length: int = 400,
    strict: bool = False, leave_out: tuple[str, ...] = (), valid_fraction: float = 0.1,
    test_fraction: float | None = None, split_seed: int = 0
) -> Splits:  # fmt: skip
    """Texts with a label each: a table, lines that begin with the label, a file a class, or a folder a class.

    Files whose names say `train`, `dev` (or `valid`, `val`) and `test` are the parts. Vocabulary and classes are those
    of the training part.

    Shape: inputs int64 `[N, T]`, targets `[N]`. At level `wordpiece` a text is `[CLS] A [SEP]`, and a pair
    `[CLS] A [SEP] B [SEP]` with each token's segment, `[N, T, 2]`.

    Args:
        root: a file, or a folder or zip file of some; gzipped ones too.
        form: see `neuropil.sequences.labelled_files`; `auto` looks.
        text: the column of texts of a table, by name or number from 1; two of them (also as `first,second`) for pairs
            of texts, which are read as `wordpiece`; left out: the one of the longest cells.
        label: the column of labels, likewise; left out: the one of the fewest different cells.
        header: whether the first line of a table holds names; found out where left out.
        encoding: of the files, such as utf-8, cp949 or latin-1.
        level: `word`, `character`, `wordpiece` or `bpe`; `auto` is `character` where most texts are one word, such as
            names.
        lower: read capital letters as small ones; left out: of `wordpiece` only.
        subwords: their file or folder (see `neuropil.sequences.pieces`); left out: they are trained.
        size: subwords that are trained; 8,000 where left out.
        least_count: rarer tokens of the training part are unknown; left out: 2 of words, 1 of characters. Of subwords:
            rarer pairs are not merged; left out: 2.
        most: entries of a vocabulary of words or characters at most.
        max_length: tokens of a text that are read, its first ones; of a pair the longer text is cut first.
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
    text, pairs = _columns(text, level)
    found, saved = gather_texts(root, form, text, label, header, encoding, leave_out, notes)
    skipped = _without_empty(found, strict)
    parts, sentence = settle_parts(
        found, unit="texts", valid_fraction=valid_fraction, test_fraction=test_fraction, seed=split_seed,
        labels=lambda one: one.label,
    )  # fmt: skip
    saved |= {"level": "wordpiece" if pairs else level, "lower": lower, "max_length": max_length, "encoding": encoding}
    wanted = _Wanted(subwords, size, least_count, most)
    return _described(root, parts, saved, wanted, [*notes, sentence], skipped)


def _columns(text: TextColumns, level: str) -> tuple[TextColumns, bool]:
    """The column of texts, or both of pairs; and whether there are pairs.

    Raises:
        InputError: pairs at another level than `wordpiece`.
    """
    if isinstance(text, str) and text.count(",") == 1:
        first, second = text.split(",")
        text = (first.strip(), second.strip())
    if isinstance(text, tuple) and level not in ("auto", "wordpiece"):
        raise InputError(
            f"pairs of texts are read at level wordpiece, but level={level} was given; leave data.level out"
        )
    return text, isinstance(text, tuple)


class _Wanted(NamedTuple):
    """How a vocabulary is come by."""

    subwords: str | None
    size: int | None
    least_count: int | None
    most: int | None


def _described(
    root: str,
    parts: Parts[Labelled],
    saved: dict[str, Any],
    wanted: _Wanted,
    notes: list[str],
    skipped: Sequence[Skipped],
) -> Splits:
    """The parts as samples, with the vocabulary and the classes of the training part."""
    most_tokens = saved["max_length"]
    if most_tokens < 1:
        raise InputError(f"max_length is {most_tokens} tokens; give 1 or more")
    if saved["level"] == "auto":
        saved["level"] = _usual_level(parts["train"])
    classes, told = _class_names(parts["train"], root), _classes_in_words(parts)
    vocabulary_of = _subwords if is_subwords(saved["level"]) else _words
    coded, of_vocabulary = vocabulary_of(parts, saved, wanted)
    notes += [told, *of_vocabulary]
    if skipped:
        notes.append(f"{len(skipped)} empty texts were left out, see `skipped`")
    info = DataInfo(
        source=root,
        kind="sequences",
        target="classes",
        input_shape=(0, 2) if isinstance(saved["text"], list) else (0,),
        classes=classes,
        notes=tuple(notes),
        skipped=tuple(skipped),
        encoding={**saved, "reads": "labelled_text"},
    )
    return splits_of(parts, lambda texts: labelled_samples(texts, info, coded))


def _classes_in_words(parts: Parts[Labelled]) -> str:
    ordered = Counter(one.label for texts in parts.values() for one in texts).most_common()
    (large, many), (small, few) = ordered[0], ordered[-1]
    return f"{len(ordered)} classes, from {many:,} texts ({large!r}) to {few:,} ({small!r})"


Coded = Callable[[Sequence[Labelled]], Ragged]
"""How texts become numbers."""


def _words(parts: Parts[Labelled], saved: dict[str, Any], wanted: _Wanted) -> tuple[Coded, list[str]]:
    """A vocabulary of the training part's words or characters, put into `saved`; and sentences about it."""
    for name, given in (("subwords", wanted.subwords), ("size", wanted.size)):
        if given is not None:
            raise InputError(
                f"{name}={given!r} is for subwords, but texts are read at level {saved['level']}; say "
                "data.level=wordpiece or bpe"
            )
    level, most_tokens = saved["level"], saved["max_length"]
    saved["lower"] = bool(saved["lower"])
    rows = {one.where: tokens_of(one.text, level, lower=saved["lower"]) for texts in parts.values() for one in texts}
    vocabulary = Vocabulary.build(
        Counter(token for one in parts["train"] for token in rows[one.where][:most_tokens]),
        least_count=wanted.least_count if wanted.least_count is not None else (2 if level == "word" else 1),
        most=wanted.most,
    )
    saved["vocabulary"] = list(vocabulary.entries)
    notes = [f"vocabulary: {len(vocabulary):,} {level}s"]
    if cut := sum(len(tokens) > most_tokens for tokens in rows.values()):
        notes.append(f"{cut:,} texts were cut after {most_tokens} {level}s; data.max_length= keeps more")
    return lambda texts: text_inputs([rows[one.where] for one in texts], vocabulary, most_tokens), notes


def _subwords(parts: Parts[Labelled], saved: dict[str, Any], wanted: _Wanted) -> tuple[Coded, list[str]]:
    """Subwords, read or trained on the training part, put into `saved`; and sentences about them."""
    if wanted.most is not None:
        raise InputError(f"most={wanted.most} is for words and characters; give data.size= for subwords")
    level = saved["level"]
    saved["lower"] = settled_lower(saved["lower"], level, wanted.subwords)
    texts = (text for one in parts["train"] for text in (one.text, one.second) if text)
    pieces, note = pieces_of(
        level, texts, subwords=wanted.subwords, size=wanted.size, lower=saved["lower"], shifted=level == "bpe",
        least_count=wanted.least_count,
    )  # fmt: skip
    saved |= pieces.saved()
    return lambda chosen: piece_inputs(chosen, pieces, saved["max_length"]), [note]


def gather_texts(
    root: str,
    form: Form | Literal["auto"],
    text: TextColumns,
    label: Column | None,
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
        notes.append(table.told)
    elif isinstance(text, tuple):
        raise InputError(f"{store.where!r} holds no table, so no pairs of texts; give a table of two text columns")
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
    return found, {"form": chosen, "text": list(text) if isinstance(text, tuple) else text, "label": label}


def _table(
    store: Archive,
    parts: dict[str | None, list[str]],
    text: TextColumns,
    label: Column | None,
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
        empty = [one for one in texts if not one.text or one.second == ""]
        if empty and strict:
            raise InputError(f"{empty[0].where}: the text is empty (strict=true stops at such texts)")
        skipped += [Skipped(one.where, "the text is empty") for one in empty]
        found[part] = [one for one in texts if one.text and one.second != ""]
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


def labelled_samples(texts: Sequence[Labelled], info: DataInfo, coded: Coded | None = None) -> SequenceSamples:
    """Texts as samples of known classes.

    Args:
        texts: with their labels.
        info: what is known of the training data.
        coded: how texts become numbers, where that is at hand; else as `info` says.

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
    texts = [one for one in texts if one.label in numbers]
    targets = np.array([numbers[one.label] for one in texts], dtype=np.int64)
    inputs = (coded or _recorded(info.encoding))(texts)
    return SequenceSamples(inputs, targets, info, [one.where for one in texts])


def _recorded(saved: Mapping[str, Any]) -> Coded:
    """How texts became numbers in training."""
    level, most = saved["level"], int(saved["max_length"])
    if is_subwords(level):
        pieces = Pieces.from_saved(saved)
        return lambda texts: piece_inputs(texts, pieces, most)
    vocabulary, lower = Vocabulary.from_saved(saved.get("vocabulary"), "vocabulary"), bool(saved["lower"])
    return lambda texts: text_inputs([tokens_of(one.text, level, lower=lower) for one in texts], vocabulary, most)


def text_inputs(rows: Sequence[Sequence[str]], vocabulary: Vocabulary, max_length: int) -> Ragged:
    """Tokens as numbers, each text's first `max_length` of them."""
    return Ragged.of([vocabulary.encode(tokens[:max_length]) for tokens in rows])


def piece_inputs(texts: Sequence[Labelled], pieces: Pieces, max_length: int) -> Ragged:
    """Texts or pairs as subwords: between BERT's marks at level `wordpiece`, as they are at level `bpe`.

    Raises:
        InputError: too small a length for the marks, or a vocabulary without them.
    """
    firsts = pieces.encode_many([one.text for one in texts])
    if pieces.level == "bpe":
        return Ragged.of([row[:max_length] for row in firsts])
    if any(one.second is not None for one in texts):
        seconds = pieces.encode_many([one.second or "" for one in texts])
        return marked_pairs(firsts, seconds, pieces, max_length)
    return marked_texts(firsts, pieces, max_length)
