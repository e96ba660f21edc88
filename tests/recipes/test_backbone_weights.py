"""A classifier's weights below a detector: as YOLO is trained, first to classify, then to find."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from neuropil.errors import InputError
from neuropil.models import create_model
from neuropil.recipes.weights import fill


def test_a_classifier_fills_the_backbone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    options = {"width": 0.125}
    classifier = create_model("extraction", num_classes=7, **options)
    save_file(classifier.state_dict(), tmp_path / "a.safetensors")
    small = {"neck": 4, "hidden": (8,), "grid": 2}
    detector = create_model("yolo_v1", num_classes=3, backbone_options=options, **small)
    before = detector.last.weight.clone()  # type: ignore[union-attr, operator]
    told: list[str] = []
    assert not fill(detector, str(tmp_path / "a.safetensors"), told.append)
    own, theirs = detector.state_dict(), classifier.state_dict()
    assert all(torch.equal(own[f"backbone.{name}"], one) for name, one in theirs.items() if not name.startswith("fc."))
    assert torch.equal(before, detector.last.weight)  # type: ignore[union-attr, arg-type]
    assert "40 tensors; left over: fc.weight, fc.bias" in told[0] or "left over: fc.bias, fc.weight" in told[0]


def test_stages_that_are_not_read_are_left_over(tmp_path: Path) -> None:
    save_file(create_model("resnet20", width=4).state_dict(), tmp_path / "a.safetensors")
    options = {"backbone": "resnet20", "backbone_options": {"width": 4}, "stage": -2, "neck": 4, "convolutional": True}
    detector = create_model("yolo_v1", **options)
    told: list[str] = []
    assert not fill(detector, str(tmp_path / "a.safetensors"), told.append)
    assert "left over: layer3.0" in told[0]


def test_other_weights_are_refused(tmp_path: Path) -> None:
    save_file(create_model("resnet20", width=8).state_dict(), tmp_path / "a.safetensors")
    options = {"backbone": "resnet20", "backbone_options": {"width": 4}, "neck": 4, "convolutional": True}
    with pytest.raises(InputError, match="do not fit YOLOv1"):
        fill(create_model("yolo_v1", **options), str(tmp_path / "a.safetensors"), lambda sentence: None)
