"""The check of payers: when it comes on and goes off, what it asks for, what staff see and switch."""

import base64
import json
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from donations import outage, payer_check, payments, proofs
from donations.gateway import Payment
from donations.models import Donation, FailedTry, PayerCheck, UsedProof
from tests import factories, staff
from tests.donations.give_form import filled, give, open_campaign, post
from tests.paying import solved

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    return open_campaign()


@pytest.fixture(autouse=True)
def _little_work(settings):
    settings.CHECK_WORK = 300


@pytest.fixture
def opened(monkeypatch):
    """Payments are opened without Stripe."""
    monkeypatch.setattr(payments.opening, "_payment_at_stripe", lambda donation, **_: payment_of(donation))


def payment_of(donation):
    return Payment(
        "pi_9", "requires_payment_method", donation.total_minor, donation.currency, str(donation.match_key), "pi_9_s"
    )


def declined(count, *, at=None):
    gift = factories.donation(state="started", at=timezone.now())
    FailedTry.objects.bulk_create(
        FailedTry(donation=gift, stripe_id=f"ch_{gift.pk}_{number}", at=at or timezone.now(), donor_id=gift.donor_id)
        for number in range(count)
    )
    return gift


def is_on(now=None):
    return payer_check.read(now=now or timezone.now()).is_on


class TestWhen:
    def weigh(self, campaign, now=None):
        payer_check.weigh(campaign_id=campaign.pk, now=now or timezone.now())
        return is_on(now)

    @pytest.mark.parametrize(
        ("failures", "paid", "on"),
        [(29, 0, False), (30, 0, True), (30, 45, True), (30, 46, False)],
    )
    def test_more_declines_in_a_minute_than_donors_have(self, campaign, failures, paid, on):
        declined(failures)
        for _ in range(paid):
            factories.donation(campaign=campaign, at=timezone.now())
        assert self.weigh(campaign) is on

    def test_a_slow_thief_is_noticed_within_ten_minutes(self, campaign):
        declined(39, at=timezone.now() - timedelta(minutes=5))
        assert not self.weigh(campaign)
        declined(1)
        assert self.weigh(campaign)

    def test_it_goes_off_after_quiet_and_says_since_when_it_was_on(self, campaign):
        now = timezone.now()
        declined(30, at=now)
        assert self.weigh(campaign, now)
        found = payer_check.read(now=now + timedelta(minutes=9))
        assert (found.is_on, found.since, found.why[:30]) == (True, now, "30 cards were declined within ")
        assert not is_on(now + timedelta(minutes=11))

    def test_staff_have_the_last_word(self, campaign):
        now = timezone.now()
        payer_check.switch(mode="on", actor="staff:1", now=now)
        assert is_on(now + timedelta(days=1))
        payer_check.switch(mode="off", actor="staff:1", now=now)
        declined(60)
        assert not self.weigh(campaign)


class TestProofs:
    def challenge(self, subject="gift", now=None):
        return proofs.new_challenge(subject=subject, now=now or timezone.now())

    def test_a_right_one_is_taken_once(self):
        payload = solved(self.challenge())
        proofs.accept(payload, subject="gift")
        with pytest.raises(proofs.BadProof, match="used before"):
            proofs.accept(payload, subject="gift")

    def test_one_for_another_gift_is_not(self):
        with pytest.raises(proofs.BadProof):
            proofs.accept(solved(self.challenge("other")), subject="gift")

    def test_an_old_one_is_not(self):
        with pytest.raises(proofs.BadProof, match="expired"):
            proofs.accept(solved(self.challenge(now=timezone.now() - timedelta(minutes=11))), subject="gift")

    @pytest.mark.parametrize("number", [-1, 10**9, "7", None, True])
    def test_a_wrong_number_is_not(self, number):
        with pytest.raises(proofs.BadProof):
            proofs.accept(solved(self.challenge(), number=number), subject="gift")

    def test_an_expiry_moved_into_the_number_is_not(self):
        """CVE-2025-68113: the digits where the salt ends and the number begins."""
        challenge = self.challenge("123456")
        solution = json.loads(base64.b64decode(solved(challenge)))
        for cut in range(1, 6):
            number = int("123456"[-cut:] + str(solution["number"]))
            moved = solution | {"salt": solution["salt"][: -1 - cut], "number": number}
            payload = base64.b64encode(json.dumps(moved).encode()).decode()
            for subject in ("123456", "123456"[:-cut]):
                with pytest.raises(proofs.BadProof):
                    proofs.accept(payload, subject=subject)

    @pytest.mark.parametrize("payload", ["", "%%%", "e30=", "W10=", "bnVsbA==", "A" * 5000])
    def test_nonsense_is_not(self, payload):
        with pytest.raises(proofs.BadProof):
            proofs.accept(payload, subject="gift")

    def test_used_ones_are_kept_until_nobody_could_send_them_again(self):
        proofs.accept(solved(self.challenge()), subject="gift")
        assert proofs.forget_expired(now=timezone.now() + timedelta(minutes=19)) == 0
        assert proofs.forget_expired(now=timezone.now() + timedelta(minutes=21)) == 1
        assert not UsedProof.objects.exists()


