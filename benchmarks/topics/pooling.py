"""What drawing a window's value costs beside taking its largest."""

from __future__ import annotations

from benchmarks.records import Duel, Row, Topic

__all__ = ["LAYOUTS", "MAPS", "TOPIC", "TYPES"]

MAPS = ((96, 55, 55), (256, 27, 27), (256, 13, 13))
TYPES = ("fp32", "bf16")
LAYOUTS = ("", "-channels-last")
LIMIT = 3.0


def _duel(peer: str, beside: str, kind: str, target: float | None) -> Duel:
    def row(maps: tuple[int, ...], pass_: str) -> Row:
        size = " × ".join(map(str, maps))
        return Row(
            what=f"{size}, {pass_}, beside {beside}",
            figure=f"{pass_} ms {'x'.join(map(str, maps))}",
            unit="ms",
            kind="ours / peer",
            better="low",
            target=target,
        )

    rows = [row(maps, pass_) for pass_ in ("forward", "forward and backward") for maps in MAPS]
    return Duel(ours=f"neuropil-{kind}", peer=f"{peer}-{kind}", rows=rows, pairs=15 if target else 5)


TOPIC = Topic(
    name="pooling",
    title="Stochastic pooling while training",
    notes=(
        "AlexNet's three poolings: windows of 3 × 3, one every 2 places, batch 32, values as ReLU leaves them. Ours "
        "draws an element of each window; beside it torch's `F.max_pool2d`, which only finds the largest.",
        "Backward means the gradient of the input. Each number is the median of 9 runs after 2.",
        "Channels-last is for the record: torch's max pooling has vector code for that layout alone, and takes less "
        "time there than drawing one random number a window. So is the composition that one would write: `unfold`, "
        "`multinomial`, `gather`.",
    ),
    duels=(
        _duel("max", "max pooling, fp32", "fp32", LIMIT),
        _duel("max", "max pooling, bf16", "bf16", None),
        _duel("max", "max pooling, fp32, channels-last", "fp32-channels-last", None),
        _duel("composed", "`unfold` and `multinomial`, fp32", "fp32", None),
    ),
)
