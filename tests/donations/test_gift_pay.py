"""`/gifts/<token>/pay/` and what it posts to: the hold, the choice, the way back, the payment's opening."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from campaign.response_headers import UNUSED
from donations import gateway, giving
from donations.content_policy import payment_sources
from donations.gateway import Payment
from donations.gift_page import until_text
from donations.models import Donation
from donations.pay_words import pay_words
from matching.ledger import PoolsBusy
from matching.models import MatchPool
from matching.queries import gift_match
from tests import factories
from tests.donations.give_form import filled, give, hidden, lapsed, lower_match, open_campaign, post, words

pytestmark = pytest.mark.django_db
PAGES = ["pay/", "go-on/", "change/", "intent/"]


@pytest.fixture
def campaign():
    return open_campaign()


@pytest.fixture
def pool(campaign):
    return factories.pool(campaign=campaign)


def page(client: Client, gift: Donation, name: str = "pay/") -> str:
    answer = client.get(f"/gifts/{gift.token}/{name}")
    assert answer.status_code == 200, answer
    return answer.content.decode()


def policy(response) -> dict[str, set[str]]:
    rules = (rule.split() for rule in response["Content-Security-Policy"].split(";"))
    return {rule[0]: set(rule[1:]) for rule in rules}


# ---- Who may come here ----


@pytest.mark.parametrize("name", ["", "status/", "line/", "receipt.pdf", *PAGES])
def test_a_stranger_finds_nothing(client, campaign, name):
    give(client)
    method = client.post if name in ("go-on/", "change/", "intent/") else client.get
    assert method(f"/gifts/not-the-token/{name}").status_code == 404


@pytest.mark.parametrize("token", ["%00", "a%00b", "%ED%A0%80", "x" * 5000, "..%2f", "🎁"])
def test_a_token_of_any_shape_finds_nothing(client, campaign, token):
    assert client.get(f"/gifts/{token}/").status_code == 404


@pytest.mark.parametrize("name", ["", "status/", "receipt.pdf", *PAGES])
def test_it_refuses_other_methods(client, campaign, name):
    gift = give(client)
    method = client.get if name in ("go-on/", "change/", "intent/") else client.put
    assert method(f"/gifts/{gift.token}/{name}").status_code == 405


@pytest.mark.parametrize("name", PAGES)
def test_another_site_cannot_press_for_the_donor(campaign, name):
    client = Client(enforce_csrf_checks=True)
    gift = factories.donation(campaign=campaign, state="started")
    assert post(client, gift, name).status_code == 403
    assert Donation.objects.get().state == "started"


@pytest.mark.parametrize("name", ["", "pay/", "status/"])
def test_no_copy_is_kept_and_no_address_told(client, campaign, name):
    response = client.get(f"/gifts/{give(client).token}/{name}")
    assert response["Cache-Control"] == "private, no-store"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["X-Robots-Tag"] == "noindex, nofollow"


# ---- The policy ----

CLOSED = {
    "default-src": {"'none'"},
    "style-src": {"'self'"},
    "img-src": {"'self'", "data:"},
    "font-src": {"'self'"},
    "form-action": {"'self'"},
    "base-uri": {"'none'"},
    "frame-ancestors": {"'none'"},
    "manifest-src": {"'self'"},
}
NO_POWERS = dict.fromkeys(UNUSED, "()")


def test_the_payment_page_opens_stripes_hosts_alone(client, campaign, settings):
    settings.STRIPE_JS_URL, settings.STRIPE_API_BASE = "https://js.stripe.com/endive/stripe.js", ""
    assert policy(client.get(f"/gifts/{give(client).token}/pay/")) == CLOSED | {
        "script-src": {"'self'", "https://js.stripe.com", "https://*.js.stripe.com"},
        "frame-src": {"https://js.stripe.com", "https://*.js.stripe.com", "https://hooks.stripe.com"},
        "connect-src": {"'self'", "https://api.stripe.com"},
    }


def test_a_stand_in_opens_its_own_origin_alone(client, campaign, settings):
    settings.STRIPE_JS_URL, settings.STRIPE_API_BASE = "http://127.0.0.1:8010/stripe.js", "http://127.0.0.1:8011"
    response = client.get(f"/gifts/{give(client).token}/pay/")
    assert policy(response) == CLOSED | {
        "script-src": {"'self'", "http://127.0.0.1:8010"},
        "frame-src": {"http://127.0.0.1:8010"},
        "connect-src": {"'self'", "http://127.0.0.1:8010", "http://127.0.0.1:8011"},
    }
    assert response["Cross-Origin-Opener-Policy"] == "same-origin-allow-popups"


@pytest.mark.parametrize(
    ("js_url", "origins"),
    [
        (
            "https://js.stripe.com/endive/stripe.js",
            "https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com",
        ),
        ("http://127.0.0.1:8010/stripe.js", "http://127.0.0.1:8010"),
    ],
)
def test_wallets_and_bank_keys_are_for_stripes_frames_alone(client, campaign, settings, js_url, origins):
    settings.STRIPE_JS_URL, settings.STRIPE_API_BASE = js_url, ""
    answer = client.get(f"/gifts/{give(client).token}/pay/")
    may = " ".join(f'"{origin}"' for origin in origins.split())
    assert permissions_of(answer) == NO_POWERS | {
        "payment": f"(self {may})",
        "publickey-credentials-get": f"(self {may})",
    }


def test_one_stand_in_is_named_once(settings):
    settings.STRIPE_JS_URL, settings.STRIPE_API_BASE = "http://127.0.0.1:8010/stripe.js", "http://127.0.0.1:8010"
    assert payment_sources()["connect-src"] == ["http://127.0.0.1:8010"]


def permissions_of(answer) -> dict[str, str]:
    return dict(power.split("=") for power in answer["Permissions-Policy"].split(", "))


@pytest.mark.parametrize("name", ["", "status/"])
def test_the_other_pages_open_nothing(client, campaign, name):
    response = client.get(f"/gifts/{give(client).token}/{name}")
    assert policy(response) == CLOSED | {"script-src": {"'self'"}, "connect-src": {"'self'"}}
    assert permissions_of(response) == NO_POWERS


# ---- The payment page ----


def test_it_says_whose_match_is_held_until_when(client, campaign, pool):
    gift = give(client, cover_fee="on")
    html = page(client, gift)
    until = until_text(gift_match(key=gift.match_key).held_until, gift=gift, now=timezone.now())
    assert "<h1>Your match is held</h1>" in html
    assert f"$100.00 from The Harbor Family is yours until {until} (Boston time)." in words(html)
    assert "You pay $103.30 Match from The Harbor Family $100.00" in words(html)
    assert "$200.00 goes to work at Harborview Hospital" in words(html)
    assert "Give $103.30" in words(html)


def test_a_hold_that_lasts_into_the_next_day_says_so(client, campaign, pool):
    gift = give(client)
    midnight = datetime(2026, 12, 2, 5, tzinfo=UTC)  # in Boston
    late = midnight - timedelta(minutes=11)
    assert until_text(midnight - timedelta(minutes=1), gift=gift, now=late) == "11:59 PM"
    assert until_text(midnight + timedelta(minutes=4), gift=gift, now=late) == "December 2, 12:04 AM"


def test_it_says_when_there_is_no_match(client, campaign):
    html = page(client, give(client))
    assert "<h1>Your payment</h1>" in html
    assert "There is no match for this gift. All of your $100.00 goes to work all the same." in words(html)
    assert 'data-until="0"' in html


def test_it_tells_the_script_what_it_needs_and_no_secret(client, campaign, settings):
    settings.STRIPE_SECRET_KEY = "sk_test_twofold_secret"
    settings.STRIPE_PUBLISHABLE_KEY = "pk_test_twofold_public"
    gift = give(client, donor_name="</script><script>alert(1)</script>")
    html = page(client, gift)
    assert "sk_test" not in html
    assert "<script>alert" not in html
    config = json.loads(html.split('<script id="pay-config" type="application/json">')[1].split("</script>")[0])
    assert config == {
        "mode": "payment",
        "key": "pk_test_twofold_public",
        "amount": 10_000,
        "currency": "usd",
        "name": "</script><script>alert(1)</script>",
        "email": "marta@example.org",
        "country": "US",
        "postalCode": "",
        "intentUrl": f"/gifts/{gift.token}/intent/",
        "lineUrl": f"/gifts/{gift.token}/line/",
        "proofUrl": "/static/donations/proof.js",
        "mayBeCharged": False,
        "giftUrl": f"/gifts/{gift.token}/",
        "words": pay_words(),
    }


def test_without_javascript_it_says_how_to_give(client, campaign, pool):
    html = page(client, give(client)).split('class="no-script"')[1].split('<form id="pay"')[0]
    assert "The card field needs JavaScript" in words(html)
    assert "Your match is held all the same until" in words(html)
    assert "617-555-0142" in html
    assert "100 Wharf Street" in html


@pytest.mark.parametrize("state", ["paid", "processing", "failed", "abandoned"])
def test_a_gift_that_waits_for_no_payment_shows_its_own_page(client, campaign, state):
    gift = factories.donation(campaign=campaign, state=state)
    for answer in (client.get(f"/gifts/{gift.token}/pay/"), post(client, gift, "pay/")):
        assert (answer.status_code, answer["Location"]) == (303, f"/gifts/{gift.token}/")


# ---- A hold that lapsed ----


def test_a_lapsed_hold_is_said_before_anything_is_paid(client, campaign, pool, settings):
    text = words(page(client, lapsed(client, settings)))
    assert "The hold on your match has ended" in text
    assert "If you hold it again now: $100 becomes $200." in text
    assert "Hold the match again" in text
    assert "Give $100" not in text


def test_holding_again_gives_the_whole_match_back(client, campaign, pool, settings):
    gift = lapsed(client, settings)
    answer = post(client, gift, "pay/")
    assert (answer.status_code, answer["Location"]) == (303, f"/gifts/{gift.token}/pay/")
    assert "Your match is held" in words(page(client, gift))
    assert gift_match(key=gift.match_key).match_minor == 10_000


def test_holding_again_can_answer_with_the_part_that_changed(client, campaign, pool, settings):
    gift = lapsed(client, settings)
    answer = post(client, gift, "pay/", fragment="yes")
    html = answer.content.decode()
    assert answer.status_code == 200
    assert 'id="match-held"' in html
    assert 'id="gift-sum"' in html
    assert "<html" not in html
    assert "$100.00 from The Harbor Family is yours until" in words(html)


def test_less_after_holding_again_must_be_chosen_first(client, campaign, pool, settings):
    gift = lapsed(client, settings)
    other = factories.donation(campaign=campaign, amount_minor=999_265, at=datetime.now(UTC))
    factories.match(other, at=datetime.now(UTC))
    answer = post(client, gift, "pay/", fragment="yes")
    assert (answer.status_code, answer["Location"]) == (303, f"/gifts/{gift.token}/pay/")
    assert "will be matched with $7.35, not $100.00" in words(page(client, gift))


def test_pressing_hold_again_twice_holds_once(client, campaign, pool, settings):
    gift = lapsed(client, settings)
    for _ in range(2):
        post(client, gift, "pay/")
    pool.refresh_from_db()
    assert (pool.held_minor, pool.free_minor) == (10_000, 990_000)


def test_pools_too_busy_to_hold_again_say_so(client, campaign, pool, settings, monkeypatch):
    def busy(**_):
        raise PoolsBusy

    gift = lapsed(client, settings)
    monkeypatch.setattr(giving, "renew_hold", busy)
    answer = post(client, gift, "pay/")
    assert answer.status_code == 503
    assert "Nothing was changed and nothing was charged." in words(answer.content.decode())


# ---- Less than the form showed ----


def test_a_lower_match_asks_first(client, campaign):
    text = words(page(client, lower_match(client, campaign)))
    assert "The match has $7.35 left" in text
    assert "Your $100.00 will be matched with $7.35, not $100.00." in text
    assert "Give $100.00, matched with $7.35" in text
    assert "Go back" in text
    assert "Card number" not in text


def test_no_match_left_asks_first_too(client, campaign):
    text = words(page(client, lower_match(client, campaign, left_minor=0)))
    assert "The match has run out" in text
    assert "Give $100.00 without a match" in text


def test_a_cap_is_not_called_running_out(client, campaign):
    factories.pool(campaign=campaign, cap_per_donor_minor=12_000)
    give(client)
    Donation.objects.update(state="paid", paid_at=datetime.now(UTC))
    gift = give(client)
    text = words(page(client, gift))
    assert "The match for this gift is $20.00" in text
    assert "The Harbor Family: the match is limited to $120 a donor." in text
    assert "quicker" not in text


def test_going_on_leads_to_the_payment(client, campaign):
    gift = lower_match(client, campaign)
    answer = post(client, gift, "go-on/")
    assert (answer.status_code, answer["Location"]) == (303, f"/gifts/{gift.token}/pay/")
    text = words(page(client, gift))
    assert "$7.35 from The Harbor Family is yours until" in text
    assert "That is the whole match for this gift of $100.00." in text
    assert "$107.35 goes to work" in text


def test_going_back_frees_the_match_and_keeps_what_was_typed(client, campaign):
    gift = lower_match(client, campaign)
    answer = post(client, gift, "change/")
    assert (answer.status_code, answer["Location"]) == (303, "/give/")
    gift.refresh_from_db()
    pool = MatchPool.objects.get()
    assert (gift.state, pool.held_minor, pool.free_minor) == ("abandoned", 0, 735)
    assert 'value="Marta Reyes"' in client.get("/give/").content.decode()


# ---- Change gift ----


def test_changing_a_gift_starts_another_form(client, campaign, pool):
    before = hidden(client.get("/give/").content.decode(), "form_key")
    gift = give(client)
    assert post(client, gift, "change/").status_code == 303
    html = client.get("/give/").content.decode()
    assert hidden(html, "form_key") != before
    assert 'value="marta@example.org"' in html
    assert post(client, gift, "change/")["Location"] == "/give/"


@pytest.mark.parametrize("state", ["paid", "processing"])
def test_a_gift_that_is_paid_cannot_be_changed(client, campaign, state):
    gift = factories.donation(campaign=campaign, state=state)
    assert post(client, gift, "change/")["Location"] == f"/gifts/{gift.token}/"
    assert Donation.objects.get().state == state


def test_a_payment_that_cannot_be_let_go_yet_says_so(client, campaign, monkeypatch):
    def silent(_):
        raise gateway.GatewayUnavailable("no answer")

    gift = factories.donation(campaign=campaign, state="started", payment_intent="pi_1")
    monkeypatch.setattr(gateway, "cancel_payment", silent)
    answer = post(client, gift, "change/")
    assert answer.status_code == 503
    said = words(answer.content.decode())
    assert "The card company does not answer" in said
    assert "Whether your earlier try went through, your gift’s page will tell you" in said


def test_a_campaign_that_ended_while_the_form_was_open_is_said(client, campaign, pool):
    form = filled(client)
    campaign.closes_at = datetime.now(UTC)
    campaign.save()
    client.post("/give/", form)
    gift = Donation.objects.get()
    text = words(page(client, gift))
    assert "Giving Tuesday has ended It ended before your form reached us, so your $100.00 is not matched" in text
    assert "outside the hours" not in text
    assert "Going back keeps everything you typed and charges nothing." in text
    client.post(f"/gifts/{gift.token}/go-on/")
    text = words(page(client, gift))
    assert "Giving Tuesday has ended, so there is no match for this gift. All of your $100.00 goes to work" in text


class TestComingBack:
    """Give was pressed and its answer was lost: the payment step is loaded again, by a reload or the back button."""

    @pytest.fixture
    def pressed(self, client, campaign, pool):
        gift = give(client)
        Donation.objects.update(payment_intent="pi_1", tries=1, pressed_at=datetime.now(UTC))
        return gift

    def answered(self, monkeypatch, gift, status):
        payment = Payment("pi_1", status, gift.total_minor, gift.currency, str(gift.match_key))
        asked = []
        monkeypatch.setattr(gateway, "retrieve_payment", lambda key: asked.append(key) or payment)
        return asked

    @pytest.mark.parametrize("status", ["succeeded", "processing"])
    def test_what_went_through_leads_to_the_gifts_page(self, client, pressed, monkeypatch, status):
        asked = self.answered(monkeypatch, pressed, status)
        answer = client.get(f"/gifts/{pressed.token}/pay/")
        assert (answer.status_code, answer["Location"], asked) == (303, f"/gifts/{pressed.token}/", ["pi_1"])

    def test_what_did_not_go_through_can_be_paid_and_is_asked_about_once(self, client, pressed, monkeypatch):
        asked = self.answered(monkeypatch, pressed, "requires_payment_method")
        for _ in range(3):
            said = words(page(client, pressed))
            assert "Your match is held" in said
            assert "We do not know yet" not in said
        assert asked == ["pi_1"]

    def test_a_declined_card_is_known_and_not_asked_about(self, client, pressed, monkeypatch):
        asked = self.answered(monkeypatch, pressed, "requires_payment_method")
        Donation.objects.update(declined_at=datetime.now(UTC))
        assert "Your match is held" in words(page(client, pressed))
        assert asked == []

    def test_without_an_answer_the_page_warns_against_paying_again(self, client, pressed, monkeypatch):
        monkeypatch.setattr(gateway, "retrieve_payment", lambda _: (_ for _ in ()).throw(gateway.GatewayUnavailable))
        html = page(client, pressed)
        assert '"mayBeCharged": true' in html
        assert "We do not know yet whether your earlier try went through." in words(html)
