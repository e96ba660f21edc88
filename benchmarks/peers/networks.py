"""Networks of ours and of torchvision and timm by turns: a training step, and inference."""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.machine import ceilings
from benchmarks.records import Measurement
from benchmarks.run_one import seconds_since_start
from benchmarks.shared_data import transforms
from benchmarks.topics.networks import BATCH, COLD, COLD_STEPS, NETWORKS, RATIOS, SPARING, TUNED
from neuropil.inspection.summary import summarize
from neuropil.models import create_model
from neuropil.nn.contracts import WithAuxiliaries
from neuropil.tasks.classification import Classification
from neuropil.training.memory import keep_freed_memory
from neuropil.training.speed import Placed, Placement, SpeedPlan, choose_speed
from neuropil.transfer.keys import translated

__all__ = ["COMPETITORS", "kept_bytes", "pair_of"]

WARM_UP, TURNS = 1, 3
SECONDS = 5.0
"""Of training at least: a step of a small network takes a tenth of one, and a machine's pace changes."""
LONG_RUN_STEPS = 1000
PLAIN = Placement()
TASK = Classification([f"class {number}" for number in range(1000)])


class MainLogits(nn.Module):
    """GoogLeNet's peer gives a tuple while training; both sides pay for the auxiliary classifiers."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Any:
        found = self.network(x)
        if isinstance(found, Tensor):
            return found
        return WithAuxiliaries(found.logits, (found.aux_logits1, found.aux_logits2), 0.3)


def pair_of(name: str) -> tuple[nn.Module, MainLogits]:
    """Our network and its peer, with the same weights and without dropout, which would draw differently."""
    peer = NETWORKS[name]
    transforms()  # torchvision, also where its compiled part does not fit
    more = {"init_weights": False} if name == "googlenet" else {}
    module = import_module("torchvision.models" if peer.library == "torchvision" else "timm.models")
    theirs = getattr(module, peer.name)(**more)
    ours = create_model(name, **dict(peer.options))
    take_weights(ours, theirs)
    for network in (ours, theirs):
        for layer in network.modules():
            if "Dropout" in type(layer).__name__:
                layer.p = layer.rate = 0.0  # type: ignore[assignment]
            if hasattr(layer, "drop_rate"):
                layer.drop_rate = 0.0
    return ours, MainLogits(theirs)


def take_weights(ours: nn.Module, theirs: nn.Module) -> None:
    """Give our network its peer's weights and running statistics."""
    weights, _ = translated(theirs.state_dict(), ours.state_dict())
    ours.load_state_dict(weights)


def batch() -> Placed:
    """Random pictures and classes."""
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(BATCH, 3, 224, 224, generator=draw)
    return Placed(inputs, torch.randint(1000, (BATCH,), generator=draw), np.arange(BATCH))


def train_step(network: nn.Module, placement: Placement) -> Callable[[], float]:
    """Forward, loss and backward; the loss."""
    placed = placement.place(batch())
    network.train()

    def step() -> float:
        network.zero_grad()
        with placement.precision_context():
            loss, _ = TASK.step(network, placed, None)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    return step


def inference(network: nn.Module, placement: Placement) -> Callable[[], float]:
    """Forward in evaluation mode."""
    placed = placement.place(batch())
    network.eval()

    def step() -> float:
        with torch.inference_mode(), placement.precision_context():
            return float(network(placed.inputs).float().square().mean())

    return step


def by_turns(steps: Sequence[Callable[[], float]], seed: int, within: float, seconds: float = 0.0) -> list[float]:
    """Milliseconds of each by turns, medians, for so many seconds at least; what they compute must agree.

    Raises:
        RuntimeError: it does not.
    """
    times: list[list[float]] = [[] for _ in steps]
    values = [math.nan] * len(steps)
    since = time.perf_counter()
    turn = 0
    while turn < WARM_UP + TURNS or time.perf_counter() - since < seconds:
        order = list(range(len(steps)))
        for number in order if (turn + seed) % 2 == 0 else reversed(order):
            begin = time.perf_counter()
            values[number] = steps[number]()
            times[number].append(1e3 * (time.perf_counter() - begin))
        turn += 1
    if max(values) - min(values) > within * abs(values[0]):
        raise RuntimeError(f"the sides computed different things: {values}")
    return [statistics.median(taken[WARM_UP:]) for taken in times]


@contextmanager
def placed(network: nn.Module, placement: Placement) -> Iterator[nn.Module]:
    """A network in a layout, and back in the ordinary one."""
    try:
        yield placement.place_model(network)
    finally:
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def kept_bytes(network: nn.Module) -> int:
    """What a forward pass in training keeps for the way back, each storage once, weights not counted."""
    network = copy.deepcopy(network)  # running averages stay as they are
    own = {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        if (place := tensor.untyped_storage().data_ptr()) not in own:
            kept[place] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss, _ = TASK.step(network.train(), batch(), None)
    del loss
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def alone(step: Callable[[], float], seconds: float = 0.0) -> tuple[float, float]:
    """Milliseconds, the median, for so many seconds at least, and what was computed."""
    times, value = [], math.nan
    since = time.perf_counter()
    while len(times) < WARM_UP + TURNS or time.perf_counter() - since < seconds:
        begin = time.perf_counter()
        value = step()
        times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times[WARM_UP:]), value


