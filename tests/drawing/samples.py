"""A made-up run that looks like a real one, for the tests of the room."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neuropil.drawing.report import Mistake, Report

RECIPE = """# resolved
name = "digits-lenet5"
seed = 0

[data]
source = "digits"
split = [0.8, 0.1, 0.1]

[model]
name = "lenet5-modern"
options = { num_classes = 10, in_channels = 1 }

[optimizer]
name = "sgd"
options = { lr = 0.05, momentum = 0.9, weight_decay = 0.0005 }
"""


def digit_image(rng: np.random.Generator, side: int = 16, channels: int = 1) -> np.ndarray:
    """A soft blob that stands for a digit, uint8 `[C, H, W]`."""
    y, x = np.mgrid[0:side, 0:side]
    cy, cx = rng.uniform(side * 0.3, side * 0.7, 2)
    ring = np.exp(-((np.hypot(y - cy, x - cx) - side * rng.uniform(0.15, 0.3)) ** 2) / (side * 0.3))
    return np.repeat((255 * ring[None]).astype(np.uint8), channels, axis=0)


def history(num_epochs: int = 30) -> list[dict[str, float]]:
    rng = np.random.default_rng(1)
    rows = []
    for epoch in range(1, num_epochs + 1):
        train = 2.2 * 0.82**epoch + 0.004 + 0.004 * rng.random()
        valid = 2.2 * 0.83**epoch + 0.05 + 0.0006 * epoch + 0.006 * rng.random()
        rows.append(
            {
                "step": 45 * epoch,
                "epoch": epoch,
                "train_loss": train,
                "train_accuracy": 1 - 0.3 * train,
                "valid_loss": valid,
                "valid_accuracy": 1 - 0.25 * valid + 0.003 * rng.random(),
                "lr": 0.05 * 0.5 * (1 + np.cos(np.pi * epoch / num_epochs)),
                "seconds": rng.random(),
            }
        )
    return rows


def classification(num_classes: int = 10, side: int = 16, channels: int = 1) -> Report:
    rng = np.random.default_rng(0)
    counts = np.diag(rng.integers(30, 40, num_classes)) + rng.poisson(3.0 / num_classes, (num_classes, num_classes))
    classes = [str(i) for i in range(num_classes)]
    mistakes = [
        Mistake(
            f"test/digit-{rng.integers(1800):04d}.png",
            classes[int(t)],
            classes[int(p)],
            float(rng.uniform(0.4, 1)),
            digit_image(rng, side, channels),
            float(rng.uniform(1, 6)),
        )
        for t, p in rng.integers(0, num_classes, (16, 2))
    ]
    rows = history()
    best = max(rows, key=lambda row: row["valid_accuracy"])
    return Report(
        title="LeNet-5 reads handwritten digits",
        name="digits-lenet5",
        task="classification",
        status="finished",
        headline=[
            ("test accuracy", "98.61 %"),
            ("test loss", 0.04512),
            ("mistakes", "5 of 360"),
            ("parameters", 61_706),
        ],
        history=rows,
        best_step=int(best["step"]),
        metric="accuracy",
        confusion=counts,
        classes=classes,
        mistakes=mistakes,
        filters=rng.normal(0, 0.3, (6, channels, 5, 5)),
        recipe_toml=RECIPE,
        notes=["The source has no test part: a tenth of it was set aside, with equal shares of each class."],
        skipped=[("scans/007.png", "the file ends too early"), ("scans/<b>.png", "not an image")],
        next_commands=["neuropil predict runs/classification/digits-lenet5-1 my-digit.png"],
        speed={
            "training_seconds": 6.218,
            "samples_per_second": 52013.7,
            "plan": {"channels_last": False, "precision": "fp32"},
        },
        environment={"python": "3.11.9", "torch": "2.13.0", "processor": "2 cores", "threads": 2},
    )


def regression() -> Report:
    rng = np.random.default_rng(3)
    truth = rng.normal(5.6, 0.8, 320).round()
    predicted = truth * 0.4 + 3.4 + rng.normal(0, 0.5, 320)
    worst = np.argsort(-np.abs(truth - predicted))[:12]
    rows = [
        {"step": r["step"], "epoch": r["epoch"], "train_loss": r["train_loss"], "valid_loss": r["valid_loss"],
         "valid_r2": r["valid_accuracy"] - 0.6, "lr": r["lr"]}
        for r in history()
    ]  # fmt: skip
    return replace(
        classification(),
        title="How good is this wine?",
        name="wine-quality-regression",
        task="regression",
        headline=[("test R²", 0.3612), ("mean absolute error", 0.4711)],
        history=rows,
        metric="r2",
        confusion=None,
        classes=(),
        mistakes=[
            Mistake(f"row {i + 2}", float(truth[i]), float(predicted[i]), loss=float((truth[i] - predicted[i]) ** 2))
            for i in worst
        ],
        filters=None,
        scatter=(truth, predicted),
        targets=("quality",),
    )
