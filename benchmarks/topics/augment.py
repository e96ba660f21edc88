"""How fast pictures get ready for a network."""

from __future__ import annotations

from benchmarks.records import Duel, Row, Topic

__all__ = ["TOPIC"]


def _duel(peer: str, workers: int, how: str = "", target: float | None = 10.0) -> Duel:
    beside = f"crop, flip, normalise, beside `DataLoader`{how} with {workers} worker{'s' * (workers != 1)}"
    return Duel(
        ours="neuropil",
        peer=f"{peer}-{workers}",
        rows=[
            Row(
                what=beside,
                figure="pictures a second",
                unit="pictures/s",
                kind="ours / peer",
                better="high",
                target=target,
            ),
            Row(
                what=f"{beside}: seconds from process start to the end of one epoch",
                figure="cold seconds",
                unit="s",
                kind="peer / ours",
                better="high",
            ),
        ],
        outcome_within=0.05,
    )


TOPIC = Topic(
    name="augment",
    title="CIFAR-10 augmentation",
    notes=(
        "50,000 pictures of 3 × 32 × 32 bytes in memory, batch 128: pad by 4 and crop, flip, normalise. The peer is "
        "the usual `Dataset` of one picture (Pillow and torchvision's transforms), ours `Batches` with no worker "
        "threads, the default. To be ten times as fast as the best of the three loaders, it must be so beside each.",
        "The tuned loader has padded tensors in memory, slices and flips each, and normalises whole batches.",
        "Batches 4 to the last of one epoch count. Shapes and types must be the same, and the mean square of the "
        "normalised pictures must agree within 5 %.",
    ),
    duels=(
        *(_duel("loader", workers) for workers in (0, 1, 2)),
        *(_duel("tuned", workers, ", tuned,", target=0.97) for workers in (0, 2)),
    ),
)
