"""What networks of sequences cost. Source: chapter, "GRU" (row 115), "BPTT", "Transformer", "BERT", "GPT"."""

from __future__ import annotations

__all__ = [
    "attention_cost", "attention_steps", "bert_weights", "bptt_bytes", "gpt_weights", "recurrent_cost",
    "recurrent_weights", "transformer_block_weights", "transformer_weights",
]  # fmt: skip


def recurrent_weights(D: int, H: int, gates: int = 1, biases: int = 1, peephole: bool = False) -> int:
    """Weights of a recurrent layer: `g (D H + H^2 + b H)`, where g is 1 plain, 3 GRU (row 114), 4 LSTM (row 112).

    Args:
        D: width of the input.
        H: width of the state.
        gates: products of the same kind side by side.
        biases: of each; the chapter has one, torch's layers two.
        peephole: one more weight a unit, for what the output gate sees of the cell (row 112).

    Example:
        >>> recurrent_weights(3, 5, 3) / recurrent_weights(3, 5, 4)  # row 115, exactly
        0.75
    """
    return gates * (D * H + H * H + biases * H) + peephole * H


def recurrent_cost(T: int, D: int, H: int, gates: int = 1) -> int:
    """Multiply-adds of a recurrent layer over T steps (rows 99, 116): `T g (D H + H^2)`; all T steps share the weights.

    Example:
        >>> recurrent_cost(10, 64, 64)
        81920
    """
    return T * gates * (D * H + H * H)


def bptt_bytes(T: int, N: int, D: int, H: int, number: int = 4) -> int:
    """Bytes that backpropagation through T steps of the plain network keeps (rows 99, 108): `4 N (T (D + H) + H)`.

    Inputs and states of all steps, and the state before the first. Truncated, T is the window.

    Example:
        >>> bptt_bytes(100, 1, 8, 8), bptt_bytes(10, 1, 8, 8)
        (6432, 672)
    """
    return number * N * (T * (D + H) + H)


def attention_cost(T: int, D: int) -> int:
    """Multiply-adds of self-attention (rows 116, 117): `4 T D^2 + 2 T^2 D`. Source: Vaswani et al. 2017, table 1.

    Four matrices at each place, and each place held against each.

    Example:
        >>> attention_cost(10, 64), attention_cost(1000, 64)
        (176640, 144384000)
    """
    return 4 * T * D * D + 2 * T * T * D


def attention_steps(T: int, recurrent: bool = False) -> int:
    """Products that must wait for one another (row 116): T of a recurrent network, four of attention at any length.

    Source: Vaswani et al. 2017, table 1, "sequential operations": O(n) and O(1).

    Example:
        >>> attention_steps(100), attention_steps(100, recurrent=True)
        (4, 100)
    """
    return T if recurrent else 4


def transformer_block_weights(D: int, hidden: int | None = None) -> int:
    """Weights of a block of attention and a feed-forward layer (row 116): `12 D^2 + 13 D` where that is 4 D wide.

    Four matrices of attention, two of `D x hidden`, their biases, and two normalizations.

    Example:
        >>> transformer_block_weights(768)
        7087872
    """
    wide = 4 * D if hidden is None else hidden
    return 4 * (D * D + D) + (D * wide + wide) + (wide * D + D) + 4 * D


def transformer_weights(num_tokens: int, num_layers: int, D: int) -> int:
    """Weights of the Transformer with one vocabulary (row 116): as many blocks that read as that write, one table.

    A block that writes looks twice, which adds `4 (D^2 + D) + 2 D`; each token has one more weight where it is written.

    Example:
        >>> transformer_weights(37000, 6, 512), transformer_weights(37000, 6, 1024)  # printed: 65 and 213 million
        (63119496, 214282376)
    """
    block = transformer_block_weights(D)
    return num_layers * (2 * block + 4 * (D * D + D) + 2 * D) + num_tokens * (D + 1)


def bert_weights(num_tokens: int, num_layers: int, D: int, context: int = 512, num_segments: int = 2) -> int:
    """Weights of BERT with its pooler (row 118): three tables of vectors, a normalization, the blocks, one layer.

    Example:
        >>> bert_weights(30522, 12, 768), bert_weights(30522, 24, 1024)  # "110 M" and "340 M"
        (109482240, 335141888)
    """
    vectors = (num_tokens + context + num_segments) * D + 2 * D
    return vectors + num_layers * transformer_block_weights(D) + D * D + D


def gpt_weights(num_tokens: int, num_layers: int, D: int, context: int, last_norm: bool = True) -> int:
    """Weights of GPT (row 122): two tables of vectors, the blocks, and from GPT-2 on a normalization at the end.

    The first table is used again to write, so that it counts once.

    Example:
        >>> gpt_weights(40478, 12, 768, 512, last_norm=False), gpt_weights(50257, 48, 1600, 1024)
        (116534784, 1557611200)
    """
    return (num_tokens + context) * D + num_layers * transformer_block_weights(D) + last_norm * 2 * D
