"""Files below one place: a folder, or a zip file that is read member by member and never unpacked to the disk."""

from __future__ import annotations

import io
import os
import stat
import threading
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from neuropil.errors import InputError

__all__ = ["MAX_FILE_BYTES", "Archive", "FolderArchive", "UnusableFile", "ZipArchive", "open_archive", "open_file"]

MAX_FILE_BYTES = 256 << 20
"""Size above which no file and no member of a zip file is read."""

MAX_RATIO = 200
"""How many times its own size a zip file may unpack to, once that is more than `ALLOWANCE_BYTES`."""

ALLOWANCE_BYTES = 64 << 20

READING_FAULTS = (
    zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError, zlib.error,
)  # fmt: skip
"""What `zipfile` raises for damaged members."""


class UnusableFile(InputError):  # noqa: N818  (what it is, not that it is an error)
    """A file cannot be used; the message is the reason alone, without the file's name."""


class Archive(Protocol):
    """A folder or a zip file; `open` may be called from several threads."""

    @property
    def where(self) -> str:
        """How to call it in a message."""
        ...

    @property
    def files(self) -> tuple[str, ...]:
        """All files, sorted, with `/` between the parts of a name; hidden ones are left out."""
        ...

    @property
    def folders(self) -> frozenset[str]:
        """All folders, also empty ones; hidden ones are left out."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """One file, to be read from its start.

        Raises:
            UnusableFile: it cannot or should not be read.
        """
        ...


def open_archive(path: str | Path) -> Archive:
    """A folder or a zip file.

    Raises:
        InputError: neither, not there, not readable, or a zip file that should not be read (see `ZipArchive`).
    """
    place = Path(path).expanduser()
    if place.is_dir():
        return FolderArchive(place)
    if place.is_file():
        return ZipArchive(place)
    raise InputError(f"there is no folder or zip file {str(path)!r}; check the path")


class FolderArchive:
    """A folder of the file system. Links are followed, each folder once.

    Args:
        root: the folder.

    Raises:
        InputError: a folder that may not be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.where = str(root)
        files: list[str] = []
        folders: set[str] = set()
        seen: set[str] = set()
        for place, inner, names in os.walk(root, onerror=_refuse_folder, followlinks=True):
            real = os.path.realpath(place)
            if real in seen:
                inner.clear()
                continue
            seen.add(real)
            inner[:] = [name for name in inner if not _is_hidden(name)]
            here = Path(place).relative_to(root)
            if here.parts:
                folders.add(here.as_posix())
            files += [(here / name).as_posix() for name in names if not _is_hidden(name)]
        self.files = tuple(sorted(files))
        self.folders = frozenset(folders)

    def open(self, name: str) -> IO[bytes]:
        """One file; see `open_file`."""
        return open_file(self.root / name)


def open_file(path: Path) -> IO[bytes]:
    """An ordinary file of at most 256 MiB, to be read from its start.

    Raises:
        UnusableFile: it is gone, may not be read, is too large, or no ordinary file.
    """
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise UnusableFile("it is not an ordinary file")
        if state.st_size > MAX_FILE_BYTES:
            raise UnusableFile(f"it has {state.st_size:,} bytes; at most {MAX_FILE_BYTES:,} are read")
        return path.open("rb")
    except OSError as error:
        raise UnusableFile(f"it cannot be read ({error.strerror})") from error


class ZipArchive:
    """A zip file, read member by member.

    Args:
        path: the file.

    Raises:
        InputError: it is no zip file, is damaged, holds a name that leads outside, or unpacks to more than 200 times
            its own size (a zip bomb).
    """

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._lock = threading.Lock()  # ZipFile counts its open members without one
        try:
            self._zip = zipfile.ZipFile(path)
            packed = path.stat().st_size
        except OSError as error:
            raise InputError(f"{self.where!r} cannot be read: {error.strerror or error}") from error
        except READING_FAULTS as error:
            raise InputError(f"{self.where!r} is not a zip file, or it is damaged ({error}); pack it again") from error
        self._members = {_inner_name(one.filename, self.where): one for one in self._zip.infolist()}
        total = sum(one.file_size for one in self._zip.infolist())
        if total > max(ALLOWANCE_BYTES, MAX_RATIO * packed):
            self._zip.close()
            raise InputError(
                f"{self.where!r} of {packed:,} bytes would unpack to {total:,}, more than {MAX_RATIO} times as much; "
                "it looks like a zip bomb and is not read"
            )
        shown = {name: one for name, one in self._members.items() if name and not _is_hidden(name)}
        self.files = tuple(sorted(name for name, one in shown.items() if not one.is_dir()))
        parents = {parent.as_posix() for name in shown for parent in PurePosixPath(name).parents if parent.name}
        self.folders = frozenset(parents | {name for name, one in shown.items() if one.is_dir()})

    def open(self, name: str) -> IO[bytes]:
        """One member, unpacked into memory.

        Raises:
            UnusableFile: it is damaged, locked with a password, a link, too large or packed in an unusual way.
        """
        member = self._members[name]
        if member.file_size > MAX_FILE_BYTES:
            raise UnusableFile(f"it unpacks to {member.file_size:,} bytes; at most {MAX_FILE_BYTES:,} are read")
        if member.flag_bits & 1:
            raise UnusableFile("it is locked with a password; pack it without one")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise UnusableFile("it is a link; pack the file itself")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnusableFile("it is packed in an unusual way; pack it as an ordinary zip file (deflate)")
        try:
            with self._lock, self._zip.open(member) as file:
                return io.BytesIO(file.read())  # it stops at the size that the member announces
        except READING_FAULTS as error:
            raise UnusableFile(f"it cannot be unpacked ({error})") from error


def _is_hidden(name: str) -> bool:
    """Whether a path holds a part that systems hide or add by themselves."""
    unwanted = ("__MACOSX", "Thumbs.db", "desktop.ini")
    return any(part.startswith(".") or part in unwanted for part in PurePosixPath(name).parts)


def _inner_name(name: str, where: str) -> str:
    """A member's name, if it stays inside the zip file."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise InputError(f"{where!r} holds the name {name!r}, which leads outside of it; pack it with plain names")
    return path.as_posix() if path.parts else ""


def _refuse_folder(error: OSError) -> None:
    raise InputError(f"the folder {str(error.filename)!r} cannot be read: {error.strerror}; change its permissions")
