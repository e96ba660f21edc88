"""How steps are run: compiled or by lists, in any memory layout, resumed; and the manners of torch's optimizers."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.optim import RULES, elementwise, one_pass
from neuropil.optim.torch_forms import Adadelta

NINE = ("gradient_descent", "momentum", "nag", "adagrad", "adadelta", "rmsprop", "adam", "adamax", "adamw")
OURS = [
    *(("chapter", name) for name in ("momentum", "nag", "adagrad", "adadelta", "rmsprop", "adamax")),
    *(("torch", name) for name in ("rmsprop", "adamax")),
]
EACH = pytest.mark.parametrize(("form", "name"), OURS, ids=lambda one: one)

needs_compiler = pytest.mark.skipif(one_pass.kernel_for(Adadelta.equation) is None, reason="there is no C compiler")


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    one_pass.kernel_for.cache_clear()
    monkeypatch.setattr(one_pass, "COMPILERS", ("no-such-compiler",))
    yield
    one_pass.kernel_for.cache_clear()


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.Conv2d(5, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 16, 3))


def train(net: nn.Module, rule: torch.optim.Optimizer, steps: range = range(6)) -> None:
    channels_last = not next(net.parameters()).is_contiguous()
    for step in steps:
        inputs = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(step))
        if channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        rule.zero_grad()
        net(inputs).square().mean().backward()
        rule.step()


def flat(net: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def random_gradients(weights: list[Tensor], seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    for weight in weights:
        weight.grad = torch.randn(weight.shape, generator=draw).to(weight.dtype)


def stepped(name: str, form: str, weights: list[Tensor], steps: int = 3, **options: Any) -> torch.optim.Optimizer:
    rule = RULES.build(name, weights, form=form, **options)
    for step in range(steps):
        random_gradients(weights, step)
        rule.step()
    return rule


def some_weights(dtype: torch.dtype = torch.float32) -> list[Tensor]:
    draw = torch.Generator().manual_seed(5)
    shapes = ((70, 1000), (), (3,), (0, 4), (2, 3, 4), (1,), (40_000,))
    return [torch.randn(shape, generator=draw).to(dtype).requires_grad_() for shape in shapes]


# --- compiled steps ------------------------------------------------------------------------------


@needs_compiler
@EACH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_compiled_and_listed_steps_agree(form: str, name: str, dtype: torch.dtype) -> None:
    sides = {compiled: some_weights(dtype) for compiled in (True, False)}
    for compiled, weights in sides.items():
        stepped(name, form, weights, weight_decay=0.1, compiled=compiled)
    for one, other in zip(sides[True], sides[False], strict=True):
        assert torch.allclose(one, other, rtol=20 * torch.finfo(dtype).eps, atol=20 * torch.finfo(dtype).eps)


@needs_compiler
@EACH
def test_no_bit_hangs_on_the_count_of_threads(form: str, name: str) -> None:
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            weights = some_weights()
            stepped(name, form, weights, compiled=True)
            found.append(torch.cat([weight.detach().flatten() for weight in weights]))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@EACH
def test_pieces_are_the_whole(form: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large networks without a compiler go piece by piece."""
    sides = []
    for small, piece in ((10**9, 0), (100, 999)):
        monkeypatch.setattr(elementwise, "SMALL_ELEMENTS", small)
        monkeypatch.setattr(elementwise, "PIECE_ELEMENTS", piece)
        sides.append(some_weights())
        sides[-1][0] = sides[-1][0].detach().t().requires_grad_()  # not dense: taken whole
        stepped(name, form, sides[-1], weight_decay=0.1, compiled=False)
    for one, other in zip(*sides, strict=True):
        assert torch.allclose(one, other, rtol=1e-6, atol=1e-7)


@needs_compiler
@EACH
def test_memory_layout_does_not_matter(form: str, name: str) -> None:
    """Channels-last before or after the rule is built, also between steps; gradients in another layout."""
    found = []
    for moment in ("never", "before", "after", "between"):
        net = network()
        if moment == "before":
            net.to(memory_format=torch.channels_last)
        rule = RULES.build(name, net.parameters(), form=form, compiled=True)
        if moment == "after":
            net.to(memory_format=torch.channels_last)
        for step in range(4):
            if moment == "between" and step == 2:
                net.to(memory_format=torch.channels_last)
            random_gradients(list(net.parameters()), step)
            rule.step()
        found.append(flat(net))
    for other in found[1:]:
        assert torch.equal(found[0], other)


@needs_compiler
@EACH
def test_a_number_that_is_none_is_not_swallowed(form: str, name: str) -> None:
    for compiled in (True, False):
        weight = torch.ones(4, requires_grad=True)
        rule = RULES.build(name, [weight], form=form, compiled=compiled)
        for _ in range(2):
            weight.grad = torch.tensor([1.0, float("nan"), -1.0, 0.0])
            rule.step()
            weight.grad = torch.ones(4)
            rule.step()
        assert weight.isnan().tolist() == [False, True, False, False]
        assert all(state.isnan()[1] for state in rule.state[weight].values() if isinstance(state, Tensor))


