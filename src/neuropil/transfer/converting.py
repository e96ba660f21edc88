"""Foreign weights into a file of our own: our names, safetensors, and the record of where they come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from safetensors.torch import save
from torch import Tensor, nn

from neuropil.errors import InputError, NeuropilError
from neuropil.files import sha256_of, write_atomic
from neuropil.transfer.finding import SAYS_MORE
from neuropil.transfer.loading import LoadReport, load_weights
from neuropil.transfer.records import WeightRecord

__all__ = ["convert_weights"]


def convert_weights(
    network: nn.Module,
    source: Path,
    path: Path,
    record: WeightRecord,
    *,
    replace_file: bool = False,
) -> LoadReport:
    """Load a file of weights into a network and write them under our names, the record inside.

    Args:
        network: the one that the weights are for; it is filled.
        source: the file, or the folder as Hugging Face writes it, of which the body must fit exactly.
        path: of the new file, which ends in `.safetensors`.
        record: written into it; where it has no hash, the file's is put there.
        replace_file: whether a file that is there already may be replaced.

    Raises:
        InputError: another ending, a file that is there, or weights that do not fit: the first mismatch.
        NeuropilError: the file cannot be written.
    """
    if path.suffix != ".safetensors":
        raise InputError(f"{str(path)!r} was given for the converted file; its name must end in .safetensors")
    if not path.parent.is_dir():
        raise InputError(f"the folder {str(path.parent)!r} is not there; make it first, or name another file")
    if path.exists() and (path.is_dir() or not replace_file):
        raise InputError(f"{str(path)!r} is there already; name another file, or give --force to replace it")
    report = load_weights(network, source, strict="body" if source.is_dir() else True)
    kept = record if record.sha256 or source.is_dir() else replace(record, sha256=sha256_of(source))
    tensors: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        shared = any(tensor.data_ptr() == other.data_ptr() for other in tensors.values())
        tensors[name] = tensor.clone() if shared else tensor.contiguous()  # what is tied is written again
    try:
        write_atomic(path, save(tensors, metadata={SAYS_MORE: kept.to_json()}))
    except OSError as error:
        raise NeuropilError(f"{str(path)!r} cannot be written: {error.strerror or error}") from error
    return report
