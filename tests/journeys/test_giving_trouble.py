"""When something fails between the donor and Stripe: the page says what is known, and nobody pays twice."""

import pytest
from playwright.sync_api import Page, expect

from donations.models import Donation
from tests.journeys.giving_pages import (
    card_frame,
    expect_thanks,
    fill_card,
    fill_name,
    go_on,
    go_to_payment,
    open_for_giving,
    payments_at_stripe,
    press_give,
    send_form,
    the_gift,
)
from tests.site import request_json


@pytest.fixture(autouse=True)
def _pool(site):
    open_for_giving()


def fault(site, **rule) -> None:
    request_json("POST", f"{site.sandbox_url}/_sandbox/faults", rule)


def test_what_was_typed_outlives_a_lost_connection_and_a_new_load(page: Page, page_errors, site):
    page_errors.expect("ERR_INTERNET_DISCONNECTED|htmx:")
    form = f"{site.url}/give/?fund=education"
    page.goto(form)
    page.get_by_label("Or another amount").fill("75")
    page.get_by_label("What is it for?").select_option("Nursing research")
    page.get_by_text("so that all of it reaches the fund").click()
    go_on(page)
    fill_name(page)
    page.get_by_label("Hide my name").check()
    page.get_by_text("Company, phone or mailing address").click()
    page.get_by_label("Phone").fill("617 555 0100")
    page.context.set_offline(True)
    send_form(page)
    expect(page.get_by_text("There is no connection at the moment.")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator("#offline")).to_be_hidden()
    page.goto("about:blank")  # so that the browser brings nothing back of its own
    page.goto(form)
    expect(page.locator("#match-words")).to_contain_text("$75 becomes $150.")
    expect(page.get_by_role("radio", name="$100")).not_to_be_checked()
    expect(page.get_by_label("What is it for?")).to_have_value("nursing")
    expect(page.locator("[name=cover_fee]")).to_be_checked()
    go_on(page)
    expect(page.get_by_label("Name", exact=True)).to_have_value("Marta Reyes")
    expect(page.get_by_label("Hide my name")).to_be_checked()
    expect(page.get_by_label("Phone")).to_have_value("617 555 0100")
    expect(page.get_by_label("Phone")).to_be_visible()
    page.goto(f"{site.url}/give/?fund=education&amount=250")  # another link is another wish
    expect(page.get_by_role("radio", name="$250")).to_be_checked()
    page.goto(form)
    go_on(page)
    send_form(page)
    page.wait_for_url("**/pay/")
    assert the_gift().amount_minor == 7_500
    assert page.evaluate("sessionStorage.getItem('giving-form')") is None


def test_the_codes_of_a_newsletter_s_link_cost_nothing_that_was_typed(page: Page, site):
    """The form's own links lead on within the page, whatever codes led to it; so does the form without any."""
    page.goto(f"{site.url}/?utm_source=news&utm_campaign=two%20days")
    page.goto(f"{site.url}/give/?utm_source=news&utm_campaign=two%20days!")
    page.get_by_label("Or another amount").fill("321")
    go_on(page)
    fill_name(page, email="")
    expect(page.locator("#match-words")).to_contain_text("$321 becomes $642.")
    send_form(page)
    page.get_by_role("link", name="Change the gift").click()
    expect(page.get_by_label("Or another amount")).to_have_value("321")
    expect(page.locator("#error-summary")).to_be_visible()
    page.get_by_role("link", name="Write your e-mail address").click()
    page.get_by_role("textbox", name="E-mail").fill("marta@example.org")
    page.goto(f"{site.url}/give/")  # a plain link brings back what was typed
    go_on(page)
    expect(page.get_by_role("textbox", name="E-mail")).to_have_value("marta@example.org")
    send_form(page)
    page.wait_for_url("**/pay/")
    gift = the_gift()
    assert (gift.amount_minor, gift.utm_source, gift.utm_campaign) == (32_100, "news", "two days!")


def test_stripes_script_does_not_load(page: Page, page_errors, site):
    page_errors.expect("ERR_FAILED")
    page.route("**/stripe.js", lambda route: route.abort())
    go_to_payment(page, site)
    trouble = page.get_by_text("The card field did not load.")
    expect(trouble).to_be_visible()
    expect(page.locator("#pay-broken")).to_contain_text("Nothing was charged.")
    expect(page.get_by_role("link", name="617-555-0142").first).to_be_visible()
    expect(page.get_by_role("button", name="Give $100.00")).to_be_hidden()


def test_our_own_script_does_not_load(page: Page, page_errors, site):
    page_errors.expect("ERR_FAILED")
    page.route("**/pay*.js", lambda route: route.abort())
    go_to_payment(page, site)
    expect(page.get_by_text("The card field needs JavaScript")).to_be_visible()
    expect(page.get_by_text("100 Wharf Street").first).to_be_visible()


def test_our_site_is_not_reached_and_nothing_was_charged(page: Page, page_errors, site):
    page_errors.expect("ERR_FAILED")
    go_to_payment(page, site)
    fill_card(page)
    page.route("**/intent/", lambda route: route.abort())
    press_give(page)
    expect(page.locator("#pay-error")).to_contain_text("We could not reach our site. Nothing was charged.")
    page.unroute("**/intent/")
    press_give(page)
    expect_thanks(page)
    assert len(payments_at_stripe(site)) == 1


def test_the_answer_to_the_payment_is_lost(page: Page, page_errors, site):
    page_errors.expect("500|ERR_")
    go_to_payment(page, site)
    fill_card(page)
    fault(site, method="POST", path="/confirm$", answer="500", when="after")
    press_give(page)
    expect(page.locator("#pay-error")).to_contain_text("We cannot tell yet whether you were charged")
    page.get_by_role("link", name="See your gift’s page").click()
    expect_thanks(page)
    assert the_gift().state == Donation.State.PAID


def test_stripe_refuses_to_open_a_payment(page: Page, page_errors, site):
    page_errors.expect("503")
    go_to_payment(page, site)
    fill_card(page)
    fault(site, method="POST", path="/payment_intents$", answer="500", times=3)
    press_give(page)
    expect(page.locator("#pay-error")).to_contain_text("nothing was charged")
    press_give(page)
    expect_thanks(page)
    assert [payment["status"] for payment in payments_at_stripe(site)].count("succeeded") == 1


def test_an_incomplete_card_is_said_in_the_card_field(page: Page, site):
    go_to_payment(page, site)
    press_give(page)
    expect(card_frame(page).get_by_label("Card number")).to_be_focused()
    expect(page.locator("#pay-status")).to_have_text("Please look at the card fields again.")
    assert not payments_at_stripe(site)


def test_five_declines_end_the_tries(page: Page, page_errors, site):
    page_errors.expect("402|429")
    go_to_payment(page, site)
    for _ in range(5):
        fill_card(page, "4000000000000002")
        press_give(page)
        expect(page.locator("#pay-error")).to_contain_text("Your card was declined.")
        expect(page.get_by_role("button", name="Give $100.00")).to_be_enabled()
    press_give(page)
    expect(page.locator("#pay-error")).to_contain_text("Too many tries were made for this gift. Nothing was charged.")
