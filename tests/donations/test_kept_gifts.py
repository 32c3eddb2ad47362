"""A gift whose form came while somebody else held the pools: kept, its match decided after, then paid."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from donations import follow_ups, giving, kept_gifts, payments, tasks
from donations.models import Donation, FollowUp
from matching import pools
from matching.checking import check_campaigns
from matching.ledger import SYSTEM, PoolsBusy
from matching.models import Reservation
from matching.queries import gift_match
from tests import factories
from tests.database import locked_by_someone_else
from tests.donations.give_form import filled, give, open_campaign, post, words
from tests.paying import gift_request, started_gift

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def impatient(transactional_db):
    """This process waits a tenth of a second for a lock, where the site waits longer."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")


@pytest.fixture
def campaign():
    factories.organization()
    return open_campaign()


@pytest.fixture
def pool(campaign):
    return factories.pool(campaign=campaign, limit_minor=15_000)


@pytest.fixture
def kept(campaign, pool, impatient):
    """A gift of $100 that found the pools busy."""
    with locked_by_someone_else(pool):
        return started_gift(campaign, promised_match_minor=10_000)


def page(client: Client, gift: Donation, query: str = "", **headers: str):
    return client.get(f"/gifts/{gift.token}/pay/{query}", headers=headers)


class TestSending:
    def test_the_donor_has_an_answer_in_three_seconds_and_the_gift_is_kept(self, client, campaign, pool):
        form = filled(client)
        with locked_by_someone_else(pool) as done:
            began = time.monotonic()
            answer = client.post("/give/", form)
            assert time.monotonic() - began < 3, "the donor waited too long"
            shown = client.get(answer["Location"])
            assert not done.is_set()
        gift = Donation.objects.get()
        assert (answer.status_code, answer["Location"]) == (303, f"/gifts/{gift.token}/pay/")
        assert (gift.state, gift.amount_minor, gift.promised_match_minor) == ("started", 10_000, 10_000)
        assert gift.awaits_match_since == gift.submitted_at
        assert list(gift.designations.values_list("amount_minor", flat=True)) == [10_000]
        assert Reservation.objects.count() == 0
        text = words(shown.content.decode())
        assert "We are holding your match: one moment" in text
        assert "Nothing was charged" in text
        assert [note.text for note in gift.notes.all()] == [
            "Form sent.",
            "The match pools were busy; the gift is kept, and its match is decided next.",
        ]

    def test_the_same_form_again_is_the_same_gift(self, campaign, pool, impatient):
        request = gift_request(campaign)
        with locked_by_someone_else(pool):
            first = giving.start_gift(campaign=campaign, request=request, now=timezone.now())
            again = giving.start_gift(campaign=campaign, request=request, now=timezone.now())
        assert first == again

    def test_a_double_click_while_the_pools_are_busy_is_one_gift_or_asks_to_send_again(self, campaign, pool):
        request, ends = gift_request(campaign), []

        def send():
            try:
                ends.append(giving.start_gift(campaign=campaign, request=request, now=timezone.now()).pk)
            except PoolsBusy:
                ends.append("busy")
            finally:
                connection.close()

        with locked_by_someone_else(pool):
            clicks = [threading.Thread(target=send) for _ in range(2)]
            [click.start() for click in clicks]
            [click.join(10) for click in clicks]
        gift = Donation.objects.get()
        assert sorted(map(str, ends)) in ([str(gift.pk)] * 2, [str(gift.pk), "busy"])

    def test_a_gift_to_pools_that_nobody_holds_is_not_kept_waiting(self, campaign, pool):
        other = factories.fund("Research")
        campaign.funds.add(other)
        pools.change_terms(
            pool_id=pool.pk, terms=pools.Terms(fund_ids=(other.pk,)), actor=SYSTEM, now=campaign.opens_at
        )
        with locked_by_someone_else(pool):
            gift = started_gift(campaign)
        assert (gift.awaits_match_since, gift_match(key=gift.match_key).match_minor) == (None, 0)


