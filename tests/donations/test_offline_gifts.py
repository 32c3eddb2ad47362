"""Entering checks and cash: one transaction, matched by the moment of receipt, never twice."""

from datetime import UTC, date, datetime, time, timedelta
from threading import Barrier, Thread
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.test import Client

from donations import events, exports, follow_ups, offline_gifts, queries, reconciliation, work
from donations.models import Donation, Donor, FollowUp, GiftNote, Receipt
from donations.offline_gifts import NoSuchMoment, OfflineGift, moment_received
from donations.search import Days, find_gifts
from matching.models import MatchPool, Reservation
from matching.queries import gift_match
from tests import factories, staff
from tests.donations.offline_form import ADDRESS, CHECK, entered, filled
from tests.factories import CLOSES_AT, GIFT_AT, OPENS_AT

pytestmark = pytest.mark.django_db
ENTERED_AT = datetime(2026, 12, 1, 20, tzinfo=UTC)  # 3 PM in Boston


@pytest.fixture(autouse=True)
def _afternoon():
    """Forms go by the database's clock, which a test cannot set: what they ask of it is answered here."""
    with pytest.MonkeyPatch.context() as patch, time_machine.travel(ENTERED_AT, tick=False):
        patch.setattr("donations.views.offline.database_now", lambda: ENTERED_AT)
        yield


@pytest.fixture
def campaign():
    factories.organization()
    funds = [
        factories.fund("Education", slug="education", position=1),
        factories.fund("Nursing", slug="nursing", position=2),
        factories.fund("Old wing", slug="old-wing", position=3, is_open=False),
    ]
    return factories.campaign(funds=funds)


@pytest.fixture
def dana():
    return staff.dana()


def parts_of(donation: Donation) -> list[tuple[str, int]]:
    return list(donation.designations.values_list("fund__slug", "amount_minor"))


def test_it_enters_a_check_whole(campaign, dana):
    pool = factories.pool(campaign=campaign)
    answer = dana.post(ADDRESS, filled(dana, staff_note="With a kind letter", hides_name="on"))
    gift = Donation.objects.get()
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/staff/gifts/{gift.pk}/")
    assert (gift.state, gift.method_text, gift.staff_note) == ("paid", "Check no. 1042", "With a kind letter")
    assert (gift.amount_minor, gift.fee_minor, gift.currency, parts_of(gift)) == (
        25_000,
        0,
        "USD",
        [("education", 25_000)],
    )
    assert (gift.paid_at, gift.submitted_at) == (GIFT_AT, GIFT_AT)
    assert (gift.payment_intent, gift.charge, gift.donor_email, gift.hides_name) == (None, "", "", True)
    assert (gift.address_line1, gift.city, gift.region, gift.postal_code) == ("12 Elm Street", "Boston", "MA", "02110")
    match = gift_match(key=gift.match_key)
    assert (match.state, match.match_minor, match.submitted_at) == ("committed", 25_000, GIFT_AT)
    pool.refresh_from_db()
    assert (pool.matched_minor, pool.held_minor, pool.free_minor) == (25_000, 0, 975_000)
    note = gift.notes.get()
    assert (note.actor[:6], note.at, note.text) == (
        "staff:",
        ENTERED_AT,
        "Entered: check no. 1042, received December 1, 2026.",
    )
    assert [(row.kind, row.state) for row in gift.follow_ups.all()] == [("receipt", "due")]
    page = staff.text_of(dana.get(answer.headers["Location"]))
    assert "It is matched with $250.00." in page
    assert "waits among the receipts to post" in page
    assert '<td class="r">$250.00</td>' in page  # why
    assert "With a kind letter" in page
    assert "PaymentIntent" not in page


def test_it_says_check_and_number_on_the_receipt_and_sends_no_mail_without_an_address(campaign):
    gift = entered(campaign, now=GIFT_AT)
    assert follow_ups.run(follow_up_id=gift.follow_ups.get().pk, now=ENTERED_AT)
    receipt = Receipt.objects.get()
    assert (receipt.number, receipt.content["method"], receipt.content["receipt_date"]) == (
        "2026-000001", "Check no. 1042", "2026-12-01",
    )  # fmt: skip
    assert receipt.content["donor"] == {
        "name": "Walter Finch", "email": "", "address_lines": ["12 Elm Street", "Boston, MA 02110"],
    }  # fmt: skip
    assert not FollowUp.objects.filter(kind="email").exists()
    page = Client().get(f"/gifts/{gift.token}/")
    assert "comes by mail" in staff.text_of(page)
    assert "on your statement" not in staff.text_of(page)
    assert Client().get(f"/gifts/{gift.token}/receipt.pdf").status_code == 200


