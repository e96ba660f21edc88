"""Recurrent layers beside torch's, ONNX's and finite differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from neuropil.errors import InputError
from neuropil.nn.initialization import initialize
from neuropil.recurrent.cells import GRU, LSTM, VanillaRNN, make_recurrent
from neuropil.recurrent.layer import Recurrent
from nn.onnx_nodes import NodeTest, node_tests

WAYS = [
    pytest.param(VanillaRNN, nn.RNN, {}, {}, id="rnn"),
    pytest.param(VanillaRNN, nn.RNN, {"activation": "relu"}, {"nonlinearity": "relu"}, id="rnn relu"),
    pytest.param(LSTM, nn.LSTM, {"peephole": "none"}, {}, id="lstm"),
    pytest.param(LSTM, nn.LSTM, {"peephole": "none", "proj_size": 3}, {"proj_size": 3}, id="lstm projected"),
    pytest.param(GRU, nn.GRU, {}, {}, id="gru"),
]
LENGTHS = torch.tensor([7, 3, 5, 1])


def flat(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else list(state)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("dtype, within", [(torch.float32, 1e-6), (torch.float64, 1e-12)], ids=["fp32", "fp64"])
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "packed"])
@pytest.mark.parametrize("stepwise", [False, True], ids=["kernel", "steps"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("ours, theirs, own, their", WAYS)
def test_outputs_and_gradients_are_torchs(
    ours: Any, theirs: Any, own: Any, their: Any, bidirectional: bool, stepwise: bool, ragged: bool,
    dtype: torch.dtype, within: float,
) -> None:  # fmt: skip
    torch.manual_seed(0)
    layer = ours(4, 6, num_layers=2, bidirectional=bidirectional, stepwise=stepwise, **own).to(dtype)
    peer = theirs(4, 6, num_layers=2, bidirectional=bidirectional, batch_first=True, **their).to(dtype)
    peer.load_state_dict(layer.state_dict())
    x = torch.randn(4, 7, 4, dtype=dtype, requires_grad=True)
    begin = [torch.randn_like(one) for one in flat(layer(x)[1])]
    state: Any = begin[0] if len(begin) == 1 else tuple(begin)
    outputs, end = layer(x, state, LENGTHS if ragged else None)
    if ragged:
        packed, expected_end = peer(pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False), state)
        expected, _ = pad_packed_sequence(packed, batch_first=True, total_length=7)
    else:
        expected, expected_end = peer(x, state)
    weight = torch.randn_like(expected)
    sums = [
        (y * weight).sum() + sum(one.sin().sum() for one in flat(last))
        for y, last in ((outputs, end), (expected, expected_end))
    ]
    found = [outputs, *flat(end), *torch.autograd.grad(sums[0], [x, *layer.parameters()])]
    wanted = [expected, *flat(expected_end), *torch.autograd.grad(sums[1], [x, *peer.parameters()])]
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=within, atol=within)


KINDS = ["output", "all", "full", "previous"]


@pytest.mark.parametrize("kind", [*KINDS, "none"])
def test_a_batch_of_none_is_read(kind: Any) -> None:
    layer, x = LSTM(3, 4, peephole=kind), torch.zeros(0, 5, 3, requires_grad=True)
    outputs, _ = layer(x)
    outputs.sum().backward()
    assert outputs.shape == (0, 5, 4) and x.grad is not None and layer.weight_hh_l0.grad is not None
    assert not layer.weight_hh_l0.grad.any()


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        *(pytest.param(lambda k=kind: LSTM(2, 3, peephole=k), id=f"lstm {kind}") for kind in ["none", *KINDS]),
        pytest.param(lambda: VanillaRNN(2, 3), id="rnn"),
        pytest.param(lambda: GRU(2, 3), id="gru"),
        pytest.param(lambda: GRU(2, 3, reset="before"), id="gru before"),
    ],
)
def test_gradients_are_those_of_finite_differences(make: Any) -> None:
    torch.manual_seed(1)
    layer: Recurrent = make().double()
    x = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    names, values = zip(*layer.named_parameters(), strict=True)

    def run(x: Tensor, *weights: Tensor) -> Any:
        given = dict(zip(names, weights, strict=True))
        outputs, end = torch.func.functional_call(layer, given, (x, None, torch.tensor([4, 2])))
        return outputs, *flat(end)

    weights = [one.detach().clone().requires_grad_() for one in values]
    layer.stepwise = getattr(layer, "peephole", "none") == "none"  # torch's kernels read weights past functional_call
    assert torch.autograd.gradcheck(run, (x, *weights))
    layer.stepwise = True
    assert torch.autograd.gradgradcheck(run, (x, *weights))


# --- ONNX ------------------------------------------------------------------------------------------


def gates(weight: np.ndarray[Any, Any], order: str, wanted: str) -> Tensor:
    """Rows of stacked gates in another order."""
    parts = dict(zip(order, np.split(weight, len(order)), strict=True))
    return torch.from_numpy(np.concatenate([parts[one] for one in wanted]))


def load(layer: Recurrent, given: dict[str, np.ndarray[Any, Any]], order: str, wanted: str) -> None:
    """ONNX's W, R, B and P into a layer."""
    with torch.no_grad():
        for way in range(2 if layer.bidirectional else 1):
            name = "_l0_reverse" if way else "_l0"
            getattr(layer, "weight_ih" + name).copy_(gates(given["W"][way], order, wanted))
            getattr(layer, "weight_hh" + name).copy_(gates(given["R"][way], order, wanted))
            for kind, bias in zip(("bias_ih", "bias_hh"), np.split(given["B"][way], 2), strict=True):
                getattr(layer, kind + name).copy_(gates(bias, order, wanted))
            if "P" in given:
                getattr(layer, "peephole" + name).copy_(gates(given["P"][way], "iof", "ifo"))


