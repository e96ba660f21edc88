"""What is known of a file of weights: whose network, from where, how pictures must come, what it scored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from neuropil.errors import InputError

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "Preprocessing", "WeightRecord"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Of the training pictures' red, green and blue, each divided by 255."""

IMAGENET_STD = (0.229, 0.224, 0.225)

Interpolation = Literal["bilinear", "bicubic"]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture becomes what the weights were trained on.

    Args:
        size: side in pixels.
        crop_share: part of the short side that the central square keeps (0.875 is 224 of 256).
        mean: of each channel, the values divided by 255.
        std: likewise.
        interpolation: how the picture is brought to its size.

    Raises:
        InputError: a size below 1, a share outside (0, 1], or numbers that do not belong together.
    """

    size: int
    crop_share: float = 0.875
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 < self.crop_share <= 1 or self.interpolation not in ("bilinear", "bicubic"):
            raise InputError(
                f"pictures of size {self.size}, crop share {self.crop_share}, {self.interpolation!r} were recorded; "
                "the size is 1 or more, the share above 0 and at most 1, the interpolation bilinear or bicubic"
            )
        if len(self.mean) != len(self.std) or not all(one > 0 for one in self.std):
            raise InputError(f"mean {self.mean} and std {self.std} were recorded; give as many, each std above 0")


@dataclass(frozen=True, slots=True)
class WeightRecord:
    """One published set of weights.

    Args:
        model: our network's name in the catalogue.
        source: where the weights come from.
        options: of the network, so that the weights fit; the padding rule is one of them.
        sha256: of the file, or its first digits; empty where nobody says.
        licence: of the weights, as their source states it.
        preprocessing: of pictures; `None` where nobody says.
        score: what the weights reach, by the metric's name, as shares.
        scored_on: the data of the score, and who measured it.
        also: further networks of ours that stand on the same body and take the same options, but those of their heads.
    """

    model: str
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""
    licence: str = "not stated"
    preprocessing: Preprocessing | None = None
    score: Mapping[str, float] = field(default_factory=dict)
    scored_on: str = ""
    also: tuple[str, ...] = ()

    def options_of(self, name: str | None) -> dict[str, Any] | None:
        """The options by which a network of ours takes the weights; `None` if it is another one.

        Example:
            >>> record = WeightRecord("bert", "here", options={"width": 8, "num_classes": 3}, also=("bert_spans",))
            >>> record.options_of("bert_spans"), record.options_of("lenet5")
            ({'width': 8}, None)
        """
        if name == self.model:
            return dict(self.options)
        return {key: one for key, one in self.options.items() if key != "num_classes"} if name in self.also else None

    def check_network(self, name: str, weights: str) -> None:
        """Refuse a network that these weights are not for.

        Raises:
            InputError: it is another one.
        """
        if name not in (self.model, *self.also):
            fitting = " or ".join((self.model, *self.also))
            raise InputError(f"{weights!r} holds weights of {self.model} ({self.source}), not of {name}; use {fitting}")

    def to_json(self) -> str:
        """The record as one line of JSON, which `from_json` reads."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> WeightRecord:
        """Read what `to_json` wrote.

        Raises:
            InputError: it is something else.
        """
        try:
            document = json.loads(text)
            found = document.pop("preprocessing")
            if found is not None:
                fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
                found = Preprocessing(**fields)
            also = tuple(document.pop("also", ()))
            record = cls(**document, preprocessing=found, also=also)
            plain = (record.model, record.source, record.sha256, record.licence, record.scored_on, *also)
            numbers = list(record.score.values())
            if found is not None:
                numbers += [found.size, found.crop_share, *found.mean, *found.std]
            if (
                not all(isinstance(one, str) for one in plain)
                or not isinstance(record.options, dict)
                or not all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers)
            ):
                raise TypeError("a field is of the wrong type")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"what is recorded of the weights is damaged ({error}); get a fresh copy") from error
        return record

    def in_words(self) -> list[str]:
        """What a reader wants to know, one line each."""
        lines = [f"network: {' '.join([self.model, *(f'{k}={v}' for k, v in self.options.items())])}"]
        lines.append(f"source: {self.source}; licence: {self.licence}")
        if (one := self.preprocessing) is not None:
            mean, std = (", ".join(f"{number:.4g}" for number in numbers) for numbers in (one.mean, one.std))
            lines.append(
                f"pictures: {one.size} x {one.size} pixels, the middle {one.crop_share:.1%}, {one.interpolation}; "
                f"mean {mean}; std {std}"
            )
        if self.score:
            figures = ", ".join(f"{name.replace('_', ' ')} {value:.2%}" for name, value in self.score.items())
            lines.append(f"score: {figures} ({self.scored_on})")
        return lines
