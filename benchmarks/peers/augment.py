"""Crop, flip and normalise 50,000 CIFAR-10 pictures: our batches, and the usual loader of single pictures."""

from __future__ import annotations

import lzma
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.records import Measurement
from benchmarks.run_one import seconds_since_start
from benchmarks.shared_data import data_folder

__all__ = ["COMPETITORS", "pictures", "timed"]

COUNT, BATCH, WARM_UP, KEEP_EVERY = 50_000, 128, 3, 20
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)

Array = np.ndarray[Any, Any]


def pictures() -> tuple[Array, Array, str]:
    """uint8 `[50000, 3, 32, 32]`, classes, and where they come from."""
    folder = data_folder()
    path = folder and folder / "cifar10" / "data_batch_1.first4000.bin.xz"
    if path is None or not path.is_file():
        draw = np.random.default_rng(0)
        images = draw.integers(0, 256, (COUNT, 3, 32, 32), dtype=np.uint8)
        return images, draw.integers(0, 10, COUNT), "random pictures"
    records = np.frombuffer(lzma.decompress(path.read_bytes()), dtype=np.uint8).reshape(-1, 3073)
    records = records[np.arange(COUNT) % len(records)]
    images = np.ascontiguousarray(records[:, 1:]).reshape(-1, 3, 32, 32)
    return images, records[:, 0].astype(np.int64), "4,000 pictures of CIFAR-10, over and over"


def timed(batches: Iterable[tuple[Tensor, Tensor]], source: str, keep_every: int = KEEP_EVERY) -> Measurement:
    """Run through one epoch; now and then a batch is kept, to be looked at afterwards."""
    kept, seen, begin = [], 0, time.perf_counter()
    for number, (inputs, targets) in enumerate(batches, start=1):
        if number > WARM_UP:
            seen += len(targets)
        elif number == WARM_UP:
            begin = time.perf_counter()
        if number % keep_every == 1:
            kept.append(inputs)
    seconds = time.perf_counter() - begin
    cold = seconds_since_start()
    work = {"pictures": seen, "source": source, "shape": list(kept[0].shape), "type": str(kept[0].dtype)}
    outcome = torch.cat(kept).square().mean().item()
    return Measurement({"pictures a second": seen / seconds, "cold seconds": cold}, work, outcome)


def neuropil(seed: int) -> Measurement:
    """`Batches` as a recipe makes them."""
    from neuropil.batches import AUGMENTATIONS
    from neuropil.batches.augmentation import Augmentation
    from neuropil.batches.batching import Batches
    from neuropil.batches.normalization import Normalization
    from neuropil.data.in_memory import InMemory
    from neuropil.data.records import DataInfo

    images, classes, source = pictures()
    info = DataInfo(source, "images", "classes", (3, 32, 32), tuple("0123456789"))
    parts = [AUGMENTATIONS.build("shift_crop", pixels=4), AUGMENTATIONS.build("flip")]
    batches = Batches(
        InMemory(images, classes, info),
        batch_size=BATCH,
        seed=seed,
        augment=Augmentation(parts, seed),
        normalize=Normalization(MEAN, STD),
    )
    return timed(((batch.inputs, batch.targets) for batch in batches.epoch(0)), source)


class OneByOne(Dataset[tuple[Tensor, int]]):
    """The data set as it is usually written: a Pillow picture, the transforms, a tensor."""

    def __init__(self, images: Array, classes: Array, transform: Callable[[Image.Image], Tensor]) -> None:
        self.images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        self.classes, self.transform = classes.tolist(), transform

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.classes[index]


def loader(workers: int, seed: int) -> Measurement:
    """The `DataLoader` of torch over torchvision's transforms."""
    from benchmarks.shared_data import transforms

    torch.manual_seed(seed)
    images, classes, source = pictures()
    known = transforms()
    transform = known.Compose(
        [known.RandomCrop(32, 4), known.RandomHorizontalFlip(), known.ToTensor(), known.Normalize(MEAN, STD)]
    )
    dataset = OneByOne(images, classes, transform)
    return timed(DataLoader(dataset, batch_size=BATCH, shuffle=True, num_workers=workers), source)


class TensorsOneByOne(Dataset[tuple[Tensor, int]]):
    """The careful user's data set: padded uint8 tensors, a slice and a flip each, no Pillow, no transforms."""

    def __init__(self, images: Array, classes: Array) -> None:
        self.images = torch.nn.functional.pad(torch.from_numpy(images), (4, 4, 4, 4))
        self.classes = classes.tolist()

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        top, left, flip = torch.randint(0, 18, (3,)).tolist()
        top, left, flip = top % 9, left % 9, flip % 2
        picture = self.images[index, :, top : top + 32, left : left + 32]
        return picture.flip(-1) if flip else picture, self.classes[index]


def tuned(workers: int, seed: int) -> Measurement:
    """The same loader over tensors; each batch is normalised in one piece."""
    torch.manual_seed(seed)
    images, classes, source = pictures()
    mean, deviation = (255 * torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    loads = DataLoader(TensorsOneByOne(images, classes), batch_size=BATCH, shuffle=True, num_workers=workers)
    return timed((((inputs - mean) / deviation, targets) for inputs, targets in loads), source)


COMPETITORS: dict[str, Callable[[int], Measurement]] = {
    "neuropil": neuropil,
    **{f"tuned-{workers}": partial(tuned, workers) for workers in (0, 2)},
    **{f"loader-{workers}": partial(loader, workers) for workers in (0, 1, 2)},
}
