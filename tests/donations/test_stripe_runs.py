"""Going through Stripe by object: what events never told is found, completed, noted or set aside, and the day ties."""

import csv
import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F, Sum
from django.test import Client
from django.utils import timezone

from campaign.money import format_amount
from donations import events, gateway, stripe_days, stripe_lists, stripe_runs, tasks
from donations.models import Donation, Reversal, StrayPayment, StripeEvent, StripeMovement, StripeRun
from donations.search import midnight
from matching.checking import check_campaigns
from matching.queries import gift_match
from tests import factories, staff
from tests.fault_table import charged_once, outcome_of
from tests.paying import client, confirm, deliver, events_of, finish, started_gift
from tests.site import request_json

pytestmark = [pytest.mark.django_db(transaction=True)]
LATER = timedelta(minutes=20)


@pytest.fixture(autouse=True)
def _first_looks_back_three_days(monkeypatch):
    """Each day looked at costs a comparison."""
    monkeypatch.setattr(stripe_runs, "FIRST_LOOKS_BACK", timedelta(days=3))


@pytest.fixture
def campaign():
    factories.organization()
    made = factories.open_campaign()
    factories.pool(campaign=made, limit_minor=1_000_000)
    return made


@pytest.fixture
def sandbox(stripe_sandbox):
    """Turn knobs and triggers of the Stripe sandbox."""

    def act(name, **given):
        return request_json("POST", f"{stripe_sandbox.sandbox_url}/_sandbox/{name}", given)

    act("knobs", balance_delay_ms=0, refund_delay_ms=0, dispute_delay_ms=0)
    return act


def soon():
    """A moment at which nothing of this test is too young any more."""
    return timezone.now() + LATER


def run(**start):
    """A whole run, as if a quarter of an hour later; what it found."""
    made = stripe_runs.start(started_by="system", now=soon(), **start)
    done = stripe_runs.advance(run_id=made.pk, clock=soon, seconds=60)
    assert done.is_over
    made.refresh_from_db()
    for row_id in done.stored:
        events.apply(row_id=row_id, now=soon())
    return made.found


def today(campaign):
    """The comparison of the day on which this test runs, and of the next, if midnight has come between."""
    first = timezone.now().astimezone(campaign.tz).date()
    start = midnight(first - timedelta(days=1), campaign.tz)
    return stripe_days.compare(start=start, end=start + timedelta(days=3), currency="USD")


def difference_of(books):
    return f"Stripe and our books differ by {format_amount(books.difference_minor, currency='USD')}"


def exported(finance, name):
    """Reference or id of each row of a file of finance's, with its payout."""
    answer = finance.get(f"/staff/exports/{name}.csv?first=2026-01-01&last=2035-01-01")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    return {row["Gift"]: row["Stripe payout"] for row in rows[:-1]}


def standing(donation):
    donation.refresh_from_db()
    match = gift_match(key=donation.match_key)
    return donation.state, donation.refunded_minor, match.state, match.match_minor


def test_payments_that_no_event_spoke_of_are_completed_with_their_match_and_card(campaign, sandbox, fault_table):
    gifts = [started_gift(campaign) for _ in range(3)]
    for gift in gifts:
        confirm(gift)
    Donation.objects.filter(pk=gifts[0].pk).update(payment_intent=None)  # its creation was never heard back about
    found = run()
    assert [standing(gift) for gift in gifts] == [("paid", 0, "committed", 10_000)] * 3
    assert [gift.method_text for gift in gifts] == ["Visa ending in 4242"] * 3
    assert (found["payments"], found["completed"]) == (3, 3)
    finish(*gifts)
    ended = outcome_of(gifts)
    fault_table("payments that no event spoke of", ended, "1 of them never heard of here")
    assert ended == charged_once(3)
    assert run().get("completed") is None
    assert check_campaigns() == []


def test_a_found_gift_is_matched_by_the_moment_it_was_submitted(campaign, sandbox):
    """The pool closed after the form was sent and before the payment was found."""
    closing = timezone.now() + timedelta(minutes=2)
    factories.pool(campaign=campaign, limit_minor=1_000_000, closes_at=closing)
    gift = started_gift(campaign)
    confirm(gift)
    Donation.objects.filter(pk=gift.pk).update(payment_intent=None)
    run()
    assert standing(gift) == ("paid", 0, "committed", 10_000)


