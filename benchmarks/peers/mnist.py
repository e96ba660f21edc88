"""Time to 99 % on MNIST: our recipe, and the settings of the well-known plain PyTorch example, written here."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from benchmarks.records import Measurement
from benchmarks.run_one import seconds_since_start
from benchmarks.shared_data import data_folder, transforms

__all__ = ["COMPETITORS", "ExampleNetwork"]

GOAL, MOST_EPOCHS = 0.99, 14
MEAN, STD = 0.1307, 0.3081

Loader = Iterable[tuple[Tensor, Tensor]]
Array = np.ndarray[Any, Any]


def _root() -> Path:
    folder = data_folder()
    if folder is None:
        raise FileNotFoundError("there is no folder of data sets; set NEUROPIL_TEST_DATA")
    return folder / "mnist"


def _measured(reached: bool, training: float, cold: float, fp32: float, **notes: float) -> Measurement:
    figures = {"training seconds": training, "cold seconds": cold}
    found = {k: v if reached else math.inf for k, v in figures.items()}
    return Measurement({**found, "fp32 training seconds": fp32}, {"goal": GOAL}, notes=notes)


def neuropil(seed: int) -> Measurement:
    """The built-in recipe, its report included in the cold figure; then the same in fp32."""
    accuracy, training = _train(seed)
    cold = seconds_since_start()
    plain_accuracy, plain = _train(seed, "precision=fp32")
    fp32 = plain if plain_accuracy >= GOAL else math.inf
    return _measured(accuracy >= GOAL, training, cold, fp32, accuracy=accuracy, fp32_accuracy=plain_accuracy)


def _train(seed: int, *words: str) -> tuple[float, float]:
    """Test accuracy and seconds of training."""
    import neuropil as toolkit

    with TemporaryDirectory() as runs:
        run = toolkit.train("mnist-fast", f"data.root={_root()}", f"seed={seed}", *words, runs=runs, progress=False)
        timing = json.loads((run.folder.path / "timing.json").read_text(encoding="utf-8"))
        return run.results["test"]["accuracy"], timing["training_seconds"]


class ExampleNetwork(nn.Module):
    """Two convolutions, pooling, two dense layers, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
        self.dropout1, self.dropout2 = nn.Dropout(0.25), nn.Dropout(0.5)
        self.fc1, self.fc2 = nn.Linear(9216, 128), nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Log-probabilities `[N, 10]`."""
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        x = self.dropout1(F.max_pool2d(x, 2)).flatten(1)
        return F.log_softmax(self.fc2(self.dropout2(F.relu(self.fc1(x)))), dim=1)


class OneByOne(Dataset[tuple[Tensor, int]]):
    """A Pillow picture, the transforms, a tensor."""

    def __init__(self, images: Array, classes: Array, transform: Callable[[Image.Image], Tensor]) -> None:
        self.images, self.classes, self.transform = images, classes.tolist(), transform

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.classes[index]


class InMemory:
    """The tuned form: normalised once, batches by index."""

    def __init__(self, images: Array, classes: Array, batch: int, shuffle: bool) -> None:
        self.inputs = ((torch.from_numpy(images.copy()).float() / 255 - MEAN) / STD).unsqueeze(1)
        self.targets, self.batch, self.shuffle = torch.from_numpy(classes.copy()).long(), batch, shuffle

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        count = len(self.inputs)
        order = torch.randperm(count) if self.shuffle else torch.arange(count)
        for chosen in torch.split(order, self.batch):
            yield self.inputs.index_select(0, chosen), self.targets.index_select(0, chosen)


def _loaders(tuned: bool) -> tuple[Loader, Loader]:
    """Training (batch 64, shuffled) and test (batch 1000)."""
    from neuropil.data.idx import read_idx

    names = [("train", 64, True), ("t10k", 1000, False)]
    loaders: list[Loader] = []
    transform = None
    if not tuned:
        known = transforms()
        transform = known.Compose([known.ToTensor(), known.Normalize((MEAN,), (STD,))])
    for part, batch, shuffle in names:
        images = read_idx(next(_root().glob(f"{part}-images*")), axes=3)
        classes = read_idx(next(_root().glob(f"{part}-labels*")), axes=1)
        if transform is None:
            loaders.append(InMemory(images, classes, batch, shuffle))
        else:
            loaders.append(DataLoader(OneByOne(images, classes, transform), batch_size=batch, shuffle=shuffle))
    return loaders[0], loaders[1]


def example(tuned: bool, seed: int) -> Measurement:
    """Train until an epoch's test accuracy reaches the goal."""
    torch.manual_seed(seed)
    train, test = _loaders(tuned)
    model: nn.Module = ExampleNetwork()
    if tuned:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = optim.Adadelta(model.parameters(), lr=1.0, foreach=tuned or None)
    schedule = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    narrow = tuned and bool(torch.cpu._is_avx512_bf16_supported())
    training, accuracy, epochs = 0.0, 0.0, 0
    while accuracy < GOAL and epochs < MOST_EPOCHS:
        begin = time.perf_counter()
        model.train()
        for inputs, targets in train:
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=narrow):
                outputs = model(inputs)
            F.nll_loss(outputs.float(), targets).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        training, epochs = training + time.perf_counter() - begin, epochs + 1
        accuracy = _accuracy(model, test)
        schedule.step()
    reached = accuracy >= GOAL
    fp32 = training if reached and not narrow else math.inf
    return _measured(reached, training, seconds_since_start(), fp32, accuracy=accuracy, epochs=epochs)


def _accuracy(model: nn.Module, test: Loader) -> float:
    model.eval()
    right = count = 0
    with torch.inference_mode():
        for inputs, targets in test:
            right += int((model(inputs).argmax(1) == targets).sum())
            count += len(targets)
    return right / count


COMPETITORS: dict[str, Callable[[int], Measurement]] = {
    "neuropil": neuropil,
    "example": partial(example, False),
    "example-tuned": partial(example, True),
}
