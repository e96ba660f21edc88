"""A network of blocks as one line: "cn_r1_k3_s1_c16 - ir_r2_k3_s2_e6_c24 - ds_r1_k5_s2_c40_se0.25".

    line   = stage, then " - " and a stage, as often as you like
    stage  = kind, then _ and a size, in any order, each once
    kind   = cn convolution | ds depthwise separable | ir inverted residual
    sizes  = r blocks, k side of the window, s stride of the first block, e expansion (ir), c maps, se squeeze ratio
    skip   = skip | noskip | pool      the shape stays: identity, nothing, identity; it changes: nothing, nothing, pool

Source: Tan et al. 2019, section 4.1, in the notation of timm's architecture strings; `pool` is ours. What is left out:
r1, k3, s1, e6, se0, and skip (noskip for cn). Nothing is built here: `neuropil.block_networks.network` does that.
Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from neuropil.errors import InputError
from neuropil.registry import nearest

__all__ = ["Kind", "Skip", "Stage", "join_stages", "read_stages"]

Kind = Literal["cn", "ds", "ir"]
Skip = Literal["skip", "noskip", "pool"]

MOST_CHARACTERS, MOST_STAGES = 5_000, 64
BOUNDS = {"r": (1, 64), "k": (1, 11), "s": (1, 4), "e": (1, 16), "c": (1, 8192)}
EXAMPLE = "ir_r2_k3_s1_e6_c24_se0.25"
_SIZE = re.compile(r"(se|[a-z])(\d{1,5}(?:\.\d{1,6})?)")


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one kind, one behind the other; only the first has the stride, and changes the number of maps.

    Args:
        kind: of the convolution.
        blocks: how many.
        kernel: side of the window, odd.
        stride: of the first block.
        maps: that each gives.
        expansion: how many times as many maps an inverted residual has inside; 1 for the other kinds.
        squeeze: maps inside squeeze and excitation, as a part of the block's input's; 0 for none.
        skip: what passes by each block.
    """

    kind: Kind
    blocks: int
    kernel: int
    stride: int
    maps: int
    expansion: int = 1
    squeeze: float = 0.0
    skip: Skip = "skip"

    def __str__(self) -> str:
        """As a line writes it."""
        words = [self.kind, f"r{self.blocks}", f"k{self.kernel}", f"s{self.stride}"]
        words += [f"e{self.expansion}"] if self.kind == "ir" else []
        words += [f"c{self.maps}"]
        words += [f"se{self.squeeze:g}"] if self.squeeze else []
        words += [self.skip] if self.skip != usual_skip(self.kind) else []
        return "_".join(words)


def usual_skip(kind: Kind) -> Skip:
    """What passes by where a line does not say: nothing beside plain convolutions, as timm has it."""
    return "noskip" if kind == "cn" else "skip"


def read_stages(line: str) -> tuple[Stage, ...]:
    """The stages of a line.

    Raises:
        InputError: something cannot be read; the sentence names the stage.

    Example:
        >>> read_stages("cn_c16 - ir_r2_k5_s2_e3_c24_se0.25")[1].squeeze
        0.25
        >>> join_stages(read_stages("cn_c16 - ds_c24_noskip"))
        'cn_r1_k3_s1_c16 - ds_r1_k3_s1_c24_noskip'
    """
    if not isinstance(line, str) or not line.strip():
        raise InputError(f"a network's blocks are a line such as 'cn_c16 - {EXAMPLE}', but {line!r} was given")
    parts = line.split("-")
    if len(line) > MOST_CHARACTERS or len(parts) > MOST_STAGES:
        raise InputError(f"a network of blocks has at most {MOST_STAGES} stages, but {len(parts)} were given")
    return tuple(_read_stage(part.strip(), place) for place, part in enumerate(parts, start=1))


def join_stages(stages: Sequence[Stage]) -> str:
    """The line that reads as these stages."""
    return " - ".join(map(str, stages))


def _read_stage(text: str, place: int) -> Stage:
    where = f"stage {place} of the blocks, {text!r}:"
    kind, *words = text.split("_")
    if kind not in get_args(Kind):
        raise InputError(f"{where} {kind!r} is no kind of block; {nearest(kind, get_args(Kind))}")
    skips = [word for word in words if word in get_args(Skip)]
    if len(skips) > 1:
        raise InputError(f"{where} what passes by is said twice; keep one of {' and '.join(skips)}")
    sizes: dict[str, float] = {}
    for word in words:
        if word in get_args(Skip):
            continue
        found = _SIZE.fullmatch(word)
        if found is None or found[1] not in (*BOUNDS, "se"):
            raise InputError(f"{where} {word!r} cannot be read; a stage is written like {EXAMPLE}")
        if found[1] in sizes:
            raise InputError(f"{where} {found[1]} is given twice; give it once")
        sizes[found[1]] = _size(found[1], found[2], where)
    if "c" not in sizes:
        raise InputError(f"{where} it does not say how many maps; add for example c24")
    if "e" in sizes and kind != "ir":
        raise InputError(f"{where} only ir has an expansion; leave e{sizes['e']:g} out")
    known: Kind = next(one for one in get_args(Kind) if one == kind)
    return Stage(
        known,
        blocks=int(sizes.get("r", 1)),
        kernel=int(sizes.get("k", 3)),
        stride=int(sizes.get("s", 1)),
        maps=int(sizes["c"]),
        expansion=int(sizes.get("e", 6)) if kind == "ir" else 1,
        squeeze=sizes.get("se", 0.0),
        skip=next((one for one in get_args(Skip) if one in skips), usual_skip(known)),
    )


def _size(letter: str, digits: str, where: str) -> float:
    value = float(digits)
    if letter == "se":
        if value > 1:
            raise InputError(f"{where} the squeeze ratio must be from 0 to 1, but se{digits} was given")
        return value
    low, high = BOUNDS[letter]
    if "." in digits or not low <= value <= high:
        raise InputError(f"{where} {letter} must be a whole number from {low} to {high}, but {digits} was given")
    if letter == "k" and not value % 2:
        raise InputError(f"{where} the window's side must be odd, but k{digits} was given")
    return value