def test_it_costs_one_call_for_a_hundred_payments_and_none_for_each_gift(campaign, sandbox, stripe_sandbox):
    gifts = [started_gift(campaign) for _ in range(5)]
    for gift in gifts:
        confirm(gift)
    log = f"{stripe_sandbox.sandbox_url}/_sandbox/log"
    before = len(request_json("GET", log)["requests"])
    run()
    asked = [(row["method"], row["path"]) for row in request_json("GET", log)["requests"][before:]]
    assert [path for method, path in asked if method == "POST"] == []
    assert sum(path == "/v1/payment_intents" for _, path in asked) == 1
    retrieved = [path for _, path in asked if path.startswith("/v1/payment_intents/")]
    assert retrieved == []


def test_refunds_and_disputes_are_noted_as_they_stand_now(campaign, sandbox):
    refunded, won, lost = (started_gift(campaign) for _ in range(3))
    for gift in (refunded, won, lost):
        confirm(gift)
        [deliver(event) for event in events_of(gift)]
    client().v1.refunds.create({"payment_intent": refunded.payment_intent, "amount": 2_500})
    for gift, is_won in ((won, True), (lost, False)):
        sandbox("trigger", what="dispute", payment_intent=gift.payment_intent, amount=4_000)
        sandbox("trigger", what="close_dispute", payment_intent=gift.payment_intent, won=is_won)
    found = run()
    assert standing(refunded) == ("paid", 2_500, "committed", 7_500)
    assert standing(won) == ("paid", 0, "committed", 10_000)
    assert standing(lost) == ("paid", 4_000, "committed", 6_000)
    assert (found["refunds_noted"], found["disputes_noted"]) == (1, 2)
    again = run()
    assert (again.get("refunds_noted"), again.get("disputes_noted"), Reversal.objects.count()) == (None, None, 3)


def test_a_refund_that_failed_unheard_stands_as_failed(campaign, sandbox):
    gift = started_gift(campaign)
    confirm(gift)
    refund = client().v1.refunds.create({"payment_intent": gift.payment_intent})
    run()
    assert standing(gift)[1] == 10_000
    sandbox("trigger", what="fail_refund", refund=refund.id)
    run()
    assert standing(gift) == ("paid", 0, "committed", 10_000)
    assert today(campaign).difference_minor == 0


def test_fraud_warnings_are_noted(campaign, sandbox):
    gift = started_gift(campaign)
    confirm(gift)
    sandbox("trigger", what="fraud_warning", payment_intent=gift.payment_intent)
    assert run()["warnings_noted"] == 1
    assert (gift.fraud_warnings.get().fraud_type, run().get("warnings_noted")) == ("made_with_stolen_card", None)


def test_events_that_never_reached_us_are_stored_and_applied_once(campaign, sandbox, stripe_sandbox, fault_table):
    sandbox("knobs", webhook_url="http://127.0.0.1:9/", paused=True)
    gift = started_gift(campaign)
    confirm(gift)
    found = run()
    assert found["events_stored"] == StripeEvent.objects.count() == 2  # charge.succeeded, payment_intent.succeeded
    assert set(StripeEvent.objects.values_list("state", flat=True)) == {"applied"}
    [deliver(event) for event in events_of(gift)]
    assert (standing(gift)[0], gift.follow_ups.count(), run().get("events_stored")) == ("paid", 1, None)
    finish(gift)
    ended = outcome_of([gift])
    fault_table("events that were never delivered", ended, f"{found['events_stored']} events found at Stripe")
    assert ended == charged_once(1)


def test_a_charge_of_no_gift_is_set_aside_and_found_again_when_its_gift_comes(campaign, sandbox, fault_table):
    other = client().v1.payment_intents.create(
        {"amount": 5_000, "currency": "usd", "confirm": True, "payment_method": "pm_card_visa",
         "return_url": "http://127.0.0.1/back"}
    )  # fmt: skip
    assert run()["set_aside"] == 1
    stray = StrayPayment.objects.get()
    assert (stray.why, stray.amount_minor, stray.payment_intent, stray.decision) == ("no_gift", 5_000, other.id, "open")
    books = today(campaign)
    assert ([line.theirs_minor for line in books.set_aside], books.difference_minor) == ([5_000], 0)
    fault_table("a charge without a gift", "posted nowhere, waits for finance", difference_of(books))
    factories.donation(campaign=campaign, amount_minor=5_000, payment_intent=other.id, charge=other.latest_charge)
    run()
    stray.refresh_from_db()
    assert (stray.decision, stray.reason) == ("left", "Its gift was found later.")


