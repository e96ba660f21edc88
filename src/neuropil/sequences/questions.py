"""Questions and texts as samples of span prediction: where in the text the answer begins and ends.

Source: Devlin et al. 2019, "BERT", sections 4.2 and 4.3.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from neuropil.data.records import DataInfo, Splits
from neuropil.errors import InputError
from neuropil.sequences.division import divide, settle_parts, splits_of
from neuropil.sequences.marked import MARKS, marked_pair
from neuropil.sequences.pieces import Pieces, pieces_of, settled_lower
from neuropil.sequences.question_files import Question, is_question_name, read_questions
from neuropil.sequences.ragged import IGNORED, Ragged, SequenceSamples

__all__ = ["Stretch", "open_questions", "question_samples", "stretches_of"]

Array = np.ndarray[Any, Any]

UNIT = re.compile(r"\S+")


def open_questions(
    *, root: str, max_length: int = 384, stride: int = 128, max_question: int = 64, encoding: str = "utf-8",
    lower: bool | None = None, subwords: str | None = None, size: int | None = None, least_count: int | None = None,
    leave_out: tuple[str, ...] = (), valid_fraction: float = 0.1, test_fraction: float | None = None,
    split_seed: int = 0
) -> Splits:  # fmt: skip
    """Questions whose answers stand in a text: SQuAD's JSON (1.1 or 2.0), or a table of question, text and answer.

    A text that is too long is read in stretches that overlap; each is a sample. Files whose names say `train`, `dev`
    (or `valid`, `val`) and `test` are the parts.

    Shape: inputs int64 `[N, T, 2]`: `[CLS] question [SEP] text [SEP]` and segments; targets `[N, 1 + 2 R]`: the
    question's number, then first and last token of each of its R answers, -100 where it is not in this stretch.

    Args:
        root: a file, or a folder or zip file of some; gzipped ones too.
        max_length: tokens of a sample, marks among them.
        stride: tokens from the begin of one stretch to that of the next.
        max_question: tokens of a question that are read, its first ones.
        encoding: of the files.
        lower: read capital letters as small ones; left out: yes.
        subwords: a vocab.txt or tokenizer.json of WordPiece, or its folder; left out: they are trained.
        size: subwords that are trained; 8,000 where left out.
        least_count: rarer pairs are not merged; 2 where left out.
        leave_out: patterns of file names that are not read.
        valid_fraction: share of the training questions to validate on, where no file is for that.
        test_fraction: share to test on, likewise; left out: 0.1, or 0 where the files divide themselves.
        split_seed: of the draw.

    Raises:
        InputError: a file that cannot be read, an answer that does not stand in its text, or a number out of its range.
    """
    if min(stride, max_question) < 1 or max_length < max_question + MARKS["pair"] + 1:
        raise InputError(
            f"max_length={max_length}, max_question={max_question} and stride={stride} leave no room for a text; give "
            f"a max_length of {max_question + MARKS['pair'] + 1} or more, and the others of 1 or more"
        )
    notes: list[str] = []
    found = divide(root, leave_out, is_question_name, lambda store, name: read_questions(store, name, encoding), notes)
    parts, sentence = settle_parts(
        found, unit="questions", valid_fraction=valid_fraction, test_fraction=test_fraction, seed=split_seed
    )
    lower = settled_lower(lower, "wordpiece", subwords)
    train = parts["train"]
    texts = dict.fromkeys(text for one in train for text in (one.question, one.context))
    pieces, told = pieces_of(
        "wordpiece", texts, subwords=subwords, size=size, lower=lower, shifted=False, least_count=least_count
    )
    silent = sum(not one.answers for one in train)
    if silent:
        notes.append(f"{silent:,} of the training questions have no answer")
    saved = {
        "reads": "questions", "level": "wordpiece", "lower": lower, "max_length": max_length, "stride": stride,
        "max_question": max_question, "encoding": encoding, "no_answer": silent > 0, **pieces.saved(),
    }  # fmt: skip
    info = DataInfo(
        source=root, kind="sequences", target="spans", input_shape=(0, 2), notes=(*notes, sentence, told),
        encoding=saved,
    )  # fmt: skip
    return splits_of(parts, lambda questions: question_samples(questions, info, pieces))


class Stretch(NamedTuple):
    """A question and a part of its text.

    Shape: inputs int64 `[T, 2]`.

    Args:
        inputs: ids and segments.
        texts: for each token of the text what stands there, with the spaces behind it; nothing (`""`) at the question,
            at marks, and at a word's other pieces.
        spans: first and last token of each answer; `None` where it is not here.
    """

    inputs: Array
    texts: tuple[str, ...]
    spans: tuple[tuple[int, int] | None, ...]


def _units(text: str) -> list[tuple[int, int]]:
    """Where words and signs stand: each punctuation mark by itself."""
    found: list[tuple[int, int]] = []
    for word in UNIT.finditer(text):
        begin = word.start()
        for place in range(word.start(), word.end()):
            if _is_sign(text[place]):
                found += [(begin, place)] if begin < place else []
                found.append((place, place + 1))
                begin = place + 1
        found += [(begin, word.end())] if begin < word.end() else []
    return found


def _is_sign(character: str) -> bool:
    if character.isalnum():
        return False
    return character.isascii() or unicodedata.category(character).startswith("P")


def stretches_of(one: Question, pieces: Pieces, *, max_length: int, stride: int, max_question: int) -> list[Stretch]:
    """A question with its text, in as many overlapping stretches as are needed.

    Args:
        one: the question.
        pieces: WordPiece.
        max_length: tokens of a stretch, marks among them.
        stride: tokens from the begin of one stretch to that of the next.
        max_question: tokens of the question that are read.
    """
    begin, end = pieces.special("[CLS]"), pieces.special("[SEP]")
    question = pieces.encode(one.question)[:max_question]
    units = _units(one.context)
    coded = pieces.encode_many([one.context[a:b] for a, b in units])
    unit_of = np.repeat(np.arange(len(units)), [len(row) for row in coded])
    ids = np.concatenate(coded) if coded else np.empty(0, dtype=np.int64)
    answers = [_in_pieces(units, unit_of, span) for span in one.answers]
    room = max_length - len(question) - MARKS["pair"]
    ahead = len(question) + 2
    found = []
    for first in range(0, max(1, len(ids)), min(stride, room)):
        last = min(first + room, len(ids))
        texts = [""] * ahead
        for place in range(first, last):
            unit = unit_of[place]
            stop = units[unit + 1][0] if unit + 1 < len(units) else len(one.context)
            new = place == first or unit != unit_of[place - 1]
            texts.append(one.context[units[unit][0] : stop] if new else "")
        spans = tuple(
            (span[0] - first + ahead, span[1] - first + ahead)
            if span is not None and first <= span[0] and span[1] < last
            else None
            for span in answers
        )
        found.append(Stretch(marked_pair(question, ids[first:last], begin, end), (*texts, ""), spans))
        if last >= len(ids):
            break
    return found


def _in_pieces(units: Sequence[tuple[int, int]], unit_of: Array, span: tuple[int, int]) -> tuple[int, int] | None:
    """First and last piece of some characters; `None` where no piece stands for them."""
    touched = [number for number, (begin, end) in enumerate(units) if begin < span[1] and end > span[0]]
    if not touched:
        return None
    places = np.flatnonzero((unit_of >= touched[0]) & (unit_of <= touched[-1]))
    return (int(places[0]), int(places[-1])) if len(places) else None


def question_samples(questions: Sequence[Question], info: DataInfo, pieces: Pieces | None = None) -> SequenceSamples:
    """Questions as samples of a known vocabulary.

    Args:
        questions: with their texts and answers.
        info: what is known of the training data.
        pieces: the subwords, where they are at hand.
    """
    saved = info.encoding
    pieces = Pieces.from_saved(saved) if pieces is None else pieces
    sizes = {name: int(saved[name]) for name in ("max_length", "stride", "max_question")}
    inputs, names, rows = [], [], []
    for number, one in enumerate(questions):
        for stretch in stretches_of(one, pieces, **sizes):
            inputs.append(stretch.inputs)
            names.append(one.where)
            spans = [place for span in stretch.spans for place in (span or (IGNORED, IGNORED))]
            rows.append([number, *spans])
    targets = np.full((len(rows), max(3, max(map(len, rows), default=3))), IGNORED, dtype=np.int64)
    for place, row in enumerate(rows):
        targets[place, : len(row)] = row
    return SequenceSamples(Ragged.of(inputs), targets, info, names)
