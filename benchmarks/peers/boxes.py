"""Suppression by us, decoding included, and by onnxruntime."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.machine import THREADS
from benchmarks.records import Measurement
from benchmarks.topics.boxes import BOXES_A_CELL, CLASSES, GRID, LEAST, PICTURES, SINGLE, THRESHOLD
from neuropil.nn.grid import Finds, decode_cells, find_boxes
from neuropil.nn.suppression import nms

__all__ = ["COMPETITORS", "outputs", "single"]

WARM_UP, RUNS = 3, 15


def outputs(kind: str, seed: int) -> Tensor:
    """Numbers of all cells, `[P, G, G, 5 B + K]`: confidences near zero but for a few, or anything from 0 to 1."""
    draw = torch.Generator().manual_seed(seed)
    found = torch.rand(PICTURES, GRID, GRID, 5 * BOXES_A_CELL + CLASSES, generator=draw)
    found[..., 2:4] *= 0.7
    found[..., 7:9] *= 0.7
    if kind == "trained":
        for box in range(BOXES_A_CELL):
            found[..., 5 * box + 4] **= 6
        classes = found[..., 5 * BOXES_A_CELL :]
        found[..., 5 * BOXES_A_CELL :] = (12 * classes).softmax(-1)
    return found


def single(seed: int) -> tuple[Tensor, Tensor]:
    """Random boxes and scores of one class."""
    draw = torch.Generator().manual_seed(seed)
    corners = 100 * torch.rand(SINGLE, 2, generator=draw)
    sides = 20 * torch.rand(SINGLE, 2, generator=draw)
    return torch.cat([corners, corners + sides], 1), torch.rand(SINGLE, generator=draw)


def _milliseconds(work: Callable[[], Any]) -> tuple[float, Any]:
    seconds, found = [], None
    for run in range(WARM_UP + RUNS):
        begin = time.perf_counter()
        found = work()
        if run >= WARM_UP:
            seconds.append(time.perf_counter() - begin)
    return 1e3 * statistics.median(seconds), found


def neuropil(seed: int) -> Measurement:
    """One call for all pictures, from the network's numbers on."""
    figures, kept = {}, {}
    for kind in ("trained", "untrained"):
        numbers = outputs(kind, seed)

        def work(numbers: Tensor = numbers) -> Finds:
            return find_boxes(numbers, CLASSES, threshold=THRESHOLD, least_score=LEAST)

        figures[kind], found = _milliseconds(work)
        rows = zip(found.picture.tolist(), found.classes.tolist(), found.place.tolist(), strict=True)
        kept[kind] = sorted(rows)
    boxes, scores = single(seed)
    figures["single"], stays = _milliseconds(lambda: nms(boxes, scores, THRESHOLD))
    kept["single"] = sorted(stays.tolist())
    return Measurement(figures, _work(kept))


def onnxruntime(seed: int) -> Measurement:
    """Picture by picture, from decoded boxes on."""
    figures, kept = {}, {}
    for kind in ("trained", "untrained"):
        boxes, scores = decode_cells(outputs(kind, seed), CLASSES)
        session = _session(boxes.shape[1], CLASSES)
        fed = [_fed(one, of.T) for one, of in zip(boxes, scores, strict=True)]
        figures[kind], found = _milliseconds(
            lambda session=session, fed=fed: [session.run(None, one)[0] for one in fed]
        )
        kept[kind] = sorted((p, int(number), int(box)) for p, rows in enumerate(found) for _, number, box in rows)
    boxes, scores = single(seed)
    alone = _fed(boxes, scores[None], least=-1.0)
    session = _session(SINGLE, 1)
    figures["single"], found = _milliseconds(lambda: session.run(None, alone)[0])
    kept["single"] = sorted(found[:, 2].tolist())
    return Measurement(figures, _work(kept))


def _work(kept: dict[str, Any]) -> dict[str, Any]:
    """How many boxes stay, and which, as a checksum: both sides must say the same."""
    return {kind: [len(rows), sha256(str(rows).encode()).hexdigest()] for kind, rows in kept.items()}


def _fed(boxes: Tensor, scores: Tensor, least: float = LEAST) -> dict[str, Any]:
    return {
        "boxes": boxes[None].contiguous().numpy(),
        "scores": scores[None].contiguous().numpy(),
        "most": np.array([10**6]),
        "overlap": np.array([THRESHOLD], dtype=np.float32),
        "least": np.array([least], dtype=np.float32),
    }


def _session(count: int, classes: int) -> Any:
    import onnxruntime as runtime
    from onnx import TensorProto, helper

    shapes = {"boxes": [1, count, 4], "scores": [1, classes, count], "most": [1], "overlap": [1], "least": [1]}
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64 if name == "most" else TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    node = helper.make_node("NonMaxSuppression", list(shapes), ["kept"])
    out = helper.make_tensor_value_info("kept", TensorProto.INT64, [None, 3])
    graph = helper.make_graph([node], "suppression", inputs, [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = THREADS
    return runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


COMPETITORS: dict[str, Callable[[int], Measurement]] = {"neuropil": neuropil, "onnxruntime": onnxruntime}
