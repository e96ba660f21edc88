"""A folder of JPEG photographs through random resized crop, flip and normalisation."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from benchmarks.peers.augment import timed
from benchmarks.records import Measurement
from benchmarks.shared_data import data_folder, transforms
from benchmarks.topics.photos import ARCHIVE

__all__ = ["COMPETITORS", "photographs"]

COPIES, BATCH, SIDE = 16, 32, 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@contextmanager
def photographs() -> Iterator[Path]:
    """A folder with two classes of photographs, each there several times."""
    folder = data_folder()
    if folder is None:
        raise RuntimeError("there are no photographs")
    with zipfile.ZipFile(folder / ARCHIVE) as archive, tempfile.TemporaryDirectory() as place:
        root = Path(place)
        found = [archive.read(name) for name in sorted(archive.namelist()) if name.lower().endswith((".jpg", ".jpeg"))]
        for number, content in enumerate(found * COPIES):
            target = root / "train" / f"class {number % 2}"
            target.mkdir(parents=True, exist_ok=True)
            (target / f"{number}.jpg").write_bytes(content)
        yield root


def neuropil(workers: int, seed: int) -> Measurement:
    """`open_folder` and `Batches`, as a recipe makes them."""
    from neuropil.batches import AUGMENTATIONS
    from neuropil.batches.augmentation import Augmentation
    from neuropil.batches.batching import Batches
    from neuropil.batches.normalization import Normalization
    from neuropil.data.folder import open_folder

    with photographs() as root:
        samples = open_folder(root=str(root), size=SIDE, valid_fraction=0.0, test_fraction=0.0).train
        parts = [AUGMENTATIONS.build("random_resized_crop"), AUGMENTATIONS.build("flip")]
        batches = Batches(
            samples,
            batch_size=BATCH,
            seed=seed,
            workers=workers,
            augment=Augmentation(parts, seed),
            normalize=Normalization(MEAN, STD),
        )
        return timed(((batch.inputs, batch.targets) for batch in batches.epoch(0)), "photographs", keep_every=3)


def torchvision(workers: int, seed: int) -> Measurement:
    """`ImageFolder`, `v2` transforms and `DataLoader`."""
    transforms()  # torchvision, also where its compiled part does not fit
    v2, datasets = import_module("torchvision.transforms.v2"), import_module("torchvision.datasets")
    torch.manual_seed(seed)
    steps = v2.Compose(
        [
            v2.ToImage(),
            v2.RandomResizedCrop(SIDE, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
    with photographs() as root:
        dataset = datasets.ImageFolder(str(root / "train"), steps)
        loader = DataLoader(dataset, batch_size=BATCH, shuffle=True, num_workers=workers)
        return timed(loader, "photographs", keep_every=3)


COMPETITORS: dict[str, Callable[[int], Measurement]] = {
    f"{name}-{workers}": partial(run, workers)
    for workers in (0, 2)
    for name, run in (("neuropil", neuropil), ("torchvision", torchvision))
}
