"""Refunds and disputes, in whatever splits and order Stripe reports them: the end is that of their sum (design 3.6)."""

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from donations import follow_ups, payments
from donations.gateway import ChargeDetails, Payment
from donations.models import Donation, FollowUp
from matching.allocation import kept_after_refund
from matching.checking import check_campaigns
from matching.models import MatchPool
from matching.queries import gift_match
from tests import factories
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db
CHAOS = bool(os.environ.get("CHAOS"))
AMOUNT_MINOR, FEE_MINOR = 9_999, 331
PAID = Donation.State.PAID
# How a refund or a dispute may go on at Stripe, and whether it counts as refunded in the end.
COURSES = {
    "refund": [
        (["succeeded"], True),
        (["pending", "succeeded"], True),
        (["pending", "succeeded", "failed"], False),
        (["succeeded", "failed"], False),
        (["requires_action", "canceled"], False),
        (["pending"], True),
    ],
    "dispute": [
        (["needs_response"], False),
        (["needs_response", "under_review", "lost"], True),
        (["needs_response", "under_review", "won"], False),
        (["needs_response", "lost", "won"], False),
        (["warning_needs_response", "warning_under_review", "warning_closed"], False),
        (["warning_needs_response", "needs_response", "lost"], True),
    ],
}
OPEN = {"needs_response", "under_review", "warning_needs_response", "warning_under_review"}


@dataclass(frozen=True)
class Report:
    """What one event says of one refund or dispute. second: of Stripe's clock."""

    kind: str
    stripe_id: str
    amount_minor: int
    status: str
    second: int

    def record(self, donation: Donation) -> None:
        payments.record_reversal(
            donation_id=donation.pk,
            kind=self.kind,
            stripe_id=self.stripe_id,
            amount_minor=self.amount_minor,
            status=self.status,
            created_at=GIFT_AT,
            reported_at=GIFT_AT + timedelta(seconds=self.second),
            now=GIFT_AT + timedelta(days=1),
        )


@pytest.fixture
def campaign():
    """Three pools give to each gift: one dollar for dollar, one half, one bonus that is capped."""
    factories.organization()
    made = factories.campaign()
    factories.pool(campaign=made, limit_minor=400_000, cap_per_gift_minor=3_333, priority=1)
    factories.pool(campaign=made, limit_minor=400_000, ratio_gift=2, priority=2)
    factories.pool(campaign=made, limit_minor=400_000, layer="bonus", cap_per_gift_minor=777)
    return made


def started(campaign) -> Donation:
    gift = factories.donation(
        campaign=campaign, amount_minor=AMOUNT_MINOR, state=Donation.State.STARTED, fee_minor=FEE_MINOR
    )
    factories.match(gift, is_paid=False)
    return gift


def pay(donation: Donation) -> None:
    charge = ChargeDetails(f"ch_{donation.pk}", "card", "Visa", "4242", GIFT_AT)
    payment = Payment(
        f"pi_{donation.pk}", "succeeded", donation.total_minor, "USD", str(donation.match_key), charge=charge
    )
    payments.settle(donation_id=donation.pk, payment=payment, now=GIFT_AT)


def bring_receipts(donation: Donation) -> None:
    for row in FollowUp.objects.filter(donation=donation, kind=FollowUp.Kind.RECEIPT):
        follow_ups.run(follow_up_id=row.pk, now=GIFT_AT + timedelta(days=2))


def end_of(donation: Donation) -> dict:
    """Everything that must not depend on how the refunds came."""
    bring_receipts(donation)
    donation.refresh_from_db()
    match = gift_match(key=donation.match_key)
    receipt = donation.receipts.filter(voided_at=None).first()
    return {
        "refunded": donation.refunded_minor,
        "disputed": donation.disputed_at is not None,
        "match": match.match_minor,
        "lines": [line.amount_minor for line in match.lines],
        "shortfall": donation.match_shortfall_minor,
        "receipt": receipt and (receipt.amount_minor, (receipt.content["match"] or {}).get("match_minor", 0)),
        "rows": sorted(donation.reversals.values_list("stripe_id", "status", "amount_minor")),
    }


def expected(reports: Sequence[Report]) -> tuple[int, bool]:
    """What is refunded, and whether a dispute is open, by the newest report of each refund and dispute."""
    newest = {}
    for report in sorted(reports, key=lambda report: report.second):
        newest[report.stripe_id] = report
    counted = [row for row in newest.values() if row.status in ("succeeded", "pending", "requires_action", "lost")]
    total = min(AMOUNT_MINOR + FEE_MINOR, sum(row.amount_minor for row in counted))
    return total, any(row.kind == "dispute" and row.status in OPEN for row in newest.values())


def told(campaign, reports: Sequence[Report], *, paid_before: int = 0, receipts_after: Sequence[int] = ()) -> dict:
    """A gift of which these are the reports, in this order. paid_before: how many come before the payment is known."""
    gift = started(campaign)
    own = [Report(r.kind, f"{r.stripe_id}_{gift.pk}", r.amount_minor, r.status, r.second) for r in reports]
    for number, report in enumerate([*own, None]):
        if number == paid_before:
            pay(gift)
        if report is not None:
            report.record(gift)
        if number in receipts_after:
            bring_receipts(gift)
    end = end_of(gift)
    end["rows"] = [(stripe_id.rsplit("_", 1)[0], *rest) for stripe_id, *rest in end["rows"]]
    return end


def course(kind: str, name: str, amount_minor: int, statuses: Sequence[str], *, apart: int = 1) -> list[Report]:
    """The reports of one refund or dispute as time goes by. apart: seconds between them."""
    return [Report(kind, name, amount_minor, status, second * apart) for second, status in enumerate(statuses, start=1)]


