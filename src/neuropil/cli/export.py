"""`neuropil export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from neuropil.cli.output import AsJson, say, say_json, warn
from neuropil.cli.shapes import read_shape
from neuropil.errors import InputError

__all__ = ["export"]


def export(
    source: str,
    /,
    *words: str,
    to: Path | None = None,
    format: Literal["onnx", "pt2"] | None = None,
    shape: str | None = None,
    force: Annotated[bool, Parameter(negative="")] = False,
    as_json: AsJson = False,
) -> None:
    """A network as a file for other programs, run beside the original before it is kept.

    Parameters
    ----------
    source
        A run folder, one of `neuropil models`, or a line of layers.
    words
        Options of a network that is no run, such as num_classes=10.
    to
        The file to write; beside the run, or here, where left out.
    format
        onnx for onnxruntime and others, pt2 for torch.export.load; as the file's name says, else onnx.
    shape
        Shape of one input of a network that is no run, such as 3x224x224.
    force
        Replace a file that is there already.
    as_json
        Answer with one JSON object.
    """
    from neuropil.recipes.exporting import export_model, export_run

    if Path(source).is_dir() and (words or shape):
        raise InputError("a run has its own network and shape; leave the other words out")
    if Path(source).is_dir():
        complaints, done = export_run(source, to, format, replace=force)
        warn(*complaints)
    elif len(Path(source).parts) > 1 and " " not in source:
        raise InputError(f"there is no run folder {source!r}; give one, the name of a network, or a line of layers")
    else:
        done = export_model(source, words, to, format, read_shape(shape) if shape else None, replace=force)
    if as_json:
        return say_json({"file": str(done.path), "format": done.format, "difference": done.difference})
    sizes, most = " and ".join(map(str, done.batches)), f"at most {done.difference:.1e} of the largest output"
    return say(f"{done.path}: batches of {sizes} differ from the network by {most}")