@needs_compiler
def test_the_compiled_step_is_seen_by_autograd() -> None:
    """A backward pass through weights that were changed since must be refused, as torch refuses it."""
    weight = torch.ones(3, requires_grad=True)
    rule = RULES.build("momentum", [weight], compiled=True)
    loss = weight.square().sum()
    loss.backward(retain_graph=True)
    rule.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@needs_compiler
@EACH
def test_state_or_weights_that_were_replaced_are_followed(form: str, name: str) -> None:
    for compiled in (True, False):
        weights = some_weights(torch.float64)
        rule = stepped(name, form, weights, compiled=compiled)
        weights[0].data = weights[0].data.clone()
        for entry in rule.state.values():
            entry.update({slot: value.clone() for slot, value in entry.items() if isinstance(value, Tensor)})
        straight = some_weights(torch.float64)
        other = stepped(name, form, straight, compiled=compiled)
        for one, side in ((rule, weights), (other, straight)):
            random_gradients(side, 9)
            one.step()
        assert all(torch.equal(a, b) for a, b in zip(weights, straight, strict=True))


@needs_compiler
def test_weights_that_the_compiled_step_cannot_take_go_by_lists() -> None:
    weight = torch.ones(4, dtype=torch.bfloat16, requires_grad=True)
    stepped("momentum", "chapter", [weight], compiled=True)
    net = nn.Linear(4, 4)
    rule = RULES.build("rmsprop", net.parameters(), compiled=True)
    random_gradients(list(net.parameters()), 0)
    rule.step()
    net.double()
    random_gradients(list(net.parameters()), 1)
    rule.step()
    assert net.weight.isfinite().all()
    assert rule.state[net.weight]["mean_square"].dtype is torch.float64


@needs_compiler
def test_gradients_of_other_makes_are_copied_or_refused_not_misread() -> None:
    """Another layout, another type, another shape: whatever `.data` makes of a weight behind its gradient's back."""
    weight = torch.zeros(3, 4, requires_grad=True)
    rule = RULES.build("momentum", [weight], lr=1.0, compiled=True)
    wanted = torch.arange(12.0).reshape(3, 4)
    for gradient in (wanted.t().contiguous().t(), wanted, torch.ones(1).expand(3, 4)):
        weight.grad = gradient
        weight.data.zero_()
        rule.state.clear()
        rule.step()
        assert torch.equal(weight, -gradient)
    weight.data = torch.zeros(3, 4, dtype=torch.float64)
    rule.step()
    assert weight.dtype is torch.float64
    assert torch.allclose(weight, torch.full_like(weight, -1.9))  # 0.9 times the step before, and one more
    weight.data = torch.zeros(5, 4, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="must match"):
        rule.step()


class Strange(Tensor):
    """A subclass, as of weights that are spread over processes."""


@needs_compiler
def test_subclasses_of_tensors_go_by_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_pass.Kernel, "__call__", lambda *_: pytest.fail("the kernel was given a subclass"))
    weight = torch.zeros(3).as_subclass(Strange).requires_grad_()
    rule = RULES.build("momentum", [weight], lr=1.0, compiled=True)
    weight.grad = torch.ones(3)
    rule.step()
    assert weight.tolist() == [-1.0, -1.0, -1.0]


# --- which way is taken --------------------------------------------------------------------------


@needs_compiler
def test_large_networks_are_compiled_and_small_ones_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, wanted in ((10**6, False), (100, True)):
        monkeypatch.setattr(elementwise, "SMALL_ELEMENTS", limit)
        net = network()
        rule = RULES.build("momentum", net.parameters())
        assert rule.param_groups[0]["compiled"] is None
        train(net, rule, range(1))
        assert rule.param_groups[0]["compiled"] is wanted
        rule.add_param_group({"params": [torch.ones(3, requires_grad=True)]})
        train(net, rule, range(1))
        assert [group["compiled"] for group in rule.param_groups] == [wanted, wanted]


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_lists_are_taken_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elementwise, "SMALL_ELEMENTS", 100)
    net = network()
    rule = RULES.build("momentum", net.parameters())
    train(net, rule)
    assert rule.param_groups[0]["compiled"] is False


