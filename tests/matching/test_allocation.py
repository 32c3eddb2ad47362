"""Who gets how much: the shared cases as they are, and properties that hold for every gift and every set of pools."""

import json
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.allocation import BASE, BONUS, Bound, Part, PoolState, allocate, consider, covered_by, kept_after_refund

CASES = json.loads((Path(__file__).parent.parent / "cases" / "matching.json").read_text())["cases"]
NOON = datetime(2026, 12, 1, 17, tzinfo=UTC)


def moment(text):
    return datetime.fromisoformat(text) if text else None


def pool_of(case):
    plain = {key: value for key, value in case.items() if key not in ("ratio", "opens_at", "closes_at", "funds")}
    return PoolState(
        **plain,
        ratio=tuple(case.get("ratio", (1, 1))),
        opens_at=moment(case.get("opens_at")),
        closes_at=moment(case.get("closes_at")),
        funds=frozenset(case["funds"]) if "funds" in case else None,
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_it_answers_the_shared_case(case):
    gift = case["gift"]
    shares = allocate(
        parts=[Part(part["fund"], part["amount_minor"]) for part in gift["parts"]],
        submitted_at=moment(gift["submitted_at"]),
        offline=gift.get("offline", False),
        pools=[pool_of(pool) for pool in case["pools"]],
    )
    assert [[share.part_index, share.pool_id, share.match_minor] for share in shares] == case["expected"]


def test_the_shared_cases_are_the_ones_that_were_agreed():
    assert len(CASES) == 32


money = st.integers(min_value=0, max_value=50_000_00)
parts = st.lists(
    st.builds(Part, st.sampled_from(["education", "research", "nursing"]), st.integers(1, 20_000_00)),
    min_size=1,
    max_size=3,
    unique_by=lambda part: part.fund,
)
ratios = st.tuples(st.integers(1, 5), st.integers(1, 5))
pool_states = st.builds(
    PoolState,
    id=st.integers(1, 1000),
    free_minor=money,
    ratio=ratios,
    min_gift_minor=st.sampled_from([0, 0, 25_00]),
    cap_per_gift_minor=st.none() | money,
    cap_per_donor_minor=st.none() | money,
    donor_used_minor=money,
    funds=st.none() | st.frozensets(st.sampled_from(["education", "research"]), min_size=1),
    priority=st.integers(1, 3),
    layer=st.sampled_from([BASE, BASE, BONUS]),
    paused=st.booleans(),
    locked=st.just(False),
)
pool_lists = st.lists(pool_states, max_size=5, unique_by=lambda pool: pool.id)


@given(parts=parts, pools=pool_lists)
def test_it_never_gives_more_than_a_pool_has_or_its_terms_allow(parts, pools):
    shares = consider(parts=parts, submitted_at=NOON, offline=False, pools=pools)
    gift_minor = sum(part.amount_minor for part in parts)
    for pool in pools:
        given_minor = sum(share.match_minor for share in shares if share.pool_id == pool.id)
        assert 0 <= given_minor <= pool.free_minor
        assert given_minor <= Fraction(*pool.ratio) * gift_minor
        if pool.cap_per_gift_minor is not None:
            assert given_minor <= pool.cap_per_gift_minor
        if pool.cap_per_donor_minor is not None:
            assert given_minor <= max(0, pool.cap_per_donor_minor - pool.donor_used_minor)
        if pool.paused or gift_minor < pool.min_gift_minor:
            assert given_minor == 0


@given(parts=parts, pools=pool_lists)
def test_base_pools_never_cover_more_than_the_part(parts, pools):
    base = {pool.id: pool for pool in pools if pool.layer == BASE}
    shares = consider(parts=parts, submitted_at=NOON, offline=False, pools=pools)
    for index, part in enumerate(parts):
        covered = sum(
            covered_by(share.match_minor, ratio=base[share.pool_id].ratio)
            for share in shares
            if share.part_index == index and share.pool_id in base
        )
        assert covered <= part.amount_minor


@given(parts=parts, pools=pool_lists, seed=st.randoms())
def test_it_is_deterministic_whole_cents_whatever_the_order_of_pools(parts, pools, seed):
    first = consider(parts=parts, submitted_at=NOON, offline=False, pools=pools)
    shuffled = pools[:]
    seed.shuffle(shuffled)
    assert consider(parts=parts, submitted_at=NOON, offline=False, pools=shuffled) == first
    assert {type(share.match_minor) for share in first} <= {int}
    assert len(first) == len(parts) * len(pools)


@given(parts=parts, pools=pool_lists)
def test_a_pool_that_gives_less_than_all_says_why(parts, pools):
    for share in consider(parts=parts, submitted_at=NOON, offline=False, pools=pools):
        if share.match_minor == 0:
            assert share.bound is not Bound.GIFT


@given(match=st.integers(0, 10**9), ratio=ratios)
def test_the_covered_part_is_the_smallest_that_earns_the_match(match, ratio):
    covered = covered_by(match, ratio=ratio)
    assert covered * ratio[0] // ratio[1] >= match
    assert covered == 0 or (covered - 1) * ratio[0] // ratio[1] < match


@given(
    allocation=st.integers(1, 10**8),
    gift=st.integers(1, 10**8),
    refunds=st.lists(st.integers(0, 10**7), max_size=5),
)
def test_refunds_in_parts_keep_what_their_sum_keeps(allocation, gift, refunds):
    total = 0
    kept = allocation
    for refund in refunds:
        total += refund
        now_kept = kept_after_refund(allocation, basis_minor=gift, remaining_minor=max(0, gift - total))
        assert 0 <= now_kept <= kept
        kept = now_kept
    assert kept == kept_after_refund(allocation, basis_minor=gift, remaining_minor=max(0, gift - sum(refunds)))
