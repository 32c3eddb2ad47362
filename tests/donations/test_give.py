"""`/give/`: the form, its errors, its key, and the gift it starts."""

from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

import pytest
from django.test import Client

from campaign.models import Fund
from donations import form_keys, giving
from donations.models import Donation
from matching.ledger import PoolsBusy
from matching.models import Reservation
from matching.queries import gift_match
from tests import factories
from tests.donations.give_form import error_beside, filled, give, hidden, open_campaign

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    return open_campaign()


def page(client: Client, address: str = "/give/") -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def only_gift() -> Donation:
    return Donation.objects.exclude(state="abandoned").get()


# ---- The page ----


def test_it_shows_the_gift_that_the_address_asks_for(client, campaign):
    factories.pool(campaign=campaign)
    html = page(client, "/give/?fund=nursing&amount=250")
    assert '<input type="radio" name="amount" value="250.00" checked>' in html
    assert '<option value="nursing" selected>' in html
    assert (
        "<b>$250 becomes $500.</b> Of that, $250 comes from The Harbor Family; we hold it for you while you pay."
        in html
    )
    assert hidden(html, "promised_match_minor") == "25000"
    assert "Add $7.78 to a gift of $250, so that all of it reaches the fund" in html


def test_it_starts_at_the_second_preset_and_the_first_fund(client, campaign):
    html = page(client)
    assert '<input type="radio" name="amount" value="100.00" checked>' in html
    assert '<option value="education" selected>' in html
    assert "Old wing" not in html


def test_an_amount_that_is_no_preset_stands_in_the_other_field(client, campaign):
    html = page(client, "/give/?amount=1,234.50")
    assert 'name="other_amount" value="1234.50"' in html
    assert "checked" not in html.split('class="presets"')[1].split("</div>")[0]


@pytest.mark.parametrize(
    ("address", "notice"),
    [
        ("/give/?fund=old-wing", "Old wing is not taking gifts at the moment. Choose another fund."),
        ("/give/?fund=nowhere", "We have no fund called “nowhere”. Choose one from the list."),
        ("/give/?fund=%3Cb%3E", "We have no fund called “&lt;b&gt;”. Choose one from the list."),
        ("/give/?fund=a%00b", "We have no fund called “a b”. Choose one from the list."),
        ("/give/?amount=abc", "“abc” is not an amount we can read. Write it like 50 or 1,000.50."),
        ("/give/?amount=-5", "“-5” is not an amount we can read. Write it like 50 or 1,000.50."),
    ],
)
def test_it_says_what_is_wrong_with_an_address(client, campaign, address, notice):
    html = page(client, address)
    name = "fund" if "fund" in address else "other_amount"
    assert escape(error_beside(html, name), quote=False) == notice


def test_it_refuses_other_methods(client, campaign):
    assert client.put("/give/").status_code == 405
    assert client.post("/give/match/").status_code == 405


def test_its_key_cookie_cannot_be_read_by_scripts_or_sent_by_other_sites(client, campaign):
    cookie = client.get("/give/").cookies["gift_form"]
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/give/"


def test_it_stays_out_of_shared_caches_but_can_be_gone_back_to(client, campaign):
    assert client.get("/give/")["Cache-Control"] == "private, max-age=0, must-revalidate"


def test_with_one_fund_there_is_nothing_to_choose(client):
    factories.organization()
    factories.campaign()
    html = page(client)
    assert "For <b>Education</b>" in html
    assert "<select" not in html.split('id="match-words"')[0]


def test_it_says_when_there_is_no_campaign(client):
    factories.organization()
    html = page(client)
    assert "We cannot take gifts here today" in html
    assert "617-555-0142" in html


def test_it_says_when_giving_opens(client):
    open_campaign(
        opens_at=datetime(2100, 12, 1, 5, tzinfo=UTC),
        closes_at=datetime(2100, 12, 2, 5, tzinfo=UTC),
        takes_gifts_early=False,
    )
    assert "takes gifts from Wednesday, December 1, 12:00 AM, Boston time" in page(client)


def test_it_says_when_no_fund_takes_gifts(client, campaign):
    Fund.objects.update(is_open=False)
    assert "We cannot take gifts here today" in page(client)


def test_a_campaign_that_ended_still_takes_gifts(client):
    now = datetime.now(UTC)
    campaign = open_campaign(opens_at=now - timedelta(days=2), closes_at=now - timedelta(days=1))
    factories.pool(campaign=campaign, opens_at=now - timedelta(days=2), closes_at=now - timedelta(days=1))
    assert "Giving Tuesday has ended, and your gift is still welcome." in page(client)
    gift = give(client)
    assert gift_match(key=gift.match_key).match_minor == 0


