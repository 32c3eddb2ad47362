"""`/match/ledger…` and `/match/heads/…`: the ledger for anybody, cheap to serve and without personal data."""

import hashlib
import json
import tracemalloc
from types import SimpleNamespace

import pytest
from django.test import Client

from matching import heads, publication, views
from matching.models import MatchPool
from tests import factories
from tests.factories import GIFT_AT
from tests.matching.public_ledger import body, fill, get

pytestmark = pytest.mark.django_db

FOR_EVER = "public, max-age=31536000, immutable"


@pytest.fixture(autouse=True)
def site(settings, monkeypatch):
    monkeypatch.setattr(views, "places", views.Places(views.FILES_AT_ONCE))
    settings.SITE_URL = "https://give.example.org"
    settings.LEDGER_SIGNING_KEY = "11" * 32


@pytest.fixture
def pool():
    sponsor = factories.sponsor("Harbor Trust, contact Jane Roe", public_name="The Harbor Family")
    return factories.pool(campaign=factories.campaign(), sponsor=sponsor, limit_minor=50_000)


def give(pool, amount_minor=10_000, **changes):
    gift = factories.donation(
        campaign=pool.campaign, amount_minor=amount_minor, donor=factories.donor("Priya Weller", "priya@example.org")
    )
    return factories.match(gift, **changes)


def records(content):
    return [json.loads(line) for line in content.splitlines()]


class TestDocument:
    def test_no_head_in_it_is_ahead_of_its_pools(self, pool, monkeypatch):
        """Money moves, and the timer signs, while the document is being made."""
        latest = heads.latest_head

        def first_something_moves():
            monkeypatch.setattr(heads, "latest_head", latest)
            give(pool)
            heads.publish_head(now=GIFT_AT)
            return latest()

        monkeypatch.setattr(heads, "latest_head", first_something_moves)
        found = json.loads(body("/match/ledger.json"))
        of_pool = found["head"]["text"].split("\n")[1].split("|")
        assert (int(of_pool[2]), of_pool[3]) == (found["pools"][0]["entries"], found["pools"][0]["hash"])

    def test_it_says_where_every_chain_stands(self, pool):
        give(pool)
        head = heads.publish_head(now=GIFT_AT)
        pool.refresh_from_db()
        found = json.loads(body("/match/ledger.json"))
        assert found.pop("made_at").endswith("Z")
        assert found == {
            "type": "ledger",
            "format": 1,
            "site": "https://give.example.org",
            "page_size": 1000,
            "only_pool": None,
            "after": 0,
            "pools": [
                {
                    "pool": pool.pk,
                    "sponsor": "The Harbor Family",
                    "campaign": "Giving Tuesday",
                    "currency": "USD",
                    "entries": 3,
                    "hash": pool.head_hash,
                    "limit": 50_000,
                    "free": 40_000,
                    "held": 0,
                    "matched": 10_000,
                }
            ],
            "keys": heads.key_records(),
            "head": heads.head_record(head),
        }

    def test_anybody_may_keep_it_for_a_second(self, pool):
        answer = get("/match/ledger.json")
        assert answer.headers["Cache-Control"] == "public, max-age=1, stale-while-revalidate=5"
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert not answer.cookies

    def test_an_empty_ledger_has_one(self, db):
        found = json.loads(body("/match/ledger.json"))
        assert (found["pools"], found["keys"], found["head"]) == ([], [], None)

    def test_an_anonymous_sponsor_is_not_named(self):
        sponsor = factories.sponsor("Somebody Rich", is_anonymous=True)
        factories.pool(campaign=factories.campaign(), sponsor=sponsor)
        found = body("/match/ledger.json").decode()
        assert "an anonymous sponsor" in found
        assert "Rich" not in found


