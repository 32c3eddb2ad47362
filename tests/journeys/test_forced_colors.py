"""The public pages and the form in colors that the visitor's system forces upon them."""

import pytest

from tests import factories
from tests.donations.give_form import open_campaign
from tests.journeys.everyone import moving

pytestmark = pytest.mark.django_db(transaction=True)
_LOOKS = """part => { const look = getComputedStyle(part); return {
  outline: look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2 && look.outlineColor,
  edge: look.borderTopStyle !== "none" && parseFloat(look.borderTopWidth) >= 1,
  ground: look.backgroundColor } }"""


def test_controls_and_their_states_can_be_told_apart_and_focus_is_seen(open_page, live_server):
    factories.pool(campaign=open_campaign(), limit_minor=1_000_000)
    page = open_page(forced_colors="active", reduced_motion="reduce")
    page.goto(f"{live_server.url}/funds/education/")
    assert moving(page) == []
    page.goto(f"{live_server.url}/give/?fund=education&amount=100")
    assert moving(page) == []
    looks = {}
    for name, control in {
        "button": page.get_by_role("link", name="Continue", exact=True),
        "field": page.get_by_label("Or another amount"),
        "choice": page.get_by_label("What is it for?"),
        "preset": page.get_by_role("radio", name="$250", exact=True),
    }.items():
        control.focus()
        shown = page.locator("input:focus + span") if name == "preset" else control
        looks[name] = shown.evaluate(_LOOKS)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for look in looks.values():
        assert look["outline"] not in (False, ground), looks
        assert look["edge"], looks
    fee = page.get_by_role("checkbox", name="Add $3.30 to a gift of $100")
    for control, shown in (
        (fee, fee),
        (page.get_by_role("radio", name="$50", exact=True), page.locator("label:has([value='50.00']) span")),
    ):
        before = shown.screenshot()
        control.check()
        page.locator("h1").click()  # the focus goes, so that its ring makes no difference
        assert shown.screenshot() != before