def test_it_mails_the_receipt_when_there_is_an_address(campaign):
    gift = entered(campaign, donor_email="Walter@Example.org", method="cash", cheque_number="")
    follow_ups.run(follow_up_id=gift.follow_ups.get().pk, now=ENTERED_AT)
    assert (gift.donor.email, gift.method_text) == ("walter@example.org", "Cash")
    assert list(gift.follow_ups.values_list("kind", "state")) == [("receipt", "done"), ("email", "due")]


def test_it_splits_a_gift_over_funds_closed_ones_too(campaign, dana):
    sent = filled(dana, other_amount="", fund="", **{"split-education": "100", "split-old-wing": "1,000.50"})
    dana.post(ADDRESS, sent)
    assert parts_of(Donation.objects.get()) == [("education", 10_000), ("old-wing", 100_050)]


def test_it_asks_for_the_department_or_team_where_the_campaign_has_some(campaign, dana):
    assert 'name="team"' not in dana.get(ADDRESS).content.decode()
    for name, is_open in (("7 West nurses", True), ("Old team", False)):
        campaign.teams.create(name=name, slug=name.lower().replace(" ", "-"), is_open=is_open)
    wrong = staff.text_of(dana.post(ADDRESS, filled(dana, team="8-east")))
    assert ("not on the campaign’s list" in wrong, Donation.objects.count()) == (True, 0)
    for number, (chosen, name) in enumerate([("", None), ("7-west-nurses", "7 West nurses"), ("old-team", "Old team")]):
        dana.post(ADDRESS, filled(dana, team=chosen, cheque_number=str(number), other_amount=f"{100 + number}"))
        gift = Donation.objects.latest("pk")
        assert (gift.amount_minor, str(gift.team) if gift.team else None) == (10_000 + number * 100, name)


BAD = [
    ({"other_amount": ""}, "Write the amount, or an amount for each fund."),
    ({"other_amount": "1.000,50"}, "“1.000,50” is not an amount we can read."),
    ({"other_amount": "0"}, "Enter an amount above zero."),
    ({"other_amount": "100,000,000.01"}, "Enter at most $100,000,000."),
    ({"fund": ""}, "Choose the fund that the gift is for."),
    ({"fund": "yachts"}, "We have no fund called “yachts”."),
    ({"method": ""}, "Choose check or cash."),
    ({"method": "card"}, "Choose check or cash."),
    ({"method": "cash"}, "Cash has no check number."),
    ({"cheque_number": "1" * 21}, "Use at most 20 characters."),
    ({"received_on": ""}, "Write the day on which the gift was received."),
    ({"received_on": "1 December"}, "Write a day such as 2026-12-01."),
    ({"received_on": "2026-12-02"}, "That day is still to come."),
    ({"received_time": "15:01"}, "That time is still to come."),
    ({"received_time": "25:00"}, "Write a time such as 14:30"),
    ({"received_on": "2026-03-08", "received_time": "02:30"}, "The clocks went forward on that day"),
    ({"donor_name": " "}, "Write the donor’s name"),
    ({"donor_email": "walter@"}, "That is not a whole e-mail address."),
    ({"country": "XX"}, "Choose a country from the list."),
    ({"staff_note": "x" * 501}, "Use at most 500 characters."),
    ({"form_key": "forged"}, "Please press the button once more."),
    ({"form_key": None}, "Please press the button once more."),
]


@pytest.mark.parametrize(("changes", "sentence"), BAD)
def test_it_says_what_to_do_and_loses_nothing_typed(campaign, dana, changes, sentence):
    answer = dana.post(ADDRESS, filled(dana, **{"city": "Somerville", **changes}))
    assert answer.status_code == 200
    assert sentence in staff.text_of(answer)
    assert 'value="Somerville"' in answer.content.decode()
    assert not Donation.objects.exists()


def test_it_enters_one_gift_however_often_the_form_comes(campaign, dana):
    factories.pool(campaign=campaign)
    sent = filled(dana)
    first, second = dana.post(ADDRESS, sent), dana.post(ADDRESS, sent)
    assert first.headers["Location"] == second.headers["Location"]
    assert (Donation.objects.count(), Reservation.objects.count()) == (1, 1)
    assert "has entered G-" in staff.text_of(dana.get(second.headers["Location"]))


