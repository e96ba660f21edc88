"""What is measured of a network, against torch's own derivatives, NumPy and scikit-learn."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from neuropil.data.arrays import array_samples
from neuropil.diagnosis.measuring import look_at
from neuropil.diagnosis.references import _neighbours, _ridge, reference
from neuropil.sequence_models.forecaster import Forecaster
from neuropil.tasks.classification import Classification
from neuropil.tasks.regression import Regression

CLASSES = Classification(["a", "b", "c"])


def batch(inputs: torch.Tensor, targets: torch.Tensor) -> SimpleNamespace:
    return SimpleNamespace(inputs=inputs, targets=targets, indices=np.arange(len(inputs)))


def test_gradients_are_torchs() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    x, y = torch.randn(40, 5), torch.arange(40) % 3
    look = look_at(net, CLASSES, [batch(x, y)])
    weights = [net[0].weight, net[2].weight]
    wanted = torch.autograd.grad(nn.functional.cross_entropy(net(x), y), weights)
    assert [one.gradient for one in look.weighted] == pytest.approx([float(one.norm()) for one in wanted], rel=1e-5)
    assert look.last == ("2", "Linear") and all(one.grad is None for one in net.parameters())


def test_dead_and_saturated_shares_are_counted_over_all_samples() -> None:
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3), nn.Tanh())
    with torch.no_grad():
        net[0].bias[:2] = -1e3
        net[2].weight.mul_(50)
    batches = [batch(torch.randn(30, 4), torch.arange(30) % 3) for _ in range(3)]
    dead, flat = look_at(net, CLASSES, batches).activity
    with torch.no_grad():
        rows = torch.cat([one.inputs for one in batches])
        hidden, ends = net[:2](rows).numpy(), net(rows).numpy()
    assert dead.dead == pytest.approx((hidden <= 0).all(axis=0).mean())
    assert flat.saturated == pytest.approx((np.abs(ends) > 0.97).mean(), abs=1e-6)


def test_gradients_through_time_are_torchs() -> None:
    torch.manual_seed(1)
    net = Forecaster(in_features=2, num_classes=1, cell="rnn", width=8)
    x, y = torch.randn(10, 7, 2, requires_grad=True), torch.randn(10, 1)
    look = look_at(net, Regression(["y"]), [batch(x.detach(), y)])
    (wanted,) = torch.autograd.grad(nn.functional.mse_loss(net(x), y), [x])
    assert look.over_time["recurrent"] == pytest.approx(wanted.square().sum(dim=(0, 2)).sqrt().tolist(), rel=1e-5)


def test_references_are_scikit_learns() -> None:
    draw = np.random.default_rng(0)
    x, asked, y = draw.normal(size=(60, 3)), draw.normal(size=(20, 3)), draw.integers(0, 2, 60)
    near = KNeighborsClassifier(5).fit(x, y).predict(asked)
    assert (_neighbours(x, y, asked, 2) == near).all()
    values = draw.normal(size=(60, 1))
    ours = _ridge(x, values, asked, 0)
    generator = np.random.Generator(np.random.Philox(2))
    mixing, shift = generator.standard_normal((3, 400)) / np.sqrt(3), generator.standard_normal(400)

    def mixed(rows: np.ndarray) -> np.ndarray:
        return np.hstack([rows / np.sqrt(3), np.maximum(rows @ mixing + shift, 0)])

    theirs = Ridge(alpha=0.03 * 60 + 1).fit(mixed(x), values).predict(mixed(asked))
    assert ours.ravel() == pytest.approx(theirs.ravel(), abs=1e-8)


def test_labels_by_lot_are_not_foretold_and_true_ones_are() -> None:
    draw = np.random.default_rng(2)
    y = draw.integers(0, 3, 300)
    x = (draw.normal(size=(300, 4)) + 2 * np.eye(4)[y]).astype(np.float32)
    found = reference(array_samples(x, y, source="here"), 3)
    mixed = reference(array_samples(x, draw.permutation(y), source="here"), 3)
    assert found is not None and mixed is not None
    assert found.sigmas > 10 and mixed.sigmas < 3
    assert mixed.chance == pytest.approx(1 / 3, abs=0.02)
    assert reference(array_samples(x[:10], y[:10], source="here"), 3) is None
