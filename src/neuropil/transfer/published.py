"""Public weights that networks here can take: one record each, none of the weights themselves.

Source: the records of torchvision 0.28 (files, hashes, sizes, scores); the two projects named below, measured here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuropil.transfer.records import Preprocessing, WeightRecord

__all__ = ["KNOWN_FILES", "TIMM", "TORCHVISION"]

SHIPPED, AGAIN = (224, 224 / 256), (224, 224 / 232)
"""Side of the picture and share of the short side: of torchvision's first recipe, and of its later one."""

HALF = {"width": 0.5}

TABLE: Mapping[str, tuple[str, Mapping[str, Any], str, tuple[int, float], float, float]] = {
    "alexnet": ("alexnet", {"form": "torchvision"}, "alexnet-owt-7be5be79.pth", SHIPPED, 56.522, 79.066),
    "vgg11": ("vgg11", {}, "vgg11-8a719046.pth", SHIPPED, 69.020, 88.628),
    "vgg11_bn": ("vgg11_bn", {}, "vgg11_bn-6002323d.pth", SHIPPED, 70.370, 89.810),
    "vgg13": ("vgg13", {}, "vgg13-19584684.pth", SHIPPED, 69.928, 89.246),
    "vgg13_bn": ("vgg13_bn", {}, "vgg13_bn-abd245e5.pth", SHIPPED, 71.586, 90.374),
    "vgg16": ("vgg16", {}, "vgg16-397923af.pth", SHIPPED, 71.592, 90.382),
    "vgg16_bn": ("vgg16_bn", {}, "vgg16_bn-6c64b313.pth", SHIPPED, 73.360, 91.516),
    "vgg19": ("vgg19", {}, "vgg19-dcbb9e9d.pth", SHIPPED, 72.376, 90.876),
    "vgg19_bn": ("vgg19_bn", {}, "vgg19_bn-c79401a0.pth", SHIPPED, 74.218, 91.842),
    "googlenet": ("googlenet", {"form": "torchvision"}, "googlenet-1378be20.pth", SHIPPED, 69.778, 89.530),
    "resnet18": ("resnet18", {}, "resnet18-f37072fd.pth", SHIPPED, 69.758, 89.078),
    "resnet34": ("resnet34", {}, "resnet34-b627a593.pth", SHIPPED, 73.314, 91.420),
    "resnet50": ("resnet50", {}, "resnet50-11ad3fa6.pth", AGAIN, 80.858, 95.434),
    "resnet50.v1": ("resnet50", {}, "resnet50-0676ba61.pth", SHIPPED, 76.130, 92.862),
    "resnet101": ("resnet101", {}, "resnet101-cd907fc2.pth", AGAIN, 81.886, 95.780),
    "resnet101.v1": ("resnet101", {}, "resnet101-63fe2227.pth", SHIPPED, 77.374, 93.546),
    "resnet152": ("resnet152", {}, "resnet152-f82ba261.pth", AGAIN, 82.284, 96.002),
    "resnet152.v1": ("resnet152", {}, "resnet152-394f9c45.pth", SHIPPED, 78.312, 94.046),
    "densenet121": ("densenet121", {}, "densenet121-a639ec97.pth", SHIPPED, 74.434, 91.972),
    "densenet161": ("densenet161", {}, "densenet161-8d451a50.pth", SHIPPED, 77.138, 93.560),
    "densenet169": ("densenet169", {}, "densenet169-b2777c0a.pth", SHIPPED, 75.600, 92.806),
    "densenet201": ("densenet201", {}, "densenet201-c1103571.pth", SHIPPED, 76.896, 93.370),
    "mobilenet_v2": ("mobilenet_v2", {}, "mobilenet_v2-7ebf99e0.pth", AGAIN, 72.154, 90.822),
    "mobilenet_v2.v1": ("mobilenet_v2", {}, "mobilenet_v2-b0353104.pth", SHIPPED, 71.878, 90.286),
    "mobilenet_v3_large": ("mobilenet_v3_large", {}, "mobilenet_v3_large-5c1a4163.pth", AGAIN, 75.274, 92.566),
    "mobilenet_v3_large.v1": ("mobilenet_v3_large", {}, "mobilenet_v3_large-8738ca79.pth", SHIPPED, 74.042, 91.340),
    "mobilenet_v3_small": ("mobilenet_v3_small", {}, "mobilenet_v3_small-047dcff4.pth", SHIPPED, 67.668, 87.402),
    "shufflenet_v2_x0_5": ("shufflenet_v2", HALF, "shufflenetv2_x0.5-f707e7126e.pth", SHIPPED, 60.552, 81.746),
    "shufflenet_v2_x1_0": ("shufflenet_v2", {}, "shufflenetv2_x1-5666bf0f80.pth", SHIPPED, 69.362, 88.316),
    "shufflenet_v2_x1_5": ("shufflenet_v2", {"width": 1.5}, "shufflenetv2_x1_5-3c479a10.pth", AGAIN, 72.996, 91.086),
    "shufflenet_v2_x2_0": ("shufflenet_v2", {"width": 2.0}, "shufflenetv2_x2_0-8be3c8ee.pth", AGAIN, 76.230, 93.006),
    "mnasnet0_5": ("mnasnet_b1", HALF, "mnasnet0.5_top1_67.823-3ffadce67e.pth", SHIPPED, 67.734, 87.490),
    "mnasnet0_75": ("mnasnet_b1", {"width": 0.75}, "mnasnet0_75-7090bc5f.pth", AGAIN, 71.180, 90.496),
    "mnasnet1_0": ("mnasnet_b1", {}, "mnasnet1.0_top1_73.512-f206786ef8.pth", SHIPPED, 73.456, 91.510),
    "mnasnet1_3": ("mnasnet_b1", {"width": 1.3}, "mnasnet1_3-a4c69d6f.pth", AGAIN, 76.506, 93.522),
}  # fmt: skip
"""torchvision's name (its newest weights; `.v1` the first) -> our network, its options, file, picture, top-1 and top-5.

The file's name ends in the first digits of its SHA-256.
"""


