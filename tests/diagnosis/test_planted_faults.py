"""Faults planted into training runs by a script of its own: how many are named, and how often a healthy run alarms."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from diagnosis.planting.cases import ALL, HEALTHY, KINDS, PLANTED
from diagnosis.planting.diagnosing import diagnosed
from diagnosis.planting.scoring import lines_of, score_of
from diagnosis.planting.training import Case, train_case

LEAST_RECALL, LEAST_PRECISION, MOST_ALARMS = 0.85, 0.85, 1


@pytest.mark.proof
def test_planted_faults_are_named_and_healthy_runs_are_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found: dict[str, list[str]] = {}
    for case in ALL:
        trained = train_case(case, tmp_path)
        figures = case.check(trained)  # the fault is there, or the run is healthy
        found[case.name] = diagnosed(trained.folder)
        with capsys.disabled():
            said = ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
            print(f"{case.name}: {case.network}: {said}")  # noqa: T201
    score = score_of(ALL, found)
    with capsys.disabled():
        print("", *lines_of(ALL, found), sep="\n")  # noqa: T201
    assert score.recall >= LEAST_RECALL, score.missed
    assert score.precision >= LEAST_PRECISION, score.wrong
    assert len(score.alarmed) <= MOST_ALARMS, score.alarmed


def test_there_are_three_networks_for_each_kind_and_twenty_healthy_runs() -> None:
    counts = Counter(case.fault for case in PLANTED if not case.thread)
    assert set(counts) == set(KINDS)
    assert min(counts.values()) >= 3
    assert sum(bool(case.thread) for case in PLANTED) >= 8
    assert len(HEALTHY) == 20
    assert len({case.name for case in ALL}) == len(ALL)
    for case in ALL:
        assert {*case.accepted, *case.companions} <= set(KINDS)
        assert not case.accepted & set(case.companions)
        assert (case in HEALTHY) == (case.fault is None) == (case.accepted == set())


@dataclass(frozen=True)
class Made:
    """A made-up case."""

    name: str
    fault: str | None = None
    also: str | None = None
    companions: tuple[str, ...] = ()

    @property
    def accepted(self) -> set[str]:
        return {kind for kind in (self.fault, self.also) if kind is not None}


MADE = [Made("a", "dead_relu"), Made("b", "wrong_loss", "wrong_last_activation"), Made("c", "overfitting"),
        Made("d", "shuffled_labels", companions=("overfitting",)), Made("fine"), Made("sound")]  # fmt: skip


def test_the_score_of_made_up_findings() -> None:
    found = {
        "a": ["dead_relu", "dead_relu"],  # of two layers: one kind
        "b": ["wrong_last_activation"],  # as good
        "c": ["underfitting"],  # missed, and a wrong finding
        "d": ["overfitting"],  # true, but not what was planted
        "fine": [],
        "sound": ["unscaled_input", "overfitting"],
    }
    score = score_of(MADE, found)
    assert (score.hits, score.planted, score.recall) == (2, 4, 0.5)
    assert (score.true, score.findings, score.precision) == (3, 6, 0.5)
    assert score.missed == ("c", "d")
    assert score.alarmed == ("sound",)
    assert score.healthy == 2
    assert set(score.wrong) == {("c", "underfitting"), ("sound", "overfitting"), ("sound", "unscaled_input")}
    lines = lines_of(MADE, found)
    assert lines[2].endswith("missed, wrong: underfitting")
    assert lines[0].endswith("ok")
    assert "recall 2/4 = 0.500, precision 3/6 = 0.500, alarms in healthy runs 1/2" in lines[-1]


def test_the_score_of_no_findings_and_of_right_ones() -> None:
    nothing = score_of(MADE, {case.name: [] for case in MADE})
    assert (nothing.recall, nothing.precision, nothing.alarmed) == (0, 1, ())
    right = score_of(MADE, {case.name: sorted(case.accepted)[:1] for case in MADE})
    assert (right.recall, right.precision, right.alarmed) == (1, 1, ())


def test_a_case_that_nobody_looked_at_is_refused() -> None:
    with pytest.raises(KeyError):
        score_of(MADE, {"a": []})


def test_the_planting_knows_nothing_of_the_rules() -> None:
    """It trains and asks the command line; it imports neither the rules nor what measures a network for them."""
    rooms = set()
    for path in (Path(__file__).parent / "planting").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("neuropil"):
                rooms.add((node.module or "").split(".")[1])
    assert rooms == {"cli", "errors", "recipes", "training"}


def case_of(name: str) -> Case:
    return next(case for case in ALL if case.name == name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trained", "others"),
    [
        (
            "fine-normalized",
            ["dead-perceptron", "fast-perceptron", "slow-perceptron", "overfitted-table", "pairs-perceptron"],
        ),
        ("slow-perceptron", ["fine-normalized", "dead-perceptron", "fast-perceptron", "overfitted-table"]),
        ("dead-perceptron", ["fine-normalized", "slow-perceptron"]),
    ],
)
def test_the_checks_refuse_runs_without_their_fault(trained: str, others: list[str], tmp_path: Path) -> None:
    run = train_case(case_of(trained), tmp_path)
    case_of(trained).check(run)
    for other in others:
        with pytest.raises(AssertionError):
            case_of(other).check(run)
