"""Saliency beside hand-written formulas; what a value sees beside the arithmetic of windows; flow beside autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from neuropil.errors import InputError
from neuropil.formulas.costs import receptive_field
from neuropil.inspection.feature_maps import feature_maps, sight_of
from neuropil.inspection.gradient_flow import gradient_flow
from neuropil.inspection.saliency import grad_cam, gradient_saliency, integrated_gradients, last_maps
from neuropil.inspection.summary import summarize
from neuropil.models import create_model


def small(seed: int = 0, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(2, 4, 3), activation(), nn.Conv2d(4, 5, 3), activation(), nn.Flatten(), nn.Linear(80, 3)
        ).double()


X = torch.randn(1, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def test_the_gradient_is_jacrevs() -> None:
    network = small()
    whole = torch.func.jacrev(lambda x: network(x)[0])(X)
    for target in range(3):
        found = gradient_saliency(network, X, target)
        np.testing.assert_allclose(found.values, whole[target, 0].detach().numpy(), atol=1e-14)
    assert gradient_saliency(network, X).target == int(network(X).argmax())


@pytest.mark.parametrize("target", [0, 2])
def test_integrated_gradients_are_complete(target: int) -> None:
    """Sundararajan 2017, proposition 1: they add up to F(x) - F(x')."""
    network, start = small(activation=nn.Tanh), torch.full_like(X, 0.2)
    found = integrated_gradients(network, X, target, baseline=start, steps=48)
    difference = (network(X) - network(start))[0, target].item()
    assert found.values.sum() == pytest.approx(difference, abs=1e-9)
    assert found.gap < 1e-9


def test_integrated_gradients_of_a_line_and_a_product() -> None:
    """Closed forms: w x for a line; for x y from 0, half of x y each."""

    class Product(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x[:, 0] * x[:, 1])[:, None]

    line = nn.Linear(2, 1).double()
    x = torch.tensor([[3.0, -5.0]], dtype=torch.float64)
    np.testing.assert_allclose(integrated_gradients(line, x).values, (line.weight[0] * x[0]).detach(), atol=1e-12)
    np.testing.assert_allclose(integrated_gradients(Product(), x).values, [-7.5, -7.5], atol=1e-12)


@pytest.mark.parametrize("layer", ["0", "1", "2", "3"])
def test_grad_cam_is_its_formula(layer: str) -> None:
    """Selvaraju 2017, equations 1 and 2, written out with autograd on the network cut in two."""
    network, cut = small(), int(layer) + 1
    maps = network[:cut](X).detach().requires_grad_()
    score = network[cut:](maps)[0, 1]
    (slope,) = torch.autograd.grad(score, maps)
    wanted = sum(slope[0, k].mean() * maps[0, k] for k in range(maps.shape[1]))
    found = grad_cam(network, X, 1, layer=layer)
    np.testing.assert_allclose(found.values, np.maximum(wanted.detach().numpy(), 0), atol=1e-14)  # type: ignore[union-attr]
    assert found.score == pytest.approx(score.item())


def test_grad_cam_chooses_the_last_maps_also_where_layers_overwrite() -> None:
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double()
    assert last_maps(network, X) == "1"
    weights = 1 / 36
    maps = torch.relu(network[0](X))[0, 2].detach()
    np.testing.assert_allclose(grad_cam(network, X, 2).values, weights * maps, atol=1e-14)
    np.testing.assert_allclose(grad_cam(network, X, 2, layer="0").values.shape, (6, 6))


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda n: gradient_saliency(n, X, 3), "no class 3"),
        (lambda n: gradient_saliency(n[:2], X), "one sample's logits"),
        (lambda n: gradient_saliency(n, X.expand(2, 2, 8, 8)), "one sample's logits"),
        (lambda n: integrated_gradients(n, X, steps=0), "0 were given"),
        (lambda n: integrated_gradients(n, X, baseline=X[0]), "the baseline must be"),
        (lambda n: grad_cam(n, X, layer="9"), "no layer '9'"),
        (lambda n: grad_cam(n, X, layer="5"), "no maps"),
        (lambda n: last_maps(nn.Flatten(), X), "does not see pictures"),
        (lambda n: feature_maps(n, X[0]), "one picture is"),
        (lambda n: feature_maps(n, X, ["7"]), "no layer '7'"),
        (lambda n: sight_of(n, X, "0", (6, 0)), "no place 6, 0"),
        (lambda n: sight_of(n, X, "4"), "gives no maps"),
        (lambda n: gradient_flow(n, [], lambda m, b: b, lambda m: torch.optim.SGD(m.parameters())), "no batch"),
    ],
)
def test_what_cannot_be_is_refused(ask: Callable[[nn.Sequential], Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        ask(small())


def test_networks_are_left_alone() -> None:
    network = small().train()
    for ask in (gradient_saliency, integrated_gradients, grad_cam, feature_maps):
        ask(network, X)  # type: ignore[operator]
    assert network.training and all(weight.grad is None for weight in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


def test_feature_maps_are_what_the_layers_give() -> None:
    network = small()
    found = feature_maps(network, X)
    assert [one.layer for one in found] == ["0", "1", "2", "3"]
    for one in found:
        np.testing.assert_array_equal(one.maps, network[: int(one.layer) + 1](X)[0].detach().numpy())


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (3, 2)])
def test_what_a_value_sees_is_the_windows_arithmetic(stride: int, padding: int) -> None:
    """First row = row x stride - padding, layer by layer (Dumoulin and Visin 2016), and the chapter's size."""
    network = nn.Sequential(nn.Conv2d(1, 6, 3, stride, padding), nn.MaxPool2d(2), nn.Conv2d(6, 6, 3))
    place = (1, 2)
    found = sight_of(network, torch.zeros(1, 1, 40, 40), "2", place)
    firsts, lasts = [], []
    for at in place:
        low, high = 2 * at, 2 * (at + 2) + 1  # through the last convolution, then the pooling
        firsts.append(low * stride - padding)
        lasts.append(high * stride - padding + 3)
    assert found.box == (max(firsts[0], 0), max(firsts[1], 0), *lasts)
    size = receptive_field([(3, stride, 1), (2, 2, 1), (3, 1, 1)])
    assert lasts[0] - firsts[0] == size


@pytest.mark.proof
@pytest.mark.parametrize("number", [1, 3])
def test_what_a_value_of_vgg_sees_is_the_summarys(number: int) -> None:
    network = create_model("vgg11", num_classes=3, hidden=8)
    layers = [one for one in summarize(network, (3, 224, 224)).layers if "onv" in one.kind]
    found = sight_of(network, torch.zeros(1, 3, 224, 224), layers[number].name)
    size = (found.box[2] - found.box[0], found.box[3] - found.box[1])
    assert size == layers[number].receptive_field


def test_flow_is_autograds_step_by_step() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    batches = [(torch.randn(5, 3), torch.randint(2, (5,))) for _ in range(4)]

    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    before = [weight.detach().clone() for weight in network.parameters()]
    flow = gradient_flow(network, batches, loss, lambda model: torch.optim.SGD(model.parameters(), lr=0.5))
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    rule = torch.optim.SGD(network.parameters(), lr=0.5)
    for number, batch in enumerate(batches):
        rule.zero_grad()
        value = loss(network, batch)
        value.backward()  # type: ignore[no-untyped-call]
        assert flow.losses[number] == pytest.approx(value.item(), rel=1e-5)
        for place, layer in enumerate((network[0], network[2])):
            whole = torch.cat([layer.weight.grad, layer.bias.grad[:, None]], 1)  # type: ignore[index, list-item]
            np.testing.assert_allclose(flow.components[flow.layers[place]][number], whole.norm(dim=1), rtol=1e-4)
            assert flow.norms[number, place] == pytest.approx(whole.norm().item(), rel=1e-4)
        rule.step()
