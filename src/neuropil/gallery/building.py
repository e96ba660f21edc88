"""From a network's name, an example's, or a built surface to a page of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.files import write_atomic
from neuropil.inspection.descent import SURFACES, descend, heights
from neuropil.inspection.graph import trace_graph
from neuropil.inspection.small_examples import EXAMPLES, network_step
from neuropil.inspection.through_time import gradient_terms, sensitivity
from neuropil.models import MODELS, build_model, model_options, usual_input_shape
from neuropil.models.line_grammar import is_line
from neuropil.optim import RULES
from neuropil.pictures.attention import attention_page
from neuropil.pictures.network import draw_network, network_page
from neuropil.pictures.page import Page
from neuropil.pictures.paths import draw_losses, draw_paths
from neuropil.pictures.step import draw_step
from neuropil.pictures.through_time import draw_sensitivity, draw_terms, draw_unrolled, sensitivity_curves
from neuropil.recipes.recipe import Recipe
from neuropil.recurrent.cells import GRU, make_recurrent
from neuropil.registry import nearest

__all__ = [
    "attention_pictures", "checked_page_name", "network_pictures", "path_pictures", "step_pictures", "time_pictures",
    "write_page",
]  # fmt: skip

RATES: dict[str, dict[str, Any]] = {
    "gradient_descent": {"lr": 0.05}, "momentum": {"lr": 0.01}, "nag": {"lr": 0.01}, "adagrad": {"lr": 0.5},
    "adadelta": {"lr": 1.0}, "rmsprop": {"lr": 0.05}, "adam": {"lr": 0.2}, "adamax": {"lr": 0.3},
    "adamw": {"lr": 0.2},
}  # fmt: skip
"""Rates at which the nine rules come down the valley in some dozens of steps."""

UNROLLED = 8
"""Steps of the unrolled network: more would be too small to read."""


def network_pictures(
    network: nn.Module | str, words: Sequence[str] = (), shape: Sequence[int] | None = None, depth: int | None = None
) -> Page:
    """A network as blocks with shapes, on a page whose groups open by a click.

    Args:
        network: any network that reads one tensor, or a name or line as in `create_model`.
        words: options of a named network, such as `num_classes=10`.
        shape: of one sample; the network's usual one where left out.
        depth: tell so many names of a module path apart in one picture, in place of groups to open.

    Raises:
        InputError: unknown name or option, or a shape that the network does not take.

    Example:
        >>> page = network_pictures(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), shape=(3,))
        >>> "Linear" in page.html
        True
    """
    title = network if isinstance(network, str) else type(network).__name__
    if isinstance(network, str):
        network, title = _named(network, words, shape)
    try:
        sample = tuple(shape) if shape else usual_input_shape(network)
    except (StopIteration, IndexError) as error:
        raise InputError(f"{title} does not say what it reads; give the shape of one sample") from error
    weight = next((one for one in network.parameters() if one.is_floating_point()), torch.empty(0))
    graph = trace_graph(network, torch.zeros(1, *sample, dtype=weight.dtype, device=weight.device))
    layers = sum(not node.operation and bool(node.path) for node in graph.nodes)
    notes = [f"One sample of {'×'.join(map(str, sample))}; {layers} calls of layers, {len(graph.edges)} edges."]
    if depth is not None:
        return Page(title, tuple(notes), ((None, draw_network(graph, depth=depth).picture),))
    page = network_page(graph, title)
    notes += ["A block with a second sheet behind it opens by a click."] if page.folds else []
    return Page(title, tuple(notes), page.pictures, page.folds)


def _named(name: str, words: Sequence[str], shape: Sequence[int] | None) -> tuple[nn.Module, str]:
    given = Recipe().with_overrides([f"model.{word}" for word in words]).section("model")
    name, options = model_options(name, given)
    if name == "line" and shape:
        options.setdefault("in_shape", tuple(shape))
    built = build_model(name, options)
    return built, str(getattr(built, "line", name))


def step_pictures(what: str, words: Sequence[str] = (), shape: Sequence[int] | None = None) -> Page:
    """One training step down to its single operations: one of the chapter's examples, or a small network.

    Args:
        what: one of `EXAMPLES`, or a name or line as in `create_model`.
        words: options of a network.
        shape: of one sample of a network.

    Raises:
        InputError: neither of the two, options for an example, or more operations than a picture shows.

    Example:
        >>> step_pictures("product").title
        '(x + y) z'
    """
    if what in EXAMPLES:
        if words or shape:
            raise InputError(f"the example {what!r} has its own numbers; leave the other words out")
        example = EXAMPLES[what]
        step, title = example.graph(), example.title
    elif what in MODELS or is_line(what):
        network, title = _named(what, words, shape)
        sample = tuple(shape) if shape else usual_input_shape(network)
        x = torch.randn(1, *sample, generator=torch.Generator().manual_seed(0))
        step = network_step(network.eval(), x)
    else:
        raise InputError(f"there is no example and no network {what!r}; {nearest(what, [*EXAMPLES, *MODELS])}")
    told = f"Blue: given values. → the value of a box, ← the gradient of the error by it. The error is {step.loss:.6g}."
    return Page(title, (told,), ((None, draw_step(step, title).picture),))


def time_pictures(cells: Sequence[str] = ("rnn", "lstm", "gru"), steps: int = 40, opened: float = 6.0) -> Page:
    """What recurrent cells still feel of their first input, and the terms of a gradient through time.

    Args:
        cells: names as in `make_recurrent`.
        steps: of the sequence, from 2 to 200.
        opened: bias of the LSTM's forget gate and the GRU's update gate: the larger, the longer they keep.

    Raises:
        InputError: an unknown cell, or too few or too many steps.
    """
    if not 2 <= steps <= 200:
        raise InputError(f"sequences of 2 to 200 steps can be drawn, but {steps} were asked for")
    layers = {cell: _cell(cell, opened) for cell in dict.fromkeys(cells)}
    x = torch.randn(1, steps, 1, generator=torch.Generator().manual_seed(1))
    found = {cell: sensitivity(layer, x).numpy(force=True) for cell, layer in layers.items()}
    notes = [f"Untrained cells of 8 units; gates of lstm and gru are open by a bias of {opened:g}."]
    pictures = [
        ("Sensitivity to the first input", draw_sensitivity(found)),
        ("The same on a logarithmic scale", sensitivity_curves(found)),
    ]
    for cell, layer in layers.items():
        terms, errors = _terms(layer, x)
        short = min(steps, UNROLLED)
        name = "W"
        pictures.append(
            (f"{cell}, unrolled over {short} steps", draw_unrolled(errors[:short], terms[:short, :short], weight=name))
        )
        pictures.append((f"{cell}: all terms of the gradient", draw_terms(terms, weight=name)))
    return Page("Gradients through time", tuple(notes), tuple(pictures))


def _cell(name: str, opened: float) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer: nn.Module = make_recurrent(name, 1, 8, forget_bias=opened if name.startswith("lstm") else None)
    if isinstance(layer, GRU):
        with torch.no_grad():
            layer.get_parameter("bias_ih_l0")[8:16] = opened  # reset, update, candidate
    return layer


def _terms(layer: nn.Module, x: Tensor) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Sizes of the terms of the recurrent weight's gradient, and the errors: squared outputs."""
    found = gradient_terms(layer, x, lambda y: y.square().mean((0, 2)))
    sizes = found.terms["weight_hh_l0"].flatten(2).norm(dim=2)
    return sizes.numpy(force=True), found.errors.numpy(force=True)


