"""Pooling over windows and whole maps against torch, Keras and the chapter's formulas, and what is refused."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.formulas import pooling as formulas
from neuropil.nn import POOLINGS
from neuropil.nn.pooling import (
    AveragePooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
    MaxPooling,
    TrainableSubsampling,
)
from neuropil.nn.stochastic_pooling import StochasticPooling
from neuropil.nn.windows import WindowPooling


def draw(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).to(dtype)


@pytest.fixture
def keras(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def test_every_pooling_can_be_found() -> None:
    options: dict[str, dict[str, Any]] = {
        "max": {"kernel_size": 3, "stride": 2},
        "average": {"kernel_size": [2, 3], "padding": "same"},
        "stochastic": {"kernel_size": 2},
        "trainable_subsampling": {"channels": 4},
        "adaptive_average_1d": {"output_size": 3},
        "adaptive_average_2d": {"output_size": [2, 3]},
        "adaptive_max_1d": {"output_size": 3},
        "adaptive_max_2d": {"output_size": [2, 3]},
    }
    for name in POOLINGS:
        x = draw(2, 4, 7) if name.endswith("1d") else draw(2, 4, 7, 8)
        assert POOLINGS.build(name, **options.get(name, {}))(x.abs()).shape[:2] == (2, 4)
    with pytest.raises(InputError, match="did you mean 'average'"):
        POOLINGS.build("averge")


# windows, against torch


@pytest.mark.parametrize("num_axes", [1, 2, 3])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_poolings_are_torchs_to_the_bit(num_axes: int, ceil_mode: bool) -> None:
    axes = f"{num_axes}d"
    for length, size, stride, padding in itertools.product((4, 7, 8), (1, 2, 3, 4), (1, 2, 3, 5), (0, 1, 2)):
        if 2 * padding > size:
            continue
        x = draw(2, 3, *(length + number for number in range(num_axes)))
        theirs = getattr(nn, f"MaxPool{axes}")(size, stride, padding, ceil_mode=ceil_mode)
        assert torch.equal(MaxPooling(size, stride, padding, ceil_mode=ceil_mode)(x), theirs(x))
        for counted in (False, True):
            theirs = getattr(nn, f"AvgPool{axes}")(size, stride, padding, ceil_mode, counted)
            ours = AveragePooling(size, stride, padding, ceil_mode=ceil_mode, count_include_pad=counted)
            assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "settings", [{}, {"stride": 1, "padding": 1}, {"stride": 2, "padding": 1, "ceil_mode": True}, {"dilation": 2}]
)
def test_many_channels_are_pooled_as_few_are(dtype: torch.dtype, settings: dict[str, Any]) -> None:
    """Of equal values the first counts, and what is not a number spreads, as in torch's ordinary order."""
    many = torch.randint(-3, 3, (2, 11, 9, 12), generator=torch.Generator().manual_seed(0)).to(dtype)
    many[0, 1, 3, 4] = torch.nan
    found, expected = (many.clone().requires_grad_() for _ in range(2))
    y = MaxPooling(3, **settings)(found)
    z = torch.cat([F.max_pool2d(one, 3, **settings) for one in expected.split(1, 1)], 1)  # one channel at a time
    assert "Turned" in y.grad_fn.name() and y.is_contiguous()  # type: ignore[union-attr]
    assert torch.equal(y.nan_to_num(9), z.nan_to_num(9))
    of_y = draw(*y.shape, dtype=dtype)
    y.backward(of_y)  # type: ignore[no-untyped-call]
    z.backward(of_y)  # type: ignore[no-untyped-call]
    assert found.grad is not None and expected.grad is not None
    assert torch.allclose(found.grad, expected.grad, rtol=0, atol=8 * torch.finfo(dtype).eps)


