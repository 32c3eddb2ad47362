"""Closing a month of the books: what is booked, that it adds up whatever comes later, and that it stays."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from donations import corrections
from donations.models import Designation, Donation, Period, PeriodLine, Receipt, Reversal
from donations.offline_gifts import OfflineGift
from donations.payments import counts_as_refunded, record_reversal
from donations.periods import closing
from donations.periods.months import month_called, months
from donations.queries import split_left
from tests import factories
from tests.beside import Beside, someone_waits_for_a_lock
from tests.database import as_owner
from tests.donations.offline_form import entered

pytestmark = pytest.mark.django_db
DECEMBER, JANUARY, FEBRUARY = date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1)
SPRING = datetime(2027, 4, 10, 12, tzinfo=UTC)


@pytest.fixture
def funds():
    return factories.fund("Education", gl_code="4000-10"), factories.fund("Nursing", gl_code="4000-20")


@pytest.fixture
def campaign(funds):
    return factories.campaign(funds=funds)


def on(month, day, hour=12):
    """Noon in Boston, or so, of a day of the winter."""
    return datetime(2026 if month == 12 else 2027, month, day, hour + 5, tzinfo=UTC)


def back(gift, amount_minor, *, at, kind="refund", status="succeeded", stripe_id="", reported_at=None):
    record_reversal(
        donation_id=gift.pk, kind=kind, stripe_id=stripe_id or f"{kind}_{gift.pk}_{at:%m%d%H}",
        amount_minor=amount_minor, status=status, created_at=at, reported_at=reported_at or at, now=reported_at or at,
    )  # fmt: skip


def close(first_day=DECEMBER, *, now=SPRING, **changes):
    return closing.close(first_day=first_day, actor="staff:9", now=now, **changes)


def lines_of(period):
    found = period.lines.order_by("number")
    return [
        (row.donation.reference, row.fund_name, row.kind, row.day, row.amount_minor, row.fee_minor) for row in found
    ]


def test_it_books_gifts_and_what_went_back_by_fund_in_their_month(campaign, funds):
    education, nursing = funds
    split = factories.donation(
        campaign=campaign, parts=[(education, 3_333), (nursing, 6_667)], fee_minor=320, at=on(12, 1)
    )
    plain = factories.donation(campaign=campaign, parts=[(nursing, 5_000)], at=on(12, 31, 18), fee_minor=170)
    factories.donation(campaign=campaign, at=datetime(2027, 1, 1, 5, tzinfo=UTC))  # midnight in Boston
    factories.donation(campaign=campaign, at=on(12, 5), state="processing")
    back(split, 3_334, at=on(12, 9))
    back(plain, 5_100, at=on(12, 31, 18))
    back(plain, 20, at=on(1, 2))
    period = close(warnings=["A bank debit is under way."])
    assert lines_of(period) == [
        (split.reference, "Education", "gift", date(2026, 12, 1), 3_333, 320),
        (split.reference, "Nursing", "gift", date(2026, 12, 1), 6_667, 0),
        (split.reference, "Education", "refund", date(2026, 12, 9), -1_112, 0),
        (split.reference, "Nursing", "refund", date(2026, 12, 9), -2_222, 0),
        (plain.reference, "Nursing", "gift", date(2026, 12, 31), 5_000, 170),
        (plain.reference, "Nursing", "refund", date(2026, 12, 31), -5_000, -100),
    ]
    assert (period.closed_at, period.closed_by, period.line_count) == (SPRING, "staff:9", 6)
    assert period.warnings == ["A bank debit is under way."]
    line = period.lines.get(number=3)
    assert (line.gl_code, line.refunds, line.charge) == ("4000-10", f"refund_{split.pk}_120917", split.charge)
    assert (line.payment_intent, line.method, line.campaign_name) == (split.payment_intent, "card", campaign.name)


def test_what_comes_late_is_an_adjustment_of_the_next_month_with_its_own_day(campaign, funds):
    education, nursing = funds
    refunded = factories.donation(campaign=campaign, parts=[(education, 4_000)], at=on(12, 1))
    disputed = factories.donation(campaign=campaign, parts=[(education, 2_500)], at=on(12, 2))
    back(refunded, 1_000, at=on(12, 8), stripe_id="re_1")
    back(disputed, 2_500, at=on(12, 20), kind="dispute", status="needs_response", stripe_id="dp_1")
    check = entered(campaign, now=on(12, 3), amount_minor=5_000)
    first = close(now=on(1, 3))
    assert sum(row.amount_minor for row in first.lines.all()) == 10_500

    late = factories.donation(campaign=campaign, parts=[(nursing, 700)], at=on(12, 28), fee_minor=50)
    back(refunded, 1_000, at=on(12, 8), status="failed", stripe_id="re_1", reported_at=on(1, 4))
    back(disputed, 2_500, at=on(12, 20), kind="dispute", status="lost", stripe_id="dp_1", reported_at=on(1, 9))
    again = OfflineGift.of(check).as_json() | {"parts": [[nursing.pk, 6_000]]}
    corrections.correct_gift(
        donation_id=check.pk, gift=OfflineGift.from_json(again), corrections_seen=0, reason="x", actor="staff:9",
        now=on(1, 10),
    )  # fmt: skip
    assert lines_of(close(JANUARY, now=on(2, 2))) == [
        (refunded.reference, "Education", "adjustment", date(2026, 12, 1), 1_000, 0),
        (disputed.reference, "Education", "adjustment", date(2026, 12, 2), -2_500, 0),
        (check.reference, "Education", "adjustment", date(2026, 12, 3), -5_000, 0),
        (check.reference, "Nursing", "adjustment", date(2026, 12, 3), 6_000, 0),
        (late.reference, "Nursing", "adjustment", date(2026, 12, 28), 700, 50),
    ]
    corrections.cancel_gift(
        donation_id=check.pk, cause="returned_unpaid", reason="The bank", actor="staff:9", now=on(2, 3)
    )
    assert lines_of(close(FEBRUARY)) == [(check.reference, "Nursing", "refund", date(2027, 2, 3), -6_000, 0)]


def test_a_check_that_belongs_to_a_later_month_after_all_goes_from_one_to_the_other(campaign, funds):
    check = entered(campaign, now=on(12, 3), parts=((funds[0].pk, 5_000),))
    close()
    again = OfflineGift.of(check).as_json() | {"received_at": on(2, 4).isoformat()}
    corrections.correct_gift(
        donation_id=check.pk, gift=OfflineGift.from_json(again), corrections_seen=0, reason="x", actor="staff:9",
        now=SPRING,
    )  # fmt: skip
    assert lines_of(close(JANUARY)) == [(check.reference, "Education", "adjustment", date(2026, 12, 3), -5_000, 0)]
    assert lines_of(close(FEBRUARY)) == [(check.reference, "Education", "gift", date(2027, 2, 4), 5_000, 0)]
    again |= {"received_at": on(3, 5).isoformat(), "parts": [[funds[0].pk, 5_700]]}
    corrections.correct_gift(
        donation_id=check.pk, gift=OfflineGift.from_json(again), corrections_seen=1, reason="x", actor="staff:9",
        now=SPRING,
    )  # fmt: skip
    march = close(date(2027, 3, 1))
    assert lines_of(march) == [(check.reference, "Education", "adjustment", date(2027, 3, 5), 700, 0)]


def test_it_closes_in_order_once_and_only_what_is_over(campaign):
    factories.donation(campaign=campaign, at=on(12, 1))
    with pytest.raises(closing.MonthNotOver):
        close(now=datetime(2027, 1, 1, 4, 59, tzinfo=UTC))
    with pytest.raises(closing.EarlierMonthOpen):
        close(JANUARY)
    assert Period.objects.count() == 0
    period = close(now=datetime(2027, 1, 1, 5, tzinfo=UTC))
    with pytest.raises(closing.MonthClosed) as refused:
        close()
    assert refused.value.period == period
    states = {month.slug: month.state for month in months(now=on(2, 10))}
    assert states == {"2027-02": "waits", "2027-01": "ready", "2026-12": "closed"}
    assert close(JANUARY).line_count == 0  # a month in which nothing was given closes too
    assert month_called("2027-02", now=on(2, 10)).state == "running"


def test_a_month_is_over_when_it_is_over_for_every_campaign(campaign):
    factories.donation(campaign=campaign, at=on(12, 1))
    hawaii = factories.campaign(time_zone="Pacific/Honolulu", slug="hawaii")
    gift = factories.donation(campaign=hawaii, at=datetime(2027, 1, 1, 9, 59, tzinfo=UTC))
    with pytest.raises(closing.MonthNotOver):
        close(now=datetime(2027, 1, 1, 9, 59, tzinfo=UTC))
    close(now=datetime(2027, 1, 1, 10, tzinfo=UTC))
    assert PeriodLine.objects.get(donation=gift).day == date(2026, 12, 31)


@pytest.mark.parametrize("seed", range(3))
def test_the_closed_lines_of_a_gift_are_what_it_was_at_the_end_whatever_happened(campaign, funds, seed):
    """Gifts, refunds, disputes, corrections and late news on random days, and a closing after each month."""
    chance = random.Random(seed)
    gifts, at = [], on(12, 1)
    for month in range(5):
        for _ in range(14):
            at += timedelta(hours=chance.randint(20, 70))
            _happen(chance, campaign, funds, gifts, at)
        first_day = date(2026, 12, 1) if month == 0 else date(2027, month, 1)
        end = datetime(2027, month + 1, 1, 5 if month < 3 else 4, tzinfo=UTC)
        at = max(at, end + timedelta(days=chance.randint(0, 8)))
        close(first_day, now=at)
        for gift in Donation.objects.all():
            booked: dict[int, int] = {}
            for row in gift.period_lines.all():
                booked[row.fund_id] = booked.get(row.fund_id, 0) + row.amount_minor
            parts, fee_minor = _standing(gift, end)
            assert {fund: minor for fund, minor in booked.items() if minor} == parts
            assert sum(row.fee_minor for row in gift.period_lines.all()) == fee_minor


def _happen(chance, campaign, funds, gifts, at):
    what = chance.choice(["gift", "gift", "check", "late", "refund", "refund", "dispute", "news", "correct", "cancel"])
    earlier = at - timedelta(days=chance.randint(0, 40))
    parts = [(fund, chance.randint(1, 900)) for fund in chance.sample(funds, k=chance.randint(1, 2))]
    if what in ("gift", "late"):
        paid_at = at if what == "gift" else max(earlier, on(12, 1))
        gift = factories.donation(campaign=campaign, parts=parts, fee_minor=chance.randint(0, 60), at=paid_at)
        gifts.append(gift)
        return
    if what == "check":
        named = tuple((fund.pk, minor) for fund, minor in parts)
        gifts.append(entered(campaign, now=at, parts=named, cheque_number=f"{len(gifts)}"))
        return
    online = [gift for gift in gifts if not gift.is_offline]
    checks = [gift for gift in gifts if gift.is_offline and not Reversal.objects.filter(donation=gift).exists()]
    if what in ("refund", "dispute") and online:
        gift = chance.choice(online)
        status = chance.choice(["succeeded", "pending"] if what == "refund" else ["needs_response", "lost"])
        back(
            gift, chance.randint(1, gift.total_minor), at=at, kind=what, status=status, stripe_id=f"x_{at.timestamp()}"
        )
    row = Reversal.objects.exclude(kind="offline").order_by("?").first()
    if what == "news" and row:
        status = chance.choice(["failed", "succeeded"] if row.kind == "refund" else ["won", "lost"])
        back(
            row.donation, row.amount_minor, at=row.created_at, kind=row.kind, status=status, stripe_id=row.stripe_id,
            reported_at=at,
        )  # fmt: skip
    if what == "correct" and checks:
        gift = Donation.objects.get(pk=chance.choice(checks).pk)
        again = OfflineGift.of(gift).as_json() | {"parts": [[fund.pk, minor] for fund, minor in parts]}
        again |= {"received_at": max(earlier, on(12, 1)).isoformat()}
        corrections.correct_gift(
            donation_id=gift.pk, gift=OfflineGift.from_json(again), corrections_seen=gift.corrections.count(),
            reason="x", actor="staff:9", now=at,
        )  # fmt: skip
    if what == "cancel" and checks:
        cancelled = chance.choice(checks)
        corrections.cancel_gift(donation_id=cancelled.pk, cause="given_back", reason="x", actor="staff:9", now=at)


def _standing(gift, end):
    """What stays of the gift at `end`, as known now: by fund, funds with nothing left out, and of the covered fee."""
    if gift.paid_at >= end:
        return {}, 0
    rows = [row for row in gift.reversals.all() if row.created_at < end and counts_as_refunded(row)]
    gone = min(sum(row.amount_minor for row in rows), gift.total_minor)
    parts = list(Designation.objects.filter(donation=gift).values_list("fund_id", "amount_minor"))
    left = split_left(parts_minor=[minor for _, minor in parts], refunded_minor=gone)
    by_fund = {fund: minor for (fund, _), minor in zip(parts, left, strict=True) if minor}
    return by_fund, gift.fee_minor - max(gone - gift.amount_minor, 0)


def test_the_database_refuses_to_change_what_is_closed(campaign):
    factories.donation(campaign=campaign, at=on(12, 1))
    period = close()
    line = period.lines.get()
    values = {field.attname: getattr(line, field.attname) for field in PeriodLine._meta.concrete_fields}
    bad = [
        lambda: Period.objects.update(closed_by="staff:1"),
        lambda: Period.objects.all()._raw_delete("default"),
        lambda: PeriodLine.objects.update(amount_minor=1),
        lambda: PeriodLine.objects.all()._raw_delete("default"),
        lambda: _run("TRUNCATE donations_periodline"),
        lambda: _run("TRUNCATE donations_period CASCADE"),
        lambda: PeriodLine.objects.create(**values | {"id": None, "number": 2}),
        lambda: Period.objects.create(first_day=FEBRUARY, closed_at=SPRING, closed_by="staff:1", line_count=0),
        lambda: Period.objects.create(first_day=JANUARY, closed_at=SPRING, closed_by="staff:1", line_count=1),
    ]
    said = []
    for change in bad:
        with pytest.raises((IntegrityError, DatabaseError)) as refused, transaction.atomic():
            change()
        said.append(str(refused.value).split("\n")[0])
    assert said == [
        "periods stay as they were closed",
        "periods stay as they were closed",
        "period_lines stay as they were closed",
        "period_lines stay as they were closed",
        "period_lines stay as they were closed",
        "periods stay as they were closed",
        "a closed period gets no more lines",
        "periods close in order: 2027-02-01 is not the next",
        "period 2027-01-01 has not as many lines as it says",
    ]
    assert list(PeriodLine.objects.values()) == [values]


def _run(statement):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(statement)


@pytest.mark.django_db(transaction=True)
def test_two_people_who_close_at_once_make_one_closing(campaign, monkeypatch):
    factories.donation(campaign=campaign, at=on(12, 1))

    def at_once():
        with transaction.atomic():
            close()
            other = Beside(close)
            someone_waits_for_a_lock()
        return other

    with monkeypatch.context() as unlocked:
        unlocked.setattr(closing, "_take_turn", lambda: None)
        with pytest.raises(IntegrityError):  # without its turn the second does not see the first
            at_once().finish()
    assert Period.objects.count() == 1
    for table in ("donations_periodline", "donations_period"):
        as_owner(f"DELETE FROM {table}", table)
    with pytest.raises(closing.MonthClosed):
        at_once().finish()
    with transaction.atomic():
        close(JANUARY)
        with pytest.raises(closing.ClosingUnderWay):
            Beside(_close_without_patience).finish()
    assert (Period.objects.count(), PeriodLine.objects.count()) == (2, 1)


def _close_without_patience():
    _run("SET lock_timeout = 1")
    return close(JANUARY)


@pytest.mark.django_db(transaction=True)
def test_giving_and_refunding_go_on_while_a_month_is_closed(campaign):
    """What is done meanwhile is in the next month's closing, and nobody waits for it."""
    gift = factories.donation(campaign=campaign, at=on(12, 1))
    with transaction.atomic():
        close()
        Beside(lambda: back(gift, 1_000, at=on(12, 2))).finish()
    assert Receipt.objects.count() == 0
    assert lines_of(close(JANUARY)) == [(gift.reference, "Education", "adjustment", date(2026, 12, 1), -1_000, 0)]
