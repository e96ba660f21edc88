"""YOLO's loss: by hand, against darknet's formulas written out, and its derivatives."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from neuropil.errors import InputError
from neuropil.nn.grid import GridLossForm, assign_cells, decode_cells, grid_loss, split_cells

CLASSES, GRID, BOXES = 3, 4, 2


def some(seed: int, *, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Outputs near what a network gives, and true boxes, some of them in one cell or far off."""
    draw = torch.Generator().manual_seed(seed)
    outputs = torch.rand(2, GRID, GRID, 5 * BOXES + CLASSES, generator=draw, dtype=torch.float64) - 0.1
    corners = 0.7 * torch.rand(2, 6, 2, generator=draw, dtype=torch.float64)
    sides = 0.02 + 0.28 * torch.rand(2, 6, 2, generator=draw, dtype=torch.float64)
    numbers = torch.randint(-1, CLASSES, (2, 6, 1), generator=draw).double()
    targets = torch.cat([numbers, corners, corners + sides, torch.zeros(2, 6, 1, dtype=torch.float64)], -1)
    return outputs.to(dtype), targets.to(dtype)


def test_one_cell_by_hand() -> None:
    """A true box of class 1 in the middle of a grid of one cell, two boxes, two classes."""
    outputs = torch.zeros(1, 1, 1, 12)
    outputs[0, 0, 0, :5] = torch.tensor([0.5, 0.5, 0.5, 0.5, 0.7])  # a quarter wide and high
    outputs[0, 0, 0, 5:10] = torch.tensor([0.1, 0.1, 0.1, 0.1, 0.2])
    outputs[0, 0, 0, 10:] = torch.tensor([0.3, 0.6])
    targets = torch.tensor([[[1.0, 0.25, 0.25, 0.75, 0.75]]])  # half wide and high: the first overlaps 1/4
    root = math.sqrt(0.5)
    expected = 5 * 2 * (0.5 - root) ** 2 + (0.7 - 0.25) ** 2 + 0.5 * 0.2**2 + 0.3**2 + 0.4**2
    assert grid_loss(outputs, targets, 2).item() == pytest.approx(expected, rel=1e-6)
    assert grid_loss(outputs, targets, 2, form="darknet").item() == pytest.approx(expected / 2, rel=1e-6)


def test_empty_pictures_learn_to_say_nothing() -> None:
    outputs = torch.full((1, 2, 2, 6), 0.3)
    nothing = torch.full((1, 1, 6), -1.0)
    assert grid_loss(outputs, nothing, 1).item() == pytest.approx(0.5 * 4 * 0.3**2)


def darknet_delta(outputs: np.ndarray, targets: np.ndarray, coordinates: float, no_object: float) -> np.ndarray:
    """The `delta` of darknet's `forward_detection_layer` with rescore=1, sqrt=1 (detection_layer.c), written out."""
    delta = np.zeros_like(outputs)
    for picture in range(len(outputs)):
        truth: dict[tuple[int, int], np.ndarray] = {}
        for number, left, top, right, bottom, _ in targets[picture]:
            if number < 0:
                continue
            x, y = (left + right) / 2 * GRID, (top + bottom) / 2 * GRID
            cell = (min(int(y), GRID - 1), min(int(x), GRID - 1))
            row = np.array([number, x - cell[1], y - cell[0], right - left, bottom - top])
            truth.setdefault(cell, row)
        for row in range(GRID):
            for column in range(GRID):
                out, change = outputs[picture, row, column], delta[picture, row, column]
                for box in range(BOXES):
                    change[5 * box + 4] = no_object * (0 - out[5 * box + 4])
                if (row, column) not in truth:
                    continue
                number, x, y, width, height = truth[row, column]
                for one in range(CLASSES):
                    change[5 * BOXES + one] = (one == number) - out[5 * BOXES + one]
                best, best_overlap, best_distance = -1, 0.0, 20.0
                overlaps = []
                for box in range(BOXES):
                    mine = out[5 * box : 5 * box + 4].copy()
                    mine[:2] /= GRID
                    mine[2:] **= 2
                    real = np.array([x / GRID, y / GRID, width, height])
                    sides = [
                        min(mine[a] + mine[a + 2] / 2, real[a] + real[a + 2] / 2)
                        - max(mine[a] - mine[a + 2] / 2, real[a] - real[a + 2] / 2)
                        for a in (0, 1)
                    ]
                    inside = 0.0 if min(sides) < 0 else sides[0] * sides[1]
                    overlap = inside / (mine[2] * mine[3] + width * height - inside)
                    distance = math.sqrt(((mine - real) ** 2).sum())
                    overlaps.append(overlap)
                    if best_overlap > 0 or overlap > 0:
                        if overlap > best_overlap:
                            best, best_overlap = box, overlap
                    elif distance < best_distance:
                        best, best_distance = box, distance
                change[5 * best + 4] = overlaps[best] - out[5 * best + 4]
                wanted = np.array([x, y, math.sqrt(width), math.sqrt(height)])
                change[5 * best : 5 * best + 4] = coordinates * (wanted - out[5 * best : 5 * best + 4])
    return delta


