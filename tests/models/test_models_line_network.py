"""Networks from a line: the shapes, the modules, what is refused where, and lines made at random."""

from __future__ import annotations

import random
from typing import get_args

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.models import create_model
from neuropil.models.line_grammar import ACTIVATION_NAMES, KINDS
from neuropil.models.line_network import LineNetwork
from neuropil.nn.activation import ActivationName

EVERYTHING = (
    "Conv32@3s2p=same_tensorflow - BN - ReLU6 - DWConv@3p1 - BN - ReLU - ShuffleConv48@1g2 - TConv8@2s2 - "
    "SpatialConv8@3 - FlatConv8 - GN4 - ReLU - StochasticPool2 - SpatialDrop - Norm - SepConv16 - AvgPool3s1p1 - "
    "Subsample - Flatten - FC - PReLU - Drop0.5 - FC(SM)"
)


def test_the_modules_are_those_of_the_line() -> None:
    network = LineNetwork(line="Conv6@5s2p1 - BN - ReLU - Pool3s2 - FC7 - BN - Tanh - FC(SM)", in_shape=(3, 31, 29))
    modules = dict(network.named_modules())
    conv = modules["stages.0.conv1"]
    assert isinstance(conv, nn.Conv2d)
    assert (conv.kernel_size, conv.stride, conv.padding, conv.bias) == ((5, 5), (2, 2), (1, 1), None)
    assert list(modules["stages.0"]._modules) == ["conv1", "bn1", "relu1", "pool1"]
    assert list(modules["head"]._modules) == ["flatten1", "fc1", "bn2", "tanh1", "fc2"]
    assert modules["head.fc1"].bias is None and modules["head.fc2"].bias is not None
    assert modules["head.fc1"].in_features == 6 * 7 * 6
    assert LineNetwork(line="Conv6b1 - BN", in_shape=(3, 8, 8)).stages[0][0].bias is not None  # type: ignore[index]
    assert LineNetwork(line="Conv6b0", in_shape=(3, 8, 8)).stages[0][0].bias is None  # type: ignore[index]


def test_a_line_equals_the_same_layers_of_torch() -> None:
    ours = LineNetwork(line="Conv6@5 - ReLU - Pool2 - Conv16@5 - ReLU - Pool2 - FC120 - FC84 - FC10 - SM").eval()
    theirs = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10),
    )  # fmt: skip
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    x = torch.randn(3, 1, 32, 32)
    torch.testing.assert_close(ours(x), theirs(x))  # logits: the softmax is left to the loss


@pytest.mark.parametrize(
    ("line", "shape", "given"),
    [
        (EVERYTHING, (3, 33, 31), (10,)),
        ("Conv8@7 - ReLU - Pool4 - DWConv16 - SepConv16 - GlobalMaxPool - FC3", (2, 100), (3,)),
        ("FC300 - ReLU - FC100 - ReLU - FC", (784,), (10,)),
        ("FC5", (3, 4, 4), (5,)),
        ("Conv10@1 - ReLU - GAP - SM", (3, 9, 9), (10,)),
        ("Conv4 - ReLU", (1, 8, 8), (4, 8, 8)),
        ("TConv4@4s2p1", (1, 8, 8), (4, 16, 16)),
        ("ReLU", (7,), (7,)),
    ],
)
def test_a_line_runs_trains_and_prints_back(line: str, shape: tuple[int, ...], given: tuple[int, ...]) -> None:
    network = create_model(line, in_shape=shape)
    x = torch.rand(2, *shape)
    network.train()(x.clone().requires_grad_()).sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    assert tuple(network.eval()(x).shape[1:]) == given
    again = create_model(network.line, in_shape=shape).eval()  # type: ignore[arg-type]
    assert again.line == network.line and repr(network) == f"LineNetwork(line={again.line!r}, in_shape={shape})"
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(x), network(x))


def test_dropout_keeps_the_mean_of_every_sample_by_itself() -> None:
    network = create_model("Drop0.5", in_shape=(1000,)).train()
    y = network(torch.ones(2, 1000))
    assert set(y.unique().tolist()) == {0.0, 2.0} and not torch.equal(y[0], y[1])
    assert 0.85 < y.mean().item() < 1.15


def test_the_softmax_is_the_tasks() -> None:
    network = create_model("FC4 - SM", in_shape=(3,)).eval()
    x = torch.randn(5, 3)
    assert not torch.allclose(network(x).sum(1), torch.ones(5))
    torch.testing.assert_close(F.softmax(network(x), 1).sum(1), torch.ones(5))