def test_a_gift_without_a_charge_is_named(campaign, sandbox, fault_table):
    intent = client().v1.payment_intents.create({"amount": 10_000, "currency": "usd"})
    at = timezone.now() - timedelta(hours=1)
    gift = factories.donation(campaign=campaign, payment_intent=intent.id, charge="ch_nobody_has", charged_at=at, at=at)
    assert run()["gifts_without_charge"] == 1
    [row] = today(campaign).differences
    assert (row.what, row.name, row.ours_minor, row.url) == (
        "Gifts: here and not at Stripe", gift.reference, 10_000, f"/staff/gifts/{gift.pk}/",
    )  # fmt: skip
    assert today(campaign).difference_minor == -10_000
    fault_table("a gift without a charge", "named, and leads to the gift", difference_of(today(campaign)))
    day = at.astimezone(campaign.tz).date().isoformat()
    page = staff.text_of(staff.farid().get("/staff/"))
    assert "Stripe and our books differ on a day" in page
    assert f"/staff/stripe/?day={day}" in page


def test_a_day_of_everything_ties_to_the_cent(campaign, sandbox, fault_table):
    gifts = [started_gift(campaign, fee_minor=331) for _ in range(4)]
    for gift in gifts:
        confirm(gift)
    client().v1.refunds.create({"payment_intent": gifts[0].payment_intent, "amount": 1_234})
    failed = client().v1.refunds.create({"payment_intent": gifts[1].payment_intent, "amount": 5_000})
    sandbox("trigger", what="fail_refund", refund=failed.id)
    for gift, is_won in ((gifts[2], True), (gifts[3], False)):
        sandbox("trigger", what="dispute", payment_intent=gift.payment_intent)
        sandbox("trigger", what="close_dispute", payment_intent=gift.payment_intent, won=is_won)
    sandbox("trigger", what="payout")
    run()
    books = today(campaign)
    assert [(line.name, line.count, line.theirs_minor, line.ours_minor) for line in books.lines] == [
        ("Charges", 4, 41_324, 41_324),
        ("Refunds", 2, -6_234, -6_234),
        ("Refunds that came back", 1, 5_000, 5_000),
        ("Disputes", 2, -20_662, -20_662),
        ("Disputes won", 1, 10_331, 10_331),
    ]
    assert (books.difference_minor, books.differences, books.fees_minor) == (0, [], 4 * 330 + 2 * 1_500)
    assert (books.is_equal, books.other_minor) == (True, 0)
    fault_table("gifts, refunds, a failed one, disputes, a payout", "they tie", difference_of(books))


@pytest.mark.parametrize("change", ["amount", "charge", "refund"])
def test_one_cent_that_is_off_is_named(campaign, sandbox, change):
    gift = started_gift(campaign)
    confirm(gift)
    client().v1.refunds.create({"payment_intent": gift.payment_intent, "amount": 2_500})
    run()
    assert today(campaign).is_equal
    if change == "amount":
        Donation.objects.update(fee_minor=1)
    elif change == "charge":
        Donation.objects.update(charge="ch_other")
    else:
        Reversal.objects.update(amount_minor=2_499)
    books = today(campaign)
    names = [(row.what, row.theirs_minor, row.ours_minor) for row in books.differences]
    expected = {
        "amount": ([("Charges: another amount here", 10_000, 10_001)], -1),
        "charge": (
            [("Charges: at Stripe and not here", 10_000, 0), ("Gifts: here and not at Stripe", 0, 10_000)], 0,
        ),
        "refund": ([("Refunds: another amount here", -2_500, -2_499)], -1),
    }  # fmt: skip
    assert (names, books.difference_minor) == expected[change]
    assert not books.is_equal


def test_it_goes_on_where_it_was_killed_or_stripe_went_away(campaign, sandbox, stripe_sandbox):
    gift = started_gift(campaign)
    confirm(gift)
    fault = {"method": "GET", "path": "^/v1/disputes$", "answer": "500", "times": 3}
    request_json("POST", f"{stripe_sandbox.sandbox_url}/_sandbox/faults", [fault])
    made = stripe_runs.start(started_by="system", now=soon())
    done = stripe_runs.advance(run_id=made.pk, clock=soon, seconds=60)
    made.refresh_from_db()
    assert (done.is_over, done.is_stopped_by_time, made.step, made.leased_until) == (False, False, "disputes", None)
    assert "something went wrong on Stripe's end" in made.last_error
    assert stripe_runs.unfinished(now=soon()) == [made.pk]
    assert stripe_runs.start(started_by="staff:7", now=soon()) == made  # one at a time
    assert stripe_runs.advance(run_id=made.pk, clock=soon, seconds=60).is_over
    made.refresh_from_db()
    assert (made.finished_at is not None, made.last_error, made.found["payments"]) == (True, "", 1)


