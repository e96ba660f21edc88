"""A run, or a network by name, as a file for other programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from neuropil.errors import InputError
from neuropil.models import model_options, usual_input_shape
from neuropil.nn.tiling import Outlined
from neuropil.recipes.creating import create_model
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.run import Run, recipe_of
from neuropil.recipes.signature import DataSignature
from neuropil.training.run_folder import RunFolder
from neuropil.transfer.exporting import Exported, ExportFormat, export_network
from neuropil.transfer.layout_writing import write_layout
from neuropil.transfer.layouts import BERT_NETWORKS, is_layout

__all__ = ["export_folder", "export_model", "export_run", "with_weights_of_run"]


OUTPUTS = {
    "classes": "logits, one for each of classes: softmax gives probabilities, argmax the class",
    "values": "standardized values: times target_scale, plus target_mean",
    "boxes": (
        "[n, row, column, 5 B + K] of a grid of cells: for each of B boxes x and y of its centre in the cell, roots of "
        "width and height as shares of the picture, confidence; then a number for each of classes, times confidence"
    ),
    "masks": "logits [n, K, H, W], one for each of classes and picture element: argmax gives the class",
}


def _preparation(signature: DataSignature) -> str:
    """How a sample becomes the network's input, in one sentence."""
    scaled = "" if signature.normalization is None else ", then (x - mean) / std of normalization"
    if signature.kind != "images":
        return f"float32 rows of columns{scaled}"
    resized = "resized as encoding says (bilinear where it names none)"
    return f"RGB or grey bytes, {resized}, divided by 255{scaled}, float32 [n, C, H, W]"


def export_run(
    path: Path | str,
    to: Path | str | None = None,
    format: ExportFormat | None = None,
    *,
    replace: bool = False,
) -> tuple[list[str], Exported]:
    """A trained network with its classes and the preparation of samples.

    Args:
        path: the run folder.
        to: the file to write; `model.onnx` or `model.pt2` in the run folder where left out.
        format: see `export_network`.
        replace: see `export_network`.

    Returns:
        sentences about checkpoints passed over, and what was written.

    Raises:
        InputError: no run folder, or what `export_network` refuses.
    """
    run = Run(path)
    signature = run.signature
    facts: dict[str, Any] = {
        "task": run.task.name,
        "input": _preparation(signature),
        "output": OUTPUTS[signature.target],
        "input_shape": list(signature.input_shape),
        "classes": list(signature.classes),
        "columns": list(signature.columns),
        "targets": list(signature.targets),
        "target_mean": list(signature.target_mean),
        "target_scale": list(signature.target_scale),
        "encoding": dict(signature.encoding),
        "normalization": None if signature.normalization is None else signature.normalization.to_json(),
    }
    target = Path(to) if to is not None else run.folder.path / f"model.{format or 'onnx'}"
    network = Outlined(run.model) if signature.target == "masks" else run.model
    return run.complaints, export_network(
        network, signature.input_shape, target, format=format, facts=facts, replace=replace
    )


def export_folder(
    path: Path | str, to: Path | str | None = None, *, replace: bool = False
) -> tuple[list[str], list[Path]]:
    """A trained BERT or GPT with its subwords as a folder that Hugging Face's `transformers` opens.

    Args:
        path: the run folder.
        to: the folder to write; `huggingface` in the run folder where left out.
        replace: whether a folder that holds something may be written into.

    Returns:
        sentences that the user should read, and the files.

    Raises:
        InputError: no run folder, a network that has no form there, or subwords that are numbered otherwise there.
    """
    run = Run(path)
    encoding, complaints = run.signature.encoding, list(run.complaints)
    if encoding.get("shifted"):
        raise InputError(
            f"the subwords of {str(path)!r} are numbered behind four entries of this program's own, which Hugging "
            "Face's tokenizers cannot do; take --format onnx"
        )
    subwords = encoding.get("subwords")
    target = Path(to) if to is not None else run.folder.path / "huggingface"
    written = write_layout(run.model, target, classes=run.signature.classes, subwords=subwords, replace=replace)
    if subwords is None:
        complaints.append(f"no tokenizer was written, as Hugging Face has none of {encoding.get('level', 'word')}s")
    return complaints, written


def with_weights_of_run(recipe: Recipe, tell: Callable[[str], None]) -> Recipe:
    """A recipe whose weights are those of a run of BERT or GPT, where it names the run's folder.

    They are taken from the folder `huggingface` in the run, which is written first, so that subwords and sizes come
    along.

    Args:
        recipe: may name weights.
        tell: gets a sentence where a folder was written.

    Raises:
        InputError: a run of another network.
    """
    weights = recipe.section("model").get("weights")
    run = _run_folder(weights) if isinstance(weights, str) else None
    if run is None:
        return recipe
    network = recipe_of(run).section("model").get("name")
    if network not in (*BERT_NETWORKS, "gpt"):
        file = run.checkpoints / "best" / "model.safetensors"
        raise InputError(
            f"{weights!r} is a run of {network}, and whole runs are taken of BERT and GPT alone; give its file, "
            f"weights={file} model={network}"
        )
    target = run.path / "huggingface"
    complaints, _ = export_folder(run.path, target, replace=True)
    for sentence in (*complaints, f"the weights of the run {weights!r} were written to {str(target)!r}"):
        tell(sentence)
    return recipe.with_values({"model.weights": str(target)})


def _run_folder(weights: str) -> RunFolder | None:
    """The run that a name of weights stands for; `None` where it is anything else."""
    try:
        path = Path(weights).expanduser()
        return RunFolder(path) if (path / "recipe.toml").is_file() and not is_layout(path) else None
    except (OSError, RuntimeError):  # a name too long, no such user: whoever looks for the weights says so
        return None


def export_model(
    name: str,
    words: Sequence[str] = (),
    to: Path | str | None = None,
    format: ExportFormat | None = None,
    shape: tuple[int, ...] | None = None,
    *,
    replace: bool = False,
) -> Exported:
    """A network by name or line, with fresh weights or those of `weights=FILE`.

    Raises:
        InputError: an unknown network or option, or what `export_network` refuses.
    """
    if len(Path(name).parts) > 1 and " " not in name:
        raise InputError(f"there is no run folder {name!r}; give one, the name of a network, or a line of layers")
    given = Recipe().with_overrides([f"model.{word}" for word in words]).section("model")
    weights = given.pop("weights", None)
    known, options = model_options(name, given)
    if known == "line" and shape is not None:
        options.setdefault("in_shape", shape)
    network = create_model(known, weights=weights, **options)
    sample = usual_input_shape(network) if shape is None else shape
    facts = {"model": getattr(network, "line", known), "input_shape": list(sample)}
    target = Path(to) if to is not None else Path(f"{known}.{format or 'onnx'}")
    return export_network(network, sample, target, format=format, facts=facts, replace=replace)
