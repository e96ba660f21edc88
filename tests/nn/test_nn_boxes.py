"""Overlap against pycocotools and torchvision, suppression against onnxruntime; refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from neuropil.errors import InputError
from neuropil.nn import suppression as module
from neuropil.nn.boxes import box_iou, generalized_iou, paired_iou
from neuropil.nn.grid import decode_cells, find_boxes
from neuropil.nn.suppression import nms, nms_of_groups, nms_per_class


def random_boxes(count: int, seed: int, *, degenerate: bool = True) -> Tensor:
    """Boxes on a coarse grid, so that many are identical, touch, or have no area."""
    draw = torch.Generator().manual_seed(seed)
    corners = torch.randint(0, 12, (count, 2), generator=draw).float()
    sides = torch.randint(0 if degenerate else 1, 6, (count, 2), generator=draw).float()
    return torch.cat([corners, corners + sides], 1)


def test_overlap_is_that_of_pycocotools() -> None:
    mask = pytest.importorskip("pycocotools.mask")
    a, b = random_boxes(100, 0, degenerate=False), random_boxes(100, 1, degenerate=False)
    as_coco = [torch.cat([one[:, :2], one[:, 2:] - one[:, :2]], 1).double().numpy() for one in (a, b)]
    theirs = mask.iou(*as_coco, np.zeros(100, dtype=np.uint8))
    np.testing.assert_allclose(box_iou(a, b), theirs, atol=1e-6)
    assert box_iou(a.double(), b.double()).numpy() == pytest.approx(theirs, abs=1e-12)


def test_overlap_is_that_of_torchvision() -> None:
    pytest.importorskip("oracle_shim")
    ops = pytest.importorskip("torchvision.ops")
    a, b = random_boxes(80, 2, degenerate=False), random_boxes(90, 3, degenerate=False)
    torch.testing.assert_close(box_iou(a, b), ops.box_iou(a, b))
    torch.testing.assert_close(generalized_iou(a, b), ops.generalized_box_iou(a, b))
    torch.testing.assert_close(paired_iou(a, b[:80]), ops.box_iou(a, b[:80]).diagonal())


def test_boxes_without_area_overlap_nothing() -> None:
    point = torch.tensor([[1.0, 1, 1, 1]])
    assert box_iou(point, point).item() == 0
    assert generalized_iou(point, point).item() == 0
    assert box_iou(point, torch.tensor([[0.0, 0, 2, 2]])).item() == 0
    assert nms(point.repeat(3, 1), torch.ones(3)).tolist() == [0, 1, 2]


class OnnxRuntime:
    """Its NonMaxSuppression, one picture at a time."""

    def __init__(self, count: int, classes: int) -> None:
        onnx = pytest.importorskip("onnx")
        onnxruntime = pytest.importorskip("onnxruntime")
        helper, kinds = onnx.helper, onnx.TensorProto
        inputs = [
            helper.make_tensor_value_info(name, kind, shape)
            for name, kind, shape in (
                ("boxes", kinds.FLOAT, [1, count, 4]),
                ("scores", kinds.FLOAT, [1, classes, count]),
                ("most", kinds.INT64, [1]),
                ("overlap", kinds.FLOAT, [1]),
                ("least", kinds.FLOAT, [1]),
            )
        ]
        node = helper.make_node("NonMaxSuppression", [one.name for one in inputs], ["kept"])
        out = helper.make_tensor_value_info("kept", kinds.INT64, [None, 3])
        graph = helper.make_graph([node], "graph", inputs, [out])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def __call__(self, boxes: Tensor, scores: Tensor, overlap: float, least: float) -> np.ndarray[Any, Any]:
        fed = {
            "boxes": boxes[None].numpy(),
            "scores": scores.T[None].contiguous().numpy(),
            "most": np.array([10**6]),
            "overlap": np.array([overlap], dtype=np.float32),
            "least": np.array([least], dtype=np.float32),
        }
        found: np.ndarray[Any, Any] = self.session.run(None, fed)[0]
        return found


@pytest.mark.slow
def test_suppression_is_that_of_onnxruntime_in_ten_thousand_cases() -> None:
    """Coarse corners and scores: identical boxes, boxes without area, equal scores, overlaps equal to the threshold."""
    count = 12
    theirs, draw = OnnxRuntime(count, 1), torch.Generator().manual_seed(0)
    for seed in range(10_000):
        boxes = random_boxes(count, seed)
        scores = torch.randint(1, 40, (count,), generator=draw) / 40
        scores += torch.arange(count, 0, -1) * 1e-4  # onnxruntime's order of equal scores is not the boxes' own
        threshold = (0.0, 0.3, 0.5, 0.45, 0.7, 1.0)[seed % 6]
        expected = theirs(boxes, scores[:, None], threshold, 0.0)[:, 2]
        assert nms(boxes, scores, threshold).tolist() == expected.tolist(), (seed, threshold)


def test_equal_scores_keep_the_first() -> None:
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2], [5, 5, 6, 6]])
    assert nms(boxes, torch.full((3,), 0.5)).tolist() == [0, 2]
    assert nms(boxes, torch.tensor([0.5, 0.6, 0.7])).tolist() == [2, 1]


@pytest.mark.parametrize("count", [20, 70, 128])
@pytest.mark.parametrize("pairs", [1 << 26, 1], ids=["together", "one by one"])
@pytest.mark.parametrize("many", [0.0, 2.0], ids=["all", "picked out"])
@pytest.mark.parametrize("density", [0.02, 0.1, 0.9])
def test_all_classes_and_pictures_at_once(
    count: int, pairs: int, many: float, density: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_PAIRS", pairs)
    monkeypatch.setattr(module, "MANY", many)
    draw = torch.Generator().manual_seed(1)
    pictures, classes, least = 4, 3, 1 - density
    boxes = torch.rand(pictures, count, 4, generator=draw)
    boxes[..., 2:] = boxes[..., :2] + 0.5 * boxes[..., 2:]
    scores = torch.rand(pictures, count, classes, generator=draw)
    found = nms_per_class(boxes, scores, threshold=0.4, least_score=least)
    theirs = OnnxRuntime(count, classes)
    expected = [
        (picture, int(box), int(number))
        for picture in range(pictures)
        for _, number, box in theirs(boxes[picture], scores[picture], 0.4, least)
    ]
    assert list(zip(*(one.tolist() for one in found), strict=True)) == expected


@pytest.mark.parametrize("least", [0.7, 0.3, -0.5])
@pytest.mark.parametrize("power", [1, 6])
def test_a_networks_outputs_are_found_as_onnxruntime_finds_them(power: int, least: float) -> None:
    """Also where numbers are below 0, as those of a network that ends in a linear layer may be."""
    draw = torch.Generator().manual_seed(power)
    pictures, grid, classes = 5, 4, 3
    outputs = torch.rand(pictures, grid, grid, 10 + classes, generator=draw) ** power
    outputs[0] = -outputs[0]
    boxes, scores = decode_cells(outputs, classes)
    theirs = OnnxRuntime(boxes.shape[1], classes)
    expected = [
        (picture, int(number), int(box))
        for picture in range(pictures)
        for _, number, box in theirs(boxes[picture], scores[picture], 0.4, least)
    ]
    found = find_boxes(outputs, classes, threshold=0.4, least_score=least)
    rows = zip(found.picture.tolist(), found.classes.tolist(), found.place.tolist(), strict=True)
    assert list(rows) == expected
    assert torch.equal(found.boxes, boxes[found.picture, found.place])
    assert torch.equal(found.scores, scores[found.picture, found.place, found.classes])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_never_found(value: float) -> None:
    outputs = torch.full((1, 4, 4, 7), 0.01)
    outputs[0, 1, 1] = torch.tensor([0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 0.0])
    outputs[0, 2, 2] = torch.tensor([0.5, value, 0.5, 0.5, 1.0, 1.0, 0.0])
    outputs[0, 3, 3] = torch.tensor([0.5, 0.5, 0.5, 0.5, 1.0, value, 0.0])
    assert find_boxes(outputs, 2, least_score=0.5).place.tolist() == [5]
    outputs[0, :2, :, 4:] = 1.0  # so many that all are looked at
    assert not {10, 15} & set(find_boxes(outputs, 2, least_score=0.5).place.tolist())


@pytest.mark.parametrize("many", [0.0, 2.0], ids=["all", "picked out"])
def test_equal_scores_keep_the_first_in_each_class(many: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MANY", many)
    boxes = torch.tensor([[[0.0, 0, 2, 2], [0, 0, 2, 2], [5, 5, 6, 6]]]).repeat(2, 1, 1)
    scores = torch.full((2, 3, 2), 0.5)
    scores[1, :, 1] = torch.tensor([0.5, 0.6, 0.7])
    kept = [tuple(one) for one in torch.stack(nms_per_class(boxes, scores), 1).tolist()]
    assert kept == [(0, 0, 0), (0, 2, 0), (0, 0, 1), (0, 2, 1), (1, 0, 0), (1, 2, 0), (1, 2, 1), (1, 1, 1)]


def test_blocks_say_what_one_matrix_says(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = random_boxes(700, 4, degenerate=False)
    scores = torch.rand(700, generator=torch.Generator().manual_seed(2))
    whole = nms(boxes, scores, 0.3)
    monkeypatch.setattr(module, "BLOCK", 7)
    assert torch.equal(nms(boxes, scores, 0.3), whole)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 30), st.integers(0, 1000), st.floats(0, 1))
def test_what_stays_does_not_overlap_and_what_goes_does(count: int, seed: int, threshold: float) -> None:
    boxes = random_boxes(count, seed)
    scores = torch.rand(count, generator=torch.Generator().manual_seed(seed))
    kept = nms(boxes, scores, threshold)
    overlap = box_iou(boxes, boxes)
    among = overlap[kept][:, kept].fill_diagonal_(0)
    assert not (among > threshold + 1e-6).any()
    for gone in set(range(count)) - set(kept.tolist()):
        better = kept[scores[kept] >= scores[gone]]
        assert (overlap[gone, better] > threshold - 1e-6).any()


@pytest.mark.parametrize("density", [0.02, 0.9])
def test_half_as_many_digits_are_read(density: float) -> None:
    draw = torch.Generator().manual_seed(3)
    boxes = torch.rand(3, 30, 4, generator=draw).bfloat16()
    boxes[..., 2:] += boxes[..., :2]
    scores = torch.rand(3, 30, 2, generator=draw).bfloat16()
    found = nms_per_class(boxes, scores, threshold=0.4, least_score=1 - density)
    single = nms_per_class(boxes, scores.float(), threshold=0.4, least_score=1 - density)
    assert all(torch.equal(one, other) for one, other in zip(found, single, strict=True))


def test_no_box_is_no_trouble() -> None:
    assert len(find_boxes(torch.zeros(0, 7, 7, 30), 20).place) == 0
    assert nms(torch.zeros(0, 4), torch.zeros(0)).tolist() == []
    assert [len(one) for one in nms_per_class(torch.zeros(2, 0, 4), torch.zeros(2, 0, 3))] == [0, 0, 0]
    assert [len(one) for one in nms_per_class(torch.zeros(2, 5, 4), torch.zeros(2, 5, 3))] == [0, 0, 0]


@pytest.mark.proof
def test_a_hundred_thousand_boxes_without_a_matrix_of_them() -> None:
    """A matrix of all pairs would take 10 GB; the process stays below 1 GB more than before."""
    resource = pytest.importorskip("resource")
    boxes = torch.rand(100_000, 4, generator=torch.Generator().manual_seed(0))
    boxes = torch.cat([boxes[:, :2] * 100, boxes[:, :2] * 100 + 5 * boxes[:, 2:] + 0.1], 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kept = nms(boxes, torch.rand(100_000, generator=torch.Generator().manual_seed(1)), 0.5)
    assert 1000 < len(kept) < 100_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20


def test_what_is_no_box_is_refused() -> None:
    good, scores = torch.tensor([[0.0, 0, 1, 1]]), torch.ones(1)
    with pytest.raises(InputError, match="a box holds NaN or infinity"):
        nms(torch.tensor([[0.0, 0, float("nan"), 1]]), scores)
    with pytest.raises(InputError, match="ends before it begins"):
        box_iou(torch.tensor([[1.0, 0, 0, 1]]), good)
    with pytest.raises(InputError, match="score is NaN"):
        nms(good, torch.tensor([float("nan")]))
    with pytest.raises(InputError, match="give 0 to 1"):
        nms(good, scores, 1.5)
    with pytest.raises(InputError, match=r"nms reads boxes \[N, 4\]"):
        nms(good, torch.ones(2))
    with pytest.raises(InputError, match=r"nms_of_groups reads boxes \[N, 4\]"):
        nms_of_groups(good, scores, torch.zeros(3, dtype=torch.int64))
    with pytest.raises(InputError, match=r"nms_per_class reads boxes \[P, N, 4\]"):
        nms_per_class(good[None], torch.ones(1, 2, 3))
    with pytest.raises(InputError, match=r"floating-point numbers \[\.\.\., 4\]"):
        box_iou(torch.zeros(1, 4, dtype=torch.int64), good)