# ---- A gift ----


def test_it_starts_a_gift_and_holds_its_match(client, campaign):
    factories.pool(campaign=campaign)
    answer = client.post(
        "/give/",
        filled(client, cover_fee="on", hides_name="on", address_line1="1 Wharf St", city="Boston", region="MA"),
    )
    gift = only_gift()
    assert answer.status_code == 303
    assert answer["Location"] == f"/gifts/{gift.token}/pay/"
    assert (gift.amount_minor, gift.fee_minor, gift.total_minor) == (10_000, 330, 10_330)
    assert (gift.donor_name, gift.donor_email, gift.city) == ("Marta Reyes", "marta@example.org", "Boston")
    assert (gift.hides_name, gift.hides_amount, gift.promised_match_minor) == (True, False, 10_000)
    assert [(row.fund.slug, row.amount_minor) for row in gift.designations.all()] == [("education", 10_000)]
    assert gift_match(key=gift.match_key).match_minor == 10_000


@pytest.mark.parametrize(
    ("typed", "amount_minor"),
    [("1,000", 100_000), ("$50", 5_000), ("50.5", 5_050), (" 5.00 USD ", 500), (".5e1", None)],
)
def test_another_amount_is_read_as_people_write_it_and_counts_instead(client, campaign, typed, amount_minor):
    answer = client.post("/give/", filled(client, other_amount=typed))
    if amount_minor is None:
        assert not Donation.objects.exists()
        assert "is not an amount we can read" in error_beside(answer.content.decode(), "other_amount")
    else:
        assert only_gift().amount_minor == amount_minor


def test_a_split_is_the_sum_of_its_parts(client, campaign):
    gift = give(client, **{"split-education": "60", "split-nursing": "40.50"})
    assert gift.amount_minor == 10_050
    assert [(row.fund.slug, row.amount_minor) for row in gift.designations.all()] == [
        ("education", 6_000),
        ("nursing", 4_050),
    ]


def test_a_split_counts_even_when_the_amount_above_it_cannot_be_read(client, campaign):
    gift = give(client, other_amount="abc", **{"split-education": "", "split-nursing": "40", "fund": "nowhere"})
    assert [(row.fund.slug, row.amount_minor) for row in gift.designations.all()] == [("nursing", 4_000)]


@pytest.mark.parametrize("nothing", ["", "0", "0.00", " $0 "])
def test_nothing_for_a_fund_of_a_split_is_no_error(client, campaign, nothing):
    gift = give(client, **{"split-education": nothing, "split-nursing": "40"})
    assert [(row.fund.slug, row.amount_minor) for row in gift.designations.all()] == [("nursing", 4_000)]


def test_many_funds_can_share_a_gift(client, campaign):
    funds = [factories.fund(f"Fund number {n}", slug=f"many-{n}", position=50 + n) for n in range(60)]
    campaign.funds.add(*funds)
    gift = give(client, **{f"split-many-{n}": "5" for n in range(60)})
    assert gift.amount_minor == 60 * 500
    assert gift.designations.count() == 60


@pytest.mark.parametrize(
    ("terms", "amount", "fee_minor"),
    [((290, 30), "5.00", 46), ((290, 30), "50000.00", 149_362), ((0, 0), "5.00", 0), ((9_000, 0), "5.00", 4_500)],
)
def test_the_fee_leaves_the_whole_gift(client, campaign, terms, amount, fee_minor):
    basis_points, fixed = campaign.fee_basis_points, campaign.fee_fixed_minor = terms
    campaign.save()
    gift = give(client, other_amount=amount, cover_fee="on")
    assert gift.fee_minor == fee_minor
    left = gift.total_minor * (10_000 - basis_points) - fixed * 10_000
    assert left >= gift.amount_minor * 10_000


