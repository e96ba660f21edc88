"""What was worked out once is looked up afterwards: most words of a text are old ones."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Cache"]

ENTRIES = 1 << 18
"""Keys that are kept at most; then the cache starts anew (about 60 MB)."""

LONGEST = 64
"""Characters of a key at most; longer ones hardly come again."""


class Cache(dict[str, tuple[int, ...]]):
    """Numbers by text, worked out at the first question.

    Args:
        make: the numbers of a text, which depend on nothing else.
        entries: texts that are kept at most.

    Example:
        >>> asked = []
        >>> lengths = Cache(lambda text: (len(text), asked.append(text))[:1])
        >>> lengths["four"], lengths["four"], asked
        ((4,), (4,), ['four'])
    """

    __slots__ = ("_entries", "_make")

    def __init__(self, make: Callable[[str], tuple[int, ...]], entries: int = ENTRIES) -> None:
        super().__init__()
        self._make, self._entries = make, entries

    def __missing__(self, key: str) -> tuple[int, ...]:
        found = self._make(key)
        if len(key) <= LONGEST:
            if len(self) >= self._entries:
                self.clear()
            self[key] = found
        return found
