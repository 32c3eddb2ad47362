"""Copies that pages can do without: made once a second by one asker, cut off when slow, never in giving's way."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from redis.exceptions import ConnectionError as RedisAway

from campaign import copies, figures
from tests import factories
from tests.beside import PATIENCE_SECONDS

NOW = datetime(2026, 12, 1, 15, tzinfo=UTC)
CROWD = 12


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def sleep_in_postgresql(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


def fail():
    raise AssertionError("made again")


@pytest.mark.django_db
def test_a_copy_serves_everybody_for_a_second_and_is_then_made_again():
    made = Counter()

    def make():
        made["times"] += 1
        return made["times"]

    moments = [later(0), later(0.3), later(0.99), later(1.01), later(1.9), later(2.1)]
    assert [copies.spared("k", now=at, make=make)[1] for at in moments] == [1, 1, 1, 2, 2, 3]


def crowd_rebuilds(*, askers: int) -> int:
    """How often a copy is made when so many ask for it at once, three times in the same second."""
    made, together = Counter(), threading.Barrier(askers)

    def make():
        made["times"] += 1
        time.sleep(0.05)
        return "copy"

    def ask(_number):
        try:
            together.wait(PATIENCE_SECONDS)
            return [copies.spared("crowd", now=NOW, make=make) for _ in range(3)]
        finally:
            connection.close()

    with ThreadPoolExecutor(askers) as threads:
        list(threads.map(ask, range(askers)))
    return made["times"]


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_a_crowd_makes_a_copy_many_times(monkeypatch):
    """The control: the crowd of the next test is one."""
    monkeypatch.setattr("django.core.cache.backends.redis.RedisCache.add", lambda *_args, **_options: True)
    assert crowd_rebuilds(askers=CROWD) > 1


@pytest.mark.django_db(transaction=True)
def test_of_a_crowd_one_makes_the_copy():
    assert crowd_rebuilds(askers=CROWD) == 1


@pytest.mark.django_db
def test_nobody_waits_for_who_makes_it():
    copies.spared("k", now=NOW, make=lambda: "old")
    cache.set("k:lock", 1, 5)
    assert copies.spared("k", now=later(9), make=fail) == (NOW, "old")
    cache.set("none:lock", 1, 5)
    assert copies.spared("none", now=NOW, make=fail) is None


@pytest.mark.django_db
def test_a_statement_that_takes_too_long_is_cut_off_and_rests(monkeypatch):
    monkeypatch.setattr(copies, "LONGEST", timedelta(milliseconds=50))
    copies.spared("k", now=NOW, make=lambda: "old")
    begun = time.monotonic()
    assert copies.spared("k", now=later(2), make=lambda: sleep_in_postgresql(5)) == (NOW, "old")
    assert time.monotonic() - begun < 2
    assert copies.spared("k", now=later(4), make=fail) == (NOW, "old")
    assert cache.ttl("k:rest") >= copies.LONGEST_REST_SECONDS - 2 if hasattr(cache, "ttl") else True
    sleep_in_postgresql(0.1)  # the limit was that of the copy alone


@pytest.mark.django_db
def test_what_takes_long_is_made_more_seldom(monkeypatch):
    monkeypatch.setattr(copies, "QUICK_SECONDS", 0.02)
    assert copies.spared("k", now=NOW, make=lambda: sleep_in_postgresql(0.1)) == (NOW, None)
    assert copies.spared("k", now=later(2), make=fail) == (NOW, None)


@pytest.mark.django_db
def test_what_reads_every_gift_may_take_longer_and_then_rests_for_minutes(monkeypatch):
    monkeypatch.setattr(copies, "QUICK_SECONDS", 0.02)
    monkeypatch.setattr(copies, "LONGEST", timedelta(milliseconds=50))
    made = {"now": NOW, "make": lambda: sleep_in_postgresql(0.1), "is_seldom": True}
    assert copies.spared("k", **made) == (NOW, None)
    rest, kept = (cache._cache.get_client().ttl(cache.make_key(key)) for key in ("k:rest", "k"))
    assert (rest > copies.LONGEST_REST_SECONDS * 0.5, kept > rest + copies.SPARED_KEPT_SECONDS - 60) == (True, True)
    monkeypatch.setattr(copies, "SELDOM_LONGEST", timedelta(milliseconds=50))
    assert copies.spared("other", **made) is None


@pytest.mark.django_db
def test_without_the_cache_it_is_left_out_unless_it_is_wanted(monkeypatch):
    def away(*_, **__):
        raise RedisAway

    for name in ("get_many", "add"):
        monkeypatch.setattr(f"django.core.cache.backends.redis.RedisCache.{name}", away)
    assert copies.spared("k", now=NOW, make=fail) is None
    assert copies.spared("k", now=NOW, make=lambda: "made here", is_wanted=True) == (NOW, "made here")


# Giving beside parts that take five seconds --------------------------------------------------------------------

PAGES = ["/", "/wall/", "/progress/", "/progress/?part=live", "/match/", "/funds/"]
SERVER_THREADS = 4  # of one process of the web server; all of them wait for the figures in the control


def seconds_of_giving_beside_a_crowd() -> float:
    """A form for a gift, asked for behind a crowd on the other pages, from a server of few threads."""

    def ask(url):
        try:
            begun = time.monotonic()
            assert Client(raise_request_exception=False).get(url).status_code in (200, 500)
            return time.monotonic() - begun
        finally:
            connection.close()

    ask("/give/")
    with ThreadPoolExecutor(SERVER_THREADS) as server:
        crowd = [server.submit(ask, url) for url in PAGES * 2]
        begun = time.monotonic()
        server.submit(ask, "/give/").result(30)
        took = time.monotonic() - begun
        for visit in crowd:
            visit.cancel()
    return took


@pytest.fixture
def slow_figures(monkeypatch):
    """Call it with the seconds that each query behind a live part takes in PostgreSQL; giving's are as they are."""
    factories.organization()
    factories.donation(campaign=factories.open_campaign())

    def slow(seconds):
        parts = [(figures.gift_queries, name) for name in ("totals", "recent_public_gifts", "gifts_by_hour")]
        for module, name in (*parts, (figures.standings, "teams"), (figures.standings, "places")):
            monkeypatch.setattr(module, name, lambda **_options: sleep_in_postgresql(seconds))

    return slow


@pytest.mark.django_db(transaction=True)
def test_without_the_limit_a_slow_figure_holds_up_giving(slow_figures, monkeypatch):
    """The control: pages that make their figures themselves keep every thread of the server, and a donor waits."""
    slow_figures(0.8)
    monkeypatch.setattr(figures, "spared", lambda _key, *, now, make, **_options: (now, make()))
    assert seconds_of_giving_beside_a_crowd() > 0.8


@pytest.mark.django_db(transaction=True)
def test_giving_is_as_fast_as_before_with_every_live_part_taking_five_seconds(slow_figures, say):
    slow_figures(5)
    took = seconds_of_giving_beside_a_crowd()
    again = seconds_of_giving_beside_a_crowd()
    say("a form for a gift behind 12 pages whose figures take 5 s", f"{took:.2f} s, then {again:.2f} s")
    assert max(took, again) < 5  # who stood behind one such query would wait that long, on a machine however idle
