"""The checker against every kind of fault that only somebody who switches the guards off can put into the ledger."""

import hashlib
from uuid import uuid4

import pytest

from matching import holds, late_gifts, offers, refunds
from matching.allocation import Part
from matching.checking import check_campaigns, check_pool
from matching.ledger import SYSTEM, Move, post
from matching.models import LedgerEntry, MatchPool, Reservation
from tests import factories
from tests.database import as_owner
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db

ENTRY, POOL = "matching_ledgerentry", "matching_matchpool"
ALLOCATION, RESERVATION = "matching_allocation", "matching_reservation"


@pytest.fixture
def pool():
    """A pool of $500.00 with six entries: its pledge, a gift of $100.00 paid and a third of it refunded, one of $50.00
    released."""
    campaign = factories.campaign()
    made = factories.pool(campaign=campaign, limit_minor=50_000)
    paid, gone = (
        holds.Gift(uuid4(), donor, (Part(campaign.funds.get().pk, amount),), GIFT_AT)
        for donor, amount in (("1", 10_000), ("2", 5_000))
    )
    for gift in (paid, gone):
        holds.hold(campaign_id=campaign.pk, gift=gift, now=GIFT_AT)
    holds.commit(key=paid.key, now=GIFT_AT)
    holds.release(key=gone.key, now=GIFT_AT)
    refunds.settle_refund(key=paid.key, refunded_minor=3_000, now=GIFT_AT)
    made.refresh_from_db()
    return made


@pytest.fixture
def names(pool):
    """What the statements and the findings below call by name."""
    paid, gone = Reservation.objects.order_by("pk")
    return {
        "pool": pool.pk,
        "paid": paid.reference,
        "gone": gone.reference,
        "paid_id": paid.pk,
        "gone_id": gone.pk,
        "paid_part": paid.allocations.get().pk,
        "gone_part": gone.allocations.get().pk,
    }


def rehashed(pool):
    """Write every hash of a chain anew, as a forger with the guards off would."""
    statements, head, seq = [], "0" * 64, 0
    for entry in LedgerEntry.objects.filter(pool=pool).order_by("seq"):
        entry.prev_hash = head
        head = hashlib.sha256(entry.chain_text().encode()).hexdigest()
        seq = entry.seq
        statements.append(
            f"UPDATE {ENTRY} SET prev_hash = '{entry.prev_hash}', entry_hash = '{head}' WHERE id = {entry.pk}"
        )
    as_owner(";".join(statements), ENTRY)
    as_owner(f"UPDATE {POOL} SET head_hash = '{head}', head_seq = {seq} WHERE id = {pool.pk}", POOL)


def test_it_finds_nothing_in_a_true_ledger_and_says_how_much_it_read(pool):
    checked = check_pool(pool)
    assert (checked.pool, checked.entries, checked.findings) == (pool, 6, [])
    assert check_campaigns() == []


def test_it_finds_nothing_in_a_pool_that_has_no_entry(pool):
    empty = MatchPool.objects.create(campaign=pool.campaign, sponsor=pool.sponsor, name="new", currency="USD")
    assert (check_pool(empty).entries, check_pool(empty).findings) == (0, [])


