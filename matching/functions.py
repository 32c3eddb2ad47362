"""What the ledger does in one round trip: two PostgreSQL functions, so that pools are locked no longer than they run.

Neither works out who gets how much: matching/allocation.py alone does that. `matching_hold` is given what Python worked
out and what Python had read for it; under the pools' locks it looks whether that is still so, and writes all of the
reservation or nothing. `matching_resolve` moves what holds have. Both lock pools in the order of primary keys, and
pools before reservations (docs/decisions/0008). One that writes nothing ends by an error of its own (TF001), which
gives its locks back: the caller goes on and locks other pools, and must not have any out of their order.

The migration `0001_initial` installs them from here. Who changes a text adds a migration that does so again, with
INSTALL; tests/matching/test_functions.py compares what is installed with what is here.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from matching.ledger import TAKE_A_PLACE, PoolsBusy
from matching.models import MOVES, Reservation

# Who has waited for a place in the line has less patience left for the pools themselves.
LOCK_POOLS = """PERFORM [take a place] WHERE pool_ids <> '{}';
    IF clock_timestamp() > began + interval '100 ms' AND current_setting('lock_timeout') <> '0' THEN
        PERFORM set_config('lock_timeout', greatest(1, (extract(epoch FROM
            current_setting('lock_timeout')::interval - (clock_timestamp() - began)) * 1000)::int)::text, true);
    END IF;
    PERFORM FROM matching_matchpool WHERE id = ANY(pool_ids) ORDER BY id FOR NO KEY UPDATE;""".replace(
    "[take a place]", TAKE_A_PLACE
)

# Free money may have changed where the answer does not depend on it: what is taken must be there, and where the pool
# ran out it must have what it had. A gift's newest reservation is looked at too, since a form may be sent twice.
LOOK_AGAIN = """IF EXISTS (
        SELECT FROM jsonb_to_recordset(assumed) AS a(pool_id bigint, terms_id bigint, unlocked_at timestamptz,
            free_minor bigint, taken_minor bigint, ran_out boolean, used_minor bigint)
        JOIN matching_matchpool p ON p.id = a.pool_id
        WHERE p.current_terms_id <> a.terms_id OR p.is_paused OR p.halted_reason <> ''
           OR p.unlocked_at IS DISTINCT FROM a.unlocked_at
           OR p.free_minor < a.taken_minor OR (a.ran_out AND p.free_minor <> a.free_minor)
           OR CASE WHEN a.used_minor IS NOT NULL THEN a.used_minor <> (
                SELECT coalesce(sum(l.amount_minor - l.reversed_minor), 0)
                FROM matching_allocation l JOIN matching_reservation r ON r.id = l.reservation_id
                WHERE l.pool_id = p.id AND r.donor_key = made.donor_key AND r.donor_key <> ''
                  AND r.state IN ('held', 'committed')) END
    ) OR (SELECT max(id) FROM matching_reservation WHERE key = made.key) IS DISTINCT FROM newest_id THEN
        RAISE EXCEPTION USING ERRCODE = 'TF001';
    END IF;"""

HOLD = """
#variable_conflict use_column
DECLARE
    made matching_reservation := jsonb_populate_record(NULL::matching_reservation, gift);
    pool_ids bigint[] := ARRAY(SELECT (a ->> 'pool_id')::bigint FROM jsonb_array_elements(assumed) a ORDER BY 1);
    began timestamptz := clock_timestamp();
BEGIN
    [lock pools]
    [look again]
    INSERT INTO matching_reservation (campaign_id, reference, key, donor_key, amount_minor, parts, is_offline,
        submitted_at, state, held_until, refunded_minor, explanation)
    VALUES (made.campaign_id, made.reference, made.key, made.donor_key, made.amount_minor, made.parts, made.is_offline,
        made.submitted_at, 'held', made.held_until, 0, made.explanation)
    RETURNING id INTO made.id;
    INSERT INTO matching_allocation (reservation_id, pool_id, terms_id, part_index, round, basis_minor, fund_id,
        amount_minor, reversed_minor)
    SELECT made.id, s.pool_id, s.terms_id, s.part_index, 0, made.amount_minor, s.fund_id, s.amount_minor, 0
    FROM ROWS FROM (jsonb_to_recordset(shares) AS (pool_id bigint, terms_id bigint, part_index smallint,
        fund_id bigint, amount_minor bigint)) WITH ORDINALITY s
    ORDER BY s.ordinality;
    INSERT INTO matching_ledgerentry (pool_id, from_account, to_account, amount_minor, currency, reason, allocation_id,
        reference, actor, recorded_at)
    SELECT l.pool_id, 'free', 'held', l.amount_minor, p.currency, 'hold', l.id, made.reference, posted_by, moment
    FROM matching_allocation l JOIN matching_matchpool p ON p.id = l.pool_id
    WHERE l.reservation_id = made.id ORDER BY l.id;
    outcome := 'held';
    made_id := made.id;