def test_of_two_workers_one_has_the_run_until_its_lease_ends(campaign, sandbox):
    made = stripe_runs.start(started_by="system", now=soon())
    now = soon()
    assert stripe_runs._claim(made.pk, now=now)
    assert stripe_runs.advance(run_id=made.pk, clock=lambda: now, seconds=60).is_over
    made.refresh_from_db()
    assert made.finished_at is None
    later = now + stripe_runs.LEASE
    assert stripe_runs.advance(run_id=made.pk, clock=lambda: later, seconds=60).is_over
    made.refresh_from_db()
    assert made.finished_at == later


def test_it_stops_when_its_time_is_up_and_goes_on_at_the_same_page(campaign, sandbox):
    made = stripe_runs.start(started_by="system", now=soon())
    moments = iter([soon(), soon(), soon(), soon() + timedelta(minutes=2)])
    done = stripe_runs.advance(run_id=made.pk, clock=lambda: next(moments), seconds=60)
    made.refresh_from_db()
    assert (done.is_stopped_by_time, made.step) == (True, "refunds")


def test_each_run_begins_before_the_last_one_began(campaign, sandbox):
    run()
    last = StripeRun.objects.get()
    following = stripe_runs.start(started_by="system", now=soon() + timedelta(days=4))
    assert following.since == last.started_at - stripe_runs.OVERLAP


@pytest.mark.parametrize(
    ("opens", "rested", "due"),
    [
        (timedelta(0), timedelta(minutes=59), False),
        (timedelta(0), timedelta(minutes=61), True),
        (timedelta(days=30), timedelta(hours=2), False),
        (timedelta(days=30), timedelta(hours=26), True),
    ],
    ids=["hourly on the day, not yet", "hourly on the day", "nightly else, not yet", "nightly else"],
)
def test_it_is_due_hourly_on_the_day_and_nightly_else(opens, rested, due):
    now = timezone.now()
    factories.campaign(opens_at=now + opens, closes_at=now + opens + timedelta(days=1))
    StripeRun.objects.create(started_at=now - rested, started_by="x", since=now, step="gifts", finished_at=now)
    assert stripe_runs.is_due(now=now) == due


def test_without_a_gift_by_card_there_is_nothing_to_ask(campaign):
    assert not stripe_runs.is_due(now=timezone.now())


def test_the_timer_begins_a_run_and_wakes_one_that_was_left(campaign, monkeypatch):
    factories.donation(campaign=campaign)
    woken = []
    monkeypatch.setattr(tasks, "wake", lambda task, row_id, **_: woken.append((task.name, row_id)))
    tasks.keep_reconciling()
    tasks.keep_reconciling()
    made = StripeRun.objects.get()
    assert woken == [("donations.tasks.advance_stripe_run", made.pk)] * 2


class TestCommand:
    def test_it_runs_names_what_it_found_and_every_day(self, campaign, sandbox, capsys, monkeypatch):
        monkeypatch.setattr(tasks, "wake", lambda *_, **__: None)
        monkeypatch.setattr(stripe_runs, "QUIET", timedelta(0))
        gift = started_gift(campaign)
        confirm(gift)
        call_command("reconcile_with_stripe")
        said = capsys.readouterr().out
        assert standing(gift)[0] == "paid"
        assert "completed: 1" in said
        assert "difference $0.00" in said

    def test_it_ends_with_an_error_that_names_a_difference(self, campaign, sandbox, capsys, monkeypatch):
        monkeypatch.setattr(tasks, "wake", lambda *_, **__: None)
        at = timezone.now() - timedelta(hours=1)
        intent = client().v1.payment_intents.create({"amount": 10_000, "currency": "usd"})
        factories.donation(campaign=campaign, payment_intent=intent.id, charge="ch_nobody", charged_at=at, at=at)
        with pytest.raises(CommandError, match=r"1 of \d+ days differ: /staff/stripe/\?day="):
            call_command("reconcile_with_stripe", since=(at - timedelta(days=2)).date())
        assert "Gifts: here and not at Stripe" in capsys.readouterr().err

    def test_it_says_that_stripe_does_not_answer(self, campaign, sandbox, settings):
        settings.STRIPE_API_BASE = "http://127.0.0.1:9"

        gateway.client.cache_clear()
        try:
            with pytest.raises(CommandError, match="It stopped at the payments"):
                call_command("reconcile_with_stripe")
        finally:
            gateway.client.cache_clear()


