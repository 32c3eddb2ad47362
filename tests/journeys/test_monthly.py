"""A donor gives monthly in a real browser, then changes, mends and stops it by the link in the receipt."""

import re

import pytest
from playwright.sync_api import expect

from donations.models import Donation, MonthlyGift
from sandbox.stripe.control import SandboxControl
from tests.beside import eventually
from tests.journeys.giving_pages import (
    card_frame,
    expect_thanks,
    fill_card,
    fill_form,
    open_for_giving,
    press_give,
    send_form,
)
from tests.site import request_json

MASTERCARD = "5555555555554444"


@pytest.fixture
def pool(site):
    return open_for_giving()


def give_monthly(page, site):
    fill_form(page, site)
    page.get_by_role("radio", name="Monthly").check()
    expect(page.get_by_text("later ones are not matched")).to_be_visible()
    send_form(page)
    page.wait_for_url("**/pay/")
    expect(page.get_by_text("$100.00 today, and then on the")).to_be_visible()
    fill_card(page)
    press_give(page, "$100.00 each month")
    expect_thanks(page)
    return MonthlyGift.objects.get()


def link_in_mail(site):
    """The monthly gift's link, from the text of the one message that was sent."""
    [message] = eventually(site.messages)
    text = request_json("GET", f"{site.inbox_url}/api/messages/{message['id']}")["text"]
    return re.search(r"http://[\w.:]+/monthly/[\w-]+/", text)[0]


def test_giving_monthly_changing_it_and_stopping_it(page, site, pool):
    given = give_monthly(page, site)
    given.refresh_from_db()
    assert given.state == "active"
    page.goto(f"{site.url}/monthly/{given.token}/")
    page.get_by_label("Amount each month").fill("40")
    page.get_by_role("button", name="Change the amount").click()
    expect(page.get_by_role("status")).to_contain_text("was $100.00 and is $40.00")
    page.get_by_label("Day of the month").select_option("7")
    page.get_by_role("button", name="Change the day").click()
    expect(page.get_by_role("status")).to_contain_text(re.compile(r"The next payment is on \w+ 7, "))
    SandboxControl(site.sandbox_url).renew(given.subscription)
    later = eventually(lambda: Donation.objects.filter(renews=True, state="paid").first())
    assert later.amount_minor == 4_000
    page.reload()
    expect(page.get_by_role("complementary").get_by_text("$40.00")).to_be_visible()
    page.get_by_role("link", name="Stop my monthly gift").click()
    page.get_by_role("button", name="Stop my monthly gift").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your monthly gift is stopped")


def test_a_refused_month_is_mended_with_another_card(page, site, pool):
    given = give_monthly(page, site)
    SandboxControl(site.sandbox_url).renew(given.subscription, "expired_card")
    eventually(lambda: MonthlyGift.objects.filter(state="unpaid").exists())
    page.goto(f"{site.url}/monthly/{given.token}/")
    expect(page.get_by_text("the card has expired")).to_be_visible()
    page.get_by_role("link", name="Use another card", exact=True).click()
    expect(card_frame(page).get_by_label("Card number")).to_be_visible()
    fill_card(page, MASTERCARD)
    page.get_by_role("button", name="Save this card").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your monthly gift")
    expect(page.get_by_text("Mastercard ending in 4444").first).to_be_visible()
    assert Donation.objects.get(renews=True).state == "paid"


def test_the_receipts_mail_leads_to_it(page, site, pool):
    give_monthly(page, site)
    page.goto(link_in_mail(site))
    expect(page.get_by_role("heading", level=1)).to_have_text("Your monthly gift")


def test_a_card_that_asks_for_3d_secure_is_saved_after_it(page, site, pool):
    given = give_monthly(page, site)
    page.goto(f"{site.url}/monthly/{given.token}/card/")
    fill_card(page, "4000002500003155")
    page.get_by_role("button", name="Save this card").click()
    frame = page.frame_locator("[role=dialog] iframe")
    frame.get_by_role("button", name="Fail authentication").click()
    expect(page.locator("#pay-error")).to_contain_text("could not confirm that it was you")
    page.get_by_role("button", name="Save this card").click()
    frame.get_by_role("button", name="Complete authentication").click()
    expect(page.get_by_text("Visa ending in 3155").first).to_be_visible()
