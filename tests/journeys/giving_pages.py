"""What a donor does on the giving pages, step by step, for the journeys."""

from typing import Any

from playwright.sync_api import FrameLocator, Page, expect

from donations.models import Donation
from matching.models import MatchPool
from tests import factories
from tests.database import as_owner
from tests.donations.give_form import open_campaign
from tests.site import RunningSite, request_json

VISA, DECLINED, ASKS_FOR_3DS = "4242424242424242", "4000000000000002", "4000000000003220"


def open_for_giving(*, limit_minor: int = 1_000_000) -> MatchPool:
    """A campaign with a pool, open now."""
    return factories.pool(campaign=open_campaign(), limit_minor=limit_minor)


def fill_form(page: Page, site: RunningSite, query: str = "?fund=education&amount=100") -> None:
    """Both steps of the form, and back to the first; without scripts they are one."""
    page.goto(f"{site.url}/give/{query}")
    is_in_steps = go_on(page)
    fill_name(page)
    if is_in_steps:
        page.go_back()


def fill_name(page: Page, name: str = "Marta Reyes", email: str = "marta@example.org") -> None:
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("textbox", name="E-mail").fill(email)


def go_on(page: Page) -> bool:
    """From the gift to who gives it; whether the form asked for that."""
    onward = page.get_by_role("link", name="Continue", exact=True)
    if is_first := onward.is_visible():
        onward.click()
    return is_first


def send_form(page: Page) -> None:
    go_on(page)
    page.get_by_role("button", name="Continue to payment").click()


def go_to_payment(page: Page, site: RunningSite, query: str = "?fund=education&amount=100") -> None:
    page.goto(f"{site.url}/give/{query}")
    go_on(page)
    fill_name(page)
    send_form(page)
    page.wait_for_url("**/pay/")


def card_frame(page: Page) -> FrameLocator:
    return page.frame_locator("#payment-element iframe")


def fill_card(page: Page, number: str = VISA) -> None:
    frame = card_frame(page)
    frame.get_by_label("Card number").fill(number)
    frame.get_by_label("Expiration date").fill("12 / 34")
    frame.get_by_label("Security code").fill("123")
    frame.get_by_label("ZIP code").fill("02110")


def press_give(page: Page, amount: str = "$100.00") -> None:
    page.get_by_role("button", name=f"Give {amount}").click()


def expect_thanks(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you, Marta")


def the_gift() -> Donation:
    """The one gift that was not abandoned."""
    return Donation.objects.exclude(state=Donation.State.ABANDONED).get()


def payments_at_stripe(site: RunningSite) -> list[dict[str, Any]]:
    """Every payment that Stripe knows of, newest first."""
    return request_json("GET", f"{site.sandbox_url}/_sandbox/payments")


def turn_knobs(site: RunningSite, **knobs: Any) -> None:
    request_json("POST", f"{site.sandbox_url}/_sandbox/knobs", knobs)


def let_holds_lapse() -> None:
    """Every hold's time is over now."""
    as_owner("UPDATE matching_reservation SET held_until = now() WHERE state = 'held'", "matching_reservation")
