"""The notation of a line: what is read, what is filled in, how it is written back, and what is refused where."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuropil.errors import InputError
from neuropil.models.line_grammar import ACTIVATION_NAMES, KINDS, is_line, join_layers, point_at, read_line

CHAPTER = {
    "Conv - ReLU - Pool -  Conv - ReLU - Pool - FC - FC - SM": (
        "Conv32@3p1 - ReLU - Pool2 - Conv32@3p1 - ReLU - Pool2 - FC128 - FC - SM"
    ),
    "Conv - Pool - Conv - Pool - Conv - FC - FC - (SM)": (
        "Conv32@3p1 - Pool2 - Conv32@3p1 - Pool2 - Conv32@3p1 - FC128 - FC - SM"
    ),
    "Conv-Pool-Norm-Conv-Pool-Norm-Conv- Conv-Conv-Pool-FC-FC-FC(SM)": (
        "Conv32@3p1 - Pool2 - Norm5 - Conv32@3p1 - Pool2 - Norm5 - Conv32@3p1 - Conv32@3p1 - Conv32@3p1 - Pool2 - "
        "FC128 - FC128 - FC - SM"
    ),
}
"""The chapter's lines, letter by letter, and what they stand for."""


@pytest.mark.parametrize("line", CHAPTER)
def test_the_chapters_lines_are_read_as_they_stand(line: str) -> None:
    assert join_layers(read_line(line)) == CHAPTER[line]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Conv6@5", "Conv6@5"),
        ("conv 6 @ 5 s 2 p=1", "Conv6@5s2p1"),
        ("Conv96@11×11s4", "Conv96@11s4"),
        ("Conv8@3x5s2x1p1x2d2x1g4b0", "Conv8@3x5s2x1p1x2d2x1g4b0"),
        ("Conv8@3p same", "Conv8@3p=same"),
        ("Conv8@3p=same_tensorflow", "Conv8@3p=same_tensorflow"),
        ("Conv8s1p0d1g1", "Conv8@3"),
        ("DWConv", "DWConv@3p1"),
        ("DWConv@5s2", "DWConv@5s2"),
        ("TConv16@2s2", "TConv16@2s2"),
        ("MaxPool", "Pool2"),
        ("Pool3x2s2p1", "Pool3x2s2p1"),
        ("Pool3s1", "Pool3s1"),
        ("average_pool3", "AvgPool3"),
        ("GAP", "GlobalAvgPool"),
        ("LRN", "Norm5"),
        ("Dropout", "Drop0.2"),
        ("Drop0.50", "Drop0.5"),
        ("ReLU6", "ReLU6"),
        ("leaky_relu", "LeakyReLU"),
        ("FC", "FC"),
        ("Dense7 → Softmax", "FC7 - SM"),
        ("Conv(ReLU) -> Pool", "Conv32@3p1 - ReLU - Pool2"),
        ("Conv1 – ReLU — Pool\n-\tFC", "Conv1@3p1 - ReLU - Pool2 - FC"),
    ],
)
def test_what_is_written_and_what_is_read(written: str, read: str) -> None:
    assert join_layers(read_line(written)) == read
    assert join_layers(read_line(read)) == read


def test_only_the_last_fc_waits_for_its_number() -> None:
    assert [layer.number for layer in read_line("FC - FC7 - FC - ReLU")] == [128, 7, None, None]


def test_every_kind_has_an_example_that_is_its_own() -> None:
    for name, kind in KINDS.items():
        (layer,) = read_line(kind.example)
        assert layer.kind == name and str(layer) == kind.example
    assert set(ACTIVATION_NAMES) <= set(KINDS)


