"""What our loop costs around the network itself."""

from __future__ import annotations

from benchmarks.records import Duel, Row, Topic

__all__ = ["TOPIC"]

LIMIT = 1.10


def _duels(shape: str, words: str) -> list[Duel]:
    def row(beside: str, target: float | None) -> Row:
        what = f"{words}, beside {beside}"
        return Row(what=what, figure="us a step", unit="µs", kind="ours / peer", better="low", target=target)

    def cold(beside: str) -> Row:
        what = f"{words}, from process start to the end of one epoch, beside {beside}"
        return Row(what=what, figure="cold seconds", unit="s", kind="ours / peer", better="low")

    def duel(peer: str, beside: str, target: float | None, pairs: int = 15) -> Duel:
        rows = [row(beside, target), cold(beside)]
        return Duel(ours=f"neuropil-{shape}", peer=f"{peer}-{shape}", rows=rows, pairs=pairs, outcome_within=0.10)

    return [
        duel("torch", "a hand-written loop", LIMIT),
        duel("torch-fused", "a hand-written loop, tuned (fused Adam)", LIMIT),
        duel("keras", "Keras on torch, `model.fit`", None, pairs=5),
    ]


TOPIC = Topic(
    name="step",
    title="One training step of a small perceptron",
    notes=(
        "Batch 64, Adam, fp32, 25,600 samples in memory. Ours is `fit` with shuffling, the learning-rate schedule, the "
        "check for numbers that are not finite, clipping by global norm, the metrics log, stop signals and "
        "checkpoints on. The hand-written loop has none of these: permuted index, `index_select`, forward, loss, "
        "backward, step.",
        "Whole epochs count, 10 after one to warm up, with all that happens in and between them. Both sides start "
        "from the same weights; the loss over all samples after the first epoch must agree within 10 % (order and "
        "clipping differ).",
    ),
    duels=(*_duels("64", "64-64-64-10"), *_duels("784", "784-128-64-10")),
)
