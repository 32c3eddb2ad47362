"""What goes wrong at Stripe while a payment is opened: each fault, pressed again, ends in one payment.

Each fault is played to the end, from Give to the receipt, and is a line of the fault table (tests/fault_table.py).
"""

import threading
import time
from datetime import timedelta
from itertools import pairwise, permutations

import pytest
import stripe
from django.conf import settings as configured
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone

from donations import gateway, outage, pace, payments
from donations.gateway import connection as connection_to_stripe
from donations.models import Donation, StripeHealth
from matching.queries import gift_match
from tests import factories
from tests.fault_table import Outcome, charged_once, outcome_of
from tests.paying import client, confirm, deliver, events_of, finish, pay, started_gift
from tests.site import request_json

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign():
    factories.organization()
    return factories.open_campaign()


@pytest.fixture
def pool(campaign):
    return factories.pool(campaign=campaign, limit_minor=1_000_000)


@pytest.fixture(autouse=True)
def _sandbox(stripe_sandbox, settings, monkeypatch):
    settings.STRIPE_TIMEOUT_SECONDS = 0.6
    monkeypatch.setattr("stripe.HTTPClient.INITIAL_DELAY", 0.02)
    gateway.client.cache_clear()
    yield
    gateway.client.cache_clear()


def control(site, name, body):
    return request_json("POST", f"{site.sandbox_url}/_sandbox/{name}", body)


def calls(site):
    """What was asked with the secret key, which no browser has: method and path."""
    seen = request_json("GET", f"{site.sandbox_url}/_sandbox/log?requests=200")["requests"]
    return [f"{one['method']} {one['path']}" for one in seen if one["key"] == "secret"]


def posts(site, *, least):
    """What was asked to be done. A request that nobody answered is written down when its caller has hung up."""
    deadline = time.monotonic() + 5
    while len(asked := [call for call in calls(site) if call.startswith("POST")]) < least:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return asked


def press(gift):
    """Press Give; what the donor is told."""
    try:
        payments.open_payment(donation_id=gift.pk, now=timezone.now())
    except payments.PaymentUnavailable as error:
        return "nothing was charged" if error.is_certain else "we do not know yet"
    return "opened"


PATIENCE_SECONDS = configured.STRIPE_TIMEOUT_SECONDS  # as the site has it, before a test sets it
THREE_MINUTES = timedelta(minutes=3)
NAMES = {
    "429": "429, come back later",
    "lock_timeout": "lock_timeout",
    "500": "500, kept for the key",
    "503": "503",
    "reset": "answer lost",
    "hang": "no answer",
}
ONCE, TWICE, THRICE = 1, 2, 3
FAULTS = [
    # answer, when, how often: told at the first press; calls to Stripe until the payment is open
    ("429", "before", TWICE, "opened", 3),
    ("429", "before", THRICE, "nothing was charged", 4),
    ("lock_timeout", "before", ONCE, "opened", 2),
    ("500", "before", THRICE, "nothing was charged", 4),
    ("500", "after", ONCE, "opened", 2),
    ("503", "before", ONCE, "opened", 2),
    ("reset", "before", ONCE, "opened", 2),
    ("reset", "after", ONCE, "opened", 2),
    ("hang", "before", ONCE, "nothing was charged", 2),
    ("hang", "after", ONCE, "nothing was charged", 2),
]


def give_to_the_end(*gifts):
    """The donor's browser pays, the events come, the receipt goes out."""
    for gift in gifts:
        pay(gift)
        [deliver(event) for event in events_of(gift)]
    finish(*gifts)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault[0]} {fault[1]} x{fault[2]}")
def test_a_fault_and_a_second_press_make_one_payment(stripe_sandbox, campaign, pool, fault, fault_table):
    answer, when, times, told, requests = fault
    gift = started_gift(campaign)
    control(stripe_sandbox, "faults", {"answer": answer, "when": when, "times": times, "method": "POST"})
    assert press(gift) == told
    if told != "opened":
        assert press(gift) == "opened"
    gift.refresh_from_db()
    asked = posts(stripe_sandbox, least=requests)
    assert asked == ["POST /v1/payment_intents"] * requests
    assert [one.id for one in client().v1.payment_intents.list().data] == [gift.payment_intent]
    assert gift_match(key=gift.match_key).is_held_at(timezone.now())
    give_to_the_end(gift)
    ended = outcome_of([gift])
    fault_table(f"{NAMES[answer]}, {when} the work, {times}x", ended, f"{len(asked)} calls; told: {told}")
    assert ended == charged_once(1)


