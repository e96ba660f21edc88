"""The loops that race do the same work: from the same weights over the same order to the same weights."""

from __future__ import annotations

import pytest
import torch
from benchmarks.peers.step import BATCH, LR, SIZES, by_hand, layers, prepared, problem

from neuropil.data.order import permutation
from neuropil.training.loop import fit
from neuropil.training.plan import TrainingPlan


@pytest.mark.parametrize("fused", [False, True])
def test_our_loop_and_the_one_by_hand_end_at_the_same_weights(fused: bool) -> None:
    sizes, count, seed = SIZES["64"], 10 * BATCH + 7, 5
    inputs, targets = (tensor[:count] for tensor in problem(sizes, seed))
    ingredients = prepared(sizes, inputs, targets, seed)
    reports = list(fit(ingredients, TrainingPlan(epochs=2)))
    model = layers(sizes, seed)
    epoch = iter(range(2))
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=fused or None)
    loop = by_hand(
        model, optimizer, inputs, targets, lambda n: torch.from_numpy(permutation(n, seed=seed, epoch=next(epoch)))
    )
    for _ in range(2):
        next(loop)
    assert len(reports) == 22
    for ours, theirs in zip(ingredients.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
