"""Residual networks at their published size: torchvision's counts, and its outputs to 1e-5."""

from __future__ import annotations

import pytest
import torch

from neuropil.models import create_model
from oracle_shim import torchvision

COUNTS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}
"""As torchvision documents them."""


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_the_documented_ones(name: str) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in create_model(name).parameters()) == COUNTS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTS)
def test_photographs_of_full_size_give_torchvisions_outputs(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        theirs, x = getattr(torchvision.models, name)(), torch.randn(2, 3, 224, 224)
        for layer in theirs.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):  # away from 0 and 1, where an exchange of two would not show
                torch.nn.init.uniform_(layer.weight, 0.5, 1.0)
                torch.nn.init.uniform_(layer.running_mean, -0.1, 0.1)
                torch.nn.init.uniform_(layer.running_var, 0.8, 1.2)
    ours = create_model(name).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    with torch.no_grad():
        expected, found = theirs.eval()(x), ours(x)
    assert (expected[0] - expected[1]).abs().max() > 0.01, "the picture matters"
    assert (found - expected).abs().max() <= 1e-5