def onnxruntime_says(operator: str, given: dict[str, np.ndarray[Any, Any]], **attributes: Any) -> list[Tensor]:
    """Outputs `[N, T, S H]` and the states of one node, computed by onnxruntime."""
    runtime = pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    names = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"]
    inputs = [name if name in given else "" for name in names]
    results = ["Y", "Y_h", "Y_c"] if operator == "LSTM" else ["Y", "Y_h"]
    node = helper.make_node(operator, inputs if operator == "LSTM" else inputs[:6], results, **attributes)
    kinds = {name: TensorProto.INT32 if name == "sequence_lens" else TensorProto.FLOAT for name in given}
    graph = helper.make_graph(
        [node], "recurrent",
        [helper.make_tensor_value_info(name, kinds[name], one.shape) for name, one in given.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in results],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    y, *states = session.run(None, given)
    outputs = np.moveaxis(y, 2, 0)  # [N, T, S, H]
    return [torch.from_numpy(outputs.reshape(*outputs.shape[:2], -1).copy()), *map(torch.from_numpy, states)]


TRAINED = pytest.mark.parametrize("trained", [False, True], ids=["used", "trained"])  # which take other ways


@TRAINED
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("kind", ["output", "all", "gru after", "gru before", "none"])
def test_the_layer_says_what_onnxruntime_says(kind: str, bidirectional: bool, ragged: bool, trained: bool) -> None:
    draw = np.random.default_rng(0)
    ways, count = 2 if bidirectional else 1, 3 if kind.startswith("gru") else 4

    def random(*shape: int) -> np.ndarray[Any, Any]:
        return draw.normal(size=shape).astype(np.float32)

    given = {
        "X": random(7, 4, 3), "W": random(ways, count * 5, 3), "R": random(ways, count * 5, 5),
        "B": random(ways, 2 * count * 5), "initial_h": random(ways, 4, 5),
    }  # fmt: skip
    state: Any = torch.from_numpy(given["initial_h"])
    if ragged:
        given["sequence_lens"] = LENGTHS.numpy().astype(np.int32)
    direction = {"direction": "bidirectional" if bidirectional else "forward", "hidden_size": 5}
    if count == 3:
        layer: Recurrent = GRU(3, 5, reset="after" if kind == "gru after" else "before", bidirectional=bidirectional)
        load(layer, given, "zrn", "rzn")
        wanted = onnxruntime_says("GRU", given, linear_before_reset=int(kind == "gru after"), **direction)
    else:
        given |= {"initial_c": random(ways, 4, 5), "P": random(ways, 15)}
        state = (state, torch.from_numpy(given["initial_c"]))
        if kind != "all":
            given["P"][:, :5] = given["P"][:, 10:] = 0
        if kind == "none":
            del given["P"]
        layer = LSTM(3, 5, peephole="none" if kind == "none" else "all", bidirectional=bidirectional)
        load(layer, given, "iofg", "ifgo")
        if kind == "output":
            narrow = LSTM(3, 5, peephole="output", bidirectional=bidirectional)
            weights = {name: one[10:] if "peephole" in name else one for name, one in layer.state_dict().items()}
            narrow.load_state_dict(weights)
            layer = narrow
        wanted = onnxruntime_says("LSTM", given, **direction)
    with torch.set_grad_enabled(trained):
        outputs, end = layer(torch.from_numpy(given["X"]).transpose(0, 1), state, LENGTHS if ragged else None)
    for one, other in zip([outputs, *flat(end)], wanted, strict=True):
        torch.testing.assert_close(one.detach(), other, rtol=1e-5, atol=1e-6)


@TRAINED
@pytest.mark.parametrize("node", node_tests("LSTM", "lstm"), ids=lambda node: node.name)
def test_onnx_nodes(node: NodeTest, trained: bool) -> None:
    if node.attributes.get("layout", 0):
        pytest.skip("the same numbers with the batch in front")
    names = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"]
    given = {name: one for name, one in zip(names, node.inputs, strict=False) if one is not None}
    ways, rows, features = given["W"].shape
    given.setdefault("B", np.zeros((ways, 2 * rows), dtype=np.float32))
    peephole: Any = "all" if "P" in given else "none"
    layer = LSTM(features, given["R"].shape[2], peephole=peephole, bidirectional=ways == 2)
    load(layer, given, "iofg", "ifgo")
    x = torch.from_numpy(given["X"].copy()).transpose(0, 1)
    if node.attributes.get("direction") == "reverse":
        x = x.flip(1)
    with torch.set_grad_enabled(trained):
        states = iter([one.detach() for one in layer(x)[1]])
    said = [next(states) for one in node.outputs if one.ndim == 3]
    assert said
    NodeTest.check(replace(node, outputs=tuple(one for one in node.outputs if one.ndim == 3)), *said)


# --- the rest --------------------------------------------------------------------------------------


def test_a_full_matrix_with_a_diagonal_is_the_diagonal_peephole() -> None:
    torch.manual_seed(0)
    layer, full = LSTM(3, 5), LSTM(3, 5, peephole="full")
    weights = {name: one.diag() if "peephole" in name else one for name, one in layer.state_dict().items()}
    full.load_state_dict(weights)
    x = torch.randn(2, 6, 3)
    torch.testing.assert_close(full(x)[0], layer(x)[0])


def test_the_chapters_line_sees_the_cell_before() -> None:
    """`o = s(x W + h U + c_{t-1} V + b)` by hand, for one unit and two steps."""
    layer = LSTM(1, 1, peephole="previous")
    with torch.no_grad():
        for one in layer.parameters():
            one.fill_(0.5)
    h = c = 0.0
    for x in (1.0, -2.0):
        total = 0.5 * x + 0.5 * h + 1.0
        gate = 1 / (1 + np.exp(-total))
        o = 1 / (1 + np.exp(-(total + 0.5 * c)))
        c = gate * c + gate * np.tanh(total)
        h = o * np.tanh(c)
    outputs, (_, cell) = layer(torch.tensor([[[1.0], [-2.0]]]))
    assert outputs[0, 1, 0].item() == pytest.approx(h, abs=1e-6)
    assert cell.item() == pytest.approx(c, abs=1e-6)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "lstm_peephole", "gru"])
