"""Checks and cash put right: the match is taken back and made anew, the receipt replaced, the history kept."""

from datetime import datetime, timedelta
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client

from donations import corrections, follow_ups, offline_gifts, queries, work
from donations.corrections import CorrectedMeanwhile, GiftCancelled, NothingToCorrect, NotOffline
from donations.models import Donation, GiftCorrection, Receipt, Reversal
from donations.offline_gifts import OfflineGift
from donations.search import Days, find_gifts
from matching import late_gifts
from matching.checking import check_campaigns
from matching.ledger import PoolsBusy
from matching.models import LedgerEntry, MatchPool, Reservation
from matching.queries import gift_match
from tests import factories, staff
from tests.donations.give_form import hidden
from tests.donations.offline_form import CHECK, entered
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db
NOW = GIFT_AT + timedelta(hours=4)


@pytest.fixture(autouse=True)
def _afternoon(monkeypatch):
    monkeypatch.setattr("donations.views.offline.database_now", lambda: NOW)


@pytest.fixture
def campaign():
    factories.organization()
    funds = [factories.fund("Education", slug="education"), factories.fund("Nursing", slug="nursing")]
    return factories.campaign(funds=funds)


@pytest.fixture
def pool(campaign):
    return factories.pool(campaign=campaign, limit_minor=100_000)


def corrected(gift: Donation, *, seen: int = 0, now: datetime = NOW, **changes) -> Donation:
    wanted = OfflineGift.of(gift).as_json() | changes
    if isinstance(wanted["received_at"], datetime):
        wanted["received_at"] = wanted["received_at"].isoformat()
    return corrections.correct_gift(
        donation_id=gift.pk,
        gift=OfflineGift.from_json(wanted),
        corrections_seen=seen,
        reason="Misread the check",
        actor="staff:9",
        now=now,
    )


def cancelled(gift: Donation, cause: str = "returned_unpaid") -> Donation:
    return corrections.cancel_gift(
        donation_id=gift.pk, cause=cause, reason="Bank notice of December 9", actor="staff:9", now=NOW
    )


def run_work(gift: Donation, *, now: datetime = NOW) -> None:
    for row_id in follow_ups.due_ids(donation_id=gift.pk):
        assert follow_ups.run(follow_up_id=row_id, now=now)


def test_a_corrected_amount_takes_the_match_back_and_makes_it_anew(campaign, pool):
    gift = entered(campaign, amount_minor=60_000)
    other = entered(campaign, donor_name="Joan Reed", cheque_number="7", amount_minor=50_000)
    old_key = gift.match_key
    gift = corrected(gift, parts=[[campaign.funds.first().pk, 6_000]])
    assert gift.match_key != old_key
    assert (gift.amount_minor, list(gift.designations.values_list("amount_minor", flat=True))) == (6_000, [6_000])
    old, new = Reservation.objects.get(key=old_key), Reservation.objects.get(key=gift.match_key)
    assert (old.state, new.state, new.match_minor, new.submitted_at) == ("voided", "committed", 6_000, GIFT_AT)
    entries = LedgerEntry.objects.filter(allocation__reservation__in=[old, new]).order_by("pk")
    assert [(entry.reason, entry.amount_minor, entry.actor) for entry in entries][2:] == [
        ("reverse", 60_000, "staff:9"), ("hold", 6_000, "staff:9"), ("commit", 6_000, "staff:9"),
    ]  # fmt: skip
    assert gift_match(key=other.match_key).match_minor == 40_000  # what is free now is offered to it by the timer
    assert check_campaigns() == []
    correction = gift.corrections.get()
    assert (correction.actor, correction.reason, correction.match_key_before) == (
        "staff:9",
        "Misread the check",
        old_key,
    )
    assert correction.changes == [["Amount", "$600.00", "$60.00"]]
    assert [note.text for note in gift.notes.all()][-2:] == [
        "Corrected: Amount was $600.00 and is $60.00.", "Why it was corrected: Misread the check",
    ]  # fmt: skip


