"""Faults of what flows: dead units, saturated ones, gradients that fade or grow on their way back."""

from __future__ import annotations

import math
from collections.abc import Sequence

from neuropil.diagnosis.evidence import Evidence
from neuropil.diagnosis.measuring import Activity, Look, Weighted
from neuropil.diagnosis.records import Finding, Graph
from neuropil.diagnosis.words import figure, percent

__all__ = ["dead_relu", "exploding_gradient", "saturated_activation", "vanishing_gradient"]

DEAD_AT_START, DEAD_AT_END, DEAD_UNLEARNED = 0.6, 0.9, 0.75
SATURATED_AT_START, SATURATED_AT_END = 0.5, 0.6
FAINT_PULL, UNLEARNED_PULL, FAINT_SHARE = 1e-3, 1e-2, 2e-2
FADING, LONG = 0.25, 20
"""Share of a gradient that is left after one step of time; steps from which on fading matters by itself."""

LOST = 1e-6
HUGE, GROWING = 100.0, 100.0
GROWING_A_STEP = 1.15


def dead_relu(seen: Evidence) -> list[Finding]:
    """A rectifier's units give 0 for every sample."""
    begun, ended = _worst(seen.first, "dead"), _worst(seen.last, "dead")
    learned = seen.loss_last < 0.6 * seen.constant_loss
    at_start = dead_at_start(seen)
    at_end = ended is not None and ended.dead >= (DEAD_AT_END if learned else DEAD_UNLEARNED)
    if not at_start and not at_end:
        return []
    worst = ended if at_end and ended is not None else begun
    if worst is None:
        return []
    before = {one.layer: one.dead for one in seen.first.activity}.get(worst.layer, 0.0)
    told = (
        f"{percent(worst.dead)} of the {worst.units} units of {worst.layer} give 0 for each of {worst.samples} "
        f"samples, so no gradient passes them ({percent(before)} did before training)"
    )
    change = _smaller(seen) if before < DEAD_AT_START else "begin anew with model.initialization=he and biases of 0"
    numbers = {"dead": worst.dead, "dead_at_start": before, "units": worst.units}
    return [
        Finding(
            "dead_relu", worst.layer, told, change, numbers, (_bars(seen.last, "dead", "share of units that are dead"),)
        )
    ]


def saturated_activation(seen: Evidence) -> list[Finding]:
    """A squasher's values stand at its flat ends."""
    begun, ended = _worst(seen.first, "saturated"), _worst(seen.last, "saturated")
    at_start = begun is not None and begun.saturated >= SATURATED_AT_START
    unlearned = seen.loss_last >= 0.6 * seen.constant_loss
    at_end = ended is not None and ended.saturated >= SATURATED_AT_END and unlearned
    worst = begun if at_start else ended
    if worst is None or not (at_start or at_end):
        return []
    when = "before training already" if at_start else "at the last weights"
    told = (
        f"{percent(worst.saturated)} of the values of {worst.layer} ({worst.kind}) stand at the flat ends {when}, "
        "where the slope is nearly 0"
    )
    change = "model.initialization=xavier (smaller initial weights)" if at_start else _smaller(seen)
    look = seen.first if at_start else seen.last
    graph = _bars(look, "saturated", "share of values at the flat ends")
    return [Finding("saturated_activation", worst.layer, told, change, {"saturated": worst.saturated}, (graph,))]


def saturated_at_start(seen: Evidence) -> bool:
    """Whether values stand at the flat ends before training: the initial weights or the inputs are the cause."""
    begun = _worst(seen.first, "saturated")
    return begun is not None and begun.saturated >= SATURATED_AT_START


def dead_at_start(seen: Evidence) -> bool:
    """Whether units are dead before training."""
    begun = _worst(seen.first, "dead")
    if begun is None or begun.dead < DEAD_AT_START:
        return False
    still = {one.layer: one.dead for one in seen.last.activity}
    return still.get(begun.layer, 1.0) >= DEAD_AT_START


