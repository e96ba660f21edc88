"""The same training twice in one process, in turn a hundred steps each: with the live warnings and without."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice

import torch

from benchmarks.peers.step import BATCH, LR, SIZES, prepared, problem
from benchmarks.records import Measurement
from neuropil.batches.batching import Batches
from neuropil.data.in_memory import InMemory
from neuropil.data.records import DataInfo
from neuropil.models import MODELS
from neuropil.optim import RULES, SCHEDULES
from neuropil.tasks.classification import Classification
from neuropil.training.loop import fit
from neuropil.training.plan import TrainingPlan
from neuropil.training.speed import Placement, SpeedPlan
from neuropil.training.stepping import Ingredients
from neuropil.training.watching import LOOK_EVERY

__all__ = ["COMPETITORS", "NETWORKS", "turns"]

NETWORKS = {"64": 40, "784": 40, "lenet": 12}
"""Name -> pairs of blocks that are timed."""

PICTURES, SIDE, KINDS = 1_024, 32, 10


def _ingredients(network: str, seed: int) -> Ingredients:
    if network in SIZES:
        return prepared(SIZES[network], *problem(SIZES[network], seed), seed)
    draw = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (PICTURES, 1, SIDE, SIDE), generator=draw, dtype=torch.uint8)
    mixing = torch.randn(SIDE * SIDE, KINDS, generator=draw)
    targets = ((pictures.flatten(1).float() - 127.5) @ mixing).argmax(dim=1)
    names = tuple(map(str, range(KINDS)))
    info = DataInfo("random pictures", "images", "classes", (1, SIDE, SIDE), names)
    torch.manual_seed(seed)
    model = MODELS.build("lenet5_modern", in_channels=1, num_classes=KINDS)
    return Ingredients(
        model=model,
        task=Classification(names),
        train=Batches(InMemory(pictures.numpy(), targets.numpy(), info), batch_size=BATCH, seed=seed),
        optimizer=RULES.build("adam", model.parameters(), lr=LR),
        schedule=SCHEDULES.build("constant"),
        speed=SpeedPlan(Placement()),
    )


def _steps(network: str, seed: int, *, warnings: bool) -> Iterator[object]:
    """A training that goes on for as long as one asks for steps."""
    plan = TrainingPlan(steps=10**7, clip_norm=1.0, warnings=warnings)
    return fit(_ingredients(network, seed), plan)


def _block(steps: Iterator[object]) -> float:
    """Processor seconds of as many steps as lie between two looks at the layers, so that one is among them."""
    begun = time.process_time()
    for _ in islice(steps, LOOK_EVERY):
        pass
    return time.process_time() - begun


def turns(network: str, seed: int, *, warnings: bool) -> Measurement:
    """How long a block takes, as a share of one without warnings beside it: the median over the pairs."""
    torch.set_num_threads(1)  # a second one that waits counts as work
    pairs = NETWORKS[network]
    mine, plain = _steps(network, seed, warnings=warnings), _steps(network, seed, warnings=False)
    _block(mine), _block(plain)
    shares, seconds = [], []
    for number in range(pairs):
        first, second = (mine, plain) if number % 2 == 0 else (plain, mine)
        times = {id(first): _block(first), id(second): _block(second)}
        shares.append(times[id(mine)] / times[id(plain)])
        seconds.append(times[id(mine)])
    figures = {"share": statistics.median(shares), "us a step": 1e6 * statistics.median(seconds) / LOOK_EVERY}
    return Measurement(figures, {"network": network, "pairs": pairs, "batch": BATCH, "lr": LR})


COMPETITORS = {
    f"{name}-{network}": partial(turns, network, warnings=on)
    for network in NETWORKS
    for name, on in (("watched", True), ("unwatched", False))
}
