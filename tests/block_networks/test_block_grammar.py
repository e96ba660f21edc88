"""Lines of blocks: what is read, what is written again, what is refused."""

from __future__ import annotations

import pytest

from neuropil.block_networks.grammar import Stage, join_stages, read_stages
from neuropil.errors import InputError

LINES = [
    "cn_r1_k3_s1_c16",
    "cn_r1_k3_s2_c32 - ds_r1_k3_s1_c16_noskip - ir_r2_k3_s2_e6_c24 - ir_r3_k5_s2_e3_c40_se0.25",
    "cn_r1_k1_s1_c128_skip - ir_r1_k3_s2_e1_c8_pool - ds_r2_k7_s1_c16_se1",
]


@pytest.mark.parametrize("line", LINES)
def test_what_is_written_reads_as_the_same(line: str) -> None:
    assert join_stages(read_stages(line)) == line


def test_what_is_left_out() -> None:
    assert read_stages("cn_c16-ir_c8 -ds_c4_s2") == (
        Stage("cn", 1, 3, 1, 16, 1, 0.0, "noskip"),
        Stage("ir", 1, 3, 1, 8, 6, 0.0, "skip"),
        Stage("ds", 1, 3, 2, 4, 1, 0.0, "skip"),
    )
    assert read_stages("ir_se0.5_c8_k5_e3_pool_r2_s2")[0] == Stage("ir", 2, 5, 2, 8, 3, 0.5, "pool")


@pytest.mark.parametrize("line", LINES)
def test_timm_reads_the_same(line: str) -> None:
    pytest.importorskip("oracle_shim")
    builder = pytest.importorskip("timm.models._efficientnet_builder")
    ours = read_stages(line.replace("_pool", ""))
    theirs = builder.decode_arch_def([[stage] for stage in line.replace("_pool", "").split(" - ")])
    for stage, blocks in zip(ours, theirs, strict=True):
        assert stage.blocks == len(blocks)
        for block in blocks:
            assert (stage.kind, stage.maps, stage.stride) == (block["block_type"], block["out_chs"], block["stride"])
            assert stage.kernel == block.get("dw_kernel_size", block.get("kernel_size"))
            assert stage.expansion == block.get("exp_ratio", 1.0) and stage.squeeze == block.get("se_ratio", 0.0)
            assert (stage.skip == "skip") == block.get("skip", not block.get("noskip", True))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "a network's blocks are a line such as"),
        (5, "a network's blocks are a line such as"),
        ("cn_c16 - ", "stage 2 of the blocks, '': '' is no kind of block"),
        ("er_c16", "'er' is no kind of block; allowed: cn, ds, ir"),
        ("cn_r1", "does not say how many maps; add for example c24"),
        ("cn_c0", "c must be a whole number from 1 to 8192, but 0 was given"),
        ("cn_c16.5", "c must be a whole number"),
        ("cn_c16_k4", "side must be odd"),
        ("cn_c16_c8", "c is given twice"),
        ("cn_c16_e3", "only ir has an expansion"),
        ("ir_c16_se1.5", "squeeze ratio must be from 0 to 1"),
        ("cn_c16_skip_pool", "said twice"),
        ("cn_c16_x3", "'x3' cannot be read; a stage is written like"),
        ("cn_c16__import__", "'' cannot be read"),
        ("cn_c99999", "from 1 to 8192"),
        (" - ".join(["cn_c8"] * 65), "at most 64 stages, but 65"),
    ],
)
def test_refusals(line: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        read_stages(line)
    assert "\n" not in str(refused.value)
