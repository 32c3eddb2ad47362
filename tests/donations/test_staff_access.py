"""Who may open which staff page: strangers log in, others read which right they lack, wrong methods are refused."""

import pytest
from django.test import Client
from django.urls import reverse

from donations import sign_in
from donations.models import FollowUp
from donations.sources import source_of
from donations.urls import urlpatterns
from tests import factories, staff

pytestmark = pytest.mark.django_db

DAYS = "?first=2026-12-01&last=2026-12-01"
# address, the group that may, the group that may not, the right in words
PAGES = [
    ("/staff/", "development", "", "see the staff pages"),
    ("/staff/figures/", "finance", "", "see the staff pages"),
    ("/staff/gifts/", "development", "", "see gifts"),
    ("/staff/gifts/{gift}/", "finance", "", "see gifts"),
    ("/staff/came-from/", "development", "", "see gifts"),
    ("/staff/attention/", "development", "", "see the staff pages"),
    ("/staff/monthly/", "development", "", "see gifts"),
    ("/staff/pools/", "development", "", "see match pools"),
    ("/staff/stripe/", "finance", "", "see the comparison with Stripe"),
    ("/staff/embeds/", "development", "finance", "change campaigns"),
    ("/staff/style/", "finance", "", "see the staff pages"),
    ("/staff/style/staff/", "development", "", "see the staff pages"),
    ("/staff/pools/{pool}/", "finance", "", "see match pools"),
    ("/staff/receipts/", "finance", "development", "see the list of receipts"),
    ("/staff/books/", "finance", "development", "see the months of the books"),
    ("/staff/exports/", "finance", "development", "export gifts and receipts"),
    ("/staff/exports/gifts.csv" + DAYS, "finance", "development", "export gifts and receipts"),
    ("/staff/exports/gifts.xlsx" + DAYS, "finance", "development", "export gifts and receipts"),
    ("/staff/exports/gift-parts.csv" + DAYS, "finance", "development", "export gifts and receipts"),
    ("/staff/exports/challenges.csv" + DAYS, "finance", "development", "export gifts and receipts"),
    ("/staff/exports/receipts.csv" + DAYS, "finance", "development", "export gifts and receipts"),
    ("/staff/exports/receipts.xlsx" + DAYS, "finance", "development", "export gifts and receipts"),
]


@pytest.fixture
def gift():
    return factories.donation(campaign=factories.campaign())


@pytest.mark.parametrize(("address", "group", "other_group", "right"), PAGES)
def test_it_opens_a_page_only_for_those_with_the_right(gift, address, group, other_group, right):
    address = address.format(gift=gift.pk, pool=factories.pool(campaign=gift.campaign).pk)
    allowed = staff.client_of(staff.person("ann", group))
    assert allowed.get(address).status_code == 200
    assert allowed.get(address).headers["Cache-Control"] == "private, no-store"
    assert allowed.post(address).status_code == 405

    stranger = Client().get(address)
    assert stranger.status_code == 302
    assert stranger.headers["Location"].startswith(reverse("staff-login") + "?next=/staff/")

    refused = staff.client_of(staff.person("bob", other_group)).get(address)
    assert refused.status_code == 403
    assert f"It has no right to {right}." in staff.text_of(refused)


def test_it_lets_only_posts_change_things(gift):
    pool = factories.pool(campaign=gift.campaign)
    work = FollowUp.objects.create(donation=gift, kind="email", state="failed", due_at=factories.GIFT_AT)
    pause = reverse("staff-pool-pause", args=[pool.pk])
    again = reverse("staff-follow-up-again", args=[gift.pk, work.pk])
    dana, olga, farid = staff.dana(), staff.olga(), staff.farid()
    for address in (pause, again):
        assert dana.get(address).status_code == 405
        assert olga.post(address).status_code == 403
        sent_away = Client().post(address)
        assert sent_away.headers["Location"] == reverse("staff-login") + "?next=/staff/"
    assert farid.post(pause, {"paused": "1"}).status_code == 403
    pool.refresh_from_db()
    work.refresh_from_db()
    assert (pool.is_paused, work.state) == (False, "failed")


def test_it_refuses_a_forged_post(gift):
    pool = factories.pool(campaign=gift.campaign)
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff.person("dana", "development"))
    assert client.post(reverse("staff-pool-pause", args=[pool.pk]), {"paused": "1"}).status_code == 403


def test_it_tells_a_refreshing_page_that_its_person_was_logged_out(gift):
    answer = Client().get("/staff/figures/", headers={"HX-Request": "true"})
    assert answer.status_code == 200
    page = staff.text_of(answer)
    assert "You were logged out" in page
    assert 'hx-get="/staff/figures/"' in page  # goes on asking, so that logging in elsewhere mends it
    assert gift.donor_name not in page


def test_it_shows_in_the_menu_only_what_opens(gift):
    of_dana, of_farid = staff.text_of(staff.dana().get("/staff/")), staff.text_of(staff.farid().get("/staff/"))
    assert ('href="/staff/exports/"' in of_dana, 'href="/staff/exports/"' in of_farid) == (False, True)
    assert ('href="/staff/pools/new/"' in of_dana, "/staff/pools/new/" in of_farid) == (True, False)


def test_it_logs_in_and_goes_where_the_person_wanted(gift):
    staff.person("dana", "development", password=staff.PASSWORD)
    client = Client()
    answer = client.post(
        "/staff/login/", {"username": "dana", "password": staff.PASSWORD, "next": f"/staff/gifts/{gift.pk}/"}
    )
    assert answer.headers["Location"] == f"/staff/gifts/{gift.pk}/"
    assert client.get("/staff/").status_code == 200
    assert client.get("/staff/logout/").status_code == 405
    assert client.post("/staff/logout/").headers["Location"] == "/staff/login/"
    assert client.get("/staff/").status_code == 302