def exploding_gradient(seen: Evidence) -> list[Finding]:
    """Gradients are huge at the initial weights, grow from layer to layer on their way back, or from step to step."""
    look = seen.first
    if (through := _grows_over_time(look)) is not None:
        name, each, norms = through
        told = (
            f"on its way back through the {len(norms)} steps of {name} the gradient grows {figure(each)} times a step: "
            f"its norm is {figure(norms[-1])} at the last step and {figure(max(norms))} at its largest"
        )
        change = "training.clip_norm=1, and smaller recurrent weights (model.cell=lstm or gru keeps them in bounds)"
        return [Finding("exploding_gradient", name, told, change, {"growth": each}, (_over_time(norms),))]
    passing = [one.gradient for one in look.activity if one.gradient > 0]
    growth = passing[0] / passing[-1] if len(passing) > 1 else 1.0
    norm = look.gradient if math.isfinite(look.gradient) else math.inf
    flat = saturated_at_start(seen) and look.loss < 10 * max(
        1.0, seen.constant_loss
    )  # steep but bounded by its squashing
    huge = norm > HUGE * max(1.0, seen.constant_loss) and not flat
    if not huge and not growth > GROWING:
        return []
    loudest = max(look.weighted, key=lambda one: one.gradient if math.isfinite(one.gradient) else math.inf)
    told = (
        f"at the initial weights the gradient's norm is {figure(norm)} (loss {figure(look.loss)}), most of it in "
        f"{loudest.layer}"
    )
    if growth > GROWING:
        told += f"; from the last activation back to the first it grows {figure(growth)} times"
    told += f"; by one weight of it {figure(loudest.rms)} (root of the mean square)"
    change = "training.clip_norm=1, or smaller initial weights (model.initialization=xavier)"
    graph = Graph(
        "gradient's norm by layer, before training",
        [one.layer for one in look.weighted],
        [one.gradient for one in look.weighted],
    )
    return [Finding("exploding_gradient", loudest.layer, told, change, {"norm": norm, "growth": growth}, (graph,))]


def vanishing_gradient(seen: Evidence) -> list[Finding]:
    """Little of the gradient reaches the first layers or the first steps, and the run did not learn."""
    if (found := _fades_over_time(seen)) is not None:
        return [found]
    if seen.loss_last < 0.6 * seen.constant_loss:
        return []
    layers = [one for one in seen.first.weighted if _is_weight(one)]
    if len(layers) < 3:
        return []
    faintest = min(layers, key=lambda one: one.pull)
    most = max(one.pull for one in layers)
    ended = {one.layer: one.pull for one in seen.last.weighted}
    limit = UNLEARNED_PULL if seen.loss_last > 0.93 * seen.constant_loss else FAINT_PULL
    faint = faintest.pull < limit and (faintest.pull < FAINT_SHARE * most or most < FAINT_PULL)
    if not faint and not (limit == UNLEARNED_PULL and _fades_by_layer(seen.first)):
        return []
    told = (
        f"a change of {faintest.layer} by a share of its weights moves the loss "
        f"{figure(most / max(1e-300, faintest.pull))} times less than one of the layer with the strongest gradient "
        f"(gradient by one weight: {figure(faintest.rms)}); "
        f"{percent(faintest.faint)} of its single components are below a millionth of the largest; at the last weights "
        f"its share is {figure(ended.get(faintest.layer, 0.0))}, and the loss is {figure(seen.loss_last)} where a "
        f"constant answer gives {figure(seen.constant_loss)}"
    )
    graph = Graph(
        "gradient by one weight before training, power of ten",
        [one.layer for one in layers], [math.log10(max(one.rms, 1e-30)) for one in layers],
    )  # fmt: skip
    numbers = {"pull": faintest.pull, "strongest": most, "faint": faintest.faint}
    return [Finding("vanishing_gradient", faintest.layer, told, _against_fading(seen, layers), numbers, (graph,))]