def test_a_larger_amount_may_use_what_the_wrong_one_had(campaign, pool):
    gift = corrected(entered(campaign, amount_minor=90_000), parts=[[campaign.funds.first().pk, 120_000]])
    assert gift_match(key=gift.match_key).match_minor == 100_000


def test_a_corrected_moment_is_judged_by_its_own_window(campaign):
    factories.pool(campaign=campaign, opens_at=GIFT_AT - timedelta(hours=1), closes_at=GIFT_AT + timedelta(hours=1))
    gift = entered(campaign)
    gift = corrected(gift, received_at=GIFT_AT + timedelta(hours=2))
    assert (gift.paid_at, gift_match(key=gift.match_key).match_minor) == (GIFT_AT + timedelta(hours=2), 0)
    gift = corrected(gift, seen=1, received_at=GIFT_AT)
    assert gift_match(key=gift.match_key).match_minor == 25_000


def test_a_corrected_fund_moves_the_gift_and_its_match(campaign):
    education, nursing = campaign.funds.order_by("slug")
    factories.pool(campaign=campaign, fund_ids=(education.pk,))
    gift = entered(campaign, parts=((education.pk, 25_000),))
    gift = corrected(gift, parts=[[education.pk, 5_000], [nursing.pk, 20_000]])
    assert gift_match(key=gift.match_key).match_minor == 5_000
    totals = queries.fund_totals(campaign_id=campaign.pk)
    assert {pk: row.raised_minor for pk, row in totals.items()} == {education.pk: 5_000, nursing.pk: 20_000}
    assert gift.corrections.get().changes == [["Fund", "Education", "Education $50.00, Nursing $200.00"]]


def test_another_donor_is_held_to_a_cap_of_their_own(campaign):
    factories.pool(campaign=campaign, cap_per_donor_minor=30_000)
    entered(campaign)
    second = entered(campaign)
    assert gift_match(key=second.match_key).match_minor == 5_000
    second = corrected(second, donor_name="Wanda Finch")
    assert gift_match(key=second.match_key).match_minor == 25_000
    assert queries.totals(campaign_id=campaign.pk).donor_count == 2


@pytest.mark.parametrize(
    "changes", [{"city": "Cambridge"}, {"cheque_number": "1043"}, {"hides_name": True}, {"staff_note": "Twice"}]
)
def test_what_the_rules_do_not_ask_about_leaves_the_match_alone(campaign, pool, changes):
    gift = entered(campaign)
    entries, key = LedgerEntry.objects.count(), gift.match_key
    gift = corrected(gift, **changes)
    assert (gift.match_key, LedgerEntry.objects.count()) == (key, entries)
    assert gift.corrections.get().match_key_before is None


def test_the_department_or_team_is_corrected_by_the_form(campaign, pool):
    west = campaign.teams.create(name="7 West", slug="7-west")
    gift, dana = entered(campaign, team_id=west.pk), staff.dana()
    address = f"/staff/gifts/{gift.pk}/correct/"
    assert '<option value="7-west" selected>' in dana.get(address).content.decode()
    dana.post(address, page_form(dana, gift, team=""))
    gift.refresh_from_db()
    assert (gift.team, gift.corrections.get().changes) == (None, [["Department or team", "7 West", "none"]])


def test_the_receipt_is_voided_and_replaced_naming_the_old_number(campaign, pool):
    gift = entered(campaign, amount_minor=60_000)
    run_work(gift)
    gift = corrected(gift, parts=[[campaign.funds.first().pk, 6_000]], donor_name="Walter B. Finch", staff_note="Note")
    run_work(gift)
    old, new = Receipt.objects.order_by("pk")
    assert (new.number, new.version, new.replaces, new.content["replaces"]) == ("2026-000002", 2, old, "2026-000001")
    assert (new.amount_minor, new.content["donor"]["name"], new.content["match"]["match_minor"]) == (
        6_000, "Walter B. Finch", 6_000,
    )  # fmt: skip
    assert old.void_reason == (
        "Corrected: Amount was $600.00 and is $60.00. Name was Walter Finch and is Walter B. Finch."
    )
    page = staff.text_of(Client().get(f"/gifts/{gift.token}/"))
    assert "2026-000002" in page
    assert "replaces" in page


