"""Squeeze and excitation in any network of maps, by one option."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.small_networks import NAMES, options_of, output_shape_of, shape_of
from neuropil.errors import InputError
from neuropil.models import create_model
from neuropil.nn.squeeze import SqueezeExcitation, squeeze_stages
from neuropil.recipes.assembly import check_recipe
from neuropil.recipes.recipe import Recipe


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_network_of_maps_takes_it(name: str) -> None:
    """One block a stage, of the stage's own width, which the outputs depend on."""
    if name == "perceptron":
        pytest.skip("a perceptron has no maps")
    torch.manual_seed(0)
    plain = create_model(name, num_classes=5, **options_of(name))
    squeezed = create_model(name, num_classes=5, squeeze=4, **options_of(name)).eval()
    blocks = [layer for layer in squeezed.modules() if isinstance(layer, SqueezeExcitation)]
    own = [layer for layer in plain.modules() if isinstance(layer, SqueezeExcitation)]
    assert len(blocks) - len(own) == len(plain.widths)  # type: ignore[arg-type]
    x = torch.randn(2, *shape_of(name))
    with torch.no_grad():
        before = squeezed(x)
        assert before.shape == output_shape_of(name, 2, 5)
        features = squeezed.features(x)  # type: ignore[operator]
        assert tuple(one.shape[1] for one in features) == tuple(squeezed.widths)  # type: ignore[arg-type]
        for block in blocks:  # all scales become 1/2, also where large maps had driven them to 0 or 1
            block.fc2.weight.zero_()
            block.fc2.bias.zero_()
        assert not torch.equal(squeezed(x), before)


def test_the_block_scales_what_the_stage_gives() -> None:
    """Against torch's own operations."""
    torch.manual_seed(0)
    plain = create_model("lenet5_modern").eval()
    torch.manual_seed(0)
    squeezed = create_model("lenet5_modern", squeeze=2).eval()
    x = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        first = plain.features(x)[0]  # type: ignore[operator]
        block = next(layer for layer in squeezed.modules() if isinstance(layer, SqueezeExcitation))
        hidden = torch.relu(first.mean((2, 3)) @ block.fc1.weight[:, :, 0, 0].T + block.fc1.bias)
        scale = torch.sigmoid(hidden @ block.fc2.weight[:, :, 0, 0].T + block.fc2.bias)
        torch.testing.assert_close(squeezed.features(x)[0], first * scale[:, :, None, None])  # type: ignore[operator]


def test_what_cannot_be_squeezed_is_refused() -> None:
    with pytest.raises(InputError, match="Perceptron has no stages of maps"):
        create_model("perceptron", in_features=4, squeeze=16)
    with pytest.raises(InputError, match="has no stages of maps"):
        squeeze_stages(nn.Linear(2, 2))
    for wrong in (0, -1, "16", True):
        with pytest.raises(InputError, match="a whole number from 1 on"):
            create_model("resnet20", squeeze=wrong)
    with pytest.raises(InputError, match="a whole number from 1 on"):
        check_recipe(Recipe().with_overrides(["model=resnet20", "data=digits", "model.squeeze=0"]))
    check_recipe(Recipe().with_overrides(["model=resnet20", "data=digits", "model.squeeze=4"]))
