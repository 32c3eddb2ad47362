"""Pools in the admin: opened and changed through matching.pools alone; the ledger is there to be read."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from matching import pools
from matching.ledger import PoolsBusy
from matching.models import LedgerEntry, MatchPool, Reservation
from tests import factories, staff
from tests.factories import GIFT_AT, OPENS_AT

pytestmark = pytest.mark.django_db

ADD = "/admin/matching/matchpool/add/"


@pytest.fixture
def fund():
    return factories.fund("Education")


@pytest.fixture
def campaign(fund):
    return factories.campaign(funds=[fund])


@pytest.fixture
def dana():
    return staff.dana()


def typed(campaign, sponsor, /, **changes) -> dict[str, object]:
    """The form as a person fills it in; None leaves a field out."""
    values = {
        "campaign": campaign.pk,
        "sponsor": sponsor.pk,
        "name": "Harbor, day-long",
        "leftover": "given",
        "limit": "$2,500,000.00",
        "ratio_match": "1",
        "ratio_gift": "1",
        "min_gift": "",
        "cap_per_gift": "",
        "cap_per_donor": "5,000",
        "opens_at": "2026-12-01T00:00",
        "closes_at": "2026-12-02T00:00",
        "layer": "base",
        "priority": "10",
        "offline_gifts": "on",
        "terms_versions-TOTAL_FORMS": "0",
        "terms_versions-INITIAL_FORMS": "0",
    } | changes
    return {name: value for name, value in values.items() if value is not None}


def change_address(pool) -> str:
    return reverse("admin:matching_matchpool_change", args=[pool.pk])


def errors_of(response) -> str:
    return str(response.context["adminform"].form.errors)


def test_it_opens_a_pool_through_the_ledger(dana, campaign, fund):
    sponsor = factories.sponsor()
    sent = dana.post(ADD, typed(campaign, sponsor, funds=[fund.pk], min_gift="25"))
    assert sent.headers["Location"] == "/staff/pools/"
    pool = MatchPool.objects.get()
    user = User.objects.get(username="dana")
    assert (pool.limit_minor, pool.free_minor, pool.currency) == (250_000_000, 250_000_000, "USD")
    assert (pool.terms.cap_per_donor_minor, pool.terms.cap_per_gift_minor, pool.terms.min_gift_minor) == (
        500_000,
        None,
        2_500,
    )
    assert pool.terms.opens_at == datetime(2026, 12, 1, 5, tzinfo=UTC)  # midnight in Boston
    assert pool.terms.fund_ids == [fund.pk]
    entries = LedgerEntry.objects.values_list("reason", "amount_minor", "actor")
    assert list(entries) == [("pledge", 250_000_000, f"staff:{user.pk}")]
    page = staff.text_of(dana.get("/staff/pools/"))
    assert "Every dollar to Education in gifts of $25 or more is doubled, up to $5,000 of match a donor" in page
    assert "Terms 1, since" in page


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("limit", "lots", "is not an amount we can read"),
        ("limit", "", "This field is required."),
        ("limit", "0", "Enter an amount above zero."),
        ("limit", "99999999999", "Enter at most $1,000,000,000.00."),
        ("cap_per_gift", "-5", "is not an amount we can read"),
        ("cap_per_gift", "6000", "The cap per gift is above the cap per donor"),
        ("closes_at", "2026-11-30T00:00", "The pool would close before it opens"),
        ("opens_at", "noon", "Write a day and time such as"),
        ("ratio_gift", "0", "greater than or equal to 1"),
        ("sponsor", "", "This field is required."),
        ("campaign", "", "This field is required."),
    ],
)
def test_it_says_what_is_wrong_and_opens_nothing(dana, campaign, field, value, words):
    answer = dana.post(ADD, typed(campaign, factories.sponsor(), **{field: value}))
    assert answer.status_code == 200
    assert words in errors_of(answer)
    assert not MatchPool.objects.exists()


def test_it_changes_terms_as_a_new_version_and_the_limit_as_an_entry(dana, campaign):
    pool = factories.pool(campaign=campaign, limit_minor=100_000, cap_per_donor_minor=500_000)
    form = dana.get(change_address(pool)).context["adminform"].form
    assert (form.initial["limit"], form.initial["cap_per_donor"]) == ("1000.00", "5000.00")
    sent = dana.post(
        change_address(pool), typed(campaign, pool.sponsor, limit="1,500", ratio_match="2", name="New name")
    )
    assert sent.status_code == 302
    pool.refresh_from_db()
    assert (pool.limit_minor, pool.free_minor, pool.name) == (150_000, 150_000, "New name")
    assert [(row.version, row.ratio_match) for row in pool.terms_versions.all()] == [(1, 1), (2, 2)]
    assert [(row.reason, row.amount_minor) for row in pool.entries.all()] == [("pledge", 100_000), ("pledge", 50_000)]


def test_it_writes_nothing_when_nothing_was_changed(dana, campaign):
    pool = factories.pool(
        campaign=campaign,
        limit_minor=100_000,
        opens_at=OPENS_AT,
        closes_at=OPENS_AT + timedelta(minutes=90),
        priority=7,
    )
    form = dana.get(change_address(pool)).context["adminform"].form
    again = {name: form[name].value() for name in form.fields if form[name].value() not in (None, False)}
    again |= {"opens_at": "2026-12-01T00:00", "closes_at": "2026-12-01T01:30"}
    assert 'value="2026-12-01T01:30"' in str(form["closes_at"])
    sent = dana.post(change_address(pool), again | {"terms_versions-TOTAL_FORMS": 0, "terms_versions-INITIAL_FORMS": 0})
    assert sent.status_code == 302
    assert (pool.terms_versions.count(), pool.entries.count()) == (1, 1)


def test_it_keeps_campaign_sponsor_and_leftover_of_an_open_pool(dana, campaign):
    pool = factories.pool(campaign=campaign, limit_minor=100_000)
    other = factories.sponsor("Another")
    dana.post(change_address(pool), typed(factories.campaign(funds=[]), other, limit="1000", leftover="kept"))
    fresh = MatchPool.objects.get(pk=pool.pk)
    assert (fresh.campaign_id, fresh.sponsor_id, fresh.leftover) == (campaign.pk, pool.sponsor_id, "given")


def test_it_never_takes_a_balance_from_the_form(dana, campaign):
    pool = factories.pool(campaign=campaign, limit_minor=100_000)
    balances = {
        "free_minor": 1,
        "held_minor": 1,
        "matched_minor": 1,
        "limit_minor": 7,
        "halted_reason": "x",
        "free": "9",
    }
    dana.post(change_address(pool), typed(campaign, pool.sponsor, limit="1000", **balances))
    fresh = MatchPool.objects.get(pk=pool.pk)
    figures = (fresh.limit_minor, fresh.free_minor, fresh.held_minor, fresh.matched_minor, fresh.halted_reason)
    assert figures == (100_000, 100_000, 0, 0, "")


def test_it_refuses_a_limit_below_what_is_promised_and_changes_nothing(dana, campaign, fund):
    pool = factories.pool(campaign=campaign, limit_minor=100_000)
    factories.match(factories.donation(campaign=campaign, parts=[(fund, 60_000)]), at=GIFT_AT)
    sent = dana.post(
        change_address(pool), typed(campaign, pool.sponsor, limit="599.99", ratio_match="3", name="x"), follow=True
    )
    assert "Nothing was changed. $600.00 of this pool is promised to donors already" in staff.text_of(sent)
    pool.refresh_from_db()
    assert (pool.limit_minor, pool.terms_versions.count(), pool.name != "x") == (100_000, 1, True)


def test_it_says_so_when_the_pool_is_busy(dana, campaign, monkeypatch):
    pool = factories.pool(campaign=campaign, limit_minor=100_000)

    def busy(**_):
        raise PoolsBusy("busy")

    monkeypatch.setattr(pools, "change_limit", busy)
    sent = dana.post(change_address(pool), typed(campaign, pool.sponsor, limit="2000"), follow=True)
    assert "Nothing was changed: many gifts use this pool right now." in staff.text_of(sent)
    monkeypatch.setattr(pools, "set_paused", busy)
    sent = dana.post(f"/staff/pools/{pool.pk}/pause/", {"paused": "1"}, follow=True)
    assert "nothing was changed. Please try again." in staff.text_of(sent)


def test_it_pauses_and_resumes_from_the_staff_page(dana, campaign):
    pool = factories.pool(campaign=campaign, limit_minor=100_000)
    assert "Resumed" not in staff.text_of(dana.get("/staff/pools/"))
    for paused, said in (
        ("1", "It gives no new match"),
        ("1", "It gives no new match"),
        ("0", "It matches new gifts again."),
    ):
        page = staff.text_of(dana.post(f"/staff/pools/{pool.pk}/pause/", {"paused": paused}, follow=True))
        assert said in page
        pool.refresh_from_db()
        assert pool.is_paused == (paused == "1")
    history = staff.text_of(dana.get(reverse("admin:matching_matchpool_history", args=[pool.pk])))
    assert history.count("Paused on the staff pages.") == 2
    assert history.count("Resumed on the staff pages.") == 1
    assert dana.post("/staff/pools/999/pause/", {"paused": "1"}).status_code == 404


def test_it_shows_pools_to_finance_without_the_means_to_change_them(campaign):
    pool = factories.pool(campaign=campaign, limit_minor=100_000)
    farid = staff.farid()
    page = staff.text_of(farid.get("/staff/pools/"))
    assert "$1,000.00" in page
    assert "Pause" not in page
    assert farid.get(ADD).status_code == 403
    assert farid.post(change_address(pool), typed(campaign, pool.sponsor, limit="5")).status_code == 403
    assert farid.get(change_address(pool)).status_code == 200  # to be read


@pytest.mark.parametrize("model", ["reservation", "allocation", "ledgerentry"])
def test_it_lets_nobody_write_the_ledger_not_even_a_superuser(campaign, fund, model):
    factories.pool(campaign=campaign, limit_minor=100_000)
    factories.match(factories.donation(campaign=campaign, parts=[(fund, 600)]), at=GIFT_AT)
    root = User.objects.create(username="root", is_staff=True, is_superuser=True)
    client = staff.client_of(root)
    pk = {"reservation": Reservation, "ledgerentry": LedgerEntry}.get(model, Reservation).objects.first().pk
    if model == "allocation":
        pk = Reservation.objects.get().allocations.get().pk
    base = f"/admin/matching/{model}/"
    assert client.get(base).status_code == client.get(f"{base}{pk}/change/").status_code == 200
    assert client.get(f"{base}add/").status_code == client.post(f"{base}{pk}/change/", {}).status_code == 403
    assert client.post(f"{base}{pk}/delete/", {"post": "yes"}).status_code == 403
    deletion = {"action": "delete_selected", "_selected_action": [pk], "post": "yes"}
    client.post(base, deletion)
    assert LedgerEntry.objects.count() == 3
    assert Reservation.objects.count() == 1


def test_it_never_deletes_a_pool(campaign):
    pool = factories.pool(campaign=campaign, limit_minor=100_000)
    root = User.objects.create(username="root", is_staff=True, is_superuser=True)
    address = reverse("admin:matching_matchpool_delete", args=[pool.pk])
    assert staff.client_of(root).post(address, {"post": "yes"}).status_code == 403
