"""Fourteen pages in a real browser: nothing logged or refused, no text over text or beyond its picture, groups open."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from neuropil.costs.page import cost_pictures
from neuropil.gallery.building import network_pictures, path_pictures, step_pictures, time_pictures
from neuropil.inspection.feature_maps import feature_maps, sight_of
from neuropil.inspection.gradient_flow import gradient_flow
from neuropil.inspection.saliency import grad_cam, gradient_saliency
from neuropil.models import create_model
from neuropil.pictures.attention import Looks, attention_page, looks_page
from neuropil.pictures.flow import flow_page
from neuropil.pictures.maps import draw_feature_maps, draw_saliency, draw_sight
from neuropil.pictures.page import Page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    *("--enable-logging=stderr", "--v=0"),
]
PROBE = """
const refused = [];
addEventListener('securitypolicyviolation', event => refused.push(event.violatedDirective));
addEventListener('load', () => setTimeout(() => {
  const told = {refused, over: [], cut: [], opened: null, texts: 0};
  const link = document.querySelector('svg a');
  if (link) {
    link.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}));
  }
  setTimeout(() => {
    if (link) {
      const part = document.querySelector(':target');
      told.opened = !!part && part.closest('details').open && part.getBoundingClientRect().height > 20;
    }
    for (const one of document.querySelectorAll('details')) one.open = true;
    for (const svg of document.querySelectorAll('svg')) {
      const room = svg.getBoundingClientRect();
      const boxes = [...svg.querySelectorAll('text')].map(one => [one.textContent, one.getBoundingClientRect()]);
      told.texts += boxes.length;
      boxes.sort((a, b) => a[1].top - b[1].top);
      boxes.forEach(([name, box], place) => {
        if (box.left < room.left - 1 || box.right > room.right + 1 || box.top < room.top - 1
            || box.bottom > room.bottom + 1) told.cut.push(name);
        for (let next = place + 1; next < boxes.length && boxes[next][1].top < box.bottom - 3; next++) {
          const other = boxes[next][1];
          if (other.left < box.right - 1 && other.right > box.left + 1 && other.bottom > box.top + 3)
            told.over.push(name + ' | ' + boxes[next][0]);
        }
      });
    }
    const out = document.createElement('script');
    out.type = 'application/json'; out.id = 'probe'; out.textContent = JSON.stringify(told);
    document.body.append(out);
  }, 200);
}, 50));
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on PATH"),
]


def attention() -> Page:
    words = ["The", "animal", "did", "not", "cross", "the", "street", "because", "it", "was", "too", "tired"]
    return attention_page(np.random.default_rng(0).dirichlet(np.ones(12), size=(3, 8, 12)), words)


def looks() -> Page:
    """A translation letter by letter: two kinds on one page."""
    draw, read, written = (
        np.random.default_rng(0),
        tuple("Ein\N{OPEN BOX}Hund\N{OPEN BOX}schläft."),
        ("\N{OPEN BOX}dog", "<eos>", "W", "l"),
    )
    sides = (("What is read looks at itself", read), ("What is written looks at what is read", written))
    kinds = [Looks(name, draw.dirichlet(np.ones(len(read)), (2, 4, len(rows))), rows, read) for name, rows in sides]
    return looks_page(kinds, "a run reads", ["It writes."])


def flow() -> Page:
    network = nn.Sequential(*(part for _ in range(8) for part in (nn.Linear(6, 6), nn.Sigmoid())), nn.Linear(6, 2))
    batches = [(torch.randn(8, 6), torch.zeros(8, 2))] * 40
    found = gradient_flow(
        network, batches, lambda m, b: (m(b[0]) - b[1]).square().mean(), lambda m: torch.optim.SGD(m.parameters(), 0.1)
    )
    return flow_page(found, "eight sigmoid layers")


def photo() -> Page:
    network = create_model("resnet20", num_classes=4).eval()
    raw = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    x = torch.from_numpy(raw[None] / 255).float()
    maps = feature_maps(network, x)
    pictures = (
        ("gradient", draw_saliency(raw, gradient_saliency(network, x), "a rather long name of a class")),
        ("cam", draw_saliency(raw, grad_cam(network, x))),
        ("sees", draw_sight(raw, sight_of(network, x, "layer1.0.conv1"))),
        ("maps", draw_feature_maps(maps[0])),
    )
    return Page("a photo", (), pictures)


PAGES: dict[str, Callable[[], Page]] = {
    "resnet152": lambda: network_pictures("resnet152"),
    "googlenet": lambda: network_pictures("googlenet"),
    "unet": lambda: network_pictures("unet"),
    "densenet121": lambda: network_pictures("densenet121"),
    "lenet5": lambda: network_pictures("lenet5"),
    "step of a perceptron": lambda: step_pictures("perceptron"),
    "step of a network": lambda: step_pictures("Conv2@3 - ReLU - Pool2 - FC3", shape=(1, 8, 8)),
    "time": time_pictures,
    "paths": path_pictures,
    "attention": attention,
    "looks": looks,
    "flow": flow,
    "photo": photo,
    "costs": lambda: cost_pictures(times=False),
}


def measure(page: str, tmp_path: Path, *flags: str) -> tuple[dict[str, Any], list[str]]:
    """What the probe finds, and what the page wrote to the console."""
    allowed = base64.b64encode(hashlib.sha256(PROBE.encode()).digest()).decode()
    page = page.replace("default-src 'none';", f"default-src 'none'; script-src 'sha256-{allowed}';", 1)
    file = tmp_path / "page.html"
    file.write_text(page.replace("</head>", f"<script>{PROBE}</script></head>", 1), encoding="utf-8")
    done = subprocess.run(
        [str(BROWSER), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,1000",
         "--virtual-time-budget=20000", "--dump-dom", *flags, file.as_uri()],
        capture_output=True, text=True, timeout=180, check=True,
    )  # fmt: skip
    found = re.search(r'id="probe">(.*?)</script>', done.stdout, flags=re.S)
    assert found, "the probe did not run"
    told: dict[str, Any] = json.loads(html.unescape(found[1]))
    return told, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_whole(name: str, tmp_path: Path) -> None:
    page = PAGES[name]()
    told, logged = measure(page.html, tmp_path)
    assert logged == []
    assert told["refused"] == []
    assert told["texts"] > 5
    assert told["cut"] == [], "text beyond its picture"
    assert told["over"] == [], "text over text"
    opens = "<a href" in page.html
    assert told["opened"] is (True if opens else None)


def test_the_probe_sees_what_is_wrong(tmp_path: Path) -> None:
    page = PAGES["lenet5"]().html.replace("</body>", '<img src="https://example.invalid/x.png"></body>')
    lines = re.findall(r'<text x="[\d.]+" y="[\d.]+"', page)
    told, logged = measure(page.replace(lines[3], lines[2], 1), tmp_path)
    assert told["refused"] == ["img-src"] and len(logged) == 1
    assert told["over"]