@pytest.mark.parametrize("seed", range(8))
def test_the_gradient_is_darknets_delta(seed: int) -> None:
    outputs, targets = some(seed)
    outputs.requires_grad_()
    grid_loss(outputs, targets, CLASSES, form="darknet", reduction="none").sum().backward()
    assert outputs.grad is not None
    expected = -darknet_delta(outputs.detach().numpy(), targets.numpy(), 5.0, 0.5)
    np.testing.assert_allclose(outputs.grad, expected, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["paper", "darknet"])
def test_derivatives(form: GridLossForm) -> None:
    """The overlap that confidence aims at is held, as in darknet, so that places and sizes are checked without it."""
    outputs, targets = some(1)
    of_boxes = torch.zeros(outputs.shape[-1], dtype=torch.bool)
    of_boxes[[0, 1, 2, 3, 5, 6, 7, 8]] = True

    def places(x: Tensor) -> Tensor:
        heavy, light = (grid_loss(x, targets, CLASSES, form=form, coordinates=weight) for weight in (5.0, 1.0))
        return heavy - light

    def confidences_and_classes(x: Tensor) -> Tensor:
        return grid_loss(torch.where(of_boxes, outputs, x), targets, CLASSES, form=form)

    for function in (places, confidences_and_classes):
        assert torch.autograd.gradcheck(function, outputs.clone().requires_grad_())


def test_the_first_of_two_boxes_in_a_cell_counts_and_ignored_ones_do_not() -> None:
    row = [0.0, 0.1, 0.1, 0.2, 0.2, 0.0]
    targets = torch.tensor([[[*row[:5], 1.0], [1.0, *row[1:]], [2.0, *row[1:]], [-1.0, *row[1:]]]])
    cells = assign_cells(targets, 2)
    assert cells.classes.tolist() == [1]
    edge = assign_cells(torch.tensor([[[0.0, 1.0, 1.0, 1.0, 1.0]]]), 7)
    assert (edge.row.item(), edge.column.item()) == (6, 6)


def test_decoding_gives_back_what_was_encoded() -> None:
    _, targets = some(3)
    cells = assign_cells(targets, GRID)
    outputs = torch.zeros(2, GRID, GRID, 5 * BOXES + CLASSES, dtype=torch.float64)
    for picture, row, column, number, box in zip(*cells, strict=True):
        outputs[picture, row, column, :5] = torch.cat([box[:2], box[2:].sqrt(), torch.ones(1)])
        outputs[picture, row, column, 5 * BOXES + number] = 1
    boxes, scores = decode_cells(outputs, CLASSES)
    for picture in range(2):
        found = boxes[picture][scores[picture].amax(1) > 0.5]
        kept = [one for one, row in zip(targets[picture], targets[picture, :, 0] >= 0, strict=True) if row]
        assert len(found) <= len(kept)
        for one in found:
            assert min((one - other[1:5]).abs().max() for other in kept) < 1e-9


def test_what_does_not_fit_is_refused() -> None:
    outputs, targets = some(0)
    with pytest.raises(InputError, match="5 B \\+ 7 numbers a cell, but the network gives 13"):
        split_cells(outputs, 7)
    with pytest.raises(InputError, match=r"a detector gives \[N, G, G, 5 B \+ K\]"):
        split_cells(outputs[:, :2], CLASSES)
    with pytest.raises(InputError, match="no form 'papers' of the loss"):
        grid_loss(outputs, targets, CLASSES, form="papers")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a true box is of class 9, outside 0 to 2"):
        grid_loss(outputs, torch.tensor([[[9.0, 0, 0, 0.1, 0.1]]] * 2), CLASSES)