def test_an_answer_after_ten_seconds_is_waited_for(stripe_sandbox, campaign, pool, settings, fault_table):
    """Played six times as fast: an answer after 1.7 s of the site's patience of 2 s, as 10 of 12."""
    settings.STRIPE_TIMEOUT_SECONDS = PATIENCE_SECONDS / 6
    gateway.client.cache_clear()
    control(stripe_sandbox, "knobs", {"latency_ms": 10_000 // 6})
    gift, began = started_gift(campaign), time.monotonic()
    assert press(gift) == "opened"
    took = time.monotonic() - began
    control(stripe_sandbox, "knobs", {"latency_ms": 0})
    asked = [call for call in calls(stripe_sandbox) if call.startswith("POST")]
    give_to_the_end(gift)
    ended = outcome_of([gift])
    fault_table("answer after 10 s (played six times as fast)", ended, f"{len(asked)} call, {took:.1f} s")
    assert (ended, len(asked)) == (charged_once(1), 1)


def test_stripe_down_for_three_minutes(stripe_sandbox, campaign, pool, fault_table):
    """Twenty donors press meanwhile; pages go on; nobody is told a guess; all pay when Stripe is back."""
    gifts = [started_gift(campaign) for _ in range(20)]
    control(stripe_sandbox, "faults", {"answer": "503", "times": 0})
    told = [press(gift) for gift in gifts]
    during = len(calls(stripe_sandbox))
    assert outage.down_since() is not None
    began = time.monotonic()
    assert Client().get("/").status_code == 200
    page = time.monotonic() - began
    StripeHealth.objects.update(down_since=F("down_since") - THREE_MINUTES, probe_at=F("probe_at") - THREE_MINUTES)
    assert not gateway.probe()
    request_json("DELETE", f"{stripe_sandbox.sandbox_url}/_sandbox/faults")
    StripeHealth.objects.update(probe_at=F("probe_at") - THREE_MINUTES)
    assert gateway.probe()
    assert outcome_of(gifts) == Outcome(gifts=20, charged=0, twice=0, paid=0, matched_minor=0, receipts=0)
    assert [press(gift) for gift in gifts] == ["opened"] * 20
    give_to_the_end(*gifts)
    ended = outcome_of(gifts)
    fault_table(
        "Stripe down for three minutes", ended, f"{during} calls for 20 presses; a page in {page * 1000:.0f} ms"
    )
    assert (set(told), ended) == ({"nothing was charged"}, charged_once(20))
    assert during <= outage.MOST_FAILURES + 2, "only as many calls as it takes to see that it is down"


def test_a_whole_gift_is_two_calls_at_most_in_whatever_order_its_events_come(
    stripe_sandbox, campaign, pool, fault_table
):
    """The donor looks at the page of the gift meanwhile, before and after it is paid."""
    wanted, most = ("payment_intent.created", "charge.succeeded", "payment_intent.succeeded"), 0
    for order in permutations(wanted):
        request_json("POST", f"{stripe_sandbox.sandbox_url}/_sandbox/reset")
        control(stripe_sandbox, "knobs", {"paused": True})
        gift = started_gift(campaign)
        confirm(gift)
        by_type = {event["type"]: event for event in events_of(gift)}
        for name in order:
            assert Client().get(f"/gifts/{gift.token}/").status_code == 200
            deliver(by_type[name])
        gift.refresh_from_db()
        made_by_browser_and_test = ("/confirm", "/events")
        ours = [call for call in calls(stripe_sandbox) if not call.endswith(made_by_browser_and_test)]
        assert (gift.state, ours[0], len(ours) <= 2) == ("paid", "POST /v1/payment_intents", True), (order, ours)
        most = max(most, len(ours))
    fault_table("no fault: questions to Stripe for a gift", f"{most} at most", "six orders of its events")


def test_however_slow_stripe_is_only_so_many_threads_wait_for_it(campaign, settings, monkeypatch):
    """The others of a process serve pages meanwhile."""
    settings.STRIPE_CALLS_AT_ONCE, waiting, seen = 2, set(), []
    connection_to_stripe._seats.cache_clear()

    def never_answers(*_args, **_named):
        waiting.add(threading.get_ident())
        seen.append(len(waiting))
        time.sleep(0.2)
        waiting.discard(threading.get_ident())
        raise stripe.APIConnectionError("nothing came")

    monkeypatch.setattr(stripe.RequestsClient, "request", never_answers)
    told = []

    def give(gift):
        try:
            told.append(press(gift))
        except payments.InLine:
            told.append("in line")
        connection.close()

    threads = [threading.Thread(target=give, args=(started_gift(campaign),)) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    connection_to_stripe._seats.cache_clear()
    assert (max(seen), len(told), set(told) - {"in line"}) == (2, 6, {"nothing was charged"})


def test_nothing_was_charged_is_not_said_once_a_browser_had_the_secret(stripe_sandbox, campaign, pool):
    gift = started_gift(campaign)
    assert press(gift) == "opened"
    control(stripe_sandbox, "faults", {"answer": "reset", "times": 0})
    assert press(gift) == "we do not know yet"


def test_after_five_silences_stripe_is_down_and_a_press_costs_no_call(stripe_sandbox, campaign, pool):
    gift = started_gift(campaign)
    control(stripe_sandbox, "faults", {"answer": "500", "times": 0})
    assert [press(gift) for _ in range(2)] == ["nothing was charged"] * 2
    assert outage.down_since() is not None
    before, tries = calls(stripe_sandbox), Donation.objects.get().tries
    began = time.monotonic()
    assert press(gift) == "nothing was charged"
    assert (calls(stripe_sandbox), time.monotonic() - began < 0.5) == (before, True)
    gift.refresh_from_db()
    assert gift.tries == tries, "a press that made no call is no try"


def test_a_probe_closes_the_breaker(stripe_sandbox, campaign, pool):
    now = timezone.now()
    StripeHealth.objects.create(
        pk=1, failures=5, counting_since=now, down_since=now, probe_at=now - timedelta(seconds=1)
    )
    control(stripe_sandbox, "faults", {"answer": "503", "times": 1})
    assert not gateway.probe()
    assert not gateway.probe(), "not due again at once"
    StripeHealth.objects.update(probe_at=now - timedelta(seconds=1))
    assert gateway.probe()
    assert outage.down_since() is None
    assert press(started_gift(campaign)) == "opened"


def test_few_failures_among_many_answers_leave_it_up(stripe_sandbox, campaign, pool):
    """Every fourth press has three questions without an answer, twelve in all; the others' answers make up for them."""
    for number in range(16):
        if number % 4 == 0:
            control(stripe_sandbox, "faults", {"answer": "503", "times": 0, "method": "POST"})
        press(started_gift(campaign))
        request_json("DELETE", f"{stripe_sandbox.sandbox_url}/_sandbox/faults")
        assert outage.down_since() is None
    assert StripeHealth.objects.get().failures == 0


class TestPace:
    def taken(self, count):
        return [pace._take("POST things", rate=20, longest=pace.LONGEST_LINE)[0] for _ in range(count)]

    def test_moments_are_given_out_one_after_the_other(self):
        moments = self.taken(50)
        gaps = [(second - first).total_seconds() for first, second in pairwise(moments)]
        assert min(gaps) >= 0.05

    def test_threads_at_one_moment_get_different_ones(self):
        found = []

        def take():
            found.extend(self.taken(20))
            connection.close()

        threads = [threading.Thread(target=take) for _ in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        found.sort()
        gaps = [(second - first).total_seconds() for first, second in pairwise(found)]
        assert (len(found), round(min(gaps), 3)) == (160, 0.05)

    def test_who_has_no_place_in_line_is_told_at_once_and_takes_none(self):
        last = self.taken(40)[-1]
        with pytest.raises(pace.NotYet) as refused:
            pace.take_turn("POST things")
        assert refused.value.turn_at is None
        assert (self.taken(1)[0] - last).total_seconds() == pytest.approx(0.05, abs=0.001)

    def test_a_place_in_line_is_kept_and_used_once(self):
        self.taken(20)
        with pace.in_line(None), pytest.raises(pace.NotYet) as refused:
            pace.take_turn("POST things")
        turn_at = refused.value.turn_at
        assert turn_at - timezone.now() > timedelta(seconds=0.5)
        self.taken(40)  # however slow this is, the line is still there
        time.sleep((turn_at - timezone.now()).total_seconds())
        with pace.in_line(turn_at):
            pace.take_turn("POST things")
            with pytest.raises(pace.NotYet):
                pace.take_turn("POST things")  # a second call needs a second turn

    def test_a_full_line_takes_nobody(self, settings):
        settings.STRIPE_REQUESTS_A_SECOND = 1 / 60
        for _ in range(9):
            pace._take("POST things", rate=1 / 60, longest=pace.LONGEST_LINE)
        with pace.in_line(None), pytest.raises(pace.NotYet) as refused:
            pace.take_turn("POST things")
        assert refused.value.turn_at is None


def test_donors_above_the_pace_wait_in_order_and_all_are_served_below_stripes_limit(
    stripe_sandbox, campaign, pool, settings, fault_table
):
    settings.STRIPE_REQUESTS_A_SECOND = 10
    control(stripe_sandbox, "knobs", {"requests_per_second_per_endpoint": 12})
    gifts = [started_gift(campaign) for _ in range(30)]
    served, waits = [], {gift.pk: timezone.now() for gift in gifts}
    until, shortest = time.monotonic() + 30, timedelta(hours=1)
    while waits and time.monotonic() < until:
        pk = min(waits, key=waits.__getitem__)
        time.sleep(max(0, (waits.pop(pk) - timezone.now()).total_seconds()))
        try:
            payments.open_payment(donation_id=pk, now=timezone.now())
        except payments.InLine as error:
            waits[pk] = error.turn_at
            held = gift_match(key=Donation.objects.get(pk=pk).match_key).held_until
            shortest = min(shortest, held - error.turn_at)
        else:
            served.append(pk)
    assert shortest > timedelta(minutes=5)
    assert served == [gift.pk for gift in gifts]
    statuses = request_json("GET", f"{stripe_sandbox.sandbox_url}/_sandbox/log?requests=200")["requests"]
    refused = [one["status"] for one in statuses].count(429)
    told = f"all {len(served)} opened, in the order of pressing, matches held meanwhile"
    fault_table("30 donors at once, Stripe takes 12 a second", told, f"{refused} answers of 429")
    assert refused == 0
    assert set(Donation.objects.values_list("tries", flat=True)) == {1}
