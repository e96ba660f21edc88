"""Costs of networks, sequences and training against torch, torchvision, ONNX graphs, transformers and papers."""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from neuropil.formulas import costs, network_costs, sequence_costs, training_costs
from neuropil.models import create_model
from oracle_shim import torchvision


def weights(*modules: nn.Module) -> int:
    return sum(one.numel() for module in modules for one in module.parameters())


def onnx_weights(name: str) -> int:
    """Numbers of an independent graph of the onnx wheel, whose weights come from constant nodes."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / f"light_{name}.onnx")
    sizes = {one.name: tuple(onnx.numpy_helper.to_array(one).tolist()) for one in model.graph.initializer
             if one.data_type == onnx.TensorProto.INT64 and len(one.dims) == 1}  # fmt: skip
    total = sum(math.prod(one.dims) for one in model.graph.initializer if one.data_type == onnx.TensorProto.FLOAT)
    for node in model.graph.node:
        if node.op_type == "ConstantOfShape" and node.input[0] in sizes:
            total += math.prod(sizes[node.input[0]])
    return int(total)


def test_alexnet_and_googlenet_are_as_large_as_independent_graphs() -> None:
    alexnet = sum(one.weights for one in network_costs.layer_costs(network_costs.ALEXNET, 3, 227))
    assert alexnet == onnx_weights("bvlc_alexnet")
    assert network_costs.googlenet_weights() == onnx_weights("inception_v1")


def test_vgg_is_torchvisions_layer_by_layer() -> None:
    with torch.device("meta"):
        theirs = torchvision.models.vgg16()
        layers = [one for one in theirs.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
        with FlopCounterMode(display=False) as counter:
            theirs.eval()(torch.empty(1, 3, 224, 224))
    found = network_costs.layer_costs(network_costs.VGG16, 3, 224)
    assert [one.weights for one in found] == [weights(layer) for layer in layers]
    assert sum(one.multiply_adds for one in found) == counter.get_total_flops() // 2


def test_googlenet_takes_what_torch_counts() -> None:
    with torch.device("meta"):
        network = create_model("googlenet", auxiliary=False).eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, 224, 224))
    assert network_costs.googlenet_cost() == counter.get_total_flops() // 2
    assert network_costs.googlenet_cost() / 1e9 == pytest.approx(1.5, abs=0.1)  # Szegedy et al. 2015, section 1


def test_an_auxiliary_classifier_is_torchvisions() -> None:
    with torch.device("meta"):
        theirs = weights(import_module("torchvision.models.googlenet").InceptionAux(512, 1000))
    assert network_costs.auxiliary_weights(512) == theirs - 128  # a bias a map, where theirs has scale and shift


@pytest.mark.parametrize(("c", "m", "groups", "side"), [(240, 60, 3, 28), (384, 96, 8, 14)])
def test_units_are_what_torch_counts(c: int, m: int, groups: int, side: int) -> None:
    def unit(g: int, depthwise: bool) -> int:
        with torch.device("meta"):
            layers = nn.Sequential(
                nn.Conv2d(c, m, 1, groups=g), nn.Conv2d(m, m, 3, padding=1, groups=m if depthwise else 1),
                nn.Conv2d(m, c, 1, groups=g),
            )  # fmt: skip
            with FlopCounterMode(display=False) as counter:
                layers(torch.empty(1, c, side, side))
        return int(counter.get_total_flops()) // 2

    assert network_costs.residual_unit_cost(c, m, side) == unit(1, False)
    assert network_costs.shuffle_unit_cost(c, m, groups, side) == unit(groups, True)


def test_kernels_that_come_apart_have_torchs_counts() -> None:
    def conv(into: int, out: int, kernel: int | tuple[int, int], groups: int = 1) -> nn.Module:
        return nn.Conv2d(into, out, kernel, groups=groups, bias=False)

    with torch.device("meta"):
        assert costs.convolution_weights(5, 48, 128, 2, bias=True) == weights(nn.Conv2d(48, 128, 5, groups=2))
        assert costs.dense_weights(400, 120) == weights(nn.Linear(400, 120))
        assert costs.separable_weights(3, 32, 64) == weights(conv(32, 32, 3, groups=32), conv(32, 64, 1))
        assert costs.spatial_weights(5, 32, 64) == weights(conv(32, 64, (5, 1)), conv(64, 64, (1, 5)))
        apart = (conv(32, 64, 1), conv(64, 64, (5, 1), groups=64), conv(64, 64, (1, 5), groups=64))
        assert costs.flattened_weights(5, 32, 64) == weights(*apart)


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_recurrent_layers_have_torchs_counts(kind: type[nn.Module], gates: int) -> None:
    assert sequence_costs.recurrent_weights(7, 11, gates, biases=2) == weights(kind(7, 11))
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        cells = [nn.RNNCell, None, nn.GRUCell, nn.LSTMCell][gates - 1]
        assert cells is not None
        cell, x = cells(7, 11), torch.empty(1, 7)
        state: Any = None
        for _ in range(5):
            state = cell(x, state)
    assert sequence_costs.recurrent_cost(5, 7, 11, gates) == counter.get_total_flops() // 2


@pytest.mark.parametrize("length", [5, 64])
def test_attention_costs_what_torch_counts(length: int) -> None:
    with torch.device("meta"):
        layer, x = nn.MultiheadAttention(32, 4, batch_first=True), torch.empty(1, length, 32)
        with FlopCounterMode(display=False) as counter:
            layer(x, x, x, need_weights=True)
    assert sequence_costs.attention_cost(length, 32) == counter.get_total_flops() // 2


def test_blocks_have_torchs_counts_and_the_transformers_the_papers() -> None:
    with torch.device("meta"):
        reads = weights(nn.TransformerEncoderLayer(512, 8, 2048))
        writes = weights(nn.TransformerDecoderLayer(512, 8, 2048))
    assert sequence_costs.transformer_block_weights(512) == reads
    assert sequence_costs.transformer_weights(100, 6, 512) == 6 * (reads + writes) + 100 * 513
    assert round(sequence_costs.transformer_weights(37_000, 6, 1024) / 1e6, -1) == 210  # Vaswani et al., table 3: 213
    assert sequence_costs.transformer_weights(38_000, 6, 512) / 1e6 == pytest.approx(65, rel=0.03)


@pytest.mark.slow
def test_bert_and_gpt_have_hugging_faces_counts() -> None:
    transformers = pytest.importorskip("transformers")
    with torch.device("meta"):
        for layers, width, heads in ((12, 768, 12), (24, 1024, 16)):
            config = transformers.BertConfig(
                num_hidden_layers=layers, hidden_size=width, num_attention_heads=heads, intermediate_size=4 * width
            )
            theirs = weights(transformers.BertModel(config))
            assert sequence_costs.bert_weights(config.vocab_size, layers, width) == theirs
        for layers, width in ((12, 768), (48, 1600)):
            config = transformers.GPT2Config(n_layer=layers, n_embd=width, n_head=width // 64)
            assert sequence_costs.gpt_weights(50257, layers, width, 1024) == weights(transformers.GPT2Model(config))
        config = transformers.OpenAIGPTConfig()
        theirs = weights(transformers.OpenAIGPTModel(config))
        assert sequence_costs.gpt_weights(config.vocab_size, 12, 768, 512, last_norm=False) == theirs


def test_rules_remember_what_torchs_do() -> None:
    peers = {
        "gradient_descent": torch.optim.SGD, "adagrad": torch.optim.Adagrad, "adadelta": torch.optim.Adadelta,
        "rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam, "adamax": torch.optim.Adamax,
        "adamw": torch.optim.AdamW,
    }  # fmt: skip
    made: dict[str, Any] = {name: lambda weight, kind=kind: kind([weight], lr=0.1) for name, kind in peers.items()}
    made["momentum"] = lambda weight: torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    made["nag"] = lambda weight: torch.optim.SGD([weight], lr=0.1, momentum=0.9, nesterov=True)
    assert set(made) == set(training_costs.RULE_COPIES)
    for name, make in made.items():
        weight = nn.Parameter(torch.ones(5, 7))
        rule = make(weight)
        weight.grad = torch.ones_like(weight)
        rule.step()
        kept = sum(one.numel() for one in rule.state[weight].values() if torch.is_tensor(one) and one.ndim)
        assert training_costs.rule_numbers(name, 35) == kept, name


@pytest.mark.parametrize("size", [1, 7, 32, 100])
def test_an_epoch_has_as_many_updates_as_torchs_loader(size: int) -> None:
    loader = DataLoader(TensorDataset(torch.zeros(100, 2)), batch_size=size)
    assert training_costs.updates_per_epoch(100, size) == len(loader)


@pytest.mark.slow
def test_a_grid_is_scikit_learns() -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    grid = selection.ParameterGrid({"a": [1, 2, 3, 4], "b": [1, 2, 3], "c": [1, 2, 3, 4, 5]})
    assert training_costs.grid_trials([4, 3, 5]) == len(grid)