def one_network(name: str, seed: int) -> dict[str, float]:
    """Ours by its plans, and beside its peer by the same plan."""
    ours, theirs = pair_of(name)
    found: dict[str, float] = {"mib": kept_bytes(ours) / 2**20}
    chosen = choose_speed(ours, TASK, batch(), LONG_RUN_STEPS, compile=False)
    plan, in_fp32 = chosen.placement, fp32_plan(chosen)
    with placed(ours, in_fp32):
        found["training fp32"], _ = alone(train_step(ours, in_fp32), SECONDS)
    with placed(ours, plan), placed(theirs, plan):
        mine, other = by_turns([train_step(ours, plan), train_step(theirs, plan)], seed, 0.02, SECONDS)
        found["training"], found["training tuned"] = mine, mine / other
        take_weights(ours, theirs.network)  # ours has moved its statistics once more
        mine, other = by_turns([inference(ours, plan), inference(theirs, plan)], seed, 0.05)
        found["inference"], found["inference tuned"] = mine, mine / other
    found["bf16"] = float(plan.precision == "bf16")
    return found


def fp32_plan(chosen: SpeedPlan) -> Placement:
    """The faster layout of a plan's fp32 trials."""
    tried = dict(chosen.measured)
    return Placement(channels_last=tried["fp32, channels last"] < tried["fp32, ordinary layout"])


def as_shipped_one(name: str) -> dict[str, float]:
    """The peer as its user gets it; its loss is held against ours with the same weights."""
    ours, theirs = pair_of(name)
    found = {"mib": kept_bytes(theirs) / 2**20}
    found["training"], loss = alone(train_step(theirs, PLAIN), SECONDS)
    found["inference"], _ = alone(inference(theirs, PLAIN))
    by = train_step(ours, PLAIN)()
    if abs(by - loss) > 0.02 * abs(loss):
        raise RuntimeError(f"{name}: the sides computed different things: {by} and {loss}")
    return found


def sparing_densenet(seed: int) -> dict[str, float]:
    """Ours with recomputation beside torchvision's default."""
    ours, theirs = pair_of("densenet121")
    sparing = create_model("densenet121", recompute=True)
    sparing.load_state_dict(ours.state_dict())
    mine, other = by_turns([train_step(sparing, PLAIN), train_step(theirs, PLAIN)], seed, 0.01, SECONDS)
    memory, time_taken = SPARING
    return {memory: kept_bytes(sparing) / kept_bytes(theirs), time_taken: mine / other}


def _work(name: str) -> dict[str, int]:
    with torch.device("meta"):
        network = create_model(name, **dict(NETWORKS[name].options))
    return {name: sum(p.numel() for p in network.parameters())}


def neuropil(name: str, seed: int) -> Measurement:
    """A network of ours, and beside its peer by the same plan."""
    keep_freed_memory()
    row = one_network(name, seed)
    figures = {f"{key} {name}": row[key] for key in (*RATIOS, *TUNED, "mib")} | {f"floor {name}": row["training"]}
    if name == "densenet121":
        figures |= sparing_densenet(seed)
    return Measurement(figures, _work(name), notes={f"bf16 {name}": row["bf16"]})


def as_shipped(name: str, seed: int) -> Measurement:
    """A peer, and the least time of its products."""
    row = as_shipped_one(name)
    figures = {f"{key} {name}": row[key] for key in ("training", "inference", "mib")}
    figures[f"training fp32 {name}"] = row["training"]
    operations = 3 * 2 * BATCH * summarize(pair_of(name)[0], (3, 224, 224)).multiply_adds
    figures[f"floor {name}"] = 1e-6 * operations / ceilings()["bf16_gflop_per_second"]
    figures |= {f"{key} {name}": 1.0 for key in TUNED}
    if name == "densenet121":
        figures |= dict.fromkeys(SPARING, 1.0)
    return Measurement(figures, _work(name))


def cold(name: str, ours: bool, seed: int) -> Measurement:
    """Seconds from the start of the process to the end of its first steps, and the first loss."""
    torch.manual_seed(seed)
    pair, plan = pair_of(name), PLAIN
    network = pair[0 if ours else 1]
    if ours:
        keep_freed_memory()
        plan = choose_speed(network, TASK, batch(), COLD_STEPS).placement
    plan.place_model(network)
    rule = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    step = train_step(network, plan)
    losses = []
    for _ in range(COLD_STEPS):
        losses.append(step())
        rule.step()
    weights = sum(p.numel() for p in network.parameters())
    return Measurement(
        {"seconds": seconds_since_start()},
        {"weights": weights, "batch": BATCH, "steps": COLD_STEPS},
        losses[0],
        notes={"last loss": losses[-1], "plan": plan.precision},
    )


COMPETITORS: dict[str, Callable[[int], Measurement]] = {}
for _name in NETWORKS:
    COMPETITORS |= {f"neuropil-{_name}": partial(neuropil, _name), f"as-shipped-{_name}": partial(as_shipped, _name)}
for _name in COLD:
    COMPETITORS |= {f"neuropil-cold-{_name}": partial(cold, _name, True), f"cold-{_name}": partial(cold, _name, False)}
