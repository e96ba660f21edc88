"""Parts that a network is made of.

The catalogues name what a recipe may choose; everything else is imported from its own file.
"""

from __future__ import annotations

from neuropil.registry import Catalogue

__all__ = ["ACTIVATIONS", "INITIALIZATIONS", "LOSSES", "POOLINGS"]

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

POOLINGS = Catalogue(
    "pooling",
    {
        "max": ("neuropil.nn.pooling:MaxPooling", "the largest value of each window"),
        "average": ("neuropil.nn.pooling:AveragePooling", "the mean of each window"),
        "stochastic": (
            "neuropil.nn.stochastic_pooling:StochasticPooling",
            "a value of each window, drawn in proportion to its size; their weighted mean at inference",
        ),
        "trainable_subsampling": (
            "neuropil.nn.pooling:TrainableSubsampling",
            "weight x (sum of a block) + bias, learned for each map: LeNet",
        ),
        "global_average": ("neuropil.nn.pooling:GlobalAveragePooling", "the mean of each map"),
        "global_max": ("neuropil.nn.pooling:GlobalMaxPooling", "the largest value of each map"),
        "adaptive_average_1d": ("torch.nn:AdaptiveAvgPool1d", "means of as many windows as asked for, along one axis"),
        "adaptive_average_2d": ("torch.nn:AdaptiveAvgPool2d", "means of as many windows as asked for, along two axes"),
        "adaptive_max_1d": ("torch.nn:AdaptiveMaxPool1d", "the largest of as many windows as asked for, one axis"),
        "adaptive_max_2d": ("torch.nn:AdaptiveMaxPool2d", "the largest of as many windows as asked for, two axes"),
    },
)

LOSSES = Catalogue(
    "loss",
    {
        "cross_entropy": ("neuropil.nn.losses:cross_entropy", "-sum of target x log softmax: classes"),
        "squared_error": ("neuropil.nn.losses:squared_error", "mean of squared differences: values"),
    },
)