def test_what_stands_behind_the_end_is_never_seen(cell: str) -> None:
    torch.manual_seed(0)
    layer = make_recurrent(cell, 3, 5, num_layers=2, bidirectional=True)
    x = torch.randn(4, 7, 3)
    other = x.clone()
    for row, length in enumerate(LENGTHS.tolist()):
        other[row, length:] = 1e3
    for one, two in zip(flat(layer(x, None, LENGTHS)), flat(layer(other, None, LENGTHS)), strict=True):
        for a, b in zip(flat(one), flat(two), strict=True):
            assert torch.equal(a, b)
    alone, _ = layer(x[1:2, :3])
    torch.testing.assert_close(layer(x, None, LENGTHS)[0][1:2, :3], alone)


def test_products_in_bf16_stay_near() -> None:
    torch.manual_seed(0)
    layer, x = LSTM(8, 300), torch.randn(3, 9, 8)  # wide enough to be packed
    exact = layer(x)[0]
    with torch.autocast("cpu", torch.bfloat16):
        near = layer(x)[0]
    assert near.dtype == torch.bfloat16
    torch.testing.assert_close(near.float(), exact, rtol=0, atol=0.02)
    near.float().sum().backward()
    of_near = layer.weight_hh_l0.grad
    layer.zero_grad()
    layer.weight_hh_l0.grad = None
    exact.sum().backward()
    assert of_near is not None and layer.weight_hh_l0.grad is not None
    difference = (of_near - layer.weight_hh_l0.grad).norm() / layer.weight_hh_l0.grad.norm()
    assert 0 < difference < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "lstm_peephole", "gru"])