def test_outputs_are_as_many_as_are_wanted() -> None:
    assert create_model("Conv - FC", num_classes=3)(torch.zeros(1, 1, 32, 32)).shape == (1, 3)
    assert create_model("Conv - FC3(SM)", num_classes=3).line == "Conv32@3p1 - FC3 - SM"
    headless = create_model("Conv2 - GAP - FC3 - SM", num_classes=0)
    assert headless.line == "Conv2@3p1 - GlobalAvgPool - Flatten"
    assert headless(torch.zeros(1, 1, 32, 32)).shape == (1, 2)
    with pytest.raises(
        InputError, match="the line ends in 3 numbers, but 7 outputs are wanted; let it end in FC7"
    ) as why:
        create_model("Conv - FC3 - SM", num_classes=7)
    assert str(why.value).split("\n")[1:] == ["  Conv - FC3 - SM", "         ^^^"]
    with pytest.raises(InputError, match="ends in 32x32x32, but 7 outputs"):
        create_model("Conv", num_classes=7)


def test_the_classifier_and_the_line_change_together() -> None:
    network = create_model("Conv2 - ReLU - Pool - FC9 - ReLU - FC3 - SM")
    network.reset_classifier(0)
    assert network.line == "Conv2@3p1 - ReLU - Pool2 - FC9 - ReLU - Flatten"
    network.reset_classifier(5)
    assert network.line == "Conv2@3p1 - ReLU - Pool2 - FC9 - ReLU - FC5 - SM"
    with pytest.raises(InputError, match="does not end in FC, so it has no classifier to exchange"):
        create_model("Conv2 - GAP").reset_classifier(5)
    with pytest.raises(InputError, match="does not end in FC"):
        create_model("Conv2 - FC3 - ReLU").reset_classifier(3)
    assert create_model("Conv2 - FC3 - ReLU", num_classes=0).line == "Conv2@3p1 - FC3 - ReLU"
    assert create_model("Conv2 - GAP", features_only=True)(torch.zeros(1, 1, 32, 32))[0].shape == (1, 2, 32, 32)


def test_without_an_fc_other_sizes_are_taken_and_with_one_refused() -> None:
    assert create_model("Conv2 - GAP")(torch.zeros(1, 1, 50, 9)).shape == (1, 2)
    with pytest.raises(
        InputError, match=r"samples of 1x28x28 were given to a network for 1x32x32; .*in_shape=\(1, 28, 28\)"
    ):
        create_model("Conv2 - FC")(torch.zeros(1, 1, 28, 28))
    with pytest.raises(InputError, match="samples of 4 numbers were given to a network for 3 numbers"):
        create_model("FC", in_shape=(3,))(torch.zeros(1, 4))


@pytest.mark.parametrize(
    ("line", "sentence", "under"),
    [
        ("Conv6@5 - Pool2 - Conv16@99 - FC", "Conv16@99 gets 6x14x14: ", "Conv16@99"),
        ("FC12 - Conv - FC", "Conv32@3p1 gets 12 numbers: it needs maps", "Conv"),
        ("GAP - Pool", "Pool2 gets 1 number: it needs maps", "Pool"),
        ("SM", "SM gets 1x32x32, but takes a row of numbers", "SM"),
        ("Conv - SM", "SM gets 32x32x32, but takes a row of numbers; put FC or GlobalAvgPool", "SM"),
        ("Conv7g3", "3 groups do not divide 1 input and 7 output channels", "Conv7g3"),
        ("Conv7 - GN3", "3 groups do not divide 7", "GN3"),
        ("Conv0", "give at least 1", "Conv0"),
        ("Conv6@3s0 - FC", "stride 0 was given; give 2 whole numbers of at least 1", "Conv6@3s0"),
        ("FC0", "a layer of 0 units was asked for", "FC0"),
        ("Conv@3x3x3", "kernel (3, 3, 3) was given; give 2 whole numbers", "Conv@3x3x3"),
        ("Conv@4p=same", "padding 'same' puts as much before as after", "Conv@4p=same"),
        ("Pool64", "a window of 64 does not fit into the input [1, 1, 32, 32]", "Pool64"),
        ("SpatialConv8@3x3x3", "kernel (3, 3, 3) was given", "SpatialConv8@3x3x3"),
        ("FlatConv8@3p1x1x1", "padding (1, 1, 1) was given; give a number", "FlatConv8@3p1x1x1"),
        ("Conv8 - GAP - GN8 - FC", "8 groups of one value each", "GN8"),
        ("Conv - Subsample0", "blocks of side 0 was asked for", "Subsample0"),
        ("TConv8@3p20 - FC", "leaves an output of [-6, -6]; give a larger input or less padding", "TConv8@3p20"),
        ("Norm4", "a neighbourhood of 4 channels", "Norm4"),
        ("Drop1", "a dropout rate of 1.0", "Drop1"),
        ("Conv - StochasticPool", "draws in proportion to values from 0 up; put ReLU before it", "StochasticPool"),
        ("Conv - ReLU - BN - StochasticPool", "put ReLU before it", "StochasticPool"),
        ("FC999999 - FC999999 - FC", "more than 2,147,483,648 weights", "FC999999"),
        ("Conv99999@1p99999 - FC", "more than 2,147,483,648 weights, or values", "Conv99999@1p99999"),
        ("Conv999999@999999p999999 - Conv999999@999999 - FC", "give smaller sizes", "Conv999999@999999p999999"),
    ],
)
def test_a_layer_that_cannot_take_what_arrives_is_pointed_at(line: str, sentence: str, under: str) -> None:
    with pytest.raises(InputError) as caught:
        create_model(line)
    first, shown, carets = str(caught.value).split("\n")
    assert sentence in first
    place = carets.index("^")
    assert shown[place:].startswith(under) and carets[place:] == "^" * len(under)


