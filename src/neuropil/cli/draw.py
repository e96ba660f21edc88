"""`neuropil draw network` and `draw step`."""

from __future__ import annotations

from pathlib import Path

from neuropil.cli.output import AsJson, say, say_json
from neuropil.inspection.shapes import read_shape

__all__ = ["network", "step"]


def network(
    model: str, /, *words: str, shape: str | None = None, depth: int | None = None, to: Path | None = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """A network as blocks with shapes; large ones fold into groups that open by a click.

    Parameters
    ----------
    model
        One of `neuropil models`, or a line of layers such as "Conv6@5 - ReLU - Pool2 - FC10 - SM".
    words
        Options of the network, such as num_classes=10 in_channels=1.
    shape
        Shape of one input, such as 3x224x224; the network's usual one where left out.
    depth
        One picture that tells so many names of a module path apart, in place of groups to open.
    to
        The file to write: .html, or .svg for the first picture alone.
    as_json
        Answer with one JSON object.
    """
    from neuropil.gallery.building import network_pictures, write_page

    page = network_pictures(model, words, read_shape(shape) if shape else None, depth)
    written = write_page(page, to or f"{model if model.isidentifier() else 'network'}.html")
    say_json({"file": str(written), "notes": page.notes}) if as_json else say(str(written), *page.notes)


def step(what: str, /, *words: str, shape: str | None = None, to: Path = Path("step.html")) -> None:
    """One training step down to single operations, with values and gradients: WHAT is an example or a small network.

    Parameters
    ----------
    what
        product, line, neuron, perceptron, rnn or softmax; or a network as in `draw network`.
    words
        Options of a network.
    shape
        Shape of one input of a network.
    to
        The file to write: .html, or .svg.
    """
    from neuropil.gallery.building import step_pictures, write_page

    page = step_pictures(what, words, read_shape(shape) if shape else None)
    say(str(write_page(page, to)), *page.notes)