def test_compiled_layers_say_the_same(cell: str) -> None:
    torch.manual_seed(0)
    layer, x = make_recurrent(cell, 3, 5), torch.randn(4, 7, 3)
    compiled = torch.compile(layer, backend="aot_eager")
    for lengths in (None, LENGTHS):
        torch.testing.assert_close(compiled(x, None, lengths)[0], layer(x, None, lengths)[0])


def test_variational_dropout_drops_the_same_at_all_steps() -> None:
    torch.manual_seed(0)
    for variational in (False, True):
        layer = VanillaRNN(3, 40, num_layers=2, dropout=0.5, variational=variational, stepwise=True)
        with torch.no_grad():  # the second layer hands on what it gets
            layer.weight_ih_l1.copy_(torch.eye(40))
            layer.weight_hh_l1.zero_()
            for bias in (layer.bias_ih_l1, layer.bias_hh_l1):
                bias.zero_()
        outputs, _ = layer(torch.randn(2, 6, 3))
        dropped = outputs == 0
        assert 0.3 < dropped.float().mean() < 0.7
        assert bool((dropped == dropped[:, :1]).all()) is variational
    layer.eval()
    assert torch.equal(layer(torch.ones(1, 4, 3))[0], layer(torch.ones(1, 4, 3))[0])


def test_the_start_of_the_forget_gate() -> None:
    layer = LSTM(3, 5, forget_bias=1.0)
    assert torch.equal(layer.bias_ih_l0[5:10] + layer.bias_hh_l0[5:10], torch.ones(5))


def test_schemes_start_gates_as_weights_of_their_own() -> None:
    layer = initialize(LSTM(200, 300, peephole="all"), "xavier", torch.Generator().manual_seed(0))
    assert layer.weight_ih_l0.std().item() == pytest.approx((1 / 200) ** 0.5, rel=0.02)
    assert layer.weight_hh_l0.std().item() == pytest.approx((1 / 300) ** 0.5, rel=0.02)
    assert not layer.bias_ih_l0.any()


def test_a_gru_has_three_quarters_of_the_weights() -> None:
    counts = [sum(one.numel() for one in layer.parameters()) for layer in (GRU(7, 9), LSTM(7, 9, peephole="none"))]
    assert counts[0] / counts[1] == 0.75


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: LSTM(0, 3), "in_features is 0"),
        (lambda: GRU(3, 3, num_layers=0), "num_layers is 0"),
        (lambda: GRU(3, 3, dropout=1.0), "dropout is 1.0"),
        (lambda: LSTM(3, 3, proj_size=3), "proj_size is 3"),
        (lambda: LSTM(3, 3, peephole="al"), "no peephole 'al'"),  # type: ignore[arg-type]
        (lambda: LSTM(3, 3, bias=False, forget_bias=1.0), "forget_bias is for a layer with biases"),
        (lambda: GRU(3, 3, reset="behind"), "not 'behind'"),  # type: ignore[arg-type]
        (lambda: VanillaRNN(3, 3, activation="sine"), "'sine'"),  # type: ignore[arg-type]
        (lambda: make_recurrent("lstn", 3, 3), "no cell 'lstn'"),
        (lambda: GRU(3, 3)(torch.zeros(2, 4)), r"reads \[N, T, 3\]"),
        (lambda: GRU(3, 3)(torch.zeros(2, 0, 3)), r"reads \[N, T, 3\]"),
        (lambda: GRU(3, 3)(torch.zeros(2, 4, 3), torch.zeros(1, 3, 3)), "state of this layer for 2 sequences"),
        (lambda: LSTM(3, 3)(torch.zeros(2, 4, 3), torch.zeros(1, 2, 3)), "state of this layer for 2 sequences"),
        (lambda: GRU(3, 3)(torch.zeros(2, 4, 3), None, torch.tensor([5, 1])), "a length lies outside 1 to 4"),
        (lambda: GRU(3, 3)(torch.zeros(2, 4, 3), None, torch.tensor([0, 1])), "a length lies outside 1 to 4"),
        (lambda: GRU(3, 3)(torch.zeros(2, 4, 3), None, torch.tensor([1])), r"whole numbers \[2\]"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make()
