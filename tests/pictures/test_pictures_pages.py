"""Pages of pictures: folded networks, gradients through time, attention, ways, and what is refused."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.gallery import building as picturing
from neuropil.gallery.building import (
    attention_pictures,
    network_pictures,
    path_pictures,
    step_pictures,
    time_pictures,
    write_page,
)
from neuropil.inspection.feature_maps import Sight
from neuropil.inspection.graph import trace_graph
from neuropil.inspection.saliency import Saliency
from neuropil.inspection.through_time import sensitivity
from neuropil.models import create_model
from neuropil.pictures.attention import attention_page
from neuropil.pictures.heat import heat_map
from neuropil.pictures.maps import draw_saliency, draw_sight
from neuropil.pictures.network import draw_network, network_page
from neuropil.pictures.page import Fold
from neuropil.pictures.through_time import draw_sensitivity, draw_unrolled, sensitivity_curves

PICTURE = np.zeros((3, 8, 6), np.uint8)


def folds_in(folds: tuple[Fold, ...]) -> list[Fold]:
    return [one for fold in folds for one in (fold, *folds_in(fold.folds))]


def test_every_block_that_opens_leads_to_its_inside() -> None:
    with torch.device("meta"):
        network = create_model("resnet152")
    page = network_page(trace_graph(network, torch.zeros(1, 3, 224, 224, device="meta")), "resnet152")
    links = re.findall(r'href="#([^"]+)"', page.html)
    anchors = re.findall(r'class="scroll" id="([^"]+)"', page.html)
    assert len(set(anchors)) == len(anchors) >= 20
    assert set(links) == set(anchors)
    assert {fold.title for fold in page.folds} == {"layer1", "layer2", "layer3", "layer4"}
    inside = {fold.title for fold in folds_in(page.folds)}
    assert "layer3.5" in inside
    assert "<a " not in page.svg and page.svg.count("<g>") == page.pictures[0][1].svg.count("<g>") + 4
    assert "<a " not in draw_network(trace_graph(network, torch.zeros(1, 3, 224, 224)), depth=1).picture.svg
    assert "<script" not in page.html and "http:" not in page.html.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.slow
def test_resnet152_is_drawn_in_five_seconds() -> None:
    begun = time.perf_counter()
    page = network_pictures("resnet152")
    assert len(page.html) > 100_000
    assert time.perf_counter() - begun < 5


def test_groups_that_would_feed_each_other_in_a_circle_are_opened() -> None:
    class Woven(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.ModuleList(nn.Linear(2, 2) for _ in range(30))
            self.b = nn.ModuleList(nn.Linear(2, 2) for _ in range(30))

        def forward(self, x: Tensor) -> Tensor:
            for one, other in zip(self.a, self.b, strict=True):
                x = other(one(x))
            return x

    graph = trace_graph(Woven(), torch.zeros(1, 2))
    drawn = draw_network(graph, depth=1)
    assert len(drawn.boxes) == 62 and len(drawn.edges) == 61


def test_a_module_called_at_every_step_is_a_group_at_every_step() -> None:
    class Steps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.Sequential(nn.Linear(2, 2), nn.Tanh())

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(3):
                x = self.cell(x)
            return x

    drawn = draw_network(trace_graph(Steps(), torch.zeros(1, 2)), depth=1)
    assert drawn.edges == {(0, 1), (1, 2), (2, 3), (3, 4)}
    assert ">cell (3)<" in drawn.picture.svg


def test_the_sensitivities_that_are_drawn_are_jacrevs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Must show 7: vanilla fades, gated does not; the numbers in the picture are torch.func.jacrev's."""
    kept: dict[str, Any] = {}
    monkeypatch.setattr(picturing, "draw_sensitivity", lambda found: kept.update(found) or draw_sensitivity(found))
    time_pictures(steps=30)
    x = torch.randn(1, 30, 1, generator=torch.Generator().manual_seed(1))
    for name, found in kept.items():
        layer = picturing._cell(name, 6.0)
        layer.stepwise = True  # type: ignore[assignment]
        whole = torch.func.jacrev(lambda x, layer=layer: layer(x)[0])(x)[0, :, :, 0]
        np.testing.assert_allclose(found, whole.square().sum((1, 3)).sqrt().detach().numpy(), atol=1e-6)
    last = {name: found[-1, 0] / found[0, 0] for name, found in kept.items()}
    assert last["rnn"] < 1e-3 and last["lstm"] > 0.1 and last["gru"] > 0.1


def test_the_unrolled_picture_tells_the_terms() -> None:
    terms = np.tril(np.arange(1.0, 10.0).reshape(3, 3))
    svg = draw_unrolled(np.array([0.5, 0.25, 0.125]), terms).svg
    for told in ("∂E3/∂W1: 7", "∂E3/∂W2: 8", "∂E3/∂W3: 9", "add up to 24", ">0.125<"):
        assert told in svg
    widths = [float(one) for one in re.findall(r'width="([\d.]+)" height="9"', svg)]
    np.testing.assert_allclose(np.array(widths) / widths[-1], [7 / 9, 8 / 9, 1], atol=1e-3)


