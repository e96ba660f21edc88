"""Captioning: a sentence about a picture."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from hashlib import blake2b

from neuropil.nn.contracts import BatchLike
from neuropil.tasks.text import Level
from neuropil.tasks.translation import Translation

__all__ = ["Captioning"]


class Captioning(Translation):
    """Cross-entropy of every token of a caption, given the true ones before it and the picture.

    A picture that comes several times, each time with another caption, is described once in scoring, and all its
    captions are references of what was said.

    Source:
        Chapter, RNN, mapping (d); Vinyals et al. 2015, "Show and tell", section 3.

    Formula, Shape: see `Translation`; the source is a picture.

    Args:
        vocabulary: the captions' tokens in the order of their ids.
        level: what a token is; answers are joined accordingly.
        label_smoothing: share of each target that is spread over all tokens, 0 up to 1 (excluded).
        beam_width: sequences that a search keeps; 1 takes the likeliest token at each step.
        length_penalty: alpha of Wu et al.'s penalty, 0 (none) up; of no meaning with a beam of 1.
        most: tokens of a caption at most.

    Raises:
        InputError: a number outside its range, or no token beside the four that stand for none.

    Example:
        >>> import torch
        >>> task = Captioning(["<pad>", "<unk>", "<bos>", "<eos>", "red", "dot"])
        >>> task.answer(torch.tensor([[4, 5, 3]]))[0]["text"]
        'red dot'
    """

    name = "captioning"

    def __init__(
        self,
        vocabulary: Sequence[str],
        *,
        level: Level = "word",
        label_smoothing: float = 0.0,
        beam_width: int = 1,
        length_penalty: float = 0.6,
        most: int = 30,
    ) -> None:
        super().__init__(
            vocabulary, level=level, label_smoothing=label_smoothing, beam_width=beam_width,
            length_penalty=length_penalty, most=most,
        )  # fmt: skip

    def same(self, batch: BatchLike) -> list[Hashable]:
        """A number of each picture that only the same picture has, too."""
        values = batch.inputs.detach().cpu().float().numpy()
        return [blake2b(one.tobytes(), digest_size=16).digest() for one in values]