def _torchvision(name: str) -> WeightRecord:
    model, options, file, (size, share), top1, top5 = TABLE[name]
    return WeightRecord(
        model=model,
        source=f"https://download.pytorch.org/models/{file}",
        options=options,
        sha256=file.removesuffix(".pth").rpartition("-")[2],
        licence="BSD-3-Clause as torchvision; trained on ImageNet, whose terms are for research",
        preprocessing=Preprocessing(size, share),
        score={"accuracy": top1 / 100, "top5_accuracy": top5 / 100},
        scored_on="ImageNet's validation pictures, by torchvision",
    )


TORCHVISION = {name: _torchvision(name) for name in TABLE}

CORAL = "https://github.com/google-coral/test_data, TensorFlow's MobileNet with batch normalization folded in"
SAME = {"padding": "same_tensorflow", "activation": "relu6"}
HALVES = (128 / 255,) * 3

KNOWN_FILES = (
    WeightRecord(
        model="mobilenet_v1",
        source=CORAL,
        options={"width": 0.25, **SAME},
        sha256="319e66461568bda9a34929aacb62cc74262b8607322864cd3cff474da62b98bb",
        licence="Apache-2.0",
        preprocessing=Preprocessing(128, mean=HALVES, std=HALVES),
    ),
    WeightRecord(
        model="mobilenet_v1",
        source=CORAL,
        options={"width": 0.5, **SAME},
        sha256="7f9d2eecd0a5cd8ce326fec8b51511161d00bb1628e68f65548d4a211db4edcc",
        licence="Apache-2.0",
        preprocessing=Preprocessing(160, mean=HALVES, std=HALVES),
    ),
    WeightRecord(
        model="resnet20",
        source="https://github.com/akamaster/pytorch_resnet_cifar10, resnet20",
        sha256="12fca82f0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8",
        licence="BSD-2-Clause",
        preprocessing=Preprocessing(32, crop_share=1.0),
        score={"accuracy": 0.9173},
        scored_on="CIFAR-10's test pictures, by its author",
    ),
)
"""Files that are known by their SHA-256 alone, whatever they are called."""

RELU: Mapping[str, Any] = {"squeeze_after": "relu"}

TIMM: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    **{f"resnet{depth}": (f"resnet{depth}", {}) for depth in (18, 34, 50, 101, 152)},
    **{f"densenet{depth}": (f"densenet{depth}", {}) for depth in (121, 161, 169, 201)},
    **{f"dpn{depth}": (f"dpn{depth}", {}) for depth in (68, 92, 98, 107, 131)},
    **{f"legacy_seresnet{d}": (f"se_resnet{d}", RELU if d < 50 else {}) for d in (18, 34, 50, 101, 152)},
    **{f"legacy_seresnext{depth}_32x4d": (f"se_resnext{depth}", {}) for depth in (50, 101)},
    "legacy_senet154": ("senet154", {}),
    "semnasnet_100": ("mnasnet_a1", {}),
    "mnasnet_100": ("mnasnet_b1", {}),
    "mnasnet_small": ("mnasnet_small", {}),
}
"""timm's name of a network -> ours, and the options with which its weights fit."""