def test_a_correction_that_no_receipt_shows_replaces_none(campaign):
    gift = entered(campaign)
    run_work(gift)
    run_work(corrected(gift, staff_note="In the blue folder"))
    assert Receipt.objects.count() == 1


def test_a_new_address_for_mail_gets_the_new_receipt(campaign):
    gift = entered(campaign)
    run_work(gift)
    gift = corrected(gift, donor_email="walter@example.org")
    run_work(gift)
    assert list(gift.follow_ups.filter(kind="email").values_list("subject_id", flat=True)) == [
        Receipt.objects.get(voided_at=None).pk
    ]


def test_it_corrects_all_or_nothing(campaign, pool, monkeypatch):
    gift = entered(campaign)
    before = (Donation.objects.values().get(), MatchPool.objects.values().get(), LedgerEntry.objects.count())

    def broken(**_):
        raise RuntimeError("the last step fails")

    monkeypatch.setattr(work, "owe", broken)
    with pytest.raises(RuntimeError):
        corrected(gift, parts=[[campaign.funds.first().pk, 6_000]])
    assert (Donation.objects.values().get(), MatchPool.objects.values().get(), LedgerEntry.objects.count()) == before
    assert not GiftCorrection.objects.exists()


def test_it_refuses_what_cannot_be_corrected(campaign, pool):
    card, check = factories.donation(campaign=campaign), entered(campaign)
    with pytest.raises(NotOffline):
        corrections.correct_gift(
            donation_id=card.pk, gift=OfflineGift.of(check), corrections_seen=0, reason="x", actor="staff:9", now=NOW
        )
    with pytest.raises(NotOffline):
        cancelled(card)
    with pytest.raises(NothingToCorrect):
        corrected(check)
    corrected(check, city="Cambridge")
    with pytest.raises(CorrectedMeanwhile):
        corrected(check, city="Somerville")
    cancelled(check)
    with pytest.raises(GiftCancelled):
        corrected(check, seen=1, city="Somerville")
    with pytest.raises(GiftCancelled):
        cancelled(check)


def test_the_database_keeps_corrections_and_match_keys(campaign, pool):
    gift = entered(campaign)
    corrected(gift, parts=[[campaign.funds.first().pk, 6_000]])
    card = factories.donation(campaign=campaign)
    GiftCorrection.objects.create(
        donation=card, at=NOW, actor="staff:9", reason="x", changes=[], match_key_before=card.match_key
    )
    bad = [
        lambda: Donation.objects.filter(pk=gift.pk).update(match_key=uuid4()),
        lambda: Donation.objects.filter(pk=card.pk).update(match_key=uuid4()),
        lambda: GiftCorrection.objects.filter(donation=gift).update(reason="y"),
        lambda: GiftCorrection.objects.filter(donation=gift).delete(),
    ]
    for write in bad:
        with pytest.raises(DatabaseError, match=r"match key|Cannot (update|delete)"), transaction.atomic():
            write()


def test_it_is_found_by_the_reference_it_had_before(campaign, pool):
    gift = entered(campaign)
    before = gift_match(key=gift.match_key).reference
    gift = corrected(gift, parts=[[campaign.funds.first().pk, 6_000]])
    for reference in (before, gift_match(key=gift.match_key).reference):
        assert list(find_gifts(campaign=campaign, text=reference, state="", fund=None, days=Days())) == [gift]
    page = staff.text_of(staff.dana().get(f"/staff/gifts/{gift.pk}/"))
    assert before in page
    assert "Voided" in page


