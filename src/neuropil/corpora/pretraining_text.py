"""Plain text into documents of sentences, as BERT's pretraining reads it.

Empty lines divide documents, and so do files. Within a document a line is a sentence where most lines end as sentences
do;
else the text is prose, whose lines are joined and cut behind `.`, `!`, `?` or `…` (with quotes and brackets that close
there) where a space follows. A text without any division becomes documents of 20 sentences each.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from neuropil.data.archive import Archive
from neuropil.sequences.text_files import MAX_LINE, read_text

__all__ = ["Document", "SentenceForm", "documents_of", "read_documents", "sentences_of"]

SentenceForm = Literal["auto", "lines", "prose"]

SENTENCE_END = re.compile(r"(?<=[.!?…])([\"'”’»)\]]*)\s+")

ENDS_A_SENTENCE = re.compile(r"[.!?…:;][\"'”’»)\]]*$")

TOGETHER = 20
"""Sentences in one document, where a text has no divisions."""


class Document(NamedTuple):
    """Sentences that belong together, and where they stand."""

    sentences: tuple[str, ...]
    where: str


def sentences_of(text: str) -> list[str]:
    """Prose cut behind the signs that end sentences.

    Example:
        >>> sentences_of('He said: "Go!" We went. It was 3.5 miles.')
        ['He said: "Go!"', 'We went.', 'It was 3.5 miles.']
    """
    marked = SENTENCE_END.sub(lambda found: f"{found.group(1)}\n", " ".join(text.split()))
    return [one for one in marked.split("\n") if one]


def is_a_sentence_a_line(lines: Sequence[str]) -> bool:
    """Whether most lines that are not empty end as sentences do."""
    full = [line.strip() for line in lines if line.strip()]
    return 2 * sum(ENDS_A_SENTENCE.search(line) is not None for line in full) > len(full)


def read_documents(store: Archive, name: str, encoding: str, form: SentenceForm) -> list[Document]:
    """The documents of one file.

    Args:
        store: where the file lies.
        name: of the file.
        encoding: of the file.
        form: a sentence a line, prose, or whichever it looks like.

    Raises:
        InputError: it cannot be read.
    """
    file = read_text(store, name, encoding)
    by_line = is_a_sentence_a_line(file.lines) if form == "auto" else form == "lines"
    found: list[Document] = []
    block: list[str] = []
    begin = 1
    for number, line in enumerate([*file.lines, ""], 1):
        if line.strip():
            if not block:
                begin = number
            block.append(line.strip())
        elif block:
            sentences = block if by_line else sentences_of(" ".join(block))
            cut = [one[place : place + MAX_LINE] for one in sentences for place in range(0, len(one), MAX_LINE)]
            found.append(Document(tuple(cut), file.place(begin)))
            block = []
    return found


def documents_of(found: Sequence[Document]) -> tuple[list[Document], str | None]:
    """The documents as they are; a single one cut into some of 20 sentences, and a sentence that says so.

    Example:
        >>> made, said = documents_of([Document(("One.",) * 45, "a.txt, line 1")])
        >>> [len(one.sentences) for one in made], said
        ([20, 20, 5], 'no empty lines divide documents: every 20 sentences are one')
    """
    if len(found) != 1 or len(found[0].sentences) <= TOGETHER:
        return list(found), None
    sentences, where = found[0]
    made = [
        Document(sentences[begin : begin + TOGETHER], f"{where}, sentence {begin + 1}")
        for begin in range(0, len(sentences), TOGETHER)
    ]
    return made, f"no empty lines divide documents: every {TOGETHER} sentences are one"
