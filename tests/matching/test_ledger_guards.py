"""What PostgreSQL refuses when the application's own role writes the ledger by hand, and what it lets pass."""

import hashlib
import json
from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from matching import challenges, holds, late_gifts, pools
from matching.allocation import Part
from matching.checking import check_campaigns
from matching.models import LedgerEntry, Reservation
from tests import factories
from tests.database import ledger_rows
from tests.factories import GIFT_AT, OPENS_AT

pytestmark = pytest.mark.django_db

NEW = 900_001  # the id of a row written by hand


def entry(pool, accounts, amount, reason, allocation=None, **more):
    """An entry by hand, from>to, true in whatever is not said: its reference is its gift's."""
    from_account, to_account = accounts.split(">")
    reference = "(SELECT r.reference FROM matching_reservation r JOIN matching_allocation a ON a.reservation_id = r.id"
    values = {
        "pool_id": pool,
        "from_account": f"'{from_account}'",
        "to_account": f"'{to_account}'" if to_account else "NULL",
        "amount_minor": amount,
        "currency": "'USD'",
        "reason": f"'{reason}'",
        "allocation_id": allocation or "NULL",
        "reference": f"{reference} WHERE a.id = {allocation})" if allocation else "''",
        "actor": "'system'",
        "recorded_at": "'2026-12-01T15:00:00Z'",
    } | more
    return f"INSERT INTO matching_ledgerentry ({', '.join(values)}) VALUES ({', '.join(map(str, values.values()))});"


def copy(table, pk, **changes):
    """A second row like the one with this id, but for its own id and the changes."""
    changed = json.dumps({"id": NEW} | changes).replace("'", "''")
    return (
        f"INSERT INTO matching_{table} SELECT changed.* FROM matching_{table} row, "
        f"jsonb_populate_record(row, '{changed}') changed WHERE row.id = {pk};"
    )


def offer(s, allocation=None, *, pool=None, amount=5, **changes):
    """Free money offered by hand to a gift that has this allocation, as a new one of $0.05."""
    pool, allocation = pool or s.pool, allocation or s.paid
    made = copy("allocation", allocation, **({"round": 1, "amount_minor": amount} | changes))
    return made + entry(pool, "free>matched", amount, "offer", NEW)


def pool_set(pk, change):
    return f"UPDATE matching_matchpool SET {change} WHERE id = {pk};"


def reservation_set(pk, change):
    return f"UPDATE matching_reservation SET {change} WHERE id = {pk};"


def allocation_set(pk, change):
    return f"UPDATE matching_allocation SET {change} WHERE id = {pk};"


