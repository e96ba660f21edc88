"""What the live warnings cost of a step."""

from __future__ import annotations

from benchmarks.records import Duel, Row, Topic

__all__ = ["TOPIC"]

LIMIT = 1.02


def _duel(network: str, words: str) -> Duel:
    share = Row(
        what=f"{words}: a step with warnings, as a share of one without", figure="share", unit="", kind="ours",
        better="low", target=LIMIT,
    )  # fmt: skip
    step = Row(what=f"{words}: a step", figure="us a step", unit="µs", kind="ours", better="low")
    return Duel(ours=f"watched-{network}", peer=f"unwatched-{network}", rows=(share, step), pairs=9)


TOPIC = Topic(
    name="warnings",
    title="Warnings while training",
    notes=(
        "Two trainings in one process, in turn a hundred steps each, so that every block holds one look at the layers; "
        "the share is the median over pairs of neighbouring blocks, in processor "
        "time, which neighbours on the machine do not lengthen. Ours has the warnings on in one of the two; the "
        "other column has them on in neither, and says how far from 1 chance alone leads.",
        "Batch 64, Adam, fp32, one thread; perceptrons of 64-64-64-10 and 784-128-64-10, and LeNet-5 with ReLU."
        " Pictures are 32 × 32.",
    ),
    duels=(
        _duel("64", "perceptron 64-64-64-10"), _duel("784", "perceptron 784-128-64-10"), _duel("lenet", "LeNet-5"),
    ),
)  # fmt: skip
