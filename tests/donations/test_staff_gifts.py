"""Finding gifts, and one gift's own page."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from donations import receipts
from donations.models import Donation, FollowUp, GiftNote, Receipt, ReceiptSend, StripeEvent
from matching import refunds
from tests import factories, staff
from tests.factories import CLOSES_AT, GIFT_AT, OPENS_AT

pytestmark = pytest.mark.django_db


@pytest.fixture
def funds():
    return factories.fund("Education"), factories.fund("Nursing")


@pytest.fixture
def campaign(funds):
    return factories.campaign(funds=funds)


@pytest.fixture
def dana():
    return staff.dana()


def found(client, **asked) -> list[str]:
    """The references on the page, in order."""
    response = client.get("/staff/gifts/", asked)
    assert response.status_code == 200
    return [row.gift.reference for row in response.context["rows"]]


@pytest.fixture
def three(campaign, funds):
    education, nursing = funds
    factories.pool(campaign=campaign)
    marta = factories.donation(
        campaign=campaign, parts=[(education, 25_000)], donor_name="Marta Quiroga", donor_email="marta@example.org",
        fee_minor=755, method_last4="4242", payment_intent="pi_marta", charge="ch_marta",
    )  # fmt: skip
    ben = factories.donation(
        campaign=campaign, parts=[(education, 4_000), (nursing, 2_000)], donor_name="Ben O'Hara",
        donor_email="ben@mail.example", method_last4="0341",
    )  # fmt: skip
    cy = factories.donation(
        campaign=campaign,
        parts=[(nursing, 424_200)],
        donor_name="Cy Weller",
        donor_email="cy@x.example",
        state="failed",
    )
    return marta, ben, cy


def test_it_lists_all_gifts_newest_first(dana, three):
    assert found(dana) == [gift.reference for gift in reversed(three)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Quiroga", "m"),
        ("quiroga marta", "m"),
        ("marta ben", ""),
        ("o'hara", "b"),
        ("@example.org", "m"),
        ("ben@mail.example", "b"),
        ("pi_marta", "m"),
        ("ch_marta", "m"),
        ("4242", "mc"),  # a card's last digits, and an amount
        ("$4,242.00", "c"),
        ("60", "b"),
        ("257.55", "m"),  # with the covered fee
        ("250", "m"),
        ("0341", "b"),
        ("%", ""),
        ("nobody", ""),
        ("G-999999999999999999", ""),
    ],
)
def test_it_finds_gifts_by_what_people_type(dana, three, words, expected):
    by_letter = dict(zip("mbc", (gift.reference for gift in three), strict=True))
    assert sorted(found(dana, q=words)) == sorted(by_letter[letter] for letter in expected)


def test_it_finds_a_gift_by_its_references(dana, three):
    marta = three[0]
    reservation = factories.match(marta)
    receipt = receipts.issue_receipt(donation_id=marta.pk, now=GIFT_AT)
    for words in (
        f"G-{marta.pk}",
        f"g{marta.pk}",
        reservation.reference,
        reservation.reference.lower(),
        receipt.number,
    ):
        assert found(dana, q=f" {words} ") == [marta.reference]


def test_it_filters_by_state_fund_and_day(dana, three, campaign, funds):
    marta, ben, cy = (gift.reference for gift in three)
    Donation.objects.filter(pk=three[1].pk).update(refunded_minor=100, disputed_at=GIFT_AT, match_shortfall_minor=5)
    FollowUp.objects.create(donation=three[0], kind="email", state="failed", due_at=GIFT_AT)
    late = factories.donation(campaign=campaign, parts=[(funds[0], 100)], at=CLOSES_AT, state="started").reference
    assert found(dana, state="paid") == [ben, marta]
    assert found(dana, state="open") == [late]
    assert found(dana, state="failed") == [cy]
    assert found(dana, state="refunded") == found(dana, state="disputed") == found(dana, state="short") == [ben]
    assert found(dana, state="failed-email") == [marta]
    assert found(dana, state="failed-receipt") == []
    assert found(dana, fund=funds[1].pk) == [cy, ben]
    assert found(dana, fund=funds[1].pk, state="paid") == [ben]
    assert found(dana, first="2026-12-01", last="2026-12-01") == [cy, ben, marta]
    assert found(dana, first="2026-12-02") == [late]
    assert found(dana, last="2026-11-30") == []


def test_it_takes_days_as_the_campaigns_days(dana, campaign, funds):
    for at in (OPENS_AT - timedelta(microseconds=1), OPENS_AT, CLOSES_AT - timedelta(microseconds=1), CLOSES_AT):
        factories.donation(campaign=campaign, parts=[(funds[0], 100)], at=at)
    assert len(found(dana, first="2026-12-01", last="2026-12-01")) == 2


def test_it_shows_only_the_chosen_campaigns_gifts(dana, three, funds):
    last_year = factories.campaign(funds=[], name="Last year", is_current=False)
    old = factories.donation(campaign=last_year, parts=[(funds[0], 100)])
    assert old.reference not in found(dana)
    assert found(dana, campaign=last_year.pk) == [old.reference]


def test_it_explains_a_bad_filter_and_keeps_what_was_typed(dana, three):
    page = staff.text_of(dana.get("/staff/gifts/", {"first": "soon", "q": "Marta"}))
    assert "Write a day such as 2026-12-01." in page
    assert 'value="Marta"' in page
    page = staff.text_of(dana.get("/staff/gifts/", {"first": "2026-12-02", "last": "2026-12-01"}))
    assert "The last day is before the first." in page
    page = staff.text_of(dana.get("/staff/gifts/", {"last": "9999-12-31"}))
    assert "Write a day such as 2026-12-01." in page


def test_it_says_what_to_do_when_nothing_is_found(dana, three, campaign):
    assert "No gift fits all of that." in staff.text_of(dana.get("/staff/gifts/?q=nobody"))


def test_it_says_so_when_there_are_no_gifts(dana, campaign):
    assert "No gift yet." in staff.text_of(dana.get("/staff/gifts/"))


def test_it_pages_through_all_gifts_and_back(dana, campaign, funds):
    gifts = [factories.donation(campaign=campaign, parts=[(funds[0], 100)]) for _ in range(105)]
    references = [gift.reference for gift in reversed(gifts)]
    first = dana.get("/staff/gifts/?state=paid").context["page"]
    second = dana.get("/staff/gifts/" + first.older).context["page"]
    third = dana.get("/staff/gifts/" + second.older).context["page"]
    back = dana.get("/staff/gifts/" + third.newer).context["page"]
    assert [row.reference for page in (first, second, third) for row in page.rows] == references
    assert [len(page.rows) for page in (first, second, third)] == [50, 50, 5]
    assert back.rows == second.rows
    assert (first.newer, third.older) == ("", "")
    assert "state=paid" in second.older
    assert found(dana, before="x")[0] == references[0]


def test_it_needs_the_same_number_of_queries_for_two_gifts_and_for_fifty(dana, campaign, funds):
    factories.pool(campaign=campaign, limit_minor=10_000_000)
    counts = []
    for more in (2, 48):
        for _ in range(more):
            factories.match(factories.donation(campaign=campaign, parts=[(funds[0], 100), (funds[1], 50)]))
        with CaptureQueriesContext(connection) as seen:
            found(dana)
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 18


def test_it_never_runs_what_a_donor_wrote(dana, campaign, funds):
    factories.donation(campaign=campaign, parts=[(funds[0], 100)], donor_name="<script>alert(1)</script>")
    page = dana.get("/staff/gifts/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_it_tells_everything_about_one_gift(dana, campaign, funds):
    pool = factories.pool(campaign=campaign, limit_minor=500_000, now=OPENS_AT)
    gift = factories.donation(
        campaign=campaign, parts=[(funds[0], 4_000), (funds[1], 2_000)], fee_minor=205, donor_name="Marta Quiroga",
        promised_match_minor=6_000, hides_name=True, at=GIFT_AT,
    )  # fmt: skip
    reservation = factories.match(gift, at=GIFT_AT)
    first = receipts.issue_receipt(donation_id=gift.pk, now=GIFT_AT)
    Donation.objects.filter(pk=gift.pk).update(refunded_minor=3_000)
    refunds.settle_refund(key=gift.match_key, refunded_minor=3_000, now=GIFT_AT + timedelta(hours=1))
    second = receipts.replace_receipt(donation_id=gift.pk, reason="Refunded $30.00.", now=GIFT_AT + timedelta(hours=1))
    ReceiptSend.objects.create(
        receipt=second, to_email="marta@example.org", message_id="<1@x>", attempted_at=GIFT_AT, outcome="sent"
    )
    person = staff.person("gil", "finance")
    GiftNote.objects.create(donation=gift, at=GIFT_AT, actor=f"staff:{person.pk}", text="Called the donor.")
    event = {"created_at": GIFT_AT, "due_at": GIFT_AT, "state": "applied"}
    StripeEvent.objects.create(
        event_id="evt_paid",
        type="payment_intent.succeeded",
        payload={"data": {"object": {"id": gift.payment_intent}}},
        payment_intent=gift.payment_intent,
        **event,
    )
    StripeEvent.objects.create(
        event_id="evt_refund", type="refund.created",
        payload={"data": {"object": {"id": "re_1", "payment_intent": gift.payment_intent}}},
        payment_intent=gift.payment_intent, **event,
    )  # fmt: skip
    StripeEvent.objects.create(
        event_id="evt_other",
        type="x",
        payload={"data": {"object": {"id": "pi_other"}}},
        payment_intent="pi_other",
        **event,
    )
    page = staff.text_of(dana.get(f"/staff/gifts/{gift.pk}/"))
    for words in (
        "$60.00 from Marta Quiroga",
        "Partly refunded",
        "anonymous in public",
        f"<dt>Nursing <small>{funds[1].gl_code}</small></dt><dd>$20.00<small>$10.00 after refunds</small></dd>",
        "<dt>Card cost covered</dt><dd>$2.05</dd>",
        "<dt>Paid</dt><dd>$62.05</dd>",
        "<dt>Refunded</dt><dd>−$30.00</dd>",
        "<dt>Stays</dt><dd>$32.05</dd>",
        f'<b>$30.00</b> <span class="quiet">reference <span class="num whole">{reservation.reference}</span>',
        ", at first $60.00",
        "the form had shown $60.00",
        "<td>$40.00 Education</td> <td>All of the part for Education that was left to match</td>",
        f'href="/admin/matching/ledgerentry/{pool.entries.get(seq=2).pk}/change/">{pool.pk}/2</a>',
        "$40.00 The Harbor Family, $20.00 taken back",
        "Visa ending in 4242",
        gift.payment_intent,
        gift.charge,
        "Dec. 1, 2026, 10:30:00 AM",
        f'{first.number}</b> <span class="pill mute">Voided',
        f"Version 2, issued Dec. 1, 11:30 AM, replaces {first.number}",
        "to marta@example.org: sent",
        "evt_paid",
        "evt_refund",
        "Called the donor.",
        "<small>Gil</small>",
        "Times are Boston time.",
        "held → matched",
        "matched → free",
    ):
        assert words in page, words
    assert "evt_other" not in page
    assert pool.name in page


@pytest.mark.parametrize(("refunded_minor", "said"), [(3_000, 'good">Matched'), (6_000, 'mute">Taken back')])
def test_it_calls_no_gift_matched_whose_match_went_back(dana, campaign, funds, refunded_minor, said):
    factories.pool(campaign=campaign, now=OPENS_AT)
    gift = factories.donation(campaign=campaign, parts=[(funds[0], 6_000)], at=GIFT_AT)
    factories.match(gift, at=GIFT_AT)
    Donation.objects.filter(pk=gift.pk).update(refunded_minor=refunded_minor)
    refunds.settle_refund(key=gift.match_key, refunded_minor=refunded_minor, now=GIFT_AT + timedelta(hours=1))
    page = staff.text_of(dana.get(f"/staff/gifts/{gift.pk}/"))
    assert page.count(f'class="pill {said}</span>') == 2, "of the match and of its hold"


def test_it_calls_no_gift_matched_that_got_nothing(dana, campaign, funds):
    factories.pool(campaign=campaign, min_gift_minor=10_000, now=OPENS_AT)
    gift = factories.donation(campaign=campaign, parts=[(funds[0], 6_000)], at=GIFT_AT)
    factories.match(gift, at=GIFT_AT)
    page = staff.text_of(dana.get(f"/staff/gifts/{gift.pk}/"))
    assert page.count('class="pill mute">No match</span>') == 2


def test_it_shows_a_gift_that_was_never_paid_or_matched(dana, campaign, funds):
    gift = factories.donation(campaign=campaign, parts=[(funds[0], 100)], state="started")
    page = staff.text_of(dana.get(f"/staff/gifts/{gift.pk}/"))
    for words in (
        "At checkout", "To be paid", "Nothing was ever held for this gift.",
        "A receipt is issued when the gift is paid.",
        "not known yet", "none yet", "Stripe has said nothing about this gift yet",
    ):  # fmt: skip
        assert words in page


def test_it_says_how_much_less_a_late_payment_was_matched(dana, campaign, funds):
    gift = factories.donation(campaign=campaign, parts=[(funds[0], 5_000)], match_shortfall_minor=4_000)
    factories.pool(campaign=campaign, limit_minor=1_000)
    factories.match(gift)
    page = staff.text_of(dana.get(f"/staff/gifts/{gift.pk}/"))
    assert "The match is $40.00 smaller than the one that was held." in page


def test_it_says_lapsed_of_a_hold_that_no_sweep_has_seen(dana, campaign, funds):
    factories.pool(campaign=campaign)
    gift = factories.donation(campaign=campaign, parts=[(funds[0], 5_000)], state="started")
    factories.match(gift, at=datetime(2026, 1, 1, tzinfo=UTC), is_paid=False)
    assert "Hold lapsed" in staff.text_of(dana.get(f"/staff/gifts/{gift.pk}/"))


def test_it_answers_404_for_a_gift_that_is_not(dana):
    assert dana.get("/staff/gifts/999999/").status_code == 404


def test_it_tries_failed_work_again_once(dana, campaign, funds):
    gift = factories.donation(campaign=campaign, parts=[(funds[0], 100)])
    work = FollowUp.objects.create(donation=gift, kind="email", state="failed", attempts=12, due_at=OPENS_AT)
    address = f"/staff/gifts/{gift.pk}/follow-ups/{work.pk}/again/"
    assert "tried again within half a minute" in staff.text_of(dana.post(address, follow=True))
    work.refresh_from_db()
    assert (work.state, work.attempts, work.due_at == OPENS_AT) == ("due", 0, False)
    assert "nothing was changed" in staff.text_of(dana.post(address, follow=True))
    assert [note.text for note in gift.notes.all()] == ["Asked to try again: e-mail the receipt."]
    other = factories.donation(campaign=campaign, parts=[(funds[0], 100)])
    assert dana.post(f"/staff/gifts/{other.pk}/follow-ups/{work.pk}/again/").status_code == 404


def test_it_tries_a_failed_event_of_the_gift_again(dana, campaign, funds):
    gift = factories.donation(campaign=campaign, parts=[(funds[0], 100)])
    event = StripeEvent.objects.create(
        event_id="evt_1", type="charge.refunded", payload={"data": {"object": {"payment_intent": gift.payment_intent}}},
        payment_intent=gift.payment_intent, created_at=GIFT_AT, due_at=GIFT_AT, state="failed", attempts=12,
    )  # fmt: skip
    address = f"/staff/gifts/{gift.pk}/events/{event.pk}/again/"
    assert "Try again" in staff.text_of(dana.get(f"/staff/gifts/{gift.pk}/"))
    assert dana.post(address).headers["Location"] == f"/staff/gifts/{gift.pk}/"
    event.refresh_from_db()
    assert (event.state, event.attempts) == ("received", 0)
    other = factories.donation(campaign=campaign, parts=[(funds[0], 100)])
    assert dana.post(f"/staff/gifts/{other.pk}/events/{event.pk}/again/").status_code == 404


def test_it_lists_receipts_for_finance(campaign, funds):
    farid = staff.farid()
    gift = factories.donation(campaign=campaign, parts=[(funds[0], 5_000)], donor_name="Ana Souza")
    other = factories.donation(campaign=campaign, parts=[(funds[0], 7_000)], donor_name="Bo Li")
    first = receipts.issue_receipt(donation_id=gift.pk, now=GIFT_AT)
    of_bo = receipts.issue_receipt(donation_id=other.pk, now=GIFT_AT)
    Donation.objects.filter(pk=gift.pk).update(refunded_minor=2_000)
    second = receipts.replace_receipt(donation_id=gift.pk, reason="Refunded $20.00.", now=GIFT_AT)

    def numbers(**asked):
        return [row.number for row in farid.get("/staff/receipts/", asked).context["page"].rows]

    assert numbers() == [second.number, of_bo.number, first.number]
    assert numbers(q="ana") == numbers(q=f"G-{gift.pk}") == [second.number, first.number]
    assert numbers(q=first.number) == [second.number, first.number]  # with the one that replaced it
    assert numbers(q="$70") == [of_bo.number]
    assert numbers(state="voided") == [first.number]
    assert numbers(state="valid", q="30.00") == [second.number]
    assert numbers(first="2026-12-02") == numbers(q="nobody") == []
    assert "No receipt fits all of that." in staff.text_of(farid.get("/staff/receipts/?q=nobody"))
    assert Receipt.objects.count() == 3


def test_it_needs_the_same_number_of_queries_for_any_receipts(campaign, funds):
    farid = staff.farid()
    counts = []
    for more in (1, 20):
        for _ in range(more):
            gift = factories.donation(campaign=campaign, parts=[(funds[0], 5_000)])
            receipts.issue_receipt(donation_id=gift.pk, now=GIFT_AT)
        with CaptureQueriesContext(connection) as seen:
            farid.get("/staff/receipts/")
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 14
