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
        "momentum": (f"{_ROOM}.rules:momentum", "row 25: alpha Delta + eta g"),
        "nag": (f"{_ROOM}.rules:nag", "row 26: the gradient at w - alpha Delta"),
        "adagrad": (f"{_ROOM}.rules:adagrad", "row 27: eta / sqrt(G + eps) g"),
        "adadelta": (f"{_ROOM}.rules:adadelta", "row 28: sqrt(s + eps) / sqrt(v + eps) g"),
        "rmsprop": (f"{_ROOM}.rules:rmsprop", "rows 29, 107: g over the root of its recent squares"),
        "adam": (f"{_ROOM}.rules:adam", "row 30: first over root of second moment, both corrected"),
        "adamax": (f"{_ROOM}.rules:adamax", "row 31: max(beta2 u, |g|) in place of the root"),
        "adamw": (f"{_ROOM}.rules:adamw", "row 32: decay apart from the gradient, instead of L2"),
        "derivatives": (f"{_ROOM}.automatic_differentiation:derivatives", "row 33: chain rule over known derivatives"),
        "rnn_step": (f"{_ROOM}.recurrent:rnn_step", "rows 91, 98: tanh(x U + h W + b)"),
        "jordan_step": (f"{_ROOM}.recurrent:jordan_step", "row 93: the output is fed back"),
        "lstm_step": (f"{_ROOM}.recurrent:lstm_step", "row 112: i, a, f, c, o, h, with the output's peephole"),
        "gru_step": (f"{_ROOM}.recurrent:gru_step", "row 114: reset, update, candidate"),
        "objective": (f"{_ROOM}.recurrent:objective", "rows 100, 103: sum or mean of E_t"),
        "gradient_term": (f"{_ROOM}.recurrent:gradient_term", "row 104: step k's share in dE_t/dW"),
        "matrix_power": (f"{_ROOM}.recurrent_gradients:matrix_power", "row 105: Q diag(lambda^t) Q^-1"),
        "spectral_radius": (f"{_ROOM}.recurrent_gradients:spectral_radius", "row 105: max |lambda|"),
        "regime": (f"{_ROOM}.recurrent_gradients:regime", "row 105: below 1 vanishes, above 1 explodes"),
        "truncated_window": (f"{_ROOM}.recurrent_gradients:truncated_window", "row 108: the last steps alone"),
        "clip_by_norm": (f"{_ROOM}.recurrent_gradients:clip_by_norm", "row 109: theta g / ||g|| where ||g|| > theta"),
        "cross_correlation": (
            f"{_ROOM}.convolution:cross_correlation",
            "rows 35-43, 47: a weighted sum over each window",
        ),
        "convolution": (f"{_ROOM}.convolution:convolution", "row 36: the same with the kernel turned round"),
        "transposed_convolution": (
            f"{_ROOM}.convolution:transposed_convolution",
            "row 42: every input lays the kernel over the output",
        ),
        "same_padding": (f"{_ROOM}.convolution:same_padding", "row 38: d (k - 1) / 2 on both sides"),
        "same_padding_tensorflow": (
            f"{_ROOM}.convolution:same_padding_tensorflow",
            "row 38: to ceil(n / s) outputs, an odd zero after",
        ),
        "depthwise_separable_convolution": (
            f"{_ROOM}.convolution:depthwise_separable_convolution",
            "rows 44, 74: each channel alone, then 1x1",
        ),
        "spatially_separable_convolution": (
            f"{_ROOM}.convolution:spatially_separable_convolution",
            "row 45: k x 1, then 1 x k",
        ),
        "separate": (f"{_ROOM}.convolution:separate", "row 45: column and row nearest to a kernel, and what is left"),
        "flattened_convolution": (f"{_ROOM}.convolution:flattened_convolution", "row 46: over channels, down, across"),
        "channel_shuffle": (f"{_ROOM}.convolution:channel_shuffle", "rows 48, 76: the groups' channels dealt out"),
        "center_crop": (f"{_ROOM}.convolution:center_crop", "row 88: U-Net keeps the middle"),
        "local_convolution": (f"{_ROOM}.convolution:local_convolution", "row 82: a kernel of its own at each place"),
        "cell_of": (f"{_ROOM}.detection:cell_of", "row 83: the cell of a box's centre"),
        "iou": (f"{_ROOM}.detection:iou", "row 85: intersection over union"),
        "suppressed": (f"{_ROOM}.detection:suppressed", "row 86: non-maximum suppression"),
        "cell_loss": (f"{_ROOM}.detection:cell_loss", "rows 84, 87: YOLO's loss of one cell"),
        "output_size": (f"{_ROOM}.costs:output_size", "rows 37-39: (n + p - d (k - 1) - 1) // s + 1"),
        "receptive_field": (f"{_ROOM}.costs:receptive_field", "row 56: cells that one output sees"),
        "stack_weights": (f"{_ROOM}.costs:stack_weights", "row 62: layers k^2 C^2, 27 against 49"),
        "standard_cost": (f"{_ROOM}.costs:standard_cost", "row 75: D_K^2 M N D_F^2"),
        "separable_cost": (f"{_ROOM}.costs:separable_cost", "row 75: D_K^2 M D_F^2 + M N D_F^2"),
        "separable_share": (f"{_ROOM}.costs:separable_share", "row 75: 1 / N + 1 / D_K^2"),
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
        "squeeze": (f"{_ROOM}.squeeze_excitation:squeeze", "row 72: the mean of each map"),
        "excitation": (f"{_ROOM}.squeeze_excitation:excitation", "row 73: s_c x_c, s = sigmoid(W_2 relu(W_1 z))"),
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
