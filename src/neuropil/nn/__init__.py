"""Parts that a network is made of.

The catalogues name what a recipe may choose; everything else is imported from its own file.
"""

from __future__ import annotations

from neuropil.registry import Catalogue

__all__ = ["ACTIVATIONS", "INITIALIZATIONS", "LOSSES"]

ACTIVATIONS = Catalogue(
    "activation",
    {
        "relu": ("torch.nn:ReLU", "max(0, x): passes the gradient of every active unit undiminished"),
        "sigmoid": ("torch.nn:Sigmoid", "1 / (1 + exp(-x)): the chapter's LeNet, gates"),
        "tanh": ("torch.nn:Tanh", "the sigmoid's shape between -1 and 1: recurrent networks"),
        "scaled_tanh": ("neuropil.nn.activation:ScaledTanh", "1.7159 tanh(2x/3): the 1998 LeNet-5 paper"),
        "softmax": ("neuropil.nn.activation:Softmax", "probabilities that add up to one: after the last layer only"),
    },
)

INITIALIZATIONS = Catalogue(
    "initialization",
    {
        "small_random": ("neuropil.nn.initialization:small_random", "N(0, 0.01^2): values near zero"),
        "uniform": ("neuropil.nn.initialization:uniform", "U(+-sqrt(6 / (n_in + n_out))): Glorot's uniform"),
        "xavier": ("neuropil.nn.initialization:xavier", "N(0, 1) / sqrt(n_in): the chapter's form"),
        "glorot_normal": ("neuropil.nn.initialization:glorot_normal", "N(0, 2 / (n_in + n_out)): the paper's Xavier"),
        "he": ("neuropil.nn.initialization:he", "N(0, 1) / sqrt(n_in / 2): for ReLU"),
        "he_truncated": ("neuropil.nn.initialization:he_truncated", "he, cut at two deviations: Keras' HeNormal"),
        "lenet": ("neuropil.nn.initialization:lenet", "U(+-2.4 / n_in): the 1998 LeNet-5 paper"),
    },
)

LOSSES = Catalogue(
    "loss",
    {
        "cross_entropy": ("neuropil.nn.losses:cross_entropy", "-sum of target x log softmax: classes"),
        "squared_error": ("neuropil.nn.losses:squared_error", "mean of squared differences: values"),
    },
)
