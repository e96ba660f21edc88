"""Every claim of the chapter about what something costs, tried: formula beside measurement."""

from __future__ import annotations

from neuropil.registry import Catalogue

__all__ = ["CLAIMS"]

_ROOM = "neuropil.costs"

CLAIMS = Catalogue(
    "claim",
    {
        "updates": (f"{_ROOM}.training:updates", "rows 16, 17, 18, 19: updates of an epoch, by the size of the batch"),
        "rules": (
            f"{_ROOM}.training:rules",
            "rows 20, 25, 26, 27, 28, 29, 30, 31, 32: what the nine update rules remember",
        ),
        "dense": (f"{_ROOM}.maps:dense", "row 34: a convolution against a fully connected layer"),
        "dilated": (f"{_ROOM}.maps:dilated", "row 43: dilated kernels see more with as many weights"),
        "come-apart": (f"{_ROOM}.kernels:come_apart", "rows 45, 46: k×k as k×1 and 1×k, and flattened"),
        "groups": (f"{_ROOM}.kernels:grouped", "rows 47, 48: grouped and shuffled grouped convolution"),
        "pooling": (f"{_ROOM}.maps:pooled", "rows 49, 50: pooling spares what comes behind"),
        "lenet": (f"{_ROOM}.by_layer:lenet", "row 57: LeNet-5 by layer"),
        "alexnet": (f"{_ROOM}.by_layer:alexnet", "rows 55, 58: weights and memory of AlexNet by layer"),
        "vgg": (f"{_ROOM}.by_layer:vgg", "row 61: weights and memory of VGG-16 by layer"),
        "stacks": (f"{_ROOM}.kernels:stacks", "rows 56, 62: 27 weights of three 3×3 against 49 of a 7×7"),
        "one-by-one": (f"{_ROOM}.networks:one_by_one", "rows 41, 64: 1×1 convolutions before the costly ones"),
        "googlenet": (f"{_ROOM}.networks:googlenet", "rows 63, 66: GoogLeNet against AlexNet and VGG"),
        "auxiliary": (f"{_ROOM}.networks:auxiliary", "row 65: what the auxiliary classifiers add"),
        "separable": (
            f"{_ROOM}.kernels:separable",
            "rows 44, 74, 75: depthwise separable against standard convolution",
        ),
        "mobilenet": (f"{_ROOM}.networks:mobilenet", "row 74: MobileNet against the same with standard convolutions"),
        "shufflenet": (f"{_ROOM}.networks:shufflenet", "row 76: ShuffleNet's unit against the residual one"),
        "phones": (f"{_ROOM}.networks:phones", "rows 74, 76, 77: networks for phones beside the large ones"),
        "searches": (f"{_ROOM}.training:searches", "rows 78, 79, 80, 81: trials of grid, greedy and random search"),
        "transfer": (f"{_ROOM}.networks:transfer", "rows 89, 90: weights and time of a new classifier on old features"),
        "shared-weights": (f"{_ROOM}.recurrent:shared_weights", "rows 91, 99: the same weights at every step of time"),
        "bptt": (
            f"{_ROOM}.recurrent:bptt",
            "rows 99, 108: memory of backpropagation through time, whole and truncated",
        ),
        "gates": (
            f"{_ROOM}.recurrent:gates",
            "rows 91, 112, 114, 115: plain network, GRU and LSTM: a quarter, three quarters",
        ),
        "attention": (
            f"{_ROOM}.attention:attention",
            "rows 116, 117: attention against recurrence, by the length of the text",
        ),
        "transformer": (f"{_ROOM}.attention:transformer", "row 116: the Transformer's weights"),
        "bert": (f"{_ROOM}.attention:bert", "rows 118, 121: BERT's weights, its vectors, and the one layer on it"),
        "gpt": (f"{_ROOM}.attention:gpt", "row 122: GPT's weights and its vectors"),
    },
)
"""In the chapter's order."""