@pytest.mark.usefixtures("no_compiler")
def test_a_wish_that_cannot_be_met_is_told_once() -> None:
    net = network()
    rule = RULES.build("momentum", net.parameters(), compiled=True)
    with pytest.warns(UserWarning, match="no C compiler works here.*other last digits"):
        train(net, rule, range(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(net, rule, range(1))


@pytest.mark.parametrize("text", ["no C at all;", "w = undeclared;"])
def test_a_compiler_that_fails_is_none(text: str) -> None:
    assert one_pass.kernel_for(one_pass.Equation((), (), text)) is None


def test_compiled_is_refused_where_pytorch_runs_the_step() -> None:
    for name in ("momentum", "nag", "adagrad"):
        with pytest.raises(InputError, match=r"compiled=True was given with form='torch'.*leave it out"):
            RULES.build(name, [torch.ones(1, requires_grad=True)], form="torch", compiled=True)


# --- resuming ------------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("compiled", [pytest.param(True, marks=needs_compiler), False])
def test_resuming_keeps_every_bit_and_the_way(form: str, name: str, compiled: bool) -> None:
    straight = network()
    train(straight, RULES.build(name, straight.parameters(), form=form, compiled=compiled))
    first = network()
    rule = RULES.build(name, first.parameters(), form=form, compiled=compiled)
    train(first, rule, range(3))
    saved = copy.deepcopy((first.state_dict(), rule.state_dict()))
    second = network(1).to(memory_format=torch.contiguous_format)
    rule = RULES.build(name, second.parameters(), form=form)
    second.load_state_dict(saved[0])
    rule.load_state_dict(saved[1])
    assert rule.param_groups[0]["compiled"] is compiled
    train(second, rule, range(3, 6))
    assert torch.equal(flat(straight), flat(second))


PEERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adadelta": torch.optim.Adadelta,
    "rmsprop": torch.optim.RMSprop,
    "adamax": torch.optim.Adamax,
}


@pytest.mark.parametrize("name", PEERS)
def test_state_goes_from_pytorchs_class_into_ours_and_back(name: str) -> None:
    straight, changing = some_weights(torch.float64), some_weights(torch.float64)
    stayed = PEERS[name](straight, weight_decay=0.1)
    rule = PEERS[name](changing, weight_decay=0.1)
    for successor in (RULES.build(name, changing, form="torch"), PEERS[name](changing), None):
        for step in range(3):
            for weights, one in ((straight, stayed), (changing, rule)):
                random_gradients(weights, step)
                one.step()
        if successor is not None:
            successor.load_state_dict(copy.deepcopy(rule.state_dict()))
            rule = successor
    for one, other in zip(straight, changing, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("name", "option"), [("rmsprop", "momentum"), ("rmsprop", "centered"), ("adamax", "maximize")])
def test_refuses_a_state_of_another_rule(name: str, option: str) -> None:
    weight = torch.ones(3, requires_grad=True)
    peer = PEERS[name]([weight], **{option: 0.5 if option == "momentum" else True})
    rule = RULES.build(name, [weight], form="torch")
    with pytest.raises(InputError, match=f"the saved optimizer has {option}="):
        rule.load_state_dict(peer.state_dict())


# --- the manners of torch.optim ------------------------------------------------------------------


@pytest.mark.parametrize("form", ["chapter", "torch"])
@pytest.mark.parametrize("name", NINE)
def test_works_as_any_optimizer_of_torch(name: str, form: str) -> None:
    """Schedulers, closures, groups added later, frozen weights, hooks, copies, gradient scaling, repr."""
    net = network()
    rule = RULES.build(name, net[0].parameters(), lr=0.1, form=form)
    assert isinstance(rule, torch.optim.Optimizer)
    rule.add_param_group({"params": list(net[4].parameters()), "lr": 0.5})
    scheduler = torch.optim.lr_scheduler.StepLR(rule, step_size=1, gamma=0.5)
    net[4].bias.requires_grad_(False)
    frozen, calls = net[4].bias.detach().clone(), []
    rule.register_step_pre_hook(lambda *_: calls.append("before"))
    rule.register_step_post_hook(lambda *_: calls.append("after"))

    def closure() -> Tensor:
        rule.zero_grad()
        loss = net(torch.ones(2, 3, 6, 6)).square().mean()
        loss.backward()
        return loss

    loss = rule.step(closure)
    scheduler.step()
    assert torch.is_tensor(loss)
    assert calls == ["before", "after"]
    assert [group["lr"] for group in rule.param_groups] == [0.05, 0.25]
    assert torch.equal(net[4].bias, frozen)
    assert "lr: 0.25" in repr(rule)

    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    rule.zero_grad(set_to_none=False)
    assert not net[0].weight.grad.any()
    scaler.scale(net(torch.ones(2, 3, 6, 6)).square().mean()).backward()
    scaler.step(rule)
    scaler.update()

    copied = copy.deepcopy((net, rule))
    for one, its_rule in ((net, rule), copied):
        train(one, its_rule, range(2))
    assert torch.equal(flat(net), flat(copied[0]))


@pytest.mark.parametrize("name", NINE)
@pytest.mark.parametrize("option", ["maximize", "differentiable", "capturable", "amsgrad"])
def test_what_is_not_offered_is_refused(name: str, option: str) -> None:
    with pytest.raises(InputError, match=option):
        RULES.build(name, [torch.ones(1, requires_grad=True)], **{option: True})


@EACH
def test_sparse_gradients_are_refused_in_compiled_steps(form: str, name: str) -> None:
    table = nn.Embedding(5, 2, sparse=True)
    rule = RULES.build(name, table.parameters(), form=form, compiled=None)
    table(torch.tensor([1, 3])).sum().backward()
    with pytest.raises(InputError, match=r"\[5, 2\] is sparse.*sparse=False"):
        rule.step()
    assert not rule.state
