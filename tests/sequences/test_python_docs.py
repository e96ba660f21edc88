"""The text that is on every machine: what is taken, in which order, the same each time, and read by every reader."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neuropil.data.records import Splits
from neuropil.errors import InputError
from neuropil.sequences import python_docs as docs
from neuropil.sources.opening import open_source

pytestmark = pytest.mark.slow

SOURCE = '''"""First things first, said in a module.

    >>> nothing_of_this("is prose")

name        a table is no prose either, by its signs
----        ----------------------------------------
"""

raise SystemExit("nobody shall run this")


class One:
    """A class says something of itself. It says it in two sentences!"""

    def method(self):
        """First things first, said in a module."""

    async def later(self):
        """And a coroutine speaks at the end of it."""


def short():
    """Too short."""
'''


def written(folder: Path, **files: str) -> list[tuple[str, Path]]:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return [(name, folder / f"{name}.py") for name in files]


def test_prose_alone_is_taken_once_and_nothing_is_run(tmp_path: Path) -> None:
    files = written(tmp_path, a=SOURCE, b=SOURCE, c="x = (", d='"""One sentence is no document of its own."""')
    assert list(docs.documents(files)) == [
        (
            "a",
            [
                "First things first, said in a module.",
                "A class says something of itself.",
                "It says it in two sentences!",
                "And a coroutine speaks at the end of it.",
            ],
        )
    ]


def test_modules_are_found_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("ast.py", "json/__init__.py", "json/tool.py", "json/tests/test_it.py", "idlelib/big.py", "mine.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('"""Nothing."""')
    assert [name for name, _ in docs.module_files(tmp_path)] == ["ast", "json", "json.tool"]


@pytest.fixture(scope="module")
def text() -> str:
    return docs.python_docs()


def test_it_is_english_prose_of_many_documents(text: str) -> None:
    found = text.split("\n\n")
    assert len(found) > 200 and 400_000 < len(text) < 3_000_000
    lines = [line for line in text.split("\n") if line]
    assert len(lines) == len(set(lines)) and all(line[0].isupper() for line in lines)
    words = text.lower().split()
    assert words.count("the") > 0.04 * len(words)  # as in any English text
    assert ">>>" not in text


@pytest.mark.slow
def test_another_process_finds_the_same(text: str) -> None:
    code = "import sys; from neuropil.sequences.python_docs import python_docs; sys.stdout.write(python_docs())"
    other = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code], capture_output=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert other.stdout.decode() == text


def test_a_language_model_reads_it(text: str) -> None:
    splits: Splits = open_source("python_docs", {"window": 32})
    inputs, targets = splits.train.fetch(np.array([0, 1]))
    vocabulary = splits.info.encoding["vocabulary"]
    assert "".join(vocabulary[one] for one in inputs.flatten()) == text[:64]
    assert (inputs[0, 1:] == targets[0, :-1]).all()
    assert splits.valid is not None and splits.test is not None


def test_it_stands_for_a_path_of_other_readers(text: str) -> None:
    splits = open_source("pretraining_text", {"root": "python_docs", "size": 400, "max_length": 64})
    inputs, targets = splits.train.fetch(np.arange(8))
    assert inputs.shape[2] == 2 and targets.shape[1] == inputs.shape[1] + 1 and len(splits.train) > 1000


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no file or folder 'python_doc'"):
        open_source("text", {"root": "python_doc"})
    docs.python_docs.cache_clear()
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"stdlib": str(tmp_path)})
    with pytest.raises(InputError, match=r"has no source files in .* give a text of your own"):
        docs.python_docs()
    docs.python_docs.cache_clear()
