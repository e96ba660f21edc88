"""New texts and series for a trained network: to predict on, or with targets to evaluate on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neuropil.corpora.language import coded_row, is_text_name
from neuropil.corpora.pretraining import pretraining_samples
from neuropil.corpora.pretraining_text import documents_of, read_documents
from neuropil.corpora.text_coding import TextCoder
from neuropil.corpora.text_lines import chunks, marked
from neuropil.corpora.windows import WindowSamples
from neuropil.data.archive import open_file
from neuropil.data.in_memory import Subset
from neuropil.data.records import DataInfo, Samples, Skipped
from neuropil.errors import InputError
from neuropil.sequences.captions import labelled_captions
from neuropil.sequences.division import divide
from neuropil.sequences.labelled import gather_texts, labelled_samples, piece_inputs, text_inputs
from neuropil.sequences.labelled_files import Labelled
from neuropil.sequences.marked import marked_pairs, marked_texts
from neuropil.sequences.parallel import pair_samples, source_inputs
from neuropil.sequences.parallel_files import gather_pairs
from neuropil.sequences.pieces import Pieces, is_subwords
from neuropil.sequences.question_files import Question, is_question_name, read_questions
from neuropil.sequences.questions import question_samples, stretches_of
from neuropil.sequences.ragged import Ragged
from neuropil.sequences.series import read_series, series_windows
from neuropil.sequences.tagged import is_tagged_name, read_tagged, tagged_samples, word_inputs
from neuropil.sequences.tagged_pieces import word_pieces, words_at_places
from neuropil.sequences.text_files import MAX_LINE, TextFile, decoded, lines_of, read_text, text_store, usable_names
from neuropil.sequences.tokens import composed, tokens_of
from neuropil.sequences.vocabulary import EOS, PAD, Vocabulary

__all__ = ["NewTexts", "labelled_sequences", "read_new_texts"]

Array = np.ndarray[Any, Any]


class NewTexts(NamedTuple):
    """Texts to predict on, as numbers; for series the last window of each file.

    Shape: arrays int64 `[N, T]` or `[N, T, 1 + L]`, 0 where padded; float32 `[N, window, D]` of series.
    """

    arrays: Array
    names: tuple[str, ...]
    tokens: tuple[tuple[str, ...], ...]
    """Of each text, as they were read; empty for series. Of subwords the pieces; where words are tagged or an answer is
    looked for, what stands at each place, and nothing (`""`) at a word's other pieces.
    """
    skipped: tuple[Skipped, ...]


def read_new_texts(given: Sequence[str], info: DataInfo) -> NewTexts:
    """Lines of text files, of standard input (`-`), or given as they are; of series the last rows of CSV files.

    A pair of texts, and a question with its text, has a tab between the two.

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
    if is_subwords(str(info.encoding.get("level"))):
        names, tokens, inputs = _of_subwords(texts, info)
    else:
        tokens = [tuple(_tokens(text, info)) for _, text in texts]
        names, inputs = [name for name, _ in texts], numbers_of(tokens, info)
    if info.encoding.get("documents") is not None:  # each text is a document by itself
        inputs = Ragged(np.stack([inputs.values, np.ones_like(inputs.values)], axis=1), inputs.lengths)
    return NewTexts(inputs.padded(np.arange(len(inputs)), PAD), tuple(names), tuple(tokens), tuple(skipped))


Read = tuple[list[str], list[tuple[str, ...]], Ragged]
"""Names, tokens and numbers of texts."""


def _of_subwords(texts: Sequence[tuple[str, str]], info: DataInfo) -> Read:
    """Named texts as subwords, in the form that the run's network reads.

    Raises:
        InputError: a pair without its second text, or a vocabulary that lacks a special entry.
    """
    saved, reads = info.encoding, info.encoding.get("reads")
    pieces, names, given = Pieces.from_saved(saved), [name for name, _ in texts], [text for _, text in texts]
    if reads == "questions":
        return _questions(texts, info, pieces)
    if reads == "tagged":
        words = [tokens_of(composed(text), "word") for text in given]
        places = word_pieces(words, pieces, int(saved["max_length"]))
        return names, words_at_places(words, places), places.inputs
    if reads == "labelled_text":
        pairs = isinstance(saved.get("text"), list)
        halves = [_halves(name, text) if pairs else (text, None) for name, text in texts]
        labelled = [Labelled(first, "", "", second) for first, second in halves]
        inputs = piece_inputs(labelled, pieces, int(saved["max_length"]))
    elif reads == "pretraining_text":
        inputs = _hidden(texts, pieces, int(saved["max_length"]), pairs=bool(saved.get("next_sentence", True)))
    elif reads == "parallel":
        inputs = Ragged.of([np.append(row, EOS) for row in pieces.encode_many(given)])
    else:
        inputs = Ragged.of(pieces.encode_many(given))
    ids = inputs.values if inputs.values.ndim == 1 else inputs.values[:, 0]
    rows = np.split(ids, np.cumsum(inputs.lengths)[:-1])
    return names, [tuple(pieces.named(row.tolist())) for row in rows], inputs


