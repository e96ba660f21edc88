"""A text that is on every machine: the prose of the documentation strings of Python's own standard library.

The files are parsed, and nothing in them is imported or run. A module is a document, in the order of the modules'
names; within it the strings stand in the order of its lines. What is taken is prose alone: paragraphs that begin with a
capital letter, end a sentence, and hold words and no examples. A sentence is a line, a blank line stands between
documents, and what was said before is not said again. One version of Python so gives one text, wherever it runs:
modules that some distributions leave out are left out here.
"""

from __future__ import annotations

import ast
import io
import platform
import re
import sys
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import IO

from neuropil.errors import InputError

__all__ = ["NAME", "PythonDocs", "documents", "prose", "python_docs"]

NAME = "python_docs"
"""What stands for this text in place of a path."""

NOT_EVERYWHERE = {
    "antigravity", "distutils", "ensurepip", "idlelib", "lib2to3", "test", "this", "tkinter", "turtle", "turtledemo",
}  # fmt: skip
"""Modules that some distributions pack apart, that are tests, or that hold no documentation."""

APART = {"test", "tests", "__pycache__", "site-packages", "dist-packages"}
"""Folders below a module that are no part of it."""

LEAST_WORDS = 4

LEAST_LETTERS = 0.85
"""Letters and spaces among a paragraph's characters: below it is a table, a formula or code."""

SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


class PythonDocs:
    """The text as a store of a single file, for everything that reads texts."""

    def __init__(self) -> None:
        self.where = f"the documentation strings of Python {platform.python_version()}"
        self.files: tuple[str, ...] = (f"{NAME}.txt",)
        self.folders: frozenset[str] = frozenset()

    def open(self, name: str) -> IO[bytes]:
        """The text in UTF-8."""
        return io.BytesIO(python_docs().encode())


@cache
def python_docs() -> str:
    """The whole text: a line a sentence, a blank line between two modules.

    Raises:
        InputError: this Python comes without the source of its library.
    """
    library = Path(sysconfig.get_paths()["stdlib"])
    text = "\n".join("".join(f"{sentence}\n" for sentence in one) for _, one in documents(module_files(library)))
    if not text:
        raise InputError(
            f"this Python has no source files in {str(library)!r}, so there is no text of its documentation; give a "
            "text of your own"
        )
    return text


def module_files(library: Path) -> list[tuple[str, Path]]:
    """The modules of a standard library that are written in Python, with their names, in the order of these."""
    found = []
    for top in sorted(set(sys.stdlib_module_names) - NOT_EVERYWHERE):
        paths = [library / f"{top}.py", *(library / top).rglob("*.py")]
        for path in paths:
            parts = path.relative_to(library).with_suffix("").parts
            if path.is_file() and not APART & set(parts):
                found.append((".".join(parts).removesuffix(".__init__"), path))
    return sorted(found)


def documents(files: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, list[str]]]:
    """Name and sentences of each module that has two or more; those that stood in an earlier one are left out.

    Args:
        files: names of modules and where their source lies.
    """
    said: set[str] = set()
    for name, path in files:
        sentences = []
        for paragraph in (one for string in _strings(path) for one in prose(string)):
            new = [one for one in SENTENCE.split(paragraph) if one not in said]
            said.update(new)
            sentences += new
        if len(sentences) > 1:
            yield name, sentences


def _strings(path: Path) -> list[str]:
    """The documentation strings of a source file, in the order of its lines; of a file that cannot be parsed none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (OSError, ValueError, SyntaxError, RecursionError):
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            string = ast.get_docstring(node)
            if string:
                found.append((getattr(node, "lineno", 0), string))
    return [string for _, string in sorted(found, key=lambda pair: pair[0])]


def prose(string: str) -> list[str]:
    r"""The paragraphs of a documentation string that are prose, each as one line.

    Example:
        >>> prose("Add two numbers.\n\n    >>> add(1, 2)\n    3\n\nBoth numbers may be\nof any size.")
        ['Both numbers may be of any size.']
    """
    found = []
    for paragraph in re.split(r"\n\s*\n", string):
        lines = [line.strip() for line in paragraph.strip().split("\n")]
        text = " ".join(" ".join(lines).split())
        letters = sum(sign.isalpha() or sign == " " for sign in text)
        if (
            text[:1].isupper()
            and text[-1] in ".!?"
            and len(text.split()) >= LEAST_WORDS
            and letters >= LEAST_LETTERS * len(text)
            and not any(line.startswith((">>>", "...")) for line in lines)
        ):
            found.append(text)
    return found
