"""What every network of the catalogue promises, whatever its family."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.models import create_model, list_models

SMALL = {
    "perceptron": {"in_features": 12, "hidden": (8, 6)},
    "resnet18": {"width": 8},
    "resnet34": {"width": 8},
    "resnet50": {"width": 8},
    "resnet101": {"width": 4},
    "resnet152": {"width": 4},
    "resnet110": {"width": 4},
}
"""Options that keep a network's graph but make it cheap."""

SHAPES = {"perceptron": (12,), "lenet5": (1, 32, 32), "lenet5_modern": (1, 32, 32)}
"""One sample; 3x32x32 where not named."""

NAMES = list_models()
PICTURES = [name for name in NAMES if name != "perceptron"]


def make(name: str, num_classes: int | None = 7, **options: object) -> nn.Module:
    torch.manual_seed(3)
    return create_model(name, num_classes=num_classes, **{**SMALL.get(name, {}), **options})


def samples(name: str, count: int = 2) -> Tensor:
    return torch.randn(count, *SHAPES.get(name, (3, 32, 32)), generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("name", NAMES)
def test_logits_and_a_batch_of_one(name: str) -> None:
    network, x = make(name).eval(), samples(name)
    with torch.no_grad():
        both = network(x)
        first = network(x[:1])
    assert both.shape == (2, 7)
    torch.testing.assert_close(first, both[:1], rtol=1e-3, atol=1e-4 * both.abs().max().item())


@pytest.mark.parametrize("name", NAMES)
def test_features_are_the_widths(name: str) -> None:
    network, x = make(name).eval(), samples(name)
    with torch.no_grad():
        stages = network.features(x)
        alone = make(name, features_only=True).eval()
        assert alone.widths == network.widths
        for one, other in zip(alone(x), stages, strict=True):
            torch.testing.assert_close(one, other)
    assert tuple(stage.shape[1] for stage in stages) == tuple(network.widths)


@pytest.mark.parametrize("name", NAMES)
def test_the_classifier_can_be_exchanged_or_left_out(name: str) -> None:
    network, x = make(name).eval(), samples(name)
    with torch.no_grad():
        before = network.features(x)[-1]
        network.reset_classifier(4)
        assert network(x).shape == (2, 4)
        network.reset_classifier(0)
        pooled = network(x)
        torch.testing.assert_close(network.features(x)[-1], before)
    assert pooled.shape[0] == 2
    assert pooled.ndim == 2
    torch.testing.assert_close(make(name, 0).eval()(x), pooled)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_weight(name: str) -> None:
    network = make(name).train()
    network(samples(name, 4)).square().sum().backward()
    for weight, value in network.named_parameters():
        assert value.grad is not None, weight
        assert bool(torch.isfinite(value.grad).all()), weight
        assert value.grad.abs().max() > 0, weight


@pytest.mark.parametrize("name", NAMES)
def test_inference_repeats_itself_and_changes_nothing(name: str) -> None:
    network, x = make(name).eval(), samples(name)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.no_grad():
        assert torch.equal(network(x), network(x))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
def test_weights_go_out_and_in_again(name: str) -> None:
    network, x = make(name).eval(), samples(name)
    torch.manual_seed(99)
    other = create_model(name, num_classes=7, **SMALL.get(name, {})).eval()
    with torch.no_grad():
        assert not torch.equal(other(x), network(x))
        other.load_state_dict(network.state_dict(), strict=True)
        assert torch.equal(other(x), network(x))


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_gives_the_same_weights(name: str) -> None:
    one, two = make(name).state_dict(), make(name).state_dict()
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_runs_and_stays_near(name: str) -> None:
    network, x = make(name).eval(), samples(name)
    with torch.no_grad():
        exact = network(x)
        with torch.autocast("cpu", torch.bfloat16):
            half = network(x)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), exact, rtol=0.1, atol=0.1 * exact.abs().max().item())


@pytest.mark.parametrize("name", PICTURES)
def test_channels_last_gives_the_same(name: str) -> None:
    network, x = make(name).eval(), samples(name)
    with torch.no_grad():
        plain = network(x)
        last = network.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, plain, rtol=1e-4, atol=1e-4 * plain.abs().max().item())


@pytest.mark.parametrize("name", PICTURES)
def test_other_channels(name: str) -> None:
    network = make(name, in_channels=2).eval()
    assert network(torch.zeros(1, 2, 32, 32)).shape == (1, 7)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: create_model("resnet19"), "did you mean 'resnet18'"),
        (lambda: create_model("lenet5", in_chanels=1), "did you mean 'in_channels'"),
        (lambda: create_model("resnet20", shortcut="C"), "cannot be 'C'"),
        (lambda: create_model("resnet20", num_classes=-1), "-1 classes"),
        (lambda: create_model("resnet20", width=0), "width of 0"),
        (lambda: create_model("lenet5_modern", width=0), "width of 0"),
        (lambda: create_model("perceptron", in_features=0), "at least 1"),
        (lambda: create_model("perceptron", in_features=4, dropout=1.0), "dropout rate of 1.0"),
        (lambda: create_model("lenet5", output="rbf"), "use activation='scaled_tanh'"),
        (lambda: create_model("lenet5")(torch.zeros(1, 1, 16, 16)), "16x16"),
        (lambda: create_model("perceptron", in_features=4)(torch.zeros(1, 5)), "in_features=5"),
    ],
)
def test_refusals(build: Callable[[], object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        build()
