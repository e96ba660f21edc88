"""Duels: the order of runs, repeated pairs, equal work."""

from __future__ import annotations

from itertools import chain

import pytest
from benchmarks.pairing import BenchmarkError, Session, check_equal_work, run_competitor
from benchmarks.records import Duel, Measurement, Row

ROW = Row(what="x", figure="s", unit="s", kind="ours / peer", better="low")


def duel(pairs: int = 4, outcome_within: float | None = None) -> Duel:
    return Duel(ours="A", peer="B", rows=[ROW], pairs=pairs, outcome_within=outcome_within)


def session(probes: list[float]) -> tuple[Session, list[tuple[str, int]]]:
    runs: list[tuple[str, int]] = []
    rest = iter(probes)

    def run(topic: str, name: str, seed: int) -> Measurement:
        runs.append((name, seed))
        return Measurement({"s": float(len(runs))})

    return Session(lambda line: None, lambda: next(rest), run), runs


def test_competitors_run_in_turn_with_one_seed_a_pair() -> None:
    sitting, runs = session([100.0] * 9)
    found = sitting.duel("topic", duel())
    assert [name for name, _ in runs] == list("ABBAABBA")
    assert [seed for _, seed in runs] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [(one.ours.figures["s"], one.peer.figures["s"]) for one in found] == [(1, 2), (4, 3), (5, 6), (8, 7)]


def test_a_pair_on_a_busy_machine_is_repeated_twice_at_most() -> None:
    pairs = [[100.0, 100.0], [100.0, 80.0], [95.0, 100.0], [50.0, 100.0], [100.0, 60.0], [40.0, 40.0]]
    sitting, runs = session([100.0, *chain.from_iterable(pairs)])
    found = sitting.duel("topic", duel(3))
    assert "".join(name for name, _ in runs) == "AB" + "BABA" + "ABABAB"
    assert [one.probe for one in found] == [1.0, 0.95, 0.6]
    assert found[2].ours.figures == {"s": 9.0}, "the least disturbed of the three counts"


def test_the_best_probe_is_that_of_the_session() -> None:
    sitting, _ = session([100.0, 200.0, 200.0, *[100.0] * 6])
    assert [one.probe for one in sitting.duel("topic", duel(2))] == [1.0, 0.5]


def test_both_sides_of_a_part_run_after_one_another_and_their_means_are_taken() -> None:
    runs: list[str] = []

    def run(topic: str, name: str, seed: int) -> Measurement:
        side, part = name.split("-")
        runs.append(name)
        share = {"a": 2.0, "b": 8.0}[part] * (1 if side == "A" else 3)
        return Measurement({f"ms {part}": share, f"mib {part}": 1.0}, {part: 1}, notes={part: side})

    parted = Duel(ours="A", peer="B", rows=[ROW], pairs=2, parts=("a", "b"))
    found = Session(lambda line: None, lambda: 1.0, run).duel("topic", parted)
    assert runs == ["A-a", "B-a", "A-b", "B-b", "B-a", "A-a", "B-b", "A-b"]
    assert found[0].ours.figures == {"ms a": 2, "mib a": 1, "ms b": 8, "mib b": 1, "ms all": 4, "mib all": 1}
    assert found[0].peer.figures["ms all"] == pytest.approx(12)
    assert found[0].ours.work == {"a": 1, "b": 1} and found[1].peer.notes == {"a": "B", "b": "B"}


def test_pairs_can_be_overridden() -> None:
    sitting, runs = session([100.0] * 5)
    assert len(sitting.duel("topic", duel(15), pairs=2)) == 2
    assert len(runs) == 4


def test_equal_work_passes_and_other_work_is_refused() -> None:
    one = Measurement({"s": 1.0}, {"batch": 64}, outcome=0.50)
    check_equal_work(duel(outcome_within=0.05), one, Measurement({"s": 2.0}, {"batch": 64}, outcome=0.51))
    with pytest.raises(BenchmarkError, match="same work"):
        check_equal_work(duel(), one, Measurement({"s": 1.0}, {"batch": 32}))
    with pytest.raises(BenchmarkError, match=r"different ends: 0\.5 and 0\.6"):
        check_equal_work(duel(outcome_within=0.05), one, Measurement({"s": 1.0}, {"batch": 64}, outcome=0.60))
    with pytest.raises(BenchmarkError, match="missing"):
        check_equal_work(duel(outcome_within=0.05), one, Measurement({"s": 1.0}, {"batch": 64}))


@pytest.mark.slow
def test_a_competitor_runs_in_a_process_of_its_own() -> None:
    assert 0 < run_competitor("startup", "pass", 0).figures["seconds"] < 10
    with pytest.raises(BenchmarkError, match="KeyError: 'nobody'"):
        run_competitor("startup", "nobody", 0)
