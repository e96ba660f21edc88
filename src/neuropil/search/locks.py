"""Locks between processes, which the system takes back by itself when a process dies."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from neuropil.errors import InputError

__all__ = ["Lock"]


class Lock:
    """An exclusive lock on a file (flock); a killed process no longer holds it.

    Args:
        path: the file, made where it is missing; its content is left alone.

    Raises:
        InputError: a system without flock, or a folder that cannot be written.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "lock"
        >>> one, other = Lock(place), Lock(place)
        >>> one.try_take(), other.try_take(), one.release(), other.try_take(), other.release()
        (True, False, None, True, None)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def try_take(self) -> bool:
        """Take the lock if nobody has it."""
        return self._take(wait=False)

    def take(self) -> None:
        """Take the lock, waiting for whoever has it."""
        self._take(wait=True)

    def release(self) -> None:
        """Give the lock back; nothing where it is not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _take(self, *, wait: bool) -> bool:
        try:
            import fcntl
        except ImportError as error:
            raise InputError("comparing and searching lock their folder with flock, which this system lacks") from error
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(
                f"{str(self.path.parent)!r} cannot be written to: {error.strerror}; give another folder"
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(handle)
            return False
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        return True

    def __enter__(self) -> Lock:
        self.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
