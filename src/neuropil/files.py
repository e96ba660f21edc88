"""Writing files so that a crash never leaves half of one, and never outside the folder meant.

Standard library only. Every writer of the project goes through these few functions.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from neuropil.errors import InputError

__all__ = ["safe_join", "sha256_of", "sync_directory", "sync_file", "write_atomic"]


def safe_join(root: Path | str, *parts: str) -> Path:
    """Join names that came from outside below `root`, refusing any that would leave it.

    Args:
        root: the folder that must contain the result.
        parts: names from a file, an archive or a user.

    Raises:
        InputError: a part is absolute, climbs out with `..`, holds a NUL byte, or a symbolic link leads out.
    """
    base = Path(root).resolve()
    if any("\0" in part for part in parts):
        raise InputError(f"the name {parts!r} holds a NUL byte, which no file name may")
    joined = base.joinpath(*parts).resolve()
    if not joined.is_relative_to(base):
        raise InputError(f"the name {'/'.join(parts)!r} leads outside the folder {str(base)!r}; use a name inside it")
    return joined


def sync_file(path: Path) -> None:
    """Force one file's bytes to the disk (fsync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Force a folder's entries to the disk (fsync), where the system lets a folder be opened."""
    if os.name == "nt":
        return
    sync_file(path)


def write_atomic(path: Path, content: bytes | str, *, durable: bool = True) -> None:
    """Replace `path` by `content` in one step: a reader sees the old file or the new one, never a part.

    Args:
        path: the file to write; its folder must exist.
        content: text (written as UTF-8) or bytes.
        durable: also survive a power cut (two fsyncs); leave off for files that can be drawn again.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_directory(path.parent)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
