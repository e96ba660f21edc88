"""What every vocabulary of subwords offers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

__all__ = ["Subwords"]


class Subwords(Protocol):
    """Texts as numbers of pieces, and back."""

    @property
    def entries(self) -> tuple[str, ...]:
        """All pieces; a piece's number is its place."""
        ...

    @property
    def pad(self) -> int | None:
        """The number that fills up, where there is one."""
        ...

    @property
    def unknown(self) -> int | None:
        """The number of what has no pieces; `None` where every text has some."""
        ...

    @property
    def specials(self) -> Mapping[str, int]:
        """Entries that stand for no text, such as `[CLS]`; where a text names one, it is read as that."""
        ...

    def __len__(self) -> int:
        """How many entries there are."""
        ...

    def encode(self, text: str) -> list[int]:
        """The numbers of a text's pieces; nothing is put around them."""
        ...

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of each text."""
        ...

    def decode(self, ids: Iterable[int]) -> str:
        """The text of numbers; special entries stand in it by their names."""
        ...

    def pieces(self, text: str) -> list[str]:
        """The pieces of a text, as they stand in the vocabulary."""
        ...

    def saved(self) -> dict[str, Any]:
        """All that is needed to open it again, for JSON; see `neuropil.subwords.opening.from_saved`."""
        ...
