"""Where picture files lie: a folder, or a zip file that is read member by member and never unpacked."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from neuropil.data.pictures import FORMATS, UnusablePicture
from neuropil.errors import InputError

__all__ = ["FolderStore", "PictureStore", "ZipStore", "has_picture_name", "is_hidden", "open_store"]

MAX_FILE_BYTES = 256 << 20
"""Size above which a picture file, or a member of a zip file, is not read."""

MAX_RATIO = 200
"""How many times larger than its packed form a member of a zip file may be."""

OTHER_PICTURES = (".tif", ".tiff", ".avif", ".heic", ".heif", ".jp2", ".ppm", ".pgm", ".psd", ".svg", ".ico", ".tga")
"""Suffixes of pictures that are named when they are left out; other files are only counted."""

SUFFIXES = tuple(suffix for known in FORMATS.values() for suffix in known)


def has_picture_name(name: str, *, readable: bool = False) -> bool:
    """Whether a file goes by a picture's suffix, for `readable` one of a format that is read."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix in SUFFIXES or (not readable and suffix in OTHER_PICTURES)


def is_hidden(name: str) -> bool:
    """Whether a path holds a part that systems hide or add by themselves."""
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") or part in ("__MACOSX", "Thumbs.db", "desktop.ini") for part in parts)


class PictureStore(Protocol):
    """Files below one place, by names with `/` between the parts."""

    where: str

    def listing(self) -> tuple[list[str], set[str]]:
        """All files and all folders, hidden ones left out."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """One file, to be read from its start.

        Raises:
            UnusablePicture: it cannot or should not be read.
        """
        ...


def open_store(path: Path) -> PictureStore:
    """A folder or a zip file.

    Raises:
        InputError: neither, or not there.
    """
    if path.is_dir():
        return FolderStore(path)
    if path.is_file():
        return ZipStore(path)
    raise InputError(f"there is no folder or zip file {str(path)!r}; check the path")


class FolderStore:
    """A folder of the file system.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.where = str(root)

    def listing(self) -> tuple[list[str], set[str]]:
        """All files and all folders, hidden ones left out; links to folders are followed at the first level only."""
        files: list[str] = []
        folders: set[str] = set()
        tops = [self.root, *(one for one in self.root.iterdir() if one.is_symlink() and one.is_dir())]
        for top in tops:
            for place, inner, names in os.walk(top, onerror=_unreadable):
                inner[:] = [name for name in inner if not is_hidden(name)]
                here = Path(place).relative_to(self.root).as_posix()
                prefix = "" if here == "." else f"{here}/"
                if prefix:
                    folders.add(here)
                files += [prefix + name for name in names if not is_hidden(name)]
        return sorted(files), folders

    def open(self, name: str) -> IO[bytes]:
        """One file.

        Raises:
            UnusablePicture: it is gone, may not be read, or is too large.
        """
        try:
            file = (self.root / name).open("rb")
            size = os.fstat(file.fileno()).st_size
        except OSError as error:
            raise UnusablePicture(f"it cannot be read ({error.strerror})") from error
        if size > MAX_FILE_BYTES:
            file.close()
            raise UnusablePicture(f"the file has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read")
        return file


def _unreadable(error: OSError) -> None:
    raise InputError(f"the folder {str(error.filename)!r} cannot be read: {error.strerror}; change its permissions")


class ZipStore:
    """A zip file.

    Args:
        path: the file.

    Raises:
        InputError: it is no zip file, or a name in it leads outside.
    """

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise InputError(f"{self.where!r} is not a zip file, or it is damaged ({error}); pack it again") from error
        except OSError as error:
            raise InputError(f"{self.where!r} cannot be read: {error.strerror or error}") from error
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in self._archive.infolist():
            self._members[_inside(member.filename, self.where)] = member

    def listing(self) -> tuple[list[str], set[str]]:
        """All files and all folders, hidden ones and links left out."""
        files = []
        folders = set()
        for name, member in self._members.items():
            if is_hidden(name):
                continue
            if member.is_dir():
                folders.add(name)
            elif not stat.S_ISLNK(member.external_attr >> 16):
                files.append(name)
            folders |= {parent.as_posix() for parent in PurePosixPath(name).parents if parent.name}
        return sorted(files), folders

    def open(self, name: str) -> IO[bytes]:
        """One member, unpacked into memory.

        Raises:
            UnusablePicture: it is damaged, locked with a password, or unpacks to far more than it is.
        """
        member = self._members[name]
        if member.file_size > MAX_FILE_BYTES:
            raise UnusablePicture(f"it unpacks to {member.file_size:,} bytes; at most {MAX_FILE_BYTES:,} are read")
        if member.file_size > MAX_RATIO * max(member.compress_size, 1):
            raise UnusablePicture(f"it unpacks to more than {MAX_RATIO} times its packed size")
        if member.flag_bits & 1:
            raise UnusablePicture("it is locked with a password; pack it without one")
        try:
            with self._archive.open(member) as file:
                return io.BytesIO(file.read(member.file_size))
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
            raise UnusablePicture(f"it cannot be unpacked ({error})") from error
        except Exception as error:
            # zlib.error, lzma.LZMAError and the like have no common ancestor below Exception.
            raise UnusablePicture(f"it cannot be unpacked ({error})") from error


def _inside(name: str, where: str) -> str:
    """A member's name, if it stays inside the archive."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name or (path.parts and path.parts[0].endswith(":")):
        raise InputError(
            f"{where!r} holds the name {name!r}, which leads outside of it; pack it again with plain names"
        )
    return path.as_posix()
