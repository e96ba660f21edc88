"""The blocks that race are the same: as many weights, and the same output from the same weights."""

from __future__ import annotations

import pytest
import torch
from benchmarks.peers.separable import COMPETITORS, block
from benchmarks.topics.separable import SHAPES, TOPIC


@pytest.mark.parametrize(
    ("family", "library"),
    [
        ("mobilenet", "torchvision"),
        ("mobilenet", "timm"),
        ("shufflenet-v1", "torchvision"),
        ("shufflenet-v2", "torchvision"),
    ],
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_blocks_with_the_same_weights_say_the_same(family: str, library: str, layout: torch.memory_format) -> None:
    channels, _, _, _ = shape = SHAPES[family][-1]
    ours, theirs = block("neuropil", family, shape).double(), block(library, family, shape).double()
    with torch.no_grad():
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            one.copy_(other.view_as(one))
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(4, channels, 7, 5, dtype=torch.float64, generator=draw).contiguous(memory_format=layout)
    slope = torch.randn(4, shape[1], 7, 5, dtype=torch.float64, generator=draw)
    outputs = []
    for layer in (ours, theirs):
        y = layer(x.clone())
        y.backward(slope)
        outputs.append([y, *(weight.grad for weight in layer.parameters())])
    for one, other in zip(*outputs, strict=True):
        assert one is not None and other is not None
        torch.testing.assert_close(one, other.view_as(one), rtol=1e-8, atol=1e-8)


def test_every_duel_has_its_competitors() -> None:
    assert {name for duel in TOPIC.duels for name in (duel.ours, duel.peer)} <= set(COMPETITORS)
