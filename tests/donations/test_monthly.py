"""A monthly gift's life against the Stripe sandbox: first payment, renewals, failures, changes, the end."""

import itertools
from datetime import timedelta

import pytest
from django.utils import timezone

from donations import follow_ups, gateway, giving, monthly, payments, renewals, stripe_runs
from donations.models import Donation, FollowUp, MonthlyGift, StrayPayment
from matching.queries import gift_match
from tests import factories
from tests.donations.monthly_gifts import (
    all_events,
    begun_monthly,
    control,
    deliver_all,
    news,
    started_monthly,
    story,
    try_again,
)
from tests.paying import client, confirm, deliver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("stripe_sandbox")]

FIRST = ("paid", 10_000, 0, False)
LATER = ("paid", 10_000, 0, True)
BEGUN = {"state": "active", "payments": [FIRST], "receipts": 1, "changes": ["began"], "news": []}


@pytest.fixture
def campaign():
    factories.organization()
    return factories.open_campaign()


@pytest.fixture
def pool(campaign):
    return factories.pool(campaign=campaign, limit_minor=1_000_000)


@pytest.fixture
def sandbox(stripe_sandbox):
    return control(stripe_sandbox)


def calls(sandbox):
    return [f"{one['method']} {one['path'].split('/')[2]}" for one in sandbox.log()["requests"]]


class TestTheFirstPayment:
    def test_it_is_a_gift_with_its_match_and_its_receipt(self, campaign, pool, sandbox):
        given = begun_monthly(campaign)
        assert story(given) == BEGUN
        first = given.donations.get()
        assert (gift_match(key=first.match_key).state, first.method_text) == ("committed", "Visa ending in 4242")
        assert (given.method_text, given.next_at.date() > timezone.now().date()) == ("Visa ending in 4242", True)
        assert client().v1.subscriptions.retrieve(given.subscription).status == "active"

    def test_it_takes_two_calls_to_stripe_after_the_campaigns_first(self, campaign, pool, sandbox):
        begun_monthly(campaign)
        donation = started_monthly(campaign)
        seen = len(calls(sandbox))
        payments.open_payment(donation_id=donation.pk, now=timezone.now())
        assert calls(sandbox)[seen:] == ["POST customers", "POST subscriptions"]

    def test_pressing_twice_makes_one_subscription(self, campaign, pool):
        donation = started_monthly(campaign)
        secrets = {payments.open_payment(donation_id=donation.pk, now=timezone.now()) for _ in range(2)}
        assert len(secrets) == 1
        assert len(client().v1.subscriptions.list().data) == 1

    def test_a_lost_answer_makes_one_subscription(self, campaign, pool, sandbox):
        donation = started_monthly(campaign)
        sandbox.faults(answer="500", path="/subscriptions$", method="POST", when="after", remember=True, times=1)
        with pytest.raises(payments.PaymentUnavailable):
            payments.open_payment(donation_id=donation.pk, now=timezone.now())
        confirm(donation)
        deliver_all()
        assert len(client().v1.subscriptions.list(params={"status": "all"}).data) == 1
        assert story(MonthlyGift.objects.get()) == BEGUN

    def test_leaving_ends_the_subscription_and_frees_the_match(self, campaign, pool):
        donation = started_monthly(campaign)
        payments.open_payment(donation_id=donation.pk, now=timezone.now())
        assert giving.abandon_gift(donation_id=donation.pk, now=timezone.now(), actor="donor") is True
        donation.refresh_from_db()
        given = donation.monthly
        assert (donation.state, given.state, given.next_at) == ("abandoned", "never", None)
        assert gift_match(key=donation.match_key).state == "released"
        assert client().v1.subscriptions.retrieve(given.subscription).status == "incomplete_expired"
        deliver_all()
        assert (story(given)["state"], story(given)["payments"]) == ("never", [("abandoned", 10_000, 0, False)])

    def test_one_that_was_paid_in_another_tab_is_not_left(self, campaign, pool):
        donation = started_monthly(campaign)
        confirm(donation)
        assert giving.abandon_gift(donation_id=donation.pk, now=timezone.now(), actor="donor") is False
        assert client().v1.subscriptions.retrieve(donation.monthly.subscription).status == "active"

    def test_a_declined_card_leaves_it_open_for_another(self, campaign, pool):
        donation = started_monthly(campaign)
        confirm(donation, method="pm_card_visa_chargeDeclined")
        deliver_all()
        confirm(donation)
        deliver_all()
        assert story(donation.monthly) == BEGUN

    def test_a_bank_debit_begins_it_when_the_bank_has_paid(self, campaign, pool, sandbox, stripe_sandbox):
        sandbox.knobs(bank_delay_ms=-1)
        donation = started_monthly(campaign)
        confirm(donation, method="pm_usBankAccount_success")
        deliver_all()
        assert story(donation.monthly) | {"news": []} == {
            "state": "started",
            "payments": [("processing", 10_000, 0, False)],
            "receipts": 0,
            "changes": [],
            "news": [],
        }
        sandbox.settle_debit(Donation.objects.get().payment_intent)
        deliver_all()
        assert story(donation.monthly) == BEGUN

    def test_the_campaign_can_leave_monthly_gifts_unmatched(self, campaign, pool):
        campaign.matches_first_monthly = False
        campaign.save()
        given = begun_monthly(campaign)
        assert gift_match(key=given.donations.get().match_key) is None
        assert story(given) == BEGUN


