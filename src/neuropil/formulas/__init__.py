"""Each formula of the chapter once, in NumPy float64: the specification as code, the oracle of every fast version.

Slips in the chapter are corrected here and named in the docstring. `SCOPE` rows stand in the descriptions.
"""

from __future__ import annotations

from neuropil.registry import Catalogue

__all__ = ["FORMULAS"]

_ROOM = "neuropil.formulas"

FORMULAS = Catalogue(
    "formula",
    {
        "relu": (f"{_ROOM}.activation:relu", "row 2: max(0, x)"),
        "sigmoid": (f"{_ROOM}.activation:sigmoid", "row 3: 1 / (1 + exp(-x))"),
        "tanh": (f"{_ROOM}.activation:tanh", "row 4: (exp(x) - exp(-x)) / (exp(x) + exp(-x))"),
        "scaled_tanh": (f"{_ROOM}.activation:scaled_tanh", "row 3: 1.7159 tanh(2x/3)"),
        "softmax": (f"{_ROOM}.activation:softmax", "row 5: exp(x_k) / sum_j exp(x_j)"),
        "small_random": (f"{_ROOM}.initialization:small_random", "row 7: N(0, 0.01^2)"),
        "uniform": (f"{_ROOM}.initialization:uniform", "row 8: U(+-sqrt(6 / (n_i + n_{i+1})))"),
        "xavier": (f"{_ROOM}.initialization:xavier", "row 9: N(0, 1) / sqrt(n_i)"),
        "he": (f"{_ROOM}.initialization:he", "row 10: N(0, 1) / sqrt(n_i / 2)"),
        "ridge": (f"{_ROOM}.losses:ridge", "row 13: lambda x sum of squared weights"),
        "lasso": (f"{_ROOM}.losses:lasso", "row 14: lambda x sum of absolute weights"),
        "dropout": (f"{_ROOM}.dropout:dropout", "row 15: a share of the nodes left out"),
        "gradient_descent": (f"{_ROOM}.descent:gradient_descent", "row 20: w - eta dE/dw"),
        "updates": (f"{_ROOM}.descent:updates", "rows 16-19: stochastic, mini-batch and batch update"),
        "max_pooling": (f"{_ROOM}.pooling:max_pooling", "row 52: the largest of each K x L block"),
        "windows": (f"{_ROOM}.pooling:windows", "rows 49-51: what each place of a pooling sees"),
        "average_pooling": (f"{_ROOM}.pooling:average_pooling", "row 50: the mean of each window"),
        "stochastic_pooling": (f"{_ROOM}.pooling:stochastic_pooling", "row 51: a_l, l drawn by a_i / sum a"),
        "stochastic_pooling_inference": (
            f"{_ROOM}.pooling:stochastic_pooling_inference",
            "row 51: sum p_i a_i, p_i = a_i / sum a",
        ),
        "global_average_pooling": (f"{_ROOM}.pooling:global_average_pooling", "row 50 for whole maps"),
        "global_max_pooling": (f"{_ROOM}.pooling:global_max_pooling", "row 49 for whole maps"),
        "subsampling": (f"{_ROOM}.pooling:subsampling", "row 57: weight x (sum of a 2x2 block) + bias"),
        "batch_normalization": (f"{_ROOM}.normalization:batch_normalization", "row 21: gamma (x - mu) / sigma + beta"),
        "batch_normalization_inference": (
            f"{_ROOM}.normalization:batch_normalization_inference",
            "rows 23, 24: the same with stored mu and sigma",
        ),
        "stored_average": (f"{_ROOM}.normalization:stored_average", "row 23: inference A, the mini-batches' average"),
        "moving_average": (f"{_ROOM}.normalization:moving_average", "row 24: inference B, alpha mu + (1 - alpha) mu_B"),
        "local_response_normalization": (
            f"{_ROOM}.normalization:local_response_normalization",
            "row 59: x_c / (k + alpha sum x_j^2)^beta",
        ),
        "layer_normalization": (f"{_ROOM}.normalization:layer_normalization", "row 116: by a vector's mean, deviation"),
        "group_normalization": (f"{_ROOM}.normalization:group_normalization", "row 21 for groups of channels"),
        "rms_normalization": (f"{_ROOM}.normalization:rms_normalization", "row 116 by a vector's root mean square"),
        "cross_entropy": (f"{_ROOM}.losses:cross_entropy", "row 101: -sum_i y'_i log y_i"),
        "squared_error": (f"{_ROOM}.losses:squared_error", "row 102: (1/K) sum_i (y'_i - y_i)^2"),
    },
)
