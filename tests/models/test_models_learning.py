"""LeNet-5 learns digits from its own start, in the chapter's form too."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from neuropil.models import create_model


def read(path: Path, header: int) -> Tensor:
    with gzip.open(path) as file:
        return torch.from_numpy(np.frombuffer(file.read(), np.uint8)[header:].copy())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "at_least"), [pytest.param("sigmoid", 0.8, marks=pytest.mark.proof), ("scaled_tanh", 0.9)]
)
def test_twenty_thousand_pictures_teach_it_digits(shared_data: Path, activation: str, at_least: float) -> None:
    folder = shared_data / "mnist"
    pictures = (read(folder / "train-images-idx3-ubyte.gz", 16)[: 22_000 * 784].view(-1, 1, 28, 28) - 33.3) / 78.6
    digits = read(folder / "train-labels-idx1-ubyte.gz", 8)[:22_000].long()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = create_model("lenet5", activation=activation)
    rule = torch.optim.Adam(network.parameters(), lr=2e-3)
    for x, y in zip(pictures[:20_000].split(64), digits[:20_000].split(64), strict=True):
        rule.zero_grad()
        F.cross_entropy(network(x), y).backward()
        rule.step()
    with torch.no_grad():
        right = network(pictures[20_000:]).argmax(1) == digits[20_000:]
    assert right.float().mean().item() >= at_least
