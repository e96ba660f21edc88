"""What a run leaves behind when it ends: results, tables, pictures, the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from neuropil.data.records import Samples
from neuropil.drawing.plots import write_plots
from neuropil.drawing.records import Mistake, Report
from neuropil.drawing.report import write_report
from neuropil.inspection.filters import first_filters
from neuropil.recipes.box_report import boxes_of_details
from neuropil.recipes.mask_report import masks_of_details
from neuropil.recipes.run import Run
from neuropil.recipes.running import Running

__all__ = ["finish"]

MISTAKES = 24
PICTURE_SIDE = 96
"""Longest side of a picture in the report, in pixels."""


def finish(running: Running, ending: str, *, pictures: bool = True) -> Run:
    """Score the best weights, then write `results.json`, `results.csv`, `plots/` and `report.html`.

    Args:
        running: a run whose loop has ended.
        ending: how it ended (`done`, `early stopping`).
        pictures: also write `plots/` and `report.html`.

    Returns:
        The run, opened for prediction.
    """
    folder, assembly = running.folder, running.assembly
    run = Run(folder.path)
    parts = {"valid": assembly.splits.valid, "test": assembly.splits.test}
    scores: dict[str, dict[str, float]] = {}
    details: Mapping[str, Any] = {}
    shown: Samples = assembly.splits.train
    for name, batches in (("valid", assembly.valid), ("test", assembly.test)):
        if batches is not None:
            scorer = running.score(run.model, batches)
            scores[name], details, shown = scorer.compute(), scorer.details(), parts[name] or shown
    epochs = [row for row in folder.history() if row["event"] == "epoch"]
    best = max((row["step"] for row in epochs if row.get("is_best")), default=None)
    results = {"ending": ending, "best_step": best, "metric": assembly.task.metric, **scores}
    folder.write("results.json", json.dumps(results, indent=1) + "\n")
    folder.write_results()
    if pictures:
        report = _report(running, run, results, details, shown)
        folder.write("report.html", write_report(report), durable=False)
        write_plots(folder.path / "plots", report)
    return run


def _report(
    running: Running, run: Run, results: Mapping[str, Any], details: Mapping[str, Any], shown: Samples
) -> Report:
    assembly, folder, task = running.assembly, running.folder, running.assembly.task
    info = assembly.splits.info
    scored = "test" if "test" in results else "valid"
    headline: list[tuple[str, str | float]] = []
    if scored in results:
        own = {task.metric: results[scored][task.metric], **results[scored]}
        headline = [(f"{scored} {name.replace('_', ' ')}", value) for name, value in own.items()]
    headline.append(("weights", f"{sum(p.numel() for p in run.model.parameters()):,}"))
    headline.append(("training samples", f"{len(assembly.train.samples):,}"))
    scatter = None
    if info.target == "values" and details:
        scatter = (details["truth"], details["predicted"])
    timing = json.loads((folder.path / "timing.json").read_text(encoding="utf-8"))
    timing["samples_per_second"] = round(timing["samples"] / max(1e-9, timing["training_seconds"]), 1)
    environment = json.loads((folder.path / "environment.json").read_text(encoding="utf-8"))
    return Report(
        title=assembly.recipe.title or assembly.recipe.name,
        name=assembly.recipe.name,
        task=task.name,
        status={"done": "finished", "early stopping": "stopped early"}.get(results["ending"], results["ending"]),
        headline=headline,
        history=_history(folder.history()),
        best_step=results["best_step"],
        metric=task.metric,
        metric_mode=task.metric_mode,
        confusion=details.get("confusion"),
        classes=info.classes,
        mistakes=_mistakes(details, shown),
        boxes=boxes_of_details(details, shown) if info.target == "boxes" and details else None,
        masks=masks_of_details(details, shown) if info.target == "masks" and details else (),
        filters=first_filters(run.model) if info.kind == "images" else None,
        scatter=scatter,
        targets=assembly.signature.targets,
        recipe_toml=assembly.recipe.to_toml(),
        notes=info.notes,
        skipped=[(one.where, one.reason) for one in info.skipped],
        next_commands=next_commands(str(folder.path), assembly.signature.target),
        speed=timing,
        environment={**environment, "run folder": str(folder.path)},
    )


def next_commands(folder: str, target: str = "") -> list[str]:
    """What to type after a run on such targets."""
    return [
        f'neuropil predict {folder} --prompt "..."' if target == "next" else f"neuropil predict {folder} FILE...",
        f"neuropil evaluate {folder}",
        f"neuropil train {folder}/recipe.toml   (repeats this run)",
    ]


def _history(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows for the curves: those of epochs, with those of single steps where there are only a few epochs."""
    epochs = [row for row in rows if row["event"] == "epoch"]
    steps = [
        {"step": row["step"], "train_loss": row["loss"], "lr": row["lr"]} for row in rows if row["event"] == "step"
    ]
    if len(epochs) >= 5:
        steps = [{"step": row["step"], "lr": row["lr"]} for row in steps]
    seen = {row["step"] for row in epochs}
    return sorted([*epochs, *(row for row in steps if row["step"] not in seen)], key=lambda row: row["step"])


def _mistakes(details: Mapping[str, Any], samples: Samples) -> list[Mistake]:
    """The samples with the largest loss: of the wrong ones for classes, of all for values."""
    if "truth" not in details or samples.info.target in ("boxes", "masks"):
        return []
    info, losses = samples.info, details["losses"]
    order = np.argsort(-losses, kind="stable")
    if info.target == "classes":
        order = order[(details["predicted"] != details["truth"])[order]]
    found = []
    for row in order[:MISTAKES].tolist():
        index = int(details["indices"][row])
        truth, predicted = details["truth"][row], details["predicted"][row]
        if info.target == "classes":
            words: tuple[Any, Any] = (info.classes[int(truth)], info.classes[int(predicted)])
            probability = float(details["probability"][row])
        else:
            words, probability = (float(np.ravel(truth)[0]), float(np.ravel(predicted)[0])), None
        picture = _thumbnail(samples, index) if info.kind == "images" else None
        found.append(Mistake(samples.name(index), *words, probability, picture, float(losses[row])))
    return found


def _thumbnail(samples: Samples, index: int) -> np.ndarray[Any, Any]:
    picture = samples.fetch(np.array([index], dtype=np.int64))[0][0]
    step = -(-max(picture.shape[1:]) // PICTURE_SIDE)
    return np.ascontiguousarray(picture[:, ::step, ::step])
