"""Order and draws: Philox against its published test vectors, uniformity, and independence of what was asked before."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from neuropil.data.order import BLOCK, permutation, stream_number, uniforms
from neuropil.errors import InputError

MASK = 2**64 - 1


def philox4x64_10(counter: list[int], key: list[int]) -> list[int]:
    """The generator as its paper writes it (Salmon et al. 2011, section 3.3), in Python's whole numbers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        first, second = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [(second >> 64) ^ c[1] ^ k[0], second & MASK, (first >> 64) ^ c[3] ^ k[1], first & MASK]
        k = [(k[0] + 0x9E3779B97F4A7C15) & MASK, (k[1] + 0xBB67AE8584CAA73B) & MASK]
    return c


def test_the_reference_agrees_with_the_authors_test_vectors() -> None:
    zeros = philox4x64_10([0] * 4, [0] * 2)
    ones = philox4x64_10([MASK] * 4, [MASK] * 2)
    assert [f"{x:016x}" for x in zeros] == [
        "16554d9eca36314c", "db20fe9d672d0fdc", "d7e772cee186176b", "7e68b68aec7ba23b",
    ]  # fmt: skip
    assert [f"{x:016x}" for x in ones] == [
        "87b092c3013fe90b", "438c3c67be8d0224", "9cc7d7c69cd777b6", "a09caebf594f0ba0",
    ]  # fmt: skip


@pytest.mark.parametrize(("seed", "epoch", "position"), [(0, 0, 0), (7, 3, 1023), (MASK, 12, 1024), (1, 1, 123_456)])
def test_uniforms_are_the_top_53_bits_of_philox(seed: int, epoch: int, position: int) -> None:
    count, stream = 3, "augmentation/Flip/0"
    block, inside = divmod(position, BLOCK)
    wanted = []
    for number in range(count):
        place = number * BLOCK + inside  # of the 64-bit numbers of this block
        raw = philox4x64_10([place // 4 + 1, block, epoch, 0], [seed, zlib.crc32(stream.encode())])[place % 4]
        wanted.append((raw >> 11) / 2**53)
    found = uniforms(np.array([position]), count, seed=seed, epoch=epoch, stream=stream)
    assert found.tolist() == [wanted]


def test_permutation_is_the_order_of_philox_numbers() -> None:
    raw = [philox4x64_10([i // 4 + 1, 0, 5, 0], [9, stream_number("order")])[i % 4] for i in range(10)]
    assert permutation(10, seed=9, epoch=5).tolist() == sorted(range(10), key=raw.__getitem__)


@given(st.integers(0, 3000), st.integers(0, MASK), st.integers(0, 1000))
def test_permutation_holds_each_number_once(n: int, seed: int, epoch: int) -> None:
    order = permutation(n, seed=seed, epoch=epoch)
    assert order.dtype == np.int64
    assert np.array_equal(np.sort(order), np.arange(n))


def test_every_order_of_four_is_equally_likely() -> None:
    orders = [tuple(permutation(4, seed=seed, epoch=epoch).tolist()) for seed in range(60) for epoch in range(100)]
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3


def test_uniforms_are_uniform_and_neighbours_do_not_depend_on_one_another() -> None:
    values = uniforms(np.arange(100_000), 2, seed=3, epoch=4, stream="a")
    assert values.min() >= 0
    assert values.max() < 1
    for column in values.T:
        assert stats.chisquare(np.histogram(column, bins=100, range=(0, 1))[0]).pvalue > 1e-3
    pairs = np.histogram2d(values[:-1, 0], values[1:, 0], bins=10, range=((0, 1), (0, 1)))[0]
    assert stats.chisquare(pairs.ravel()).pvalue > 1e-3
    assert abs(np.corrcoef(values.T)[0, 1]) < 0.015


@given(st.lists(st.integers(0, 10_000), max_size=40), st.integers(0, 5), st.integers(0, 3))
def test_a_positions_numbers_do_not_depend_on_company_or_count(positions: list[int], count: int, more: int) -> None:
    together = uniforms(np.array(positions, dtype=np.int64), count + more, seed=1, epoch=2, stream="x")
    assert together.shape == (len(positions), count + more)
    for row, position in zip(together, positions, strict=True):
        alone = uniforms(np.array([position]), count, seed=1, epoch=2, stream="x")
        assert alone[0].tolist() == row[:count].tolist()


def test_seed_epoch_and_stream_each_change_the_numbers() -> None:
    def draw(seed: int = 0, epoch: int = 0, stream: str = "a") -> tuple[float, ...]:
        return tuple(uniforms(np.arange(4), 1, seed=seed, epoch=epoch, stream=stream)[:, 0].tolist())

    assert len({draw(), draw(seed=1), draw(epoch=1), draw(stream="b")}) == 4
    assert draw() == draw()


def test_threads_get_the_same_numbers_and_cannot_spoil_them() -> None:
    wanted = uniforms(np.arange(5000), 3, seed=8, epoch=0, stream="t")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: uniforms(np.arange(5000), 3, seed=8, epoch=0, stream="t"), range(32)))
    for one in found:
        assert np.array_equal(one, wanted)
        one[:] = 2.0  # the caller's own copy
    assert np.array_equal(uniforms(np.arange(5000), 3, seed=8, epoch=0, stream="t"), wanted)


def test_global_generators_are_left_alone() -> None:
    before = np.random.get_state()[1].tolist()
    permutation(100, seed=0, epoch=0)
    uniforms(np.arange(10), 2, seed=0, epoch=0, stream="a")
    assert np.random.get_state()[1].tolist() == before


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: permutation(-1, seed=0, epoch=0), "order of -1 samples"),
        (lambda: permutation(3, seed=-1, epoch=0), "seed is -1"),
        (lambda: permutation(3, seed=2**64, epoch=0), "0 to 2\\^64 - 1"),
        (lambda: permutation(3, seed=0, epoch=-2), "epoch is -2"),
        (lambda: uniforms(np.array([3, -1]), 1, seed=0, epoch=0, stream="a"), "position is -1"),
        (lambda: uniforms(np.array([3]), -1, seed=0, epoch=0, stream="a"), "-1 numbers a position"),
    ],
)
def test_refusals(call, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
