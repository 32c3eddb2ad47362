"""The colors of the site: the stylesheet's own, those that an organization chooses, and what is refused."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign import palette
from campaign.colors import contrast
from campaign.palette import Choice, figures, paper, refusals, site_tokens, stylesheet, stylesheet_name, tokens

COLORS = st.integers(min_value=0, max_value=0xFFFFFF).map(lambda number: f"#{number:06x}")
GREEN = Choice(main="#0b3d2e", action="#b3261e", accent="#1b5e20")


def failing(choice: Choice) -> list[str]:
    return [f"{one.scheme_name}: {one.pair.words} {one.ratio_text}" for one in figures(choice) if not one.passes]


def test_the_stylesheet_s_own_colors_pass_on_light_and_dark_pages():
    assert failing(Choice()) == []
    assert site_tokens()["give"] == ("#c2412a", "#ff8d74")
    assert site_tokens()["navy"] == ("#14305c", "#14305c")


def test_a_choice_changes_its_tokens_alone():
    assert refusals(GREEN) == {}
    assert failing(GREEN) == []
    changed = {name for name, pair in tokens(GREEN).items() if pair != site_tokens()[name]}
    assert changed == {
        "navy", "navy-2", "navy-ink-2", "band-glow", "band-veil", "give", "give-2", "band-give", "band-give-2",
        "match", "match-wash",
    } | ({"give-ink", "band-give-ink"} & changed)  # fmt: skip
    assert paper(GREEN).main == "#0b3d2e"
    assert paper(Choice()).main == "#14305c"


def test_dark_pages_get_a_color_of_their_own_unless_one_is_chosen():
    light, dark = tokens(GREEN)["match"]
    assert light == "#1b5e20"
    assert contrast(dark, site_tokens()["paper"][palette.DARK]) >= 4.5
    assert tokens(Choice(accent="#1b5e20", accent_dark="#a5d6a7"))["match"] == ("#1b5e20", "#a5d6a7")


@pytest.mark.parametrize(
    ("choice", "part"),
    [
        (Choice(main="#ffcc00"), "main"),
        (Choice(action="#f5f5f5"), "action"),
        (Choice(accent="#66bb6a"), "accent"),
        (Choice(action="#c2412a", action_dark="#3a1208"), "action_dark"),
    ],
)
def test_a_color_that_nobody_could_read_is_refused_with_the_nearest_that_passes(choice, part):
    (sentence,) = [text for name, text in refusals(choice).items() if name == part]
    found = re.fullmatch(
        r"(?P<words>.+), (?P<color>#\w{6}) on (?P<ground>#\w{6}), would have a contrast of (?P<ratio>[\d.]+) to 1; "
        r"it needs (?P<needed>[\d.]+) to 1(, and \d+ other pairs? would fail too)?\. "
        r"The nearest color that passes is (?P<nearest>#\w{6})\.",
        sentence,
    )
    assert found, sentence
    assert float(found["ratio"]) <= contrast(found["color"], found["ground"]) < float(found["needed"])
    better = Choice(**{name: getattr(choice, name) for name in palette.CHOICES} | {part: found["nearest"]})
    assert refusals(better) == {}
    assert failing(better) == []


def test_a_dark_color_needs_a_light_one():
    assert refusals(Choice(accent_dark="#a5d6a7")) == {"accent_dark": "Choose the color for light pages first."}


@settings(max_examples=60, deadline=None)
@given(main=COLORS, action=COLORS, accent=COLORS)
def test_whatever_is_not_refused_can_be_read(main, action, accent):
    choice = Choice(main=main, action=action, accent=accent)
    refused = set(refusals(choice))
    accepted = Choice(**{name: getattr(choice, name) for name in ("main", "action", "accent") if name not in refused})
    assert failing(accepted) == []


def test_the_stylesheet_holds_what_changed_and_its_name_changes_with_it():
    css = stylesheet(Choice(main="#0B3D2E"))
    assert css.startswith(":root{--navy:#0b3d2e;--navy-2:#")
    assert "@supports (color:light-dark(#000,#fff)){:root{--navy:light-dark(#0b3d2e,#0b3d2e);" in css
    assert "--give" not in css
    assert stylesheet_name(Choice(main="#0b3d2e")) != stylesheet_name(Choice(main="#0b3d2f"))
    assert (stylesheet(Choice()), stylesheet_name(Choice())) == ("", "")
