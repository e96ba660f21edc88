"""Weights of ONNX graphs and Keras files in our networks: the same outputs as the program that wrote them."""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from neuropil.errors import InputError
from neuropil.models import create_model
from neuropil.transfer.exporting import export_network
from neuropil.transfer.loading import ORDER, load_weights

os.environ.setdefault("KERAS_BACKEND", "torch")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras beside NumPy 2

LINE = "Conv6@3 - BN - ReLU - Pool2 - DWConv@3 - ReLU - Conv5@3 - ReLU - FC7 - ReLU - FC(SM)"


def ours(line: str = LINE, **options: Any) -> nn.Module:
    return create_model("line", line=line, in_shape=(3, 14, 18), num_classes=4, **options)


@pytest.fixture(scope="module")
def keras() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("keras")


def shaken(model: Any) -> Any:
    """Running means and variances that are not 0 and 1."""
    draw = np.random.default_rng(0)
    model.set_weights([one + draw.uniform(0.1, 0.5, one.shape).astype(np.float32) for one in model.get_weights()])
    return model


def twin(keras: Any) -> Any:
    """`LINE` as Keras has it: channels last, its own epsilon, and the row of maps in another order."""
    layers = keras.layers
    return shaken(
        keras.Sequential(
            [
                keras.Input((14, 18, 3)),
                layers.Conv2D(6, 3, use_bias=False, name="the_first"),
                layers.BatchNormalization(epsilon=0.02),
                layers.ReLU(),
                layers.MaxPooling2D(2),
                layers.DepthwiseConv2D(3),
                layers.ReLU(),
                layers.Conv2D(5, 3),
                layers.ReLU(),
                layers.Flatten(),
                layers.Dense(7, activation="relu"),
                layers.Dense(4),
            ]
        )
    )