CHAIN_FAULTS = {
    "an amount changed by a cent": (
        "UPDATE {entry} SET amount_minor = 10001 WHERE seq = 2",
        [
            "entry 2 was changed after it was written: its hash does not fit its text",
            "free is off by $0.01: the row says $430.00, the entries $429.99",
            "held is off by -$0.01: the row says $0.00, the entries $0.01",
            "{paid}: the gift was allocated $100.00, the entries that open it say $100.01",
            "{paid} is committed: $0.00 of it should be held, the entries say $0.01",
        ],
    ),
    "another actor": (
        "UPDATE {entry} SET actor = 'staff:2' WHERE seq = 1",
        ["entry 1 was changed after it was written: its hash does not fit its text"],
    ),
    "another moment": (
        "UPDATE {entry} SET recorded_at = recorded_at + interval '1 microsecond' WHERE seq = 3",
        ["entry 3 was changed after it was written: its hash does not fit its text"],
    ),
    "another hash": (
        "UPDATE {entry} SET entry_hash = repeat('f', 64) WHERE seq = 3",
        [
            "entry 4 does not carry the hash of the entry before it",
            "entry 3 was changed after it was written: its hash does not fit its text",
        ],
    ),
    "the chain broken": (
        "UPDATE {entry} SET prev_hash = repeat('f', 64) WHERE seq = 3",
        [
            "entry 3 does not carry the hash of the entry before it",
            "entry 3 was changed after it was written: its hash does not fit its text",
        ],
    ),
    "the first entry gone": (
        "DELETE FROM {entry} WHERE seq = 1",
        [
            "entry 2 follows entry 0: an entry is missing or out of place",
            "entry 2 does not carry the hash of the entry before it",
            "after entry 2 the account free stood below zero",
            "after entry 3 the account free stood below zero",
            "after entry 4 the account free stood below zero",
            "after entry 5 the account free stood below zero",
            "after entry 6 the account free stood below zero",
            "free is off by $500.00: the row says $430.00, the entries -$70.00",
            "limit is off by $500.00: the row says $500.00, the entries $0.00",
        ],
    ),
    "an entry in between gone": (
        "DELETE FROM {entry} WHERE seq = 4",
        [
            "entry 5 follows entry 3: an entry is missing or out of place",
            "entry 5 does not carry the hash of the entry before it",
            "after entry 6 the account matched stood below zero",
            "held is off by -$100.00: the row says $0.00, the entries $100.00",
            "matched is off by $100.00: the row says $70.00, the entries -$30.00",
            "{paid} is committed: $0.00 of it should be held, the entries say $100.00",
            "{paid} is committed: $70.00 of it should be matched, the entries say -$30.00",
        ],
    ),
    "the last entry gone": (
        "DELETE FROM {entry} WHERE seq = 6",
        [
            "the chain ends at entry 5, the pool's row says 6 or carries another hash",
            "free is off by $30.00: the row says $430.00, the entries $400.00",
            "matched is off by -$30.00: the row says $70.00, the entries $100.00",
            "{paid} is committed: $70.00 of it should be matched, the entries say $100.00",
            "{paid}: $30.00 are marked as taken back, the entries say $0.00",
        ],
    ),
}


@pytest.mark.parametrize("fault", CHAIN_FAULTS)
def test_it_names_an_entry_that_was_changed_or_is_gone(pool, names, fault):
    statement, findings = CHAIN_FAULTS[fault]
    as_owner(statement.format(entry=ENTRY), ENTRY)
    assert check_pool(pool).findings == [finding.format(**names) for finding in findings]


# The forger writes all hashes anew as well: the chain is whole, and yet the moves are not the ledger's.
FORGED_FAULTS = {
    "an amount of nothing": (
        "UPDATE {entry} SET amount_minor = 0 WHERE seq = 5",
        ["entry_amount_is_positive"],
        [
            "entry 5 is not a move that the ledger knows",
            "free is off by $50.00: the row says $430.00, the entries $380.00",
            "held is off by -$50.00: the row says $0.00, the entries $50.00",
            "{gone} is released: $0.00 of it should be held, the entries say $50.00",
        ],
    ),
    "an amount below nothing": (
        "UPDATE {entry} SET amount_minor = -3000, from_account = 'free', to_account = 'matched', reason = 'restore' "
        "WHERE seq = 6",
        ["entry_amount_is_positive"],
        ["entry 6 is not a move that the ledger knows"],
    ),
    "a move that is none": (
        "UPDATE {entry} SET reason = 'release' WHERE seq = 4",
        ["entry_is_a_known_move"],
        ["entry 4 is not a move that the ledger knows"],
    ),
    "a move of no gift that names one": (
        "UPDATE {entry} SET allocation_id = NULL WHERE seq = 4",
        ["entry_names_its_allocation"],
        [
            "entry 4 is not a move that the ledger knows",
            "{paid} is committed: $0.00 of it should be held, the entries say $100.00",
            "{paid} is committed: $70.00 of it should be matched, the entries say -$30.00",
        ],
    ),
    "another currency": (
        "UPDATE {entry} SET currency = 'EUR' WHERE seq = 4",
        [],
        ["entry 4 is in EUR, the pool in USD"],
    ),
    "another reference": (
        "UPDATE {entry} SET reference = '{gone}' WHERE seq = 4",
        [],
        ["{paid}: an entry carries another reference"],
    ),
    "two entries the wrong way round": (
        "UPDATE {entry} SET seq = CASE seq WHEN 2 THEN 94 ELSE 92 END WHERE seq IN (2, 4); "
        "UPDATE {entry} SET seq = seq - 90 WHERE seq > 90",
        [],
        ["after entry 2 the account held stood below zero", "after entry 3 the account held stood below zero"],
    ),
}


