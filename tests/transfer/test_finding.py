"""Public names: fetched only because they are written, held against their hash, refused in words without a network.

A server on this machine stands for the two hosts; nothing leaves the machine.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from neuropil.errors import InputError
from neuropil.transfer import finding
from neuropil.transfer.finding import find_weights
from neuropil.transfer.published import TORCHVISION

CONTENT = save({"a": torch.arange(3.0)})
DIGITS = hashlib.sha256(CONTENT).hexdigest()
SETTINGS = {
    "architecture": "legacy_seresnet18",
    "pretrained_cfg": {
        "license": "apache-2.0", "input_size": [3, 224, 224], "crop_pct": 0.95, "interpolation": "bicubic",
        "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25],
    },
}  # fmt: skip


class Host(BaseHTTPRequestHandler):
    """Answers as the two hosts do."""

    asked: list[str]
    stated = DIGITS

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        self.asked.append(f"{self.command} {self.path}")
        content = json.dumps(SETTINGS).encode() if self.path.endswith("config.json") else CONTENT
        if "missing" in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{self.stated if content is CONTENT else hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("Handler", (Host,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    where = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    record = replace(TORCHVISION["resnet18"], source=f"{where}/models/resnet18-{DIGITS[:8]}.pth", sha256=DIGITS[:8])
    monkeypatch.setattr(finding, "TORCHVISION", {"resnet18": record, "wrong": replace(record, sha256="0" * 8)})
    yield where, asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_torchvisions_weights_are_fetched_once(host: tuple[str, list[str]]) -> None:
    where, asked = host
    told: list[str] = []
    first = find_weights("torchvision:resnet18", tell=told.append)
    assert first.path.read_bytes() == CONTENT
    assert first.record is not None and first.record.model == "resnet18"
    assert len(told) == 1 and f"downloading {where}/models/" in told[0]
    count = len(asked)
    assert find_weights("torchvision:resnet18", tell=told.append) == first
    assert (len(asked), len(told)) == (count, 1)


def test_a_file_that_is_not_what_was_promised_is_refused(host: tuple[str, list[str]]) -> None:
    with pytest.raises(InputError, match="is not the file that was promised"):
        find_weights("torchvision:wrong")
    path = find_weights("torchvision:resnet18").path
    path.write_bytes(b"something else")
    with pytest.raises(InputError, match="remove it and try again"):
        find_weights("torchvision:resnet18")


def test_without_a_network_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    unreachable = replace(TORCHVISION["resnet18"], source="http://127.0.0.1:9/resnet18.pth")
    monkeypatch.setattr(finding, "TORCHVISION", {"resnet18": unreachable})
    with pytest.raises(
        InputError, match=r"is not in the cache and cannot be fetched .* go online once, or give a file"
    ):
        find_weights("torchvision:resnet18")


def test_unknown_names_offer_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'resnet50'"):
        find_weights("torchvision:resnet5O")
    for name in ("hf-hub:", "hf-hub:justone", "hf-hub:a/../b", "hf-hub:a/b@", "hf-hub:a b/c"):
        with pytest.raises(InputError, match="is no name on the hub"):
            find_weights(name)


@pytest.fixture
def hub(host: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[str]]:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "ENDPOINT", host[0])
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", host[0] + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    return host


def test_the_hubs_weights_come_with_their_record(hub: tuple[str, list[str]]) -> None:
    told: list[str] = []
    path, record = find_weights("hf-hub:timm/legacy_seresnet18.in1k", tell=told.append)
    assert path.read_bytes() == CONTENT
    assert record is not None and (record.model, record.options) == ("se_resnet18", {"squeeze_after": "relu"})
    assert record.preprocessing is not None and record.preprocessing.interpolation == "bicubic"
    assert record.licence == "apache-2.0" and len(told) == 2
    count = len(hub[1])
    assert find_weights("hf-hub:timm/legacy_seresnet18.in1k").path == path
    assert len(hub[1]) == count, "the second time nothing is asked of anybody"


def test_the_hub_says_what_is_missing(hub: tuple[str, list[str]]) -> None:
    with pytest.raises(InputError, match="cannot be fetched"):
        find_weights("hf-hub:timm/missing")


def test_the_hub_offline_is_one_sentence(hub: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/{revision}/{filename}")
    with pytest.raises(InputError, match="go online once, or give a file"):
        find_weights("hf-hub:a/b")


@pytest.mark.parametrize("name", ["hf-hub:a--b/c", "hf-hub:-a/b", "hf-hub:owner/repo.git"])
def test_names_that_the_hub_forbids_are_refused(name: str, hub: tuple[str, list[str]]) -> None:
    with pytest.raises(InputError, match="cannot be fetched"):
        find_weights(name)


@pytest.mark.parametrize("name", ["~nobody-of-this-name/w.pth", "w" * 300 + ".pth"])
def test_impossible_paths_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="check the path"):
        find_weights(name)