def test_many_channels_have_second_derivatives_and_members() -> None:
    members = draw(3, 2, 8, 6, 6)

    def bent(x: torch.Tensor, pool: Any) -> torch.Tensor:
        return torch.func.grad(lambda one: pool(one).pow(3).sum())(x).pow(2).sum()

    ours, theirs = (torch.func.vmap(torch.func.grad(bent), (0, None))(members, one)
                    for one in (MaxPooling(2), nn.MaxPool2d(2)))  # fmt: skip
    assert torch.equal(ours, theirs)
    inside = torch.func.vmap(MaxPooling(2), 1, 1)(members.movedim(0, 1))
    assert torch.equal(inside.movedim(1, 0), F.max_pool2d(members.flatten(0, 1), 2).unflatten(0, (3, 2)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_our_own_way_agrees_with_torchs_where_both_can(dtype: torch.dtype, ceil_mode: bool) -> None:
    """Zeros added beforehand, with settings that torch takes: what it says of the larger input is what we must say."""
    x, tolerance = draw(2, 3, 9, 10, dtype=dtype), 8 * torch.finfo(dtype).eps
    least = F.pad(x, (2, 1, 0, 2), value=-torch.inf)
    ours = MaxPooling((3, 3), 2, ((0, 2), (2, 1)))(x)
    assert torch.equal(ours, F.max_pool2d(least, 3, 2))
    zeros, ones = F.pad(x, (2, 1, 0, 2)), F.pad(torch.ones_like(x), (2, 1, 0, 2))
    counted = AveragePooling(3, 2, ((0, 2), (2, 1)), ceil_mode=ceil_mode)(x)
    torch.testing.assert_close(counted, F.avg_pool2d(zeros, 3, 2, 0, ceil_mode), rtol=tolerance, atol=tolerance)
    inside = AveragePooling(3, 2, ((0, 2), (2, 1)), count_include_pad=False)(x)
    expected = F.avg_pool2d(zeros, 3, 2) / F.avg_pool2d(ones, 3, 2)
    torch.testing.assert_close(inside, expected, rtol=4 * tolerance, atol=4 * tolerance)
    dilated = F.conv2d(
        x.flatten(0, 1)[:, None].double(), torch.full((1, 1, 2, 3), 1 / 6, dtype=torch.float64), dilation=(3, 2)
    )
    ours = AveragePooling((2, 3), 1, dilation=(3, 2))(x)
    torch.testing.assert_close(ours.flatten(0, 1)[:, None].double(), dilated, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("num_axes", [1, 2, 3])
def test_same_padding_is_keras(keras: Any, num_axes: int) -> None:
    """For the largest only: Keras on torch averages copies of the border, not the input alone. ONNX has the mean."""
    for length, size, stride in ((7, 3, 2), (8, 3, 2), (8, 2, 3), (6, 4, 1), (5, 2, 2), (7, 1, 3)):
        x = draw(2, 3, *(length + number for number in range(num_axes)))
        layer = getattr(keras.layers, f"MaxPooling{num_axes}D")(
            size, stride, padding="same", data_format="channels_first"
        )
        assert torch.equal(MaxPooling(size, stride, "same")(x), layer(x))


def test_the_chapters_max_pooling() -> None:
    x = draw(2, 3, 7, 8, dtype=torch.float64)
    expected = [[formulas.max_pooling(mat, 2, 3) for mat in sample] for sample in x.numpy()]
    np.testing.assert_array_equal(MaxPooling((2, 3))(x).numpy(), expected)


def test_whole_numbers_have_a_largest_too() -> None:
    x = torch.arange(-25, 0, dtype=torch.int8).reshape(1, 1, 5, 5)
    expected = MaxPooling(3, 2, 2)(x.float()).to(torch.int8)
    assert torch.equal(MaxPooling(3, 2, 2)(x), expected)


@pytest.mark.parametrize("make", [MaxPooling, AveragePooling, StochasticPooling])
def test_the_layout_in_memory_stays(make: type[WindowPooling]) -> None:
    x = draw(2, 5, 9, 9).abs().to(memory_format=torch.channels_last)
    for padding in (0, 1, 2):
        layer = make(3, 2, padding).eval()
        assert layer(x).is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(layer(x), layer(x.contiguous()))


# whole maps


@pytest.mark.parametrize("num_axes", [1, 2, 3])
def test_global_poolings_are_keras(keras: Any, num_axes: int) -> None:
    x = draw(2, 3, *range(4, 4 + num_axes))
    for ours, name in ((GlobalMaxPooling, "GlobalMaxPooling"), (GlobalAveragePooling, "GlobalAveragePooling")):
        for keep in (False, True):
            layer = getattr(keras.layers, f"{name}{num_axes}D")(data_format="channels_first", keepdims=keep)
            torch.testing.assert_close(ours(keep)(x), torch.as_tensor(np.asarray(layer(x).detach())))
    assert str(GlobalMaxPooling(keep_axes=True)) == "GlobalMaxPooling(keep_axes=True)"


# refusals


@pytest.mark.parametrize("make", [MaxPooling, AveragePooling, StochasticPooling])
def test_windows_that_cannot_be_are_refused_in_words(make: type[WindowPooling]) -> None:
    x = torch.ones(1, 2, 4, 3)
    said = r"a window of 5 does not fit into the input \[1, 2, 4, 3\] with padding 0; give larger maps, a smaller"
    with pytest.raises(InputError, match=said):
        make(5)(x)
    assert make(5, padding=1)(x).shape == (1, 2, 1, 1)
    with pytest.raises(InputError, match=r"padding = 3 was given for a window that is 3 places long.*give 0 to 2"):
        make(3, padding=3)(x)
    with pytest.raises(InputError, match="padding = -1 was given"):
        make(3, padding=-1)(x)
    for name in ("kernel_size", "stride"):
        for wrong in (0, (2, 0), ()):
            with pytest.raises(InputError, match=f"{name} = .* was given; it is a whole number"):
                make(**{"kernel_size": 2, name: wrong})
    with pytest.raises(
        InputError, match=r"kernel_size = \(2, 2\) was given for maps with 1 axes; give 1 values or one"
    ):
        make((2, 2))(x[0])
    with pytest.raises(InputError, match=r"padding = \(1, 1, 1\) was given for maps with 2 axes"):
        make(3, padding=(1, 1, 1))(x)
    with pytest.raises(InputError, match=r"\[4, 3\] was given to a pooling; give \[N, C, L\]"):
        make(2)(x[0, 0])
    with pytest.raises(InputError, match=r"does not fit into the input \[1, 2, 0, 3\]"):
        make(1, padding=0, ceil_mode=True)(x[:, :, :0])


def test_a_dilated_window_that_misses_the_input_is_refused() -> None:
    with pytest.raises(InputError, match=r"a window of 2 \(dilation 2\) does not fit into the input \[1, 1, 1\]"):
        MaxPooling(2, 1, 1, dilation=2)(torch.ones(1, 1, 1))


def test_inputs_without_maps_are_refused() -> None:
    for layer in (GlobalAveragePooling(), GlobalMaxPooling()):
        for shape in ((2, 3), (2, 3, 0, 4)):
            with pytest.raises(InputError, match="has no maps to pool"):
                layer(torch.ones(shape))
    with pytest.raises(InputError, match=r"\[1, 2, 4, 4\] was given to the subsampling of 3 maps by 2x2 blocks"):
        TrainableSubsampling(3)(torch.ones(1, 2, 4, 4))
    with pytest.raises(InputError, match="with H and W at least 2"):
        TrainableSubsampling(3)(torch.ones(1, 3, 1, 4))


def test_the_settings_are_shown() -> None:
    shown = str(AveragePooling(3, 2, "same", 2, True, False))
    assert shown == "AveragePooling(3, stride=2, padding='same', dilation=2, ceil_mode=True, count_include_pad=False)"
    assert str(StochasticPooling(3, 2)) == "StochasticPooling(3, stride=2)"