@pytest.mark.parametrize(
    ("changes", "is_twin"),
    [
        ({}, True),
        ({"donor_name": "walter  FINCH."}, True),
        ({"other_amount": "300"}, True),  # the same check number from the same name
        ({"donor_name": "Joan Reed"}, True),  # the same check number over the same amount
        ({"donor_name": "Joan Reed", "other_amount": "300"}, False),
        ({"cheque_number": "1043"}, False),
        ({"cheque_number": ""}, True),
        ({"cheque_number": "", "method": "cash"}, True),
        ({"cheque_number": "", "other_amount": "300"}, False),
    ],
)
def test_it_asks_before_it_enters_a_likely_twin(campaign, dana, changes, is_twin):
    before = entered(campaign)
    sent = filled(dana, **changes)
    answer = dana.post(ADDRESS, sent)
    assert Donation.objects.count() == (1 if is_twin else 2)
    if is_twin:
        page = staff.text_of(answer)
        assert "Was this gift entered before?" in page
        assert f"{before.reference}</a> $250.00 from Walter Finch, Check no. 1042" in page
        dana.post(ADDRESS, sent | {"seen": f"{before.pk}"})
        assert Donation.objects.count() == 2


def test_it_asks_again_when_a_twin_came_in_that_nobody_has_seen(campaign, dana):
    first = entered(campaign)
    sent = filled(dana) | {"seen": f"{first.pk}"}
    second = entered(campaign)
    assert f"{second.reference}</a>" in staff.text_of(dana.post(ADDRESS, sent))
    assert Donation.objects.count() == 2


def test_it_asks_about_a_day_outside_the_campaign(campaign, dana):
    sent = filled(dana, received_on="2026-11-30")
    answer = dana.post(ADDRESS, sent)
    assert "received before Giving Tuesday opens" in staff.text_of(answer)
    assert answer.context["doubts"].names == "early-2026-11-30"
    dana.post(ADDRESS, sent | {"seen": "early-2026-11-29"})
    assert not Donation.objects.exists(), "another day is another question"
    dana.post(ADDRESS, sent | {"seen": "early-2026-11-30"})
    assert Donation.objects.get().paid_at == datetime(2026, 11, 30, 15, 30, tzinfo=UTC)


def test_it_refuses_a_day_in_another_year(campaign, dana):
    answer = dana.post(ADDRESS, filled(dana, received_on="2025-12-01") | {"seen": "early-2025-12-01"})
    assert "2025-12-01 is more than half a year from Giving Tuesday. Is the year right?" in staff.text_of(answer)
    assert not Donation.objects.exists()


def test_it_matches_only_from_pools_that_take_checks_and_cash(campaign):
    cards = factories.pool(campaign=campaign, offline_gifts=False, priority=1)
    checks = factories.pool(campaign=campaign, priority=2)
    gift = entered(campaign)
    match = gift_match(key=gift.match_key)
    assert [line.amount_minor for line in match.lines] == [25_000]
    assert "$0 from" in match.reasons[0]
    assert "gifts made on the site" in match.reasons[0]
    for pool in (cards, checks):
        pool.refresh_from_db()
    assert (cards.matched_minor, checks.matched_minor) == (0, 25_000)


def test_it_judges_the_match_by_the_moment_of_receipt(campaign):
    hour = factories.pool(
        campaign=campaign, opens_at=GIFT_AT - timedelta(minutes=30), closes_at=GIFT_AT + timedelta(minutes=30)
    )
    inside = entered(campaign, now=ENTERED_AT, received_at=GIFT_AT)
    outside = entered(campaign, now=ENTERED_AT, received_at=GIFT_AT + timedelta(hours=1))
    assert [gift_match(key=gift.match_key).match_minor for gift in (inside, outside)] == [25_000, 0]
    hour.refresh_from_db()
    assert hour.matched_minor == 25_000


def test_it_writes_all_or_nothing(campaign, monkeypatch):
    pool = factories.pool(campaign=campaign)

    def broken(**_):
        raise RuntimeError("the last step fails")

    monkeypatch.setattr(work, "owe", broken)
    with pytest.raises(RuntimeError):
        entered(campaign)
    pool.refresh_from_db()
    left = (Donation.objects.count(), Donor.objects.count(), Reservation.objects.count(), GiftNote.objects.count())
    assert (left, pool.free_minor) == ((0, 0, 0, 0), 1_000_000)


def test_it_keeps_what_was_typed_when_the_pools_are_busy(campaign, dana, monkeypatch):
    from matching.ledger import PoolsBusy

    def busy(**_):
        raise PoolsBusy("locked")

    monkeypatch.setattr(offline_gifts, "enter_gift", busy)
    answer = dana.post(ADDRESS, filled(dana))
    assert answer.status_code == 503
    assert "press the button again" in staff.text_of(answer)
    assert 'value="Walter Finch"' in answer.content.decode()


