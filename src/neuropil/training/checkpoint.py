"""Checkpoints: a new folder each, made whole beside the others and then renamed into place.

    step-00000120/  model.safetensors  state.safetensors  [averaged.safetensors]  state.json
    best-00000080/  model.safetensors  state.json
    average-00000120/  model.safetensors  state.json

`state.json` holds every other state in plain JSON, the size and SHA-256 of each file beside it, and its own SHA-256.
Nothing is ever overwritten in place: at any moment, also after a kill or a power cut, the newest folder that verifies
is a whole one. The links `last`, `best` and `average` are for people; programs go by the folders themselves.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from neuropil.errors import CheckpointError
from neuropil.files import sync_directory

__all__ = [
    "FORMAT",
    "Checkpoint",
    "checkpoint_folders",
    "load_checkpoint",
    "newest_checkpoint",
    "save_checkpoint",
    "tidy_checkpoints",
]

FORMAT = 1
"""The version of the layout; a newer one is refused, an older one is read for ever."""

Kind = Literal["step", "best", "average"]
"""A `step` checkpoint holds all that resuming needs; a `best` one and a mean of several hold weights alone."""

_LINKS: dict[Kind, str] = {"step": "last", "best": "best", "average": "average"}
_FOLDER = re.compile(r"(step|best|average)-(\d{8,})(?:-(\d+))?")
_TEMPORARY = re.compile(r"(step|best|average)-[\d-]+\.tmp-\d+|\.(last|best|average)\.\d+\.tmp")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint, read and verified: its folder, its plain state, and its tensors by file stem and name."""

    folder: Path
    state: dict[str, Any]
    tensors: dict[str, dict[str, Tensor]]

    def weights(self) -> dict[str, Tensor]:
        """The weights for use: averaged ones where there are some, else the rule's, else the model's own.

        Raises:
            CheckpointError: there are none.
        """
        found = next(filter(None, map(self.tensors.get, ("averaged", "use", "model"))), None)
        if found is None:
            raise CheckpointError(f"the checkpoint {self.folder.name!r} holds no weights, so it is none of this run")
        return found


def save_checkpoint(
    root: Path,
    step: int,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
    *,
    kind: Kind = "step",
) -> Path:
    """Write one checkpoint; it exists whole after this call, or not at all.

    Args:
        root: the folder of all checkpoints of a run.
        step: optimizer steps done; names the folder.
        tensors: file stem -> tensors by name.
        state: plain JSON values.
        kind: what the folder is called and which link (`last`, `best` or `average`) is turned to it.

    Raises:
        CheckpointError: the disk refused (full, read-only, failing); earlier checkpoints are untouched.
    """
    temporary = root / f"{kind}-{step:08d}.tmp-{os.getpid()}"
    try:
        if not root.is_dir():
            root.mkdir(parents=True, exist_ok=True)
            sync_directory(root.parent)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        files = {}
        for stem, named in tensors.items():
            files[f"{stem}.safetensors"] = _write(temporary / f"{stem}.safetensors", _to_bytes(named))
        document = {"format": FORMAT, "step": step, "files": files, "state": dict(state)}
        document["sha256"] = _fingerprint(document)
        _write(temporary / "state.json", json.dumps(document, indent=1).encode())
        sync_directory(temporary)
        final = _free_name(root, kind, step)
        temporary.rename(final)
        sync_directory(root)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise CheckpointError(
            f"the checkpoint of step {step} could not be written to {str(root)!r}: {error.strerror or error}; "
            "earlier checkpoints are untouched: free some space or give another run folder, then resume"
        ) from error
    _link(root / _LINKS[kind], final.name)
    return final


def _to_bytes(named: Mapping[str, Tensor]) -> bytes:
    """One safetensors file; a tensor that shares its memory with an earlier one (tied weights) is written again."""
    ready: dict[str, Tensor] = {}
    memories: set[int] = set()
    for name, tensor in named.items():
        plain = tensor.detach().cpu().contiguous()
        memory = plain.untyped_storage().data_ptr()
        ready[name] = plain.clone() if memory in memories else plain
        memories.add(memory)
    return safetensors.save(ready)


def _fingerprint(document: Mapping[str, Any]) -> str:
    """The SHA-256 of a document's values, however the file spaces them."""
    return hashlib.sha256(json.dumps(document).encode()).hexdigest()


def _write(path: Path, content: bytes) -> dict[str, Any]:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _free_name(root: Path, kind: Kind, step: int) -> Path:
    """`step-N`, or `step-N-K` where that is taken: by a save before an evaluation, or by a damaged one."""
    final, number = root / f"{kind}-{step:08d}", 0
    while final.exists():
        number += 1
        final = root / f"{kind}-{step:08d}-{number}"
    return final