@pytest.mark.parametrize(
    ("line", "sentence", "under"),
    [
        ("Conv6@5 - ReLU - Pol2 - FC", "there is no layer 'Pol'; did you mean 'Pool'?", "Pol2"),
        ("Conv -  - FC", "no layer stands here", "  "),
        ("Conv - FC -", "no layer stands here", ""),
        ("Conv - 7 - FC", "'7' does not begin with the name of a layer", "7"),
        ("컨볼루션 - FC", "does not begin with the name of a layer", "컨볼루션"),
        ("FC(SM) - FC", "nothing can follow it; move it to the end", "SM"),
        ("SM - SM", "nothing can follow it", "SM"),
        ("Conv6@5q3", "Conv has no option 'q'; allowed: s (stride), p (padding)", "Conv6@5q3"),
        ("FC7s2", "FC has no option 's'; allowed: none", "FC7s2"),
        ("Pool2 - Conv6@5s2s3", "the stride of Conv is given twice", "Conv6@5s2s3"),
        ("Conv6@5 same", "'same' cannot be read; a layer of this kind is written Conv96@11s4p2", "same"),
        ("Conv6@5s=same", "the stride of Conv is a number, but 'same' was given", "Conv6@5s=same"),
        ("Pool2p=same", "the padding of Pool is a number", "Pool2p=same"),
        ("Conv6@5b2", "b1 (there is one) or b0 (there is none), but 2", "Conv6@5b2"),
        ("Conv6@5g2x3", "the groups of Conv are one number", "Conv6@5g2x3"),
        ("Pool@2", "Pool has no kernel to be written behind @; write Pool3s2", "Pool@2"),
        ("BN3", "BN takes no number; write BN", "BN3"),
        ("ReLU7", "ReLU takes no number", "ReLU7"),
        ("Conv6.5", "6.5 is no whole number", "Conv6.5"),
        ("FC3x4", "FC takes one number of units, as in FC120", "FC3x4"),
        ("Drop2x3", "one share from 0 up to below 1", "Drop2x3"),
        ("FC - Conv1000000", "1000000 is too large; a number has at most 6 digits", "Conv1000000"),
    ],
)
def test_a_line_that_cannot_be_read_is_pointed_at(line: str, sentence: str, under: str) -> None:
    with pytest.raises(InputError) as caught:
        read_line(line)
    first, shown, carets = str(caught.value).split("\n")
    assert sentence in first
    place = carets.index("^")
    assert set(carets[place:]) == {"^"}
    assert shown[place : place + len(carets[place:])] == under or under == ""


def test_of_a_long_line_the_place_is_shown() -> None:
    line = "Conv8@3p1 - ReLU - " * 50 + "Pol - " + "FC9 - ReLU - " * 50 + "FC"
    with pytest.raises(InputError) as caught:
        read_line(line)
    _, shown, carets = str(caught.value).split("\n")
    assert shown.startswith("  ... ") and shown.endswith(" ...") and len(shown) < 100
    assert shown[carets.index("^") :].startswith("Pol - ") and carets.count("^") == 3


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "an empty line"),
        (" \n ", "an empty line"),
        ("ReLU - " * 1000 + "FC", "more than 1000 layers"),
        ("ReLU - " * 8000, "a line of 56000 characters"),
        (7, "is text, but 7 was given"),
    ],
)
def test_what_is_no_line_or_too_long_is_refused(line: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_line(line)


def test_names_of_networks_are_no_lines() -> None:
    from neuropil.models import list_models

    assert not any(map(is_line, [*list_models(), "resnet-18", "", "vgg16_bn", "mobilenet_v2", "()"]))
    assert all(map(is_line, ["FC", "Cnv6@5", "Foo - Bar", "(Conv)", "conv3 - FC", *CHAPTER]))


def test_reading_loads_no_torch() -> None:
    program = (
        "import sys, neuropil.models.line_grammar as g; g.read_line('Conv - FC'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


TEXTS = st.text(alphabet="ConvPlFReLUSM0123456789@x.spdgb=-() \u2192\u00d7\n", max_size=60)


@given(TEXTS)
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        layers = read_line(text)
    except InputError as error:
        assert str(error)
        return
    written = join_layers(layers)
    assert join_layers(read_line(written)) == written
    for layer in layers:
        assert str(point_at(text, layer, "here")).startswith("here\n")