@pytest.mark.parametrize("fault", FORGED_FAULTS)
def test_it_names_a_forged_entry_in_a_chain_that_was_hashed_anew(pool, names, fault):
    statement, without, findings = FORGED_FAULTS[fault]
    as_owner(statement.format(entry=ENTRY, **names), ENTRY, without=without)
    rehashed(pool)
    assert check_pool(pool).findings == [finding.format(**names) for finding in findings]


BALANCE = "pool_balances_make_the_limit"
ROW_FAULTS = {
    "free": (
        "free_minor = free_minor + 1",
        BALANCE,
        "free is off by $0.01: the row says $430.01, the entries $430.00",
    ),
    "held": (
        "held_minor = held_minor + 1",
        BALANCE,
        "held is off by $0.01: the row says $0.01, the entries $0.00",
    ),
    "matched": (
        "matched_minor = matched_minor - 1",
        BALANCE,
        "matched is off by -$0.01: the row says $69.99, the entries $70.00",
    ),
    "limit": (
        "limit_minor = limit_minor + 1",
        BALANCE,
        "limit is off by $0.01: the row says $500.01, the entries $500.00",
    ),
    "the place of the last entry": (
        "head_seq = head_seq + 1",
        None,
        "the chain ends at entry 6, the pool's row says 7 or carries another hash",
    ),
    "the hash of the last entry": (
        "head_hash = repeat('f', 64)",
        None,
        "the chain ends at entry 6, the pool's row says 6 or carries another hash",
    ),
}


@pytest.mark.parametrize("figure", ROW_FAULTS)
def test_it_names_the_figure_of_the_pools_row_and_the_cent(pool, figure):
    change, constraint, finding = ROW_FAULTS[figure]
    as_owner(f"UPDATE {POOL} SET {change}", POOL, without=[constraint] if constraint else [])
    assert check_pool(pool).findings == [finding]


GIFT_FAULTS = {
    "a paid gift that says it was released": (
        f"UPDATE {RESERVATION} SET state = 'released' WHERE id = {{paid_id}}",
        ["{paid} is released: $0.00 of it should be matched, the entries say $70.00"],
    ),
    "a released gift that says it is held": (
        f"UPDATE {RESERVATION} SET state = 'held', resolved_at = NULL WHERE id = {{gone_id}}",
        ["{gone} is held: $50.00 of it should be held, the entries say $0.00"],
    ),
    "a released gift that says it is paid": (
        f"UPDATE {RESERVATION} SET state = 'committed' WHERE id = {{gone_id}}",
        ["{gone} is committed: $50.00 of it should be matched, the entries say $0.00"],
    ),
    "a cent more taken back": (
        f"UPDATE {ALLOCATION} SET reversed_minor = reversed_minor + 1 WHERE id = {{paid_part}}",
        [
            "{paid} is committed: $69.99 of it should be matched, the entries say $70.00",
            "{paid}: $30.01 are marked as taken back, the entries say $30.00",
        ],
    ),
    "a cent less taken back": (
        f"UPDATE {ALLOCATION} SET reversed_minor = reversed_minor - 1 WHERE id = {{paid_part}}",
        [
            "{paid} is committed: $70.01 of it should be matched, the entries say $70.00",
            "{paid}: $29.99 are marked as taken back, the entries say $30.00",
        ],
    ),
    "another amount allocated": (
        f"UPDATE {ALLOCATION} SET amount_minor = amount_minor + 1 WHERE id = {{gone_part}}",
        ["{gone}: the gift was allocated $50.01, the entries that open it say $50.00"],
    ),
    "an allocation that no entry opened": (
        f'INSERT INTO {ALLOCATION} SELECT (jsonb_populate_record(a, \'{{{{"id": 990001, "part_index": 7}}}}\')).* '
        f"FROM {ALLOCATION} a WHERE id = {{gone_part}}",
        [
            "{gone}: the gift was allocated $50.00, the entries that open it say $0.00",
        ],
    ),
}