def test_what_two_axes_need_is_refused_along_one() -> None:
    for kind in ("SpatialConv", "FlatConv"):
        with pytest.raises(InputError, match=r"it needs maps with two axes, \(C, H, W\)"):
            create_model(kind, in_shape=(3, 20))
    for shape in ((), (0, 3), (1, 2, 3, 4)):
        with pytest.raises(InputError, match="in_shape"):
            create_model("FC", in_shape=shape)
    with pytest.raises(InputError, match="no option 'in_channels'; did you mean 'in_shape'"):
        create_model("FC", in_channels=3)


def test_stochastic_pooling_may_follow_what_is_never_below_zero() -> None:
    for before in ("ReLU", "Sigmoid", "ReLU - Pool - Drop", "SepConv4 - Norm"):
        network = create_model(f"Conv4 - {before} - StochasticPool - FC", in_shape=(1, 12, 12)).train()
        assert network(torch.randn(2, 1, 12, 12)).isfinite().all()


# --- lines made at random --------------------------------------------------------------------------------------------


def random_line(rng: random.Random) -> str:
    """A line of up to nine layers whose sizes often fit, with a spelling mistake now and then."""

    def number(most: int) -> str:
        usual = ["", *map(str, range(1, most))] * 3
        return rng.choice([*usual, "0", f"{rng.randint(1, 3)}x{rng.randint(1, 3)}"])

    def layer() -> str:
        name = rng.choice([*KINDS, *["Conv", "ReLU", "Pool"] * 4])
        kind = KINDS[name]
        text = name
        if kind.numeral == "rate":
            text += rng.choice(["", "0.5", "1", "0"])
        elif kind.numeral is not None and rng.random() < 0.7:
            text += number(9)
        if kind.kernel is not None and rng.random() < 0.7:
            text += f"@{number(5) or 3}"
        for letter in kind.options:
            if rng.random() < 0.12:
                text += letter + (number(4) or rng.choice(["=same", "=same_tensorflow", ""]))
        if rng.random() < 0.02:
            place = rng.randrange(len(text) + 1)
            text = text[:place] + rng.choice("x@sp9 -(Q") + text[place:]
        return text

    words = [layer() for _ in range(rng.randint(1, 7))]
    return rng.choice([" - ", "-", "->"]).join(words) + rng.choice(["", "", " - FC", " - FC(SM)"])


def run_random_lines(seeds: range) -> tuple[int, int]:
    """How many lines gave a network that runs, and how many one sentence."""
    ran = refused = 0
    for seed in seeds:
        rng = random.Random(seed)
        line, shape = random_line(rng), rng.choice([(1, 16, 16), (3, 9, 14), (4, 24), (12,)])
        try:
            network = LineNetwork(line=line, in_shape=shape)
        except InputError as error:
            sentence, *picture = str(error).split("\n")
            assert 10 < len(sentence) < 400 and len(picture) == 2 and "^" in picture[1], (line, str(error))
            refused += 1
            continue
        x = torch.rand(2, *shape)
        network.eval()
        y = network(x)
        assert y.shape[0] == 2 and not y.isinf().any(), line
        assert [f.shape[1] for f in network.features(x)] == list(network.widths), line
        again = LineNetwork(line=network.line, in_shape=shape).eval()
        again.load_state_dict(network.state_dict())
        assert torch.equal(again(x), y), line
        if network.train()(x).requires_grad:
            network(x).sum().backward()
        ran += 1
    return ran, refused


def test_lines_made_at_random_run_or_are_refused_in_words() -> None:
    ran, refused = run_random_lines(range(120))
    assert ran > 20 and refused > 20


@pytest.mark.proof
def test_ten_thousand_lines_made_at_random() -> None:
    ran, refused = run_random_lines(range(1_000, 11_000))
    assert ran + refused == 10_000 and min(ran, refused) > 2_000


# --- what is done with any network -----------------------------------------------------------------------------------


def test_every_activation_of_the_room_has_a_name() -> None:
    assert set(ACTIVATION_NAMES.values()) == set(get_args(ActivationName))


def test_a_line_compiles_and_exports_as_one_graph() -> None:
    network = LineNetwork(line="Conv6@5 - BN - ReLU - Pool2 - Conv16@5 - ReLU - Pool2 - FC120 - FC(SM)").eval()
    x = torch.randn(3, 1, 32, 32)
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), network(x))
    program = torch.export.export(network, (x,), dynamic_shapes=({0: torch.export.Dim("n", min=1)},))
    torch.testing.assert_close(program.module()(x[:1]), network(x[:1]), rtol=1e-4, atol=1e-5)
