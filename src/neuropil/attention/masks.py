"""Masks: true where a question may see a place. They are joined by `&`, and each keeps its axes of size 1."""

from __future__ import annotations

import torch
from torch import Tensor

from neuropil.errors import InputError

__all__ = ["causal_mask", "document_mask", "padding_mask"]


def padding_mask(there: Tensor) -> Tensor:
    """Places that are no padding.

    Shape:
        bool `[N, S]` -> `[N, 1, 1, S]`.

    Args:
        there: true where there is a token, such as `ids != 0`.

    Raises:
        InputError: no bool `[N, S]`.

    Example:
        >>> padding_mask(torch.tensor([[4, 5, 0]]) != 0)
        tensor([[[[ True,  True, False]]]])
    """
    if there.dtype is not torch.bool or there.ndim != 2:
        raise InputError(
            f"which places are there must be bool [N, S], but {list(there.shape)} of "
            f"{str(there.dtype).removeprefix('torch.')} was given"
        )
    return there[:, None, None]


def causal_mask(questions: int, places: int, device: torch.device | str | None = None) -> Tensor:
    """No place behind the question's own; the last question stands at the last place.

    Shape:
        -> `[questions, places]`.

    Args:
        questions: T, 1 or more.
        places: S, as many or more.
        device: of the mask.

    Raises:
        InputError: fewer places than questions.

    Example:
        >>> causal_mask(2, 3).int()
        tensor([[1, 1, 0],
                [1, 1, 1]], dtype=torch.int32)
    """
    if not 1 <= questions <= places:
        raise InputError(f"{questions} questions were asked of {places} places; a causal mask needs as many or more")
    at = torch.arange(places, device=device)
    return at <= at[places - questions :, None]


def document_mask(documents: Tensor) -> Tensor:
    """Places of the question's own document: a run of equal numbers in a row.

    Shape:
        whole numbers `[N, T]` -> `[N, 1, T, T]`.

    Args:
        documents: the number of each token's document; a number that comes again behind another begins a new one.

    Raises:
        InputError: no `[N, T]`.

    Example:
        >>> document_mask(torch.tensor([[7, 7, 2]]))[0, 0].int()
        tensor([[1, 1, 0],
                [1, 1, 0],
                [0, 0, 1]], dtype=torch.int32)
    """
    if documents.ndim != 2 or documents.is_floating_point():
        raise InputError(f"documents are whole numbers [N, T], but {list(documents.shape)} was given")
    runs = torch.zeros_like(documents)
    runs[:, 1:] = (documents[:, 1:] != documents[:, :-1]).cumsum(1)
    return (runs[:, :, None] == runs[:, None])[:, None]
