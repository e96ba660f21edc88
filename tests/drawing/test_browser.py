"""The report in a real browser: everything is shown, nothing is refused or logged, no page scrolls sideways."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drawing.samples import classification, regression
from neuropil.drawing.plots import write_plots
from neuropil.drawing.report import Report, write_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    *("--enable-logging=stderr", "--v=0"),
]
PROBE = """
const refused = [];
addEventListener('securitypolicyviolation', event => refused.push(event.violatedDirective));
addEventListener('load', () => {
  const inside = (box, room) => box.left >= room.left - 1 && box.right <= room.right + 1
                             && box.top >= room.top - 1 && box.bottom <= room.bottom + 1;
  const cut = [];
  for (const svg of document.querySelectorAll('svg'))
    for (const text of svg.querySelectorAll('text'))
      if (!inside(text.getBoundingClientRect(), svg.getBoundingClientRect())) cut.push(text.textContent);
  const size = one => { const box = one.getBoundingClientRect(); return Math.min(box.width, box.height); };
  const scale = one => Math.hypot(one.getScreenCTM().a, one.getScreenCTM().b);
  const smallest = [...document.querySelectorAll('svg text')].map(
    one => parseFloat(getComputedStyle(one).fontSize) * scale(one));
  const told = {
    refused, cut, width: innerWidth, scroll: document.documentElement.scrollWidth,
    images: [...document.querySelectorAll('img')].map(one => [one.naturalWidth, size(one)]),
    charts: [...document.querySelectorAll('svg')].map(size),
    smallest: Math.min(...smallest), headings: document.querySelectorAll('h2').length,
  };
  const out = document.createElement('script');
  out.type = 'application/json'; out.id = 'probe'; out.textContent = JSON.stringify(told);
  parent.document.body.append(out);
});
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on PATH"),
]


def browse(page: Path, tmp_path: Path, *flags: str) -> tuple[str, list[str]]:
    """The browser's standard output, and what pages wrote to its console."""
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [str(BROWSER), *FLAGS, profile, *flags, page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def probed(page: str) -> str:
    """The page with a script that measures it; its policy allows that one script more and nothing else."""
    allowed = base64.b64encode(hashlib.sha256(PROBE.encode()).digest()).decode()
    page = page.replace("default-src 'none';", f"default-src 'none'; script-src 'sha256-{allowed}';", 1)
    return page.replace("</head>", f"<script>{PROBE}</script></head>", 1)


def measure(page: str, tmp_path: Path, width: int) -> tuple[dict[str, Any], list[str]]:
    """What the probe finds in a frame of `width` pixels (a window of its own has a least width)."""
    file = tmp_path / "frame.html"
    frame = f'<iframe width="{width}" height="900" srcdoc="{html.escape(probed(page))}"></iframe>'
    file.write_text(f'<!doctype html><meta charset="utf-8"><title>t</title><body>{frame}</body>', encoding="utf-8")
    tree, logged = browse(file, tmp_path, "--dump-dom", "--window-size=1400,1000")
    found = re.search(r'id="probe">(.*?)</script>', tree, flags=re.S)
    assert found, "the probe did not run"
    measured: dict[str, Any] = json.loads(html.unescape(found[1]))
    return measured, logged


def long_names() -> Report:
    names = ["airplane", "automobile", "고양이 사진", "Old English sheepdog with a very long name", *map(str, range(6))]
    return replace(classification(10, 48, 3), classes=names)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(
    "make",
    [classification, regression, long_names, lambda: classification(100), lambda: classification(2)],
    ids=["digits", "wine", "long names", "100 classes", "2 classes"],
)
def test_everything_is_shown_and_nothing_scrolls_sideways(make: Any, width: int, tmp_path: Path) -> None:
    report = make()
    found, logged = measure(write_report(report), tmp_path, width)
    assert logged == []
    assert found["refused"] == []
    assert found["width"] == width
    assert found["scroll"] <= width
    assert found["cut"] == [], "text that reaches beyond its chart"
    shown = [one for one in report.mistakes if one.image is not None]
    assert len(found["images"]) >= len(shown)
    assert all(natural > 0 and size > 20 for natural, size in found["images"])
    assert len(found["charts"]) >= 3
    assert min(found["charts"]) > 40
    assert found["smallest"] >= (9 if width == 390 else 10), "pixels of the smallest text in a chart"


@pytest.mark.parametrize(("scheme", "ground"), [("1", 252), ("0", 23)])
def test_light_and_dark_follow_the_reader(scheme: str, ground: int, tmp_path: Path) -> None:
    flag = f"--blink-settings=preferredColorScheme={scheme}"
    file, picture = tmp_path / "report.html", tmp_path / "report.png"
    file.write_text(write_report(classification()), encoding="utf-8")
    _, logged = browse(file, tmp_path, flag, "--window-size=1280,1400", f"--screenshot={picture}")
    assert logged == []
    pixels = np.asarray(Image.open(picture).convert("L"), dtype=np.float64)
    assert pixels.shape == (1400, 1280)
    assert pixels[0, 0] == ground
    assert pixels.std() > 10


@pytest.mark.parametrize("scheme", ["0", "1"])
def test_a_chart_as_a_file_of_its_own_is_drawn_in_colour(scheme: str, tmp_path: Path) -> None:
    for file in write_plots(tmp_path / "plots", long_names(), png=False):
        picture = file.with_suffix(".png")
        flag = f"--blink-settings=preferredColorScheme={scheme}"
        _, logged = browse(file, tmp_path, flag, "--window-size=600,600", f"--screenshot={picture}")
        assert logged == []
        pixels = np.asarray(Image.open(picture).convert("RGB"), dtype=np.float64)
        corner = pixels[3, 3]
        assert (corner.mean() > 200) == (scheme == "1"), file.name
        assert np.abs(pixels - corner).max() > 60


def test_the_probe_sees_what_is_refused_and_cut(tmp_path: Path) -> None:
    broken = write_report(classification()).replace("</main>", '<img src="https://example.invalid/x.png"></main>')
    broken = broken.replace('text-anchor="middle"', 'text-anchor="middle" dx="900"', 1)
    found, logged = measure(broken, tmp_path, 1280)
    assert found["refused"] == ["img-src"]
    assert len(logged) == 1
    assert found["cut"]
