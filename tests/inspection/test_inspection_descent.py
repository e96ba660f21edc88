"""Ways over a surface beside closed forms and torch's own rules."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch

from neuropil.errors import InputError
from neuropil.inspection.descent import SURFACES, descend, heights
from neuropil.optim import RULES


@pytest.mark.parametrize("lr", [0.02, 0.05])
def test_gradient_descent_has_a_closed_form(lr: float) -> None:
    valley = SURFACES["valley"]
    way = descend("gradient_descent", lambda w: RULES.build("gradient_descent", w, lr=lr), valley, 20)
    t = np.arange(21)
    np.testing.assert_allclose(way.points[:, 0], valley.start[0] * (1 - lr) ** t, rtol=1e-12)
    np.testing.assert_allclose(way.points[:, 1], valley.start[1] * (1 - 20 * lr) ** t, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(way.losses, way.points[:, 0] ** 2 / 2 + 10 * way.points[:, 1] ** 2, rtol=1e-12)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize(
    ("name", "peer"), [("adam", torch.optim.Adam), ("adadelta", partial(torch.optim.Adadelta, rho=0.95, eps=1e-6))]
)
def test_ways_are_torchs(surface: str, name: str, peer: Callable[..., torch.optim.Optimizer]) -> None:
    chosen = SURFACES[surface]
    way = descend(name, lambda w: RULES.build(name, w, lr=0.1), chosen, 30)
    a, b = (torch.tensor(one, dtype=torch.float64, requires_grad=True) for one in chosen.start)
    rule = peer([a, b], lr=0.1)
    for point in way.points:
        np.testing.assert_allclose(point, [a.item(), b.item()], rtol=1e-9, atol=1e-9)
        rule.zero_grad()
        chosen.loss(a, b).backward()  # type: ignore[no-untyped-call]
        rule.step()


@pytest.mark.parametrize("name", ["valley", "rosenbrock", "beale"])
def test_the_least_place_is_one(name: str) -> None:
    surface = SURFACES[name]
    assert surface.least is not None
    a, b = (torch.tensor(float(one), dtype=torch.float64, requires_grad=True) for one in surface.least)
    value = surface.loss(a, b)
    slopes = torch.autograd.grad(value, (a, b))
    assert value.item() == pytest.approx(0, abs=1e-12) and all(abs(one.item()) < 1e-9 for one in slopes)
    assert heights(surface).min() >= 0


def test_a_way_that_runs_off_ends_where_numbers_do() -> None:
    way = descend("sgd", lambda w: torch.optim.SGD(w, lr=1.0), SURFACES["valley"], 200)
    assert 2 < len(way.points) < 20 and np.isfinite(way.points).all()


def test_no_steps_are_refused() -> None:
    with pytest.raises(InputError, match="0 were given"):
        descend("sgd", lambda w: torch.optim.SGD(w, lr=1.0), SURFACES["valley"], 0)