NEVER_CHANGED, NEVER_TRUNCATED = "are never changed or deleted", "are never truncated"
RESOLVED, UNFIT = "this hold is already resolved", "does not fit its gift, its pool or its terms"
ONLY_ENTRIES, OUT_OF_CHAIN = "move only by entries", "does not continue the chain"
# What is written by hand, and the words or the constraint with which it is refused.
BAD_WRITES = {
    # one entry
    "single sided": (lambda s: entry(s.pool, "free>", 5, "unpledge"), "pool_balances_make_the_limit"),
    "single sided from nowhere": (
        lambda s: entry(s.pool, "free>held", 5, "pledge", from_account="NULL"),
        "pool_balances_make_the_limit",
    ),
    "an unknown move": (lambda s: entry(s.pool, "free>held", 5, "pledge"), "entry_is_a_known_move"),
    "zero": (lambda s: entry(s.pool, "pledged>free", 0, "pledge"), "entry_amount_is_positive"),
    "negative": (lambda s: entry(s.pool, "pledged>free", -5, "pledge"), "entry_amount_is_positive"),
    "mixed currency": (
        lambda s: entry(s.pool, "pledged>free", 5, "pledge", currency="'EUR'"),
        "entry in EUR for pool",
    ),
    "more than is free": (lambda s: entry(s.pool, "free>pledged", 99_999, "unpledge"), "pool_free_is_not_negative"),
    "a broken chain": (
        lambda s: entry(s.pool, "pledged>free", 5, "pledge", prev_hash="repeat('f', 64)"),
        OUT_OF_CHAIN,
    ),
    "a gap in the chain": (lambda s: entry(s.pool, "pledged>free", 5, "pledge", seq=99), OUT_OF_CHAIN),
    "an entry changed": (
        lambda s: f"UPDATE matching_ledgerentry SET actor = 'x' WHERE pool_id = {s.pool}",
        NEVER_CHANGED,
    ),
    "an entry deleted": (lambda s: f"DELETE FROM matching_ledgerentry WHERE pool_id = {s.pool}", NEVER_CHANGED),
    "entries truncated": (lambda s: "TRUNCATE matching_ledgerentry CASCADE", NEVER_TRUNCATED),
    "a gift's move without its gift": (lambda s: entry(s.pool, "held>free", 5, "release"), "names_its_allocation"),
    "a pledge with a gift": (
        lambda s: entry(s.pool, "pledged>free", 5, "pledge", s.paid),
        "entry_names_its_allocation",
    ),
    "a pledge that names a gift": (
        lambda s: entry(s.pool, "pledged>free", 5, "pledge", reference="'M-0000000001'"),
        "pledge belongs to no gift, and names M-0000000001",
    ),
    "a move that names another gift": (
        lambda s: entry(s.pool, "matched>free", 5, "reverse", s.paid, reference="'M-0000000001'"),
        "entry names M-0000000001, its allocation belongs to",
    ),
    # a hold and its one resolution
    "held twice": (lambda s: entry(s.pool, "free>held", 10_000, "hold", s.held), "an_allocation_is_opened_once"),
    "another amount than was held": (
        lambda s: entry(s.pool, "held>matched", 9_999, "commit", s.held),
        "commit must move the whole allocation",
    ),
    "another pool's allocation": (
        lambda s: entry(s.pool, "held>free", 10_000, "release", s.other),
        "is not of pool",
    ),
    "released while it is held": (
        lambda s: entry(s.pool, "held>free", 10_000, "release", s.held),
        "whose reservation is held",
    ),
    "released after it was paid": (
        lambda s: entry(s.pool, "held>free", 10_000, "release", s.paid),
        "whose reservation is committed",
    ),
    "paid after it was released": (
        lambda s: entry(s.pool, "held>matched", 10_000, "commit", s.released),
        "whose reservation is released",
    ),
    "paid twice": (lambda s: entry(s.pool, "held>matched", 10_000, "commit", s.paid), "a_hold_resolves_once"),
    "held for a paid gift": (
        lambda s: copy("allocation", s.paid, part_index=7) + entry(s.pool, "free>held", 10_000, "hold", NEW),
        "hold of allocation 900001, whose reservation is committed",
    ),
    # refunds
    "taken back before it was paid": (
        lambda s: entry(s.pool, "matched>free", 5, "reverse", s.held),
        "whose reservation is held",
    ),
    "more taken back than was given": (
        lambda s: entry(s.pool, "matched>free", 10_001, "reverse", s.paid),
        "allocation_reversed_within_amount",
    ),
    "more restored than was taken back": (
        lambda s: entry(s.pool, "free>matched", 1, "restore", s.paid),
        "allocation_reversed_within_amount",
    ),
    "restored to a corrected gift": (
        lambda s: entry(s.pool, "free>matched", 5, "restore", s.voided),
        "whose reservation is voided",
    ),
    # money offered afterwards
    "an offer to an unpaid gift": (lambda s: offer(s, s.held), "whose reservation is held"),
    "an offer to a released gift": (lambda s: offer(s, s.released), "whose reservation is released"),
    "an offer to a corrected gift": (lambda s: offer(s, s.voided, reversed_minor=0), "whose reservation is voided"),
    "an offer made twice": (
        lambda s: offer(s) + entry(s.pool, "free>matched", 5, "offer", NEW),
        "an_allocation_is_opened_once",
    ),
    "an offer in place of a hold": (lambda s: offer(s, round=0, part_index=7), "offer does not go with round 0"),
    "a commit of what was offered": (
        lambda s: offer(s) + entry(s.pool, "held>matched", 5, "commit", NEW),
        "commit does not go with round 1",
    ),
    "an offer of another amount": (
        lambda s: offer(s, amount_minor=6),
        "offer must move the whole allocation",
    ),
    "an offer for a part the gift has not": (lambda s: offer(s, part_index=7), UNFIT),
    "an offer for another fund": (lambda s: offer(s, fund_id=s.fund + 1), UNFIT),
    "an offer on more than the gift": (lambda s: offer(s, basis_minor=10_001), UNFIT),
    "an offer taken back before": (lambda s: offer(s, reversed_minor=1), UNFIT),
    "an offer under another pool's terms": (lambda s: offer(s, terms_id=s.other_terms), UNFIT),
    "an offer from another campaign's pool": (
        lambda s: offer(s, pool=s.foreign, pool_id=s.foreign, terms_id=s.foreign_terms),
        UNFIT,
    ),
    "an offer from a challenge": (
        lambda s: offer(s, pool=s.challenge, pool_id=s.challenge, terms_id=s.challenge_terms),
        UNFIT,
    ),
    "an offer from a paused pool": (
        lambda s: pool_set(s.pool, "is_paused = true") + offer(s),
        "is stopped and gives no",
    ),
    "an offer from a halted pool": (
        lambda s: pool_set(s.pool, "halted_reason = 'x'") + offer(s),
        "is stopped and gives no",
    ),
    # challenges
    "an award by a pool without a challenge": (
        lambda s: entry(s.pool, "free>matched", 5, "award"),
        "has no challenge to award",
    ),
    "an award to a gift": (
        lambda s: entry(s.challenge, "free>matched", 5, "award", s.paid),
        "is not of pool",
    ),
    "more withdrawn than was awarded": (
        lambda s: entry(s.challenge, "matched>free", 1_001, "withdraw"),
        "more withdrawn from pool",
    ),
    "a gift's match withdrawn as an award": (
        lambda s: entry(s.pool, "matched>free", 5, "withdraw"),
        "more withdrawn from pool",
    ),
    # the pool's row
    "a balance set": (
        lambda s: pool_set(s.pool, "free_minor = free_minor - 1, held_minor = held_minor + 1"),
        ONLY_ENTRIES,
    ),
    "a limit raised": (
        lambda s: pool_set(s.pool, "limit_minor = limit_minor + 5, free_minor = free_minor + 5"),
        ONLY_ENTRIES,
    ),
    "the end of the chain set": (lambda s: pool_set(s.pool, "head_hash = repeat('f', 64)"), ONLY_ENTRIES),
    "another currency": (lambda s: pool_set(s.pool, "currency = 'EUR'"), ONLY_ENTRIES),
    "another campaign": (lambda s: pool_set(s.pool, f"campaign_id = {s.foreign_campaign}"), ONLY_ENTRIES),
    "a pool that starts with money": (
        lambda s: copy("matchpool", s.pool, held_minor=0, matched_minor=0, free_minor=5, limit_minor=5, head_seq=0),
        "a pool starts empty",
    ),
    "a pool deleted": (lambda s: f"DELETE FROM matching_matchpool WHERE id = {s.pool}", "violates foreign key"),
    "a pool locked again": (
        lambda s: pool_set(s.pool, "unlocked_at = now()") + pool_set(s.pool, "unlocked_at = NULL"),
        "a pool once unlocked stays so",
    ),
    # terms
    "terms changed": (lambda s: "UPDATE matching_poolterms SET cap_per_gift_minor = 1", NEVER_CHANGED),
    "terms deleted": (lambda s: f"DELETE FROM matching_poolterms WHERE id = {s.old_terms}", NEVER_CHANGED),
    "terms truncated": (lambda s: "TRUNCATE matching_poolterms CASCADE", NEVER_TRUNCATED),
    "older terms in force again": (
        lambda s: pool_set(s.pool, f"current_terms_id = {s.old_terms}"),
        "its newest version",
    ),
    "another pool's terms in force": (
        lambda s: pool_set(s.pool, f"current_terms_id = {s.other_terms}"),
        "its newest version",
    ),
    "a version left out": (lambda s: copy("poolterms", s.old_terms, version=9), "terms 9 of pool"),
    "terms dated back": (
        lambda s: copy("poolterms", s.old_terms, version=3, created_at=OPENS_AT.isoformat()),
        "do not follow the ones before",
    ),
    # allocations
    "an allocation without its entry": (lambda s: copy("allocation", s.paid, round=1), "has no entry that opens it"),
    "an allocation of a hold without its entry": (
        lambda s: copy("allocation", s.held, part_index=7),
        "has no entry that opens it",
    ),
    "an allocation of nothing": (
        lambda s: copy("allocation", s.paid, round=1, amount_minor=0),
        "allocation_is_positive",
    ),
    "an allocation changed": (lambda s: allocation_set(s.held, "amount_minor = 1"), "allocations never change"),
    "an allocation moved to another round": (lambda s: allocation_set(s.paid, "round = 1"), "allocations never change"),
    "an allocation on another basis": (lambda s: allocation_set(s.paid, "basis_minor = 1"), "allocations never change"),
    "an allocation taken back by hand": (
        lambda s: allocation_set(s.paid, "reversed_minor = 1"),
        "allocations never change",
    ),
    "an allocation deleted": (
        lambda s: f"DELETE FROM matching_allocation WHERE id = {s.held}",
        "allocations never change",
    ),
    # reservations
    "a hold resolved without entries": (
        lambda s: reservation_set(s.held_id, "state = 'committed', resolved_at = now()"),
        "is committed without its entries",
    ),
    "a paid gift released": (lambda s: reservation_set(s.paid_id, "state = 'released'"), RESOLVED),
    "a paid gift held again": (lambda s: reservation_set(s.paid_id, "state = 'held', resolved_at = NULL"), RESOLVED),
    "a released hold paid": (lambda s: reservation_set(s.released_id, "state = 'committed'"), RESOLVED),
    "a corrected gift brought back": (lambda s: reservation_set(s.voided_id, "state = 'committed'"), RESOLVED),
    "a hold corrected": (
        lambda s: reservation_set(s.held_id, "state = 'voided', resolved_at = now()"),
        "only a committed reservation is voided",
    ),
    "a gift corrected that keeps its match": (
        lambda s: reservation_set(s.paid_id, "state = 'voided'"),
        "still has match and cannot be voided",
    ),
    "refunded by more than the gift": (
        lambda s: reservation_set(s.paid_id, "refunded_minor = 10001"),
        "reservation_refunded_within_gift",
    ),
    "refunded by less than nothing": (
        lambda s: reservation_set(s.paid_id, "refunded_minor = -1"),
        "reservation_refunded_within_gift",
    ),
    "an unpaid gift refunded": (
        lambda s: reservation_set(s.held_id, "refunded_minor = 1"),
        "only a committed reservation is refunded",
    ),
    "a released gift refunded": (lambda s: reservation_set(s.released_id, "refunded_minor = 1"), RESOLVED),
    "why it was matched so, told anew": (lambda s: reservation_set(s.paid_id, "explanation = '[]'"), RESOLVED),
    "the gift of a reservation changed": (
        lambda s: reservation_set(s.held_id, "amount_minor = 1"),
        "the gift of a reservation never changes",
    ),
    "a reservation deleted": (
        lambda s: f"DELETE FROM matching_reservation WHERE id = {s.held_id}",
        "are never deleted",
    ),
    "reservations truncated": (lambda s: "TRUNCATE matching_reservation CASCADE", NEVER_TRUNCATED),
    "a second live reservation of one gift": (
        lambda s: copy("reservation", s.held_id, reference="M-0000000001"),
        "one_live_reservation_per_gift",
    ),
    "a reservation that starts as paid": (
        lambda s: copy("reservation", s.paid_id, reference="M-0000000001", key=str(uuid4())),
        "a reservation starts as a hold",
    ),
    "a reservation that starts as refunded": (
        lambda s: copy("reservation", s.held_id, reference="M-0000000001", key=str(uuid4()), refunded_minor=1),
        "a reservation starts as a hold",
    ),
}


