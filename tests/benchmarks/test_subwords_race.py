"""Both sides of the race of subwords give the same numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.peers import subwords
from benchmarks.topics.subwords import TOPIC, missing


@pytest.mark.proof
@pytest.mark.parametrize("duel", TOPIC.duels, ids=lambda duel: duel.ours)
def test_both_give_the_same_numbers(duel, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("tokenizers")
    monkeypatch.setattr(subwords, "ROUNDS", 1)
    assert missing() is None
    ours, theirs = (subwords.COMPETITORS[name](0) for name in (duel.ours, duel.peer))
    assert ours.work == theirs.work
    assert ours.work["english"][0] == 16_622
    assert set(ours.figures) == {row.figure for row in duel.rows}


def test_without_data_there_is_no_race(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROPIL_TEST_DATA", str(tmp_path))
    assert "there are no sentences" in (missing() or "")