class TestPage:
    def test_it_shows_the_day_the_runs_and_the_unused_events(self, campaign, sandbox):
        gift = started_gift(campaign)
        confirm(gift)
        [deliver(event) for event in events_of(gift)]
        run()
        farid = staff.farid()
        page = staff.text_of(farid.get("/staff/stripe/", {"day": timezone.now().astimezone(campaign.tz).date()}))
        for words in ("They tie", "$100.00", "Stripe’s fees", "payments gone through", "payment_intent.created"):
            assert words in page
        assert "A type that we make no use of" in page

    def test_before_the_first_run_it_says_so(self, campaign):
        assert "Stripe was never asked" in staff.text_of(staff.farid().get("/staff/stripe/"))

    def test_finance_starts_a_run_once(self, campaign, monkeypatch):
        woken = []
        monkeypatch.setattr(tasks, "wake", lambda task, row_id, **_: woken.append(row_id))
        farid = staff.farid()
        first = farid.post("/staff/stripe/compare/", follow=True)
        second = farid.post("/staff/stripe/compare/", follow=True)
        assert "Stripe is being asked. Reload this page" in staff.text_of(first)
        assert "Stripe is being asked already." in staff.text_of(second)
        assert woken == [StripeRun.objects.get().pk] * 2

    def test_others_may_not(self, campaign):
        dana = staff.dana()
        assert dana.post("/staff/stripe/compare/").status_code == 403
        assert dana.get("/staff/stripe/").status_code == 200
        assert staff.farid().get("/staff/stripe/compare/").status_code == 405
        assert Client().post("/staff/stripe/compare/").status_code == 302
        assert StripeRun.objects.count() == 0


def test_no_more_types_are_asked_for_than_stripe_takes(monkeypatch):
    asked = []
    monkeypatch.setattr(stripe_lists.gateway, "listed", lambda *_, **more: asked.append(more) or ([], ""))
    for count in (20, 21):
        stripe_lists.undelivered_events(since=timezone.now(), types=["x"] * count)
    assert [("types" in more) for more in asked] == [True, False]


def test_movements_are_kept_once(campaign, sandbox):
    confirm(started_gift(campaign))
    run()
    run()
    assert StripeMovement.objects.count() == 1


def test_each_charge_and_refund_names_the_payout_that_it_is_in(campaign, sandbox, monkeypatch):
    farid = staff.farid()
    first, second = started_gift(campaign), started_gift(campaign)
    confirm(first)
    sandbox("trigger", what="refund", payment_intent=first.payment_intent, amount=2_500)
    earlier = sandbox("trigger", what="payout")["id"]
    confirm(second)
    page_of = gateway.listed
    monkeypatch.setattr(
        gateway, "listed", lambda *args, **k: page_of(*args, **k | ({"limit": 1} if "payout" in k else {}))
    )
    run()
    assert exported(farid, "gifts") == {first.reference: earlier, second.reference: ""}
    later = sandbox("trigger", what="payout")["id"]
    run()
    assert exported(farid, "gifts") == {first.reference: earlier, second.reference: later}
    assert exported(farid, "refunds") == {first.reference: earlier}
    known = StripeMovement.objects.exclude(payout="")
    assert [known.filter(payout=payout, category="payout").count() for payout in (earlier, later)] == [1, 1]
    for payout in (earlier, later):
        inside = known.filter(payout=payout).aggregate(net=Sum(F("amount_minor") - F("fee_minor")))["net"]
        assert inside == 0  # what came in is what went to the bank


@pytest.mark.parametrize(("state", "is_asked_again"), [("in_progress", True), ("not_applicable", False)])
def test_a_payout_that_stripe_cannot_list_stops_nothing(campaign, sandbox, monkeypatch, state, is_asked_again):
    confirm(started_gift(campaign))
    sandbox("trigger", what="payout")
    farid, asked = staff.farid(), []
    monkeypatch.setattr(gateway, "payout_state", lambda payout: asked.append(payout) or state)
    run()
    run()
    assert len(asked) == 1 + is_asked_again
    assert set(exported(farid, "gifts").values()) == {""}