@pytest.fixture
def scene():
    """Two pools, one for each fund, and a challenge that was met once; gifts held, paid, released and corrected.

    Every gift but the other pool's is $100.00 to the first fund.
    """
    first, second = factories.fund("Education"), factories.fund("Nursing")
    campaign = factories.campaign(funds=[first, second])
    pool = factories.pool(campaign=campaign, limit_minor=50_000, fund_ids=(first.pk,))
    other = factories.pool(campaign=campaign, limit_minor=50_000, fund_ids=(second.pk,))
    challenge = factories.pool(campaign=campaign, limit_minor=5_000, layer="award", unlock_donors=1, award_minor=1_000)
    foreign = factories.pool(campaign=factories.campaign(funds=[]), limit_minor=5_000)

    def hold(fund, **changes):
        gift = holds.Gift(uuid4(), "1", (Part(fund.pk, 10_000),), GIFT_AT, **changes)
        return holds.hold(campaign_id=campaign.pk, gift=gift, now=GIFT_AT)

    held, paid, released, away = hold(first), hold(first), hold(first), hold(second)
    holds.commit(key=paid.key, now=GIFT_AT)
    holds.release(key=released.key, now=GIFT_AT)
    wrong = holds.Gift(uuid4(), "1", (Part(first.pk, 10_000),), GIFT_AT, offline=True)
    right = holds.Gift(uuid4(), "1", (Part(first.pk, 9_000),), GIFT_AT, offline=True)
    voided = late_gifts.match_offline(campaign_id=campaign.pk, gift=wrong, now=GIFT_AT, actor="staff:1")
    late_gifts.correct(key=wrong.key, gift=right, now=GIFT_AT, actor="staff:1")
    challenges.settle_challenges(campaign=campaign, now=GIFT_AT)
    old_terms = pool.current_terms_id
    narrower = pools.Terms(fund_ids=(first.pk,), cap_per_gift_minor=10_000)
    pools.change_terms(pool_id=pool.pk, terms=narrower, actor="staff:1", now=GIFT_AT + timedelta(minutes=1))
    at_commit_is_now()
    part = {row.reservation_id: row.pk for row in pool.allocations.all()}
    return SimpleNamespace(
        fund=first.pk,
        pool=pool.pk,
        challenge=challenge.pk,
        foreign=foreign.pk,
        foreign_campaign=foreign.campaign_id,
        old_terms=old_terms,
        other_terms=other.current_terms_id,
        challenge_terms=challenge.current_terms_id,
        foreign_terms=foreign.current_terms_id,
        held=part[held.pk],
        paid=part[paid.pk],
        released=part[released.pk],
        voided=part[voided.pk],
        other=away.allocations.get().pk,
        held_id=held.pk,
        paid_id=paid.pk,
        released_id=released.pk,
        voided_id=voided.pk,
    )