def test_a_bounced_check_is_taken_back_and_stays_on_record(campaign, pool):
    gift = entered(campaign)
    run_work(gift)
    gift = cancelled(gift)
    run_work(gift)
    reversal = gift.reversals.get()
    assert (reversal.kind, reversal.status, reversal.amount_minor) == ("offline", "returned_unpaid", 25_000)
    pool.refresh_from_db()
    assert (pool.matched_minor, pool.free_minor) == (0, 100_000)
    assert queries.totals(campaign_id=campaign.pk) == queries.Totals()
    receipt = Receipt.objects.get()
    assert (receipt.void_reason, receipt.voided_at) == ("The bank returned the check unpaid.", NOW)
    assert [note.text for note in gift.notes.filter(actor="staff:9")] == [
        "Cancelled. The bank returned the check unpaid.", "Why it was cancelled: Bank notice of December 9",
    ]  # fmt: skip
    page = staff.text_of(Client().get(f"/gifts/{gift.token}/"))
    assert "This gift was cancelled" in page
    assert "Banks take up to ten days" not in page
    assert "Cancelled" in staff.text_of(staff.dana().get(f"/staff/gifts/{gift.pk}/"))
    assert check_campaigns() == []


def test_a_gift_cancelled_before_its_receipt_gets_none(campaign):
    gift = cancelled(entered(campaign))
    run_work(gift)
    assert not Receipt.objects.exists()


def page_form(client: Client, gift: Donation, **changes) -> dict[str, str]:
    html = client.get(f"/staff/gifts/{gift.pk}/correct/").content.decode()
    sent = {"corrections": hidden(html, "corrections"), **CHECK, "reason": "Misread the check"} | changes
    return {name: value for name, value in sent.items() if value is not None}


def test_its_form_shows_the_gift_as_it_stands_to_the_second(campaign, pool):
    seconds = GIFT_AT + timedelta(seconds=42)
    gift = entered(campaign, received_at=seconds, now=NOW)
    dana = staff.dana()
    html = dana.get(f"/staff/gifts/{gift.pk}/correct/").content.decode()
    for shown in ('value="250.00"', 'value="Walter Finch"', 'value="2026-12-01"', 'value="10:30"', 'value="1042"'):
        assert shown in html
    answer = dana.post(f"/staff/gifts/{gift.pk}/correct/", page_form(dana, gift))
    assert "nothing was changed" in staff.text_of(dana.get(answer.headers["Location"]))
    dana.post(f"/staff/gifts/{gift.pk}/correct/", page_form(dana, gift, other_amount="260"))
    gift.refresh_from_db()
    assert (gift.amount_minor, gift.paid_at) == (26_000, seconds)


def test_its_form_corrects_once_however_often_it_comes(campaign, pool):
    gift, dana = entered(campaign), staff.dana()
    address, sent = f"/staff/gifts/{gift.pk}/correct/", page_form(dana, gift, other_amount="260")
    first = dana.post(address, sent)
    assert "Corrected. It is matched with $260.00." in staff.text_of(dana.get(first.headers["Location"]))
    second = dana.post(address, sent | {"other_amount": "270"})
    assert "has been corrected since the form was opened" in staff.text_of(dana.get(second.headers["Location"]))
    assert (Donation.objects.get().amount_minor, GiftCorrection.objects.count()) == (26_000, 1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"reason": ""}, "Say why the gift is corrected"),
        ({"reason": "x" * 201}, "Use at most 200 characters."),
        ({"other_amount": "1.000,00"}, "is not an amount we can read"),
        ({"received_on": "2026-12-02"}, "That day is still to come."),
    ],
)
def test_its_form_says_what_to_do_and_changes_nothing(campaign, pool, changes, sentence):
    gift, dana = entered(campaign), staff.dana()
    answer = dana.post(f"/staff/gifts/{gift.pk}/correct/", page_form(dana, gift, city="Salem", **changes))
    assert (answer.status_code, sentence in staff.text_of(answer)) == (200, True)
    assert 'value="Salem"' in answer.content.decode()
    assert not GiftCorrection.objects.exists()