def test_attention_is_told_word_by_word(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(4), size=(2, 3, 5))
    words, others = ["I", "saw", "a", "<cat>", "."], ["ich", "sah", "eine", "고양이"]
    page = attention_page(weights, words, others)
    assert len(page.folds) == 2
    told = f"&lt;cat&gt;, 고양이: {weights[1, 2, 3, 3]:.4g}<"
    assert told in page.folds[1].html()
    np.savez(tmp_path / "a.npz", weights=weights, queries=np.array(words), keys=np.array(others))
    assert attention_pictures(tmp_path / "a.npz").folds[1].html() == page.folds[1].html()


def test_nine_ways_are_drawn_with_their_losses() -> None:
    page = path_pictures("valley", ["adam=0.1"], steps=10)
    assert page.pictures[0][1].body.count("10 steps, loss") == 18  # written, and told by the way
    assert "adam 0.1" in page.notes[1]


def test_a_page_shows_itself_in_a_notebook(tmp_path: Path) -> None:
    page = step_pictures("line")
    shown = page._repr_html_()
    assert shown.startswith("<iframe srcdoc=") and shown.count("<") == 2  # all else is escaped
    assert page.pictures[0][1]._repr_svg_().startswith("<svg")
    assert write_page(page, tmp_path / "new" / "a.html").read_text(encoding="utf-8") == page.html
    assert write_page(page, tmp_path / "a.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda tmp: write_page(step_pictures("line"), tmp / "a.png"), "should end in .html"),
        (lambda tmp: step_pictures("lne"), "did you mean 'line'"),
        (lambda tmp: step_pictures("line", ["num_classes=3"]), "has its own numbers"),
        (lambda tmp: network_pictures("resnet19"), "did you mean 'resnet18'"),
        (lambda tmp: network_pictures("lenet5", depth=0), "a depth of 1 or more"),
        (lambda tmp: network_pictures("lenet5", shape=(1, 3, 3)), "32x32|does not take"),
        (lambda tmp: network_pictures(nn.ReLU()), "give the shape of one sample"),
        (lambda tmp: time_pictures(steps=1), "2 to 200 steps"),
        (lambda tmp: time_pictures(("lsmt",)), "did you mean 'lstm'"),
        (lambda tmp: path_pictures("vally"), "did you mean 'valley'"),
        (lambda tmp: path_pictures("valley", ["adm=1"]), "there is no rule 'adm'"),
        (lambda tmp: path_pictures("valley", ["adam=fast"]), "is no learning rate"),
        (lambda tmp: attention_pictures(tmp / "none.npz"), "cannot be read as .npz"),
        (lambda tmp: attention_page(np.zeros((2, 3, 4)), ["a"] * 3), r"\[layers, heads, T, S\]"),
        (lambda tmp: attention_page(np.zeros((1, 1, 2, 2)), ["a"]), "1 row names"),
        (lambda tmp: heat_map(np.zeros((0, 2)), [], ["a", "b"], title="none"), "at least one number"),
        (lambda tmp: draw_sensitivity({}), "at least one"),
        (lambda tmp: sensitivity_curves({"a": np.zeros((2, 3))}), r"must be \[T, T\]"),
        (lambda tmp: draw_unrolled(np.zeros(17), np.zeros((17, 17))), "1 to 16 steps"),
        (lambda tmp: draw_unrolled(np.zeros(2), np.zeros((2, 2)), of=2), "no step 2"),
        (lambda tmp: draw_sight(PICTURE, Sight("a", (0, 0), (1, 1), (0, 0, 1, 1), np.zeros((9, 9)))), "was looked at"),
        (lambda tmp: draw_saliency(PICTURE, Saliency("gradient", np.zeros((3, 9, 9)), 0, 1.0)), "was looked at"),
        (lambda tmp: draw_saliency(PICTURE / 2, Saliency("Grad-CAM", np.zeros((2, 2)), 0, 1.0)), "uint8"),
    ],
)
def test_what_cannot_be_drawn_is_refused(ask: Callable[[Path], Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        ask(tmp_path)


def test_saliency_of_nothing_is_drawn_without_numbers_that_are_none() -> None:
    for values in (np.zeros((3, 8, 6)), np.zeros((2, 2))):
        assert "nan" not in draw_saliency(PICTURE, Saliency("Grad-CAM", values, 0, 0.0)).svg.split("base64")[0]


def test_a_sensitivity_of_an_own_layer_can_be_drawn() -> None:
    found = sensitivity(nn.RNN(1, 4, batch_first=True), torch.randn(1, 6, 1)).numpy()
    assert draw_sensitivity({"mine": found}).svg.count("of the first step") == 6
