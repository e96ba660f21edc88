"""How long a step of each update rule takes."""

from __future__ import annotations

from benchmarks.records import Duel, Row, Topic

__all__ = ["CASES", "COLD", "FUSED", "NETWORKS", "TOPIC"]

NETWORKS = {"resnet18": "ResNet-18", "mobilenet-v2": "MobileNetV2"}
FORMS = {"chapter": "the chapter's form", "torch": "PyTorch's form", "both": "the one form"}
CASES = (
    *(("gradient_descent", "both"), ("momentum", "chapter"), ("momentum", "torch"), ("nag", "chapter")),
    *(("nag", "torch"), ("adagrad", "chapter"), ("adagrad", "torch"), ("adam", "both"), ("adamw", "both")),
    *(("adadelta", "both"), ("rmsprop", "chapter"), ("rmsprop", "torch"), ("adamax", "chapter"), ("adamax", "torch")),
)
FUSED = ("gradient_descent", "momentum", "nag", "adagrad", "adam", "adamw")
"""What PyTorch has a fused kernel for."""

LIMIT_BESIDE_FUSED, LIMIT_BESIDE_DEFAULT = 1.03, 0.55
COLD = "rmsprop"


def _duel(network: str) -> Duel:
    rows = []
    for rule, form in CASES:
        said = f"{NETWORKS[network]}, {rule}, {FORMS[form]}"
        target = LIMIT_BESIDE_FUSED if rule in FUSED else LIMIT_BESIDE_DEFAULT
        beside = "torch.optim fused" if rule in FUSED else "torch.optim's default"
        ratio, time = f"{said}: ours over {beside}", f"{said}, beside its traffic floor"
        key = f"{rule} {form}"
        rows.append(Row(what=ratio, figure=f"{key} ratio", unit="×", kind="ours", better="low", target=target))
        rows.append(Row(what=time, figure=f"{key} ms", unit="ms", kind="ours / peer", better="low"))
    cold = f"{NETWORKS[network]}, {COLD}, 200 steps with compiling: ours over torch.optim's default"
    rows.append(Row(what=cold, figure="cold ratio", unit="×", kind="ours", better="low"))
    seconds = f"{NETWORKS[network]}, {COLD}, compiling"
    rows.append(Row(what=seconds, figure="compiling seconds", unit="s", kind="ours", better="low"))
    return Duel(ours=f"neuropil-{network}", peer=f"floor-{network}", rows=rows)


TOPIC = Topic(
    name="rules",
    title="A step of each update rule",
    notes=(
        "The step alone, over the parameters of a network, fp32, random gradients; both sides step by turns, A B B A, "
        "in one process, each on weights, gradients and state of its own, which together exceed the cache, and end at "
        "the same weights. One process is one pair; its numbers are medians of 40 steps after 3.",
        "Where PyTorch has a fused kernel, it is what we stand beside; Adadelta, RMSprop and AdaMax have none, so "
        "there it is what its user gets by default on a processor, one tensor after another.",
        "The floor is the bytes that the rule must read and write over the memory bandwidth of an addition in place, "
        "measured in a process of its own. Compiling: our kernel by the system's C compiler, at the first step.",
    ),
    duels=tuple(_duel(network) for network in NETWORKS),
)
