"""A donor gives in a real browser: cards that work and cards that don't, one gift whatever is pressed."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from donations import payer_check
from donations.models import Donation, UsedProof
from matching.models import Reservation
from matching.queries import gift_match
from tests.beside import eventually
from tests.journeys.giving_pages import (
    ASKS_FOR_3DS,
    DECLINED,
    card_frame,
    expect_thanks,
    fill_card,
    fill_form,
    go_on,
    go_to_payment,
    open_for_giving,
    payments_at_stripe,
    press_give,
    send_form,
    the_gift,
    turn_knobs,
)

NO_MONEY, EXPIRED, WRONG_CODE = "4000000000009995", "4000000000000069", "4000000000000127"
DECLINED_TEXT = (
    "Your card was declined. Nothing was charged. Try another card or another way to pay. Your match is still held."
)


@pytest.fixture
def pool(site):
    return open_for_giving()


def expect_one_paid_gift(site, *, amount_minor: int = 10_000, match_minor: int = 10_000) -> Donation:
    gift = the_gift()
    assert gift.state == Donation.State.PAID
    assert gift_match(key=gift.match_key).match_minor == match_minor
    succeeded = [payment for payment in payments_at_stripe(site) if payment["status"] == "succeeded"]
    assert [payment["amount"] for payment in succeeded] == [amount_minor]
    return gift


def test_a_card_gift_with_its_match_and_its_receipt(page, site, pool):
    fill_form(page, site)
    expect(page.get_by_text("$100 becomes $200.")).to_be_visible()
    page.get_by_text("Add $3.30 to a gift of $100").click()
    send_form(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your match is held")
    fill_card(page)
    press_give(page, "$103.30")
    expect_thanks(page)
    expect(page.get_by_text("The Harbor Family matched it with $100.00.")).to_be_visible()
    gift = expect_one_paid_gift(site, amount_minor=10_330)
    receipt = page.get_by_role("link", name="Open your receipt (PDF)")
    expect(receipt).to_be_visible()
    answer = page.request.get(f"{site.url}{receipt.get_attribute('href')}")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.body().startswith(b"%PDF-")
    [message] = eventually(site.messages)
    assert gift.donor_email in str(message)


def test_declined_cards_in_the_same_words_whatever_the_reason_and_then_another(page, page_errors, site, pool):
    page_errors.expect("402")
    go_to_payment(page, site)
    for number in (DECLINED, NO_MONEY, EXPIRED, WRONG_CODE):
        fill_card(page, number)
        press_give(page)
        expect(page.get_by_role("button", name="One moment…")).to_be_hidden()
        expect(page.locator("#pay-error")).to_have_text(DECLINED_TEXT)
        expect(page.get_by_role("button", name="Give $100.00")).to_be_focused()
    assert gift_match(key=the_gift().match_key).state == "held"
    fill_card(page)
    press_give(page)
    expect_thanks(page)
    expect_one_paid_gift(site)


def test_three_d_secure_passed_while_payers_are_checked(page, site, pool):
    payer_check.switch(mode="on", actor="staff:1", now=timezone.now())
    go_to_payment(page, site)
    fill_card(page, ASKS_FOR_3DS)
    press_give(page)
    page.frame_locator("[role=dialog] iframe").get_by_role("button", name="Complete authentication").click()
    expect_thanks(page)
    expect_one_paid_gift(site)
    assert UsedProof.objects.count() == 1


def test_three_d_secure_failed_and_then_another_card(page, site, pool):
    go_to_payment(page, site)
    fill_card(page, ASKS_FOR_3DS)
    press_give(page)
    page.frame_locator("[role=dialog] iframe").get_by_role("button", name="Fail authentication").click()
    expect(page.locator("#pay-error")).to_contain_text("could not confirm that it was you. Nothing was charged.")
    fill_card(page)
    press_give(page)
    expect_thanks(page)
    expect_one_paid_gift(site)


def test_a_wallet_comes_first(page, site, pool):
    go_to_payment(page, site)
    page.frame_locator("#express iframe").get_by_role("button", name="Donate with Test Pay").click()
    page.frame_locator("[role=dialog] iframe").get_by_role("button", name="Pay $100.00").click()
    expect_thanks(page)
    assert expect_one_paid_gift(site).method == Donation.Method.WALLET


def test_without_a_wallet_there_is_only_the_card(page, site, pool):
    turn_knobs(site, wallet=False)
    go_to_payment(page, site)
    expect(card_frame(page).get_by_label("Card number")).to_be_visible()
    expect(page.get_by_text("or pay another way")).to_be_hidden()


def pay_by_bank(page, site, account):
    turn_knobs(site, bank_delay_ms=3_000)
    go_to_payment(page, site)
    frame = card_frame(page)
    frame.get_by_role("radio", name="US bank account").check()
    expect(frame.get_by_label("Full name")).to_have_value("Marta Reyes")
    expect(frame.get_by_label("Email")).to_have_value("marta@example.org")
    frame.get_by_label("Routing number").fill("110000000")
    frame.get_by_label("Account number").fill(account)
    press_give(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your payment is on its way")
    expect(page.get_by_text("stays held for you")).to_be_visible()


def test_a_bank_debit_is_on_its_way_until_the_bank_answers(page, site, pool):
    pay_by_bank(page, site, "000123456789")
    expect_thanks(page)
    assert expect_one_paid_gift(site).method == Donation.Method.BANK


def test_a_bank_that_does_not_pay_is_said_on_the_page_and_by_mail(page, site, pool):
    pay_by_bank(page, site, "000111111116")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your payment did not go through")
    expect(
        page.get_by_text("Your bank did not pay the $100.00; it can tell you why. Nothing was charged")
    ).to_be_visible()
    assert gift_match(key=the_gift().match_key).state == "released"
    assert "Your payment did not go through" in str(eventually(site.messages))


def test_the_page_does_not_wait_for_events(page, site, pool):
    turn_knobs(site, paused=True)
    go_to_payment(page, site)
    fill_card(page)
    press_give(page)
    expect_thanks(page)
    expect_one_paid_gift(site)


def test_pressing_continue_twice_makes_one_gift(page, site, pool):
    fill_form(page, site)
    go_on(page)
    page.get_by_role("button", name="Continue to payment").dblclick()
    page.wait_for_url("**/pay/")
    assert Donation.objects.count() == 1
    assert Reservation.objects.filter(state="held").count() == 1


def test_pressing_give_twice_pays_once(page, site, pool):
    go_to_payment(page, site)
    fill_card(page)
    page.get_by_role("button", name="Give $100.00").dblclick()
    expect_thanks(page)
    assert len(payments_at_stripe(site)) == 1
    expect_one_paid_gift(site)


def test_reload_and_back_make_no_second_gift(page, site, pool):
    go_to_payment(page, site)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your match is held")
    page.go_back()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Marta Reyes")
    send_form(page)
    page.wait_for_url("**/pay/")
    fill_card(page)
    press_give(page)
    expect_thanks(page)
    page.go_back()
    expect_thanks(page)
    page.reload()
    expect_thanks(page)
    assert Donation.objects.count() == 1
    expect_one_paid_gift(site)


def test_a_second_tab_replaces_the_first(page: Page, page_errors, site, pool):
    page_errors.expect("409")
    go_to_payment(page, site)
    fill_card(page)
    second = page.context.new_page()
    go_to_payment(second, site, "?fund=education&amount=250")
    press_give(page)  # of the gift that the second tab replaced
    expect(page.get_by_role("heading", level=1)).to_have_text("This gift was not completed")
    fill_card(second)
    press_give(second, "$250.00")
    expect_thanks(second)
    expect_one_paid_gift(site, amount_minor=25_000, match_minor=25_000)


def test_two_tabs_of_one_gift_pay_once(page: Page, page_errors, site, pool):
    page_errors.expect("409")
    go_to_payment(page, site)
    second = page.context.new_page()
    second.goto(page.url)
    fill_card(page)
    fill_card(second)
    press_give(page)
    expect_thanks(page)
    press_give(second)
    expect_thanks(second)
    expect_one_paid_gift(site)


def test_changing_the_gift_keeps_what_was_typed(page, site, pool):
    go_to_payment(page, site)
    page.get_by_role("button", name="Change gift").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Marta Reyes")
    page.get_by_role("radio", name="$250").check()
    expect(page.get_by_text("$250 becomes $500.")).to_be_visible()
    send_form(page)
    page.wait_for_url("**/pay/")
    fill_card(page)
    press_give(page, "$250.00")
    expect_thanks(page)
    expect_one_paid_gift(site, amount_minor=25_000, match_minor=25_000)
    assert Donation.objects.filter(state=Donation.State.ABANDONED).count() == 1
