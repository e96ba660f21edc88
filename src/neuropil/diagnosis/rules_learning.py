"""Faults of learning: steps too large or too small, too little learned or too much by heart."""

from __future__ import annotations

import math

import numpy as np

from neuropil.diagnosis.evidence import Evidence
from neuropil.diagnosis.records import Finding, Graph
from neuropil.diagnosis.trials import Trial, short_training, steps_that_fit
from neuropil.diagnosis.words import figure, other_rate

__all__ = ["learning_rate_too_high", "learning_rate_too_low", "overfitting", "underfitting"]

CLEARLY, LESS = 0.7, 0.85
LITTLE, SOME = 0.25, 0.5
GAP, WIDE_GAP = 0.12, 0.25
BEHIND = 0.15
FLAT = 0.05


def learning_rate_too_high(seen: Evidence) -> list[Finding]:
    """The run stands high or broke, while some steps at a tenth of its rate or less get clearly lower."""
    final, known = seen.loss_last, seen.constant_loss
    if final < 0.1 * known:
        return []
    smaller = [one for one in seen.trials if one.factor <= 0.11]
    if not smaller:
        return []
    best = min(smaller, key=lambda one: one.after)
    present = min(final, seen.as_run.after) if math.isfinite(final) else final
    if (
        not math.isfinite(best.after)
        or best.after > (LESS if final > 0.9 * known else CLEARLY) * present
        or best.after > 0.95 * seen.loss_first
    ):
        return []
    bad = not math.isfinite(final) or final > 0.6 * known
    steps = len(best.losses)
    worse = best.after < 0.35 * final and final > 0.1 * known and seen.case.done_steps >= steps
    if not bad and not worse:
        return []
    ended = "the run broke" if not math.isfinite(final) else f"the run ended at a loss of {figure(final)}"
    told = (
        f"{ended} (it began at {figure(seen.loss_first)}) with a learning rate of {figure(seen.case.rate)}; {steps} "
        f"steps from the same weights at {figure(best.rate)} get to {figure(best.after)}, at the run's own rate to "
        f"{figure(seen.as_run.after)}"
    )
    return [_of_rate("learning_rate_too_high", told, seen, best)]


def learning_rate_too_low(seen: Evidence) -> list[Finding]:
    """The loss hardly fell in the whole run, while a few steps at ten times its rate or more get far."""
    final = seen.loss_last
    if final < 0.1 * seen.constant_loss:
        return []
    larger = [one for one in seen.trials if one.factor >= 9 and math.isfinite(one.after)]
    if not larger or not math.isfinite(final):
        return []
    best = min(larger, key=lambda one: one.after)
    steps = len(best.losses)
    possible, got = seen.loss_first - best.after, seen.loss_first - final
    if seen.case.done_steps < steps or possible < 0.3 * min(seen.loss_first, seen.constant_loss):
        return []
    little = got < LITTLE * possible
    straight = got < SOME * possible and seen.case.done_steps >= 2 * steps and _straight(seen)
    if not little and not straight:
        return []
    told = (
        f"in {seen.case.done_steps:,} steps at a learning rate of {figure(seen.case.rate)} the loss went from "
        f"{figure(seen.loss_first)} to {figure(final)}; {steps} steps from the same weights at {figure(best.rate)} get "
        f"to {figure(best.after)}"
    )
    return [_of_rate("learning_rate_too_low", told, seen, best)]


def _of_rate(fault: str, told: str, seen: Evidence, best: Trial) -> Finding:
    """A finding about the learning rate, with the rate that did best in its place."""
    numbers = {"rate": seen.case.rate, "better": best.rate, "loss": seen.loss_last, "loss_better": best.after}
    return Finding(fault, None, told, other_rate(best.rate), numbers, (_rates(seen.trials), *_curve(seen)))