@pytest.mark.parametrize(
    ("changes", "is_same"),
    [
        ({}, True),
        ({"donor_name": "WALTER FINCH", "address_line1": "12, Elm Street"}, True),
        ({"city": "Cambridge"}, True),
        ({"address_line1": "14 Elm Street"}, False),
        ({"donor_name": "Wanda Finch"}, False),
        ({"donor_email": "walter@example.org"}, False),
    ],
)
def test_it_tells_donors_without_email_apart_by_name_and_address(campaign, changes, is_same):
    first, second = entered(campaign), entered(campaign, **changes)
    assert (first.donor_id == second.donor_id) == is_same
    assert Donor.objects.filter(email="").count() == 0


def test_it_holds_a_donor_without_email_to_the_cap_per_donor(campaign):
    factories.pool(campaign=campaign, cap_per_donor_minor=30_000)
    matches = [gift_match(key=entered(campaign).match_key).match_minor for _ in range(3)]
    assert matches == [25_000, 5_000, 0]
    assert queries.totals(campaign_id=campaign.pk) == queries.Totals(75_000, 3, 1)


def test_the_database_refuses_what_no_check_can_be(campaign):
    gift = entered(campaign)
    bad = [
        {"payment_intent": "pi_1"},
        {"charge": "ch_1"},
        {"fee_minor": 30},
        {"method": "cash"},  # with a check number
        {"method": "card"},  # without an e-mail address
        {"match_key": "11111111-1111-4111-8111-111111111111"},
    ]
    for values in bad:
        with pytest.raises(IntegrityError), transaction.atomic():
            Donation.objects.filter(pk=gift.pk).update(**values)
    for values in ({"email": "", "postal_key": "x"}, {"email": None, "postal_key": None}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Donor.objects.create(name="Nobody", **values)


@pytest.mark.parametrize(
    ("day", "at", "expected"),
    [
        (date(2026, 12, 1), time(9, 5), datetime(2026, 12, 1, 14, 5, tzinfo=UTC)),
        (date(2026, 12, 1), None, ENTERED_AT),  # today
        (date(2026, 11, 30), None, datetime(2026, 11, 30, 17, tzinfo=UTC)),
        (date(2026, 7, 1), time(9), datetime(2026, 7, 1, 13, tzinfo=UTC)),
        (date(2026, 11, 1), time(1, 30), datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),  # the first of the two
    ],
)
def test_it_reads_days_and_times_on_the_campaigns_clocks(campaign, day, at, expected):
    assert moment_received(day=day, at=at, campaign=campaign, now=ENTERED_AT) == expected


def test_it_takes_a_day_without_a_time_into_the_campaign(campaign):
    boston = ZoneInfo("America/New_York")
    campaign.opens_at = datetime(2026, 12, 1, 17, tzinfo=boston)
    campaign.closes_at = datetime(2026, 12, 2, 9, tzinfo=boston)
    later = datetime(2026, 12, 9, tzinfo=UTC)
    found = [moment_received(day=date(2026, 12, n), at=None, campaign=campaign, now=later) for n in (1, 2, 3)]
    assert found == [
        datetime(2026, 12, 1, 17, tzinfo=boston),
        datetime(2026, 12, 2, 8, 59, 59, tzinfo=boston),
        datetime(2026, 12, 3, 12, tzinfo=boston),
    ]
    morning = datetime(2026, 12, 3, 14, tzinfo=UTC)
    assert moment_received(day=date(2026, 12, 3), at=None, campaign=campaign, now=morning) == morning
    with pytest.raises(NoSuchMoment):
        moment_received(day=date(2026, 3, 8), at=time(2, 30), campaign=campaign, now=later)


def test_it_counts_in_the_hour_of_receipt_with_its_match(campaign):
    factories.pool(campaign=campaign)
    entered(campaign, now=ENTERED_AT, received_at=GIFT_AT)
    hours = queries.gifts_by_hour(campaign_id=campaign.pk, start=OPENS_AT, end=CLOSES_AT)
    found = [hour for hour in hours if hour != queries.HourFigures(hour.starts_at)]
    assert found == [queries.HourFigures(GIFT_AT.replace(minute=0), 1, 25_000, 25_000)]


def test_it_stands_on_the_public_wall_as_its_donor_wants(campaign):
    factories.pool(campaign=campaign)
    entered(campaign, hides_name=True)
    entered(campaign, hides_amount=True, now=GIFT_AT + timedelta(minutes=1))
    shown = queries.recent_public_gifts(campaign_id=campaign.pk)
    assert [(row.name, row.amount_minor, row.match_minor) for row in shown] == [
        ("Walter Finch", None, None),
        ("Anonymous", 25_000, 25_000),
    ]


def test_it_stands_in_the_exports_with_method_and_number(campaign):
    factories.pool(campaign=campaign)
    gift = entered(campaign)
    follow_ups.run(follow_up_id=gift.follow_ups.get().pk, now=ENTERED_AT)
    days = Days(date(2026, 12, 1), date(2026, 12, 1))
    table = exports.gifts_table(campaign=campaign, days=days)
    (row,) = list(table.rows)
    said = dict(zip((column.title for column in table.columns), row, strict=True))
    wanted = ("Gift", "State", "Donor e-mail", "Gift amount", "Method", "Last four", "Check number", "Receipt")
    assert [said[name] for name in wanted] == [
        gift.reference, "Paid", "", 25_000, "Check", "", "1042", "2026-000001",
    ]  # fmt: skip
    assert (said["Stripe PaymentIntent"], said["Stripe charge"], said["Match (sponsors' money)"]) == ("", "", 25_000)
    receipts = exports.receipts_table(campaign=campaign, days=days)
    (row,) = list(receipts.rows)
    said = dict(zip((column.title for column in receipts.columns), row, strict=True))
    assert (said["Method"], said["Donor e-mail"]) == ("Check no. 1042", "")


@pytest.mark.parametrize("words", ["1042", "finch", "250", "Walter Finch", "G-{pk}"])
def test_it_is_found_by_what_people_type(campaign, words):
    gift = entered(campaign)
    entered(campaign, donor_name="Joan Reed", cheque_number="77", amount_minor=1_000)
    found = find_gifts(campaign=campaign, text=words.format(pk=gift.pk), state="", fund=None, days=Days())
    assert list(found) == [gift]


def test_it_is_found_by_its_kind(campaign):
    gift = entered(campaign)
    factories.donation(campaign=campaign)
    assert list(find_gifts(campaign=campaign, text="", state="offline", fund=None, days=Days())) == [gift]


def test_stripe_is_never_asked_about_it(campaign, monkeypatch):
    gift = entered(campaign)

    def asked(*_, **__):
        raise AssertionError("Stripe was asked")

    monkeypatch.setattr("donations.gateway.retrieve_payment", asked)
    monkeypatch.setattr("donations.gateway.listed", lambda *_, **__: ([], ""))
    later = ENTERED_AT + timedelta(days=3)
    assert reconciliation.ask_about_late_payments(now=later) == []
    assert reconciliation.adopt_unknown_payments(since=GIFT_AT, now=later) == []
    assert Client().get(f"/gifts/{gift.token}/?look=1").status_code == 200
    assert events.StripeEvent.objects.count() == 0


def test_it_lets_in_only_those_with_the_right(campaign):
    client = staff.olga()
    assert client.get(ADDRESS).status_code == 403
    assert "It has no right to enter gifts by check and cash." in staff.text_of(client.get(ADDRESS))
    assert client.post(ADDRESS, CHECK).status_code == 403
    assert Client().post(ADDRESS, CHECK).status_code == 302
    assert staff.farid().get(ADDRESS).status_code == 200
    dana = staff.dana()
    assert dana.put(ADDRESS).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(staff.person("dora", "development"))
    assert strict.post(ADDRESS, CHECK).status_code == 403
    assert not Donation.objects.exists()


def test_it_says_so_without_a_campaign(dana):
    assert "No campaign" in staff.text_of(dana.get(ADDRESS))


@pytest.mark.django_db(transaction=True)
def test_two_presses_at_once_enter_one_gift():
    campaign = factories.campaign()
    factories.pool(campaign=campaign)
    fund = campaign.funds.get()
    gift = OfflineGift(parts=((fund.pk, 5_000),), method="cash", received_at=GIFT_AT, donor_name="Walter Finch")
    barrier, outcomes = Barrier(4), []

    def press() -> None:
        barrier.wait()
        try:
            made = offline_gifts.enter_gift(
                campaign=campaign, gift=gift, form_key="one-form", actor="staff:7", now=ENTERED_AT
            )
            outcomes.append(("entered", made.pk))
        except offline_gifts.GiftEnteredBefore as error:
            outcomes.append(("before", error.donation.pk))
        finally:
            connection.close()

    presses = [Thread(target=press) for _ in range(4)]
    for thread in presses:
        thread.start()
    for thread in presses:
        thread.join()
    made = Donation.objects.get()
    assert sorted(outcomes) == [*[("before", made.pk)] * 3, ("entered", made.pk)]
    assert MatchPool.objects.get().matched_minor == 5_000
