"""Activations of the named networks against Keras and their papers' numbers; ONNX's tests of them stand beside."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from torch import nn

from neuropil.models.perceptron import Perceptron
from neuropil.nn.activation import ActivationName, HardSigmoid, TanhGELU, leaky_relu, make_activation


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "theirs", "options"),
    [
        ("relu6", "relu6", {}),
        ("leaky_relu", "leaky_relu", {"negative_slope": 0.1}),
        ("silu", "silu", {}),
        ("gelu", "gelu", {}),
        ("gelu_tanh", "gelu", {"approximate": True}),
        ("hard_sigmoid", "hard_sigmoid", {}),
        ("hard_swish", "hard_swish", {}),
    ],
)
def test_activations_are_keras(
    name: str, theirs: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    x = torch.linspace(-8, 8, 321)
    expected = getattr(keras.activations, theirs)(x, **options)
    torch.testing.assert_close(make_activation(name)(x), expected, rtol=1e-5, atol=1e-6)


def test_slopes_may_be_chosen() -> None:
    x = torch.tensor([-2.0, 2.0])
    assert leaky_relu()(x).tolist() == pytest.approx([-0.2, 2.0])
    assert leaky_relu(0.5)(x).tolist() == [-1.0, 2.0]
    assert make_activation("prelu")(x).tolist() == [-0.5, 2.0]  # He et al. 2015 start at 0.25
    assert isinstance(TanhGELU(), nn.GELU)


def test_a_perceptron_takes_each_of_them() -> None:
    for name in get_args(ActivationName):
        network = Perceptron(in_features=3, hidden=(4,), activation=name)
        assert network(torch.randn(2, 3)).isfinite().all()
        assert type(network.stages[0][1]) is type(make_activation(name))  # type: ignore[index]


def test_the_hard_sigmoid_is_torchs_with_a_slope_of_double_precision() -> None:
    x = torch.linspace(-5, 5, 101, dtype=torch.float64, requires_grad=True)
    said = HardSigmoid()(x)
    torch.testing.assert_close(said, nn.Hardsigmoid()(x), rtol=0, atol=1e-15)
    (slope,) = torch.autograd.grad(said.sum(), x)
    assert slope[50].item() == pytest.approx(1 / 6, rel=1e-15) and not slope[:20].any() and not slope[-20:].any()