def _halves(name: str, text: str) -> tuple[str, str]:
    """The two texts of a pair.

    Raises:
        InputError: there is one only.
    """
    first, _, second = text.partition("\t")
    if not first.strip() or not second.strip():
        raise InputError(f"{name}: this run reads pairs of texts, but one only was given; put a tab between the two")
    return first.strip(), second.strip()


def _hidden(texts: Sequence[tuple[str, str]], pieces: Pieces, max_length: int, *, pairs: bool) -> Ragged:
    """Named texts, or pairs with a tab between, for a network that tells what stands at `[MASK]`; segments beside ids.

    Raises:
        InputError: a vocabulary or a text without `[MASK]`, or a pair for a network that has read single texts only.
    """
    pieces.special("[MASK]")
    rows = []
    for name, text in texts:
        first, _, second = (one.strip() for one in text.partition("\t"))
        if second and not pairs:
            raise InputError(
                f"{name}: a pair of texts was given, but this run was trained on single ones (next_sentence=false); "
                "give one text, without a tab"
            )
        if "[MASK]" not in text and not second:
            raise InputError(f"{name}: it holds no [MASK]; put it in the place of each word that shall be told")
        coded = [pieces.encode(one) for one in (first, second)]
        if second:
            rows.append(marked_pairs([coded[0]], [coded[1]], pieces, max_length).values)
        else:
            ids = marked_texts([coded[0]], pieces, max_length).values
            rows.append(np.stack([ids, np.zeros_like(ids)], axis=1))
    return Ragged.of(rows)


def _questions(texts: Sequence[tuple[str, str]], info: DataInfo, pieces: Pieces) -> Read:
    """Questions with their texts; of a long text each stretch is a sample."""
    sizes = {name: int(info.encoding[name]) for name in ("max_length", "stride", "max_question")}
    names, tokens, rows = [], [], []
    for name, text in texts:
        found = stretches_of(Question(*_halves(name, text), (), name), pieces, **sizes)
        for number, stretch in enumerate(found, 1):
            names.append(name if len(found) == 1 else f"{name}, part {number} of {len(found)}")
            tokens.append(stretch.texts)
            rows.append(stretch.inputs)
    return names, tokens, Ragged.of(rows)


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
        text = tuple(saved["text"]) if isinstance(saved["text"], list) else saved["text"]
        texts, _ = gather_texts(path, saved["form"], text, saved["label"], None, encoding, (), [])
        return labelled_samples([one for one in _chosen(texts) if one.text and one.second != ""], info)
    if reads == "parallel":
        ends = saved["ends"]
        return pair_samples(_chosen(gather_pairs(path, *_names_of(ends), encoding, (), [])[0]), info)
    if reads == "text":
        return _windows(path, info, encoding)
    if reads == "pretraining_text":
        form = saved["sentences"]
        documents = divide(path, (), is_text_name, lambda store, name: read_documents(store, name, encoding, form), [])
        return pretraining_samples(documents_of(_chosen(documents))[0], info)
    if reads == "questions":
        questions = divide(path, (), is_question_name, lambda store, name: read_questions(store, name, encoding), [])
        return question_samples(_chosen(questions), info)
    if reads == "series":
        return _series_samples(path, info)
    return labelled_captions(path, info)


def _windows(path: str, info: DataInfo, encoding: str) -> WindowSamples:
    """Plain text as windows that follow one another."""
    saved, coder = info.encoding, TextCoder.from_saved(info.encoding)
    own = not is_subwords(coder.level)
    files = divide(path, (), is_text_name, lambda store, name: [read_text(store, name, encoding).lines], [])
    lower = bool(saved["lower"]) and own
    lines = [[_ready(line, own, lower) for line in file] for file in _chosen(files)]
    ends = saved.get("documents")
    text = chunks(marked(lines, ends))
    row, starts = coded_row(text, coder, documents=ends is not None)
    return WindowSamples(
        row,
        int(saved["window"]),
        info,
        starts=None if ends is None else starts,
        continues=own and ends is None,
        history=int(saved.get("history", 0)),
    )


def _ready(line: str, compose: bool, lower: bool) -> str:
    ready = composed(line) if compose else line
    return f"{ready.lower() if lower else ready}\n"


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
