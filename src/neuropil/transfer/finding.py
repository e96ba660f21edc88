"""Where weights are: a file here, or a public name, which is fetched because the user wrote it and for no other reason.

`torchvision:resnet50` and `hf-hub:owner/repository` (`@revision` and `/file` may follow) are downloaded once into the
caches that torch and huggingface_hub keep anyway, and their SHA-256 is held against what their source states.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from torch import hub

from neuropil.errors import InputError, MissingExtraError
from neuropil.files import sha256_of
from neuropil.registry import nearest
from neuropil.transfer.layouts import read_layout
from neuropil.transfer.published import KNOWN_FILES, TIMM, TORCHVISION
from neuropil.transfer.records import Preprocessing, WeightRecord

__all__ = ["FoundWeights", "find_weights", "is_remote"]

TORCHVISION_PREFIX, HUGGING_FACE_PREFIX = "torchvision:", "hf-hub:"

HUGGING_FACE_NAME = re.compile(
    r"^(?P<repository>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w.-]+))?(?:/(?P<file>[\w./-]+))?$", re.ASCII
)

SAYS_MORE = "neuropil"
"""The entry of a safetensors file's metadata under which `convert` puts the record."""


class FoundWeights(NamedTuple):
    """A file of weights on this machine, or a folder as Hugging Face writes it, and what is known of it."""

    path: Path
    record: WeightRecord | None


def is_remote(name: str) -> bool:
    """Whether a name stands for weights that lie elsewhere.

    Example:
        >>> is_remote("torchvision:resnet18"), is_remote("best.pth")
        (True, False)
    """
    return name.startswith((TORCHVISION_PREFIX, HUGGING_FACE_PREFIX))


def find_weights(name: str | Path, *, tell: Callable[[str], None] = lambda sentence: None) -> FoundWeights:
    """The file that a name stands for, fetched first where it is a remote one that is not in the cache.

    Args:
        name: the path of a file, or of a folder as Hugging Face writes it; `torchvision:NAME`, or
            `hf-hub:OWNER/REPOSITORY[@REVISION][/FILE]`.
        tell: gets a sentence before anything is downloaded.

    Raises:
        InputError: no such file or name, no connection, or a file whose hash is not what its source states.
        MissingExtraError: `hf-hub:` without huggingface_hub.
    """
    text = str(name)
    if text.startswith(TORCHVISION_PREFIX):
        return _from_torchvision(text, tell)
    if text.startswith(HUGGING_FACE_PREFIX):
        return _from_hugging_face(text, tell)
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            return FoundWeights(path, read_layout(path).record)
        return FoundWeights(path, _record_of(path) if path.is_file() else None)
    except (OSError, RuntimeError) as error:  # no such user, a name too long, a file that may not be read
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"the weights file {text[:200]!r} cannot be read: {reason}; check the path") from error


def _record_of(path: Path) -> WeightRecord | None:
    """What the file says of itself, or what is known of its hash.

    Raises:
        InputError: the file says something that cannot be read.
    """
    if path.suffix.lower() == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                text = (file.metadata() or {}).get(SAYS_MORE)
        except (SafetensorError, OSError):
            return None  # whoever reads the tensors says what is wrong
        if text is not None:
            return WeightRecord.from_json(text)
    digits = sha256_of(path)
    return next((one for one in (*KNOWN_FILES, *TORCHVISION.values()) if digits.startswith(one.sha256)), None)


def _from_torchvision(text: str, tell: Callable[[str], None]) -> FoundWeights:
    name = text.removeprefix(TORCHVISION_PREFIX)
    if name not in TORCHVISION:
        raise InputError(f"torchvision has no weights {name!r} for a network here; {nearest(name, TORCHVISION)}")
    record = TORCHVISION[name]
    path = Path(hub.get_dir()) / "checkpoints" / record.source.rpartition("/")[2]
    if not path.exists():
        tell(f"downloading {record.source} to {path}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            hub.download_url_to_file(record.source, str(path), hash_prefix=record.sha256, progress=False)
        except RuntimeError as error:
            raise InputError(f"what came from {record.source} is not the file that was promised: {error}") from error
        except OSError as error:  # URLError is one
            raise _unreachable(text, record.source, error) from error
    if not sha256_of(path).startswith(record.sha256):
        raise InputError(f"{str(path)!r} is not what {text} was when it was published; remove it and try again")
    return FoundWeights(path, record)


def _unreachable(text: str, url: str, error: Exception) -> InputError:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error).split("\n")[0]
    return InputError(
        f"{text} is not in the cache and cannot be fetched from {url} ({reason}); go online once, or give a file"
    )


def _from_hugging_face(text: str, tell: Callable[[str], None]) -> FoundWeights:
    found = HUGGING_FACE_NAME.match(text.removeprefix(HUGGING_FACE_PREFIX))
    if found is None or ".." in text:
        raise InputError(
            f"{text!r} is no name on the hub; write hf-hub:OWNER/REPOSITORY, @REVISION and /FILE if need be"
        )
    repository, revision = found["repository"], found["revision"]
    path = _fetched(text, repository, found["file"] or "model.safetensors", revision, tell)
    record = None
    try:
        described = _fetched(text, repository, "config.json", revision, tell)
        record = _timm_record(repository, json.loads(described.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # InputError is a ValueError
        tell(f"{text} has no config.json as timm writes it, so nothing more is known of these weights")
    return FoundWeights(path, record)


def _fetched(text: str, repository: str, file: str, revision: str | None, tell: Callable[[str], None]) -> Path:
    """One file of a repository from huggingface_hub's cache, put there first where it is not."""
    try:
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
    except ImportError as error:
        raise MissingExtraError(f"{text} needs the package 'huggingface_hub'; install neuropil[weights]") from error
    url = f"{repository}/{file}"
    try:
        kept = try_to_load_from_cache(repository, file, revision=revision)
        if isinstance(kept, str):
            return Path(kept)
        url = hf_hub_url(repository, file, revision=revision)
        tell(f"downloading {url}")
        stated = get_hf_file_metadata(url).etag or ""
        path = Path(hf_hub_download(repository, file, revision=revision))
    except Exception as error:  # the library's and its HTTP client's own; all mean that the file could not be had
        raise _unreachable(text, url, error) from error
    if re.fullmatch(r"[0-9a-f]{64}", stated) and sha256_of(path) != stated:
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise InputError(f"what came from {url} is not the file that was promised; try again")
    return path


def _timm_record(repository: str, settings: dict[str, Any]) -> WeightRecord:
    """A record from what timm writes beside its weights."""
    shown = settings["pretrained_cfg"]
    model, options = TIMM[settings["architecture"]]
    return WeightRecord(
        model=model,
        source=f"https://huggingface.co/{repository}",
        options=options,
        licence=str(shown.get("license", "not stated")),
        preprocessing=Preprocessing(
            int(shown["input_size"][1]),
            float(shown["crop_pct"]),
            tuple(float(one) for one in shown["mean"]),
            tuple(float(one) for one in shown["std"]),
            shown["interpolation"],
        ),
    )
