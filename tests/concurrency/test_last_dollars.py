"""Donors who send the giving form at the same moment for a pool's last $100.00, over HTTP, against the real site."""

import asyncio
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp
import pytest
from django.db import connection, transaction
from django.db.models import Sum

from donations import form_keys
from donations.models import Donation
from matching.checking import check_campaigns
from matching.models import Allocation, MatchPool, Reservation
from tests import factories
from tests.concurrency.unlocked import functions_without_lock
from tests.donations.give_form import open_campaign

pytestmark = pytest.mark.django_db(transaction=True)
CHAOS = bool(os.environ.get("CHAOS"))
ROUNDS = 20 if CHAOS else 1
LAST_MINOR, GIFT_MINOR = 10_000, 1_000
WAITS, PATIENCE = "We are holding your match", 60


@dataclass(frozen=True)
class Told:
    """What one donor was shown after pressing Continue: the status of each step, and the match in cents."""

    status: int
    token: str
    page_status: int
    match_minor: int


@contextmanager
def guards_off(*constraints: str) -> Iterator[None]:
    """Drop checks of the pool's row, for the control alone."""
    with connection.cursor() as cursor:
        for name in constraints:
            cursor.execute(f"ALTER TABLE matching_matchpool DROP CONSTRAINT {name}")
    try:
        yield
    finally:
        with transaction.atomic(), connection.cursor() as cursor:
            for name in constraints:
                cursor.execute(
                    f"ALTER TABLE matching_matchpool ADD CONSTRAINT {name} CHECK (free_minor >= 0) NOT VALID"
                )


def cents(text: str) -> int:
    return int(text.replace(",", "").replace(".", ""))


def match_on(page: str) -> int:
    """The match that the payment page promises, or the lower one that it asks about."""
    held = re.search(r"\$([\d,]+\.\d\d) from The Harbor Family is yours until", page)
    lower = re.search(r"will be matched with \$([\d,]+\.\d\d), not", page)
    found = held or lower
    if found is None:
        assert "will not be matched" in page or "There is no match for this gift" in page
        return 0
    return cents(found[1])


async def give(session: aiohttp.ClientSession, site: str, number: int, start: asyncio.Event) -> Told:
    token = secrets.token_hex(16)
    form = {
        "csrfmiddlewaretoken": token,
        "form_key": form_keys.new_form_key().sealed,
        "amount": "",
        "other_amount": "10",
        "fund": "education",
        "donor_name": f"Donor {number}",
        "donor_email": f"donor{number}@example.org",
        "country": "US",
        "promised_match_minor": str(GIFT_MINOR),
        "promised_for": "",
    }
    headers = {"Cookie": f"csrftoken={token}", "Referer": f"{site}/give/"}
    await start.wait()
    async with session.post(f"{site}/give/", data=form, headers=headers, allow_redirects=False) as answer:
        status, location = answer.status, answer.headers.get("Location", "")
    if status != 303:
        return Told(status, "", 0, 0)
    for _ in range(PATIENCE):
        async with session.get(f"{site}{location}") as answer:
            page = await answer.text()
        if WAITS not in page:
            return Told(status, location.split("/")[2], answer.status, match_on(page))
        await asyncio.sleep(1)  # the pools were busy for longer than a donor should wait: the page asks again
    raise AssertionError(f"the match was not decided within {PATIENCE} looks")


def all_at_once(site: str, donors: int) -> list[Told]:
    async def run() -> list[Told]:
        start = asyncio.Event()
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=120)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            giving = [asyncio.create_task(give(session, site, number, start)) for number in range(donors)]
            await asyncio.sleep(0.2)
            start.set()
            return await asyncio.gather(*giving)

    return asyncio.run(run())


def promised(pool: MatchPool) -> int:
    return Allocation.objects.filter(pool=pool).aggregate(sum=Sum("amount_minor"))["sum"] or 0


def last_hundred_dollars() -> MatchPool:
    return factories.pool(campaign=open_campaign(), limit_minor=LAST_MINOR)


def test_control_without_lock_and_guard_the_site_promises_what_it_has_not(site):
    site.start("web", workers=2, threads=16)
    pool = last_hundred_dollars()
    with guards_off("pool_free_is_not_negative"), functions_without_lock():
        told = all_at_once(site.url, 60)
        assert promised(pool) > LAST_MINOR
        assert sum(donor.match_minor for donor in told) > LAST_MINOR


def test_control_without_lock_the_database_refuses_but_gifts_fail(site):
    site.start("web", workers=2, threads=16)
    pool = last_hundred_dollars()
    with functions_without_lock():
        told = all_at_once(site.url, 60)
    assert promised(pool) <= LAST_MINOR
    assert {donor.status for donor in told} > {303}, "somebody's gift was lost: that is what the lock is for"


@pytest.mark.parametrize("donors", [60, 500])
@pytest.mark.parametrize("_round", range(ROUNDS))
def test_exactly_the_last_hundred_dollars_and_everyone_is_told_the_truth(site, donors, _round):
    site.start("web", workers=2, threads=16)
    pool = last_hundred_dollars()
    told = all_at_once(site.url, donors)

    assert {(donor.status, donor.page_status) for donor in told} == {(303, 200)}
    assert Donation.objects.filter(state="started").count() == donors
    pool.refresh_from_db()
    assert (promised(pool), pool.held_minor, pool.free_minor) == (LAST_MINOR, LAST_MINOR, 0)

    keys = dict(Donation.objects.values_list("token", "match_key"))
    held = {row.key: row.match_minor for row in Reservation.objects.prefetch_related("allocations")}
    assert [donor for donor in told if donor.match_minor != held[keys[donor.token]]] == []
    assert sum(donor.match_minor for donor in told) == LAST_MINOR
    assert check_campaigns() == []
