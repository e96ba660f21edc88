"""The rules that race end at the same weights, and what does not is found out."""

from __future__ import annotations

import pytest
import torch
from benchmarks.peers.rules import PEERS, check_same_end, prepared, weights_like
from benchmarks.topics.rules import CASES

SHAPES = [torch.Size((5, 3)), torch.Size((7,)), torch.Size(())]


@pytest.mark.parametrize(("rule", "form"), CASES)
def test_both_sides_do_the_same_work(rule: str, form: str) -> None:
    ours, peers = weights_like(SHAPES, 1), weights_like(SHAPES, 1)
    mine, other = prepared(rule, form, ours), PEERS[rule](peers)
    for _ in range(19):
        mine.step()
        other.step()
    assert not torch.equal(ours[0], weights_like(SHAPES, 1)[0])
    check_same_end(rule, ours, peers)


def test_another_step_is_found_out() -> None:
    ours, peers = weights_like(SHAPES, 1), weights_like(SHAPES, 1)
    prepared("momentum", "chapter", ours).step()
    with pytest.raises(RuntimeError, match="momentum: our weights and torch's differ"):
        check_same_end("momentum", ours, peers)
