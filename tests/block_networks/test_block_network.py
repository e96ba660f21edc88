"""Networks of blocks beside timm's, which builds them from the same strings: same weights, same outputs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.block_networks.blocks import Block, Pooled
from neuropil.errors import InputError
from neuropil.models import create_model

MNASNET_A1 = (
    "cn_r1_k3_s2_c32 - ds_r1_k3_s1_c16_noskip - ir_r2_k3_s2_e6_c24 - ir_r3_k5_s2_e3_c40_se0.25 - ir_r4_k3_s2_e6_c80"
    " - ir_r2_k3_s1_e6_c112_se0.25 - ir_r3_k5_s2_e6_c160_se0.25 - ir_r1_k3_s1_e6_c320 - cn_r1_k1_s1_c1280"
)
LINES = [
    "cn_r2_k3_s1_c16_skip - cn_r1_k5_s2_c24 - ir_r2_k3_s2_e3_c32_noskip - ds_r2_k5_s1_c32",
    "cn_r1_k3_s2_c16 - ds_r2_k3_s2_c24_se0.25 - ir_r2_k5_s2_e6_c40_se0.25 - cn_r1_k1_s1_c64",
]


def timms(line: str) -> nn.Sequential:
    """The body that timm builds, with random averages."""
    pytest.importorskip("oracle_shim")
    timm = pytest.importorskip("timm.models._efficientnet_builder")
    squeeze = pytest.importorskip("timm.models._efficientnet_blocks").SqueezeExcite
    builder = timm.EfficientNetBuilder(output_stride=64, act_layer=nn.ReLU, norm_layer=nn.BatchNorm2d, se_layer=squeeze)
    stages = builder(3, timm.decode_arch_def([[stage] for stage in line.split(" - ")]))
    body = nn.Sequential(*stages)
    for layer in body.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.running_mean, -0.2, 0.2)
            nn.init.uniform_(layer.running_var, 0.7, 1.3)
    return body


@pytest.mark.parametrize("line", [*LINES, pytest.param(MNASNET_A1, marks=pytest.mark.slow)])
def test_outputs_are_timms(line: str) -> None:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        theirs, x = timms(line).double(), torch.randn(2, 3, 33, 35, dtype=torch.float64)
        ours = create_model("searched", blocks=line).double()
        body = ours.layers.state_dict()  # type: ignore[union-attr]
        given = list(theirs.state_dict().values())
        assert [tuple(value.shape) for value in given] == [tuple(value.shape) for value in body.values()]
        ours.layers.load_state_dict(dict(zip(body, given, strict=True)))  # type: ignore[union-attr]
        for mode in (False, True):
            expected = theirs.train(mode)(x)
            found = ours.train(mode).features(x)[-1]  # type: ignore[operator]
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
        logits = F.linear(expected.mean((2, 3)), ours.classifier.weight, ours.classifier.bias)  # type: ignore[union-attr]
        torch.testing.assert_close(ours.head(expected), logits)  # type: ignore[operator]


def test_mnasnet_as_a_line_has_its_weights() -> None:
    """3.9 million: Tan et al. 2019, table 1."""
    with torch.device("meta"):
        ours = create_model("searched", blocks=MNASNET_A1, num_classes=1000)
        known = create_model("mnasnet_a1")
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in known.parameters()) == 3_887_038


def by_hand(x: Tensor, maps: int, stride: int) -> Tensor:
    """Mean of each window, as far as it lies inside; zeros for maps that are new."""
    n, channels, height, width = x.shape
    found = torch.zeros(n, maps, -(-height // stride), -(-width // stride))
    for c in range(min(maps, channels)):
        for i in range(found.shape[2]):
            for j in range(found.shape[3]):
                window = x[:, c, i * stride : (i + 1) * stride, j * stride : (j + 1) * stride]
                found[:, c, i, j] = window.mean((1, 2))
    return found


@pytest.mark.parametrize(("maps", "stride", "side"), [(6, 2, 7), (3, 2, 8), (4, 1, 5), (6, 3, 7)])
def test_what_passes_by(maps: int, stride: int, side: int) -> None:
    x = torch.randn(2, 4, side, side, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Pooled(maps, stride)(x), by_hand(x, maps, stride))


@pytest.mark.parametrize("kind", ["cn", "ds", "ir"])
def test_skips_add_what_passes_by(kind: Any) -> None:
    x = torch.randn(2, 4, 9, 9, generator=torch.Generator().manual_seed(0))
    for stride, maps, skip in ((1, 4, "skip"), (1, 4, "pool"), (2, 6, "pool"), (1, 6, "pool"), (2, 4, "pool")):
        block = Block(kind, 4, maps, 3, stride=stride, expansion=3 if kind == "ir" else 1, skip=skip).eval()  # type: ignore[arg-type]
        torch.testing.assert_close(block(x), block.layers(x) + by_hand(x, maps, stride))
    for stride, maps, skip in ((1, 4, "noskip"), (2, 6, "skip"), (1, 6, "skip")):
        block = Block(kind, 4, maps, 3, stride=stride, skip=skip).eval()  # type: ignore[arg-type]
        assert torch.equal(block(x), block.layers(x)) and block(x).shape[1] == maps


def test_a_line_is_a_plain_value_of_a_recipe() -> None:
    from neuropil.recipes.assembly import check_recipe
    from neuropil.recipes.recipe import Recipe

    recipe = Recipe().with_overrides(["model=searched", "data=digits", f"model.blocks={LINES[0]}"])
    check_recipe(recipe)
    assert Recipe.from_toml(recipe.to_toml()).section("model")["blocks"] == LINES[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"blocks": "cn"}, "how many maps"),
        ({"blocks": 3}, "must be text"),
        ({"block": "cn_c8"}, "did you mean 'blocks'"),
    ],
)
def test_refusals(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        create_model("searched", **options)
