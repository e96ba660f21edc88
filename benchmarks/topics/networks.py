"""How fast whole networks train and answer, beside the same networks of torchvision and timm."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.records import Duel, Row, Topic

__all__ = ["BATCH", "COLD", "COLD_STEPS", "NETWORKS", "RATIOS", "SPARING", "TOPIC", "TUNED", "Peer"]

BATCH = 8
COLD, COLD_STEPS = ("resnet18", "mobilenet_v2", "shufflenet_v2"), 200
"""A network that gains much by the plan, one that gains less, and one that gains least."""


class Peer(NamedTuple):
    """The same network elsewhere.

    Args:
        library: torchvision or timm.
        name: there.
        options: ours, so that both compute the same.
    """

    library: str
    name: str
    options: tuple[tuple[str, str | float], ...] = ()


NETWORKS = {
    "alexnet": Peer("torchvision", "alexnet", (("form", "torchvision"),)),
    "vgg11_bn": Peer("torchvision", "vgg11_bn"),
    "googlenet": Peer("torchvision", "googlenet", (("form", "torchvision"),)),
    "resnet18": Peer("torchvision", "resnet18"),
    "resnet50": Peer("torchvision", "resnet50"),
    "resnetv2_50": Peer("timm", "resnetv2_50"),
    "densenet121": Peer("torchvision", "densenet121"),
    "dpn68": Peer("timm", "dpn68"),
    "se_resnet50": Peer("timm", "legacy_seresnet50"),
    "mobilenet_v2": Peer("torchvision", "mobilenet_v2"),
    "mobilenet_v3_large": Peer("torchvision", "mobilenet_v3_large"),
    "shufflenet_v2": Peer("torchvision", "shufflenet_v2_x1_0"),
    "mnasnet_a1": Peer("timm", "semnasnet_100"),
}
"""One of each family; the other depths are made of the same layers."""

RATIOS = {
    "training": ("a training step, ours by its speed plan", 1.0, 0.50),
    "training fp32": ("a training step, ours by its plan in fp32 only", 1.0, 0.77),
    "inference": ("inference, ours by its speed plan", None, None),
}
"""Ours beside theirs as shipped, the limit for each network, and the limit for the geometric mean of all."""

TUNED = {
    "training tuned": ("a training step, both by the same plan: ours over theirs", 1.03),
    "inference tuned": ("inference, both by the same plan: ours over theirs", None),
}
"""Both in one process, and the limit for each network and for all."""

SPARING = {
    "densenet memory": ("DenseNet-121 with recomputation over torchvision's default: activations kept", 0.50),
    "densenet time": ("DenseNet-121 with recomputation over torchvision's default: time of a step", 1.2),
}


def _rows() -> list[Row]:
    rows = []
    for key, (said, each, limit) in RATIOS.items():
        for name in ("all", *NETWORKS):
            what = f"{said}: geometric mean" if name == "all" else f"{name}, {said}"
            target = limit if name == "all" else each
            rows.append(
                Row(what=what, figure=f"{key} {name}", unit="ms", kind="ours / peer", better="low", target=target)
            )
    for key, (said, limit) in TUNED.items():
        for name in ("all", *NETWORKS):
            what = f"{said}: geometric mean" if name == "all" else f"{name}, {said}"
            rows.append(Row(what=what, figure=f"{key} {name}", unit="×", kind="ours", better="low", target=limit))
    rows += [
        Row(what=f"{name}, a training step by its speed plan, beside the floor of its products",
            figure=f"floor {name}", unit="ms", kind="ours / peer", better="low")
        for name in NETWORKS
    ]  # fmt: skip
    rows += [
        Row(what=f"{name}, activations kept for the way back, beside theirs", figure=f"mib {name}", unit="MiB",
            kind="ours / peer", better="low")
        for name in NETWORKS
    ]  # fmt: skip
    return rows + [
        Row(what=said, figure=key, unit="×", kind="ours", better="low", target=target)
        for key, (said, target) in SPARING.items()
    ]


def _cold(name: str) -> Duel:
    row = Row(
        what=f"{name}, {COLD_STEPS} steps from the start of the process, imports and the choice of settings included",
        figure="seconds",
        unit="s",
        kind="ours / peer",
        better="low",
        target=1.0,
    )
    return Duel(ours=f"neuropil-cold-{name}", peer=f"cold-{name}", rows=[row], pairs=5, outcome_within=0.02)


TOPIC = Topic(
    name="networks",
    title="Whole networks",
    notes=(
        f"Batches of {BATCH} random pictures of 224 × 224, 1000 classes, the same weights on both sides (and equal "
        "losses, which is checked). A training step is forward, loss and backward; inference is forward without "
        "gradients, in evaluation mode. Medians after a step to warm up: of steps for 5 s, three at least; of three "
        "for inference. Each network is a process of its own on either side, ours and its peer's right after one "
        "another; a pair is all of them once.",
        "As shipped: eager, ordinary layout, fp32. Ours runs as a training run does, which "
        "keeps freed memory and chooses layout and precision by trying them for runs of more than 20 s; compiling is "
        "left out. Under the same plan both sides run by turns, A B B A, in our process, and the peer gets layout, "
        "autocast and kept memory too.",
        "The floor is two operations for each multiply-add, three times for training, at the best bf16 matrix product "
        "that was measured in the same pair.",
        "From the start of the process: as shipped or as a training run does it, with stochastic gradient descent on "
        "one batch; both sides build both networks, so that their weights are the same.",
    ),
    duels=(Duel(ours="neuropil", peer="as-shipped", rows=_rows(), pairs=5, parts=tuple(NETWORKS)), *map(_cold, COLD)),
)
