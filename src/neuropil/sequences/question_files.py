"""Questions with a text in which the answer stands: SQuAD's JSON, or a table of question, text and answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from neuropil.data.archive import Archive
from neuropil.errors import InputError
from neuropil.sequences.text_files import TextFile, called, cells_of, content_of, decoded, plain_name, read_text

__all__ = ["Question", "is_question_name", "read_questions"]

ENDS = (".json", ".tsv", ".csv", ".txt")

NAMES = ("question", "context", "answer", "start")
"""Names of a table's columns, where its first line holds them; else they stand in this order."""


class Question(NamedTuple):
    """A question, the text that is asked, and where its answers stand; none where it has no answer.

    Args:
        question: the question.
        context: the text.
        answers: first character and the one behind the last of each answer.
        where: for messages.
    """

    question: str
    context: str
    answers: tuple[tuple[int, int], ...]
    where: str


def is_question_name(name: str) -> bool:
    """Whether a file may hold questions, by its name."""
    return plain_name(name).lower().endswith(ENDS)


def read_questions(store: Archive, name: str, encoding: str = "utf-8") -> list[Question]:
    """The questions of one file.

    Args:
        store: where the file lies.
        name: of the file.
        encoding: of the file.

    Raises:
        InputError: it cannot be read, or an answer does not stand where it should; it is named.
    """
    if plain_name(name).lower().endswith(".json"):
        where = called(store, name)
        found = list(_squad(where, decoded(where, content_of(store, name), encoding)))
    else:
        where = called(store, name)
        found = list(_table(read_text(store, name, encoding)))
    if not found:
        raise InputError(f"{where} holds no question; give some, each with a text and an answer")
    return found


def _squad(where: str, text: str) -> Iterator[Question]:
    """The form of SQuAD 1.1 and 2.0 (Rajpurkar et al. 2016, 2018)."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: it is no JSON ({error}); give SQuAD's form, or a table") from error
    try:
        for article in document["data"]:
            for paragraph in article["paragraphs"]:
                for asked in paragraph["qas"]:
                    place = f"{where}, question {asked.get('id', asked['question'])!r}"
                    yield _checked(str(asked["question"]), str(paragraph["context"]), _answers(asked), place)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{where}: it lacks {error} of SQuAD's form (data, paragraphs, context, qas, question, answers, text, "
            "answer_start); correct it, or give a table"
        ) from error


def _answers(asked: Mapping[str, Any]) -> list[tuple[str, int]]:
    if asked.get("is_impossible"):
        return []
    return [(str(one["text"]), int(one["answer_start"])) for one in asked["answers"]]


def _checked(question: str, context: str, answers: list[tuple[str, int]], where: str) -> Question:
    places: dict[tuple[int, int], None] = {}
    for text, begin in answers:
        if not text or context[begin : begin + len(text)] != text:
            raise InputError(
                f"{where}: the answer {text[:60]!r} does not stand at character {begin} of its text; correct it"
            )
        places[(begin, begin + len(text))] = None
    if not question.strip() or not context.strip():
        raise InputError(f"{where}: the question or its text is empty; fill it in, or remove it")
    return Question(question, context, tuple(places), where)


def _table(file: TextFile) -> Iterator[Question]:
    rows = list(cells_of(file, "," if plain_name(file.name).lower().endswith(".csv") else "\t"))
    names = [one.lower() for one in rows[0].cells]
    header = set(NAMES[:3]) <= set(names)
    columns = [names.index(one) for one in NAMES if one in names] if header else list(range(len(names)))[: len(NAMES)]
    if len(columns) < 3:
        raise InputError(
            f"{file.place(rows[0].line)}: it has {len(names)} column{'s' * (len(names) != 1)}, but a question, its "
            "text and its answer need 3; correct it"
        )
    for row in rows[header:]:
        where = file.place(row.line)
        if len(row.cells) != len(names):
            raise InputError(f"{where}: it has {len(row.cells)} columns, but {len(names)} are needed; correct it")
        question, context, answer, *start = (row.cells[column] for column in columns)
        if start and start[0] and not start[0].isdecimal():
            raise InputError(f"{where}: {start[0]!r} is no place of a character; give a whole number from 0")
        place = int(start[0]) if start and start[0] else context.find(answer)
        if answer and place < 0:
            raise InputError(f"{where}: the answer {answer[:60]!r} does not stand in its text; correct it")
        yield _checked(question, context, [(answer, place)] if answer else [], where)
