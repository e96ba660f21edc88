"""Penalties against Keras's formula and weight decay; groups by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from neuropil.errors import InputError
from neuropil.optim import RULES
from neuropil.optim.groups import parameter_groups, weights_of
from neuropil.optim.penalties import Penalty


class Everything(nn.Module):
    """A module of each kind, one weight used twice, one frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(5, 4)
        self.conv = nn.Conv2d(1, 2, 3)
        self.batch = nn.BatchNorm2d(2)
        self.layer = nn.LayerNorm((2, 3))
        self.slope = nn.PReLU(2)
        self.cell = nn.LSTM(4, 3)
        self.out = nn.Linear(4, 5)
        self.out.weight = self.words.weight
        self.frozen = nn.Linear(2, 2).requires_grad_(False)


WEIGHTS = {"words.weight", "conv.weight", "cell.weight_ih_l0", "cell.weight_hh_l0"}
BIASES = {"conv.bias", "cell.bias_ih_l0", "cell.bias_hh_l0", "out.bias", "slope.weight"}
NORMS = {"batch.weight", "batch.bias", "layer.weight", "layer.bias"}


def names(model: nn.Module, parameters: Any) -> set[str]:
    known = {id(p): name for name, p in model.named_parameters()}
    found = [known[id(p)] for p in parameters]
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize(
    ("spared", "wanted"),
    [
        (("bias", "normalization"), WEIGHTS),
        (("bias",), WEIGHTS | NORMS),
        (("normalization",), WEIGHTS | BIASES),
        ((), WEIGHTS | BIASES | NORMS),
    ],
)
def test_groups(spared: Any, wanted: set[str]) -> None:
    model = Everything()
    assert names(model, weights_of(model, spared)) == wanted
    groups = parameter_groups(model, weight_decay=0.1, no_decay_on=spared)
    by_decay = {group["weight_decay"]: names(model, group["params"]) for group in groups}
    assert by_decay[0.1] == wanted
    assert by_decay.get(0.0, set()) | wanted == WEIGHTS | BIASES | NORMS
    assert not by_decay.get(0.0, set()) & wanted


def test_no_decay_makes_one_group_in_the_models_order() -> None:
    model = Everything()
    (group,) = parameter_groups(model)
    assert [id(p) for p in group["params"]] == [id(p) for p in model.parameters() if p.requires_grad]
    assert group["weight_decay"] == 0.0


def test_groups_refuse() -> None:
    with pytest.raises(InputError, match="weight_decay must be at least 0"):
        parameter_groups(nn.Linear(2, 2), weight_decay=-1.0)
    with pytest.raises(InputError, match="no trainable parameter"):
        parameter_groups(nn.ReLU())
    with pytest.raises(InputError, match="'bias' and 'normalization', but 'norm'"):
        parameter_groups(nn.Linear(2, 2), weight_decay=0.1, no_decay_on=["norm"])  # type: ignore[list-item]


def test_penalty_is_the_sum_over_weights() -> None:
    model = Everything().double()
    used = [p for name, p in model.named_parameters() if name in WEIGHTS]
    l1 = sum(p.abs().sum().item() for p in used)
    l2 = sum(p.square().sum().item() for p in used)
    assert Penalty(l1=0.3)(model).item() == pytest.approx(0.3 * l1, rel=1e-12)
    assert Penalty(l2=0.2)(model).item() == pytest.approx(0.2 * l2, rel=1e-12)
    assert Penalty(l1=0.3, l2=0.2)(model).item() == pytest.approx(0.3 * l1 + 0.2 * l2, rel=1e-12)


@pytest.mark.slow
def test_penalty_is_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    layer = nn.Linear(7, 5)
    wanted = keras.regularizers.L1L2(l1=0.03, l2=0.2)(layer.weight.detach())
    assert Penalty(l1=0.03, l2=0.2)(layer).item() == pytest.approx(float(wanted), rel=1e-5)


def test_ridge_of_half_the_decay_is_weight_decay() -> None:
    """l2 = λ/2 in the loss gives gradient descent the steps that weight_decay = λ gives it."""
    paths = []
    for decay, penalty in ((0.3, None), (0.0, Penalty(l2=0.15))):
        torch.manual_seed(0)
        layer = nn.Linear(4, 3).double()
        rule = RULES.build("gradient_descent", parameter_groups(layer, weight_decay=decay), lr=0.1)
        for step in range(20):
            inputs = torch.randn(8, 4, generator=torch.Generator().manual_seed(step)).double()
            rule.zero_grad()
            loss = layer(inputs).square().mean()
            (loss if penalty is None else loss + penalty(layer)).backward()
            rule.step()
        paths.append(layer.weight.detach())
    torch.testing.assert_close(paths[0], paths[1], rtol=0, atol=1e-14)


@pytest.mark.slow
def test_lasso_drives_useless_weights_to_zero() -> None:
    torch.manual_seed(0)
    layer, useful = nn.Linear(6, 1, bias=False), torch.tensor([[1.0, -2.0, 0, 0, 0, 0]])
    rule = RULES.build("gradient_descent", layer.parameters(), lr=0.01)
    for _ in range(1500):
        inputs = torch.randn(64, 6)
        rule.zero_grad()
        ((layer(inputs) - inputs @ useful.T).square().mean() + Penalty(l1=0.2)(layer)).backward()
        rule.step()
    assert layer.weight[0, 2:].abs().max() < 0.02
    assert layer.weight[0, :2].abs().min() > 0.7


def test_penalty_refuses() -> None:
    with pytest.raises(InputError, match="l1 must be at least 0"):
        Penalty(l1=-1.0)
    with pytest.raises(InputError, match="l2 must be at least 0 and finite, but nan"):
        Penalty(l2=float("nan"))
    with pytest.raises(InputError, match="no trainable weight"):
        Penalty(l2=0.1)(nn.BatchNorm1d(3))
