"""How fast overlapping boxes are suppressed."""

from __future__ import annotations

from benchmarks.records import Duel, Row, Topic

__all__ = ["BOXES_A_CELL", "CLASSES", "GRID", "LEAST", "PICTURES", "SINGLE", "THRESHOLD", "TOPIC"]

PICTURES, GRID, BOXES_A_CELL, CLASSES = 64, 7, 2, 20
SINGLE = 5000
THRESHOLD, LEAST = 0.5, 0.2


def _row(what: str, figure: str, target: float) -> Row:
    return Row(what=what, figure=figure, unit="ms", kind="ours / peer", better="low", target=target)


TOPIC = Topic(
    name="boxes",
    title="Non-maximum suppression",
    notes=(
        f"{PICTURES} pictures of {GRID} × {GRID} cells with {BOXES_A_CELL} boxes and {CLASSES} classes each: ours "
        "decodes the network's numbers, leaves out what is not sure enough and suppresses in each class, in one call; "
        "beside it onnxruntime's `NonMaxSuppression` (two threads), which is given the decoded boxes and scores, "
        "picture by picture. Trained: few boxes are sure, as a trained detector's; untrained: nearly all are.",
        f"One class: {SINGLE:,} random boxes of one picture. The same boxes must stay on both sides. Each number is "
        "the median of 15 runs after 3.",
    ),
    duels=(
        Duel(
            ours="neuropil",
            peer="onnxruntime",
            rows=[
                _row(f"{PICTURES} pictures, {CLASSES} classes, trained", "trained", 1.0),
                _row(f"{PICTURES} pictures, {CLASSES} classes, untrained", "untrained", 1.0),
                _row(f"{SINGLE:,} boxes of one class", "single", 3.0),
            ],
        ),
    ),
)
