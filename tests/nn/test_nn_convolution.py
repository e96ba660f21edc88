"""Convolutions against SciPy, torch, Keras, torchvision and the papers' own figures."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import torch
from scipy import signal
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.formulas import convolution as formulas
from neuropil.nn import CONVOLUTIONS
from neuropil.nn.convolution import Convolution1d, Convolution2d, PointwiseConvolution2d, conv2d
from neuropil.nn.initialization import initialize
from neuropil.nn.padding import center_crop
from neuropil.nn.separable import (
    DepthwiseSeparableConvolution2d,
    FlattenedConvolution2d,
    SpatiallySeparableConvolution2d,
    separate,
)
from neuropil.nn.shuffled import ChannelShuffle, ShuffledGroupedConvolution2d, channel_shuffle, interleave_channels
from neuropil.nn.transposed import TransposedConvolution1d, TransposedConvolution2d
from oracle_shim import torchvision


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def close(said: Any, expected: Any, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(np.asarray(said), np.asarray(expected), rtol=tolerance, atol=tolerance)


# the chapter's function


def test_the_function_is_scipys_cross_correlation() -> None:
    x, w = draw(1, 1, 9, 7), draw(1, 1, 3, 4, seed=1)
    close(conv2d(x, w)[0, 0], signal.correlate2d(x[0, 0], w[0, 0], mode="valid"))
    close(conv2d(x, w, p=(2, 3))[0, 0], signal.correlate2d(x[0, 0], w[0, 0], mode="full"))
    close(formulas.convolution(x.numpy(), w.numpy())[0, 0], signal.convolve2d(x[0, 0], w[0, 0], mode="valid"))
    with pytest.raises(AssertionError):
        close(conv2d(x, w)[0, 0], signal.convolve2d(x[0, 0], w[0, 0], mode="valid"))


def test_k_kernels_make_k_maps_of_all_channels() -> None:
    x, w, b = draw(3, 8, 9), draw(5, 3, 3, 3, seed=1), draw(5, seed=2)
    maps = conv2d(x, w, b, p=(1, 2), s=(2, 1))
    padded = np.pad(x.numpy(), ((0, 0), (1, 1), (2, 2)))
    for one, kernel, constant in zip(maps, w, b, strict=True):
        channels = [signal.correlate2d(a, k, mode="valid") for a, k in zip(padded, kernel, strict=True)]
        close(one, np.sum(channels, axis=0)[::2] + constant.item())
    close(conv2d(x[None], w, b, (1, 2), (2, 1))[0], maps)
    close(maps, formulas.cross_correlation(x.numpy()[None], w.numpy(), b.numpy(), ((1, 1), (2, 2)), (2, 1))[0])


@pytest.mark.parametrize(
    ("x", "w", "options", "said"),
    [
        ((1, 3, 8, 8), (4, 2, 3, 3), {}, r"\[1, 3, 8, 8\] does not fit a weight of shape \[4, 2, 3, 3\]; give \[N, 2"),
        ((8, 8), (4, 1, 3, 3), {}, r"\[8, 8\] does not fit a weight of shape \[4, 1, 3, 3\]"),
        ((1, 2, 2, 8), (4, 2, 3, 3), {}, r"padded to \[2, 8\], is smaller than the window \[3, 3\] of .*give a larger"),
        ((1, 2, 8, 8), (2, 3, 3), {}, r"\[2, 3, 3\] were given; give \[O, C, K, L\]"),
        ((1, 2, 8, 8), (4, 2, 3, 3), {"b": torch.ones(2)}, r"a bias of shape \[2\] .* give one value a map, \[4\]"),
        (
            (1, 2, 8, 8),
            (4, 2, 3, 3),
            {"p": (-1, 0)},
            r"padding p \(-1, 0\) was given; give 2 whole numbers of at least 0",
        ),
        ((1, 2, 8, 8), (4, 2, 3, 3), {"s": (0, 1)}, r"stride s \(0, 1\) was given; .* of at least 1"),
    ],
)
def test_the_function_refuses(x: tuple[int, ...], w: tuple[int, ...], options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        conv2d(torch.zeros(x), torch.zeros(w), **options)


# layers


@pytest.mark.parametrize(
    "options", [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "groups": 3}, {"padding": "same"}]
)
def test_a_layer_is_torchs_to_the_bit(options: dict[str, Any]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        ours = Convolution2d(6, 9, 3, **options)
        torch.manual_seed(3)
        theirs = nn.Conv2d(6, 9, 3, **options)
    x = draw(2, 6, 8, 9, dtype=torch.float32)
    assert torch.equal(ours(x), theirs(x)) and torch.equal(ours(x[0]), theirs(x[0]))
    theirs.load_state_dict(ours.state_dict())
    row = draw(2, 6, 9, dtype=torch.float32)
    line = Convolution1d(6, 9, 3, **options)
    with torch.no_grad():
        assert torch.equal(line(row), nn.Conv1d(6, 9, 3, **options).requires_grad_(False)._conv_forward(
            row, line.weight, line.bias))  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_grouped_1x1_kernels_are_torchs_grouped_convolution(
    dtype: torch.dtype, stride: int, layout: torch.memory_format
) -> None:
    layer = PointwiseConvolution2d(60, 24, groups=3, stride=stride).to(dtype)
    x = draw(4, 60, 7, 5, dtype=torch.float32).to(dtype).contiguous(memory_format=layout)
    results = []
    for call in (layer, lambda x: F.conv2d(x, layer.weight, layer.bias, stride, groups=3)):
        y = call(x.requires_grad_())
        results.append([y, *torch.autograd.grad(y.float().square().sum(), [x, layer.weight, layer.bias])])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5 if dtype == torch.float32 else 0.15, rtol=2e-2)


def test_an_input_in_channels_last_stays_there() -> None:
    x = draw(2, 6, 8, 9, dtype=torch.float32).contiguous(memory_format=torch.channels_last)
    for layer in (PointwiseConvolution2d(6, 9, groups=3), ShuffledGroupedConvolution2d(6, 9, 3, groups=3)):
        assert layer(x).is_contiguous(memory_format=torch.channels_last)


def test_the_start_counts_the_inputs_of_a_group() -> None:
    layer = Convolution2d(64, 64, 3, groups=4)
    initialize(layer, "he", torch.Generator().manual_seed(0))
    assert layer.weight.std().item() == pytest.approx(np.sqrt(2 / (16 * 9)), rel=0.05)
    assert layer.bias is not None and not layer.bias.any()


def test_every_kind_in_the_catalogue_is_built_and_runs() -> None:
    for name in CONVOLUTIONS:
        window = () if "pointwise" in name else (3,)
        layer = CONVOLUTIONS.build(name, 4, 6, *window)
        x = torch.zeros(2, 4, *(9,) * (1 if name.endswith("1d") else 2))
        assert layer(x).shape[:2] == (2, 6)
    with pytest.raises(InputError, match="did you mean 'transposed"):
        CONVOLUTIONS.build("transpose", 4, 6, 3)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Convolution2d(6, 9, 3, groups=4),
            "4 groups do not divide 6 input and 9 output .* groups that do: 1, 3",
        ),
        (lambda: TransposedConvolution2d(6, 9, 3, groups=2), "2 groups do not divide 6 input and 9 output channels"),
        (lambda: Convolution2d(0, 9, 3), "0 to 9 channels in 1 groups were asked for; give at least 1"),
        (lambda: Convolution2d(1, 1, (3, 3, 3)), r"kernel \(3, 3, 3\) was given; give 2 whole numbers"),
        (lambda: Convolution1d(1, 1, 3, stride=0), "stride 0 was given; give 1 whole number of at least 1"),
        (
            lambda: Convolution2d(1, 1, 4, padding="same"),
            r"kernel \(4, 4\) .* needs \[3, 3\] zeros; take an odd kernel",
        ),
        (
            lambda: Convolution2d(1, 1, 3, padding="full"),
            "'full' was given; it is 'valid', 'same', 'same_tensorflow' or",
        ),
        (lambda: Convolution2d(1, 1, 3, padding=-1), "padding -1 was given; give 2 numbers or pairs of at least 0"),
        (
            lambda: TransposedConvolution2d(1, 1, 3, stride=2, padding="same"),
            r"\[1, 1\] cells too many; take kernel - str",
        ),
        (lambda: TransposedConvolution2d(1, 1, 3, output_padding=1), r"output padding \(1, 1\) was given; it is below"),
        (
            lambda: TransposedConvolution2d(1, 1, 3, stride=2, padding="same_tensorflow", output_padding=1),
            "beside padding 'same_tensorflow', which chooses it",
        ),
        (lambda: ChannelShuffle(0), "a shuffle of 0 groups"),
        (lambda: DepthwiseSeparableConvolution2d(3, 4, activation="rellu"), "did you mean 'relu'"),  # type: ignore[arg-type]
    ],
)
def test_layers_refuse(make: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make()


@pytest.mark.parametrize("kind", [TransposedConvolution2d, Convolution2d, ShuffledGroupedConvolution2d])
def test_wrong_channels_are_refused_by_every_layer(kind: Any) -> None:
    with pytest.raises(InputError, match=r"an input of shape \[1, 3, 8, 8\] does not fit a weight of shape"):
        kind(4, 4, 3)(torch.zeros(1, 3, 8, 8))
    with pytest.raises(InputError, match=r"padded to \[2, 2\], is smaller than the window \[5, 5\] of a weight"):
        Convolution2d(4, 4, 3, dilation=2)(torch.zeros(1, 4, 2, 2))


# transposed


def test_the_transposed_convolution_is_the_transpose() -> None:
    """`<conv(x), y> = <x, transposed(y)>`, whatever the options."""
    x, w = draw(2, 4, 11, 11), draw(6, 2, 3, 4, seed=2)
    options: dict[str, Any] = {"stride": (2, 3), "padding": (1, (0, 2)), "dilation": (1, 2), "groups": 2, "bias": False}
    forward, back = Convolution2d(4, 6, (3, 4), **options), TransposedConvolution2d(6, 4, (3, 4), **options)
    for layer in (forward, back):
        layer.double().load_state_dict({"weight": w})
    y = draw(2, 6, 6, 3, seed=1)
    assert (forward(x) * y).sum().item() == pytest.approx((x * back(y)).sum().item(), rel=1e-12)


def test_a_transposed_layer_is_torchs_to_the_bit() -> None:
    ours = TransposedConvolution2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)
    theirs = nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2)
    theirs.load_state_dict(ours.state_dict())
    x = draw(2, 4, 5, 7, dtype=torch.float32)
    assert torch.equal(ours(x), theirs(x)) and torch.equal(ours(x[0]), theirs(x[0]))
    assert TransposedConvolution1d(2, 2, 3, stride=2)(torch.zeros(1, 2, 5)).shape[-1] > 5  # larger, as the chapter says


# Keras, that is TensorFlow's padding


def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    module = pytest.importorskip("keras")
    if module.backend.backend() != "torch":
        pytest.skip("Keras runs on another backend")
    return module


def from_keras(layer: Any, x: Tensor) -> Tensor:
    """What a Keras layer says, channels last as it has them."""
    with torch.no_grad():
        said: Tensor = layer(x.movedim(1, -1)).movedim(-1, 1)
    return said


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(8, 9), (224, 7), (13, 12)])
@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_same_tensorflow_is_keras_same(size: tuple[int, int], stride: int, kernel: int) -> None:
    x = draw(2, 3, *size, dtype=torch.float32)
    theirs = keras().layers.Conv2D(4, kernel, strides=stride, padding="same")
    expected = from_keras(theirs, x)
    ours = Convolution2d(3, 4, kernel, stride=stride, padding="same_tensorflow")
    weight, bias = (one.value.detach() for one in theirs.weights)
    ours.load_state_dict({"weight": weight.permute(3, 2, 0, 1), "bias": bias})
    close(ours(x).detach(), expected, 2e-5)


@pytest.mark.parametrize("dilation", [2, 3])
def test_dilation_under_same_tensorflow_is_keras(dilation: int) -> None:
    x = draw(2, 3, 10, 13, dtype=torch.float32)
    theirs = keras().layers.Conv2D(4, 3, dilation_rate=dilation, padding="same", use_bias=False)
    expected = from_keras(theirs, x)
    ours = Convolution2d(3, 4, 3, dilation=dilation, padding="same_tensorflow", bias=False)
    ours.load_state_dict({"weight": theirs.weights[0].value.detach().permute(3, 2, 0, 1)})
    close(ours(x).detach(), expected, 2e-5)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 9), (10, 12)])
def test_a_linear_separable_block_is_keras_separable_convolution(size: tuple[int, int], stride: int) -> None:
    x = draw(2, 3, *size, dtype=torch.float32)
    theirs = keras().layers.SeparableConv2D(5, 3, strides=stride, padding="same", depth_multiplier=2, use_bias=False)
    expected = from_keras(theirs, x)
    ours = DepthwiseSeparableConvolution2d(
        3, 5, stride=stride, padding="same_tensorflow", multiplier=2, normalization=False, activation=None
    )
    depthwise, pointwise = (one.value.detach() for one in theirs.weights)
    with torch.no_grad():
        for part in (ours.depthwise, ours.pointwise):
            part.bias.zero_()
        ours.depthwise.weight.copy_(depthwise.permute(2, 3, 0, 1).reshape(6, 1, 3, 3))
        ours.pointwise.weight.copy_(pointwise.permute(3, 2, 0, 1))
    close(ours(x).detach(), expected, 2e-5)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (4, 2), (2, 3), (5, 3), (3, 1)])
def test_transposed_same_tensorflow_is_keras(kernel: int, stride: int) -> None:
    x = draw(2, 3, 5, 6, dtype=torch.float32)
    theirs = keras().layers.Conv2DTranspose(4, kernel, strides=stride, padding="same", use_bias=False)
    expected = from_keras(theirs, x)
    ours = TransposedConvolution2d(3, 4, kernel, stride=stride, padding="same_tensorflow", bias=False)
    ours.load_state_dict({"weight": theirs.weights[0].value.detach().permute(3, 2, 0, 1)})
    assert expected.shape[2:] == (5 * stride, 6 * stride)
    close(ours(x).detach(), expected, 2e-5)


# convolutions that come apart


SOBEL = [[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]


@pytest.mark.parametrize("kernel", [SOBEL, np.outer(*2 * [signal.windows.gaussian(5, 1.0)]), np.ones((3, 5))])
def test_kernels_of_rank_one_come_apart(kernel: Any) -> None:
    given = torch.as_tensor(np.asarray(kernel))
    column, row, residual = separate(given)
    close(column @ row, given)
    assert residual < 1e-12
    x = draw(1, 1, 9, 9)
    layer = SpatiallySeparableConvolution2d(1, 1, tuple(given.shape), padding="valid", bias=False).double()
    layer.load_state_dict({"vertical.weight": column[None, None], "horizontal.weight": row[None, None]})
    close(layer(x).detach()[0, 0], signal.correlate2d(x[0, 0], given, mode="valid"))


def test_kernels_of_a_higher_rank_do_not() -> None:
    laplace = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]], dtype=torch.float64)
    singular = np.linalg.svd(laplace.numpy(), compute_uv=False)
    share = np.sqrt((singular[1:] ** 2).sum() / (singular**2).sum())
    with pytest.raises(InputError, match=f"the nearest product misses {share:.3g} of it; allow that by tolerance="):
        separate(laplace)
    column, row, residual = separate(laplace, tolerance=0.5)
    assert residual.item() == pytest.approx(share) == pytest.approx(formulas.separate(laplace.numpy())[2])
    assert (laplace - column @ row).norm() / laplace.norm() == pytest.approx(share)
    with pytest.raises(InputError, match=r"\[3\] was given; give \[K, L\]"):
        separate(torch.ones(3))
    columns, rows, residuals = separate(draw(8, 1, 3, 3), tolerance=1.0)
    assert columns.shape == (8, 1, 3, 1) and rows.shape == (8, 1, 1, 3) and residuals.shape == (8, 1)
    assert separate(torch.zeros(3, 3)).residual == 0


def test_a_spatially_separable_layer_is_one_convolution() -> None:
    layer, x = SpatiallySeparableConvolution2d(3, 4, (3, 5), stride=(2, 1)).double(), draw(2, 3, 9, 8)
    kernels = torch.einsum("omj,mck->ockj", layer.horizontal.weight[:, :, 0], layer.vertical.weight[..., 0])
    close(layer(x).detach(), F.conv2d(x, kernels, layer.horizontal.bias, (2, 1), (1, 2)).detach())


def test_a_flattened_layer_is_one_convolution_of_kernels_that_come_apart() -> None:
    layer, x = FlattenedConvolution2d(3, 4, (3, 5), padding="same_tensorflow", stride=2).double(), draw(2, 3, 9, 9)
    lateral, vertical = layer.lateral.weight[:, :, 0, 0], layer.vertical.weight[:, 0, :, 0]
    kernels = torch.einsum("oc,ok,oj->ockj", lateral, vertical, layer.horizontal.weight[:, 0, 0])
    close(layer(x).detach(), F.conv2d(x, kernels, layer.horizontal.bias, 2, (1, 2)).detach())
    weights = sum(weight.numel() for weight in layer.parameters()) - 4
    assert weights == 4 * (3 + 3 + 5) < kernels.numel() == 4 * 3 * 3 * 5


# shuffling


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_the_shuffle_is_torchs_and_torchvisions(groups: int) -> None:
    x = draw(2, 12, 3, 5)
    expected = torchvision.models.shufflenetv2.channel_shuffle(x, groups)
    for layout in (torch.contiguous_format, torch.channels_last):
        ours = channel_shuffle(x.contiguous(memory_format=layout), groups)
        assert torch.equal(ours, expected) and ours.is_contiguous(memory_format=layout)
    assert torch.equal(nn.ChannelShuffle(groups)(x), expected)
    assert torch.equal(channel_shuffle(expected, 12 // groups), x)
    assert torch.equal(channel_shuffle(x[..., 0], groups), expected[..., 0])


def test_interleaving_is_a_shuffle_of_both_together() -> None:
    parts = [draw(2, 4, 3, 5, seed=seed) for seed in range(3)]
    for layout in (torch.contiguous_format, torch.channels_last):
        ours = interleave_channels(*(part.contiguous(memory_format=layout) for part in parts))
        assert torch.equal(ours, channel_shuffle(torch.cat(parts, 1), 3)) and ours.is_contiguous(memory_format=layout)


def test_groups_of_a_shuffled_layer_see_all_groups_before() -> None:
    """With two grouped layers alone an output depends on a third of the inputs; with a shuffle between, on all."""
    for first, seen in ((Convolution2d, 3), (ShuffledGroupedConvolution2d, 9)):
        x = draw(1, 9, 1, 1, dtype=torch.float32).requires_grad_()
        nn.Sequential(first(9, 9, 1, groups=3), Convolution2d(9, 9, 1, groups=3))(x)[0, 0].sum().backward()
        assert x.grad is not None and int(x.grad.count_nonzero()) == seen


def test_shuffles_refuse() -> None:
    with pytest.raises(InputError, match=r"\[2, 4, 3\] cannot be shuffled in 3 groups; give \[N, C, ...\] and groups"):
        channel_shuffle(torch.zeros(2, 4, 3), 3)
    with pytest.raises(InputError, match=r"\[\[2, 4, 3\], \[2, 5, 3\]\] were given; give one or more, all alike"):
        interleave_channels(torch.zeros(2, 4, 3), torch.zeros(2, 5, 3))


# cropping


@pytest.mark.parametrize("size", [(4, 6), (5, 7), (3, 4), (8, 9)])
def test_the_middle_is_keras_center_crop(size: tuple[int, int]) -> None:
    x = draw(2, 3, 8, 9, dtype=torch.float32)
    assert torch.equal(center_crop(x, size), from_keras(keras().layers.CenterCrop(*size), x))
    close(center_crop(x, size), formulas.center_crop(x.numpy(), *size))


def test_u_nets_sizes() -> None:
    """Ronneberger, Fischer and Brox 2015, figure 1: every number on the way from 572 to 388, and what is cropped."""
    maps: list[Tensor] = []
    x, twice = torch.zeros(1, 1, 572, 572), nn.Sequential(Convolution2d(1, 1, 3), Convolution2d(1, 1, 3))
    for _ in range(4):
        maps.append(twice(x))
        x = F.max_pool2d(maps[-1], 2)
    x = twice(x)
    sizes = [x.shape[-1]]
    for left in reversed(maps):
        x = TransposedConvolution2d(1, 1, 2, stride=2)(x)
        x = twice(x + center_crop(left, x.shape[-2:]))
        sizes.append(x.shape[-1])
    assert [one.shape[-1] for one in maps] == [568, 280, 136, 64]
    assert sizes == [28, 52, 100, 196, 388]


def test_cropping_refuses() -> None:
    for size in ((9, 4), (0, 4)):
        with pytest.raises(InputError, match=r"the middle .* of \[2, 8, 8\] was asked for; give for each"):
            center_crop(torch.zeros(2, 8, 8), size)
    with pytest.raises(InputError, match="the middle"):
        center_crop(torch.zeros(4), (2, 2))