class TestFile:
    def test_as_json_lines_it_is_the_document_the_entries_and_an_end(self, pool):
        match = give(pool)
        content = body("/match/ledger.jsonl")
        document, *entries, end = records(content)
        assert document["type"] == "ledger"
        assert [(e["pool"], e["seq"], e["reason"], e["amount"], e["reference"], e["actor"]) for e in entries] == [
            (pool.pk, 1, "pledge", 50_000, "", "system"),
            (pool.pk, 2, "hold", 10_000, match.reference, "donor"),
            (pool.pk, 3, "commit", 10_000, match.reference, "system"),
        ]
        assert list(entries[1]) == ["type", *publication.FIELDS]
        assert (entries[1]["at"], entries[1]["from"], entries[1]["to"]) == (
            "2026-12-01T15:30:00.000000Z",
            "free",
            "held",
        )
        before = content[: content.rindex(b"\n", 0, -1) + 1]
        assert end == {"type": "end", "entries": 3, "sha256": hashlib.sha256(before).hexdigest()}

    def test_as_csv_it_has_a_heading_and_the_same_entries(self, pool):
        give(pool)
        heading, *rows = body("/match/ledger.csv").decode().splitlines()
        assert heading == "pool,seq,from,to,amount,currency,reason,reference,actor,at,prev,hash"
        _, *entries, _ = records(body("/match/ledger.jsonl"))
        assert rows == [",".join(str(entry[name]) for name in publication.FIELDS) for entry in entries]

    def test_it_begins_where_it_is_asked_to(self, pool):
        give(pool)
        document, *entries, end = records(body(f"/match/ledger.jsonl?pool={pool.pk}&after=2"))
        assert (document["only_pool"], document["after"]) == (pool.pk, 2)
        assert [entry["seq"] for entry in entries] == [3]
        assert end["entries"] == 1

    def test_it_is_of_one_pool_where_that_is_asked(self, pool):
        other = factories.pool(campaign=pool.campaign)
        document, *entries, _ = records(body(f"/match/ledger.jsonl?pool={other.pk}"))
        assert [row["pool"] for row in document["pools"]] == [other.pk]
        assert {entry["pool"] for entry in entries} == {other.pk}

    @pytest.mark.parametrize("kind", ["jsonl", "csv"])
    def test_nobody_is_named_in_it(self, pool, kind):
        give(pool)
        content = body(f"/match/ledger.{kind}").decode()
        for word in ("Priya", "Weller", "priya@", "Jane Roe", "Harbor Trust"):
            assert word not in content

    @pytest.mark.parametrize("kind", ["jsonl", "csv"])
    def test_it_is_downloaded_under_a_name_that_says_what_it_is(self, pool, kind):
        def named(query):
            return Client().head(f"/match/ledger.{kind}{query}").headers["Content-Disposition"]

        assert named("") == f'attachment; filename="ledger.{kind}"'
        assert named(f"?pool={pool.pk}&after=1") == f'attachment; filename="ledger-pool-{pool.pk}-after-1.{kind}"'

    @pytest.mark.parametrize(
        ("query", "sentence"),
        [
            ("pool=x", "“pool” must be a whole number, as in ?pool=3&after=1200."),
            ("pool=", "“pool” must be a whole number, as in ?pool=3&after=1200."),
            ("pool=-1", "“pool” must be a whole number, as in ?pool=3&after=1200."),
            ("pool=%D9%A3", "“pool” must be a whole number, as in ?pool=3&after=1200."),
            ("pool=" + "9" * 30, "“pool” must be a whole number, as in ?pool=3&after=1200."),
            ("pool=%00", "“pool” must be a whole number, as in ?pool=3&after=1200."),
            ("pool=999999999", "The ledger has no pool 999999999. /match/ledger.json lists the pools."),
            ("after=5", "Say of which pool: entries are counted within one, as in ?pool=3&after=1200."),
            ("pool={pool}&after=1.5", "“after” must be a whole number, as in ?pool=3&after=1200."),
            ("pool={pool}&after=2", "The ledger does not go that far: the newest number is 1."),
        ],
    )
    def test_a_bad_parameter_is_answered_with_a_sentence(self, pool, query, sentence):
        answer = get(f"/match/ledger.jsonl?{query.format(pool=pool.pk)}", status=400)
        assert answer.content.decode() == f"{sentence}\n"
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"

    def test_it_is_only_read(self, pool):
        assert Client().post("/match/ledger.jsonl").status_code == 405
        assert Client().head("/match/ledger.jsonl").content == b""

    def test_few_are_sent_at_a_time_and_a_place_comes_back_with_each(self, pool):
        sending = [get("/match/ledger.jsonl") for _ in range(views.FILES_AT_ONCE)]
        refused = get("/match/ledger.csv", status=503)
        assert refused.headers["Retry-After"] == "60"
        assert "try again in a minute" in refused.content.decode()
        for answer in sending:  # one unread, as when a reader goes away
            for close in (*answer._resource_closers, *answer._resource_closers):
                close()
        for _ in range(views.FILES_AT_ONCE + 1):
            body("/match/ledger.csv")

    def test_a_place_that_nobody_gives_back_runs_out(self, monkeypatch):
        moments = iter([0, views.FILE_SECONDS - 1, views.FILE_SECONDS])
        monkeypatch.setattr(views, "time", SimpleNamespace(monotonic=lambda: next(moments)))
        places = views.Places(1)
        assert places.take() is not None
        assert places.take() is None
        assert places.take() is not None

    def test_one_that_takes_too_long_is_cut_off_and_not_ended(self, pool, monkeypatch):
        monkeypatch.setattr(views, "FILE_SECONDS", -1)
        answer = get("/match/ledger.jsonl")
        with pytest.raises(views.FileCutOff):
            answer.getvalue()


