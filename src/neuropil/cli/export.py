"""`neuropil export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from neuropil.cli.output import AsJson, say, say_json, warn
from neuropil.errors import InputError
from neuropil.inspection.shapes import read_shape

__all__ = ["export"]


def export(
    source: str,
    /,
    *words: str,
    to: Path | None = None,
    format: Literal["onnx", "pt2", "huggingface"] | None = None,
    shape: str | None = None,
    force: Annotated[bool, Parameter(negative="")] = False,
    as_json: AsJson = False,
) -> None:
    """A network for other programs, compared with the original before it is kept.

    Parameters
    ----------
    source
        A run folder, one of `neuropil models`, or a line of layers.
    words
        Options of a network that is no run, such as num_classes=10.
    to
        The file (of huggingface: the folder) to write; in the run, or here, where left out.
    format
        onnx; pt2 for torch.export.load; huggingface for transformers, of runs of BERT and GPT.
    shape
        Shape of one input of a network that is no run, such as 3x224x224.
    force
        Replace what is there already.
    as_json
        Answer with one JSON object.
    """
    from neuropil.recipes.exporting import export_folder, export_model, export_run

    if Path(source).is_dir() and (words or shape):
        raise InputError("a run has its own network and shape; leave the other words out")
    if format == "huggingface":
        complaints, files = export_folder(source, to, replace=force)
        warn(*complaints)
        return say_json({"files": list(map(str, files))}) if as_json else say(*map(str, files))
    if Path(source).is_dir():
        complaints, done = export_run(source, to, format, replace=force)
        warn(*complaints)
    else:
        done = export_model(source, words, to, format, read_shape(shape) if shape else None, replace=force)
    return say_json(done.figures()) if as_json else say(done.in_words())
