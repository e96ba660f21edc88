"""What learns and what stays, for every method."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.models import create_model
from neuropil.nn.frozen import FrozenBatchNorm2d, freeze_statistics
from neuropil.nn.normalization import BatchNormalization
from neuropil.optim.groups import parameter_groups
from neuropil.transfer.freezing import Freezing, TransferPlan, classifier_of


def net(name: str = "resnet20") -> nn.Module:
    return create_model(name, num_classes=3, width=4 if name == "resnet20" else 0.25)


def test_frozen_statistics_are_used_and_kept() -> None:
    """Against torch's own layer in evaluation mode."""
    layer = nn.BatchNorm2d(4)
    with torch.no_grad():
        layer.running_mean.copy_(torch.randn(4))  # type: ignore[union-attr]
        layer.running_var.copy_(torch.rand(4) + 0.5)  # type: ignore[union-attr]
    x = torch.randn(5, 4, 3, 3)
    expected = layer.eval()(x)
    network = nn.Sequential(layer.train())
    assert freeze_statistics(network) == 1 and isinstance(network[0], FrozenBatchNorm2d)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = network.train()(x)
    torch.testing.assert_close(found, expected)
    found.sum().backward()
    assert network[0].weight.grad is not None, "scale and shift may still learn"
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert freeze_statistics(network) == 1, "a second time changes nothing"


def test_the_chapters_normalization_can_be_frozen() -> None:
    layer = BatchNormalization(2)
    layer(torch.randn(8, 2))
    network = nn.Sequential(layer)
    freeze_statistics(network)
    mean = layer.running_mean.clone()
    network.train()(torch.randn(8, 2))
    assert torch.equal(layer.running_mean, mean) and not layer.training


def test_an_unknown_normalization_is_refused() -> None:
    with pytest.raises(InputError, match="BatchNorm3d cannot be frozen"):
        freeze_statistics(nn.Sequential(nn.BatchNorm3d(2)))


@pytest.mark.parametrize(("name", "head"), [("resnet20", "fc"), ("mobilenet_v1", "classifier")])
def test_the_classifier_is_what_reset_classifier_exchanges(name: str, head: str) -> None:
    network = net(name)
    before = dict(network.named_parameters())
    assert classifier_of(network) == {f"{head}.weight", f"{head}.bias"}
    assert all(before[name] is one for name, one in network.named_parameters()), "the network is as it was"


def learning(network: nn.Module) -> set[str]:
    return {name for name, one in network.named_parameters() if one.requires_grad}


def test_features_freezes_all_but_the_classifier_for_good() -> None:
    network = net()
    freezing = Freezing(network, TransferPlan(method="features"))
    assert learning(network) == classifier_of(network)
    freezing.start_epoch(1000)
    assert learning(network) == classifier_of(network)
    assert not network.train().get_submodule("bn1").training


def test_fine_tuning_begins_with_the_classifier() -> None:
    network = net()
    everything = learning(network)
    freezing = Freezing(network, TransferPlan(method="fine_tune", head_epochs=2))
    assert learning(network) == everything, "the rule gets all of them"
    for epoch, expected in ((0, classifier_of(network)), (1, classifier_of(network)), (2, everything)):
        freezing.start_epoch(epoch)
        assert learning(network) == expected
    freezing.start_epoch(1)
    assert learning(network) == classifier_of(network), "a function of the epoch alone"


def test_lower_stages_learn_more_slowly() -> None:
    network = net()
    shares = Freezing(network, TransferPlan(method="fine_tune", body_rate=0.5, lower_rate=0.25)).shares(network)
    assert shares["layer3.0.conv1.weight"] == 0.5
    assert shares["layer2.0.conv1.weight"] == 0.125
    assert shares["layer1.0.conv1.weight"] == shares["conv1.weight"] == 0.03125
    assert "fc.weight" not in shares
    groups = parameter_groups(network, weight_decay=0.1, shares=shares)
    found: dict[int, float] = {id(one): group["share"] for group in groups for one in group["params"]}
    assert {name: found[id(one)] for name, one in network.named_parameters()} == {
        name: shares.get(name, 1.0) for name in dict(network.named_parameters())
    }
    decays = {id(one): group["weight_decay"] for group in groups for one in group["params"]}
    assert decays[id(network.get_parameter("conv1.weight"))] == 0.1
    assert decays[id(network.get_parameter("bn1.weight"))] == 0.0
    assert [group["share"] for group in groups] == sorted((group["share"] for group in groups), reverse=True)


def test_training_alike_changes_nothing() -> None:
    network = net()
    freezing = Freezing(network, TransferPlan())
    freezing.start_epoch(0)
    assert learning(network) == set(dict(network.named_parameters())) and freezing.shares(network) == {}
    assert network.train().get_submodule("bn1").training
    Freezing(network, TransferPlan(statistics="frozen"))
    assert not network.train().get_submodule("bn1").training


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(InputError, match="head_epochs must be at least 0"):
        TransferPlan(method="fine_tune", head_epochs=-1)
    with pytest.raises(InputError, match="lower_rate must be above 0"):
        TransferPlan(method="fine_tune", lower_rate=0.0)
    with pytest.raises(InputError, match=r"is for transfer\.method=fine_tune"):
        TransferPlan(method="features", head_epochs=1)
    with pytest.raises(InputError, match="Sequential has no classifier"):
        Freezing(nn.Sequential(nn.Linear(2, 2)), TransferPlan(method="features"))


def test_a_share_of_no_gradient_is_no_step() -> None:
    """While the classifier learns alone, rules leave the rest as it is to the last bit, decay included."""
    from neuropil.optim import RULES

    for rule in RULES:
        network = net()
        freezing = Freezing(network, TransferPlan(method="fine_tune"))
        optimizer = RULES.build(rule, parameter_groups(network, weight_decay=0.1, shares=freezing.shares(network)))
        freezing.start_epoch(0)
        before: dict[str, Tensor] = {name: one.detach().clone() for name, one in network.named_parameters()}
        for _ in range(2):
            optimizer.zero_grad()
            network.train()(torch.randn(4, 3, 8, 8)).square().mean().backward()
            optimizer.step()
        changed = {name for name, one in network.named_parameters() if not torch.equal(before[name], one)}
        assert changed == classifier_of(network), rule


def test_dense_layers_behind_the_stages_learn_like_the_last_stage() -> None:
    network = create_model("vgg11", hidden=8, num_classes=3)
    shares = Freezing(network, TransferPlan(method="fine_tune", body_rate=0.5, lower_rate=0.25)).shares(network)
    assert shares["classifier.0.weight"] == shares["classifier.3.weight"] == 0.5
    assert shares[min(shares)] == 0.5 and min(shares.values()) == 0.5 * 0.25**4
