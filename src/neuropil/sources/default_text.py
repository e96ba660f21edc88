"""The text of `neuropil.sequences.python_docs` for language models."""

from __future__ import annotations

from typing import Literal

from neuropil.corpora.language import open_text
from neuropil.corpora.text_lines import Documents
from neuropil.data.records import Splits
from neuropil.sequences.pieces import AnyLevel
from neuropil.sequences.python_docs import NAME

__all__ = ["open_python_docs"]


def open_python_docs(
    *,
    level: AnyLevel = "character",
    window: int = 64,
    order: Literal["auto", "text", "random"] = "auto",
    history: int = 0,
    documents: bool | Documents = False,
    token_file: str | None = None,
    lower: bool | None = None,
    subwords: str | None = None,
    size: int | None = None,
    least_count: int | None = None,
    most: int | None = None,
    valid_fraction: float = 0.1,
    test_fraction: float = 0.1,
) -> Splits:
    """The prose of Python's own documentation strings, whose next character, word or subword a network learns to tell.

    Args:
        level: this and what follows as in `neuropil.corpora.language.open_text`.
        window: tokens a sample.
        order: of the windows.
        history: tokens of each window to judge on that are only read.
        documents: attention shall not cross modules, between which there are empty lines.
        token_file: keep the tokens in a file.
        lower: read capital letters as small ones.
        subwords: their file or folder.
        size: subwords that are trained.
        least_count: rarer tokens of the training part are unknown.
        most: entries of a vocabulary of words or characters at most.
        valid_fraction: share for validation.
        test_fraction: share for the test.

    Raises:
        InputError: this Python comes without the source of its library, or as `open_text`.
    """
    return open_text(
        root=NAME, level=level, window=window, order=order, history=history, documents=documents, token_file=token_file,
        lower=lower, subwords=subwords, size=size, least_count=least_count, most=most, valid_fraction=valid_fraction,
        test_fraction=test_fraction,
    )  # fmt: skip
