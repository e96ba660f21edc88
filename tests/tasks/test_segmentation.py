"""Segmentation as a task, against scikit-learn's scores and torch's loss; tiles against whole pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.models import create_model
from neuropil.nn.tiling import mirrored, outline, outline_in_tiles
from neuropil.tasks.segmentation import IGNORED, Segmentation
from neuropil.training.speed import Placed

CLASSES = ("ground", "roof", "tree")


class Fixed(nn.Module):
    def __init__(self, outputs: Tensor) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, x: Tensor) -> Tensor:
        return self.outputs


def some(seed: int = 0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    outputs = torch.randn(4, 3, 9, 11, generator=draw)
    masks = torch.randint(0, 3, (4, 9, 11), generator=draw).to(torch.uint8)
    masks[:, :2] = IGNORED
    return outputs, masks


def test_scores_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    outputs, masks = some()
    scorer = Segmentation(CLASSES).scorer()
    for half in (slice(0, 2), slice(2, 4)):
        scorer.update(Fixed(outputs[half]), Placed(torch.zeros(2, 3, 9, 11), masks[half], np.arange(4)[half]))
    known = masks != IGNORED
    truth, predicted = masks[known].numpy(), outputs.argmax(1)[known].numpy()
    figures = scorer.compute()
    assert figures["iou"] == pytest.approx(metrics.jaccard_score(truth, predicted, average="macro"))
    assert figures["dice"] == pytest.approx(metrics.f1_score(truth, predicted, average="macro"))
    assert figures["pixel_accuracy"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    for name, value in zip(CLASSES, metrics.f1_score(truth, predicted, average=None), strict=True):
        assert figures[f"dice_{name}"] == pytest.approx(value)
    np.testing.assert_array_equal(scorer.details()["confusion"], metrics.confusion_matrix(truth, predicted))
    assert scorer.details()["masks"][0].shape == (9, 11)
    assert scorer.details()["worst"][0] == scorer.details()["losses"].argmax()


@pytest.mark.parametrize("weights", [None, (0.5, 1.0, 2.0)])
def test_the_loss_is_torchs(weights: tuple[float, ...] | None) -> None:
    outputs, masks = some()
    task = Segmentation(CLASSES, class_weights=weights)
    given = None if weights is None else torch.tensor(weights)
    for picture in range(4):
        expected = F.cross_entropy(outputs[picture, None], masks[picture, None].long(), given, ignore_index=IGNORED)
        assert task.loss(outputs, masks)[picture].item() == pytest.approx(expected.item(), rel=1e-5)
    loss, _ = task.step(Fixed(outputs), Placed(torch.zeros(4, 3, 9, 11), masks, np.arange(4)), None)
    assert loss.item() == pytest.approx(task.loss(outputs, masks).mean().item())


def test_dice_by_hand_and_its_derivative() -> None:
    """Two elements, two classes, one of them right with probability 0.8, the other with 0.6."""
    odds = torch.tensor([[0.8, 0.6], [0.2, 0.4]]).log().reshape(1, 2, 1, 2)
    masks = torch.zeros(1, 1, 2, dtype=torch.uint8)
    ground = (2 * (0.8 + 0.6) + 1) / (0.64 + 0.36 + 2 + 1)
    roof = 1 / (0.04 + 0.16 + 1)
    task = Segmentation(["ground", "roof"], dice=1.0)
    assert task.loss(odds, masks).item() == pytest.approx(1 - (ground + roof) / 2)
    outputs, masks = some()
    both = Segmentation(CLASSES, dice=0.5)
    assert torch.autograd.gradcheck(lambda x: both.loss(x, masks), outputs.double().requires_grad_())


def test_balanced_weights() -> None:
    task = Segmentation(CLASSES, class_weights="balanced", class_counts=[60, 30, 10])
    assert task._weights is not None and task._weights.tolist() == pytest.approx([100 / 180, 100 / 90, 100 / 30])
    with pytest.raises(InputError, match="needs training elements of each class"):
        Segmentation(CLASSES, class_weights="balanced", class_counts=[1, 0, 3])


@pytest.mark.parametrize("sides", [(40, 57), (61, 44), (1, 90)])
def test_any_size_goes_through_and_comes_back(sides: tuple[int, int]) -> None:
    torch.manual_seed(0)
    for options in ({}, {"padding": "same", "batch_norm": True}):
        network = create_model("unet", width=2, levels=3, num_classes=3, **options).eval()
        assert outline(network, torch.randn(2, 1, *sides)).shape == (2, 3, *sides)


def test_tiles_say_what_the_whole_picture_says() -> None:
    """Valid convolutions see nothing but what is there, so that tiles of a multiple of the poolings are exact."""
    torch.manual_seed(0)
    network = create_model("unet", width=3, levels=4).eval()
    x = torch.randn(1, 1, 150, 121)
    with torch.no_grad():
        whole, tiled = outline(network, x), outline_in_tiles(network, x, 48)
    assert tiled.shape == whole.shape == (1, 2, 150, 121)
    torch.testing.assert_close(tiled, whole, rtol=1e-5, atol=1e-5)


def test_padding_with_a_margin_differs_only_at_the_edge() -> None:
    torch.manual_seed(0)
    network = create_model("unet", width=3, levels=3, padding="same", batch_norm=True).eval()
    x = torch.randn(1, 1, 160, 160)
    with torch.no_grad():
        whole, tiled = outline(network, x), outline_in_tiles(network, x, 32, margin=24)
    inside = (..., slice(48, -48), slice(48, -48))
    torch.testing.assert_close(tiled[inside], whole[inside], rtol=1e-4, atol=1e-5)


def test_borders_are_mirrored_like_numpys() -> None:
    x: Any = torch.arange(12.0).reshape(1, 1, 3, 4)
    found = mirrored(x, 7, 2, 1, 5)
    np.testing.assert_array_equal(found[0, 0], np.pad(x[0, 0].numpy(), ((1, 5), (7, 2)), mode="reflect"))


def test_what_does_not_fit_is_refused() -> None:
    outputs, masks = some()
    with pytest.raises(InputError, match=r"but 2 classes need \[N, 2, H, W\]; take a network that outlines"):
        Segmentation(["a", "b"]).loss(outputs, masks)
    with pytest.raises(InputError, match=r"the masks are \[4, 8, 11\]"):
        Segmentation(CLASSES).loss(outputs, masks[:, 1:])
    with pytest.raises(InputError, match="a mask holds a class outside 0 to 2"):
        Segmentation(CLASSES).loss(outputs, masks + (masks < 3).to(torch.uint8) * 3)
    with pytest.raises(InputError, match="at least two classes"):
        Segmentation(["a"])
    with pytest.raises(InputError, match="dice is a share"):
        Segmentation(CLASSES, dice=2)
    with pytest.raises(InputError, match="needs 3 numbers above 0"):
        Segmentation(CLASSES, class_weights=[1, 2])
    with pytest.raises(InputError, match="does not say what sizes it takes"):
        outline_in_tiles(nn.Identity(), torch.zeros(1, 1, 4, 4), 2)
