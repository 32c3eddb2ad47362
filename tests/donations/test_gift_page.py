"""`/gifts/<token>/`: what became of a gift, how the page follows it, and its receipt."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.test import Client

from donations import gateway, payments
from donations.gift_page import first_name
from donations.mail import send_receipt
from donations.models import Donation, Receipt, ReceiptSend
from donations.receipts import issue_receipt, replace_receipt
from matching import pools, refunds
from matching.offers import offer_batch
from matching.queries import gift_match
from matching.wording import clock_text
from tests import factories
from tests.donations.give_form import give, open_campaign, words
from tests.donations.monthly_gifts import begun_monthly

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 12, 1, 16, tzinfo=UTC)


@pytest.fixture
def campaign():
    return open_campaign()


@pytest.fixture
def pool(campaign):
    return factories.pool(campaign=campaign)


def page(client: Client, gift: Donation, query: str = "") -> str:
    answer = client.get(f"/gifts/{gift.token}/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def paid(campaign, **changes) -> Donation:
    gift = factories.donation(campaign=campaign, at=datetime.now(UTC), **changes)
    factories.match(gift, at=datetime.now(UTC))
    return gift


def following(html: str) -> str:
    """The address that the page asks again and again, or empty when it follows nothing."""
    found = re.search(r'hx-get="([^"]*/status/[^"]*)"', html)
    return unescape(found[1]) if found else ""


@pytest.fixture
def stripe_says(monkeypatch):
    """What the next question to Stripe does to the gift: a state, or an error."""

    def says(answer):
        def ask(*, donation_id, now, **_):
            Donation.objects.filter(pk=donation_id).update(asked_stripe_at=now, stripe_answered_at=now)
            if isinstance(answer, Exception):
                raise answer
            if answer:
                Donation.objects.filter(pk=donation_id).update(state=answer, paid_at=now if answer == "paid" else None)
            return Donation.objects.get(pk=donation_id)

        monkeypatch.setattr(payments, "ask_stripe", ask)

    return says


# ---- What became of it ----


def test_a_paid_gift_thanks_by_first_name_and_says_the_match(client, campaign, pool):
    gift = paid(campaign, donor_name="Marta Reyes", fee_minor=330)
    text = words(page(client, gift))
    assert "Thank you, Marta" in text
    assert "Your $100.00 for Education is received, and The Harbor Family matched it with $100.00." in text
    assert "$200.00 goes to work at Harborview Hospital" in text
    assert "Training for every member of our care teams." in text
    assert "You paid $103.30 Match from The Harbor Family $100.00" in text
    assert "Paid with Visa ending in 4242" in text
    assert f"Your receipt is being made; it comes by e-mail to {gift.donor_email}." in text
    reference = gift_match(key=gift.match_key).reference
    assert f"The match stands in the public ledger as {reference} , without your name. Check it yourself" in text
    assert page(client, gift).count(f'href="/match/?reference={reference}#look-up"') == 2


def test_a_gift_without_a_match_says_nothing_of_one(client, campaign):
    text = words(page(client, paid(campaign)))
    assert "Your $100.00 for Education is received." in text
    assert "match" not in text.lower()


def test_a_shortfall_is_said_plainly(client, campaign, pool):
    text = words(page(client, paid(campaign, match_shortfall_minor=9_265)))
    assert "Your match is $92.65 lower than the one we held. Your payment arrived after the hold had ended" in text


def test_a_shortfall_after_a_refund_that_failed_blames_no_late_payment(client, campaign, pool):
    gift, now = paid(campaign, match_shortfall_minor=9_265), datetime.now(UTC)
    gift.reversals.create(
        kind="refund", stripe_id="re_1", amount_minor=10_000, status="failed", created_at=now, changed_at=now
    )
    text = words(page(client, gift))
    assert "lower than the one we held. A refund did not go through" in text
    assert "arrived after the hold" not in text


def test_a_part_returned_is_said_with_its_match(client, campaign, pool):
    gift = paid(campaign, refunded_minor=4_000)
    refunds.settle_refund(key=gift.match_key, refunded_minor=4_000, now=datetime.now(UTC))
    text = words(page(client, gift))
    assert "$60.00 of your $100.00 for Education stays given, and The Harbor Family matched it with $60.00." in text
    assert "$40.00 was returned to you. With it $40.00 of the match went back to The Harbor Family." in text
    assert "$120.00 goes to work" in text
    assert "What your gift does $60.00 for Education" in text
    assert "$100.00 appears on your statement (Visa ending in 4242), and $40.00 comes back on it." in text
    assert "You paid $100.00 Returned to you −$40.00 Stays paid $60.00 Match from The Harbor Family $60.00" in text


def test_a_part_returned_lowers_every_fund_of_a_split(client, campaign):
    parts = [(campaign.funds.get(slug="education"), 9_999), (campaign.funds.get(slug="nursing"), 1)]
    text = words(page(client, paid(campaign, parts=parts, refunded_minor=9_000)))
    assert "$10.00 of your $100.00 for Education and Nursing research stays given." in text
    assert "What your gift does $9.99 for Education" in text
    assert "$0.01 for Nursing research" in text


def returned(campaign, refunded_minor: int, **changes) -> Donation:
    """A gift with its receipt and its match, refunded after that."""
    gift = paid(campaign, **changes)
    issue_receipt(donation_id=gift.pk, now=NOW)
    Donation.objects.filter(pk=gift.pk).update(refunded_minor=refunded_minor)
    refunds.settle_refund(key=gift.match_key, refunded_minor=refunded_minor, now=datetime.now(UTC))
    replace_receipt(donation_id=gift.pk, reason="Refunded.", now=NOW)
    return Donation.objects.get(pk=gift.pk)


def test_all_returned_has_words_of_its_own(client, campaign, pool):
    gift = returned(campaign, 10_330, fee_minor=330)
    void = Receipt.objects.get()
    html = page(client, gift)
    text = words(html)
    assert text.startswith(
        "Your gift was returned to you All that you paid, $103.30, went back to you. Banks take up to ten days to show "
        "it. Its match of $100.00 went back to The Harbor Family for other gifts. "
        f"Receipt {void.number} is void: please do not use it for your taxes."
    )
    assert f'href="/gifts/{gift.token}/receipt.pdf?number={void.number}"' in html
    for word in ("Thank you", "goes to work", "is received", "$0.00", "Stays paid", "On public pages"):
        assert word not in text
    assert following(html) == ""


def test_the_gift_returned_without_its_card_costs_says_what_stays(client, campaign, pool):
    gift = returned(campaign, 10_000, fee_minor=330)
    receipt = Receipt.objects.get(voided_at=None)
    text = words(page(client, gift))
    assert text.startswith(
        "Your gift was returned to you $100.00 went back to you: all of your gift for Education. The $3.30 of card "
        "costs stays paid. Banks take up to ten days to show it. "
        "Its match of $100.00 went back to The Harbor Family for other gifts. "
        f"Your receipt {receipt.number} is on its way to {gift.donor_email}. Open your receipt (PDF)"
    )
    assert "You paid $103.30 Returned to you −$100.00 Stays paid $3.30" in text
    for word in ("Thank you", "goes to work", "is received", "$0.00"):
        assert word not in text


def test_a_part_of_the_card_costs_went_back_too(client, campaign):
    text = words(page(client, returned(campaign, 10_100, fee_minor=330)))
    assert "$101.00 went back to you: all of your gift for Education and a part of the card costs you covered." in text
    assert "The $2.30 of card costs stays paid." in text


def test_what_is_heard_of_a_returned_gift(client, campaign, pool):
    gift = returned(campaign, 10_000)
    answer = client.get(f"/gifts/{gift.token}/status/")
    assert answer.status_code == 286
    assert 'hx-swap-oob="innerHTML">Your gift was returned to you.</p>' in answer.content.decode()


# ---- The receipt on its way ----


def test_a_receipt_is_said_to_be_sent_when_it_was(client, campaign):
    gift = paid(campaign)
    receipt = issue_receipt(donation_id=gift.pk, now=NOW)
    send_receipt(receipt_id=receipt.pk, now=datetime.now(UTC))
    at = clock_text(ReceiptSend.objects.get().attempted_at.astimezone(campaign.tz))
    assert f"Your receipt {receipt.number} was sent to {gift.donor_email} at {at}." in words(page(client, gift))


def test_one_sent_on_another_day_names_the_day(client, campaign):
    gift = paid(campaign)
    receipt = issue_receipt(donation_id=gift.pk, now=NOW)
    send_receipt(receipt_id=receipt.pk, now=datetime(2026, 3, 1, 15, 32, tzinfo=UTC))
    assert f"was sent to {gift.donor_email} on March 1 at 10:32 AM." in words(page(client, gift))


@pytest.mark.parametrize(
    ("outcomes", "follow_up", "said"),
    [
        ([], "due", "Your receipt {number} is on its way to {email}."),
        ([""], "due", "Your receipt {number} is on its way to {email}."),
        (["no answer"], "due", "Your receipt {number} could not be sent to {email} yet. We try again;"),
        (["no such mailbox"], "failed", "Your receipt {number} did not reach {email}. Open it below, and tell us"),
        (["no answer", "sent", ""], "due", "Your receipt {number} was sent to {email} at"),
    ],
)
def test_every_way_of_a_receipt_is_said(client, campaign, outcomes, follow_up, said):
    gift = paid(campaign)
    receipt = issue_receipt(donation_id=gift.pk, now=NOW)
    gift.follow_ups.update(state=follow_up)
    for outcome in outcomes:
        receipt.sends.create(to_email=gift.donor_email, attempted_at=datetime.now(UTC), outcome=outcome)
    assert said.format(number=receipt.number, email=gift.donor_email) in words(page(client, gift))


@pytest.mark.parametrize(("outcome", "said"), [(None, "comes by mail."), ("posted", "was mailed to you at")])
def test_a_receipt_by_post_is_said(client, campaign, outcome, said):
    gift = paid(campaign, method="cash", method_label="", method_last4="", payment_intent=None, charge="")
    Donation.objects.filter(pk=gift.pk).update(donor_email="")
    receipt = issue_receipt(donation_id=gift.pk, now=NOW)
    if outcome:
        receipt.sends.create(attempted_at=datetime.now(UTC), outcome=outcome)
    html = page(client, gift)
    assert f"Your receipt {receipt.number} {said}" in words(html)
    assert following(html) == ""


def test_a_disputed_payment_is_said(client, campaign):
    assert "Your bank is asking about this payment." in words(
        page(client, paid(campaign, disputed_at=datetime.now(UTC)))
    )


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("processing", "Your payment is on its way"),
        ("failed", "Your payment did not go through Nothing was charged. You can try again"),
        ("abandoned", "This gift was not completed It was changed or left before it was paid. Nothing was charged."),
        ("started", "Your gift is not paid yet Nothing was charged."),
    ],
)
def test_every_state_is_said(client, campaign, state, said):
    assert said in words(page(client, factories.donation(campaign=campaign, state=state)))


def test_a_bank_debit_says_how_long(client, campaign):
    gift = factories.donation(campaign=campaign, state="processing", method="us_bank_account")
    assert "Your bank was asked for $100.00; that takes up to four business days." in words(page(client, gift))


def test_a_started_gift_leads_back_to_the_payment_while_its_match_is_held(client, campaign, pool):
    gift = give(client)
    html = page(client, gift)
    assert "Your match of $100.00 from The Harbor Family is still yours until" in words(html)
    assert f'href="/gifts/{gift.token}/pay/"' in html


def test_a_started_gift_whose_hold_ended_says_so(client, campaign, pool, settings):
    settings.HOLD_SECONDS = 0
    assert "The hold on your match has ended; you can ask for it again." in words(page(client, give(client)))


def test_hidden_names_are_hidden_in_public_and_not_here(client, campaign):
    text = words(page(client, paid(campaign, hides_name=True, hides_amount=True, donor_name="Marta Reyes")))
    assert "On public pages Anonymous, amount hidden" in text
    assert "Thank you, Marta" in text


def test_a_name_cannot_break_out_of_the_page(client, campaign):
    html = page(client, paid(campaign, donor_name="<img src=x onerror=alert(1)>"))
    assert "<img src=x" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


@pytest.mark.parametrize(
    ("name", "greeting"),
    [
        ("Marta Reyes", "Marta"),
        ("Anne-Marie van Dyke", "Anne-Marie"),
        ("Zoë O’Neill", "Zoë"),
        ("Cher", "Cher"),
        ("The Smith Family", "The Smith Family"),
        ("Dr. Ana Ruiz", "Dr. Ana Ruiz"),
        ("Dr Ruiz", "Dr Ruiz"),
        ("Pier Bank & Co.", "Pier Bank & Co."),
        ("Ana and Tom Ruiz", "Ana and Tom Ruiz"),
    ],
)
def test_it_greets_people_by_first_name_and_others_whole(name, greeting):
    assert first_name(name) == greeting


# ---- Following ----


def in_flight(campaign) -> Donation:
    return factories.donation(campaign=campaign, state="started", payment_intent="pi_1", at=datetime.now(UTC))


def test_a_payment_just_made_is_followed_to_its_end(client, campaign, stripe_says):
    gift = in_flight(campaign)
    html = page(client, gift)
    assert "One moment: confirming your payment" in words(html)
    stripe_says("paid")
    answer = client.get(following(html))
    assert answer.status_code == 200  # the receipt is still to come
    assert "is received" in words(answer.content.decode())
    assert "Your gift is received." in answer.content.decode().split('id="gift-announce"')[1].split("</p>")[0]


def test_nothing_new_changes_nothing(client, campaign, stripe_says):
    gift = factories.donation(campaign=campaign, state="processing", payment_intent="pi_1")
    stripe_says(None)
    answer = client.get(following(page(client, gift)))
    assert (answer.status_code, answer.content) == (204, b"")


def test_it_follows_the_receipt_until_it_is_sent(client, campaign):
    gift = paid(campaign)
    address = following(page(client, gift))
    receipt = issue_receipt(donation_id=gift.pk, now=NOW)
    answer = client.get(address)
    html = answer.content.decode()
    assert answer.status_code == 200
    assert f"Your receipt {receipt.number} is on its way" in words(html)
    assert f'href="/gifts/{gift.token}/receipt.pdf"' in html
    assert client.get(following(html)).status_code == 204
    send_receipt(receipt_id=receipt.pk, now=NOW)
    answer = client.get(following(html))
    html = answer.content.decode()
    assert answer.status_code == 286
    assert following(html) == ""
    assert f"Your receipt {receipt.number} was sent to {gift.donor_email}" in words(html)
    assert "Your gift is received. Your receipt was sent." in html


def test_it_does_not_follow_slow_mail_for_ever(client, campaign):
    gift = paid(campaign)
    issue_receipt(donation_id=gift.pk, now=NOW)
    for seconds, status, pace in [(29, 200, "1500ms"), (31, 200, "10000ms"), (301, 286, "")]:
        since = (datetime.now(UTC) - timedelta(seconds=seconds)).timestamp()
        answer = client.get(f"/gifts/{gift.token}/status/?since={since}&asked={since}&seen=")
        assert answer.status_code == status
        assert f'hx-trigger="every {pace}' in answer.content.decode() or not pace
        assert "is on its way" in words(answer.content.decode())


def test_a_payment_that_was_ended_after_declines_does_not_say_that_the_donor_left_it(client, campaign, pool):
    gift = factories.donation(campaign=campaign, state="abandoned", declines=5)
    text = words(page(client, gift))
    assert "Your payment did not go through The card was declined, and this payment was ended. Nothing was" in text
    assert "give by phone" in text


def test_stripe_says_that_nothing_was_paid(client, campaign, stripe_says):
    gift = in_flight(campaign)
    address = following(page(client, gift))
    stripe_says(None)
    answer = client.get(address)
    assert answer.status_code == 286
    assert "Your gift is not paid yet Nothing was charged." in words(answer.content.decode())


@pytest.mark.parametrize(
    "error", [gateway.GatewayUnavailable("x"), gateway.GatewayRefused("x"), payments.PaymentMismatch("x")]
)
def test_no_answer_from_stripe_is_not_taken_for_no(client, campaign, stripe_says, error):
    gift = in_flight(campaign)
    html = page(client, gift)
    stripe_says(error)
    for _ in range(2):
        answer = client.get(following(html))
        html = answer.content.decode()
        assert answer.status_code == 200
        assert "One moment: confirming your payment" in words(html)


def test_after_five_minutes_without_an_answer_it_says_so(client, campaign, stripe_says):
    gift = in_flight(campaign)
    stripe_says(gateway.GatewayUnavailable("x"))
    since = (datetime.now(UTC) - timedelta(minutes=6)).timestamp()
    answer = client.get(f"/gifts/{gift.token}/status/?since={since}&asked={since}&seen=")
    assert answer.status_code == 286
    assert "We cannot say yet whether you paid Please do not pay again" in words(
        answer.content.decode().replace("The card company has not answered us. ", "")
    )


def test_looking_again_asks_at_once(client, campaign, stripe_says):
    gift = in_flight(campaign)
    stripe_says("paid")
    assert "is received" in words(page(client, gift, "?look=1"))


def test_looking_again_without_an_answer_waits_on(client, campaign, stripe_says):
    gift = in_flight(campaign)
    stripe_says(gateway.GatewayUnavailable("x"))
    assert "One moment" in words(page(client, gift, "?look=1"))


@pytest.mark.parametrize("since", ["", "abc", "1e400", "-1e30", "nan", "9" * 40])
def test_nonsense_in_the_question_is_taken_for_now(client, campaign, stripe_says, since):
    stripe_says(None)
    gift = in_flight(campaign)
    assert client.get(f"/gifts/{gift.token}/status/?since={since}&asked={since}").status_code in (200, 204, 286)


@pytest.mark.parametrize("state", ["failed", "abandoned"])
def test_an_end_is_not_followed(client, campaign, state):
    assert following(page(client, factories.donation(campaign=campaign, state=state))) == ""


# ---- The receipt ----


def test_the_receipt_opens_in_the_browser(client, campaign):
    gift = paid(campaign)
    receipt = issue_receipt(donation_id=gift.pk, now=NOW)
    answer = client.get(f"/gifts/{gift.token}/receipt.pdf")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == f'inline; filename="receipt-{receipt.number}.pdf"'
    assert answer["Cache-Control"] == "private, no-store"
    assert answer.content.startswith(b"%PDF-")


def test_an_older_receipt_of_the_same_gift_can_be_had(client, campaign):
    gift = paid(campaign)
    first = issue_receipt(donation_id=gift.pk, now=NOW)
    Donation.objects.update(refunded_minor=4_000)
    second = replace_receipt(donation_id=gift.pk, reason="Refunded $40.00.", now=NOW)
    html = page(client, gift)
    assert f"Receipt {second.number} replaces {first.number}" in words(html)
    for number, query in ((second.number, ""), (first.number, f"?number={first.number}")):
        answer = client.get(f"/gifts/{gift.token}/receipt.pdf{query}")
        assert number in answer["Content-Disposition"]


def test_another_gifts_receipt_cannot_be_had(client, campaign):
    mine, other = paid(campaign), paid(campaign)
    receipt = issue_receipt(donation_id=other.pk, now=NOW)
    issue_receipt(donation_id=mine.pk, now=NOW)
    assert client.get(f"/gifts/{mine.token}/receipt.pdf?number={receipt.number}").status_code == 404


@pytest.mark.parametrize("number", ["a%00b", "2026-999999", "x" * 500])
def test_a_receipt_number_of_any_shape_finds_nothing(client, campaign, number):
    gift = paid(campaign)
    issue_receipt(donation_id=gift.pk, now=NOW)
    assert client.get(f"/gifts/{gift.token}/receipt.pdf?number={number}").status_code == 404


def test_a_receipt_that_is_not_there_yet_has_a_page_of_its_own(client, campaign):
    gift = paid(campaign)
    answer = client.get(f"/gifts/{gift.token}/receipt.pdf")
    assert answer.status_code == 404
    assert "its receipt is being made" in words(answer.content.decode())
    assert not Receipt.objects.exists()


def test_it_tells_the_donor_why_the_match_is_what_it_is(client, campaign):
    pool = factories.pool(campaign=campaign, limit_minor=735)
    gift = paid(campaign)
    assert "The Harbor Family’s match had $7.35 left when you gave." in page(client, gift)
    now = datetime.now(UTC)
    pools.change_limit(pool_id=pool.pk, limit_minor=4_735, actor="system", now=now)
    offer_batch(campaign_id=campaign.pk, now=now)
    html = page(client, gift)
    assert "Why was my gift matched like this?" in html
    assert re.search(r"\$40 more came at \d+:\d\d [AP]M when money came free.", html)


def test_it_tells_the_donor_why_there_is_no_match(client, campaign):
    factories.pool(campaign=campaign, min_gift_minor=50_000)
    html = page(client, paid(campaign))
    assert "Why was my gift not matched?" in html
    assert "The Harbor Family’s match is for gifts of $500 or more." in html


def test_it_gives_no_reasons_before_a_gift_is_paid(client, campaign, pool):
    gift = factories.donation(campaign=campaign, state="started", at=datetime.now(UTC))
    factories.match(gift, at=datetime.now(UTC), is_paid=False)
    assert "Why was my gift" not in page(client, gift)


# ---- Of a monthly gift ----


@pytest.mark.django_db(transaction=True)
def test_a_payment_that_went_back_still_leads_to_the_monthly_gift(client, campaign, stripe_sandbox):
    monthly = begun_monthly(campaign)
    monthly.donations.update(refunded_minor=10_000)
    html = page(client, monthly.donations.get())
    assert "Your gift was returned to you" in words(html)
    assert "Your monthly gift goes on. See, change or stop it ." in words(html)
    assert f'href="{monthly.get_absolute_url()}"' in html
