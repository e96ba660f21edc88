"""What a trained run sees in a picture, and how gradients flow while a recipe trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neuropil.batches.normalization import to_float
from neuropil.data.records import Samples
from neuropil.drawing.images import filter_grid
from neuropil.drawing.svg import Picture
from neuropil.errors import InputError
from neuropil.gallery.attending import attention_of_text
from neuropil.inspection.feature_maps import LayerMaps, feature_maps, sight_of
from neuropil.inspection.filters import first_filters
from neuropil.inspection.gradient_flow import GradientFlow, gradient_flow
from neuropil.inspection.saliency import grad_cam, gradient_saliency, integrated_gradients, last_maps
from neuropil.nn.contracts import BatchLike
from neuropil.pictures.attention import looks_page
from neuropil.pictures.flow import flow_page
from neuropil.pictures.maps import draw_feature_maps, draw_saliency, draw_sight
from neuropil.pictures.page import Fold, Page
from neuropil.recipes.assembly import Assembly, assemble
from neuropil.recipes.run import Run
from neuropil.recipes.train import read_recipe
from neuropil.sources.reading import read_inputs
from neuropil.training.seeding import seed_everything

__all__ = ["flow_pictures", "run_pictures"]

Array = np.ndarray[Any, Any]


def run_pictures(path: Path | str, file: str | None = None, layer: str | None = None) -> Page:
    """What a run's network makes of a picture, or who looks at whom where it attends to a text.

    Of a picture: saliency, what a value sees, filters, the maps of every layer. Of a text: attention by layer and head.

    Args:
        path: the run folder.
        file: a picture, a text, or a file whose first line is one; the first of the run's own test part where left out.
        layer: a module's path: its maps are looked at by Grad-CAM, and what its middle value sees is framed; the last
            one that gives maps where left out.

    Raises:
        InputError: no run folder, a run that neither classifies pictures nor attends to a text, or no such layer.
    """
    run = Run(path)
    if run.signature.kind == "sequences":
        if layer is not None:
            raise InputError(f"all layers' attention to a text is drawn, but {layer!r} was named; leave --layer out")
        attention = attention_of_text(run, file)
        return looks_page(attention.looks, f"{Path(path).name} reads {attention.name}", attention.notes)
    if run.signature.kind != "images" or run.signature.target != "classes":
        raise InputError(
            f"{str(path)!r} is a run of {run.task.name}; filters and saliency are drawn of runs that classify "
            "pictures, attention of runs that read texts"
        )
    raw, name = _picture(run, file)
    normalize = run.signature.normalization
    x = torch.from_numpy(np.ascontiguousarray(to_float(raw) if normalize is None else normalize.apply(raw)))
    picture, model = raw[0], run.model
    watched = last_maps(model, x) if layer is None else layer
    found = [
        gradient_saliency(model, x),
        integrated_gradients(model, x),
        grad_cam(model, x, layer=watched),
    ]
    answer = run.signature.classes[found[0].target]
    pictures: list[tuple[str | None, Picture]] = [
        (f"Saliency: {one.method}", draw_saliency(picture, one, answer)) for one in found
    ]
    maps = feature_maps(model, x)
    pictures += [
        (f"What one value of {one.layer} sees", draw_sight(picture, sight_of(model, x, one.layer)))
        for one in _spread(maps, watched)
    ]
    if (filters := first_filters(model)) is not None:
        pictures.append(("Filters of the first layer", filter_grid(filters)))
    folds = tuple(
        Fold(one.layer, f"{one.kind}, {'×'.join(map(str, one.maps.shape))}", draw_feature_maps(one), f"maps-{number}")
        for number, one in enumerate(maps)
    )
    notes = (
        f"The network says {answer!r}. Blue counts for it, orange against; Grad-CAM looks at {watched}.",
        f"Integrated gradients miss the difference of the logits that they add up to by {found[1].gap:.2g}.",
        "Below: the maps of every layer, by a click.",
    )
    return Page(f"{Path(path).name} looks at {name}", notes, tuple(pictures), folds)


def _spread(maps: Sequence[LayerMaps], watched: str) -> list[LayerMaps]:
    """An early layer, one in the middle, and the one that is watched."""
    seeing = [one for one in maps if min(one.maps.shape[1:]) > 1]
    chosen = {one.layer: one for one in (*seeing[:1], *seeing[len(seeing) // 2 : len(seeing) // 2 + 1])}
    chosen |= {one.layer: one for one in maps if one.layer == watched}
    return list(chosen.values())


def _picture(run: Run, file: str | None) -> tuple[Array, str]:
    """One raw picture as the run reads it, `[1, C, H, W]` uint8, and its name."""
    if file is not None:
        read = read_inputs([file], run.signature.info("picture"))
        if not len(read.arrays):
            raise InputError(f"{file!r} cannot be read: {'; '.join(one.reason for one in read.skipped)}")
        return np.asarray(read.arrays[:1]), read.names[0]
    samples: Samples = run._own_samples()[1]
    return samples.fetch(np.array([0]))[0], samples.name(0)


def flow_pictures(words: Sequence[str], steps: int = 60) -> Page:
    """How gradients flow in the first steps of a recipe's training, by layer and by component.

    Args:
        words: as `train` takes them: a recipe and key=value words.
        steps: of the training, from 1 on.

    Raises:
        InputError: something in the recipe or the data cannot be used, or no steps.
    """
    if steps < 1:
        raise InputError(f"gradients flow in 1 step or more, but {steps} were asked for")
    recipe = read_recipe(words)
    assembly = assemble(recipe)
    seed_everything(assembly.recipe.seed)
    flow = _flow(assembly, steps)
    return flow_page(flow, f"{assembly.recipe.name}: gradients of {steps} steps")


def _flow(assembly: Assembly, steps: int) -> GradientFlow:
    """Batches in the recipe's own order, epoch after epoch, by the task's own loss."""
    carry: Any = None

    def batches() -> Iterator[BatchLike]:
        for epoch in count():
            yield from assembly.train.epoch(epoch)

    def loss(model: nn.Module, batch: BatchLike) -> Tensor:
        nonlocal carry
        found, carry = assembly.task.step(model, batch, carry)
        return found

    return gradient_flow(assembly.model, islice(batches(), steps), loss, assembly.make_optimizer)