def check(network: nn.Module, model: Any, size: tuple[int, int], tolerance: float = 1e-5) -> None:
    x = np.random.default_rng(1).normal(size=(2, *size, 3)).astype(np.float32)
    expected = np.asarray(model(x, training=False).detach())
    with torch.no_grad():
        found = network.eval()(torch.from_numpy(x.transpose(0, 3, 1, 2))).numpy()
    assert np.abs(found - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_keras_models(keras: Any, tmp_path: Path, suffix: str) -> None:
    model, path = twin(keras), tmp_path / f"model{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    network = ours()
    report = load_weights(network, path)
    assert report.complete and report.table == ORDER
    check(network, model, (14, 18))


def test_keras_weights_alone_have_kerass_epsilon(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    model = shaken(keras.Sequential([keras.Input((14, 18, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(),
                                     layers.GlobalAveragePooling2D()]))  # fmt: skip
    model.save_weights(tmp_path / "a.weights.h5")
    network = create_model("line", line="Conv4@3b1 - BN - GAP", in_shape=(3, 14, 18))
    load_weights(network, tmp_path / "a.weights.h5")
    check(network, model, (14, 18))


def test_keras_mobilenet(keras: Any, tmp_path: Path) -> None:
    """Its classifier is a 1x1 convolution, its padding TensorFlow's."""
    model = keras.applications.MobileNet(input_shape=(64, 64, 3), alpha=0.25, weights=None, classes=5, dropout=0.0,
                                         classifier_activation=None)  # fmt: skip
    model.save(tmp_path / "mobile.keras")
    network = create_model("mobilenet_v1", width=0.25, padding="same_tensorflow", activation="relu6", num_classes=5)
    assert load_weights(network, tmp_path / "mobile.keras").complete
    check(network, model, (64, 64))


@pytest.mark.slow
def test_keras_densenet(keras: Any, tmp_path: Path) -> None:
    """121 layers in the order of ours; its last epsilon and paddings are torch's too."""
    model = keras.applications.DenseNet121(input_shape=(64, 64, 3), weights=None, classes=5,
                                           classifier_activation=None)  # fmt: skip
    model.save(tmp_path / "dense.keras")
    network = create_model("densenet121", num_classes=5)
    assert load_weights(network, tmp_path / "dense.keras").complete
    check(network, model, (64, 64), 1e-4)


GRAPHS = [
    pytest.param("bvlc_alexnet", "alexnet", {"form": "bvlc"}, 227, marks=pytest.mark.proof),
    pytest.param("vgg19", "vgg19", {}, 224, marks=pytest.mark.proof),
    ("inception_v1", "googlenet", {"auxiliary": False}, 221),
    ("resnet50", "resnet50", {}, 224),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "model", "options", "side"), GRAPHS)
def test_the_graphs_of_the_onnx_package(
    tmp_path: Path, name: str, model: str, options: dict[str, Any], side: int
) -> None:
    from models.foreign_graphs import ForeignGraph

    graph = ForeignGraph(name)
    path = tmp_path / "graph.onnx"
    path.write_bytes(graph.model.SerializeToString())
    with torch.device("meta"):
        network = create_model(model, **options)
    network = network.to_empty(device="cpu").eval()
    assert load_weights(network, path).table == ORDER
    x = np.random.default_rng(1).normal(size=(1, 3, side, side)).astype(np.float32)
    expected = graph.outputs(x, graph.before_softmax())
    with torch.no_grad():
        found = network(torch.from_numpy(x)).numpy()
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v1"])
def test_what_an_exporter_folded_is_unfolded(tmp_path: Path, name: str) -> None:
    """torch's exporter puts batch normalization into the convolutions; the network gets its function back."""
    options: dict[str, Any] = {"width": 4} if name == "resnet20" else {"width": 0.25}
    network = create_model(name, num_classes=3, **options)
    network.train()(torch.randn(8, 3, 32, 32))
    network.eval()
    export_network(network, (3, 32, 32), tmp_path / "n.onnx")
    again = create_model(name, num_classes=3, **options).eval()
    load_weights(again, tmp_path / "n.onnx")
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = network(x)
        torch.testing.assert_close(again(x), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def test_the_first_mismatch_is_named(keras: Any, tmp_path: Path) -> None:
    twin(keras).save(tmp_path / "m.keras")
    with pytest.raises(InputError, match=r"its fully connected layer number 1, .*7x.*needs 8x"):
        load_weights(ours(LINE.replace("FC7", "FC8")), tmp_path / "m.keras")
    with pytest.raises(InputError, match=r"has 2 layers of the kind fully connected layer, the network 3"):
        load_weights(ours(LINE.replace("FC7", "FC7 - FC7")), tmp_path / "m.keras")


@pytest.mark.parametrize("suffix", [".onnx", ".h5", ".keras"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 broken zip", b"\x89HDF\r\n\x1a\n"])
def test_a_damaged_file_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read|holds no layer"):
        load_weights(ours(), path)


def test_an_archive_without_weights_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("config.json", "{}")
    (tmp_path / "m.keras").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match="cannot be read"):
        load_weights(ours(), tmp_path / "m.keras")


def test_an_array_that_claims_more_than_it_stores_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        group = file.create_group("layers/dense/vars")
        group.create_dataset("0", (10**7, 10**7), chunks=(64, 64), dtype="f4")
    with pytest.raises(InputError, match="claims 400,000,000,000,000 bytes and stores hardly any"):
        load_weights(ours(), tmp_path / "bomb.h5")


def test_an_array_of_another_file_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.zeros((3, 3), np.float32)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file.create_group("layers/dense/vars")["0"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "x")
    with pytest.raises(InputError, match="lies in another file"):
        load_weights(ours(), tmp_path / "link.h5")


def test_layers_that_read_no_maps(keras: Any, tmp_path: Path) -> None:
    """A row of numbers, and the means of maps, come in one order only."""
    layers = keras.layers
    flat = keras.Sequential([keras.Input((6,)), layers.Dense(4, activation="relu"), layers.Dense(3)])
    flat.save(tmp_path / "flat.keras")
    network = create_model("perceptron", in_features=6, hidden=(4,), num_classes=3)
    load_weights(network, tmp_path / "flat.keras")
    x = np.random.default_rng(1).normal(size=(2, 6)).astype(np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(network(torch.from_numpy(x)), flat(x).detach(), rtol=1e-5, atol=1e-6)
    model = shaken(keras.Sequential([keras.Input((14, 18, 3)), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(),
                                     layers.Dense(4)]))  # fmt: skip
    model.save(tmp_path / "means.keras")
    means = create_model("line", line="Conv4@3 - GAP - FC4", in_shape=(3, 14, 18))
    load_weights(means, tmp_path / "means.keras")
    check(means, model, (14, 18))


def test_a_group_of_another_file_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file.create_group("layers/dense/vars")["0"] = np.zeros((3, 3), np.float32)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["layers"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "layers")
    with pytest.raises(InputError, match="lies in another file"):
        load_weights(ours(), tmp_path / "link.h5")
