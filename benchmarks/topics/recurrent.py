"""What a recurrent layer costs, with and without a kernel of torch's."""

from __future__ import annotations

from benchmarks.records import Duel, Row, Topic

__all__ = ["SHAPES", "TOPIC"]

SHAPES = ((32, 100, 64, 128), (64, 50, 256, 256), (16, 200, 512, 512))
"""Batch, steps, features, units."""


def named(shape: tuple[int, ...]) -> str:
    """A shape as figures are called by it."""
    return "x".join(map(str, shape))


def _row(what: str, figure: str, target: float | None) -> Row:
    return Row(what=what, figure=figure, unit="ms", kind="ours / peer", better="low", target=target)


def _duel(ours: str, peer: str, what: str, mean: float | None, each: float | None, *, wide: bool = False) -> Duel:
    shapes = [shape for shape in SHAPES if not wide or shape[3] >= 256]
    rows = [_row(f"{what}: {' × '.join(map(str, shape))}", f"ms {named(shape)}", each) for shape in shapes]
    if mean is not None:
        rows.append(_row(f"{what}: geometric mean", "ms all", mean))
    return Duel(ours=ours, peer=peer, rows=rows, pairs=15 if mean or each else 5, parts=[named(one) for one in shapes])


TOPIC = Topic(
    name="recurrent",
    title="Recurrent layers",
    notes=(
        "Forward and backward of one layer, batch × steps × features × units. With a peephole the output gate sees the "
        "cell, which torch's LSTM cannot; its own, without one, does a little less. The plain loop is what one writes "
        "in its place: one step after another, with autograd. Each number is the median of the runs of 2 seconds, 7 at "
        "least, after 3, in a process of its own; both sides of a shape run one after the other. The mean is the "
        "geometric one over the shapes. The kept rows with a peephole are of 0.8 seconds, all shapes in one process.",
        "A step but its product is compiled by Numba at the first one, however many there are: how much longer the "
        "first forward and backward pass of a process takes than the next ones, Numba's import with it. bf16 is "
        "autocast, beside torch's layer in fp32. Keras runs on torch.",
    ),
    duels=(
        _duel("peephole", "torch-lstm", "LSTM with a peephole, beside torch's without", 1.35, None),
        _duel("peephole", "loop", "LSTM with a peephole, beside the plain loop", 0.5, 1 / 1.35),
        _duel("peephole-bf16", "torch-lstm", "LSTM with a peephole in bf16, beside torch's without, in fp32", None, 0.8,
              wide=True),
        *(
            _duel(cell, f"torch-{cell}", f"{cell.upper()}, beside torch's", 1.03, 1.03)
            for cell in ("rnn", "lstm", "gru")
        ),
        Duel(
            ours="peephole-start-2000",
            peer="peephole-start-50",
            rows=[
                Row(what="LSTM with a peephole, 2,000 steps: time to compile", figure="compile s", unit="s",
                    kind="ours", better="low", target=5.0),
                Row(what="the same, beside 50 steps", figure="compile s", unit="s", kind="ours / peer", better="low",
                    target=1.1),
            ],
        ),
        _duel("peephole", "keras-lstm", "LSTM with a peephole, beside Keras' without", None, None),
    ),
)  # fmt: skip
