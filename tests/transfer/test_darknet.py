"""darknet's files: the same bytes again, the same maps by OpenCV's reader; other files are refused."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from neuropil.errors import InputError
from neuropil.models import create_model
from neuropil.recipes.converting import convert_file
from neuropil.transfer.darknet import Header, output_order, read_darknet, write_darknet
from neuropil.transfer.darknet_cfg import network_of_cfg, read_cfg, write_cfg
from neuropil.transfer.loading import load_weights

SMALL = {"backbone_options": {"width": 0.0625}, "neck": 4}

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "released, 1470 outputs": ("yolo_v1", {**SMALL, "hidden": (8, 16)}),
    "today's, 1715 outputs": ("yolo_v1", {**SMALL, "local": 3, "boxes": 3, "batch_norm": True}),
    "the paper's": ("yolo_v1", {**SMALL, "hidden": (12,)}),
    "tiny": ("yolo_v1_tiny", {"backbone_options": {"width": 0.125}, "neck": 8}),
}


def built(name: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    kind, options = NETWORKS[name]
    network = create_model(kind, **options)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if key.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.is_floating_point():
                tensor.normal_(0, 0.3)
    return network.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_write_read_write_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    network, other = built(name), built(name, seed=1)
    write_darknet(network, tmp_path / "a.weights", Header(0, 1, 0, 64_000))
    header = read_darknet(other, tmp_path / "a.weights")
    assert header == Header(0, 1, 0, 64_000)
    write_darknet(other, tmp_path / "b.weights", header)
    assert (tmp_path / "a.weights").read_bytes() == (tmp_path / "b.weights").read_bytes()
    same = {key: torch.equal(tensor, other.state_dict()[key]) for key, tensor in network.state_dict().items()}
    assert all(good for key, good in same.items() if not key.endswith("num_batches_tracked"))


def test_newer_files_count_what_was_seen_in_eight_bytes(tmp_path: Path) -> None:
    network = built("tiny")
    write_darknet(network, tmp_path / "a.weights", Header(0, 2, 0, 1 << 40))
    assert read_darknet(network, tmp_path / "a.weights").seen == 1 << 40


@pytest.mark.parametrize("name", NETWORKS)
def test_the_cfg_says_what_the_network_is(name: str) -> None:
    kind, options = NETWORKS[name]
    with torch.device("meta"):
        full = {key: value for key, value in options.items() if key not in SMALL}
        network = create_model(kind, **full)
        text = write_cfg(network)
        found, read = network_of_cfg(text, "a.cfg")
        again = create_model(found, **read)
    assert found == kind and write_cfg(again) == text
    shapes = [[p.shape for p in one.parameters()] for one in (network, again)]
    assert shapes[0] == shapes[1]


def test_outputs_lie_by_kind() -> None:
    """darknet's `detection_layer.c`, its three index formulas written out."""
    grid, boxes, classes = 3, 2, 4
    order, numbers = output_order(grid, boxes, classes), 5 * boxes + classes
    for cell in range(grid * grid):
        for number in range(classes):
            assert order[cell * classes + number] == cell * numbers + 5 * boxes + number
        for box in range(boxes):
            confidence = grid * grid * classes + cell * boxes + box
            assert order[confidence] == cell * numbers + 5 * box + 4
            first = grid * grid * (classes + boxes) + (cell * boxes + box) * 4
            assert order[first : first + 4].tolist() == [cell * numbers + 5 * box + one for one in range(4)]


def test_convert_reads_them_by_the_cfg_beside(tmp_path: Path) -> None:
    with torch.device("meta"):
        network = create_model("yolo_v1_tiny", num_classes=1, grid=1, boxes=1, neck=1)
    text = write_cfg(network)
    torch.manual_seed(0)
    kind, options = network_of_cfg(text, "a.cfg")
    network = create_model(kind, **options)
    write_darknet(network, tmp_path / "a.weights")
    (tmp_path / "a.cfg").write_text(text)
    path, report, record = convert_file(str(tmp_path / "a.weights"), output=tmp_path / "a.safetensors")
    assert report.complete and record.model == "yolo_v1_tiny" and record.options["grid"] == 1
    again = create_model(record.model, **record.options)
    load_weights(again, path)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))


@pytest.mark.slow
def test_opencv_reads_the_same_maps(tmp_path: Path) -> None:
    """OpenCV's importer of darknet files knows convolution, normalisation, pooling, dense layers; not the detection."""
    cv2 = pytest.importorskip("cv2")
    network = built("tiny")
    text = write_cfg(network, 448)
    (tmp_path / "a.cfg").write_text(text[: text.index("[detection]")])
    write_darknet(network, tmp_path / "a.weights", Header(0, 2, 0, 0))
    theirs = cv2.dnn.readNetFromDarknet(str(tmp_path / "a.cfg"), str(tmp_path / "a.weights"))
    x = torch.rand(1, 3, 448, 448, generator=torch.Generator().manual_seed(3))
    theirs.setInput(x.numpy())
    found = torch.from_numpy(theirs.forward().reshape(-1))
    with torch.no_grad():
        ours = network(x).flatten()[output_order(7, 2, 20)]
    assert (found - ours).abs().max() <= 1e-4 * ours.abs().max()


def test_other_files_are_refused_with_the_offset(tmp_path: Path) -> None:
    network, path = built("tiny"), tmp_path / "a.weights"
    write_darknet(network, path)
    content = path.read_bytes()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    cases = {
        content[:-4]: rf"ends at offset {len(content) - 4}, but last\.weight needs [\d,]+ numbers from offset \d+ on",
        content + b"\0" * 8: rf"has 8 bytes behind offset {len(content)}, where this network's weights end",
        struct.pack("<iii", 0, 2, 0) + b"1234": "has 16 bytes, too few for a darknet file",
        content[:7]: "has 7 bytes, too few for a darknet file",
        b"PK\3\4" + content[4:]: r"is no darknet file: its version reads \d+\.1\.0 at offset 0",
        content[:16] + struct.pack("<f", float("nan")) + content[20:]: "holds NaN or infinity for .*, from offset 16",
    }
    for wrong, message in cases.items():
        path.write_bytes(wrong)
        with pytest.raises(InputError, match=message):
            read_darknet(network, path)
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())
    with pytest.raises(InputError, match="cannot be read"):
        read_darknet(network, tmp_path / "none.weights")


def test_other_cfg_files_are_refused_with_the_line() -> None:
    text = write_cfg(built("tiny"))
    with pytest.raises(InputError, match=r"a\.cfg, line 2: 'width' is neither a \[section\] nor key=value"):
        read_cfg("[net]\nwidth\n", "a.cfg")
    with pytest.raises(InputError, match=r"does not begin with \[net\]"):
        read_cfg("[maxpool]\n", "a.cfg")
    with pytest.raises(InputError, match=r"line \d+: \[region\] does not occur in YOLO's version 1"):
        network_of_cfg(text.replace("[detection]", "[region]"), "a.cfg")
    with pytest.raises(InputError, match=r"has no \[detection\]"):
        network_of_cfg(text[: text.index("[detection]")], "a.cfg")
    with pytest.raises(InputError, match=r"filters is 'many'; give a number"):
        network_of_cfg(text.replace("filters=2\n", "filters=many\n", 1), "a.cfg")
    with pytest.raises(InputError, match="sqrt is not 1"):
        network_of_cfg(text.replace("sqrt=1", "sqrt=0"), "a.cfg")
    with pytest.raises(InputError, match="no detector with a dense last layer"):
        write_cfg(create_model("resnet20"))
