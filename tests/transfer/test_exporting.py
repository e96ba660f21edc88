"""Networks as files for other programs: run by them, with what a user must know inside, and refused in words."""

from __future__ import annotations

import copy
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.small_networks import options_of, shape_of
from neuropil.errors import InputError, MissingExtraError, NeuropilError
from neuropil.models import MODELS, SEQUENCES, create_model
from neuropil.transfer import exporting
from neuropil.transfer.exporting import export_network


def small(name: str) -> nn.Module:
    """A small network whose running averages have moved.

    Squeeze and excitation takes the exponential of its maps, which grow from block to block where normalisation does
    not know them: a hundred such blocks make of a difference of one bit one of a percent. So there the averages are
    those of the maps, and each block adds a fifth, as after training.
    """
    torch.manual_seed(0)
    network = create_model(name, num_classes=5, **options_of(name)).train()
    excites = name.startswith("se")
    for key, layer in network.named_modules():
        if excites and isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
            if key.endswith("bn2" if name in ("se_resnet18", "se_resnet34") else "bn3"):  # the last of a block
                nn.init.constant_(layer.weight, 0.2)
    with torch.no_grad():
        network(torch.randn(64 if excites else 4, *shape_of(name)))
    return network


def run_onnx(path: Path, x: Tensor) -> Tensor:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return torch.as_tensor(session.run(None, {"input": x.numpy()})[0])


SHOWN = ("line", "lenet5", "resnet20")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in SHOWN else pytest.mark.proof)
        for name in MODELS
        if name not in SEQUENCES
    ],
)
@pytest.mark.parametrize("kind", ["onnx", "pt2"])
def test_every_network_is_exported(name: str, kind: Any, tmp_path: Path) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxscript")
    done = export_network(small(name), shape_of(name), tmp_path / f"net.{kind}", format=kind)
    assert done.difference <= 1e-5


@pytest.mark.slow
def test_onnx_for_any_batch_with_facts_inside(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    network = small("lenet5_modern")
    modes = [module.training for module in network.modules()]
    before = copy.deepcopy(network.state_dict())
    facts = {"classes": ["katze", "고양이"], "normalization": {"mean": [0.5], "std": [0.25]}}
    done = export_network(network, (1, 32, 32), tmp_path / "net.onnx", facts=facts)
    assert done.difference <= 1e-5 and done.batches == (1, 3)
    for batch in (1, 2, 7):
        x = torch.randn(batch, 1, 32, 32)
        with torch.no_grad():
            expected = copy.deepcopy(network).eval()(x)
        torch.testing.assert_close(run_onnx(done.path, x), expected, rtol=1e-4, atol=1e-5)
    stored = {entry.key: entry.value for entry in onnx.load(done.path).metadata_props}
    assert json.loads(stored["neuropil"]) == facts
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


@pytest.mark.slow
def test_pt2_holds_no_pickle(tmp_path: Path) -> None:
    network = small("resnet20")
    done = export_network(network, (3, 32, 32), tmp_path / "net.pt2", format="pt2", facts={"classes": ["a", "b"]})
    extra = {"neuropil": ""}
    program = torch.export.load(str(done.path), extra_files=extra)
    assert json.loads(extra["neuropil"]) == {"classes": ["a", "b"]}
    x = torch.randn(5, 3, 32, 32)
    torch.testing.assert_close(program.module()(x), copy.deepcopy(network).eval()(x), rtol=1e-4, atol=1e-5)
    with zipfile.ZipFile(done.path) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            assert not content.startswith((b"\x80", b"PK")), f"{name} is a pickle or an archive of one"


def test_half_precision_becomes_single(tmp_path: Path) -> None:
    network = small("perceptron").to(torch.bfloat16)
    export_network(network, (3, 8, 8), tmp_path / "net.pt2", format="pt2")
    assert next(network.parameters()).dtype == torch.bfloat16


class Wrong(nn.Module):
    """Says something else when it is exported."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if torch.compiler.is_exporting() else x


class Unfit(nn.Module):
    """Decides by its numbers."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if x.sum().item() > 0 else x - 1


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    with pytest.raises(InputError, match="no export format 'onxn'; did you mean 'onnx'"):
        export_network(small("perceptron"), (3, 8, 8), path, format="onxn")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="is not there; make it first"):
        export_network(small("perceptron"), (3, 8, 8), tmp_path / "no" / "net.onnx")
    with pytest.raises(NeuropilError, match=r"would differ from the network by 1\.0e\+00"):
        export_network(Wrong(), (4,), path, format="pt2")
    with pytest.raises(NeuropilError, match=r"cannot be exported by torch\.export: "):
        export_network(Unfit(), (4,), path, format="pt2")
    with pytest.raises(InputError, match=r"its name must end in \.onnx or \.pt2"):
        export_network(small("perceptron"), (3, 8, 8), tmp_path / "recipe.toml")
    with pytest.raises(InputError, match=r"its name must end in \.onnx"):
        export_network(small("perceptron"), (3, 8, 8), path, format="onnx")
    with pytest.raises(InputError, match="does not take samples of 1x32x32: "):
        export_network(small("resnet20"), (1, 32, 32), path)
    with pytest.raises(InputError, match="which reads 32x32"):
        export_network(small("lenet5"), (1, 8, 8), path, format="pt2")
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_a_file_that_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match="is there already; name another file, or give --force to replace it"):
        export_network(small("perceptron"), (3, 8, 8), path)
    assert path.read_bytes() == b"mine"
    assert export_network(small("perceptron"), (3, 8, 8), path, replace=True).format == "pt2"
    assert path.read_bytes() != b"mine"


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"install neuropil\[export\], or take format pt2"):
        export_network(small("perceptron"), (3, 8, 8), tmp_path / "net.onnx")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.pt2"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "write_atomic", full)
    with pytest.raises(NeuropilError, match="cannot be written: No space left on device"):
        export_network(small("perceptron"), (3, 8, 8), path, replace=True)
    assert path.read_bytes() == b"old"
