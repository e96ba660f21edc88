"""`neuropil summary`."""

from __future__ import annotations

from neuropil.cli.output import AsJson, say_json, say_table
from neuropil.errors import InputError

__all__ = ["summary"]


def summary(model: str, /, *words: str, shape: str | None = None, as_json: AsJson = False) -> None:
    """A network layer by layer.

    Parameters
    ----------
    model
        One of `neuropil models`.
    words
        Options of the network, such as num_classes=10 in_channels=1.
    shape
        Shape of one input, such as 3x224x224; the network's usual one where left out.
    as_json
        Answer with one JSON object.
    """
    from dataclasses import asdict

    from neuropil.inspection.summary import summarize
    from neuropil.models import create_model, usual_input_shape
    from neuropil.recipes.recipe import Recipe

    options = Recipe().with_overrides([f"model.{word}" for word in words]).section("model")
    network = create_model(model, **options)
    found = summarize(network, _read_shape(shape) if shape else usual_input_shape(network))
    if as_json:
        return say_json({"model": model, **asdict(found)})
    rows: list[tuple[object, ...]] = [
        (layer.name, layer.kind, "x".join(map(str, layer.output_shape)), layer.weights, layer.multiply_adds)
        for layer in found.layers
    ]
    rows.append(("total", "", "", found.weights, found.multiply_adds))
    return say_table(model, ("layer", "kind", "output", "weights", "multiply-adds"), rows)


def _read_shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.lower().split("x"))
    except ValueError as error:
        raise InputError(f"{text!r} is no shape; write it as 3x224x224") from error
