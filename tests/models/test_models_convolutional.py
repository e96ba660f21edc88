"""AlexNet, VGG, DenseNet, MobileNet: the papers' counts, what each promises beside, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.published_lines import PUBLISHED
from neuropil.errors import InputError
from neuropil.inspection.summary import summarize
from neuropil.models import create_model

COUNTS = [
    ("alexnet", {}, 227, 60_965_224, 724_406_816),
    ("alexnet", {"form": "caffenet"}, 227, 60_965_224, 724_406_816),
    ("alexnet", {"form": "torchvision"}, 224, 61_100_840, 714_188_480),
    ("googlenet", {"auxiliary": False}, 224, 6_998_552, 1.58e9),
    ("googlenet", {}, 224, 13_378_280, 1.58e9),
    ("googlenet", {"form": "torchvision"}, 224, 13_004_888, None),
    ("vgg11", {}, 224, 132_863_336, 7_609_090_048),
    ("vgg13", {}, 224, 133_047_848, 11_308_466_176),
    ("vgg16", {}, 224, 138_357_544, 15_470_264_320),
    ("vgg19", {}, 224, 143_667_240, 19_632_062_464),
    ("vgg11_bn", {}, 224, 132_868_840, 7_609_090_048),
    ("vgg13_bn", {}, 224, 133_053_736, 11_308_466_176),
    ("vgg16_bn", {}, 224, 138_365_992, 15_470_264_320),
    ("vgg19_bn", {}, 224, 143_678_248, 19_632_062_464),
    ("densenet121", {}, 224, 7_978_856, None),
    ("densenet161", {}, 224, 28_681_000, None),
    ("densenet169", {}, 224, 14_149_480, None),
    ("densenet201", {}, 224, 20_013_928, None),
    ("mobilenet_v1", {}, 224, 4_231_976, 569e6),
    ("mobilenet_v1", {"width": 0.75}, 224, 2_585_560, 325e6),
    ("mobilenet_v1", {"width": 0.5}, 224, 1_331_592, 149e6),
    ("mobilenet_v1", {"width": 0.25}, 224, 470_072, 41e6),
    ("mobilenet_v1", {}, 192, 4_231_976, 418e6),
    ("mobilenet_v1", {}, 160, 4_231_976, 290e6),
    ("mobilenet_v1", {}, 128, 4_231_976, 186e6),
    ("mobilenet_v2", {}, 224, 3_504_872, 300e6),
    ("mobilenet_v2", {"width": 1.4}, 224, 6_108_776, 585e6),
    ("se_resnet18", {}, 224, 11_778_592, None),
    ("se_resnet34", {}, 224, 21_958_868, None),
    ("se_resnet50", {}, 224, 28_088_024, 3.87e9),
    ("se_resnet101", {}, 224, 49_326_872, 7.60e9),
    ("se_resnet152", {}, 224, 66_821_848, 11.32e9),
    ("se_resnext50", {}, 224, 27_559_896, 4.28e9),
    ("se_resnext101", {}, 224, 48_955_416, 8.00e9),
    ("senet154", {}, 224, 115_088_984, 20.7e9),
    ("dpn68", {}, 224, 12_611_602, None),
    ("dpn92", {}, 224, 37_668_392, 6.5e9),
    ("dpn98", {}, 224, 61_570_728, 11.7e9),
    ("dpn107", {}, 224, 86_917_800, None),
    ("dpn131", {}, 224, 79_254_504, 16.0e9),
    ("mobilenet_v3_large", {}, 224, 5_483_032, 219e6),
    ("mobilenet_v3_small", {}, 224, 2_542_856, 56e6),
    ("mnasnet_a1", {}, 224, 3_887_038, 312e6),
    ("mnasnet_b1", {}, 224, 4_383_312, 315e6),
    ("mnasnet_small", {}, 224, 2_030_264, None),
    ("shufflenet_v1", {"groups": 1}, 224, None, 143e6),
    ("shufflenet_v1", {"groups": 2}, 224, None, 140e6),
    ("shufflenet_v1", {"groups": 3}, 224, None, 137e6),
    ("shufflenet_v1", {"groups": 4}, 224, None, 133e6),
    ("shufflenet_v1", {"groups": 8}, 224, None, 137e6),
    ("shufflenet_v2", {"width": 0.5}, 224, 1_366_792, 41e6),
    ("shufflenet_v2", {}, 224, 2_278_604, 146e6),
    ("shufflenet_v2", {"width": 1.5}, 224, 3_503_624, 299e6),
    ("shufflenet_v2", {"width": 2.0}, 224, 7_393_996, 591e6),
]
"""Weights as torchvision, Caffe or Keras document them; multiply-adds of the MobileNets in whole millions as tables
6 and 7 (v1) and 4 (v2) have them, of the ShuffleNets as tables 1 (v1) and 8 (v2), of the SENets as tables 2 and 16;
those of AlexNet and VGG as torchvision's and Caffe's graphs are counted."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options", "side", "weights", "multiply_adds"), COUNTS)
def test_counts_are_the_published_ones(
    name: str, options: dict[str, Any], side: int, weights: int | None, multiply_adds: float | None
) -> None:
    with torch.device("meta"):
        model = create_model(name, **options)
    found = summarize(model, (3, side, side))
    assert weights is None or found.weights == weights
    if isinstance(multiply_adds, float):
        assert found.multiply_adds == pytest.approx(
            multiply_adds, rel=0.015
        )  # papers round, and some count pooling too
    elif multiply_adds is not None:
        assert found.multiply_adds == multiply_adds


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("alexnet", {}, "alexnet"),
        ("alexnet", {"form": "torchvision"}, "torchvision_alexnet"),
        ("vgg16", {}, "vgg16"),
        ("mobilenet_v1", {}, "mobilenet_v1"),
    ],
)
def test_layers_are_those_of_the_published_table(name: str, options: dict[str, Any], line: str) -> None:
    """The table written as a line makes the same kernels, strides and groups in the same order."""

    def rows(model: nn.Module) -> list[tuple[object, ...]]:
        found: list[tuple[object, ...]] = []
        for layer in model.modules():
            if isinstance(layer, nn.Conv2d):
                found.append((tuple(layer.weight.shape), layer.stride, layer.padding, layer.groups))
            elif isinstance(layer, nn.Linear):
                found.append(tuple(layer.weight.shape))
        return found

    with torch.device("meta"):
        named = create_model(name, **options)
        written = create_model(PUBLISHED[line].line, in_shape=PUBLISHED[line].in_shape)
    assert rows(named) == rows(written)


