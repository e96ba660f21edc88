"""How fast the blocks of networks for phones are."""

from __future__ import annotations

from benchmarks.records import Duel, Row, Topic

__all__ = ["PRECISIONS", "SHAPES", "TOPIC", "shape_name"]

PRECISIONS = ("fp32", "bf16")

SHAPES: dict[str, tuple[tuple[int, int, int, int], ...]] = {
    "mobilenet": (
        (32, 64, 112, 1),
        (64, 128, 112, 2),
        (128, 128, 56, 1),
        (256, 256, 28, 1),
        (512, 512, 14, 1),
        (1024, 1024, 7, 1),
    ),
    "shufflenet-v1": ((240, 240, 28, 1), (480, 480, 14, 1), (960, 960, 7, 1)),
    "shufflenet-v2": ((116, 116, 28, 1), (232, 232, 14, 1), (464, 464, 7, 1)),
}
"""Channels in and out, side of the input, stride."""

FAMILIES = {
    "mobilenet": "MobileNet's separable block",
    "shufflenet-v1": "ShuffleNet's unit, 3 groups",
    "shufflenet-v2": "ShuffleNet V2's unit",
}
TUNED, UNTUNED = 0.97, 1.0


def shape_name(shape: tuple[int, int, int, int]) -> str:
    """For the reader."""
    channels, wanted, side, stride = shape
    return f"{channels} to {wanted} channels, {side} x {side}" + (f", stride {stride}" if stride > 1 else "")


def _duel(family: str, precision: str, library: str, tuned: bool) -> Duel:
    beside = f"beside {library}{', channels-last' if tuned else ''}"

    def row(what: str, figure: str) -> Row:
        said = f"{FAMILIES[family]}, {precision}, {what}, {beside}"
        target = TUNED if tuned else UNTUNED
        return Row(what=said, figure=figure, unit="ms", kind="peer / ours", better="high", target=target)

    rows = [row("all shapes", "geometric mean")]
    if tuned and library == "torchvision":
        rows += [row(shape_name(shape), shape_name(shape)) for shape in SHAPES[family]]
    return Duel(
        ours=f"neuropil-{family}-{precision}",
        peer=f"{library}{'-channels-last' if tuned else ''}-{family}-{precision}",
        rows=rows,
        outcome_within=0.02,
    )


TOPIC = Topic(
    name="separable",
    title="Separable, grouped and shuffled convolution",
    notes=(
        "Milliseconds of one block in training, forward and backward, batch 8, random inputs, with the channels and "
        "sizes of each stage, and their geometric mean; bf16 is autocast over fp32 weights. Ours has the layout that "
        "is the faster one for the family: channels-last, for ShuffleNet V2 the plain one.",
        "Ours runs as a training run does, which has the allocator keep freed memory; the peers run as they are.",
        "The peers are the blocks of timm's and torchvision's networks; for ShuffleNet's first version, which neither "
        "has, torch's layers around torchvision's shuffle. Compiling is left out: where it was tried, at a shape of "
        "MobileNet and one of ShuffleNet in fp32, it made the block slower.",
    ),
    duels=tuple(
        _duel(family, precision, library, tuned)
        for family in FAMILIES
        for precision in PRECISIONS
        for library in (("torchvision", "timm") if family == "mobilenet" else ("torchvision",))
        for tuned in (False, True)
    ),
)
