"""Grouped convolution whose groups get to know one another: ShuffleNet's channel shuffle."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.convolution import Convolution1d, Convolution2d

__all__ = [
    "ChannelShuffle",
    "ShuffledGroupedConvolution1d",
    "ShuffledGroupedConvolution2d",
    "channel_shuffle",
    "interleave_channels",
]


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Deal the channels of the groups out like cards: first the first of each group, then the second of each, ...

    Source: chapter, "Shuffled grouped convolution"; Zhang et al. 2018, "ShuffleNet", section 3.1, figure 1.
    Formula: `y[k G + g] = x[g C / G + k]`.

    Shape:
        `[N, C, ...]` -> the same.

    Args:
        x: maps.
        groups: G; 1 and C change nothing. Shuffling into `C / G` groups undoes it.

    Raises:
        InputError: groups that do not divide the channels, or an input without channels.

    Differs:
        The same values as `torch.nn.ChannelShuffle`; in channels-last memory it stays there.

    Example:
        >>> channel_shuffle(torch.arange(6).reshape(1, 6, 1), 2).flatten().tolist()
        [0, 3, 1, 4, 2, 5]
    """
    if x.ndim < 2 or groups < 1 or x.shape[1] % groups:
        raise InputError(
            f"an input of shape {list(x.shape)} cannot be shuffled in {groups} groups; give [N, C, ...] and "
            "groups that divide C"
        )
    if is_channels_last(x):
        return _dealt(x.movedim(1, -1), groups, x.ndim - 1).movedim(-1, 1)
    return _dealt(x, groups, 1)


def _dealt(x: Tensor, groups: int, axis: int) -> Tensor:
    return torch.unflatten(x, axis, (groups, x.shape[axis] // groups)).transpose(axis, axis + 1).flatten(axis, axis + 1)


def interleave_channels(*parts: Tensor) -> Tensor:
    """The parts beside one another, shuffled: `channel_shuffle(torch.cat(parts, 1), len(parts))` in one pass.

    Source: Ma et al. 2018, "ShuffleNet V2", section 3.2, figure 3 ("concat", "channel shuffle").

    Shape:
        each `[N, C, ...]`, all alike -> `[N, len(parts) C, ...]`.

    Raises:
        InputError: parts of unequal shapes.

    Example:
        >>> interleave_channels(torch.tensor([[[0], [1]]]), torch.tensor([[[5], [6]]])).flatten().tolist()
        [0, 5, 1, 6]
    """
    if not parts or any(part.shape != parts[0].shape for part in parts):
        raise InputError(
            f"parts of shapes {[list(part.shape) for part in parts]} were given; give one or more, all alike"
        )
    if is_channels_last(parts[0]):
        return torch.stack([part.movedim(1, -1) for part in parts], dim=-1).flatten(-2).movedim(-1, 1)
    return torch.stack(parts, dim=2).flatten(1, 2)


def is_channels_last(x: Tensor) -> bool:
    """Whether the channels of a place lie side by side in memory."""
    return x.ndim == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)


class ChannelShuffle(nn.Module):
    """`channel_shuffle` as a layer.

    Args:
        groups: how many groups the channels before it stand in.

    Raises:
        InputError: no group; on call, groups that do not divide the channels.

    Example:
        >>> ChannelShuffle(3)(torch.arange(6).reshape(1, 6, 1)).flatten().tolist()
        [0, 2, 4, 1, 3, 5]
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        if groups < 1:
            raise InputError(f"a shuffle of {groups} groups was asked for; give at least 1")
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Deal the channels out."""
        return channel_shuffle(x, self.groups)

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        return f"{self.groups}"


class ShuffledGroupedConvolution1d(Convolution1d):
    """`ShuffledGroupedConvolution2d` along one axis.

    Shape:
        `[N, C, L]` -> `[N, O, L']`.

    Example:
        >>> ShuffledGroupedConvolution1d(6, 12, 3, groups=3, padding="same")(torch.zeros(1, 6, 7)).shape
        torch.Size([1, 12, 7])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve in groups, then shuffle."""
        return _shuffled(super().forward(x), self.groups, self.axes)


class ShuffledGroupedConvolution2d(Convolution2d):
    """Grouped convolution whose maps are then dealt out, so that the next layer's groups read some of every group.

    Source: chapter, "Shuffled grouped convolution"; Zhang et al. 2018, "ShuffleNet", section 3.1.
    Formula: `channel_shuffle(Convolution2d(x), groups)`.

    Shape:
        `[N, C, H, W]` -> `[N, O, H', W']` as in `Convolution2d`.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias: as in `Convolution2d`.

    Raises:
        InputError: as `Convolution2d`.

    Example:
        >>> ShuffledGroupedConvolution2d(6, 12, 1, groups=3)(torch.zeros(1, 6, 7, 7)).shape
        torch.Size([1, 12, 7, 7])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve in groups, then shuffle."""
        return _shuffled(super().forward(x), self.groups, self.axes)


def _shuffled(y: Tensor, groups: int, axes: int) -> Tensor:
    """A shuffle of one sample too, whose channels stand first."""
    return channel_shuffle(y, groups) if y.ndim == axes + 2 else channel_shuffle(y[None], groups)[0]