class TestRenewals:
    def test_each_is_a_gift_with_a_receipt_and_without_a_match(self, campaign, pool, sandbox):
        given = begun_monthly(campaign, fee_minor=331)
        sandbox.renew(given.subscription)
        deliver_all()
        assert story(given) == {
            **BEGUN,
            "payments": [("paid", 10_000, 331, False), ("paid", 10_000, 331, True)],
            "receipts": 2,
        }
        later = given.donations.get(renews=True)
        assert (gift_match(key=later.match_key), later.donor_name, later.method_text) == (
            None,
            "Maria Alvarez",
            "Visa ending in 4242",
        )
        assert [row.amount_minor for row in later.designations.all()] == [10_000]
        assert follow_ups.run(follow_up_id=later.follow_ups.get().pk, now=timezone.now()) is True
        assert later.receipts.get().content["match"] is None

    def test_all_orders_and_copies_of_the_events_end_the_same(self, campaign, pool, sandbox):
        given = begun_monthly(campaign)
        sandbox.renew(given.subscription, "insufficient_funds")
        sandbox.retry(given.subscription)
        kinds = ("invoice.paid", "invoice.payment_failed", "customer.subscription.updated", "charge.succeeded")
        said = all_events(*kinds)[-6:]
        after = []
        for order in list(itertools.permutations(said, 6))[::97]:
            later = Donation.objects.filter(renews=True)
            assert later.count() <= 1
            for event in [*order, *order]:
                deliver(event)
            try_again()
            after.append(story(given) | {"changes": [], "news": []})
        assert after == [{**BEGUN, "payments": [FIRST, LATER], "receipts": 2, "changes": []}] * len(after)

    def test_a_refund_of_one_is_as_of_any_gift(self, campaign, pool, sandbox):
        given = begun_monthly(campaign)
        sandbox.renew(given.subscription)
        deliver_all()
        later = given.donations.get(renews=True)
        sandbox.trigger_refund(later.payment_intent, 4_000)
        deliver_all()
        later.refresh_from_db()
        first = given.donations.get(renews=False)
        assert (later.refunded_minor, first.refunded_minor) == (4_000, 0)
        assert gift_match(key=first.match_key).match_minor == 10_000

    def test_a_refund_that_is_heard_of_first_waits_for_its_gift(self, campaign, pool, sandbox):
        given = begun_monthly(campaign)
        sandbox.renew(given.subscription)
        payment = client().v1.payment_intents.list().data[0]
        sandbox.trigger_refund(payment.id)
        deliver_all("refund.created")
        assert given.donations.filter(renews=True).count() == 0
        deliver_all()
        assert given.donations.get(renews=True).net_minor == 0

    def test_one_that_no_event_spoke_of_is_found_by_asking(self, campaign, pool, sandbox):
        given = begun_monthly(campaign)
        sandbox.renew(given.subscription)
        assert renewals.ask_about_due(now=timezone.now()) == []
        due = given.next_at
        found = renewals.ask_about_due(now=due + timedelta(hours=4))
        assert given.donations.get(renews=True).pk in found
        assert story(given)["payments"] == [FIRST, LATER]
        assert given.next_at > due

    def test_a_sum_that_was_never_agreed_goes_to_finance(self, campaign, pool, sandbox):
        given = begun_monthly(campaign)
        item = client().v1.subscriptions.retrieve(given.subscription)["items"].data[0]
        client().v1.subscriptions.update(
            given.subscription,
            {
                "items": [
                    {
                        "id": item.id,
                        "price_data": {
                            "currency": "usd",
                            "product": item.price.product,
                            "recurring": {"interval": "month"},
                            "unit_amount": 77_700,
                        },
                    }
                ],
                "proration_behavior": "none",
            },
        )
        sandbox.renew(given.subscription)
        deliver_all()
        assert story(given)["payments"] == [FIRST]
        assert [(row.amount_minor, row.why) for row in StrayPayment.objects.all()] == [(77_700, "amount")]

    def test_a_run_through_stripes_lists_finds_one_and_sets_nothing_aside(self, campaign, pool, sandbox):
        given = begun_monthly(campaign)
        sandbox.renew(given.subscription)
        run = stripe_runs.start(started_by="system", now=timezone.now())
        hour = timedelta(hours=1)
        done = stripe_runs.advance(run_id=run.pk, clock=lambda: timezone.now() + hour, seconds=9)
        assert (done.is_over, given.donations.get(renews=True).pk in done.moved) == (True, True)
        assert story(given)["payments"] == [FIRST, LATER]
        assert StrayPayment.objects.count() == 0


