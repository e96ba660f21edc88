"""A folder with data and finished runs, and the command line called inside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import neuropil
from cli import workshop
from neuropil.cli import main


@dataclass(frozen=True)
class Answer:
    """What a command left behind: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


Call = Callable[..., Answer]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a user might have it: pictures, tables, and one run on each."""
    folder = tmp_path_factory.mktemp("place")
    workshop.write_pictures(folder / "photos")
    workshop.write_table(folder / "pets.csv")
    workshop.write_values(folder / "values.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        quick = {"epochs": 1, "speed": "plain", "progress": False}
        neuropil.train("iris-perceptron", **quick)
        neuropil.train(neuropil.Recipe(name="pets"), model="perceptron", data="pets.csv", **quick)
        neuropil.train(neuropil.Recipe(name="values"), model="perceptron", data="values.csv", **quick)
        small = {"source": "photos", "size": 16}
        neuropil.train(neuropil.Recipe(name="photos"), model="resnet20", data=small, **quick)
    return folder


@pytest.fixture
def call(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """The command line with these words, inside the folder."""
    monkeypatch.chdir(place)

    def run(*words: str) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(list(words))
        seen = capsys.readouterr()
        return Answer(int(left.value.code or 0), seen.out, seen.err)

    return run