def test_it_does_not_follow_an_address_of_another_site_after_logging_in():
    staff.person("dana", "development", password=staff.PASSWORD)
    sent = {"username": "dana", "password": staff.PASSWORD, "next": "https://evil.example/"}
    assert Client().post("/staff/login/", sent).headers["Location"] == "/staff/"


@pytest.mark.parametrize("address", ["/staff/login/", "/admin/login/"])
def test_it_slows_down_a_guesser_and_nobody_else(address):
    staff.person("dana", "development", password=staff.PASSWORD)
    guesser, elsewhere = Client(REMOTE_ADDR="203.0.113.7"), Client(REMOTE_ADDR="203.0.113.8")
    wrong, right = {"username": "dana", "password": "guess"}, {"username": "dana", "password": staff.PASSWORD}
    for _ in range(sign_in.TRIES_PER_NAME):
        assert "do not go together" in staff.text_of(guesser.post(address, wrong))
    refused = guesser.post(address, right)
    assert refused.status_code == 200
    assert "Too many wrong tries" in staff.text_of(refused)
    assert elsewhere.post(address, right).status_code == 302


def test_it_counts_wrong_tries_of_one_address_under_many_names(monkeypatch):
    monkeypatch.setattr(sign_in, "TRIES_PER_ADDRESS", 3)
    client = Client(REMOTE_ADDR="203.0.113.9")
    answers = [client.post("/staff/login/", {"username": f"n{n}", "password": "x"}) for n in range(4)]
    assert ["Too many wrong tries" in staff.text_of(answer) for answer in answers] == [False, False, False, True]


def test_it_forgets_wrong_tries_after_a_right_one():
    staff.person("dana", "development", password=staff.PASSWORD)
    client = Client(REMOTE_ADDR="203.0.113.10")
    for _ in range(sign_in.TRIES_PER_NAME - 1):
        client.post("/staff/login/", {"username": "dana", "password": "guess"})
    sent = {"username": "dana", "password": staff.PASSWORD}
    assert client.post("/staff/login/", sent).status_code == 302
    assert Client(REMOTE_ADDR="203.0.113.10").post("/staff/login/", sent).status_code == 302
    again = Client(REMOTE_ADDR="203.0.113.10").post("/staff/login/", {"username": "dana", "password": "guess"})
    assert "do not go together" in staff.text_of(again)


def test_it_logs_in_while_the_cache_is_away(monkeypatch):
    def broken(*args, **kwargs):
        raise ConnectionError("no cache")

    staff.person("dana", "development", password=staff.PASSWORD)
    for name in ("get_many", "add", "incr", "delete"):
        monkeypatch.setattr(sign_in.cache, name, broken)
    assert Client().post("/staff/login/", {"username": "dana", "password": "wrong"}).status_code == 200
    assert Client().post("/staff/login/", {"username": "dana", "password": staff.PASSWORD}).status_code == 302


@pytest.mark.parametrize(
    ("trusted", "forwarded", "expected"),
    [
        (0, "198.51.100.1", "192.0.2.1"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        (2, "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        (2, "10.0.0.2", "192.0.2.1"),
        (1, "", "192.0.2.1"),
    ],
)
def test_it_believes_only_the_proxies_that_are_ours(rf, settings, trusted, forwarded, expected):
    settings.TRUSTED_PROXIES = trusted
    request = rf.get("/", REMOTE_ADDR="192.0.2.1", headers={"X-Forwarded-For": forwarded})
    direct = rf.get("/", REMOTE_ADDR=expected)
    found = source_of(request)
    settings.TRUSTED_PROXIES = 0
    assert found == source_of(direct)


def test_it_counts_a_network_of_64_bits_as_one_guesser(monkeypatch):
    monkeypatch.setattr(sign_in, "TRIES_PER_ADDRESS", 3)
    answers = [
        Client(REMOTE_ADDR=f"2001:db8:1:2::{n}").post("/staff/login/", {"username": f"n{n}", "password": "x"})
        for n in range(1, 5)
    ]
    assert ["Too many wrong tries" in staff.text_of(answer) for answer in answers] == [False, False, False, True]


OPEN_TO_ALL = ("staff-login", "staff-logout")
STAFF_PAGES = [
    pattern for pattern in urlpatterns if str(pattern.pattern).startswith("staff/") and pattern.name not in OPEN_TO_ALL
]


@pytest.mark.parametrize("pattern", STAFF_PAGES, ids=lambda pattern: pattern.name)
def test_it_is_closed_to_strangers_and_to_who_has_no_right_on_every_staff_page(gift, pattern):
    """Whatever is added to the staff's addresses later; a thing that is not there must not answer before the right."""
    converters = pattern.pattern.converters
    values = {name: 1 if type(kind).__name__ == "IntConverter" else "csv" for name, kind in converters.items()}
    address = reverse(pattern.name, kwargs=values)
    stranger, olga = Client(), staff.olga()
    for method in ("get", "post"):
        answer = getattr(stranger, method)(address)
        is_sent_away = answer.status_code == 302 and answer.headers["Location"].startswith("/staff/login/")
        assert is_sent_away or answer.status_code == 405, (method, answer.status_code)
        assert getattr(olga, method)(address).status_code in (403, 405), method


def test_it_says_so_when_no_campaign_is_current():
    dana = staff.dana()
    for address in ("/staff/", "/staff/gifts/", "/staff/pools/"):
        assert "No campaign is marked as the current one" in staff.text_of(dana.get(address))
