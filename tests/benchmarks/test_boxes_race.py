"""Both sides of the race of suppression keep the same boxes."""

from __future__ import annotations

import pytest
from benchmarks.peers import boxes
from benchmarks.topics.boxes import TOPIC


@pytest.mark.slow
def test_both_keep_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(boxes, "RUNS", 1)
    monkeypatch.setattr(boxes, "WARM_UP", 0)
    ours, theirs = (boxes.COMPETITORS[name](3) for name in ("neuropil", "onnxruntime"))
    assert ours.work == theirs.work
    assert 100 < ours.work["trained"][0] < ours.work["untrained"][0]
    assert set(ours.figures) == {row.figure for duel in TOPIC.duels for row in duel.rows}
