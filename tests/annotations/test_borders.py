"""Connected parts and distances against SciPy; U-Net's border weights in the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from neuropil.annotations.borders import border_map, components
from neuropil.annotations.mask_opening import open_masks
from neuropil.errors import InputError
from neuropil.tasks.segmentation import Segmentation


def blobs(seed: int, side: int = 60) -> np.ndarray[Any, Any]:
    """Discs, some of which touch."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    mask = np.zeros((side, side), dtype=np.uint8)
    for _ in range(9):
        row, column, radius = draw.integers(0, side), draw.integers(0, side), draw.integers(2, 9)
        mask[(y - row) ** 2 + (x - column) ** 2 <= radius**2] = 1
    return mask


@pytest.mark.parametrize("seed", range(5))
def test_parts_are_those_of_scipy(seed: int) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    for mask in (blobs(seed), np.random.default_rng(seed).integers(0, 2, (40, 33))):
        ours, count = components(mask)
        theirs, expected = ndimage.label(mask)
        assert count == expected
        pairs = {(a, b) for a, b in zip(ours.ravel().tolist(), theirs.ravel().tolist(), strict=True)}
        assert len(pairs) == count + 1  # one to one, the background included


@pytest.mark.parametrize("seed", range(3))
def test_weights_are_the_papers_formula_with_scipys_distances(seed: int) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    mask = blobs(seed)
    labels, count = ndimage.label(mask)
    distances = np.sort([ndimage.distance_transform_edt(labels != one) for one in range(1, count + 1)], axis=0)
    expected = np.where(mask == 0, 255 * np.exp(-((distances[0] + distances[1]) ** 2) / 50), 0)
    np.testing.assert_allclose(border_map(mask), expected, atol=0.6)  # rounded; nothing beyond four deviations


def test_one_thing_alone_has_no_border() -> None:
    mask = np.zeros((9, 9), dtype=np.uint8)
    mask[3:5, 3:5] = 1
    assert not border_map(mask).any() and not border_map(np.zeros((4, 4), dtype=np.uint8)).any()
    mask[7, 7] = 255
    assert not border_map(mask).any()


def test_the_loss_weighs_borders() -> None:
    draw = torch.Generator().manual_seed(0)
    outputs = torch.randn(1, 2, 60, 60, generator=draw)
    mask = torch.from_numpy(blobs(1))[None]
    near = torch.from_numpy(border_map(blobs(1)))[None]
    weights = 1 + 10 * near.float() / 255
    expected = (weights * F.cross_entropy(outputs, mask.long(), reduction="none")).sum() / weights.sum()
    task = Segmentation(["ground", "cell"])
    assert task.loss(outputs, torch.stack([mask, near], 1)).item() == pytest.approx(expected.item(), rel=1e-5)
    unweighted = Segmentation(["ground", "cell"], border_weight=0).loss(outputs, torch.stack([mask, near], 1))
    assert unweighted.item() == pytest.approx(task.loss(outputs, mask).item(), rel=1e-6)
    with pytest.raises(InputError, match="border_weight must be finite"):
        Segmentation(["a", "b"], border_weight=-1)


@pytest.mark.slow
def test_real_cells_have_borders(shared_data: Any) -> None:
    splits = open_masks(root=str(shared_data / "membrane/membrane.zip"), borders=5.0, size=128, valid_fraction=0.0)
    assert splits.train.targets.shape == (30, 2, 128, 128)
    classes, near = splits.train.targets[:, 0], splits.train.targets[:, 1]
    assert near[classes == 0].mean() > 50 and not near[classes == 1].any()
    with pytest.raises(InputError, match="borders is -1"):
        open_masks(root=str(shared_data / "membrane/membrane.zip"), borders=-1)