@st.composite
def histories(draw) -> tuple[list[Report], list[Report]]:
    """What Stripe reports in the course of time, and the same as it arrives: in any order, some of it twice."""
    reports = []
    for number in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["refund", "refund", "dispute"]))
        statuses, _ = draw(st.sampled_from(COURSES[kind]))
        amount_minor = draw(st.integers(1, AMOUNT_MINOR + FEE_MINOR))
        reports += course(kind, f"{kind}{number}", amount_minor, statuses, apart=draw(st.integers(0, 3)))
    repeats = draw(st.lists(st.sampled_from(reports), max_size=3))
    return reports, draw(st.permutations([*reports, *repeats]))


@settings(
    max_examples=400 if CHAOS else 20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    print_blob=True,
)
@given(history=histories(), how=st.data())
def test_any_split_and_order_of_refunds_and_disputes_ends_as_their_sum(campaign, history, how):
    in_order, reports = history
    paid_before = how.draw(st.integers(0, len(reports)))
    receipts_after = how.draw(st.sets(st.integers(0, len(reports)), max_size=2))
    with transaction.atomic():
        end = told(campaign, reports, paid_before=paid_before, receipts_after=receipts_after)
        total, disputed = expected(in_order)
        one = told(campaign, [Report("refund", "refund", total, "succeeded", 1)] if total else [])
        assert (end["refunded"], end["disputed"], end["shortfall"]) == (total, disputed, 0)
        assert {**end, "rows": [], "disputed": False} == {**one, "rows": []}
        left = AMOUNT_MINOR - min(total, AMOUNT_MINOR)
        whole = (3_333, 3_333, 777)
        assert end["lines"] == [kept_after_refund(a, basis_minor=AMOUNT_MINOR, remaining_minor=left) for a in whole]
        matched = sum(pool.matched_minor for pool in MatchPool.objects.all())
        assert matched == end["match"] + one["match"]
        assert check_campaigns() == []
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        transaction.set_rollback(True)


class TestEveryOrder:
    """All permutations of what Stripe may say of one refund or dispute, some seconds apart or in the same second."""

    @pytest.mark.parametrize("apart", [2, 0], ids=["seconds apart", "in one second"])
    @pytest.mark.parametrize(
        ("kind", "statuses", "counts"),
        [(kind, statuses, counts) for kind, courses in COURSES.items() for statuses, counts in courses],
        ids=lambda value: "-".join(value) if isinstance(value, list) else None,
    )
    def test_one_refund_or_dispute(self, campaign, kind, statuses, counts, apart):
        reports = course(kind, "x", 2_500, statuses, apart=apart)
        ends = [told(campaign, order) for order in itertools.permutations(reports)]
        expected_end = {"refunded": 2_500 if counts else 0, "rows": [("x", statuses[-1], 2_500)]}
        assert [end for end in ends if {key: end[key] for key in expected_end} != expected_end] == []
        assert check_campaigns() == []

    def test_a_refund_that_failed_beside_a_dispute_that_was_lost_and_then_won(self, campaign):
        reports = [
            *course("refund", "re", 4_000, ["succeeded", "failed"]),
            *course("dispute", "dp", 5_999, ["lost", "won"], apart=2),
        ]
        ends = [told(campaign, order) for order in itertools.permutations(reports)]
        assert [end for end in ends if end != ends[0]] == []
        assert (len(ends), ends[0]["refunded"], ends[0]["match"]) == (24, 0, 3_333 + 3_333 + 777)


def test_a_lost_dispute_that_is_won_months_later_gives_match_and_receipt_back(campaign):
    gift = started(campaign)
    pay(gift)
    for report in course("dispute", "dp_1", gift.total_minor, ["needs_response", "lost"]):
        report.record(gift)
    end = end_of(gift)
    assert (end["refunded"], end["match"], end["receipt"]) == (gift.total_minor, 0, None)
    Report("dispute", "dp_1", gift.total_minor, "won", 5_000_000).record(gift)
    end = end_of(gift)
    assert (end["refunded"], end["match"], end["receipt"][0]) == (0, 3_333 + 3_333 + 777, gift.total_minor)
    assert [note.text for note in gift.notes.filter(text__startswith="Dispute")] == [
        "Dispute of $103.30: needs response.",
        "Dispute of $103.30: lost.",
        "Dispute of $103.30: won.",
    ]


def test_a_dispute_whose_sum_changes_counts_with_its_newest_sum(campaign):
    before = Report("dispute", "dp", 9_999, "needs_response", 1)
    after = Report("dispute", "dp", 4_000, "lost", 2)
    for order in ([before, after], [after, before]):
        assert told(campaign, order)["refunded"] == 4_000


def test_the_flag_is_of_the_oldest_dispute_that_is_open(campaign):
    gift = started(campaign)
    pay(gift)
    Report("dispute", "dp_2", 100, "needs_response", 9).record(gift)
    gift.reversals.update(created_at=GIFT_AT + timedelta(days=3))
    Report("dispute", "dp_1", 100, "needs_response", 5).record(gift)
    gift.refresh_from_db()
    assert gift.disputed_at == GIFT_AT


def test_a_status_that_we_do_not_know_yet_is_kept_and_counts_like_a_refund_under_way(campaign):
    end = told(campaign, course("refund", "re", 1_000, ["pending", "on_its_way"]))
    assert (end["refunded"], end["rows"]) == (1_000, [("re", "on_its_way", 1_000)])
