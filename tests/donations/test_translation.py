"""The words of the form, the payment and the gift's pages can be translated, all of them."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from donations import gateway, giving, limits, payments
from donations.models import Donation, GiftMessage, OpeningReminder, StripeHealth, Tribute, TributeNotice
from donations.openings import token_of
from donations.pay_words import pay_words
from donations.receipts import issue_receipt
from matching.ledger import PoolsBusy
from tests import factories
from tests.donations.give_form import filled, give, lapsed, lower_match, open_campaign, post
from tests.donations.spoken import left_unmarked, monthly_gift, went_back
from tests.marks import CLOSE, OPEN, ROOT, unmarked, unmarked_in

TEMPLATES = [ROOT / "templates/base.html"] + [
    path
    for path in sorted((ROOT / "templates/donations").glob("*.html"))
    if not re.match(r"_?staff_|_style_", path.name)
]
SCRIPTS = [path for path in (ROOT / "donations/static/donations").glob("*.js") if path.name != "staff.js"]
NOT_SAID = {  # of what stands in the scripts with a space in it
    *("use strict", "system-ui, sans-serif", "(prefers-color-scheme: dark)", "match-line is-ask"),
    *("the check did not run", "no number fits the challenge"),  # errors that no donor sees
}
NOW = datetime.now(UTC)
VISA = {"method_label": "Visa", "method_last4": "4242", "payment_method": "pm_1"}
CHECK = {
    "method": "cheque",
    "cheque_number": "7",
    "method_label": "",
    "method_last4": "",
    "payment_intent": None,
    "charge": "",
}

# What the form is sent, and what is said of it: every mistake that there is a sentence for.
WRONG = (
    {"donor_name": "", "donor_email": "", "other_amount": "0", "way": "x", "country": "x", "phone": "x"},
    {"donor_name": "x" * 121, "donor_email": "x@y", "other_amount": "1", "fund": "", "team": "old"},
    {"donor_name": "www.x.com", "other_amount": "99999999", "fund": "gone", "way": "scheduled"},
    {"split-education": "x", "message": "x" * 999, "tribute_name": "Ana", "tell_name": "Luis"},
    {"other_amount": "60000", "tribute_kind": "memory", "tell_way": "email", "tell_on": "x"},
    {"other_amount": "1.234", "tribute_kind": "x", "tell_way": "x"},
    {"tribute_kind": "honor", "tribute_name": "Ana", "tell_way": "post", "tell_country": "x", "form_key": "x"},
    {"tribute_kind": "honor", "tribute_name": "Ana", "tell_way": "email", "tell_on": "2020-01-01"},
)
STOPS = (
    payments.PaymentUnavailable(payments.opening._SILENT),
    payments.PaymentUnavailable(payments.opening._UNKNOWN, is_certain=False),
    payments.MatchUndecided(),
    payments.MatchIsLower(),
    payments.HoldLapsed(),
    payments.TooManyTries(),
    payments.InLine(NOW + timedelta(seconds=300)),
    payments.ProofNeeded(),
    limits.TooManyAttempts(limits.SENTENCE),
    limits.SourceCrowded(),
    giving.GiftAlreadyPaid(Donation()),
    gateway.PaymentUnderWay(),
    gateway.GatewayRefused(),
    PoolsBusy(),
)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_word_of_a_template_is_marked(template):
    assert unmarked(template) == []


def test_a_word_that_is_not_marked_is_found(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        '<p title="A name" class="big">Hello <b>{{ name }}</b></p>\n<p>{% translate "Good" %} &amp; {{ x }}</p>'
        '{% firstof name "Nobody" %}{% include "_x.html" with title=_("Day") alt="A day" kind="website" %}'
    )
    assert unmarked(page) == ["Hello", "A name", "Nobody", "A day"]


@pytest.mark.django_db
def test_pages_speak_the_language_they_are_asked_in(client, made_up_language):
    campaign = open_campaign()
    factories.pool(campaign=campaign)
    html = client.get("/give/?fund=education&amount=100").content.decode()
    assert f">{OPEN}Your gift{CLOSE}</h1>" in html
    assert f"{OPEN}$100 becomes $200.{CLOSE}" in html
    assert f"{OPEN}Your receipt goes there.{CLOSE}" in html
    wrong = client.post("/give/", filled(client, donor_name="", tribute_kind="honor")).content.decode()
    assert f"{OPEN}Write your name, as your receipt should carry it.{CLOSE}" in wrong
    assert f"{OPEN}Write the name of the person.{CLOSE}" in wrong
    assert f"{OPEN}Please look at these again{CLOSE}" in wrong
    gift = give(client)
    paying = client.get(f"/gifts/{gift.token}/pay/").content.decode()
    assert f"<h1>{OPEN}Your match is held{CLOSE}</h1>" in paying
    thanks = client.get(factories.donation(campaign=campaign).get_absolute_url()).content.decode()
    assert f"<h1>{OPEN}Thank you, Maria{CLOSE}</h1>" in thanks


def test_the_scripts_say_what_their_page_gives_them_and_nothing_else(laid_open_language):
    scripts = {path.name: path.read_text(encoding="utf-8") for path in SCRIPTS}
    assert set(re.findall(r"\bwords\.(\w+)", scripts["pay.js"])) == set(pay_words())
    code = re.sub(r"(^|\s)//.*$", "", "\n".join(scripts.values()), flags=re.MULTILINE)
    texts = {text for pair in re.findall(r'"([^"\n]*)"|`([^`\n]*)`', code) for text in pair}
    selector = re.compile("[#.]")
    assert {text for text in texts if re.search(r"[a-z][.,:]? [a-z]", text) and not selector.match(text)} == NOT_SAID
    assert unmarked_in("\n".join(pay_words().values()).replace("{seconds}", "16"), content=[]) == []


# ---- A whole answer at a time: what is put into a sentence is looked at, too ----


def page(client, address, *content):
    """The words of the page that nobody can translate."""
    answer = client.get(address)
    assert answer.status_code == 200
    return left_unmarked(answer.content.decode(), *content)


def fail(error):
    raise error


@pytest.fixture
def campaign(db, laid_open_language):
    made = open_campaign()
    factories.pool(campaign=made)
    made.teams.create(name="Night shift", slug="night", is_open=True)
    made.teams.create(name="Old team", slug="old", is_open=False)
    return made


class TestTheForm:
    def test_it_speaks_it_at_every_moment(self, client, campaign):
        assert page(client, "/give/") == []
        assert page(client, "/give/?fund=old-wing&amount=x&team=old") == []
        assert page(client, "/give/match/?amount=100.00&fund=education&way=monthly") == []
        campaign.opens_at, campaign.takes_early_gifts = NOW + timedelta(days=2), True
        campaign.closes_at = NOW + timedelta(days=3)
        campaign.save()
        assert page(client, "/give/") == []
        campaign.takes_early_gifts = False
        campaign.save()
        assert page(client, "/give/") == []
        campaign.opens_at, campaign.closes_at = NOW - timedelta(days=2), NOW - timedelta(days=1)
        campaign.save()
        assert page(client, "/give/") == []

    def test_whatever_is_wrong_is_said_in_it(self, client, campaign):
        form, left = filled(client), {}
        for wrong in WRONG:
            answer = client.post("/give/", form | wrong)
            assert answer.status_code == 200
            left["-".join(wrong)] = left_unmarked(answer.content.decode(), *wrong.values())
        assert left == {"-".join(wrong): [] for wrong in WRONG}

    def test_a_form_that_must_wait_is_told_so_in_it(self, client, campaign, monkeypatch):
        for error, status in ((PoolsBusy(), 503), (limits.TooMuchHeld(), 429)):
            monkeypatch.setattr(giving, "start_gift", lambda error=error, **_: fail(error))
            answer = client.post("/give/", filled(client))
            assert answer.status_code == status
            assert left_unmarked(answer.content.decode()) == []


class TestThePayment:
    def test_each_of_its_pages_speaks_it(self, client, campaign, settings):
        gift = give(client)
        assert page(client, f"/gifts/{gift.token}/pay/") == []
        assert page(client, "/give/") == [], "with the notice of a gift that was begun"
        Donation.objects.filter(pk=gift.pk).update(turn_at=timezone.now() + timedelta(seconds=40))
        assert page(client, f"/gifts/{gift.token}/pay/") == []
        StripeHealth.objects.create(failures=9, counting_since=NOW, down_since=NOW, probe_at=NOW)
        assert page(client, f"/gifts/{gift.token}/pay/") == []
        StripeHealth.objects.all().delete()
        late = lapsed(client, settings)
        assert page(client, f"/gifts/{late.token}/pay/") == []
        monthly = give(client, way="monthly")
        assert page(client, f"/gifts/{monthly.token}/pay/") == []

    @pytest.mark.parametrize("left_minor", [735, 0])
    def test_the_choice_speaks_it(self, client, db, laid_open_language, left_minor):
        gift = lower_match(client, open_campaign(), left_minor=left_minor)
        assert page(client, f"/gifts/{gift.token}/pay/") == []

    def test_what_stops_it_is_said_in_it(self, client, campaign, monkeypatch):
        gift, left = give(client), {}
        for error in STOPS:
            monkeypatch.setattr(payments, "open_payment", lambda error=error, **_: fail(error))
            said = post(client, gift, "intent/").json()["error"]
            assert said
            left[repr(error)] = left_unmarked(said)
        assert left == {repr(error): [] for error in STOPS}


class TestTheGiftsPage:
    def test_a_paid_gift_speaks_it(self, client, campaign):
        gift = factories.donation(
            campaign=campaign,
            parts=[(campaign.funds.get(slug="education"), 5_000), (campaign.funds.get(slug="nursing"), 2_000)],
            fee_minor=300,
            at=NOW,
            company="Pier Bank",
            hides_amount=True,
            team=campaign.teams.first(),
            match_shortfall_minor=500,
            disputed_at=NOW,
        )
        factories.match(gift, at=NOW)
        Tribute.objects.create(donation=gift, kind="memory", name="Ana Ruiz")
        GiftMessage.objects.create(donation=gift, text="With love")
        assert page(client, gift.get_absolute_url() + "?again=1") == []
        receipt = issue_receipt(donation_id=gift.pk, now=NOW)
        receipt.sends.create(to_email=gift.donor_email, attempted_at=NOW - timedelta(days=3), outcome="sent")
        Donation.objects.filter(pk=gift.pk).update(refunded_minor=2_500)
        went_back(gift, "refund", status="failed")
        assert page(client, gift.get_absolute_url()) == []
        for refunded_minor in (7_000, 7_100, 7_300):
            Donation.objects.filter(pk=gift.pk).update(refunded_minor=refunded_minor)
            assert left_unmarked(client.get(f"/gifts/{gift.token}/status/").content.decode()) == []

    @pytest.mark.parametrize(
        "changes",
        [
            {"state": "processing"},
            {"state": "processing", "method": "us_bank_account"},
            {"state": "failed", "method": "us_bank_account"},
            {"state": "abandoned"},
            {"state": "abandoned", "declines": 3},
            {"state": "abandoned", "scheduled_at": NOW, "charge_at": NOW, **VISA},
            {"state": "started", "payment_intent": "pi_1"},
            {"state": "started", "charge_at": NOW + timedelta(days=2)},
            {"state": "started", "charge_at": NOW, "pay_by": NOW, "refusal": "authentication_required", **VISA},
            {"state": "started", "charge_at": NOW, "pay_by": NOW, "refusal": "declined", **VISA},
            {"state": "scheduled", "scheduled_at": NOW, "charge_at": NOW + timedelta(days=2), **VISA},
            {"state": "scheduled", "scheduled_at": NOW, "charge_at": NOW, **VISA},
            {"state": "paid", "refunded_minor": 10_000, **CHECK},
        ],
    )
    def test_every_other_one_speaks_it(self, client, campaign, changes, monkeypatch):
        way = "scheduled" if "charge_at" in changes else "once"
        gift = factories.donation(campaign=campaign, at=NOW, way=way, **changes)
        factories.match(gift, at=NOW, is_paid=False)
        if gift.refunded_minor:
            went_back(gift, "offline", status="given_back")
        monkeypatch.setattr(payments, "ask_stripe", lambda **_: fail(gateway.GatewayUnavailable()))
        assert page(client, gift.get_absolute_url()) == []
        answer = client.get(f"/gifts/{gift.token}/status/?since=1&asked=1&seen=x")
        assert left_unmarked(answer.content.decode()) == []
        assert left_unmarked(client.get(f"/gifts/{gift.token}/receipt.pdf").content.decode()) == []
        if gift.state == "started":
            assert page(client, f"/gifts/{gift.token}/pay/") == []

    def test_an_e_card_and_a_note_are_spoken_of_in_it(self, client, campaign):
        for way, outcome in (("email", ""), ("email", "sent"), ("email", "returned"), ("post", ""), ("post", "posted")):
            gift = factories.donation(campaign=campaign, at=NOW)
            tribute = Tribute.objects.create(donation=gift, kind="honor", name="Ana Ruiz")
            to = {"recipient_email": "luis@example.org", "send_on": NOW.date()}
            to |= {} if way == "email" else {"address_line1": "5 Bay Road"}
            done = {"outcome": outcome, "done_at": NOW} if outcome else {}
            TributeNotice.objects.create(
                tribute=tribute, way=way, recipient_name="Luis Ruiz", consented_at=NOW, **done, **to
            )
            assert page(client, gift.get_absolute_url()) == []


class TestMonthlyGifts:
    @pytest.mark.parametrize("state", ["started", "active", "unpaid", "stopped", "never"])
    def test_its_page_speaks_it_however_it_stands(self, client, campaign, state):
        monthly = monthly_gift(campaign, state=state)
        assert page(client, monthly.get_absolute_url() + "?changed=1") == []
        if monthly.is_running:
            assert page(client, f"/monthly/{monthly.token}/card/") == []
            assert page(client, f"/monthly/{monthly.token}/stop/") == []

    @pytest.mark.parametrize("sent", [("amount", ""), ("amount", "1"), ("amount", "60000"), ("day", ""), ("day", "31")])
    def test_what_is_wrong_is_said_in_it(self, client, campaign, sent):
        name, value = sent
        answer = client.post(f"/monthly/{monthly_gift(campaign).token}/{name}/", {name: value})
        assert answer.status_code == 200
        assert left_unmarked(answer.content.decode()) == []


class TestTheReminderOfTheOpening:
    def test_its_page_speaks_it_whatever_is_asked(self, client, campaign):
        assert page(client, "/remind-me/") == [], "it has begun"
        campaign.opens_at, campaign.closes_at = NOW + timedelta(days=2), NOW + timedelta(days=3)
        campaign.save()
        assert page(client, "/remind-me/") == []
        for email in ("", "x", "ana@example.org"):
            answer = client.post("/remind-me/", {"email": email})
            assert left_unmarked(answer.content.decode(), "ana@example.org") == []
        reminder = OpeningReminder.objects.get()
        address = f"/remind-me/{token_of(reminder)}/"
        assert page(client, address, reminder.email) == []
        for do in ("confirm", "confirm", "stop"):
            assert left_unmarked(client.post(address, {"do": do}).content.decode(), reminder.email) == []
        assert left_unmarked(client.get("/remind-me/nonsense/").content.decode()) == []
        for hours in (48, 96):
            OpeningReminder.objects.update(stopped_at=None)
            campaign.opens_at, campaign.closes_at = NOW - timedelta(hours=50), NOW + timedelta(hours=72 - hours)
            campaign.save()
            assert page(client, address, reminder.email) == []
