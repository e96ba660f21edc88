"""LeNet-5 against the tables of its paper and a second reading of it in SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from scipy.special import expit
from torch import nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.inspection.summary import summarize
from neuropil.models.lenet import C3_TABLE, LeNet5, LeNet5Modern, TableConvolution

WEIGHTS = {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48120, "f6": 10164}
"""Section II.B: trainable parameters of each layer."""

SIZES = {"c1": (6, 28, 28), "s2": (6, 14, 14), "c3": (16, 10, 10), "s4": (16, 5, 5), "c5": (120, 1, 1), "f6": (84,)}

CONNECTIONS = {"c1": 122_304, "c3": 151_600, "c5": 48_120, "f6": 10_164}
"""Section II.B: with one connection a unit for the bias."""


@pytest.mark.parametrize("layer", WEIGHTS)
def test_each_layer_has_the_papers_size(layer: str) -> None:
    rows = {row.name.rpartition(".")[2]: row for row in summarize(LeNet5(), (1, 32, 32)).layers}
    assert rows[layer].weights == WEIGHTS[layer]
    assert rows[layer].output_shape == SIZES[layer]
    if layer in CONNECTIONS:
        assert rows[layer].multiply_adds + np.prod(SIZES[layer]) == CONNECTIONS[layer]


def test_the_whole_has_sixty_thousand_weights_before_its_output() -> None:
    paper = LeNet5(activation="scaled_tanh", output="rbf")
    assert sum(p.numel() for p in paper.parameters() if p.requires_grad) == 60_000
    assert sum(p.numel() for p in LeNet5().parameters()) == 60_000 + 850


def test_the_connection_table_is_the_papers() -> None:
    """Table I as printed: a row for each map of S2, an X for each map of C3 that reads it."""
    printed = [
        "X...XXX..XXXX.XX",
        "XX...XXX..XXXX.X",
        "XXX...XXX..X.XXX",
        ".XXX..XXXX..X.XX",
        "..XXX..XXXX.XX.X",
        "...XXX..XXXX.XXX",
    ]
    ours = ["".join("X" if source in sources else "." for sources in C3_TABLE) for source in range(6)]
    assert ours == printed


def test_a_table_convolution_is_a_convolution_with_holes() -> None:
    layer = TableConvolution(C3_TABLE, 5).double()
    x = torch.randn(2, 6, 14, 14, dtype=torch.float64, requires_grad=True)
    nn.init.normal_(layer.weight), nn.init.normal_(layer.bias)
    kernels = iter(torch.split(layer.weight, 1))
    expected = torch.stack(
        [
            sum(F.conv2d(x[:, s : s + 1], next(kernels)[None])[:, 0] for s in row) + layer.bias[out]
            for out, row in enumerate(C3_TABLE)
        ],
        dim=1,
    )
    torch.testing.assert_close(layer(x), expected)
    assert torch.autograd.gradcheck(
        lambda x, *weights: layer(x), (x[:1, :, :6, :6].detach().requires_grad_(), *layer.parameters())
    )


@pytest.mark.parametrize(("activation", "squash"), [("sigmoid", expit), ("scaled_tanh", None)])
def test_forward_is_the_paper_read_a_second_time(activation: str, squash) -> None:  # type: ignore[no-untyped-def]
    squash = squash or (lambda v: 1.7159 * np.tanh(2 / 3 * v))
    network = LeNet5(activation=activation).double().eval()  # type: ignore[arg-type]
    for weight in network.parameters():
        nn.init.normal_(weight, 0, 0.3)
    w = {
        ".".join(key.split(".")[-2:]): value.numpy()
        for key, value in network.state_dict().items()
        if not key.endswith("places")
    }
    x = torch.randn(1, 1, 32, 32, dtype=torch.float64)

    def convolve(maps, kernels, sources, bias):  # type: ignore[no-untyped-def]
        parts = [correlate2d(maps[s], k, mode="valid") for s, k in zip(sources, kernels, strict=True)]
        return squash(np.sum(parts, axis=0) + bias)

    def subsample(maps, name):  # type: ignore[no-untyped-def]
        sums = maps[:, ::2, ::2] + maps[:, 1::2, ::2] + maps[:, ::2, 1::2] + maps[:, 1::2, 1::2]
        return squash(w[f"{name}.weight"][:, None, None] * sums + w[f"{name}.bias"][:, None, None])

    c1 = np.stack([convolve(x[0].numpy(), w["c1.weight"][k], [0], w["c1.bias"][k]) for k in range(6)])
    s2 = subsample(c1, "s2")
    starts = np.cumsum([0, *map(len, C3_TABLE)])
    c3 = np.stack(
        [
            convolve(s2, w["c3.weight"][starts[k] : starts[k + 1]], row, w["c3.bias"][k])
            for k, row in enumerate(C3_TABLE)
        ]
    )
    s4 = subsample(c3, "s4")
    c5 = squash(np.einsum("kchw,chw->k", w["c5.weight"], s4) + w["c5.bias"])
    f6 = squash(w["f6.weight"] @ c5 + w["f6.bias"])
    output = w["output.weight"] @ f6 + w["output.bias"]
    np.testing.assert_allclose(network(x)[0].detach().numpy(), output, rtol=1e-10)


def test_the_rbf_output_measures_distances_to_fixed_codes() -> None:
    network = LeNet5(activation="scaled_tanh", output="rbf").eval()
    codes = network.head.output.codes
    assert codes.shape == (10, 84) and codes.abs().eq(1).all()
    assert torch.cdist(codes, codes).add(torch.eye(10) * 99).min() > 10  # no two classes look alike
    f6 = network.head[:2](network.features(torch.randn(3, 1, 32, 32))[-1])
    expected = -torch.cdist(f6, codes).square()
    torch.testing.assert_close(network.head.output(f6), expected, rtol=1e-4, atol=1e-3)
    assert network.head.output(codes).argmax(1).tolist() == list(range(10))
    assert torch.equal(codes, LeNet5(activation="scaled_tanh", output="rbf").head.output.codes)


def test_rbf_with_an_activation_that_cannot_reach_its_codes_is_refused() -> None:
    with pytest.raises(InputError, match="use activation='scaled_tanh'"):
        LeNet5(output="rbf")


@pytest.mark.parametrize("kind", [LeNet5, LeNet5Modern])
def test_mnist_is_framed_with_its_own_margin(kind: type[LeNet5 | LeNet5Modern]) -> None:
    network = kind().eval()
    digit = torch.full((1, 1, 28, 28), -0.42)
    digit[..., 8:20, 8:20] = 2.8
    by_hand = F.pad(digit, (2, 2, 2, 2), value=-0.42)
    assert torch.equal(network(digit), network(by_hand))


@pytest.mark.parametrize("size", [(23, 28), (33, 32), (8, 8), (224, 224)])
def test_pictures_of_another_size_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=f"pictures of {size[0]}x{size[1]} were given to LeNet-5, which reads 32x32"):
        LeNet5()(torch.zeros(1, 1, *size))


def test_the_modern_variant_grows_by_its_width() -> None:
    wide = LeNet5Modern(width=3, num_classes=4)
    assert wide.widths == (18, 48, 360) and wide(torch.zeros(1, 1, 32, 32)).shape == (1, 4)
    with pytest.raises(InputError, match="a width of 0"):
        LeNet5Modern(width=0)


def test_the_normalized_modern_form_is_the_usual_stack() -> None:
    """Beside torch's own layers with the same weights, in training and in evaluation."""
    network = LeNet5Modern(num_classes=7, width=2, batch_norm=True).double()
    plain = nn.Sequential(
        *(nn.Conv2d(1, 12, 5, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(12), nn.ReLU()),
        *(nn.Conv2d(12, 32, 5, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.Conv2d(32, 240, 5, bias=False), nn.BatchNorm2d(240), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(240, 168, bias=False), nn.BatchNorm1d(168), nn.ReLU(), nn.Linear(168, 7)),
    ).double()
    for mine, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        theirs.data.copy_(mine.data)
    x = torch.randn(6, 1, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(network(x), plain(x), rtol=1e-12, atol=1e-12)
    for mine, theirs in zip(network.buffers(), plain.buffers(), strict=True):
        theirs.data.copy_(mine.data)  # the chapter's stored variance is the biased one
    torch.testing.assert_close(network.eval()(x), plain.eval()(x), rtol=1e-12, atol=1e-12)