class TestFailures:
    def test_a_refused_month_is_told_once_and_again_when_it_fails_again(self, campaign, pool, sandbox):
        given = begun_monthly(campaign)
        sandbox.renew(given.subscription, "insufficient_funds")
        deliver_all()
        assert (story(given)["state"], news(given)) == ("unpaid", ["failed"])
        assert given.changes.last().text == (
            "The payment of $100.00 did not go through: there was not enough money in the account. Nothing was charged."
        )
        assert given.retry_at > timezone.now()
        sandbox.retry(given.subscription, "declined")
        deliver_all()
        assert (story(given)["state"], news(given)) == ("unpaid", ["failed", "failed"])
        sandbox.retry(given.subscription)
        deliver_all()
        assert (story(given)["state"], story(given)["payments"]) == ("active", [FIRST, LATER])

    def test_the_last_failure_stops_it_and_says_so(self, campaign, pool, sandbox):
        given = begun_monthly(campaign)
        sandbox.renew(given.subscription, "declined")
        sandbox.retry(given.subscription, "declined", gives_up=True)
        deliver_all()
        ended = story(given)
        assert (ended["state"], ended["payments"], ended["changes"][-1]) == ("stopped", [FIRST], "stopped")
        assert given.changes.last().text == "Stopped: the last try to charge it failed too."
        assert "stopped" in ended["news"]


