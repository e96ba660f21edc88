"""`neuropil summary`."""

from __future__ import annotations

from neuropil.cli.output import AsJson, say, say_json, say_table
from neuropil.inspection.shapes import read_shape

__all__ = ["summary"]


def summary(model: str, /, *words: str, shape: str | None = None, as_json: AsJson = False) -> None:
    """A network layer by layer.

    Parameters
    ----------
    model
        One of `neuropil models`, or a line of layers such as "Conv6@5 - ReLU - Pool2 - FC10 - SM".
    words
        Options of the network, such as num_classes=10 in_channels=1.
    shape
        Shape of one input, such as 3x224x224; the network's usual one where left out.
    as_json
        Answer with one JSON object.
    """
    from dataclasses import asdict

    from neuropil.drawing.layers import layer_table, shape_words
    from neuropil.inspection.summary import summarize
    from neuropil.models import create_model, model_options, usual_input_shape
    from neuropil.models.published import published_for
    from neuropil.recipes.recipe import Recipe

    given = Recipe().with_overrides([f"model.{word}" for word in words]).section("model")
    name, options = model_options(model, given)
    if name == "line" and shape:
        options.setdefault("in_shape", read_shape(shape))
    network = create_model(name, **options)
    found = summarize(network, read_shape(shape) if shape else usual_input_shape(network))
    title = getattr(network, "line", name)
    if as_json:
        return say_json({"model": name, "line": getattr(network, "line", None), **asdict(found)})
    table = layer_table(found)
    say_table(f"{title}, for one sample of {shape_words(found.input_shape)}", table.columns, table.rows)
    printed = published_for(name, options, found.input_shape[-1])
    if printed is not None:
        numbers = [
            f"{n} {of}" for n, of in ((printed.weights, "weights"), (printed.multiply_adds, "multiply-adds")) if n
        ]
        say(f"the paper: {', '.join(numbers)} ({'; '.join(filter(None, (printed.source, printed.note)))})")
    return say(table.note)
