"""Networks out to other programs: ONNX and torch.export, each file run again before it is kept.

The files hold no pickle. What a user of the network must know (classes, how samples are prepared) is stored inside as
one JSON text named `neuropil`.
"""

from __future__ import annotations

import copy
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from neuropil.errors import InputError, MissingExtraError, NeuropilError
from neuropil.files import write_atomic
from neuropil.registry import nearest

__all__ = ["ExportFormat", "Exported", "export_network"]

ExportFormat = Literal["onnx", "pt2"]

BATCHES = (1, 3)
TOLERANCE = 1e-4
"""Of the largest output: an exported file that differs by more is not kept."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Args:
        path: the file.
        format: `onnx` or `pt2`.
        difference: the largest between the file's outputs and the network's, as a share of the largest output.
        batches: the sizes of the batches that were compared.
    """

    path: Path
    format: ExportFormat
    difference: float
    batches: tuple[int, ...]

    def figures(self) -> dict[str, Any]:
        """The same as plain values."""
        return {"file": str(self.path), "format": self.format, "difference": self.difference}

    def in_words(self) -> str:
        """The same as a sentence."""
        sizes = " and ".join(map(str, self.batches))
        return (
            f"{self.path}: batches of {sizes} differ from the network by at most {self.difference:.1e} of the largest "
            "output"
        )


def export_network(
    network: nn.Module,
    input_shape: tuple[int, ...],
    path: Path | str,
    *,
    format: ExportFormat | None = None,
    facts: Mapping[str, Any] | None = None,
    replace: bool = False,
) -> Exported:
    """Write a network for inference, with a batch of any size, and run what was written beside it.

    Args:
        network: of one tensor; it stays as it is.
        input_shape: of one sample.
        path: the file to write, which ends in `.onnx` or `.pt2`.
        format: `onnx` for onnxruntime and others, `pt2` for `torch.export.load`; left out, as the file's name says.
        facts: plain values to be stored in the file.
        replace: whether a file that is there already may be replaced.

    Raises:
        InputError: an unknown format, a name that contradicts it, a folder that is not there, a file that is, or
            samples that the network does not take.
        MissingExtraError: ONNX without the packages that it needs.
        NeuropilError: the network cannot be exported, or the file says something else than the
            network or cannot be written.
    """
    path = Path(path)
    format = _checked(path, format, replace)
    still = copy.deepcopy(network).to("cpu", torch.float32).eval()
    samples = torch.randn(max(BATCHES), *input_shape, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            expected: Tensor = still(samples)
    except RuntimeError as error:  # torch's words for sizes that do not fit
        shape = "x".join(map(str, input_shape))
        raise InputError(f"the network does not take samples of {shape}: {str(error).splitlines()[0]}") from error
    text = json.dumps(dict(facts or {}), ensure_ascii=False)
    content, run = (_onnx if format == "onnx" else _pt2)(still, samples, text)
    scale = max(expected.abs().max().item(), torch.finfo(torch.float32).tiny)
    difference = max((run(samples[:size]) - expected[:size]).abs().max().item() / scale for size in BATCHES)
    if not difference <= TOLERANCE:
        raise NeuropilError(
            f"the {format} file would differ from the network by {difference:.1e} of its largest output, more than "
            f"{TOLERANCE:g}, so it was not written"
        )
    try:
        write_atomic(path, content)
    except OSError as error:
        raise NeuropilError(f"{str(path)!r} cannot be written: {error.strerror or error}") from error
    return Exported(path, format, difference, BATCHES)


def _checked(path: Path, format: str | None, replace: bool) -> ExportFormat:
    """The format, from the file's name where it is not given."""
    known: dict[str, ExportFormat] = {one: one for one in get_args(ExportFormat)}
    if format is not None and format not in known:
        raise InputError(f"there is no export format {format!r}; {nearest(format, known)}")
    suffix = path.suffix.removeprefix(".")
    if suffix not in known or (format is not None and format != suffix):
        wanted = f".{format}" if format is not None else " or ".join(f".{one}" for one in known)
        raise InputError(f"{str(path)!r} was given for the exported file; its name must end in {wanted}")
    if not path.parent.is_dir():
        raise InputError(f"the folder {str(path.parent)!r} is not there; make it first, or name another file")
    if path.is_dir() or (path.exists() and not replace):
        raise InputError(f"{str(path)!r} is there already; name another file, or give --force to replace it")
    return known[suffix]


Run = Callable[[Tensor], Tensor]


def _onnx(network: nn.Module, samples: Tensor, text: str) -> tuple[bytes, Run]:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"ONNX needs the package {error.name!r}; install neuropil[export], or take format pt2"
        ) from error
    with _quiet(), _in_words("ONNX"):
        program = torch.onnx.export(
            network,
            (samples,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=["input"],
            output_names=["output"],
            verbose=False,
        )
    model = program.model_proto  # type: ignore[union-attr]
    entry = model.metadata_props.add()
    entry.key, entry.value = "neuropil", text
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return content, lambda x: torch.as_tensor(session.run(None, {"input": x.numpy()})[0])


def _pt2(network: nn.Module, samples: Tensor, text: str) -> tuple[bytes, Run]:
    with _quiet(), _in_words("torch.export"):
        program = torch.export.export(network, (samples,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
    program.example_inputs = None  # torch would pickle them
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={"neuropil": text})
    content = buffer.getvalue()
    run = torch.export.load(io.BytesIO(content)).module()
    return content, lambda x: run(x).detach()


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters warn of their own dependencies."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _in_words(what: str) -> Iterator[None]:
    try:
        yield
    except NeuropilError:
        raise
    except Exception as error:  # exporters fail in many ways
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise NeuropilError(f"the network cannot be exported by {what}: {reason}") from error
