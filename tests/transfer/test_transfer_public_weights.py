"""A network that others trained sees with our graph what it sees with theirs."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pytest
import torch

from neuropil.models import create_model
from neuropil.transfer.loading import load_weights

IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
IMAGENET_STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def accuracy_of_resnet20(folder: Path, count: int) -> float:
    """Of the public ResNet-20 on the first lossless pictures of CIFAR-10 (which it was trained on)."""
    network = create_model("resnet20").eval()
    load_weights(network, folder / "weights" / "resnet20-12fca82f.th")
    with lzma.open(folder / "cifar10" / "data_batch_1.first4000.bin.xz") as file:
        records = np.frombuffer(file.read(count * 3073), np.uint8).reshape(count, 3073)  # a label, then 3x32x32
    labels = torch.from_numpy(records[:, 0].astype(np.int64))
    pictures = torch.from_numpy(records[:, 1:].reshape(count, 3, 32, 32).copy())
    correct = 0
    with torch.no_grad():
        for part, truth in zip(pictures.split(200), labels.split(200), strict=True):
            logits = network((part / 255 - IMAGENET_MEAN) / IMAGENET_STD)
            correct += int((logits.argmax(1) == truth).sum())
    return correct / count


def test_two_hundred_pictures(shared_data: Path) -> None:
    assert accuracy_of_resnet20(shared_data, 200) >= 0.99


@pytest.mark.proof
def test_four_thousand_pictures(shared_data: Path) -> None:
    assert accuracy_of_resnet20(shared_data, 4000) == pytest.approx(0.998, abs=0.0005)
