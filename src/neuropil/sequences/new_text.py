"""New texts and series for a trained network: to predict on, or with targets to evaluate on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neuropil.data.archive import open_file
from neuropil.data.in_memory import Subset
from neuropil.data.records import DataInfo, Samples, Skipped
from neuropil.errors import InputError
from neuropil.sequences.captions import labelled_captions
from neuropil.sequences.division import divide
from neuropil.sequences.labelled import gather_texts, labelled_samples, text_inputs
from neuropil.sequences.language import WindowSamples, is_text_name, language_numbers
from neuropil.sequences.parallel import gather_pairs, pair_samples, source_inputs
from neuropil.sequences.ragged import Ragged
from neuropil.sequences.series import read_series, series_windows
from neuropil.sequences.tagged import is_tagged_name, read_tagged, tagged_samples, word_inputs
from neuropil.sequences.text_files import MAX_LINE, TextFile, decoded, lines_of, read_text, text_store, usable_names
from neuropil.sequences.tokens import composed, tokens_of
from neuropil.sequences.vocabulary import PAD, Vocabulary

__all__ = ["NewTexts", "labelled_sequences", "read_new_texts"]

Array = np.ndarray[Any, Any]


class NewTexts(NamedTuple):
    """Texts to predict on, as numbers; for series the last window of each file.

    Shape: arrays int64 `[N, T]` or `[N, T, 1 + L]`, 0 where padded; float32 `[N, window, D]` of series.
    """

    arrays: Array
    names: tuple[str, ...]
    tokens: tuple[tuple[str, ...], ...]
    """Of each text, as they were read; empty for series."""
    skipped: tuple[Skipped, ...]


def read_new_texts(given: Sequence[str], info: DataInfo) -> NewTexts:
    """Lines of text files, of standard input (`-`), or given as they are; of series the last rows of CSV files.

    A word that names no file is a text itself, if it holds a space or could be no file's name.

    Args:
        given: files, `-`, or texts.
        info: what is known of the training data.

    Raises:
        InputError: a file that is not there or cannot be read, or nothing to read.
    """
    if info.encoding.get("reads") == "series":
        return _last_windows(given, info)
    encoding = str(info.encoding.get("encoding", "utf-8"))
    texts: list[tuple[str, str]] = []
    skipped: list[Skipped] = []
    for one in given:
        for name, line in _lines(one, encoding, alone=len(given) == 1):
            if len(line) > MAX_LINE:
                raise InputError(f"{name}: it has {len(line):,} characters, at most {MAX_LINE:,} are read as one text")
            if line.strip():
                texts.append((name, line.strip()))
            else:
                skipped.append(Skipped(name, "the line is empty"))
    if not texts:
        raise InputError(f"{given[0]!r} holds no text; give one text a line")
    tokens = [_tokens(text, info) for _, text in texts]
    arrays = numbers_of(tokens, info).padded(np.arange(len(tokens)), PAD)
    return NewTexts(arrays, tuple(name for name, _ in texts), tuple(map(tuple, tokens)), tuple(skipped))


def _tokens(text: str, info: DataInfo) -> list[str]:
    """Words and signs, or characters, as the training texts were cut; a tagger's words keep their capital letters."""
    saved = info.encoding
    if saved.get("reads") == "tagged":
        return tokens_of(composed(text), "word")
    found = tokens_of(text, saved["level"], lower=bool(saved["lower"]))
    return found[: int(saved.get("max_length", len(found)))]


def numbers_of(tokens: Sequence[Sequence[str]], info: DataInfo) -> Ragged:
    """Tokens as a trained network takes them."""
    if info.encoding.get("reads") == "tagged":
        return word_inputs(tokens, info.encoding)
    if info.encoding.get("reads") == "parallel":
        return source_inputs(tokens, info.encoding)
    vocabulary = Vocabulary.from_saved(info.encoding.get("vocabulary"), "vocabulary")
    return text_inputs(tokens, vocabulary, max(map(len, tokens), default=0))


def _lines(given: str, encoding: str, *, alone: bool) -> list[tuple[str, str]]:
    """The lines that a word of the command line stands for, with their names."""
    if given == "-":
        return _named("standard input", decoded("standard input", sys.stdin.buffer.read(), encoding), alone)
    place = Path(given).expanduser()
    if _is_file(place):
        with open_file(place) as file:
            content = file.read()
        return _named(given, decoded(given, content, encoding), alone)
    looks_like_path = place.suffix and " " not in given
    if looks_like_path or not given.strip() or _is_folder(place):
        raise InputError(f"there is no text file {given!r}; give a file of one text a line, - or a text in quotes")
    return [(given if len(given) <= 40 else f"{given[:39]}…", given)]


