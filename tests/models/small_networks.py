"""Every network of the catalogue in a size that a test can afford."""

from __future__ import annotations

from typing import Any

import pytest

from neuropil.models import MODELS, SEQUENCES

FAST = (
    "perceptron", "line", "lenet5", "lenet5_modern", "resnet18", "resnet20", "alexnet", "densenet121", "mobilenet_v1",
    "shufflenet_v2", "mobilenet_v3_small", "searched",
)  # fmt: skip
SLOW = (
    "resnet50", "vgg11_bn", "googlenet", "dpn68", "se_resnet18", "mobilenet_v2", "shufflenet_v1",
    "mnasnet_a1", "resnetv2_18", "extraction", "yolo_v1", "yolo_v1_tiny", "unet", "unet_backbone",
)  # fmt: skip
"""With these, one or two of each family are fast or slow tests; the others are proofs."""

DEEP_AND_NARROW = {
    "resnet101",
    "resnet152",
    "resnet110",
    "resnetv2_101",
    "resnetv2_152",
    "resnetv2_110",
    "resnetv2_164",
}


def _mark(name: str) -> pytest.MarkDecorator | tuple[()]:
    if name in FAST:
        return ()
    return pytest.mark.slow if name in SLOW else pytest.mark.proof


NAMES = [pytest.param(name, marks=_mark(name)) for name in MODELS if name not in SEQUENCES]
"""Of those that read one picture or row; what the others promise stands in tests/sequence_models."""


def shape_of(name: str) -> tuple[int, ...]:
    """One small sample of the kind that a network reads."""
    if name == "perceptron":
        return (3, 8, 8)
    if name == "alexnet":
        return (3, 67, 67)
    if name == "unet":
        return (1, 44, 44)
    if name in ("extraction", "extraction_tiny", "yolo_v1"):
        return (3, 64, 64)
    if name == "yolo_v1_tiny":
        return (3, 128, 128)
    return (1, 32, 32) if name.startswith("lenet") else (3, 32, 32)


def output_shape_of(name: str, count: int, classes: int) -> tuple[int, ...]:
    """What a network gives for as many samples and classes."""
    if name.startswith("yolo"):
        return (count, 2, 2, 10 + classes)
    if name == "unet":
        return (count, classes, 4, 4)
    return (count, classes, 32, 32) if name == "unet_backbone" else (count, classes)


def options_of(name: str) -> dict[str, Any]:
    """What makes a network small."""
    if name == "perceptron":
        return {"in_features": 192, "hidden": (24, 16)}
    if name == "line":
        line = "Conv8@3p1 - BN - ReLU - Pool2 - Conv16 - ReLU - Pool - FC24 - ReLU - FC(SM)"
        return {"line": line, "in_shape": shape_of(name)}
    if name == "searched":
        line = "cn_c16 - ds_s2_c24_se0.5_pool - cn_r2_k5_s2_c24_skip - ir_r2_k5_s2_e3_c16_se0.5_pool"
        return {"blocks": line}
    if name.startswith("extraction"):
        return {"width": 0.125}
    if name == "yolo_v1":
        return {"grid": 2, "neck": 8, "hidden": (16,), "backbone_options": {"width": 0.125}}
    if name == "yolo_v1_tiny":
        return {"grid": 2, "neck": 8, "backbone_options": {"width": 0.125}}
    if name == "unet":
        return {"width": 4, "levels": 3}
    if name == "unet_backbone":
        return {"width": 4, "backbone": "resnet20", "backbone_options": {"width": 4}}
    if name.startswith("resnet"):
        return {"width": 4 if name in DEEP_AND_NARROW else 8}
    if name.startswith(("alexnet", "vgg", "googlenet")):
        return {"hidden": 16}
    if name.startswith("densenet"):
        return {"growth": 4}
    if name == "shufflenet_v2":
        return {"width": 0.5}
    return {"width": 0.25} if name.startswith(("mobilenet", "shufflenet", "mnasnet")) else {}