class TestRange:
    def test_it_is_for_ever(self, pool):
        give(pool)
        answer = get(f"/match/ledger/{pool.pk}/2-3.jsonl")
        assert [entry["seq"] for entry in records(answer.content)] == [2, 3]
        assert answer.headers["Cache-Control"] == FOR_EVER
        assert answer.headers["ETag"]
        assert get(f"/match/ledger/{pool.pk}/2-3.jsonl", status=304, if_none_match=answer.headers["ETag"])

    def test_it_is_a_table_too(self, pool):
        heading, row = body(f"/match/ledger/{pool.pk}/1-1.csv").decode().splitlines()
        assert heading.startswith("pool,seq,")
        assert row.startswith(f"{pool.pk},1,pledged,free,50000,USD,pledge,,system,")

    @pytest.mark.parametrize(
        ("numbers", "status", "sentence"),
        [
            ("0-1", 400, "Count entries from 1 and write the lower number first, as in 1-1000."),
            ("2-1", 400, "Count entries from 1 and write the lower number first, as in 1-1000."),
            ("1-1001", 400, "Ask for at most 1000 entries at a time, as in 1-1000."),
            ("1-2", 404, "The ledger does not go that far: the newest number is 1."),
        ],
    )
    def test_one_that_cannot_be_had_is_refused_and_not_kept(self, pool, numbers, status, sentence):
        answer = get(f"/match/ledger/{pool.pk}/{numbers}.jsonl", status=status)
        assert answer.content.decode() == f"{sentence}\n"
        assert answer.headers["Cache-Control"] == "no-store"

    def test_an_unknown_pool_is_named(self, db):
        assert "no pool 7." in body("/match/ledger/7/1-1.jsonl", status=404).decode()


class TestHeads:
    def test_the_latest_is_at_its_own_address(self, pool):
        head = heads.publish_head(now=GIFT_AT)
        answer = get("/match/heads/latest.json")
        assert json.loads(answer.content) == {
            "type": "head",
            "number": 1,
            "text": head.text,
            "sha256": head.sha256,
            "key": head.key.key_id,
            "signature": head.signature,
        }
        assert answer.headers["Cache-Control"] == "public, max-age=1, stale-while-revalidate=5"

    def test_without_one_it_says_so(self, db):
        assert b"has signed no head" in body("/match/heads/latest.json", status=404)

    def test_one_is_found_by_the_hash_on_a_receipt(self, pool):
        head = heads.publish_head(now=GIFT_AT)
        answer = get(f"/match/heads/{head.sha256[:32]}.json")
        assert json.loads(answer.content)["signature"] == head.signature
        assert answer.headers["Cache-Control"] == FOR_EVER
        get(f"/match/heads/{'0' * 32}.json", status=404)
        get(f"/match/heads/{head.sha256[:15]}.json", status=404)

    def test_all_are_there_in_pages(self, pool):
        for hour in range(3):
            heads.publish_head(now=GIFT_AT.replace(hour=15 + hour))
        answer = get("/match/heads/1-2.jsonl")
        assert [head["number"] for head in records(answer.content)] == [1, 2]
        assert answer.headers["Cache-Control"] == FOR_EVER
        get("/match/heads/1-4.jsonl", status=404)
        get("/match/heads/0-2.jsonl", status=400)
        get("/match/heads/1-1001.jsonl", status=400)


def test_the_program_and_the_description_are_there(db):
    program = get("/match/verify_ledger.py")
    assert program.content.startswith(b"#!/usr/bin/env python3")
    assert program.headers["Content-Disposition"] == 'attachment; filename="verify_ledger.py"'
    assert b"# The public ledger" in body("/match/ledger.md")


def test_a_long_ledger_is_sent_with_flat_memory_and_short_queries(pool, django_assert_num_queries):
    long = MatchPool.objects.create(campaign=pool.campaign, sponsor=pool.sponsor, name="long", currency="USD")
    fill(long, 20_000)
    found = publication.document(now=GIFT_AT, pool_id=long.pk)
    sent = 0
    tracemalloc.start()
    with django_assert_num_queries(20):
        for part in publication.jsonl_file(found):
            sent += len(part)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sent > 6_000_000
    assert peak < 3_000_000