def test_alexnet_starts_as_the_paper_says() -> None:
    """Section 5: N(0, 0.01^2); biases 1 in layers 2, 4, 5 and the dense hidden ones, 0 elsewhere."""
    model = create_model("alexnet", hidden=64)
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert [layer.bias.unique().tolist() for layer in layers] == [[0], [1], [0], [1], [1], [1], [1], [0]]  # type: ignore[union-attr]
    assert all(layer.weight.std().item() == pytest.approx(0.01, rel=0.02) for layer in layers)
    other = create_model("alexnet", hidden=64, initialization="he")
    assert not any(layer.bias.any() for layer in other.modules() if isinstance(layer, nn.Conv2d | nn.Linear))


def test_order_of_norm_and_pooling() -> None:
    def kinds(form: str) -> list[str]:
        model = create_model("alexnet", form=form, hidden=4)
        return [type(layer).__name__ for layer in model.layers][:4]  # type: ignore[union-attr, arg-type]

    assert kinds("paper") == kinds("bvlc") == ["Convolution2d", "ReLU", "LocalResponseNormalization", "MaxPooling"]
    assert kinds("caffenet") == ["Convolution2d", "ReLU", "MaxPooling", "LocalResponseNormalization"]
    assert kinds("torchvision") == ["Convolution2d", "ReLU", "MaxPooling", "Convolution2d"]


def gradients(model: nn.Module, x: Tensor) -> list[Tensor]:
    model.zero_grad()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        F.cross_entropy(model(x), torch.arange(len(x))).backward()
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.slow
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_recomputing_changes_no_number(dropout: float) -> None:
    kept = create_model("densenet121", growth=4, num_classes=5, dropout=dropout).double()
    again = create_model("densenet121", growth=4, num_classes=5, dropout=dropout, recompute=True).double()
    again.load_state_dict(kept.state_dict())
    x = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    for _ in range(2):
        for one, other in zip(gradients(kept, x), gradients(again, x), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    for name, value in kept.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), f"{name}: averages see each batch once"


