"""One test for all layers: gradients, formulas, saving, compiling, exporting, batches of one, other sizes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call

from nn.layer_cases import LayerCase, all_cases, build, draw_input

CASES = all_cases()
FEW = 300
"""Up to so many numbers are varied one by one in a check of gradients; more of them along random directions."""

every_layer = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def modes(case: LayerCase) -> list[bool]:
    """Evaluation, and training where it draws no random numbers."""
    return [False] if case.random else [False, True]


def close(said: Tensor, expected: Tensor | np.ndarray[Any, Any], tolerance: float) -> None:
    torch.testing.assert_close(said, torch.as_tensor(expected), rtol=tolerance, atol=tolerance)


def test_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) > 0


@every_layer
def test_gradients_are_those_of_finite_differences(case: LayerCase) -> None:
    for training in modes(case):
        layer = build(case, training=training)
        names = [name for name, _ in layer.named_parameters()]
        inputs = (draw_input(case).requires_grad_(), *layer.parameters())

        def output(x: Tensor, *values: Tensor, layer: nn.Module = layer, names: list[str] = names) -> Any:
            return functional_call(layer, dict(zip(names, values, strict=True)), (x,))

        fast = sum(value.numel() for value in inputs) > FEW
        assert gradcheck(output, inputs, fast_mode=fast)
        if case.double_backward:
            assert gradgradcheck(output, inputs, fast_mode=True)


@every_layer
def test_the_layer_is_its_formula(case: LayerCase) -> None:
    for formula, training in ((case.formula, False), (case.training_formula, True)):
        for longer in (0, 1) if case.any_size else (0,):
            if formula is not None:
                layer, x = build(case, training=training), draw_input(case, longer=longer)
                expected = formula(build(case, training=training), x.numpy())  # its own, as training may change buffers
                close(layer(x).detach(), expected, 1e-12)


@every_layer
def test_what_it_says_in_evaluation_depends_on_the_sample_alone(case: LayerCase) -> None:
    layer, x = build(case, training=False), draw_input(case, 3)
    before = x.clone()
    with torch.no_grad():
        said = layer(x)
        assert torch.equal(layer(x), said)
        assert torch.equal(x, before), "the input was changed"
        close(layer(x[:1]), said[:1], 1e-12)


@every_layer
def test_batches_of_one_and_other_sizes(case: LayerCase) -> None:
    for longer in (0, 1, 2) if case.any_size else (0,):
        layer, x = build(case, training=True), draw_input(case, 1 if case.batch_of_one else 2, longer=longer)
        said = layer(x.requires_grad_())
        assert len(said) == len(x) and said.isfinite().all()
        said.sum().backward()
        assert x.grad is not None and all(weight.grad is not None for weight in layer.parameters())


@every_layer
def test_saved_weights_give_the_same_layer(case: LayerCase) -> None:
    layer, other, x = build(case, training=False), build(case, training=False, seed=5), draw_input(case)
    other.load_state_dict(safetensors.torch.load(safetensors.torch.save(layer.state_dict())))
    assert torch.equal(layer(x), other(x))


@every_layer
def test_it_prints_its_name(case: LayerCase, capsys: pytest.CaptureFixture[str]) -> None:
    layer = build(case, training=False)
    print(layer)  # noqa: T201
    assert capsys.readouterr().out.startswith(f"{type(layer).__name__}(")


def check_compiled(case: LayerCase, backend: str, tolerance: float, *, in_modes: list[bool]) -> None:
    for training in in_modes:
        torch._dynamo.reset()
        seen: list[list[Tensor]] = []
        wrappers: list[Callable[[nn.Module], Any]] = [
            lambda layer: layer,
            lambda layer: torch.compile(layer, fullgraph=True, backend=backend),
        ]
        for wrap in wrappers:
            layer, x = build(case, training=training), draw_input(case).requires_grad_()
            said = wrap(layer)(x)
            said.square().sum().backward()
            assert x.grad is not None
            gradients = [weight.grad for weight in layer.parameters() if weight.grad is not None]
            seen.append([said.detach(), x.grad, *gradients, *layer.buffers()])
        for plain, compiled in zip(*seen, strict=True):
            close(compiled, plain, tolerance)


@pytest.mark.slow
@every_layer
def test_it_is_one_graph(case: LayerCase) -> None:
    check_compiled(case, "aot_eager", 1e-12, in_modes=modes(case)[-1:])


@pytest.mark.proof
@pytest.mark.filterwarnings("ignore:.*script_method.*:DeprecationWarning")  # of torch's own compiler
@every_layer
def test_it_compiles(case: LayerCase) -> None:
    check_compiled(case, "inductor", 1e-9, in_modes=modes(case))


@pytest.mark.slow
@every_layer
def test_torch_export_says_the_same(case: LayerCase) -> None:
    layer, x = build(case, training=False), draw_input(case, 3)
    exported = torch.export.export(layer, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},)).module()
    for batch in (3, 5):
        x = draw_input(case, batch)
        close(exported(x), layer(x), 1e-14)  # the same sums, perhaps in another order


class Beside(nn.Module):
    """Several layers, each with an input of its own: the exporter takes its time once for all of them."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(layer(x) for layer, x in zip(self.layers, inputs, strict=True))


AT_ONCE = 10


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, len(CASES), AT_ONCE))
def test_onnx_says_the_same(first: int) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    cases = CASES[first : first + AT_ONCE]
    layers = Beside([build(case, training=False, dtype=torch.float32) for case in cases])

    def drawn(batch: int) -> tuple[Tensor, ...]:
        return tuple(draw_input(case, batch, dtype=torch.float32) for case in cases)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own dependencies
        program = torch.onnx.export(
            layers,
            drawn(3),
            dynamo=True,
            verbose=False,
            dynamic_shapes=(({0: torch.export.Dim("batch")},) * len(cases),),
        )
    assert program is not None
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    for batch in (3, 5):
        inputs = drawn(batch)
        with torch.no_grad():
            expected = layers(*inputs)
        said = session.run(None, {name: x.numpy() for name, x in zip(names, inputs, strict=True)})
        for case, mine, theirs in zip(cases, expected, said, strict=True):
            scale = mine.abs().max().item()
            torch.testing.assert_close(
                torch.as_tensor(theirs), mine, rtol=1e-5, atol=1e-5 * scale,
                msg=lambda text, name=case.name: f"{name}: {text}",
            )  # fmt: skip
