"""How fast photographs in folders get ready for a network."""

from __future__ import annotations

from benchmarks.records import Duel, Row, Topic
from benchmarks.shared_data import data_folder

__all__ = ["ARCHIVE", "TOPIC"]

ARCHIVE = "imagenet-mini/imagenet-mini50.zip"


def missing() -> str | None:
    """Why the photographs cannot be read, or `None`."""
    folder = data_folder()
    if folder is None or not (folder / ARCHIVE).is_file():
        return f"there are no photographs; set NEUROPIL_TEST_DATA to a folder with {ARCHIVE} in it"
    return None


def _duel(peer: str, workers: int, target: float | None) -> Duel:
    said = f"beside torchvision's `v2` transforms and `DataLoader` with {workers} workers"
    return Duel(
        ours=f"neuropil-{workers}",
        peer=f"{peer}-{workers}",
        rows=[
            Row(
                what=f"decode, random resized crop to 224, flip, normalise, {said}",
                figure="pictures a second",
                unit="pictures/s",
                kind="ours / peer",
                better="high",
                target=target,
            )
        ],
        outcome_within=0.1,
    )


TOPIC = Topic(
    name="photos",
    title="Photographs in folders",
    notes=(
        "JPEG files of about 500 × 375 pixels, 50 photographs of ImageNet over and over, 800 in all, batch 32, two "
        "processors. The peer is `ImageFolder` with torchvision's `v2` transforms (`RandomResizedCrop`, flip, "
        "`ToDtype`, `Normalize`) and worker processes; ours `open_folder` and `Batches` with as many threads. Ours "
        "decodes a JPEG at the least scale that the crop needs.",
        "Batches 4 to the last of one epoch count. Shapes and types must be the same, and the mean square of the "
        "normalised pictures must agree within 10 %.",
    ),
    duels=(_duel("torchvision", 2, 1.4), _duel("torchvision", 0, None)),
    missing=missing,
)