def saved_bytes(model: nn.Module, x: Tensor) -> int:
    """What autograd keeps for the way back, each storage once, weights not counted."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        if (place := tensor.untyped_storage().data_ptr()) not in own:
            kept[place] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(x)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def test_recomputing_keeps_less() -> None:
    options: dict[str, Any] = {"growth": 8, "num_classes": 5}
    x = torch.randn(2, 3, 64, 64)
    plain = saved_bytes(create_model("densenet121", **options), x)
    spared = saved_bytes(create_model("densenet121", recompute=True, **options), x)
    assert spared < 0.5 * plain


WITH_DROPOUT = (
    "alexnet", "vgg11", "googlenet", "densenet121", "dpn68", "se_resnet18", "mobilenet_v1", "mobilenet_v2",
    "mobilenet_v3_small", "mnasnet_small",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("alexnet", {"form": "papers"}, "cannot be 'papers'; did you mean 'paper'"),
        ("densenet121", {"growth": 0}, "a growth of 0 maps a layer"),
        ("mobilenet_v1", {"width": 0.01}, "leaves no map of 32"),
        ("mobilenet_v2", {"width": 0.0}, "it is a factor above 0"),
        ("shufflenet_v2", {"width": 0.7}, "was published in 0.5, 1.0, 1.5, 2.0"),
        ("shufflenet_v1", {"groups": 5}, "option 'groups' must be"),
        ("vgg11", {"hidden": 0}, "hidden layers of 0 units"),
        ("googlenet", {"hidden": 0}, "hidden layers of 0 units"),
        *((name, {"dropout": 1.5}, "a dropout rate of 1.5") for name in WITH_DROPOUT),
    ],
)
def test_what_makes_no_network_is_refused(name: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        create_model(name, **options)


@pytest.mark.parametrize(
    ("name", "side"), [("alexnet", 38), ("vgg11", 31), ("densenet121", 28), ("googlenet", 30), ("se_resnet18", 2)]
)
def test_pictures_that_are_too_small_are_refused(name: str, side: int) -> None:
    options = {"growth": 4} if name.startswith("dense") else {} if name.startswith("se") else {"hidden": 4}
    with pytest.raises(InputError, match="window"):
        create_model(name, **options).eval()(torch.zeros(1, 3, side, side))


@pytest.mark.parametrize(
    ("name", "sides"),
    [
        ("alexnet", (39, 200, 224, 256)),
        ("vgg11", (32, 100)),
        ("densenet121", (32, 50)),
        ("googlenet", (31, 90)),
        ("mobilenet_v2", (32, 75)),
    ],
)
def test_other_sizes_are_taken(name: str, sides: tuple[int, ...]) -> None:
    options = (
        {"growth": 4}
        if name.startswith("dense")
        else {"hidden": 4}
        if name in ("alexnet", "vgg11", "googlenet")
        else {"width": 0.25}
    )
    model = create_model(name, num_classes=3, **options).eval()
    for side in sides:
        assert model(torch.randn(1, 3, side, side + 3)).shape == (1, 3)
    assert copy.deepcopy(model)(torch.randn(1, 3, sides[0], sides[0])).isfinite().all()


def test_mobilenet_v2_for_small_pictures() -> None:
    """kuangliu's strides for CIFAR: 32 pixels come down to 4; the weights are the published network's."""
    plain, small = (
        create_model("mobilenet_v2", width=0.25),
        create_model("mobilenet_v2", width=0.25, small_pictures=True),
    )
    assert [p.shape for p in plain.parameters()] == [p.shape for p in small.parameters()]
    x = torch.zeros(1, 3, 32, 32)
    assert [f.shape[-1] for f in plain.eval().features(x)] == [16, 8, 4, 2, 1]  # type: ignore[operator]
    assert [f.shape[-1] for f in small.eval().features(x)] == [32, 32, 16, 8, 4]  # type: ignore[operator]
