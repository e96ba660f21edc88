"""Networks that torchvision or timm has too: its weights in ours, and the same outputs, training and inference."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from neuropil.models import create_model
from neuropil.nn.contracts import WithAuxiliaries
from neuropil.nn.dropout import Dropout
from neuropil.transfer.keys import translated


class Twin(NamedTuple):
    """One network under both names."""

    ours: str
    theirs: str
    side: int
    options: Mapping[str, Any] = MappingProxyType({})
    their_options: Mapping[str, Any] = MappingProxyType({})
    library: str = "torchvision"


TWINS = [
    Twin("alexnet", "alexnet", 95, {"form": "torchvision"}),
    *(Twin(f"vgg{depth}{bn}", f"vgg{depth}{bn}", 33) for depth in (11, 13, 16, 19) for bn in ("", "_bn")),
    *(Twin(f"densenet{depth}", f"densenet{depth}", 45) for depth in (121, 161, 169, 201)),
    Twin("mobilenet_v2", "mobilenet_v2", 47),
    Twin("mobilenet_v2", "mobilenet_v2", 40, {"width": 0.35}, {"width_mult": 0.35}),
    Twin("mobilenet_v2", "mobilenet_v2", 40, {"width": 1.4}, {"width_mult": 1.4}),
]
RELU = {"squeeze_after": "relu"}
TWINS += [
    *(
        Twin(f"se_resnet{d}", f"legacy_seresnet{d}", 47, RELU if d < 50 else {}, library="timm")
        for d in (18, 34, 50, 101, 152)
    ),
    *(Twin(f"se_resnext{d}", f"legacy_seresnext{d}_32x4d", 40, library="timm") for d in (50, 101)),
    *(
        Twin("shufflenet_v2", f"shufflenet_v2_x{str(width).replace('.', '_')}", 47, {"width": width})
        for width in (0.5, 1.0, 1.5, 2.0)
    ),
    Twin("googlenet", "googlenet", 47, {"form": "torchvision"}, {"init_weights": False}),
    *(Twin(f"dpn{depth}", f"dpn{depth}", 40, library="timm") for depth in (68, 92, 98, 107, 131)),
    *(Twin(f"mobilenet_v3_{size}", f"mobilenet_v3_{size}", 47) for size in ("large", "small")),
    Twin("mobilenet_v3_large", "mobilenet_v3_large", 40, {"width": 0.75}, {"width_mult": 0.75}),
    Twin("mnasnet_a1", "semnasnet_100", 47, library="timm"),
    Twin("mnasnet_b1", "mnasnet_100", 47, library="timm"),
    Twin("mnasnet_small", "mnasnet_small", 47, library="timm"),
    *(Twin(f"resnetv2_{depth}", f"resnetv2_{depth}", 47, {"form": "timm"}, library="timm") for depth in (18, 34)),
    *(Twin(f"resnetv2_{depth}", f"resnetv2_{depth}", 47, library="timm") for depth in (50, 101, 152)),
    Twin("senet154", "legacy_senet154", 33, library="timm"),
]
FAST = {"densenet121", "mobilenet_v2", "shufflenet_v2", "se_resnet18", "dpn68", "mobilenet_v3_small", "mnasnet_a1",
        "resnetv2_18"}  # fmt: skip


def without_dropout(network: nn.Module) -> nn.Module:
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
        if isinstance(layer, Dropout):
            layer.rate = 0.0
        if hasattr(layer, "drop_rate"):
            layer.drop_rate = 0.0  # timm's
    return network


def all_logits(outputs: Any) -> list[Tensor]:
    """Those of auxiliary classifiers too, the lower one first."""
    if isinstance(outputs, WithAuxiliaries):
        return [outputs.logits, *outputs.auxiliary]
    return [outputs] if isinstance(outputs, Tensor) else [outputs.logits, outputs.aux_logits1, outputs.aux_logits2]


@pytest.mark.parametrize(
    "twin",
    [
        pytest.param(twin, id=f"{twin.ours} {twin.options}", marks=() if twin.ours in FAST else pytest.mark.proof)
        for twin in TWINS
    ],
)
def test_outputs_are_theirs(twin: Twin) -> None:
    """In float64 to 1e-10, in float32 to 1e-5, with the weights of one in the other; counts and averages too."""
    shim = pytest.importorskip("oracle_shim")
    library = shim.torchvision.models if twin.library == "torchvision" else pytest.importorskip("timm").models
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        theirs = without_dropout(getattr(library, twin.theirs)(**twin.their_options))
        with torch.device("meta"):
            ours = without_dropout(create_model(twin.ours, **twin.options))
        weights, _ = translated(theirs.state_dict(), ours.state_dict())
        ours.load_state_dict({name: value.clone() for name, value in weights.items()}, assign=True)
        x = torch.randn(2, 3, twin.side, twin.side)
        single = ours.eval()(x)
        scale = max(1.0, single.abs().max().item())
        torch.testing.assert_close(single, theirs.eval()(x), rtol=1e-5, atol=1e-5 * scale)
        ours, theirs, x = ours.double(), theirs.double(), x.double()
        for network in (ours, theirs):
            network.train()
        for trained, expected in zip(all_logits(ours(x)), all_logits(theirs(x)), strict=True):
            scale = max(1.0, expected.abs().max().item())
            torch.testing.assert_close(trained, expected, rtol=1e-10, atol=1e-10 * scale)
        again, _ = translated(theirs.state_dict(), ours.state_dict())
        for name, value in ours.state_dict().items():
            torch.testing.assert_close(value, again[name], rtol=1e-10, atol=1e-10)


def test_densenets_files_have_older_names() -> None:
    """`norm.1` where torchvision's module is `norm1`: it renames them on loading, and so do we."""
    ours = create_model("densenet121", growth=4)
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)\.", r"\1.\2.", name.replace("layers.", "features.", 1)): value
        for name, value in ours.state_dict().items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    assert set(translated(old, ours.state_dict())[0]) == set(ours.state_dict())


def test_torchvisions_mnasnet_is_b1() -> None:
    shim = pytest.importorskip("oracle_shim")
    theirs, ours = without_dropout(shim.torchvision.models.mnasnet1_0()).eval(), create_model("mnasnet_b1").eval()
    weights, table = translated(theirs.state_dict(), ours.state_dict())
    assert table.name == "torchvision's MnasNet"
    ours.load_state_dict(weights)
    x = torch.randn(2, 3, 40, 40)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