def test_it_cancels_by_its_form_with_a_cause_and_words(campaign, pool):
    gift, dana = entered(campaign), staff.dana()
    address = f"/staff/gifts/{gift.pk}/cancel/"
    assert "The bank returned the check unpaid." in staff.text_of(dana.get(address))
    empty = staff.text_of(dana.post(address))
    assert "Choose what happened." in empty
    assert "Say in a few words how you know" in empty
    answer = dana.post(address, {"cause": "returned_unpaid", "reason": "Bank notice"})
    assert "Its match went back" in staff.text_of(dana.get(answer.headers["Location"]))
    again = dana.post(address, {"cause": "returned_unpaid", "reason": "Bank notice"})
    assert "is cancelled already" in staff.text_of(dana.get(again.headers["Location"]))
    assert "was cancelled and is not corrected" in staff.text_of(
        dana.get(f"/staff/gifts/{gift.pk}/correct/", follow=True)
    )
    assert Reversal.objects.count() == 1
    cash = entered(campaign, method="cash", cheque_number="", donor_name="Joan Reed")
    refused = dana.post(f"/staff/gifts/{cash.pk}/cancel/", {"cause": "returned_unpaid", "reason": "x"})
    assert "Choose what happened." in staff.text_of(refused)


@pytest.mark.parametrize("name", ["correct", "cancel"])
def test_it_lets_in_only_those_with_the_right(campaign, pool, name):
    gift, card = entered(campaign), factories.donation(campaign=campaign)
    address = f"/staff/gifts/{gift.pk}/{name}/"
    sent = {**CHECK, "corrections": "0", "reason": "x", "cause": "returned_unpaid", "other_amount": "1"}
    olga, farid, strict = staff.olga(), staff.farid(), Client(enforce_csrf_checks=True)
    strict.force_login(staff.person("dora", "development"))
    assert (olga.get(address).status_code, olga.post(address, sent).status_code) == (403, 403)
    assert (Client().post(address, sent).status_code, strict.post(address, sent).status_code) == (302, 403)
    assert (farid.get(address).status_code, farid.put(address).status_code) == (200, 405)
    assert farid.get(f"/staff/gifts/{card.pk}/{name}/").status_code == 404
    gift.refresh_from_db()
    assert (gift.amount_minor, gift.refunded_minor) == (25_000, 0)


def test_it_keeps_what_was_typed_when_the_pools_are_busy(campaign, pool, monkeypatch):
    def busy(**_):
        raise PoolsBusy("locked")

    gift, dana = entered(campaign), staff.dana()
    monkeypatch.setattr(late_gifts, "correct", busy)
    answer = dana.post(f"/staff/gifts/{gift.pk}/correct/", page_form(dana, gift, other_amount="260"))
    assert (answer.status_code, 'value="260"' in answer.content.decode()) == (503, True)
    assert not GiftCorrection.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_corrections_and_a_cancellation_at_once_leave_whole_books():
    factories.organization()
    campaign = factories.campaign()
    factories.pool(campaign=campaign, limit_minor=30_000)
    gift = entered(campaign)
    fund, barrier, outcomes = campaign.funds.get(), Barrier(3), []

    def act(number: int) -> None:
        barrier.wait()
        try:
            if number == 0:
                cancelled(gift)
            else:
                corrected(gift, parts=[[fund.pk, 1_000 * number]])
            outcomes.append("done")
        except (CorrectedMeanwhile, GiftCancelled) as error:
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    actors = [Thread(target=act, args=(number,)) for number in range(3)]
    for thread in actors:
        thread.start()
    for thread in actors:
        thread.join()
    gift.refresh_from_db()
    assert outcomes.count("done") in (1, 2)
    assert gift.refunded_minor == gift.amount_minor
    assert MatchPool.objects.get().matched_minor == 0
    assert check_campaigns() == []
    assert offline_gifts.likely_twins(campaign=campaign, gift=OfflineGift.of(gift)) == []