# ---- What cannot be taken ----


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("other_amount", "0", "Enter an amount above zero."),
        ("other_amount", "-5", "“-5” is not an amount we can read. Write it like 50 or 1,000.50."),
        ("other_amount", "1e9", "“1e9” is not an amount we can read. Write it like 50 or 1,000.50."),
        ("other_amount", "abc", "“abc” is not an amount we can read. Write it like 50 or 1,000.50."),
        ("other_amount", "5.001", "That has a fraction of a cent. Use at most two decimals."),
        ("other_amount", "4.99", "The smallest gift we can take by card is $5.00."),
        (
            "other_amount",
            "50000.01",
            "The largest gift we can take by card is $50,000. For more, please call us on 617-555-0142: we would love "
            "to help.",
        ),
        (
            "other_amount",
            "1,000,000",
            "The largest gift we can take by card is $50,000. For more, please call us on 617-555-0142: we would love "
            "to help.",
        ),
        ("split-nursing", "4.99", "The smallest gift we can take by card is $5.00."),
        ("split-nursing", "forty", "“forty” is not an amount we can read. Write it like 50 or 1,000.50."),
        ("fund", "old-wing", "Old wing is not taking gifts at the moment. Choose another fund."),
        ("fund", "nowhere", "We have no fund called “nowhere”. Choose one from the list."),
        ("fund", "", "Choose what your gift is for."),
        ("donor_name", "", "Write your name, as your receipt should carry it."),
        ("donor_name", "\u200b \u202e", "Write your name, as your receipt should carry it."),
        ("donor_name", "- …", "Write your name, as your receipt should carry it."),
        ("donor_name", "n" * 121, "Use at most 120 characters. You have 121."),
        ("donor_email", "", "Write your e-mail address: your receipt goes there."),
        ("donor_email", "marta@", "That is not a whole e-mail address. Write it like name@example.org."),
        ("donor_email", "m@x.org\nBcc: a@b.c", "That is not a whole e-mail address. Write it like name@example.org."),
        ("donor_email", "marta@localhost", "That is not a whole e-mail address. Write it like name@example.org."),
        ("donor_email", "m@[127.0.0.1]", "That is not a whole e-mail address. Write it like name@example.org."),
        ("donor_email", "m@" + "x" * 60 + ".xx" * 70, "An e-mail address has at most 254 characters. Please check it."),
        ("city", "c" * 81, "Use at most 80 characters. You have 81."),
        ("postal_code", "1" * 17, "Use at most 16 characters. You have 17."),
        ("country", "Narnia", "Choose a country from the list."),
    ],
)
def test_an_error_stands_beside_its_field_and_nothing_typed_is_lost(client, campaign, field, typed, message):
    others = {"donor_name": "Zoë O’Neill", "donor_email": "zoe@example.org", "city": "Boston", "hides_amount": "on"}
    answer = client.post("/give/", filled(client, **(others | {field: typed})))
    html = answer.content.decode()
    assert not Donation.objects.exists()
    assert error_beside(html, field) == message
    assert f'<a href="#id_{field}">{escape(message)}</a>' in html
    assert 'role="alert" tabindex="-1" autofocus' in html
    assert 'name="hides_amount" checked' in html
    for name, value in (others | {field: typed}).items():
        if name not in ("fund", "country", "hides_amount") and value.isprintable() and value:
            assert f'name="{name}" value="{escape(value)}"' in html


def test_no_amount_at_all_is_an_error(client, campaign):
    answer = client.post("/give/", filled(client, amount=None))
    assert error_beside(answer.content.decode(), "other_amount") == "Choose an amount, or write another one."


def test_a_split_with_an_error_stays_open(client, campaign):
    html = client.post("/give/", filled(client, **{"split-nursing": "x", "split-education": "7"})).content.decode()
    assert '<details class="opens" open>' in html
    assert 'name="split-education" value="7"' in html


def test_a_name_cannot_break_out_of_the_page(client, campaign):
    evil = "<script>alert(1)</script>\"'"
    html = client.post("/give/", filled(client, donor_name=evil, donor_email="x")).content.decode()
    assert "<script>alert" not in html
    assert escape(evil) in html


def test_a_name_is_one_line_without_marks_that_hide(client, campaign):
    gift = give(client, donor_name="  Marta\r\nBcc:\tx\u202e Reyes\x00 ")
    assert gift.donor_name == "Marta Bcc: x Reyes"


def test_no_field_is_cut_by_the_browser(client, campaign):
    assert "maxlength" not in page(client).partition("<form method")[2].partition("</form>")[0]


@pytest.mark.parametrize("name", ["张伟", "Ö", "3M", "עברית", "Ms. K"])
def test_a_name_of_any_script_is_taken(client, campaign, name):
    assert give(client, donor_name=name).donor_name == name


def test_it_keeps_marks_that_names_need(client, campaign):
    assert give(client, donor_name="محمد\u200cرضا Ñandú").donor_name == "محمد\u200cرضا Ñandú"


# ---- One form, one gift ----


def test_pressing_twice_makes_one_gift(client, campaign):
    factories.pool(campaign=campaign)
    form = filled(client)
    first, second = client.post("/give/", form), client.post("/give/", form)
    assert first["Location"] == second["Location"]
    assert Donation.objects.count() == 1
    assert Reservation.objects.count() == 1