class TestAtThePress:
    def test_nobody_is_asked_on_a_good_day(self, client, campaign, opened):
        assert post(client, give(client), "intent/").json()["client_secret"] == "pi_9_s"

    def test_while_it_is_on_a_browser_proves_some_work_for_each_press(self, client, campaign, opened):
        gift = give(client)
        payer_check.switch(mode="on", actor="staff:1", now=timezone.now())
        asked = post(client, gift, "intent/")
        assert (asked.status_code, asked.json()["code"]) == (202, "check")
        payload = solved(asked.json()["challenge"])
        assert post(client, gift, "intent/", proof=payload).json()["client_secret"] == "pi_9_s"
        assert post(client, gift, "intent/", proof=payload).json()["code"] == "check"
        assert post(client, gift, "intent/").json()["code"] == "check"
        gift.refresh_from_db()
        assert gift.tries == 1, "a press that is asked for a proof is no try"

    @pytest.mark.parametrize("changes", [{"website": "https://spam.example"}, {"at_once": True}])
    def test_a_form_like_a_robots_costs_a_proof_and_not_the_gift(self, client, campaign, opened, settings, changes):
        settings.FORM_LEAST_SECONDS = 2 if changes.pop("at_once", False) else 0
        gift = give(client, **changes)
        asked = post(client, gift, "intent/").json()
        assert asked["code"] == "check"
        assert "client_secret" in post(client, gift, "intent/", proof=solved(asked["challenge"])).json()

    def test_the_hidden_question_is_hidden_from_everybody(self, client, campaign):
        html = client.get("/give/").content.decode()
        found = html.split('class="unasked"')[1].split("</div>")[0]
        assert (' aria-hidden="true"' in found, 'tabindex="-1"' in found, 'autocomplete="off"' in found) == (True,) * 3

    def test_there_is_no_gift_without_a_form_of_ours_and_no_payment_without_a_gift(self, client, campaign):
        sent = filled(client) | {"form_key": "made-up:1uZ:nonsense"}
        assert client.post("/give/", sent).status_code == 200
        assert not Donation.objects.exists()
        assert client.post("/gifts/made-up/intent/").status_code == 404

    def test_the_amount_is_the_servers(self, client, campaign, opened):
        gift = give(client)
        post(client, gift, "intent/", amount="1.00", total_minor="100")
        gift.refresh_from_db()
        assert (gift.total_minor, gift.payment_intent) == (10_000, "pi_9")

    def test_one_browser_keeps_its_session_from_gift_to_gift(self, client, campaign):
        first = give(client)
        client.post(f"/gifts/{first.token}/change/")
        client.get("/give/?new=1")
        second = give(client)
        assert first.form_session == second.form_session != ""
        assert give(Client()).form_session != first.form_session


class TestStaff:
    def test_they_see_that_it_is_on_why_and_since_when(self, campaign):
        assert "Declined, ten minutes" in staff.text_of(staff.dana().get("/staff/"))
        gift = declined(30)
        payer_check.weigh(campaign_id=gift.campaign_id, now=timezone.now())
        page = staff.text_of(staff.farid().get("/staff/"))
        assert "Payers are checked" in page
        assert "30 cards were declined within a minute, 100 % of those tried." in page

    def test_they_switch_it_and_the_page_says_who_did(self, campaign):
        client = staff.dana()
        answer = client.post("/staff/payer-check/", {"mode": "on"}, follow=True)
        assert "Every payer is checked from now on" in staff.text_of(answer)
        assert "switched on by hand by Dana" in staff.text_of(answer)
        assert (PayerCheck.objects.get().mode, LogEntry.objects.count()) == ("on", 1)
        client.post("/staff/payer-check/", {"mode": "auto"})
        assert PayerCheck.objects.get().mode == "auto"

    def test_they_see_that_stripe_is_down(self, campaign):
        for _ in range(5):
            outage.note_failure("silence")
        assert "Stripe does not answer" in staff.text_of(staff.dana().get("/staff/"))

    def test_it_is_theirs_alone(self, campaign):
        assert staff.olga().post("/staff/payer-check/", {"mode": "off"}).status_code == 403
        assert Client().post("/staff/payer-check/", {"mode": "off"}).status_code == 302
        assert staff.dana().get("/staff/payer-check/").status_code == 405
        assert "Nothing was switched" in staff.text_of(
            staff.client_of(staff.person("farid2", "finance")).post("/staff/payer-check/", {"mode": "x"}, follow=True)
        )
        assert not PayerCheck.objects.exists()
