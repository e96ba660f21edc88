"""`neuropil convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from neuropil.cli.output import AsJson, say, say_json, warn

__all__ = ["convert"]


def convert(
    weights: str,
    /,
    *words: str,
    to: str | None = None,
    output: Path | None = None,
    force: Annotated[bool, Parameter(negative="")] = False,
    as_json: AsJson = False,
) -> None:
    """Weights of another program into a file under our names, with the record of where they come from.

    Parameters
    ----------
    weights
        A file (.safetensors, .pt, .pth, .th, .bin, .npz, .onnx, .h5, .keras, darknet's .weights), a folder as
        Hugging Face writes it, torchvision:NAME, or hf-hub:OWNER/REPOSITORY; the last two are downloaded if they are
        not in the cache.
    words
        Options of the network, such as width=0.5 num_classes=10.
    to
        The network that they are for, one of `neuropil models`; known files say it themselves.
    output
        The file to write; the network's name with .safetensors, here, where left out.
    force
        Replace a file that is there already.
    as_json
        Answer with one JSON object.
    """
    from dataclasses import asdict

    from neuropil.recipes.converting import convert_file

    path, report, record = convert_file(weights, to, words, output, replace_file=force, tell=warn)
    if as_json:
        return say_json({"file": str(path), **asdict(report), "record": asdict(record)})
    say(f"all {len(report.matched)} tensors found their place by {report.table}", *record.in_words())
    for verb, names in (("begin anew", report.missing), ("were left over", report.unexpected)):
        if names:
            say(f"{len(names)} more {verb}: {', '.join(names[:4])}{' …' if len(names) > 4 else ''}")
    return say(f"written: {path}", f"to use it: neuropil train weights={path} data=FOLDER")
