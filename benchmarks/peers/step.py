"""A small perceptron trained by our loop, by a loop written by hand, and by Keras."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.records import Measurement
from benchmarks.run_one import seconds_since_start
from neuropil.batches.batching import Batches
from neuropil.data.in_memory import InMemory
from neuropil.data.records import DataInfo
from neuropil.models import MODELS
from neuropil.optim import RULES, SCHEDULES
from neuropil.tasks.classification import Classification
from neuropil.training.loop import fit
from neuropil.training.plan import TrainingPlan
from neuropil.training.run_folder import RunFolder
from neuropil.training.signals import StopSignals
from neuropil.training.speed import Placement, SpeedPlan
from neuropil.training.stepping import Ingredients

__all__ = ["COMPETITORS", "by_hand", "layers", "prepared", "problem"]

SIZES = {"64": (64, 64, 64, 10), "784": (784, 128, 64, 10)}
BATCH, SAMPLES, TIMED_EPOCHS, LR = 64, 25_600, 10, 1e-3
CLASSES = tuple(str(number) for number in range(10))


def problem(sizes: tuple[int, ...], seed: int) -> tuple[Tensor, Tensor]:
    """Random inputs, and the class that a random linear map makes of each."""
    draw = torch.Generator().manual_seed(seed)
    inputs = torch.randn(SAMPLES, sizes[0], generator=draw)
    return inputs, (inputs @ torch.randn(sizes[0], sizes[-1], generator=draw)).argmax(dim=1)


def layers(sizes: tuple[int, ...], seed: int) -> nn.Sequential:
    """The network as one writes it; every competitor starts from its weights."""
    torch.manual_seed(seed)
    parts = [part for n, m in pairwise(sizes) for part in (nn.Linear(n, m), nn.ReLU())]
    return nn.Sequential(*parts[:-1])


def by_hand(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    inputs: Tensor,
    targets: Tensor,
    order: Callable[[int], Tensor] = torch.randperm,
) -> Iterator[None]:
    """The loop of a careful user; one `None` an epoch."""
    model.train()
    while True:
        for chosen in torch.split(order(len(inputs)), BATCH):
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(inputs.index_select(0, chosen)), targets.index_select(0, chosen))
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        yield


def _loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Over all samples after the first epoch: later ones only learn the samples by heart."""
    with torch.inference_mode():
        return F.cross_entropy(model(inputs), targets).item()


def _weights(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def _measured(weights: int, rule: object, outcome: float, cold: float, seconds: float) -> Measurement:
    steps = TIMED_EPOCHS * SAMPLES // BATCH
    return Measurement(
        {"us a step": 1e6 * seconds / steps, "cold seconds": cold},
        {"weights": weights, "rule": type(rule).__name__, "lr": LR, "batch": BATCH, "steps": steps},
        outcome,
        flop_per_second=6.0 * weights * BATCH * steps / seconds,
    )


def prepared(sizes: tuple[int, ...], inputs: Tensor, targets: Tensor, seed: int) -> Ingredients:
    """What `fit` needs: our perceptron with the weights of `layers`, our Adam, our batches."""
    info = DataInfo("random numbers", "table", "classes", (sizes[0],), CLASSES)
    model = MODELS.build("perceptron", in_features=sizes[0], hidden=sizes[1:-1], num_classes=sizes[-1])
    with torch.no_grad():
        for ours, theirs in zip(model.parameters(), layers(sizes, seed).parameters(), strict=True):
            ours.copy_(theirs)
    return Ingredients(
        model=model,
        task=Classification(CLASSES),
        train=Batches(InMemory(inputs.numpy(), targets.numpy(), info), batch_size=BATCH, seed=seed),
        optimizer=RULES.build("adam", model.parameters(), lr=LR),
        schedule=SCHEDULES.build("constant"),
        speed=SpeedPlan(Placement()),
    )


def neuropil(shape: str, seed: int) -> Measurement:
    """`fit` with all that it watches over."""
    inputs, targets = problem(SIZES[shape], seed)
    ingredients = prepared(SIZES[shape], inputs, targets, seed)
    model = ingredients.model
    per_epoch = SAMPLES // BATCH
    plan = TrainingPlan(epochs=TIMED_EPOCHS + 2, clip_norm=1.0)
    with TemporaryDirectory() as folder, StopSignals() as stop:
        run = RunFolder(Path(folder))
        for report in fit(ingredients, plan, run=run, stop=stop):
            if report.step == per_epoch:
                cold, outcome = seconds_since_start(), _loss(model, inputs, targets)
                begin = time.perf_counter()
            elif report.step == (1 + TIMED_EPOCHS) * per_epoch:
                seconds = time.perf_counter() - begin
                break
        run.close()
    return _measured(_weights(model), ingredients.optimizer, outcome, cold, seconds)


def hand_written(shape: str, fused: bool, seed: int) -> Measurement:
    """The loop by hand, with Adam as torch ships it or its fused form."""
    inputs, targets = problem(SIZES[shape], seed)
    model = layers(SIZES[shape], seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=fused or None)
    epochs = by_hand(model, optimizer, inputs, targets)
    next(epochs)
    cold, outcome = seconds_since_start(), _loss(model, inputs, targets)
    begin = time.perf_counter()
    for _ in range(TIMED_EPOCHS):
        next(epochs)
    return _measured(_weights(model), optimizer, outcome, cold, time.perf_counter() - begin)


def keras(shape: str, seed: int) -> Measurement:
    """`model.fit` of Keras on its torch backend."""
    import keras

    sizes = SIZES[shape]
    inputs, targets = (tensor.numpy() for tensor in problem(sizes, seed))
    model = keras.Sequential([keras.Input((sizes[0],))])
    for number, width in enumerate(sizes[1:], start=2):
        model.add(keras.layers.Dense(width, activation="relu" if number < len(sizes) else None))
    start = [p.detach().numpy() for p in layers(sizes, seed).parameters()]
    model.set_weights([np.ascontiguousarray(one.T) for one in start])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(LR), loss=loss)
    model.fit(inputs, targets, batch_size=BATCH, epochs=1, verbose=0)
    cold = seconds_since_start()
    outcome = model.evaluate(inputs, targets, batch_size=SAMPLES, verbose=0)
    begin = time.perf_counter()
    model.fit(inputs, targets, batch_size=BATCH, epochs=TIMED_EPOCHS, verbose=0)
    seconds = time.perf_counter() - begin
    return _measured(model.count_params(), model.optimizer, float(outcome), cold, seconds)


COMPETITORS: dict[str, Callable[[int], Measurement]] = {
    name: competitor
    for shape in SIZES
    for name, competitor in (
        (f"neuropil-{shape}", partial(neuropil, shape)),
        (f"torch-{shape}", partial(hand_written, shape, False)),
        (f"torch-fused-{shape}", partial(hand_written, shape, True)),
        (f"keras-{shape}", partial(keras, shape)),
    )
}
