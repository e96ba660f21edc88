"""Small runs for the training tests: networks, data with random augmentation, and ways to stop them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import nn

from neuropil.batches import AUGMENTATIONS
from neuropil.batches.augmentation import Augmentation
from neuropil.batches.batching import Batches
from neuropil.batches.normalization import Normalization
from neuropil.data.in_memory import InMemory
from neuropil.data.records import DataInfo
from neuropil.models import MODELS
from neuropil.optim import RULES, SCHEDULES
from neuropil.optim.averaging import WeightAverage
from neuropil.optim.groups import parameter_groups
from neuropil.tasks.classification import Classification
from neuropil.training.checkpoint import load_checkpoint
from neuropil.training.loop import fit
from neuropil.training.plan import TrainingPlan
from neuropil.training.reports import StepReport
from neuropil.training.run_folder import RunFolder
from neuropil.training.seeding import seed_everything
from neuropil.training.speed import Placement, SpeedPlan
from neuropil.training.stepping import Ingredients

CLASSES = ("a", "b", "c")


def pictures(count: int, *, seed: int = 0, side: int = 12) -> InMemory:
    """Noise pictures whose brightest corner tells the class."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, count)
    images = draw.integers(0, 120, (count, 1, side, side), dtype=np.uint8)
    for number, label in enumerate(labels):
        images[number, 0, : side // 2, (label * side // 3) : ((label + 1) * side // 3)] += 120
    info = DataInfo("noise", "images", "classes", (1, side, side), CLASSES)
    return InMemory(images, labels.astype(np.int64), info)


class TinyConvolution(nn.Module):
    """Convolution, batch normalisation, dropout: every kind of state that a run carries."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(8 * 9, 3)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.norm(self.conv(x)).relu(), 4)
        return self.head(self.drop(x.flatten(1)))


def network(name: str) -> nn.Module:
    if name == "convolution":
        return TinyConvolution()
    if name == "resnet20":
        return MODELS.build("resnet20", num_classes=3, in_channels=1, width=4)
    return MODELS.build("perceptron", in_features=144, num_classes=3, hidden=(16, 16), dropout=0.3)


def ingredients(
    *,
    model: str = "convolution",
    rule: str = "adam",
    precision: str = "fp32",
    channels_last: bool = False,
    workers: int = 0,
    schedule: str = "one_cycle",
    average: bool = False,
    samples: int = 150,
    seed: int = 3,
    options: dict | None = None,
) -> Ingredients:
    seed_everything(seed)
    speed = SpeedPlan(Placement("cpu", channels_last, precision))
    net = speed.placement.place_model(network(model))
    parts = [AUGMENTATIONS.build("flip"), AUGMENTATIONS.build("shift_crop", pixels=2)]
    normalize = Normalization((0.3,), (0.3,))
    train = pictures(samples)
    return Ingredients(
        model=net,
        task=Classification(CLASSES),
        train=Batches(
            train, batch_size=16, seed=seed, workers=workers, augment=Augmentation(parts, seed), normalize=normalize
        ),
        valid=Batches(pictures(40, seed=1), batch_size=16, seed=0, shuffle=False, normalize=normalize),
        optimizer=RULES.build(rule, parameter_groups(net, weight_decay=1e-3), **(options or {"lr": 0.01})),
        schedule=SCHEDULES.build(schedule),
        average=WeightAverage(net, 0.9) if average else None,
        speed=speed,
    )


def run_to_end(parts: Ingredients, plan: TrainingPlan, folder: Path, **more) -> list[StepReport]:
    folder.mkdir(parents=True, exist_ok=True)
    run = RunFolder(folder)
    try:
        return list(fit(parts, plan, run=run, **more))
    finally:
        run.close()


def everything(folder: Path) -> tuple[bytes, dict, dict]:
    """The log, the tensors' bytes and the plain state of a run's newest checkpoint."""
    found = load_checkpoint(folder / "checkpoints" / "last")
    tensors = {
        f"{stem}.{name}": (tuple(tensor.shape), tensor.numpy().tobytes())
        for stem, named in found.tensors.items()
        for name, tensor in named.items()
    }
    return (folder / "metrics.jsonl").read_bytes(), tensors, found.state
