"""Gradient norms against torch's backward and a chain worked out by hand."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.inspection.gradients import gradient_norms


class Tied(nn.Module):
    """Convolution, normalization, dropout, a tied weight, a parameter of its own and one that is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.one = nn.Linear(4, 4)
        self.two = nn.Linear(4, 4)
        self.two.weight = self.one.weight
        self.unused = nn.Linear(2, 2)
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        x = self.drop(self.norm(self.conv(x)).relu().mean(dim=(2, 3)))
        return self.scale * self.frozen(self.two(self.one(x).tanh()))


def test_norms_are_those_of_backward_and_nothing_changes() -> None:
    torch.manual_seed(0)
    net = Tied()
    net.conv.weight.grad = torch.ones_like(net.conv.weight)
    inputs, targets = torch.randn(6, 1, 8, 8), torch.randint(0, 4, (6,))
    before, generator = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    found = gradient_norms(net, inputs, targets, F.cross_entropy)
    assert torch.equal(generator, torch.get_rng_state())
    assert all(torch.equal(one, before[name]) for name, one in net.state_dict().items())
    assert net.training and not net.frozen.weight.requires_grad
    assert torch.equal(net.conv.weight.grad, torch.ones_like(net.conv.weight))
    assert net.one.weight.grad is None

    net.zero_grad()
    loss = F.cross_entropy(net(inputs), targets)
    loss.backward()
    assert found.loss == pytest.approx(loss.item())
    owned = {
        "Tied": [net.scale],
        "conv": [net.conv.weight, net.conv.bias],
        "norm": [net.norm.weight, net.norm.bias],
        "one": [net.one.weight, net.one.bias],
        "two": [net.two.bias],
        "unused": [],
    }
    assert [layer.name for layer in found.layers] == list(owned)
    for layer in found.layers:
        gradients = [p.grad.flatten() for p in owned[layer.name]]
        wanted = torch.cat(gradients).norm().item() if gradients else 0.0
        assert layer.gradient_norm == pytest.approx(wanted, rel=1e-5)
        if gradients:
            assert layer.weight_norm == pytest.approx(
                torch.cat([p.detach().flatten() for p in owned[layer.name]]).norm().item(), rel=1e-5
            )
        assert layer.ratio == pytest.approx(layer.gradient_norm / layer.weight_norm)


def test_a_chain_by_hand() -> None:
    """y = w3 w2 w1 x and loss y: dy/dw1 = w3 w2 x, and so on."""
    net = nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(3))).double()
    for layer, weight in zip(net, (0.5, 0.25, 2.0), strict=True):
        nn.init.constant_(layer.weight, weight)
    x = torch.full((1, 1), 4.0, dtype=torch.float64)
    found = gradient_norms(net.eval(), x, x, lambda y, _: y.sum())
    assert [layer.gradient_norm for layer in found.layers] == [2.0, 4.0, 0.5]
    assert [layer.weight_norm for layer in found.layers] == [0.5, 0.25, 2.0]
    assert [layer.ratio for layer in found.layers] == [4.0, 16.0, 0.25]
    assert (found.loss, net.training) == (1.0, False)


def test_vanishing_shows_with_sigmoid_and_less_with_relu() -> None:
    def first_over_last(activation: type[nn.Module]) -> float:
        torch.manual_seed(0)
        net = nn.Sequential(*(part for _ in range(10) for part in (nn.Linear(16, 16), activation())))
        for layer in net[::2]:
            nn.init.kaiming_normal_(layer.weight)
        layers = gradient_norms(net, torch.randn(32, 16), torch.randn(32, 16), F.mse_loss).layers
        return layers[0].gradient_norm / layers[-1].gradient_norm

    assert first_over_last(nn.Sigmoid) < 1e-3 < 0.05 < first_over_last(nn.ReLU)


def test_weights_of_zero() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    for p in net.parameters():
        nn.init.zeros_(p)
    found = gradient_norms(net, torch.ones(3, 2), torch.ones(3, 1), F.mse_loss)
    assert [layer.ratio for layer in found.layers] == [0.0, math.inf]


def test_refusals() -> None:
    net, x = nn.Linear(2, 2), torch.ones(3, 2)
    with pytest.raises(InputError, match=r"the loss is \[3, 2\], but one number"):
        gradient_norms(net, x, x, lambda y, _: y)
    with pytest.raises(InputError, match="the loss is float, but one number"):
        gradient_norms(net, x, x, lambda y, _: y.sum().item())
    with pytest.raises(InputError, match="does not hang on"):
        gradient_norms(net, x, x, lambda _, t: t.sum())
    with pytest.raises(InputError, match="no trainable parameter"):
        gradient_norms(nn.Linear(2, 2).requires_grad_(False), x, x, F.mse_loss)
    net.register_buffer("count", torch.zeros(1))
    with pytest.raises(RuntimeError):
        gradient_norms(net, torch.ones(3, 5), x, F.mse_loss)