def _link(link: Path, target: str) -> None:
    """Point a name at a checkpoint for people to find; systems without symbolic links do without."""
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        temporary.replace(link)


def checkpoint_folders(root: Path, kind: Kind = "step") -> list[Path]:
    """The checkpoint folders of a run, oldest first; unfinished ones are not among them."""
    return [folder for _, _, folder in _numbered(root, kind)] if root.is_dir() else []


def _numbered(root: Path, kind: Kind) -> list[tuple[int, int, Path]]:
    """The checkpoint folders of a run with their step and their number among those of the step, oldest first."""
    found = []
    for entry in root.iterdir():
        match = _FOLDER.fullmatch(entry.name)
        if match and match[1] == kind and not entry.is_symlink():
            found.append((int(match[2]), int(match[3] or 0), entry))
    return sorted(found)


def tidy_checkpoints(root: Path, *, keep: int | None = None, newest: int | None = None) -> None:
    """Remove what a killed run left unfinished, and checkpoints that are no longer needed; never fails.

    Args:
        root: the folder of all checkpoints of a run.
        keep: newest checkpoints of each kind to keep; all by default.
        newest: the step that was just saved; checkpoints of later steps, which were passed over as damaged when the
            run went on from an earlier one, are removed and not counted.
    """
    with contextlib.suppress(OSError):
        for entry in root.iterdir():
            if not _TEMPORARY.fullmatch(entry.name):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
        for kind, name in _LINKS.items():
            numbered = _numbered(root, kind)
            passed_over = [one for one in numbered if newest is not None and one[0] > newest]
            valid = numbered[: len(numbered) - len(passed_over)]
            for _, _, folder in passed_over if keep is None else [*passed_over, *valid[:-keep]]:
                shutil.rmtree(folder, ignore_errors=True)
            link = root / name
            if valid and link.resolve().name != valid[-1][2].name:  # a save was cut off before its link was turned
                _link(link, valid[-1][2].name)


def load_checkpoint(folder: Path, *, only: Iterable[str] | None = None) -> Checkpoint:
    """Read one checkpoint, each file held against its recorded size and SHA-256 first.

    Args:
        folder: a `step-*` folder, or a link to one.
        only: file stems to read; all by default.

    Raises:
        CheckpointError: missing, damaged, or written by a newer version.
    """
    try:
        document = json.loads((folder / "state.json").read_bytes())
        version, files, state = document["format"], document["files"], document["state"]
        if not isinstance(version, int):
            raise CheckpointError(f"the checkpoint {folder.name!r} is damaged: its format is {version!r}, not a number")
        if version > FORMAT:
            raise CheckpointError(
                f"the checkpoint {folder.name!r} has format {version}, this version reads up to {FORMAT}: "
                "use a newer Neuropil"
            )
        if document.pop("sha256") != _fingerprint(document) or not isinstance(state, dict):
            raise CheckpointError(f"the checkpoint {folder.name!r} is damaged: state.json is not as it was written")
        tensors = {}
        for name, record in files.items():
            stem = name.removesuffix(".safetensors")
            if only is not None and stem not in set(only):
                continue
            if Path(name).name != name:
                raise CheckpointError(f"the checkpoint {folder.name!r} names a file outside itself: {name!r}")
            content = (folder / name).read_bytes()
            if len(content) != record["bytes"] or hashlib.sha256(content).hexdigest() != record["sha256"]:
                raise CheckpointError(f"the checkpoint {folder.name!r} is damaged: {name} is not as it was written")
            tensors[stem] = safetensors.load(content)
    except CheckpointError:
        raise
    except FileNotFoundError as error:
        raise CheckpointError(f"the checkpoint {folder.name!r} lacks {Path(error.filename).name}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        raise CheckpointError(f"the checkpoint {folder.name!r} is damaged: {error}") from error
    return Checkpoint(folder, state, tensors)


def newest_checkpoint(root: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that verifies, and a sentence about each newer one that does not.

    Raises:
        CheckpointError: there are checkpoints, but none that can be used.
    """
    complaints: list[str] = []
    folders = checkpoint_folders(root)
    for folder in reversed(folders):
        try:
            return load_checkpoint(folder), complaints
        except CheckpointError as error:
            complaints.append(str(error))
    if folders:
        raise CheckpointError(f"no usable checkpoint in {str(root)!r}: {'; '.join(complaints)}")
    return None, complaints
