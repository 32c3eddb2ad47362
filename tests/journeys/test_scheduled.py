"""A donor schedules a gift in a real browser: the card is saved, charged on the day, refused, or called off."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from donations.models import Donation
from tests import factories
from tests.beside import eventually
from tests.donations.give_form import open_campaign
from tests.journeys.giving_pages import (
    ASKS_FOR_3DS,
    DECLINED,
    expect_thanks,
    fill_card,
    fill_form,
    payments_at_stripe,
    press_give,
    send_form,
    the_gift,
)

SAVED_BUT_REFUSED, EACH_TIME_ANEW = "4000000000000341", "4000002760003184"


@pytest.fixture(autouse=True)
def campaign(site):
    opens_at = timezone.now() + timedelta(days=9)
    made = open_campaign(opens_at=opens_at, closes_at=opens_at + timedelta(days=1))
    factories.pool(campaign=made, limit_minor=1_000_000, opens_at=opens_at)
    return made


def go_to_card(page, site):
    fill_form(page, site)
    page.get_by_role("radio", name="Once, on").check()
    send_form(page)
    page.wait_for_url("**/pay/")
    expect(page.get_by_text("Nothing is charged today.")).to_be_visible()


def save(page):
    page.get_by_role("button", name="Save the card, give $100.00 on").click()


def expect_scheduled(page):
    expect(page.get_by_role("heading", level=1)).to_have_text("Your gift is scheduled")


def let_the_day_come(site):
    Donation.objects.update(charge_at=timezone.now())
    site.start("beat")


def test_saved_today_and_charged_on_the_day(page, site):
    go_to_card(page, site)
    fill_card(page)
    save(page)
    expect_scheduled(page)
    expect(page.get_by_text("$100.00 from the Harbor Family is held for you")).to_be_visible()
    assert payments_at_stripe(site) == []
    let_the_day_come(site)
    eventually(lambda: the_gift().state == "paid")
    page.reload()
    expect_thanks(page)
    assert [payment["status"] for payment in payments_at_stripe(site)] == ["succeeded"]


def test_a_card_that_cannot_be_saved_and_then_one_that_can(page, page_errors, site):
    page_errors.expect("402")
    go_to_card(page, site)
    fill_card(page, DECLINED)
    save(page)
    expect(page.locator("#pay-error")).to_contain_text("Your card was declined. Nothing was charged.")
    fill_card(page, ASKS_FOR_3DS)
    save(page)
    page.frame_locator("[role=dialog] iframe").get_by_role("button", name="Complete authentication").click()
    expect_scheduled(page)


@pytest.mark.parametrize("number", [SAVED_BUT_REFUSED, EACH_TIME_ANEW])
def test_refused_on_the_day_and_then_paid_on_the_page(page, site, number):
    go_to_card(page, site)
    fill_card(page, number)
    save(page)
    if number == EACH_TIME_ANEW:
        page.frame_locator("[role=dialog] iframe").get_by_role("button", name="Complete authentication").click()
    expect_scheduled(page)
    let_the_day_come(site)
    eventually(lambda: the_gift().pay_by is not None)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your scheduled gift needs you")
    page.get_by_role("link", name="Continue to payment").click()
    fill_card(page)
    press_give(page)
    expect_thanks(page)
    assert [payment["status"] for payment in payments_at_stripe(site)] == ["succeeded"]


def test_called_off_before_the_day(page, site):
    go_to_card(page, site)
    fill_card(page)
    save(page)
    expect_scheduled(page)
    page.get_by_role("button", name="Cancel this gift").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your scheduled gift is cancelled")
    assert Donation.objects.get().state == "abandoned"
