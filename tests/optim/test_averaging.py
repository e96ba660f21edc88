"""Averaged weights against torch.optim.swa_utils."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from neuropil.errors import InputError
from neuropil.optim.averaging import WeightAverage


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))


def train(model: nn.Module, steps: range) -> None:
    """Changes weights and running statistics; each step's numbers hang on its number alone."""
    for step in steps:
        inputs = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        model.zero_grad()
        model(inputs).square().mean().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad


def test_without_warm_up_it_is_torchs() -> None:
    model = network()
    ours = WeightAverage(model, 0.9, warmup=False)
    peer = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    peer.update_parameters(model)  # torch's first update only copies
    for step in range(30):
        train(model, range(step, step + 1))
        ours.update()
        peer.update_parameters(model)
    wanted = peer.module.state_dict()
    for name, tensor in ours.state_tensors().items():
        if name in wanted and tensor.is_floating_point():
            torch.testing.assert_close(tensor, wanted[name], rtol=1e-6, atol=1e-7, msg=name)
    assert int(ours.state_tensors()["1.num_batches_tracked"]) == 30


def test_warm_up_begins_with_the_present_weights() -> None:
    layer = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(layer.weight, 0.0)
    average = WeightAverage(layer, 0.5)
    wanted = 0.0
    for update in range(20):
        nn.init.constant_(layer.weight, float(update + 1))
        average.update()
        decay = min(0.5, (1 + update) / (10 + update))
        wanted = decay * wanted + (1 - decay) * (update + 1)
        assert average.state_tensors()["weight"].item() == pytest.approx(wanted, rel=1e-12)


def test_swap_gives_the_own_weights_back_bit_for_bit() -> None:
    model = network()
    average = WeightAverage(model, 0.9)
    for step in range(5):
        train(model, range(step, step + 1))
        average.update()
    own = copy.deepcopy(model.state_dict())
    held = {name: tensor.clone() for name, tensor in average.state_tensors().items()}
    places = [parameter.data_ptr() for parameter in model.parameters()]
    with pytest.raises(RuntimeError, match="inside"), average.swap(model):
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, held[name])
        model(torch.randn(8, 4))  # moves the running statistics
        raise RuntimeError("inside")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, own[name])
    for name, tensor in average.state_tensors().items():
        assert torch.equal(tensor, held[name])
    assert places == [parameter.data_ptr() for parameter in model.parameters()]


def test_swap_into_another_network_of_the_kind() -> None:
    model, other = network(), network()
    average = WeightAverage(model, 0.9)
    train(model, range(3))
    average.update()
    with average.swap(other):
        assert torch.equal(other[0].weight, average.state_tensors()["0.weight"])


def test_resume_is_exact() -> None:
    straight = network()
    wanted = WeightAverage(straight, 0.95)
    for step in range(12):
        train(straight, range(step, step + 1))
        wanted.update()
    first = network()
    average = WeightAverage(first, 0.95)
    for step in range(5):
        train(first, range(step, step + 1))
        average.update()
    saved = {name: tensor.clone() for name, tensor in average.state_tensors().items()}
    second = network()
    second.load_state_dict(first.state_dict())
    resumed = WeightAverage(second, 0.95)
    resumed.load_state_tensors(saved)
    for step in range(5, 12):
        train(second, range(step, step + 1))
        resumed.update()
    for name, tensor in wanted.state_tensors().items():
        assert torch.equal(tensor, resumed.state_tensors()[name]), name


def test_shared_weights_stand_once_and_buffers_may_be_replaced() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into, self.out = nn.Embedding(3, 2), nn.Linear(2, 3, bias=False)
            self.out.weight = self.into.weight
            self.register_buffer("level", torch.zeros(2))
            self.register_buffer("table", torch.ones(2), persistent=False)

    model = Tied()
    average = WeightAverage(model, 0.5, warmup=False)
    assert sorted(average.state_tensors()) == ["average.num_updates", "into.weight", "level"]
    model.level = model.level + 2
    average.update()
    assert average.state_tensors()["level"].tolist() == [1.0, 1.0]


def test_refuses() -> None:
    for decay in (0.0, 1.0, float("nan")):
        with pytest.raises(InputError, match="decay must lie between 0 and 1"):
            WeightAverage(network(), decay)
    average = WeightAverage(network(), 0.9)
    with (
        pytest.raises(InputError, match=r"network to swap into is not of this network: '0[.]bias'"),
        average.swap(nn.Sequential(nn.Linear(4, 6, bias=False))),
    ):
        pass
    saved = average.state_tensors()
    with pytest.raises(InputError, match=r"saved average .* '0.weight' is \[1\], not \[6, 4\]"):
        average.load_state_tensors({**saved, "0.weight": torch.zeros(1)})
    del saved["3.bias"]
    with pytest.raises(InputError, match=r"'3\.bias' stands only on one side"):
        average.load_state_tensors(saved)