def _is_file(place: Path) -> bool:
    try:
        return place.is_file()
    except (OSError, ValueError):  # too long for a file's name, or with a NUL byte
        return False


def _is_folder(place: Path) -> bool:
    try:
        return place.is_dir()
    except (OSError, ValueError):
        return False


def _named(where: str, text: str, alone: bool) -> list[tuple[str, str]]:
    lines = enumerate(lines_of(text), 1)
    return [(f"line {number}" if alone else f"{where}, line {number}", line) for number, line in lines]


def _last_windows(given: Sequence[str], info: DataInfo) -> NewTexts:
    """The last rows of each file, from which what comes next is foretold."""
    saved, window = info.encoding, info.input_shape[0]
    rows = []
    for one in given:
        if one == "-":
            lines = lines_of(decoded("standard input", sys.stdin.buffer.read(), str(saved["encoding"])))
            file = TextFile("standard input", "-", lines)
        else:
            store = text_store(one)
            file = read_text(store, usable_names(store)[0], str(saved["encoding"]))
        if not any(line.strip() for line in file.lines):
            raise InputError(f"{file.where} is empty; give a series")
        series = read_series(file, saved["time"] or None, saved["columns"], saved["missing"])
        if len(series.values) < window:
            raise InputError(f"{file.where} has {len(series.values)} rows, but {window} are looked at; give more")
        rows.append(series.values[-window:].astype(np.float32))
    return NewTexts(np.stack(rows), tuple(given), (), ())


def labelled_sequences(path: str, info: DataInfo) -> Samples:
    """Other data with targets, to evaluate on: the test part, else the validation part, else everything.

    Args:
        path: a file or folder like those of the training data.
        info: what is known of the training data.

    Raises:
        InputError: the data cannot be read, or hold a tag or label that training never saw.
    """
    saved = info.encoding
    encoding, reads = str(saved.get("encoding", "utf-8")), saved.get("reads")
    if reads == "tagged":
        column = saved.get("column")
        sentences = divide(path, (), is_tagged_name, lambda store, name: read_tagged(store, name, column, encoding), [])
        return tagged_samples(_chosen(sentences), info)
    if reads == "labelled_text":
        texts, _ = gather_texts(path, saved["form"], saved["text"], saved["label"], None, encoding, (), [])
        chosen = [one for one in _chosen(texts) if one.text]
        rows = [tokens_of(one.text, saved["level"], lower=bool(saved["lower"])) for one in chosen]
        return labelled_samples(chosen, info, Vocabulary.from_saved(saved.get("vocabulary"), "vocabulary"), rows)
    if reads == "parallel":
        ends = saved["ends"]
        return pair_samples(_chosen(gather_pairs(path, *_names_of(ends), encoding, (), [])[0]), info)
    if reads == "text":
        texts_of = divide(
            path, (), is_text_name, lambda store, name: ["\n".join(read_text(store, name, encoding).lines)], []
        )
        text = composed("\n".join(_chosen(texts_of)) + "\n")
        vocabulary = Vocabulary.from_saved(saved.get("vocabulary"), "vocabulary")
        numbers = language_numbers(text.lower() if saved["lower"] else text, saved["level"], vocabulary)
        return WindowSamples(numbers, int(saved["window"]), info)
    if reads == "series":
        return _series_samples(path, info)
    return labelled_captions(path, info)


def _names_of(ends: Sequence[str]) -> tuple[str | int, str | int]:
    """Ends of file names or names of columns, or numbers of columns that have none."""
    first, second = (int(one.removeprefix("column ")) if one.startswith("column ") else one for one in ends)
    return first, second


def _chosen(parts: dict[str | None, list[Any]]) -> list[Any]:
    return next(parts[part] for part in ("test", "valid", None, "train") if parts.get(part))


def _series_samples(path: str, info: DataInfo) -> Subset:
    saved, store = info.encoding, text_store(path)
    file = read_text(store, usable_names(store)[0], str(saved["encoding"]))
    series = read_series(file, saved["time"] or None, saved["columns"], saved["missing"])
    needed = info.input_shape[0] + int(saved["horizon"])
    if len(series.values) < needed:
        raise InputError(f"{file.where} has {len(series.values)} rows, but window and horizon need {needed}; give more")
    samples = series_windows(series, info)
    return Subset(samples, np.arange(len(samples)))