@pytest.mark.parametrize("fault", GIFT_FAULTS)
def test_it_names_the_gift_whose_row_and_entries_disagree(pool, names, fault):
    statement, findings = GIFT_FAULTS[fault]
    as_owner(statement.format(**names), ALLOCATION if ALLOCATION in statement else RESERVATION)
    assert check_pool(pool).findings == [finding.format(**names) for finding in findings]


def test_it_names_both_gifts_whose_faults_cancel_in_the_sum(pool, names):
    """Each row says a cent of the other's: a sum over all gifts would be right."""
    as_owner(
        f"UPDATE {ALLOCATION} SET reversed_minor = CASE id WHEN {names['paid_part']} THEN 2999 ELSE 1 END", ALLOCATION
    )
    assert check_pool(pool).findings == [
        finding.format(**names)
        for finding in (
            "{paid} is committed: $70.01 of it should be matched, the entries say $70.00",
            "{paid}: $29.99 are marked as taken back, the entries say $30.00",
            "{gone}: $0.01 are marked as taken back, the entries say $0.00",
        )
    ]


def test_it_names_an_allocation_moved_to_another_pool_in_both(pool, names):
    other = factories.pool(campaign=pool.campaign)
    gone = names["gone"]
    as_owner(f"UPDATE {ALLOCATION} SET pool_id = {other.pk} WHERE id = {names['gone_part']}", ALLOCATION)
    assert check_campaigns() == [
        f"pool {pool.pk} ({pool}): entries name allocation {names['gone_part']}, which is not of this pool",
        f"pool {other.pk} ({other}): {gone}: the gift was allocated $50.00, the entries that open it say $0.00",
    ]


@pytest.fixture
def challenge(pool):
    """A challenge of $10.00 that was met once and undone: its pledge, an award, its withdrawal."""
    made = factories.pool(campaign=pool.campaign, limit_minor=5_000, layer="award", unlock_donors=1, award_minor=1_000)
    post([Move(made, "award", 1_000)], actor=SYSTEM, now=GIFT_AT)
    post([Move(made, "withdraw", 1_000)], actor=SYSTEM, now=GIFT_AT)
    made.refresh_from_db()
    return made


def test_it_finds_nothing_in_awards_offers_and_corrections(pool, challenge):
    fund_id = pool.campaign.funds.get().pk
    wrong, right, poor = (
        holds.Gift(uuid4(), "3", (Part(fund_id, amount),), GIFT_AT, offline=True) for amount in (9_000, 8_000, 99_000)
    )
    for gift in (wrong, poor):
        late_gifts.match_offline(campaign_id=pool.campaign_id, gift=gift, now=GIFT_AT, actor="staff:1")
    late_gifts.correct(key=wrong.key, gift=right, now=GIFT_AT, actor="staff:1")
    [added] = offers.offer_batch(campaign_id=pool.campaign_id, now=GIFT_AT).added
    assert (added.key, added.added_minor) == (poor.key, 1_000)
    assert {"offer", "award", "withdraw", "reverse"} <= set(LedgerEntry.objects.values_list("reason", flat=True))
    assert check_campaigns() == []


def test_it_names_the_entry_that_withdraws_more_than_was_awarded(challenge):
    as_owner(
        f"UPDATE {ENTRY} SET seq = 9 WHERE pool_id = {challenge.pk} AND seq = 2; "
        f"UPDATE {ENTRY} SET seq = 2 WHERE pool_id = {challenge.pk} AND seq = 3; "
        f"UPDATE {ENTRY} SET seq = 3 WHERE pool_id = {challenge.pk} AND seq = 9",
        ENTRY,
    )
    rehashed(challenge)
    assert check_pool(challenge).findings == [
        "after entry 2 the account matched stood below zero",
        "after entry 2 more was withdrawn than was awarded",
    ]


def test_it_names_a_corrected_gift_that_still_has_match(pool, names):
    as_owner(f"UPDATE {RESERVATION} SET state = 'voided' WHERE id = {names['paid_id']}", RESERVATION)
    assert check_pool(pool).findings == [f"{names['paid']} is voided and still has match"]


def test_it_limits_what_it_says_when_everything_is_off(pool):
    as_owner(f"UPDATE {ENTRY} SET actor = 'staff:2'", ENTRY)
    changed = "entry {} was changed after it was written: its hash does not fit its text"
    assert check_pool(pool).findings == [*(changed.format(seq) for seq in range(1, 6)), "and 1 more like the last"]
