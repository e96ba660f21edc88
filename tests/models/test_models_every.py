"""What every network of the catalogue promises, whatever its paper."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.small_networks import NAMES, options_of, output_shape_of, shape_of
from neuropil.errors import InputError
from neuropil.models import create_model, list_models
from neuropil.models.features import FeatureNetwork
from neuropil.nn.contracts import Network, WithAuxiliaries

CLASSES = 5


def build(name: str, seed: int = 0, **more: Any) -> nn.Module:
    """A small variant of a network, from a seed."""
    options: dict[str, Any] = {"num_classes": CLASSES, **options_of(name), **more}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return create_model(name, **options)


def samples(name: str, count: int = 4) -> Tensor:
    return torch.randn(count, *shape_of(name), generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield request.param


def test_logits_of_any_batch_are_those_of_each_sample(name: str) -> None:
    network, x = build(name).eval(), samples(name)
    logits = network(x)
    assert logits.shape == output_shape_of(name, 4, CLASSES) and logits.isfinite().all()
    singles = torch.cat([network(one[None]) for one in x])
    torch.testing.assert_close(singles, logits, rtol=1e-4, atol=1e-4 * logits.abs().max().item())


def test_evaluation_is_deterministic_and_changes_nothing(name: str) -> None:
    network, x = build(name).eval(), samples(name)
    before = copy.deepcopy(network.state_dict())
    assert torch.equal(network(x), network(x))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_gradients_reach_every_weight(name: str) -> None:
    network = build(name).train()
    outputs = network(samples(name))
    extra = outputs.auxiliary if isinstance(outputs, WithAuxiliaries) else ()
    logits = outputs.logits if isinstance(outputs, WithAuxiliaries) else outputs
    torch.stack([F.cross_entropy(one.flatten(1), torch.arange(4)) for one in (logits, *extra)]).sum().backward()
    for key, weight in network.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all(), key
        assert weight.grad.any(), f"no gradient reaches {key}"


def test_state_makes_the_round_trip(name: str) -> None:
    network, other, x = build(name, seed=0), build(name, seed=1), samples(name)
    network.train()(x)  # running averages move
    network.eval(), other.eval()
    assert not torch.equal(network(x), other(x))
    other.load_state_dict(network.state_dict())
    assert torch.equal(network(x), other(x))
    assert torch.equal(copy.deepcopy(network)(x), network(x))


def test_a_seed_fixes_the_weights(name: str) -> None:
    first, again, other = build(name, seed=3), build(name, seed=3), build(name, seed=4)
    same = [torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True)]
    assert all(same)
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_features_are_what_widths_say(name: str) -> None:
    network, x = build(name).eval(), samples(name)
    assert isinstance(network, Network)
    features = network.features(x)
    assert [f.shape[1] for f in features] == list(network.widths)
    read = features if name.startswith("unet") else features[-1]
    torch.testing.assert_close(network.head(read), network(x))  # type: ignore[operator]
    assert len(list(network.stages)) == len(network.widths)  # type: ignore[arg-type]


def test_features_only_leaves_out_the_classifier(name: str) -> None:
    whole, x = build(name, seed=2).eval(), samples(name)
    part = build(name, seed=2, features_only=True).eval()
    assert isinstance(part, FeatureNetwork) and part.widths == whole.widths
    for ours, theirs in zip(part(x), whole.features(x), strict=True):  # type: ignore[operator]
        assert torch.equal(ours, theirs)
    assert sum(p.numel() for p in part.parameters()) < sum(p.numel() for p in whole.parameters())


def test_the_classifier_can_be_exchanged(name: str) -> None:
    network, x = build(name).eval().double(), samples(name).double()
    features = [f.clone() for f in network.features(x)]  # type: ignore[operator]
    network.reset_classifier(7)  # type: ignore[operator]
    assert network(x).shape == output_shape_of(name, 4, 7) and network(x).dtype == torch.float64
    for before, after in zip(features, network.features(x), strict=True):  # type: ignore[operator]
        assert torch.equal(before, after)
    network.reset_classifier(0)  # type: ignore[operator]
    assert network(x).ndim == (4 if name.startswith("unet") else 2) and network(x).shape != output_shape_of(name, 4, 7)
    with pytest.raises(InputError, match="-2 classes"):
        network.reset_classifier(-2)  # type: ignore[operator]


def test_bfloat16_says_nearly_the_same(name: str) -> None:
    network, x = build(name).eval(), samples(name)
    full, half = network(x), copy.deepcopy(network).bfloat16()(x.bfloat16())
    assert half.dtype == torch.bfloat16 and half.isfinite().all()
    scale = full.abs().max().item()
    assert (half.float() - full).abs().max().item() < 0.1 * scale
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = network(x)
    assert (mixed.float() - full).abs().max().item() < 0.1 * scale


def test_channels_last_says_the_same(name: str) -> None:
    if name == "perceptron":
        pytest.skip("has no maps")
    network, x = build(name).eval(), samples(name)
    plain = network(x)
    turned = network.to(memory_format=torch.channels_last)
    xs = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(turned(xs), plain, rtol=1e-4, atol=1e-4 * plain.abs().max().item())
    if name.startswith("resnet"):
        maps = turned.features(xs)[0]  # type: ignore[operator]
        assert maps.is_contiguous(memory_format=torch.channels_last), "stays channels-last inside"


@pytest.mark.parametrize("name", ["perceptron", "lenet5", "lenet5_modern", "resnet20", "resnet18"], indirect=True)
def test_eight_samples_are_learned_by_heart(name: str) -> None:
    options: dict[str, Any] = {"activation": "scaled_tanh"} if name == "lenet5" else {}
    network = build(name, **options).train()
    x, labels = samples(name, 8), torch.arange(8) % CLASSES
    rule = torch.optim.Adam(network.parameters(), lr=0.01 if name != "lenet5" else 0.003)
    for _ in range(40):
        rule.zero_grad()
        loss = F.cross_entropy(network(x), labels)
        loss.backward()
        rule.step()
    assert loss.item() < 0.05


def test_names_options_and_values_are_checked() -> None:
    assert list_models("resnet1*") == ["resnet18", "resnet101", "resnet152", "resnet110"]
    with pytest.raises(InputError, match="no model is named 'resnet19'; did you mean 'resnet18'"):
        create_model("resnet19")
    with pytest.raises(InputError, match="no option 'with'"):
        create_model("resnet18", **{"with": 8})
    with pytest.raises(InputError, match="option 'width' must be a whole number, but 'wide' was given"):
        create_model("resnet18", width="wide")
    with pytest.raises(InputError, match="did you mean 'he'"):
        create_model("resnet20", initialization="hee")


def test_the_catalogue_costs_nothing_to_import() -> None:
    import subprocess
    import sys

    rooms = "models, nn, transfer, inspection, formulas"
    code = f"from neuropil import {rooms}; import sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mobilenet_v3_small", {"width": 1e9}),
        ("mobilenet_v2", {"width": float("inf")}),
        ("resnet50", {"num_classes": 99_999_999_999}),
    ],
)
def test_networks_that_memory_cannot_hold_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"no '{name}' can be built with these options: .*; give smaller sizes"):
        create_model(name, **options)
