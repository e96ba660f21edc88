"""The perceptron against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from neuropil.errors import InputError
from neuropil.models.perceptron import Perceptron


@pytest.mark.parametrize(("activation", "theirs"), [("relu", "relu"), ("sigmoid", "logistic"), ("tanh", "tanh")])
def test_forward_is_scikit_learns(activation: str, theirs: str) -> None:
    neural = pytest.importorskip("sklearn.neural_network")
    random = np.random.default_rng(0)
    x, y = random.standard_normal((20, 6)), random.standard_normal((20, 3))
    peer = neural.MLPRegressor(hidden_layer_sizes=(8, 5), activation=theirs, solver="sgd", max_iter=3, random_state=0)
    peer.partial_fit(x, y)
    ours = Perceptron(in_features=6, hidden=(8, 5), num_classes=3, activation=activation).double()  # type: ignore[arg-type]
    layers = [layer for layer in ours.modules() if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer, weight, bias in zip(layers, peer.coefs_, peer.intercepts_, strict=True):
            layer.weight.copy_(torch.from_numpy(weight.T))
            layer.bias.copy_(torch.from_numpy(bias))
    np.testing.assert_allclose(ours(torch.from_numpy(x)).detach().numpy(), peer.predict(x), rtol=1e-9)


def test_counts_by_hand() -> None:
    def count(**options: object) -> int:
        return sum(p.numel() for p in Perceptron(in_features=4, num_classes=3, **options).parameters())  # type: ignore[arg-type]

    assert count(hidden=()) == 4 * 3 + 3
    assert count(hidden=(10,)) == 4 * 10 + 10 + 10 * 3 + 3
    assert count(hidden=(10, 7), batch_norm=True) == (4 * 10 + 10 + 20) + (10 * 7 + 7 + 14) + (7 * 3 + 3)


def test_batch_normalization_stands_on_the_sums_before_the_activation() -> None:
    stage = Perceptron(in_features=4, hidden=(8,), batch_norm=True, dropout=0.2).stages[0]
    assert [type(layer).__name__ for layer in stage] == ["Linear", "BatchNormalization", "ReLU", "Dropout"]  # type: ignore[union-attr]


@pytest.mark.parametrize(("form", "biased"), [("chapter", True), ("srivastava", False), ("inverted", False)])
def test_dropout_forms_reach_the_hidden_layers(form: str, biased: bool) -> None:
    network = Perceptron(in_features=2, hidden=(4000,), num_classes=0, dropout=0.5, dropout_form=form)  # type: ignore[arg-type]
    x = torch.randn(1, 2)
    ratio = (network.train()(x).mean() / network.eval()(x).mean()).item()
    assert ratio == pytest.approx(0.5 if biased else 1, abs=0.08)


def test_without_hidden_layers_it_is_a_linear_model() -> None:
    network = Perceptron(in_features=3, hidden=(), num_classes=2)
    assert network.features(torch.zeros(1, 3)) == [] and network(torch.zeros(5, 3)).shape == (5, 2)
    network.reset_classifier(4)
    assert network(torch.zeros(5, 3)).shape == (5, 4)


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="each layer needs at least 1"):
        Perceptron(in_features=4, hidden=(8, 0))
    with pytest.raises(InputError, match=r"samples of 3x2x2 = 12 numbers .* build it with in_features=12"):
        Perceptron(in_features=4)(torch.zeros(1, 3, 2, 2))
    with pytest.raises(InputError, match="a share of nodes"):
        Perceptron(in_features=4, dropout=1.5)
