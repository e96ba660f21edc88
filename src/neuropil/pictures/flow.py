"""Gradients over the steps of a training: by layer, and by the components of one layer."""

from __future__ import annotations

import numpy as np

from neuropil.drawing.charts import Curves, Series, line_chart
from neuropil.drawing.svg import Picture
from neuropil.drawing.wording import number
from neuropil.errors import InputError
from neuropil.inspection.gradient_flow import GradientFlow
from neuropil.pictures.heat import heat_map
from neuropil.pictures.page import Page
from neuropil.registry import nearest

__all__ = ["draw_components", "draw_flow", "flow_page"]

FAINT = 1e-3
MOST_UNITS = 48


def draw_flow(flow: GradientFlow) -> Picture:
    """A row for each layer, a column for each step; shades by order of magnitude."""
    steps = [str(step + 1) for step in range(len(flow.losses))]
    return heat_map(
        flow.norms.T, flow.layers, steps, title="gradient by layer and step", log=True,
        cell=max(6, min(20, 640 / len(steps))), across="step; shades by order of magnitude, six of them",
    )  # fmt: skip


def draw_components(flow: GradientFlow, layer: str) -> Picture:
    """A row for each output of a layer (of many an even choice), a column for each step.

    Raises:
        InputError: no such layer.
    """
    if layer not in flow.components:
        raise InputError(f"there is no layer {layer!r} with weights; {nearest(layer, flow.layers)}")
    found = flow.components[layer]
    units = np.unique(np.linspace(0, found.shape[1] - 1, min(found.shape[1], MOST_UNITS)).round().astype(int))
    steps = [str(step + 1) for step in range(len(found))]
    names = [f"output {unit + 1}" for unit in units]
    return heat_map(
        found[:, units].T, names, steps, title=f"gradient by output of {layer}", log=True,
        cell=max(6, min(16, 640 / len(steps))), across="step; shades by order of magnitude, six of them",
    )  # fmt: skip


def flow_page(flow: GradientFlow, title: str) -> Page:
    """Losses, gradients by layer, and the components of the first and the last layer, with what is faint counted."""
    steps = list(range(1, len(flow.losses) + 1))
    curves = [Series(name, steps, flow.norms[:, place].tolist()) for place, name in enumerate(flow.layers)]
    chosen = curves if len(curves) <= 6 else [curves[place] for place in (0, len(curves) // 2, len(curves) - 1)]
    pictures = [
        ("loss", line_chart(Curves("loss", [Series("loss", steps, flow.losses.tolist())], "step"))),
        ("gradient by layer", draw_flow(flow)),
        ("first, middle and last layer" if len(curves) > 6 else "the same as curves",
         line_chart(Curves("gradient norms", chosen, "step", log=True), width=640)),
    ]  # fmt: skip
    ends = dict.fromkeys((flow.layers[0], flow.layers[-1]))
    pictures += [(f"outputs of {layer}", draw_components(flow, layer)) for layer in ends]
    return Page(title, tuple(_faint(flow)), tuple(pictures))


def _faint(flow: GradientFlow) -> list[str]:
    """What the norms alone would hide: components whose gradient is less than a thousandth of the largest."""
    means = flow.norms.mean(0)
    top = int(means.argmax())
    told = [
        f"Strongest: {flow.layers[top]}, {number(float(means[top]), 3)} on average; weakest: "
        f"{flow.layers[int(means.argmin())]}, {number(float(means.min()), 3)}."
    ]
    for name, found in flow.components.items():
        sizes = found.mean(0)
        faint = int((sizes < FAINT * sizes.max()).sum())
        if faint:
            told.append(f"{name}: {faint} of {len(sizes)} outputs get less than a thousandth of its largest.")
    return told
