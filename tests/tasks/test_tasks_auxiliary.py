"""Losses of auxiliary classifiers: added while training, left out when scoring."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.nn.contracts import WithAuxiliaries
from neuropil.tasks.classification import Classification
from neuropil.tasks.regression import Regression


class Three(nn.Module):
    """Gives three outputs while training, one otherwise."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(4, outputs) for _ in range(3))

    def forward(self, x: Tensor) -> Any:
        logits, *extra = (part(x) for part in self.parts)
        return WithAuxiliaries(logits, tuple(extra), 0.3) if self.training else logits


class OneBatch:
    """Five samples."""

    def __init__(self, targets: Tensor) -> None:
        self.inputs, self.targets, self.indices = torch.randn(5, 4), targets, np.arange(5)


def test_classification_adds_them_by_their_weight() -> None:
    network, batch = Three(3), OneBatch(torch.tensor([0, 1, 2, 0, 1]))
    loss, _ = Classification(["a", "b", "c"]).step(network.train(), batch, None)
    main, first, second = (F.cross_entropy(part(batch.inputs), batch.targets) for part in network.parts)
    torch.testing.assert_close(loss, main + 0.3 * (first + second))


def test_regression_adds_them_by_their_weight() -> None:
    network, batch = Three(2), OneBatch(torch.randn(5, 2))
    task = Regression(["u", "v"], mean=[0.0, 0.0], scale=[1.0, 1.0])
    loss, _ = task.step(network.train(), batch, None)
    main, first, second = (F.mse_loss(part(batch.inputs), batch.targets) for part in network.parts)
    torch.testing.assert_close(loss, main + 0.3 * (first + second))


def test_scores_are_those_of_the_main_classifier() -> None:
    network, batch = Three(3).eval(), OneBatch(torch.tensor([0, 1, 2, 0, 1]))
    scorer = Classification(["a", "b", "c"]).scorer()
    scorer.update(network, batch)
    expected = F.cross_entropy(network.parts[0](batch.inputs), batch.targets).item()
    assert scorer.compute()["loss"] == pytest.approx(expected, rel=1e-6)
