"""A tag for every word: words and their letters read from both sides.

Source: chapter, RNN, mapping (a): an output at every step; Lample et al. 2016, "Neural architectures for named entity
recognition", section 4 (letters by a BiLSTM), and Ma and Hovy 2016, "End-to-end sequence labeling via bi-directional
LSTM-CNNs-CRF", section 2 (letters by a convolution). New against taggers before: no feature is made by hand, endings
and capitals are read off the letters.

Where we deviate: each tag is chosen for itself, there is no conditional random field behind.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.linear import linear_head
from neuropil.sequence_models.tokens import (
    CellName,
    Embedding,
    checked_ids,
    dropout_of_vectors,
    lengths_of,
    positive,
    recurrent,
)  # fmt: skip

__all__ = ["LetterConvolution", "LetterRecurrence", "Tagger"]


class LetterConvolution(nn.Module):
    """A vector for each word from its letters: a convolution, and the largest value over the word's places.

    Source: Ma and Hovy 2016, section 2.1; dos Santos and Zadrozny 2014.

    Shape:
        int64 `[M, L]` -> `[M, width]`.
    """

    def __init__(self, num_characters: int, embedding_width: int, width: int, window: int = 3) -> None:
        super().__init__()
        self.embedding = Embedding(num_characters, embedding_width)
        self.convolution = nn.Conv1d(embedding_width, width, window, padding=window // 2)

    def forward(self, letters: Tensor) -> Tensor:
        """One vector a word; what stands behind its end is not looked at."""
        there = letters != 0
        vectors = self.embedding(letters) * there[..., None]  # the window at a word's end sees what is behind it
        maps = self.convolution(vectors.transpose(1, 2))  # [M, width, L]
        first = torch.arange(letters.shape[1], device=letters.device) == 0  # also of a word without letters
        largest: Tensor = maps.masked_fill(~(there | first)[:, None], -math.inf).amax(2)
        return largest


class LetterRecurrence(nn.Module):
    """A vector for each word from its letters: what two recurrent layers remember, at its end and at its beginning.

    Source: Lample et al. 2016, section 4.1.

    Shape:
        int64 `[M, L]` -> `[M, width]`, half of it from each direction.
    """

    def __init__(self, num_characters: int, embedding_width: int, width: int, cell: CellName) -> None:
        super().__init__()
        if width % 2:
            raise InputError(f"character_width is {width}; two directions share it, so give an even number")
        self.embedding = Embedding(num_characters, embedding_width)
        self.recurrent = recurrent(cell, embedding_width, width // 2, bidirectional=True)

    def forward(self, letters: Tensor) -> Tensor:
        """One vector a word; what stands behind its end is not read."""
        _, state = self.recurrent(self.embedding(letters), lengths=lengths_of(letters))
        h = state if isinstance(state, Tensor) else state[0]  # [2, M, width / 2]
        return torch.cat([h[0], h[1]], 1)


class Tagger(nn.Module):
    """Word vectors beside what the letters say, recurrent layers in both directions, a linear layer at every word.

    Shape:
        int64 `[N, T, 1 + L]`, a word's id and those of its letters, 0 where there is none -> logits
        `[N, T, num_classes]`; those behind a sentence's end mean nothing.

    Args:
        num_tokens: words of the vocabulary.
        num_characters: letters of theirs; 0 reads words alone, `[N, T, 1]`.
        num_classes: tags; 0 leaves the last layer out.
        cell: of the recurrent layers.
        width: of the layer, a half of it in each direction where there are two.
        num_layers: recurrent layers.
        bidirectional: read from both sides.
        embedding_width: of a word's vector.
        characters: letters by a `convolution` or by the `recurrent` cell.
        character_embedding_width: of a letter's vector.
        character_width: what a word's letters add to its vector.
        dropout: share of the values before, between and behind the recurrent layers left out while training.
        variational: one choice of them for all words of a sentence.

    Raises:
        InputError: a number out of its range; on call, ids that do not fit.

    Example:
        >>> words = torch.tensor([[[5, 2, 3, 0], [4, 3, 0, 0], [0, 0, 0, 0]]])
        >>> Tagger(num_tokens=6, num_characters=4, num_classes=3)(words).shape
        torch.Size([1, 3, 3])
    """

    in_shape: ClassVar[tuple[int, ...]] = (25, 21)

    def __init__(
        self,
        *,
        num_tokens: int,
        num_characters: int = 0,
        num_classes: int = 17,
        cell: CellName = "lstm",
        width: int = 200,
        num_layers: int = 1,
        bidirectional: bool = True,
        embedding_width: int = 100,
        characters: Literal["convolution", "recurrent"] = "convolution",
        character_embedding_width: int = 30,
        character_width: int = 50,
        dropout: float = 0.5,
        variational: bool = False,
    ) -> None:
        super().__init__()
        positive(width=width, character_width=character_width)
        if bidirectional and width % 2:
            raise InputError(f"width is {width}; two directions share it, so give an even number")
        self.embedding = Embedding(num_tokens, embedding_width)
        self.letters: nn.Module | None = None
        if num_characters:
            if characters == "convolution":
                self.letters = LetterConvolution(num_characters, character_embedding_width, character_width)
            else:
                self.letters = LetterRecurrence(num_characters, character_embedding_width, character_width, cell)
        read = embedding_width + (character_width if num_characters else 0)
        self.before = dropout_of_vectors(dropout, variational)
        self.recurrent = recurrent(
            cell, read, width // 2 if bidirectional else width, num_layers=num_layers, bidirectional=bidirectional,
            dropout=dropout, variational=variational,
        )  # fmt: skip
        self.behind = dropout_of_vectors(dropout, variational)
        self.width, self.widths = width, (read, width)
        self.head = linear_head(width, num_classes, "glorot_normal")

    def features(self, x: Tensor) -> list[Tensor]:
        """The words' vectors `[N, T, D]`, and what the recurrent layers make of them `[N, T, width]`."""
        x = checked_ids(x, 3, "[N, T, 1 + L]")
        words, letters = x[..., 0], x[..., 1:]
        vectors: Tensor = self.embedding(words)  # [N, T, embedding_width]
        if self.letters is not None:
            if not letters.shape[2]:
                raise InputError(f"this network reads letters, too, but {list(x.shape)} has none; give [N, T, 1 + L]")
            spelled = self.letters(letters.flatten(0, 1)).view(*words.shape, -1)  # [N, T, character_width]
            vectors = torch.cat([vectors, spelled], 2)
        outputs, _ = self.recurrent(self.before(vectors), lengths=lengths_of(words))  # [N, T, width]
        return [vectors, self.behind(outputs)]

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[N, T, num_classes]`."""
        logits: Tensor = self.head(self.features(x)[-1])
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        self.head = linear_head(self.width, num_classes, "glorot_normal", like=next(self.parameters()))
