"""Published tables as lines: the counts of their sources, and the outputs of torchvision's and Keras' networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.published_lines import PUBLISHED
from neuropil.models.line_network import LineNetwork


def build(name: str) -> LineNetwork:
    table = PUBLISHED[name]
    return LineNetwork(line=table.line, in_shape=table.in_shape)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_count_of_weights_is_the_published_one(name: str) -> None:
    with torch.device("meta"):
        network = build(name)
        again = LineNetwork(line=network.line, in_shape=network.in_shape)
    assert sum(p.numel() for p in network.parameters()) == PUBLISHED[name].weights
    assert again.line == network.line


TWINS = {"torchvision_alexnet": "alexnet", "vgg11": "vgg11", "vgg13": "vgg13", "vgg19": "vgg19", "vgg16_bn": "vgg16_bn"}


@pytest.mark.proof
@pytest.mark.parametrize("name", TWINS)
def test_the_outputs_are_torchvisions(name: str) -> None:
    torchvision = pytest.importorskip("oracle_shim").torchvision
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        theirs, x = getattr(torchvision.models, TWINS[name])().eval(), torch.randn(1, 3, 224, 224)
        with torch.device("meta"):
            ours = build(name).eval()
        state = dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True))
        ours.load_state_dict(state, assign=True)
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras beside NumPy 2
def test_mobilenets_outputs_are_keras() -> None:
    """Keras pads as TensorFlow does and normalizes with eps 0.001: both are said, and nothing else differs."""
    keras = pytest.importorskip("keras")
    theirs = keras.applications.MobileNet(weights=None, input_shape=(64, 64, 3), classifier_activation=None)
    assert sum(int(np.prod(w.shape)) for w in theirs.trainable_weights) == PUBLISHED["mobilenet_v1"].weights
    line = PUBLISHED["mobilenet_v1"].line.replace("s2p1", "s2p=same_tensorflow")
    ours = LineNetwork(line=line, in_shape=(3, 64, 64)).eval()
    weights = [np.asarray(w) for w in theirs.get_weights()]
    with torch.no_grad():
        for module in ours.modules():
            if isinstance(module, torch.nn.Conv2d):
                kernel = torch.from_numpy(weights.pop(0))
                turned = kernel.permute(2, 3, 0, 1) if module.groups > 1 else kernel.permute(3, 2, 0, 1)
                module.weight.copy_(turned)
            elif isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.eps = 1e-3
                for part in (module.weight, module.bias, module.running_mean, module.running_var):
                    part.copy_(torch.from_numpy(weights.pop(0)))
            elif isinstance(module, torch.nn.Linear):  # Keras' last layer is a 1x1 convolution
                module.weight.copy_(torch.from_numpy(weights.pop(0)).reshape(1024, 1000).T)
                module.bias.copy_(torch.from_numpy(weights.pop(0)))
        assert not weights
        x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        expected = torch.tensor(np.asarray(theirs(x.permute(0, 2, 3, 1).numpy()).detach()))
        torch.testing.assert_close(ours(x), expected.reshape(2, 1000), rtol=1e-4, atol=1e-5)