def _fades_by_layer(look: Look) -> bool:
    """Whether little of the gradient that reaches the last activation is left at the first."""
    passing = [one.gradient for one in look.activity if one.gradient > 0 and one.layer != look.last[0]]
    return len(passing) > 2 and passing[0] < FAINT_SHARE * passing[-1]


def _against_fading(seen: Evidence, layers: Sequence[Weighted]) -> str:
    squashed = [one for one in seen.first.activity if one.kind in ("Sigmoid", "Tanh", "HardSigmoid", "ScaledTanh")]
    if squashed:
        return "model.activation=relu (in a line: ReLU in place of Sigmoid), or batch normalization between layers"
    return "model.initialization=he, or batch normalization between layers"


def _is_weight(one: Weighted) -> bool:
    return one.learns > 0 and "Embedding" not in one.kind and "Norm" not in one.kind and math.isfinite(one.pull)


def _fades_over_time(seen: Evidence) -> Finding | None:
    for name, norms in seen.first.over_time.items():
        if len(norms) < 6 or not norms[-1] > 0 or max(norms) > 100 * norms[-1]:
            continue
        each = (norms[-5] / norms[-1]) ** 0.25
        later = seen.last.over_time.get(name, norms)
        still = (later[-5] / later[-1]) ** 0.25 if later[-1] > 0 else 0.0
        early = sum(norms[: max(1, len(norms) // 10)]) / norms[-1]
        lost = len(norms) >= LONG and early < LOST and _needs_the_early_steps(seen)
        if not (each < FADING and still < 2 * FADING) and not lost:
            continue
        told = (
            f"of the gradient that reaches the last of {len(norms)} steps of {name}, {percent(early)} is left at the "
            f"first tenth of them; {percent(each)} of it is left after each step back"
        )
        change = "model.cell=lstm or model.cell=gru; of texts also model.pooling=max, which reads every step"
        return Finding("vanishing_gradient", name, told, change, {"left": early, "each": each}, (_over_time(norms),))
    return None


def _needs_the_early_steps(seen: Evidence) -> bool:
    """Whether the run did not learn what a simple method reads off the same sequences."""
    if not seen.simple or seen.loss_last < 0.8 * seen.constant_loss:
        return False
    found = seen.reference
    return found is not None and found.sigmas > 8 and found.score > seen.on_train.metric + 0.1


def _grows_over_time(look: Look) -> tuple[str, float, list[float]] | None:
    """A recurrent layer whose gradient grows on its way back: its name, the growth a step, the norms."""
    for name, norms in look.over_time.items():
        if len(norms) < 6 or not norms[-1] > 0 or not all(map(math.isfinite, norms)):
            continue
        top = max(range(len(norms)), key=norms.__getitem__)
        back = len(norms) - 1 - top
        if back < 4 or norms[top] < GROWING * norms[-1]:
            continue
        each = (norms[top] / norms[-1]) ** (1 / back)
        if each > GROWING_A_STEP and look.gradient > 10:
            return name, each, norms
    return None


def _over_time(norms: Sequence[float]) -> Graph:
    steps = [float(step + 1) for step in range(len(norms))]
    return Graph("gradient's norm at each step of the sequence", curves={"": (steps, list(norms))}, log=True)


def _worst(look: Look, what: str) -> Activity | None:
    """The layer with the largest share; one that ends the network is another rule's."""
    inner = [one for one in look.activity if one.layer != look.last[0] and one.units > 1]
    return max(inner, key=lambda one: float(getattr(one, what)), default=None)


def _bars(look: Look, what: str, title: str) -> Graph:
    return Graph(title, [one.layer for one in look.activity], [float(getattr(one, what)) for one in look.activity])


def _smaller(seen: Evidence) -> str:
    return f"lr={float(f'{seen.case.rate / 10:.1g}'):g} (units die or saturate where steps are too large)"