def at_commit_is_now():
    """Check now what PostgreSQL would check at the commit."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def run(statements):
    """These statements as one transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statements)
        at_commit_is_now()


@pytest.mark.parametrize("name", BAD_WRITES)
def test_the_database_refuses(scene, name):
    statements, reason = BAD_WRITES[name]
    before = ledger_rows()
    with pytest.raises(IntegrityError, match=reason):
        run(statements(scene))
    assert ledger_rows() == before


def test_the_role_is_no_superuser_and_may_write():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper, has_table_privilege('matching_ledgerentry', 'UPDATE, DELETE, TRUNCATE') "
            "FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == (False, True)


TRUE_WRITES = {
    "a pledge": lambda s: entry(s.pool, "pledged>free", 5, "pledge"),
    "an offer to a paid gift": lambda s: offer(s, terms_id=s.old_terms),
    "an award within the challenge": lambda s: entry(s.challenge, "free>matched", 5, "award"),
    "what was awarded, withdrawn": lambda s: entry(s.challenge, "matched>free", 1_000, "withdraw"),
    "a refund of a cent": lambda s: entry(s.pool, "matched>free", 1, "reverse", s.paid),
    "a hold resolved with its entry": lambda s: (
        reservation_set(s.held_id, "state = 'committed', resolved_at = now()")
        + entry(s.pool, "held>matched", 10_000, "commit", s.held)
    ),
}


@pytest.mark.parametrize("name", TRUE_WRITES)
def test_the_same_hand_may_write_what_is_true(scene, name):
    """So what is refused above is refused for what is wrong with it."""
    count = LedgerEntry.objects.count()
    run(TRUE_WRITES[name](scene))
    assert LedgerEntry.objects.count() == count + 1
    assert check_campaigns() == []


def test_the_trigger_and_python_write_the_same_chain(scene):
    entries = list(LedgerEntry.objects.all())
    assert len(entries) == 16
    for row in entries:
        assert hashlib.sha256(row.chain_text().encode()).hexdigest() == row.entry_hash
    assert Reservation.objects.count() == 6