def path_pictures(surface: str = "valley", words: Sequence[str] = (), steps: int = 60) -> Page:
    """The ways of the nine update rules over a loss surface.

    Args:
        surface: one of `SURFACES`.
        words: learning rates of rules, such as `adam=0.1`; one with a rate of its own is drawn in its place.
        steps: of each way.

    Raises:
        InputError: no such surface or rule, or a rate that is no number.
    """
    if surface not in SURFACES:
        raise InputError(f"there is no surface {surface!r}; {nearest(surface, SURFACES)}")
    rates = {name: dict(options) for name, options in RATES.items()}
    for word in words:
        name, _, rate = word.partition("=")
        if name not in rates:
            raise InputError(f"there is no rule {name!r}; {nearest(name, rates)}")
        try:
            rates[name]["lr"] = float(rate)
        except ValueError as error:
            raise InputError(f"{word!r} is no learning rate; write it as {name}=0.1") from error
    chosen = SURFACES[surface]
    ways = [
        descend(name.replace("_", " "), partial(_rule, name, options), chosen, steps) for name, options in rates.items()
    ]
    told = ", ".join(f"{name} {options['lr']:g}" for name, options in rates.items())
    notes = (
        "The stronger the blue, the lower the loss; a dot at start and end, a cross where the loss is least.",
        f"Learning rates: {told}.",
    )
    pictures = (
        ("Ways", draw_paths(chosen, heights(chosen), ways)),
        *(("Loss", draw_losses(ways[at : at + 3])) for at in range(0, len(ways), 3)),
    )
    return Page(f"Nine rules over {chosen.formula}", notes, pictures)


def _rule(name: str, options: Mapping[str, Any], weights: Sequence[Tensor]) -> torch.optim.Optimizer:
    rule: torch.optim.Optimizer = RULES.build(name, weights, **options)
    return rule


def attention_pictures(path: Path | str) -> Page:
    """Attention in an `.npz` file: `weights` `[layers, heads, T, S]`, the words `queries` `[T]` and `keys` `[S]`.

    Words that the file leaves out are numbered.

    Raises:
        InputError: no such file, or arrays that do not fit.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read as .npz ({error}); write it by numpy.savez") from error
    if "weights" not in arrays or arrays["weights"].ndim != 4:
        raise InputError(f"{str(path)!r} needs an array 'weights' [layers, heads, T, S]; it holds {sorted(arrays)}")
    weights = arrays["weights"]
    words = [
        [str(one) for one in arrays.get(name, np.arange(1, count + 1))]
        for name, count in (("queries", weights.shape[2]), ("keys", weights.shape[3]))
    ]
    return attention_page(weights, words[0], words[1], title=Path(path).stem)


def checked_page_name(path: Path | str) -> Path:
    """The path of a page, held against what can be written, before long work is done for it.

    Raises:
        InputError: another ending than `.html` and `.svg`.

    Example:
        >>> checked_page_name("a.svg").name
        'a.svg'
    """
    target = Path(path)
    if target.suffix.lower() not in (".html", ".svg"):
        raise InputError(f"{str(path)!r} should end in .html (the whole page) or .svg (its first picture)")
    return target


def write_page(page: Page, path: Path | str) -> Path:
    """Write a page as `.html`, or its first picture as `.svg`; a file of that name is replaced.

    Raises:
        InputError: another ending.
    """
    target = checked_page_name(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    content = page.html if target.suffix.lower() == ".html" else page.svg
    write_atomic(target, content, durable=False)
    return target
