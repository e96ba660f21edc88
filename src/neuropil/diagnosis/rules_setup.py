"""Faults of the set-up: weights that do not learn, batches too small for their normalization."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from neuropil.diagnosis.evidence import Evidence
from neuropil.diagnosis.records import Finding, Graph
from neuropil.diagnosis.trials import loss_of
from neuropil.diagnosis.words import figure, percent

__all__ = ["batch_too_small_for_norm", "frozen_parameters"]

SMALL_BATCH = 4
STILL = 1e-7
"""Change of a layer as a share of its weights, below which it did not learn."""

MUCH_FROZEN = 0.3


def frozen_parameters(seen: Evidence) -> list[Finding]:
    """Layers stood still though a gradient would have come, and with them learning the loss falls further."""
    moved = _moved(seen)
    still = [name for name, (frozen, change, _) in moved.items() if frozen or change <= STILL]
    total = sum(count for _, _, count in moved.values())
    share = sum(moved[name][2] for name in still) / max(1, total)
    if share < MUCH_FROZEN or seen.loss_last < 0.25 * seen.constant_loss:
        return []
    as_run, thawed = seen.unfrozen
    if not (thawed.after < 0.88 * min(as_run.after, as_run.before) and math.isfinite(thawed.after)):
        return []
    told = (
        f"{percent(share)} of the weights stand where they began "
        f"({', '.join(still[:4])}{' …' if len(still) > 4 else ''}); "
        f"in {len(thawed.losses)} steps from the start the loss falls to {figure(as_run.after)} so, and to "
        f"{figure(thawed.after)} where all weights learn"
    )
    change = "transfer=all" if seen.case.recipe.section("transfer").get("method", "all") != "all" else "unfreeze them"
    graph = Graph("change of each layer, share of its weights", list(moved), [one[1] for one in moved.values()])
    numbers = {"share": share, "loss_frozen": as_run.after, "loss_unfrozen": thawed.after}
    return [Finding("frozen_parameters", still[0], told, change, numbers, (graph,))]


def _moved(seen: Evidence) -> dict[str, tuple[bool, float, int]]:
    """For each layer: whether it is frozen at the end, how far it moved, and how many weights it has."""
    freezing, case = seen.case.assembly.freezing, seen.case
    freezing.start_epoch(max(0, int(case.progress.get("epoch", 1)) - 1))
    frozen = {name for name, one in case.assembly.model.named_parameters() if not one.requires_grad}
    before: dict[str, Tensor] = dict(case.first.named_parameters())
    found: dict[str, tuple[bool, float, int]] = {}
    for name, after in case.trained.named_parameters():
        layer = name.rpartition(".")[0] or name
        start = before[name].detach()
        change = float((after.detach() - start).norm()) / max(1e-12, float(start.norm()))
        is_frozen, most, count = found.get(layer, (True, 0.0, 0))
        if case.last is None:
            change = math.inf
        found[layer] = (is_frozen and name in frozen, max(most, change), count + after.numel())
    return found


def batch_too_small_for_norm(seen: Evidence) -> list[Finding]:
    """Batch normalization learns its mean and deviation from a handful of samples."""
    size = seen.case.batch_size
    layers = [
        name
        for name, module in seen.case.assembly.model.named_modules()
        if isinstance(module, _BatchNorm) and not type(module).__name__.startswith("Frozen")
    ]
    if not layers or size > SMALL_BATCH:
        return []
    trained, used = seen.last.loss, loss_of(seen.case, seen.case.trained, seen.batches)
    told = (
        f"{len(layers)} batch normalizations take mean and deviation over batches of {size}; on the same training "
        f"samples the loss is {figure(trained)} as trained (by each batch) and {figure(used)} as used (by stored means)"
    )
    change = "batch_size=32 (accumulating gradients does not help: each batch is normalized by itself)"
    numbers = {"batch_size": size, "loss_as_trained": trained, "loss_as_used": used}
    return [Finding("batch_too_small_for_norm", layers[0], told, change, numbers)]