def _straight(seen: Evidence) -> bool:
    """Whether the loss fell as much in the second half of the run as in the first."""
    _, losses = seen.case.logged("train_loss")
    losses = losses[np.isfinite(losses)]
    if len(losses) < 3:
        return False
    middle = losses[len(losses) // 2]
    return bool(losses[0] - middle > 0 and middle - losses[-1] > 0.6 * (losses[0] - middle))


def overfitting(seen: Evidence) -> list[Finding]:
    """Training samples are learned far better than others, and the validation loss rose again."""
    others = seen.on_others
    if others is None or not seen.simple or others.samples < 10 or not math.isfinite(others.metric):
        return []
    gap = seen.on_train.metric - others.metric
    steps, losses = seen.case.logged("valid_loss")
    finite = losses[np.isfinite(losses)]
    least = float(finite.min()) if len(finite) else math.nan
    rose = float(finite[-1]) / max(1e-12, least) if len(finite) >= 3 else 1.0
    sure = 2 * math.sqrt(max(0.01, others.metric * (1 - others.metric)) / others.samples) if seen.classes else 0.15
    ratio = others.loss / max(1e-12, seen.on_train.loss)
    rising = gap > max(GAP, sure) and rose > 1.15 and ratio > 1.5
    wide = gap > max(WIDE_GAP, sure) and ratio > 2
    wide = wide or (gap > max(GAP, sure) and ratio > 5 and others.loss > 0.25 * seen.constant_loss)
    if not rising and not wide:
        return []
    name = seen.case.task.metric
    told = (
        f"{name} is {figure(seen.on_train.metric)} on training samples and {figure(others.metric)} on {others.samples} "
        f"others; the loss is {figure(seen.on_train.loss)} against {figure(others.loss)}"
    )
    if rose > 1.05:
        at = steps[np.isfinite(losses)][int(finite.argmin())]
        told += (
            f", and on the validation part rose to {figure(float(finite[-1]))} from {figure(least)} at step {int(at):,}"
        )
    weights = sum(one.numel() for one in seen.case.first.parameters())
    told += f"; {weights:,} weights learned {len(seen.case.train):,} samples"
    numbers = {"train": seen.on_train.metric, "others": others.metric, "rose": rose}
    return [Finding("overfitting", None, told, _against_heart(seen), numbers, _curve(seen))]


def _against_heart(seen: Evidence) -> str:
    if (
        "dropout" not in seen.case.recipe.section("model")
        and seen.case.recipe.section("model").get("name") == "perceptron"
    ):
        return "model.dropout=0.3, or a smaller network (model.hidden=[32]); more data help most"
    if seen.case.assembly.signature.kind == "images" and not seen.case.recipe.augment:
        return "augment=flip,shift_crop (what suits the pictures); more data help most"
    return "optimizer.weight_decay=0.01 and training.patience_epochs=5, or a smaller network; more data help most"


def underfitting(seen: Evidence) -> list[Finding]:
    """Even training samples are learned worse than a simple method foretells others, and the loss stands still."""
    found = seen.reference
    if found is None or found.sigmas < 4 or not _stands_still(seen):
        return []
    metric = seen.on_train.metric
    if not metric < found.score - BEHIND:
        return []
    if (better := _still_falls(seen)) is not None and better.after < CLEARLY * seen.loss_last:
        return []
    told = (
        f"{seen.case.task.metric} on the samples it trains on is {figure(metric)}, and stands still; a simple method "
        f"({found.method}) gets {figure(found.score)} on samples that it did not see"
    )
    numbers = {"train": metric, "simple": found.score}
    return [Finding("underfitting", None, told, _against_too_little(seen), numbers, _curve(seen))]


def _stands_still(seen: Evidence) -> bool:
    """Whether the loss fell by less than a twentieth in the last third of the run."""
    penalized = bool(seen.case.recipe.section("penalty"))  # the training loss holds the penalty, which goes on falling
    _, losses = seen.case.logged("valid_loss" if penalized else "train_loss")
    losses = losses[np.isfinite(losses)]
    if len(losses) < 5:
        rows = [float(row["loss"]) for row in seen.case.steps if row.get("loss") is not None]
        if len(rows) < 30:
            return False
        parts = np.array_split(np.array(rows), 6)
        losses = np.array([float(part.mean()) for part in parts])
    third = losses[-1 - max(1, len(losses) // 3)]
    return bool(third - losses[-1] < FLAT * abs(third))


def _still_falls(seen: Evidence) -> Trial | None:
    """The best of some steps from the last weights at other rates."""
    if seen.case.last is None:
        return None
    steps = steps_that_fit(seen.case, 3)
    tried = [short_training(seen.case, seen.case.last, steps, seen.held, factor)[0] for factor in (0.1, 1.0, 10.0)]
    return min(tried, key=lambda one: one.after)


def _against_too_little(seen: Evidence) -> str:
    recipe = seen.case.recipe
    penalty, model = recipe.section("penalty"), recipe.section("model")
    if any(float(penalty.get(name, 0) or 0) >= 0.01 for name in ("l1", "l2")):
        return f"a smaller penalty ({', '.join(f'penalty.{name}={value:g}' for name, value in penalty.items())} now)"
    if float(recipe.section("optimizer").get("weight_decay", 0) or 0) >= 0.1:
        return "optimizer.weight_decay=0.01"
    if float(model.get("dropout", 0) or 0) >= 0.6:
        return "model.dropout=0.2"
    if model.get("name") == "perceptron":
        return "a wider or deeper network: model.hidden=[64,64]"
    return "a wider or deeper network (more maps, more units: model.width=64)"


def _rates(trials: list[Trial]) -> Graph:
    rates = [one.rate for one in trials]
    curve = ([math.log10(one) for one in rates], [one.after for one in trials])
    steps = len(trials[0].losses)
    return Graph(
        f"loss after {steps} steps by learning rate", curves={"": curve}, across="learning rate, power of ten", log=True
    )


def _curve(seen: Evidence) -> tuple[Graph, ...]:
    curves = {}
    for name, key in (("training", "train_loss"), ("validation", "valid_loss")):
        steps, values = seen.case.logged(key)
        if len(values) > 1:
            curves[name] = (steps.tolist(), values.tolist())
    if not curves:
        rows = [row for row in seen.case.steps if row.get("loss") is not None]
        if len(rows) > 1:
            curves["training"] = ([float(row["step"]) for row in rows], [float(row["loss"]) for row in rows])
    return (Graph("loss", curves=curves),) if curves else ()