EXCEPTION
    WHEN lock_not_available THEN outcome := 'busy';
    WHEN unique_violation OR SQLSTATE 'TF001' THEN outcome := 'changed';
END
""".replace("[lock pools]", LOCK_POOLS).replace("[look again]", LOOK_AGAIN)

RESOLVE = """
#variable_conflict use_column
DECLARE
    pool_ids bigint[] := ARRAY(SELECT DISTINCT pool_id FROM matching_allocation WHERE reservation_id = asked_id
        ORDER BY 1);
    began timestamptz := clock_timestamp();
    held matching_reservation;
BEGIN
    reservation_id := asked_id;
    SELECT * INTO held FROM matching_reservation WHERE id = asked_id;
    IF EXISTS (SELECT FROM jsonb_array_elements(held.explanation) pool WHERE pool ->> 4 = ANY(unless_bound)) THEN
        outcome := 'short';
        RETURN;
    END IF;
    [lock pools]
    UPDATE matching_reservation SET state = to_state, resolved_at = moment
    WHERE id = asked_id AND state = 'held' AND (held_until <= moment OR to_state <> 'expired');
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TF001';
    END IF;
    INSERT INTO matching_ledgerentry (pool_id, from_account, to_account, amount_minor, currency, reason, allocation_id,
        reference, actor, recorded_at)
    SELECT l.pool_id, 'held', into_account, l.amount_minor, p.currency, why, l.id, held.reference, posted_by, moment
    FROM matching_allocation l JOIN matching_matchpool p ON p.id = l.pool_id
    WHERE l.reservation_id = asked_id ORDER BY l.id;
    IF to_state <> 'committed' THEN  -- there is room under the donor's caps
        UPDATE matching_waitinggift SET waits_for = 'money'
        WHERE donor_key = held.donor_key AND waits_for = 'donor_cap' AND pool_id = ANY(pool_ids);
    END IF;
    INSERT INTO matching_waitinggift (reservation_id, pool_id, waits_for, donor_key, submitted_at)
    SELECT asked_id, w.pool_id, w.waits_for, held.donor_key, held.submitted_at
    FROM jsonb_to_recordset(waiting) AS w(pool_id bigint, waits_for text);
    IF to_state = 'committed' THEN  -- a pool opened since the gift was sent may reach back to it
        INSERT INTO matching_waitinggift (reservation_id, pool_id, waits_for, donor_key, submitted_at)
        SELECT asked_id, p.id, 'money', held.donor_key, held.submitted_at
        FROM matching_matchpool p JOIN matching_poolterms t ON t.id = p.current_terms_id
        WHERE p.campaign_id = held.campaign_id AND t.layer <> 'award' AND t.opens_at <= held.submitted_at
          AND NOT EXISTS (
            SELECT FROM jsonb_array_elements(held.explanation) pool WHERE (pool ->> 1)::bigint = p.id)
        ON CONFLICT DO NOTHING;
    END IF;
    outcome := 'resolved';
EXCEPTION
    WHEN lock_not_available THEN outcome := 'busy';
    WHEN SQLSTATE 'TF001' THEN outcome := 'not held';
END
""".replace("[lock pools]", LOCK_POOLS)

_HEADS = {
    "matching_hold": (
        "gift jsonb, newest_id bigint, assumed jsonb, shares jsonb, posted_by text, moment timestamptz, "
        "OUT outcome text, OUT made_id bigint",
        "record",
        HOLD,
    ),
    "matching_resolve": (
        "asked_id bigint, to_state text, why text, into_account text, waiting jsonb, unless_bound text[], "
        "posted_by text, moment timestamptz, OUT outcome text, OUT reservation_id bigint",
        "record",
        RESOLVE,
    ),
}


def create_statement(name: str) -> str:
    """The statement that installs a function, or puts its new text in the old one's place."""
    parameters, returns, body = _HEADS[name]
    return f"CREATE OR REPLACE FUNCTION {name}({parameters}) RETURNS {returns} LANGUAGE plpgsql AS $${body}$$"


