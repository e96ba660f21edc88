"""Both sides of the races of whole networks and of photographs do the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.peers import networks, photos
from benchmarks.run_one import STARTED
from benchmarks.topics.networks import NETWORKS, RATIOS, TOPIC, TUNED

from neuropil.training.speed import Placed, Placement


@pytest.mark.parametrize("name", ["shufflenet_v2", pytest.param("mnasnet_a1", marks=pytest.mark.slow)])
def test_equal_weights_give_equal_losses(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def small() -> Placed:
        draw = torch.Generator().manual_seed(0)
        inputs = torch.randn(2, 3, 64, 64, generator=draw)
        return Placed(inputs, torch.randint(1000, (2,), generator=draw), np.arange(2))

    monkeypatch.setattr(networks, "batch", small)
    ours, theirs = networks.pair_of(name)
    plain = Placement()
    for make in (networks.train_step, networks.inference):
        assert make(ours, plain)() == pytest.approx(make(theirs, plain)(), rel=1e-4)
    assert networks.kept_bytes(ours) > 0
    taken = networks.by_turns([networks.inference(ours, plain), networks.inference(theirs, plain)], 0, 0.01)
    assert len(taken) == 2 and min(taken) > 0
    with pytest.raises(RuntimeError, match="computed different things"):
        networks.by_turns([lambda: 1.0, lambda: 2.0], 0, 0.01)


def test_every_row_has_its_figure() -> None:
    figures = {f"{key} {name}" for key in (*RATIOS, *TUNED) for name in (*NETWORKS, "all")}
    figures |= {f"{kind} {name}" for kind in ("floor", "mib") for name in NETWORKS}
    figures |= {"densenet memory", "densenet time"}
    assert {row.figure for duel in TOPIC.duels[:1] for row in duel.rows} == figures
    named = {
        f"{side}{suffix}"
        for duel in TOPIC.duels
        for side in (duel.ours, duel.peer)
        for suffix in ([f"-{part}" for part in duel.parts] or [""])
    }
    assert named == set(networks.COMPETITORS)


@pytest.mark.slow
def test_both_begin_with_the_same_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "COLD_STEPS", 1)
    monkeypatch.setenv(STARTED, "0")
    ours, theirs = (networks.COMPETITORS[f"{who}cold-shufflenet_v2"](0) for who in ("neuropil-", ""))
    assert ours.work == theirs.work and ours.outcome == pytest.approx(theirs.outcome, rel=0.02)


def test_both_read_the_same_photographs(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "COPIES", 3)
    monkeypatch.setenv(STARTED, "0")
    ours, theirs = (photos.COMPETITORS[f"{name}-0"](0) for name in ("neuropil", "torchvision"))
    assert ours.work == theirs.work and ours.work["shape"] == [32, 3, 224, 224]
    assert ours.outcome == pytest.approx(theirs.outcome, rel=0.2)
