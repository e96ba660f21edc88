"""`convert`: foreign weights, found, put into a network by name, and written as a file of our own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from neuropil.errors import InputError
from neuropil.models import build_model, model_options
from neuropil.recipes.recipe import Recipe
from neuropil.transfer.converting import convert_weights
from neuropil.transfer.darknet_cfg import network_of_cfg, read_text
from neuropil.transfer.finding import find_weights, is_remote
from neuropil.transfer.loading import LoadReport
from neuropil.transfer.reading import DARKNET_SUFFIX
from neuropil.transfer.records import WeightRecord

__all__ = ["convert_file"]


def convert_file(
    weights: str,
    model: str | None = None,
    words: Sequence[str] = (),
    output: Path | None = None,
    *,
    replace_file: bool = False,
    tell: Callable[[str], None] = lambda sentence: None,
) -> tuple[Path, LoadReport, WeightRecord]:
    """Write weights under our names.

    Args:
        weights: a file, a folder as Hugging Face writes it, or a public name.
        model: the network that they are for; files that are known say it themselves.
        words: `key=value` options of the network.
        output: the file to write.
        replace_file: whether a file that is there already may be replaced.
        tell: gets a sentence before anything is downloaded.

    Returns:
        the new file, what became of each weight, and what is known of them.

    Raises:
        InputError: no such file or network, no network named, or weights that do not fit: the first mismatch.
    """
    path, known = find_weights(weights, tell=tell)
    if not path.exists():
        raise InputError(f"no weights file at {weights!r}; check the path, or give torchvision:NAME")
    cfg = path.with_suffix(".cfg")
    if known is None and model is None and path.suffix.lower() == DARKNET_SUFFIX and cfg.is_file():
        described, of_cfg = network_of_cfg(read_text(cfg), str(cfg))
        known = WeightRecord(model=described, source=path.name, options=of_cfg)
    if model is None and known is None:
        raise InputError(f"nothing is known of {weights!r}; say which network it is for with --to MODEL")
    name = model if model is not None or known is None else known.model
    if known is not None and path.is_dir():
        known.check_network(str(name), weights)
    given = Recipe().with_overrides([f"model.{word}" for word in words]).section("model")
    name, options = model_options(str(name), given)
    if known is not None and (of_known := known.options_of(name)) is not None:
        record = replace(known, model=name, options={**of_known, **options})
    else:
        source = weights if is_remote(weights) else path.name
        record = WeightRecord(model=name, source=source, options=options)
    target = output if output is not None else Path(f"{name}.safetensors")
    network = build_model(name, record.options)
    report = convert_weights(network, path, target, record, replace_file=replace_file)
    return target, report, record
