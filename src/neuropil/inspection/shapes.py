"""Shapes as one writes them: 3x224x224."""

from __future__ import annotations

from neuropil.errors import InputError

__all__ = ["read_shape"]


def read_shape(text: str) -> tuple[int, ...]:
    """A shape as `3x224x224`.

    Raises:
        InputError: the text is no shape.

    Example:
        >>> read_shape("3x224x224")
        (3, 224, 224)
    """
    try:
        return tuple(int(part) for part in text.lower().split("x"))
    except ValueError as error:
        raise InputError(f"{text!r} is no shape; write it as 3x224x224") from error
