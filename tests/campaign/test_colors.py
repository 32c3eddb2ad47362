"""Contrast by WCAG's own figures, and the nearest color that passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.colors import NotAColor, contrast, mixed, nearest, over, plain

COLORS = st.integers(min_value=0, max_value=0xFFFFFF).map(lambda number: f"#{number:06x}")


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#777777", "#ffffff", 4.478),  # W3C's own example of a gray that is just too light
        ("#767676", "#ffffff", 4.542),
        ("#0000ff", "#ffffff", 8.592),
        ("#abcdef", "#abcdef", 1.0),
    ],
)
def test_contrast_is_that_of_wcag_in_either_order(one, other, ratio):
    assert contrast(one, other) == pytest.approx(ratio, abs=0.001)
    assert contrast(other, one) == contrast(one, other)


def test_a_color_that_is_seen_through_is_mixed_with_its_ground():
    assert over("#ffffff80", "#000000") == "#808080"
    assert over("#14305c", "#ffffff") == "#14305c"
    assert mixed("#000000", "#ffffff", 0.25) == "#404040"


@pytest.mark.parametrize("text", ["", "red", "#12", "#12345", "#gggggg", "14305c", "#14305c;}", "#14305c\n"])
def test_what_is_no_color_is_refused(text):
    with pytest.raises(NotAColor):
        plain(text)


def test_short_colors_and_large_letters_are_written_out():
    assert (plain("#FA0"), plain("#14305C80")) == ("#ffaa00", "#14305c80")


@given(color=COLORS)
def test_the_nearest_color_passes_and_a_color_that_passes_stays(color):
    def is_dark_enough(one):
        return contrast(one, "#ffffff") >= 4.5

    found = nearest(color, is_dark_enough)
    assert is_dark_enough(found)
    assert (found == color) == is_dark_enough(color)


def test_the_nearest_color_keeps_its_hue():
    red, green, blue = (
        int(nearest("#ff8c00", lambda one: contrast(one, "#ffffff") >= 4.5)[at : at + 2], 16) for at in (1, 3, 5)
    )
    assert red > green > blue


def test_there_may_be_none():
    assert nearest("#14305c", lambda _: False) is None