def test_reload_back_and_a_second_tab_send_the_same_key(client, campaign):
    keys = {form_keys.unsealed(hidden(page(client), "form_key")) for _ in range(3)}
    give(client)
    keys.add(form_keys.unsealed(hidden(page(client), "form_key")))
    assert len(keys) == 1
    assert None not in keys


def test_a_changed_form_replaces_the_gift_that_was_not_paid(client, campaign):
    factories.pool(campaign=campaign)
    give(client)
    gift = give(client, other_amount="70")
    assert gift == only_gift()
    assert gift.amount_minor == 7_000
    assert list(Reservation.objects.filter(state="held").values_list("amount_minor", flat=True)) == [7_000]


def test_the_form_of_a_paid_gift_leads_to_it(client, campaign):
    form = filled(client)
    client.post("/give/", form)
    Donation.objects.update(state="paid", paid_at=datetime.now(UTC))
    answer = client.post("/give/", form | {"other_amount": "70"})
    gift = only_gift()
    assert answer["Location"] == f"/gifts/{gift.token}/?again=1"
    html = page(client, answer["Location"])
    assert "This gift is paid already, once." in html
    assert 'href="/give/?new=1"' in html


@pytest.mark.parametrize("state", ["paid", "failed"])
def test_after_that_gift_a_new_form_has_a_new_key(client, campaign, state):
    before = hidden(page(client), "form_key")
    give(client)
    Donation.objects.update(state=state, paid_at=datetime.now(UTC) if state == "paid" else None)
    assert hidden(page(client), "form_key") != before


def test_giving_again_on_purpose_gets_a_new_key(client, campaign):
    before = hidden(page(client), "form_key")
    answer = client.get("/give/?new=1")
    assert (answer.status_code, answer["Location"]) == (302, "/give/")
    assert hidden(page(client), "form_key") != before


def test_an_unpaid_gift_fills_the_form_again(client, campaign):
    give(client, cover_fee="on", city="Boston", **{"split-education": "60", "split-nursing": "40"})
    html = page(client)
    for text in (
        'value="Marta Reyes"',
        'value="Boston"',
        'name="cover_fee" checked',
        'name="split-nursing" value="40.00"',
    ):
        assert text in html


def test_another_browser_never_sees_what_was_typed(client, campaign):
    give(client)
    assert "Marta" not in page(Client())


@pytest.mark.parametrize("key", [None, "", "made-up", "a:b", "x" * 9999])
def test_a_form_without_its_key_is_kept_and_gets_one(client, campaign, key):
    html = client.post("/give/", filled(client, form_key=key)).content.decode()
    assert not Donation.objects.exists()
    assert "Please press Continue once more" in html
    assert 'value="Marta Reyes"' in html
    sent = filled(client) | {"form_key": hidden(html, "form_key")}
    assert client.post("/give/", sent).status_code == 303


@pytest.mark.parametrize("cookie", ["", "nonsense", "eyJrIjoxfQ:1xV9Ax:forged"])
def test_a_forged_cookie_is_ignored(client, campaign, cookie):
    client.cookies["gift_form"] = cookie
    assert hidden(page(client), "form_key")


def test_another_site_cannot_send_the_form(campaign):
    client = Client(enforce_csrf_checks=True)
    assert client.post("/give/", filled(client)).status_code == 403
    assert not Donation.objects.exists()


@pytest.mark.parametrize("changes", [{}, {"donor_name": "Marta"}])
def test_when_the_pools_are_busy_the_form_is_kept(client, campaign, monkeypatch, changes):
    def busy(**_: Any) -> None:
        raise PoolsBusy

    monkeypatch.setattr(giving, "start_gift", busy)
    answer = client.post("/give/", filled(client, **changes))
    assert answer.status_code == 503
    assert "we could not hold your match yet. Nothing was charged" in answer.content.decode()
    assert 'value="marta@example.org"' in answer.content.decode()


# ---- The promise ----


@pytest.mark.parametrize(
    ("changes", "promised_minor"),
    [
        ({}, 10_000),
        ({"other_amount": "50"}, 0),  # the page showed a match for $100, and none for this
        ({"promised_match_minor": "-5"}, 0),
        ({"promised_match_minor": "lots"}, 0),
        ({"promised_match_minor": "9" * 15}, 9_999_999_900),
        ({"promised_match_minor": "9" * 40}, 0),
        ({"promised_match_minor": None}, 0),
        ({"promised_for": None}, 0),
    ],
)
def test_a_promise_counts_only_for_the_gift_it_was_shown_for(client, campaign, changes, promised_minor):
    factories.pool(campaign=campaign)
    assert give(client, **changes).promised_match_minor == promised_minor