class TestWhatTheDonorDoes:
    def test_another_amount_counts_from_the_next_payment(self, campaign, pool, sandbox):
        given = begun_monthly(campaign)
        for _ in range(2):
            monthly.change_amount(monthly_id=given.pk, amount_minor=4_000, fee_minor=151, now=timezone.now())
        sandbox.renew(given.subscription)
        deliver_all()
        assert story(given) == {
            "state": "active",
            "payments": [FIRST, ("paid", 4_000, 151, True)],
            "receipts": 2,
            "changes": ["began", "amount"],
            "news": ["amount"],
        }
        assert given.changes.last().text == "The monthly amount was $100.00 and is $41.51, from the next payment on."

    @pytest.mark.parametrize("events", [[], ["invoice.paid"]], ids=["all events", "the payment alone"])
    def test_another_amount_counts_though_stripes_answer_to_it_was_lost(self, campaign, pool, sandbox, events):
        given = begun_monthly(campaign)
        sandbox.faults(answer="reset", when="after", path="/subscriptions/", method="POST", times=3)
        with pytest.raises(gateway.GatewayUnavailable):
            monthly.change_amount(monthly_id=given.pk, amount_minor=4_000, fee_minor=151, now=timezone.now())
        assert story(given) == BEGUN
        sandbox.renew(given.subscription)
        deliver_all(*events)
        ended = story(given)
        assert (ended["payments"][1], ended["changes"]) == (("paid", 4_000, 151, True), ["began", "amount"])
        assert (given.amount_minor, given.fee_minor, StrayPayment.objects.count()) == (4_000, 151, 0)

    def test_a_split_gift_keeps_its_proportions(self, campaign, pool, sandbox):
        research = factories.fund("Research")
        campaign.funds.add(research)
        education = campaign.funds.get(name="Education")
        given = begun_monthly(campaign, parts=((education.pk, 6_667), (research.pk, 3_333)))
        monthly.change_amount(monthly_id=given.pk, amount_minor=101, fee_minor=0, now=timezone.now())
        given.refresh_from_db()
        assert given.parts == [[education.pk, 67], [research.pk, 34]]

    def test_another_day_moves_the_next_payment_and_charges_nothing(self, campaign, pool, sandbox):
        given = begun_monthly(campaign)
        other = given.next_at.astimezone(campaign.tz).day % 28 + 1
        monthly.change_day(monthly_id=given.pk, day=other, now=timezone.now())
        deliver_all()
        given.refresh_from_db()
        assert (given.next_at.astimezone(campaign.tz).day, story(given)["payments"]) == (other, [FIRST])
        sandbox.renew(given.subscription)
        deliver_all()
        given.refresh_from_db()
        assert (given.next_at.astimezone(campaign.tz).day, story(given)["payments"]) == (other, [FIRST, LATER])

    @pytest.mark.parametrize("day", [0, 29, -1])
    def test_a_day_that_some_month_lacks_is_refused(self, campaign, pool, day):
        given = begun_monthly(campaign)
        with pytest.raises(ValueError, match="not a day"):
            monthly.change_day(monthly_id=given.pk, day=day, now=timezone.now())

    def save_card(self, given, method):
        secret = monthly.begin_card_change(monthly_id=given.pk, now=timezone.now())
        client().v1.setup_intents.confirm(
            secret.partition("_secret_")[0], {"payment_method": method, "return_url": "http://127.0.0.1/"}
        )

    def test_another_card_pays_from_now_on(self, campaign, pool, sandbox):
        given = begun_monthly(campaign)
        self.save_card(given, "pm_card_mastercard")
        for _ in range(2):
            monthly.finish_card_change(monthly_id=given.pk, now=timezone.now())
        assert (news(given), MonthlyGift.objects.get().method_text) == (["card"], "Mastercard ending in 4444")
        sandbox.renew(given.subscription)
        deliver_all()
        assert given.donations.get(renews=True).method_text == "Mastercard ending in 4444"

    def test_of_two_cards_saved_in_one_minute_the_second_pays(self, campaign, pool, sandbox):
        given, now = begun_monthly(campaign), timezone.now()
        for method in ("pm_card_mastercard", "pm_card_amex"):
            secret = monthly.begin_card_change(monthly_id=given.pk, now=now)
            client().v1.setup_intents.confirm(
                secret.partition("_secret_")[0], {"payment_method": method, "return_url": "http://127.0.0.1/"}
            )
            monthly.finish_card_change(monthly_id=given.pk, now=now)
        assert (news(given), MonthlyGift.objects.get().method_last4) == (["card", "card"], "0005")

    def test_another_card_pays_the_month_that_failed_at_once(self, campaign, pool, sandbox):
        given = begun_monthly(campaign)
        sandbox.renew(given.subscription, "expired_card")
        deliver_all()
        self.save_card(given, "pm_card_mastercard")
        monthly.finish_card_change(monthly_id=given.pk, now=timezone.now())
        deliver_all()
        assert (story(given)["state"], story(given)["payments"]) == ("active", [FIRST, LATER])

    def test_another_card_that_is_refused_too_leaves_it_unpaid(self, campaign, pool, sandbox):
        given = begun_monthly(campaign)
        sandbox.renew(given.subscription, "declined")
        deliver_all()
        self.save_card(given, "pm_card_chargeCustomerFail")
        monthly.finish_card_change(monthly_id=given.pk, now=timezone.now())
        deliver_all()
        assert (story(given)["state"], news(given)) == ("unpaid", ["failed", "card", "failed"])

    def test_a_card_that_was_not_saved_changes_nothing(self, campaign, pool):
        given = begun_monthly(campaign)
        monthly.begin_card_change(monthly_id=given.pk, now=timezone.now())
        with pytest.raises(monthly.CardNotSaved):
            monthly.finish_card_change(monthly_id=given.pk, now=timezone.now())
        assert story(given) == BEGUN

    def test_stopping_ends_it_at_stripe_and_is_told_once(self, campaign, pool, sandbox):
        given = begun_monthly(campaign)
        for _ in range(2):
            monthly.stop(monthly_id=given.pk, now=timezone.now())
        deliver_all()
        assert story(given) == {**BEGUN, "state": "stopped", "changes": ["began", "stopped"], "news": ["stopped"]}
        assert client().v1.subscriptions.retrieve(given.subscription).status == "canceled"
        with pytest.raises(monthly.NotRunning):
            monthly.change_amount(monthly_id=given.pk, amount_minor=100, fee_minor=0, now=timezone.now())

    def test_nothing_is_changed_when_stripe_does_not_answer(self, campaign, pool, sandbox):
        given = begun_monthly(campaign)
        sandbox.faults(answer="503", path="/subscriptions/", times=0)
        for act in (
            lambda: monthly.stop(monthly_id=given.pk, now=timezone.now()),
            lambda: monthly.change_amount(monthly_id=given.pk, amount_minor=100, fee_minor=0, now=timezone.now()),
            lambda: monthly.change_day(monthly_id=given.pk, day=3, now=timezone.now()),
        ):
            with pytest.raises(gateway.GatewayUnavailable):
                act()
        assert story(given) == BEGUN

    def test_stopping_in_stripes_dashboard_is_heard_of(self, campaign, pool, sandbox):
        given = begun_monthly(campaign)
        client().v1.subscriptions.cancel(given.subscription)
        deliver_all()
        assert story(given) == {**BEGUN, "state": "stopped", "changes": ["began", "stopped"], "news": ["stopped"]}

    def test_an_older_answer_does_not_undo_a_newer_one(self, campaign, pool):
        given = begun_monthly(campaign)
        found = renewals.subscriptions.retrieve(given.subscription)
        now = timezone.now() + timedelta(minutes=1)
        assert renewals.keep(monthly_id=given.pk, found=found, asked_at=now, now=now) is True
        assert renewals.keep(monthly_id=given.pk, found=found, asked_at=now - timedelta(seconds=9), now=now) is False


def test_the_news_is_mailed_with_the_link(campaign, pool, sandbox, mailoutbox):
    given = begun_monthly(campaign)
    sandbox.renew(given.subscription, "expired_card")
    deliver_all()
    row = FollowUp.objects.get(kind="monthly")
    assert follow_ups.run(follow_up_id=row.pk, now=timezone.now()) is True
    [message] = mailoutbox
    assert message.subject == "This month’s gift did not go through: Harborview Hospital"
    assert "the card has expired. Nothing was charged." in message.body
    assert f"/monthly/{given.token}/" in message.body
    assert "It is tried again on" in message.body


def test_the_receipt_carries_the_link(campaign, pool, mailoutbox):
    given = begun_monthly(campaign)
    for row in (1, 2):
        due = FollowUp.objects.filter(state="due").first()
        assert follow_ups.run(follow_up_id=due.pk, now=timezone.now()) is True, row
    [message] = mailoutbox
    assert f"See, change or stop it:\nhttp://127.0.0.1:8000/monthly/{given.token}/" in message.body