INSTALL = [create_statement(name) for name in _HEADS]
REMOVE = [f"DROP FUNCTION {name}" for name in _HEADS]


def write_hold(
    reservation: Reservation,
    *,
    newest_id: int | None,
    assumed: Sequence[Mapping[str, Any]],
    shares: Sequence[Mapping[str, Any]],
    actor: str,
    now: datetime,
) -> bool:
    """Write a new hold with its allocations and entries, if what was assumed of the pools is still so.

    reservation: unsaved; gets its id. newest_id: the newest reservation of the gift, None for the first. assumed: of
    each pool that gives, what was read of it and what is taken; shares: the allocations, in order; both in minor units.
    Returns False when something has changed: nothing was written then. Raises PoolsBusy, and the caller's transaction
    can go on. One statement; locks the pools until the transaction ends.
    """
    gift = {name: getattr(reservation, name) for name in _GIFT_FIELDS}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT outcome, made_id FROM matching_hold(%s::jsonb, %s, %s::jsonb, %s::jsonb, %s, %s)",
            [_json(gift), newest_id, _json(assumed), _json(shares), actor, now],
        )
        outcome, reservation.pk = cursor.fetchone()
    _refuse_busy(outcome)
    reservation._state.adding = outcome != "held"
    return bool(outcome == "held")


def write_resolution(
    *,
    reservation_id: int,
    state: Reservation.State,
    actor: str,
    now: datetime,
    waiting: Sequence[Mapping[str, Any]] = (),
) -> bool:
    """Move what a hold has to where `state` says, if it is still HELD (to expire: and lapsed); whether it was.

    waiting: what a gift that was paid waits for, {pool_id, waits_for}, 0..n. Raises PoolsBusy.
    One statement; locks its pools, then the reservation, until the transaction ends.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT outcome FROM matching_resolve(%s, %s, %s, %s, %s::jsonb, '{}', %s, %s)",
            [reservation_id, str(state), *_MOVES[state], _json(waiting), actor, now],
        )
        (outcome,) = cursor.fetchone()
    _refuse_busy(outcome)
    return bool(outcome == "resolved")


def resolve_newest(
    *, key: UUID, state: Reservation.State, unless_bound: Collection[str], actor: str, now: datetime
) -> tuple[Reservation | None, str]:
    """Resolve the newest reservation of a gift in one round trip, where it needs no further thought.

    Returns it with `resolved`; `not held` (somebody resolved it before; it may have been read a moment too early); or
    `short`: one of these bounds kept a pool from giving all, nothing was written. No reservation: None. PoolsBusy.
    """
    rows = Reservation.objects.raw(
        "SELECT r.*, done.outcome"
        " FROM matching_resolve((SELECT max(id) FROM matching_reservation WHERE key = %s),"
        " %s, %s, %s, '[]', %s, %s, %s) done"
        " LEFT JOIN matching_reservation r ON r.id = done.reservation_id",
        [key, str(state), *_MOVES[state], [str(bound) for bound in unless_bound], actor, now],
    )
    (reservation,) = rows
    outcome: str = vars(reservation).pop("outcome")
    _refuse_busy(outcome)
    if reservation.pk is None:
        return None, outcome
    if outcome == "resolved":
        reservation.state, reservation.resolved_at = state, now
    return reservation, outcome


_GIFT_FIELDS = (
    "campaign_id",
    "reference",
    "key",
    "donor_key",
    "amount_minor",
    "parts",
    "is_offline",
    "submitted_at",
    "held_until",
    "explanation",
)
# How a hold becomes each state: the entry's reason, and the account that the money goes to.
_MOVES = {
    Reservation.State.COMMITTED: ("commit", MOVES["commit"][1]),
    Reservation.State.RELEASED: ("release", MOVES["release"][1]),
    Reservation.State.EXPIRED: ("expire", MOVES["expire"][1]),
}


def _json(value: Any) -> str:
    return json.dumps(value, default=str)


def _refuse_busy(outcome: str) -> None:
    if outcome == "busy":
        raise PoolsBusy("the pools of the gift are locked by someone else")