class TestDeciding:
    def test_the_page_waits_while_the_pools_are_busy_and_then_shows_the_match(self, client, pool, kept):
        with locked_by_someone_else(pool):
            began = time.monotonic()
            assert "We are holding your match" in page(client, kept).content.decode()
            assert page(client, kept, "?undecided=1", **{"HX-Request": "true"}).status_code == 204
            assert time.monotonic() - began < 2
        answer = page(client, kept, "?undecided=1", **{"HX-Request": "true"})
        assert (answer.status_code, answer["HX-Redirect"]) == (200, f"/gifts/{kept.token}/pay/")
        assert "$100.00 from The Harbor Family is yours until" in words(page(client, kept).content.decode())
        kept.refresh_from_db()
        assert (kept.awaits_match_since, gift_match(key=kept.match_key).match_minor) == (None, 10_000)
        assert check_campaigns() == []

    def test_without_javascript_the_page_loads_itself_again(self, client, pool, kept):
        with locked_by_someone_else(pool):
            html = page(client, kept).content.decode()
        assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in html
        assert f'<a href="/gifts/{kept.token}/pay/">Look again</a>' in html

    def test_the_timer_decides_for_a_donor_who_went_away(self, kept):
        assert (tasks.decide_kept_gifts(), tasks.decide_kept_gifts()) == (1, 0)
        match = gift_match(key=kept.match_key)
        assert (match.match_minor, match.submitted_at) == (10_000, kept.submitted_at)

    def test_the_gift_that_was_sent_first_is_matched_first(self, client, campaign, pool, impatient):
        with locked_by_someone_else(pool):
            first, second = [started_gift(campaign, promised_match_minor=10_000) for _ in range(2)]
        assert "The match has $50.00 left" in words(page(client, second).content.decode())
        assert gift_match(key=first.match_key).match_minor == 10_000

    def test_its_match_goes_by_the_moment_when_it_was_sent(self, campaign, pool, kept):
        later = timezone.now()
        pools.change_terms(pool_id=pool.pk, terms=pools.Terms(cap_per_gift_minor=100), actor=SYSTEM, now=later)
        campaign.closes_at = later
        campaign.save()
        kept_gifts.decide_waiting(now=later + timedelta(minutes=1))
        assert gift_match(key=kept.match_key).match_minor == 10_000

    def test_a_match_that_turns_out_lower_is_asked_about_first(self, client, campaign, pool, kept):
        started_gift(campaign, amount_minor=9_000)
        assert "The match has $60.00 left" in words(page(client, kept).content.decode())

    def test_a_campaign_whose_pools_are_busy_keeps_no_other_waiting(self, campaign, pool, kept, monkeypatch):
        monkeypatch.setattr(kept_gifts, "_AT_ONCE", 1)
        other = factories.open_campaign(funds=[])
        other.funds.set(campaign.funds.all())
        theirs = started_gift(other)
        Donation.objects.filter(pk=theirs.pk).update(awaits_match_since=timezone.now())
        with locked_by_someone_else(pool):
            assert kept_gifts.decide_waiting(now=timezone.now()) == 1
        waiting = Donation.objects.awaiting_match().values_list("pk", flat=True)
        assert list(waiting) == [kept.pk]

    def test_two_that_decide_at_once_decide_it_once(self, kept):
        ends = []

        def decide():
            try:
                ends.append(kept_gifts.decide_waiting(now=timezone.now()))
            finally:
                connection.close()

        both = [threading.Thread(target=decide) for _ in range(2)]
        [one.start() for one in both]
        [one.join(10) for one in both]
        assert (sorted(ends), Reservation.objects.count()) == ([0, 1], 1)


@pytest.mark.usefixtures("campaign")
class TestChanging:
    def test_a_form_changed_while_the_pools_are_busy_goes_on(self, client, pool):
        first = give(client)
        changed = filled(client, other_amount="120")
        with locked_by_someone_else(pool) as done:
            answer = client.post("/give/", changed)
            shown = words(client.get(answer["Location"]).content.decode())
            assert not done.is_set()
        second = Donation.objects.get(state="started")
        first.refresh_from_db()
        assert (answer.status_code, answer["Location"]) == (303, f"/gifts/{second.token}/pay/")
        assert "We are holding your match: one moment" in shown
        assert (first.state, gift_match(key=first.match_key).state) == ("abandoned", "held")
        assert (second.amount_minor, second.awaits_match_since is not None) == (12_000, True)
        page(client, second)
        matches = [gift_match(key=gift.match_key) for gift in (first, second)]
        assert [(match.state, match.match_minor) for match in matches] == [("released", 0), ("held", 12_000)]
        assert check_campaigns() == []

    def test_going_back_while_the_pools_are_busy_shows_the_form_filled_in(self, client, pool):
        gift = give(client, city="Boston")
        with locked_by_someone_else(pool):
            answer = post(client, gift, "change/")
        assert (answer.status_code, answer["Location"]) == (303, "/give/")
        assert 'value="Boston"' in client.get("/give/").content.decode()
        owed = FollowUp.objects.get(kind="release")
        with locked_by_someone_else(pool):
            assert not follow_ups.run(follow_up_id=owed.pk, now=timezone.now())
        owed.refresh_from_db()
        assert follow_ups.run(follow_up_id=owed.pk, now=owed.due_at)
        assert gift_match(key=gift.match_key).state == "released"
        assert check_campaigns() == []


class TestNothingBeforeTheMatch:
    @pytest.fixture(autouse=True)
    def _busy(self, pool, kept):
        with locked_by_someone_else(pool):
            yield

    def test_it_cannot_be_paid(self, client, kept):
        with pytest.raises(payments.MatchUndecided):
            payments.open_payment(donation_id=kept.pk, now=timezone.now())
        assert post(client, kept, "intent/").json() == {
            "code": "match_is_lower",
            "error": "Your match is not decided yet. Nothing was charged.",
        }

    def test_a_lower_match_cannot_be_accepted(self, client, kept):
        assert post(client, kept, "go-on/")["Location"] == f"/gifts/{kept.token}/pay/"
        kept.refresh_from_db()
        assert kept.accepted_lower_match_at is None

    def test_it_cannot_be_held_as_if_it_were_sent_anew(self, client, kept):
        assert post(client, kept, "pay/")["Location"] == f"/gifts/{kept.token}/pay/"
        kept.refresh_from_db()
        assert (kept.promised_match_minor, kept.awaits_match_since) == (10_000, kept.submitted_at)

    def test_it_can_be_left(self, client, kept):
        assert post(client, kept, "change/")["Location"] == "/give/"
        kept.refresh_from_db()
        assert (kept.state, kept.awaits_match_since) == ("abandoned", None)
        assert tasks.decide_kept_gifts() == 0
