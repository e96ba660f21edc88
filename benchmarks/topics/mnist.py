"""How long until a network reads digits well."""

from __future__ import annotations

from benchmarks.records import Duel, Row, Topic
from benchmarks.shared_data import missing_mnist

__all__ = ["TOPIC"]


def _row(what: str, figure: str, target: float | None = None) -> Row:
    return Row(what=what, figure=figure, unit="s", kind="peer / ours", better="high", target=target)


def _duel(peer: str, beside: str, target: float, *more: Row) -> Duel:
    return Duel(
        ours="neuropil",
        peer=peer,
        pairs=5,
        rows=[
            _row(f"99 % test accuracy, beside {beside}: training", "training seconds", target),
            *more,
            _row(f"the same from process start to the end: all of it, beside {beside}", "cold seconds"),
        ],
    )


TOPIC = Topic(
    name="mnist",
    title="Time to 99 % on MNIST (an algorithmic gain)",
    notes=(
        "Another network and another recipe reach the same accuracy with less work: this is a gain of the algorithm, "
        "not of the loop. Ours is the recipe `mnist-fast`; its training time includes its validation. The peer has "
        "the settings of the well-known plain PyTorch example (two convolutions, batch 64, Adadelta at 1.0, 0.7 times "
        "that each epoch) and stops at the first epoch whose test accuracy is 99 % or more; its test passes are not "
        "counted as training. A run that misses 99 % counts as infinitely long. Another seed each pair.",
        "The recipe multiplies in bf16, the example in fp32; the second row is the recipe with `precision=fp32`, which "
        "is run once more in the same process.",
        "The tuned peer has its pictures ready in memory, channels last and bf16 where the processor has it.",
    ),
    duels=(
        _duel("example", "the example's settings", 15.0, _row("the same, both in fp32", "fp32 training seconds")),
        _duel("example-tuned", "the same, tuned", 0.97),
    ),
    missing=missing_mnist,
)
