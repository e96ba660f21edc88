"""Summaries against torch's own flop counter and by hand; a measured network stays as it was."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from models.small_networks import NAMES, options_of, shape_of
from neuropil.errors import InputError
from neuropil.inspection.filters import first_filters
from neuropil.inspection.summary import summarize
from neuropil.models import create_model
from sequence_models.small_sequences import build


def counted(model: nn.Module, shape: tuple[int, ...]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.zeros(1, *shape))
    return int(counter.get_total_flops()) // 2


@pytest.mark.parametrize("name", NAMES)
def test_multiply_adds_are_torchs(name: str) -> None:
    model = create_model(name, **options_of(name))
    ours = summarize(model, shape_of(name)).multiply_adds
    holes = (96 - 60) * 25 * 100 if name == "lenet5" else 0  # C3: torch computes the zeros of the table too
    assert ours + holes == counted(model, shape_of(name))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(6, 9, (3, 5), stride=2, padding=1, dilation=2, groups=3), (6, 20, 24)),
        (nn.ConvTranspose2d(6, 4, 3, stride=2, groups=2), (6, 7, 9)),
        (nn.Conv1d(4, 8, 3), (4, 11)),
        (nn.Conv3d(2, 3, 3), (2, 6, 7, 8)),
        (nn.Linear(5, 7), (11, 5)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_convolution_is_counted_as_torch_does(layer: nn.Module, shape: tuple[int, ...]) -> None:
    assert summarize(layer, shape).multiply_adds == counted(layer, shape)


@pytest.mark.parametrize("name", NAMES)
def test_a_measured_network_stays_as_it_was(name: str) -> None:
    model = create_model(name, **options_of(name)).train()
    list(model.modules())[2].eval()  # a mixed mode
    modes = [module.training for module in model.modules()]
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    summarize(model, shape_of(name))
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(p.grad is None and p.device.type == "cpu" for p in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_rows_by_hand() -> None:
    relu = nn.ReLU()
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), relu, nn.Flatten(), nn.Linear(144, 2), relu
    )
    model[0].weight.requires_grad_(False)
    summary = summarize(model, (1, 8, 8))
    assert [(row.name, row.kind, row.output_shape, row.weights, row.multiply_adds) for row in summary.layers] == [
        ("0", "Conv2d", (4, 6, 6), 36, 36 * 36),
        ("1", "BatchNorm2d", (4, 6, 6), 8, 0),
        ("2", "ReLU", (4, 6, 6), 0, 0),
        ("3", "Flatten", (144,), 0, 0),
        ("4", "Linear", (2,), 290, 288),
        ("2", "ReLU", (2,), 0, 0),
    ]
    assert summary.activation_bytes == 4 * (4 * 144 + 2 + 2)
    assert summary.weights == 334 and summary.trainable_weights == 298
    assert summary.weight_bytes == 4 * (334 + 8) + 8  # two running averages, and a counter of 64 bits


def test_a_layer_used_twice_has_its_weights_counted_once() -> None:
    layer = nn.Linear(3, 3)
    summary = summarize(nn.Sequential(layer, layer), (3,))
    assert [row.weights for row in summary.layers] == [12, 0] and summary.weights == 12
    assert [row.multiply_adds for row in summary.layers] == [9, 9]


class LooksAtNumbers(nn.Module):
    """Cannot run on the meta device."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x) + torch.rand(())
        out: Tensor = self.layer(x) if x.sum().item() > -1e9 else x
        return out


def test_a_network_that_looks_at_its_numbers_is_measured_with_zeros() -> None:
    model, random = LooksAtNumbers(), torch.get_rng_state()
    assert [row.name for row in summarize(model, (3,)).layers] == ["norm", "layer"]
    assert torch.equal(torch.get_rng_state(), random)


def test_samples_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="Sequential does not take samples of 3x8x8"):
        summarize(nn.Sequential(nn.Conv2d(1, 4, 3)), (3, 8, 8))
    with pytest.raises(InputError, match="which reads 32x32"):
        summarize(create_model("lenet5"), (1, 8, 8))
    with pytest.raises(InputError, match="each size is 1 or more"):
        summarize(nn.Linear(3, 3), (0,))


def test_a_refused_network_stays_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3)).train()
    with pytest.raises(InputError):
        summarize(model, (3, 8, 8))
    assert model.training and model[0].training and not model[0]._forward_hooks


def test_first_filters_are_a_copy() -> None:
    model = create_model("resnet20").bfloat16()
    filters = first_filters(model)
    assert filters is not None and filters.shape == (16, 3, 3, 3) and filters.dtype == np.float32
    filters[:] = 0
    assert model.conv1.weight.any()  # type: ignore[union-attr,operator]
    np.testing.assert_array_equal(first_filters(create_model("lenet5")).shape, (6, 1, 5, 5))  # type: ignore[union-attr]
    assert first_filters(create_model("perceptron", in_features=4)) is None


def test_what_is_not_called_has_a_row_of_its_own() -> None:
    from neuropil.drawing.layers import layer_rows

    with torch.device("meta"):
        found = summarize(create_model("googlenet"), (3, 64, 64))
    rows = layer_rows(found)
    assert rows[-2][0] == "not called" and sum(row[4] for row in rows[:-1]) == rows[-1][4] == 13_378_280  # type: ignore[misc]
    line = layer_rows(summarize(create_model("Conv4 - ReLU"), (1, 32, 32)))
    assert [row[0] for row in line] == ["stages.0.conv1", "stages.0.relu1", "total"], "empty containers have no row"


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_recurrent_layers_are_counted(kind: type[nn.RNNBase], gates: int) -> None:
    """Each weight of the matrices once a step; the biases are none of them."""
    (row,) = summarize(kind(5, 7, batch_first=True, bidirectional=True), (11, 5)).layers
    assert row.output_shape == (11, 14)
    assert row.multiply_adds == 11 * 2 * gates * 7 * (5 + 7)
    assert row.weights == 2 * gates * 7 * (5 + 7 + 2)


def test_texts_have_no_receptive_field() -> None:
    from neuropil.drawing.layers import layer_table

    table = layer_table(summarize(create_model("language_model", num_tokens=9, width=8), (6,)))
    assert "sees" not in table.columns and "sees" not in table.note
    assert [row[0] for row in table.rows] == ["embedding", "before", "recurrent", "behind", "between", "head", "total"]


@pytest.mark.parametrize("variant", ["transformer", "transformer_tied", "bert", "bert_classifier", "bert_spans", "gpt"])
def test_weights_that_attention_reads_past_their_layers_are_counted(variant: str) -> None:
    """Multiply-adds are torch's, but for the products of questions, keys and values, which the custom leaves out."""
    network, count = build(variant).eval(), 7
    found = summarize(network, (count,))
    with FlopCounterMode(display=False) as counter:
        network(torch.full((1, count), 5))
    between = counter.get_flop_counts()["Global"]
    products = sum(between.get(kind, 0) for kind in between if "attention" in str(kind) or "bmm" in str(kind))
    assert found.multiply_adds == (counter.get_total_flops() - products) // 2
    resting = found.weights - sum(layer.weights for layer in found.layers)
    hidden = sum(p.numel() for name, p in network.named_parameters() if name.startswith("cls.predictions"))
    assert resting == hidden, "only what is called for hidden words alone"
    if variant.startswith("transformer"):
        crossed = [layer for layer in found.layers if layer.name == "decoder.0.memory_attention"]
        assert [(layer.kind, layer.weights) for layer in crossed] == [("linear", 3 * 8 * 9), ("linear", 0)]
