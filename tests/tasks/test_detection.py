"""Detection as a task: what it answers, scores, tells a report, and refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.grid import assign_cells
from neuropil.tasks.detection import Detection
from neuropil.training.speed import Placed

GRID, CLASSES = 8, ("cat", "dog")


class Oracle(nn.Module):
    """Says exactly where the boxes are; of the pictures in `silent` nothing."""

    def __init__(self, targets: Tensor, silent: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.outputs = torch.zeros(len(targets), GRID, GRID, 5 + len(CLASSES))
        for picture, row, column, number, box in zip(*assign_cells(targets, GRID), strict=True):
            if int(picture) not in silent:
                self.outputs[picture, row, column, :5] = torch.cat([box[:2], box[2:].sqrt(), torch.ones(1)])
                self.outputs[picture, row, column, 5 + number] = 1

    def forward(self, x: Tensor) -> Tensor:
        return self.outputs


def batch() -> Placed:
    targets = torch.full((3, 2, 6), -1.0)
    targets[0, 0] = torch.tensor([0, 0.1, 0.1, 0.3, 0.4, 0])
    targets[0, 1] = torch.tensor([1, 0.5, 0.6, 0.9, 0.95, 0])
    targets[1, 0] = torch.tensor([1, 0.2, 0.2, 0.8, 0.8, 0])
    return Placed(torch.zeros(3, 3, 8, 8), targets, np.arange(3))


def scored(model: nn.Module) -> Any:
    scorer = Detection(CLASSES).scorer()
    scorer.update(model, batch())
    return scorer


def test_a_perfect_detector_has_one_hundred_percent() -> None:
    figures = scored(Oracle(batch().targets)).compute()
    assert figures["map50"] == pytest.approx(1) and figures["map"] == pytest.approx(1)
    assert figures["loss"] == pytest.approx(0, abs=1e-6)


def test_what_is_missed_lowers_recall() -> None:
    figures = scored(Oracle(batch().targets, silent=(1,))).compute()
    assert figures["map50"] == pytest.approx((1 + 0.5) / 2)  # of two dogs one is found


def test_details_for_the_report() -> None:
    details = scored(Oracle(batch().targets, silent=(1,))).details()
    assert details["classes"].tolist() == [[1, 1, 1, 1], [0.5, 2, 1, 1]]
    assert details["found"][:, 0].tolist() == [0, 0] and details["there"][:, 0].tolist() == [0, 0, 1]
    assert details["precisions"].shape == (2, 101) and details["losses"].argmax() == 1
    np.testing.assert_allclose(details["precisions"][1, [0, 50, 51]], [1, 1, 0])


def test_answers_are_sorted_and_above_the_least_score() -> None:
    outputs = Oracle(batch().targets).outputs
    outputs[0, ..., 4] *= 0.5
    outputs[1, ..., 4] *= 0.1
    answers = Detection(CLASSES).answer(outputs)
    assert [one["found"] for one in answers] == ["1 cat, 1 dog", "nothing", "nothing"]
    assert [set(one) for one in answers[0]["boxes"]] == [{"class", "score", "box"}] * 2
    assert len(Detection(CLASSES, least_score=0.05).answer(outputs)[1]["boxes"]) == 1


def test_a_pass_without_any_box_has_numbers_all_the_same() -> None:
    targets = torch.full((1, 1, 6), -1.0)
    scorer = Detection(CLASSES).scorer()
    scorer.update(Oracle(targets), Placed(torch.zeros(1, 3, 8, 8), targets, np.arange(1)))
    assert scorer.compute() == {"loss": 0.0, "map50": 0.0, "map": 0.0, "map75": 0.0}


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="'cat' stands there twice"):
        Detection(["cat", "cat"])
    with pytest.raises(InputError, match="at least one class"):
        Detection([])
    with pytest.raises(InputError, match="threshold and least_score lie between 0 and 1"):
        Detection(CLASSES, threshold=2)
    with pytest.raises(InputError, match="weights of the loss must be above 0"):
        Detection(CLASSES, coordinates=0)
    with pytest.raises(InputError, match=r"targets of a detection are boxes \[N, M, 6\]"):
        Detection(CLASSES).loss(torch.zeros(1, 2, 2, 7), torch.zeros(1))
    with pytest.raises(InputError, match="there is nothing to measure"):
        Detection(CLASSES).scorer().compute()
