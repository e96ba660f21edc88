"""Parts that a network is made of.

The catalogues name what a recipe may choose; everything else is imported from its own file.
"""

from __future__ import annotations

from neuropil.registry import Catalogue

__all__ = ["ACTIVATIONS", "CONVOLUTIONS", "INITIALIZATIONS", "LOSSES", "NORMALIZATIONS", "POOLINGS"]

ACTIVATIONS = Catalogue(
    "activation",
    {
        "relu": ("torch.nn:ReLU", "max(0, x): passes the gradient of every active unit undiminished"),
        "sigmoid": ("torch.nn:Sigmoid", "1 / (1 + exp(-x)): the chapter's LeNet, gates"),
        "tanh": ("torch.nn:Tanh", "the sigmoid's shape between -1 and 1: recurrent networks"),
        "scaled_tanh": ("neuropil.nn.activation:ScaledTanh", "1.7159 tanh(2x/3): the 1998 LeNet-5 paper"),
        "relu6": ("torch.nn:ReLU6", "min(max(0, x), 6): MobileNet, which computes with few bits"),
        "leaky_relu": ("neuropil.nn.activation:leaky_relu", "x above 0, x/10 below: YOLO"),
        "prelu": ("torch.nn:PReLU", "x above 0, a learned share of x below it"),
        "silu": ("torch.nn:SiLU", "x sigmoid(x), also called swish: EfficientNet"),
        "gelu": ("torch.nn:GELU", "x Phi(x), Phi being the normal distribution: BERT"),
        "gelu_tanh": ("neuropil.nn.activation:TanhGELU", "x Phi(x) with Phi by a tanh: GPT-2"),
        "hard_sigmoid": ("neuropil.nn.activation:HardSigmoid", "relu6(x + 3) / 6: the sigmoid in straight pieces"),
        "hard_swish": ("torch.nn:Hardswish", "x relu6(x + 3) / 6: MobileNetV3"),
        "softmax": ("neuropil.nn.activation:Softmax", "probabilities that add up to one: after the last layer only"),
    },
)

CONVOLUTIONS = Catalogue(
    "convolution",
    {
        "ordinary": (
            "neuropil.nn.convolution:Convolution2d",
            "all channels in each window; dilated, grouped, depthwise by options",
        ),
        "pointwise": ("neuropil.nn.convolution:PointwiseConvolution2d", "1x1: the channels of each place mixed"),
        "transposed": ("neuropil.nn.transposed:TransposedConvolution2d", "deconvolution: the output is larger"),
        "depthwise_separable": (
            "neuropil.nn.separable:DepthwiseSeparableConvolution2d",
            "each channel alone, then 1x1: MobileNet",
        ),
        "spatially_separable": ("neuropil.nn.separable:SpatiallySeparableConvolution2d", "k x 1, then 1 x k"),
        "flattened": ("neuropil.nn.separable:FlattenedConvolution2d", "over the channels, down, across"),
        "shuffled_grouped": (
            "neuropil.nn.shuffled:ShuffledGroupedConvolution2d",
            "in groups, whose maps are then dealt out: ShuffleNet",
        ),
        "ordinary_1d": ("neuropil.nn.convolution:Convolution1d", "ordinary, along one axis"),
        "pointwise_1d": ("neuropil.nn.convolution:PointwiseConvolution1d", "pointwise, along one axis"),
        "transposed_1d": ("neuropil.nn.transposed:TransposedConvolution1d", "transposed, along one axis"),
        "depthwise_separable_1d": (
            "neuropil.nn.separable:DepthwiseSeparableConvolution1d",
            "depthwise separable, along one axis",
        ),
        "shuffled_grouped_1d": (
            "neuropil.nn.shuffled:ShuffledGroupedConvolution1d",
            "shuffled in groups, along one axis",
        ),
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
        "truncated_normal": (
            "neuropil.nn.initialization:truncated_normal",
            "N(0, 0.02^2), cut at two deviations: BERT and its kin",
        ),
        "orthogonal": ("neuropil.nn.initialization:orthogonal", "rows or columns at right angles: recurrent networks"),
        "delta_orthogonal": (
            "neuropil.nn.initialization:delta_orthogonal",
            "orthogonal at a kernel's centre, 0 elsewhere: very deep plain CNNs",
        ),
    },
)

NORMALIZATIONS = Catalogue(
    "normalization",
    {
        "batch": ("neuropil.nn.normalization:BatchNormalization", "each channel over the mini-batch: the chapter's"),
        "local_response": (
            "neuropil.nn.normalization:LocalResponseNormalization",
            "each value by the channels around it: AlexNet's Norm",
        ),
        "layer": ("torch.nn:LayerNorm", "each vector by its own mean and deviation: the Transformer"),
        "group": ("torch.nn:GroupNorm", "each sample's channels by groups: small batches"),
        "rms": ("torch.nn:RMSNorm", "each vector by its root mean square: newer language models"),
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
