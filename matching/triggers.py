"""What PostgreSQL itself refuses in the ledger, as django-pgtrigger triggers; matching/models says the rules in words.

The one trigger that writes is `post`: inserting an entry *is* moving the money. It takes the pool's row lock,
gives the entry its place in the chain and moves the cached balances, so a balance without an entry, or an entry
without its effect, cannot exist.
"""

import pgtrigger

# The SHA-256 of an entry as PostgreSQL computes it; LedgerEntry.chain_text() is the same text in Python.
OWN_HASH = """encode(sha256(convert_to(concat_ws('|', {row}.pool_id, {row}.seq, {row}.from_account, {row}.to_account,
        {row}.amount_minor, {row}.currency, {row}.reason, {row}.reference, {row}.actor,
        to_char({row}.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), {row}.prev_hash), 'UTF8')), \
'hex')"""


def moved(account: str) -> str:
    """SQL: what an entry adds to an account, in minor units; negative when it takes."""
    return f"CASE '{account}' WHEN to_account THEN amount_minor WHEN from_account THEN -amount_minor ELSE 0 END"


_POST = """
    SELECT * INTO STRICT pool FROM matching_matchpool WHERE id = NEW.pool_id FOR NO KEY UPDATE;
    IF NEW.currency <> pool.currency THEN
        RAISE EXCEPTION 'ledger: entry in % for pool % in %', NEW.currency, pool.id, pool.currency
            USING ERRCODE = 'check_violation';
    END IF;
    IF (NEW.seq <> 0 AND NEW.seq <> pool.head_seq + 1) OR (NEW.prev_hash <> '' AND NEW.prev_hash <> pool.head_hash) THEN
        RAISE EXCEPTION 'ledger: entry does not continue the chain of pool %', pool.id
            USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.reason IN ('hold', 'offer', 'award') AND (pool.is_paused OR pool.halted_reason <> '') THEN
        RAISE EXCEPTION 'ledger: pool % is stopped and gives no new match', pool.id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.reason = 'award' AND NOT EXISTS (
        SELECT 1 FROM matching_poolterms WHERE id = pool.current_terms_id AND layer = 'award') THEN
        RAISE EXCEPTION 'ledger: pool % has no challenge to award', pool.id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.allocation_id IS NOT NULL THEN
        SELECT * INTO STRICT allocation FROM matching_allocation WHERE id = NEW.allocation_id FOR UPDATE;
        IF allocation.pool_id <> NEW.pool_id THEN
            RAISE EXCEPTION 'ledger: allocation % is not of pool %', allocation.id, NEW.pool_id
                USING ERRCODE = 'check_violation';
        END IF;
        IF NEW.reason IN ('hold', 'commit', 'release', 'expire', 'offer')
           AND NEW.amount_minor <> allocation.amount_minor THEN
            RAISE EXCEPTION 'ledger: % must move the whole allocation %', NEW.reason, allocation.id
                USING ERRCODE = 'check_violation';
        END IF;
        SELECT * INTO STRICT reservation FROM matching_reservation WHERE id = allocation.reservation_id;
        IF reservation.state <> (CASE NEW.reason WHEN 'hold' THEN 'held' WHEN 'release' THEN 'released'
                                                 WHEN 'expire' THEN 'expired' ELSE 'committed' END) THEN
            RAISE EXCEPTION 'ledger: % of allocation %, whose reservation is %',
                NEW.reason, allocation.id, reservation.state USING ERRCODE = 'check_violation';
        END IF;
        IF NEW.reference <> reservation.reference THEN
            RAISE EXCEPTION 'ledger: entry names %, its allocation belongs to %', NEW.reference, reservation.reference
                USING ERRCODE = 'check_violation';
        END IF;
        IF NEW.reason IN ('hold', 'commit', 'release', 'expire', 'offer')
           AND (NEW.reason = 'offer') <> (allocation.round > 0) THEN
            RAISE EXCEPTION 'ledger: % does not go with round % of allocation %',
                NEW.reason, allocation.round, allocation.id USING ERRCODE = 'check_violation';
        END IF;
        IF NEW.reason IN ('hold', 'offer') AND (
            reservation.campaign_id <> pool.campaign_id
            OR allocation.reversed_minor <> 0
            OR allocation.basis_minor <> reservation.amount_minor - reservation.refunded_minor
            OR (reservation.parts -> allocation.part_index ->> 0)::bigint IS DISTINCT FROM allocation.fund_id
            OR NOT EXISTS (SELECT 1 FROM matching_poolterms WHERE id = allocation.terms_id AND pool_id = pool.id
                                                               AND layer <> 'award')
        ) THEN
            RAISE EXCEPTION 'ledger: allocation % does not fit its gift, its pool or its terms', allocation.id
                USING ERRCODE = 'check_violation';
        END IF;
        IF NEW.reason = 'reverse' THEN
            UPDATE matching_allocation SET reversed_minor = reversed_minor + NEW.amount_minor WHERE id = allocation.id;
        ELSIF NEW.reason = 'restore' THEN
            UPDATE matching_allocation SET reversed_minor = reversed_minor - NEW.amount_minor WHERE id = allocation.id;
        END IF;
    ELSIF NEW.reference <> '' THEN
        RAISE EXCEPTION 'ledger: % belongs to no gift, and names %', NEW.reason, NEW.reference
            USING ERRCODE = 'check_violation';
    ELSIF NEW.reason = 'withdraw' AND NEW.amount_minor > (
        SELECT coalesce(sum(CASE reason WHEN 'award' THEN amount_minor ELSE -amount_minor END), 0)
        FROM matching_ledgerentry WHERE pool_id = NEW.pool_id AND reason IN ('award', 'withdraw')
    ) THEN
        RAISE EXCEPTION 'ledger: more withdrawn from pool % than was awarded', NEW.pool_id
            USING ERRCODE = 'check_violation';
    END IF;
    NEW.seq := pool.head_seq + 1;
    NEW.prev_hash := pool.head_hash;
    NEW.entry_hash := [own hash];
    UPDATE matching_matchpool SET
        limit_minor = limit_minor + CASE 'pledged' WHEN NEW.from_account THEN NEW.amount_minor
                                                   WHEN NEW.to_account THEN -NEW.amount_minor ELSE 0 END,
        free_minor = free_minor + CASE 'free' WHEN NEW.to_account THEN NEW.amount_minor
                                              WHEN NEW.from_account THEN -NEW.amount_minor ELSE 0 END,
        held_minor = held_minor + CASE 'held' WHEN NEW.to_account THEN NEW.amount_minor
                                              WHEN NEW.from_account THEN -NEW.amount_minor ELSE 0 END,
        matched_minor = matched_minor + CASE 'matched' WHEN NEW.to_account THEN NEW.amount_minor
                                                       WHEN NEW.from_account THEN -NEW.amount_minor ELSE 0 END,
        head_seq = NEW.seq,
        head_hash = NEW.entry_hash
    WHERE id = NEW.pool_id;
    RETURN NEW;
""".replace("[own hash]", OWN_HASH.format(row="NEW"))

_REFUSE = """
    RAISE EXCEPTION 'ledger: {message}' USING ERRCODE = 'check_violation';
"""


def _refusal(message: str) -> str:
    return _REFUSE.format(message=message)


def immutable(noun: str) -> list[pgtrigger.Trigger]:
    """Rows of this table are written once: no update, delete or truncate."""
    return [
        pgtrigger.Trigger(
            name=f"{noun}_never_change",
            operation=pgtrigger.Update | pgtrigger.Delete,
            when=pgtrigger.Before,
            func=_refusal(f"{noun} are never changed or deleted"),
        ),
        pgtrigger.Trigger(
            name=f"{noun}_are_never_truncated",
            operation=pgtrigger.Truncate,
            level=pgtrigger.Statement,
            when=pgtrigger.Before,
            func=_refusal(f"{noun} are never truncated"),
        ),
    ]


TERMS = [
    *immutable("terms"),
    pgtrigger.Trigger(
        name="terms_follow_each_other",
        operation=pgtrigger.Insert,
        when=pgtrigger.Before,
        declare=[("newest", "matching_poolterms%ROWTYPE")],
        func="""
            SELECT * INTO newest FROM matching_poolterms WHERE pool_id = NEW.pool_id ORDER BY version DESC LIMIT 1;
            IF NEW.version <> coalesce(newest.version, 0) + 1 OR NEW.created_at < newest.created_at THEN
                RAISE EXCEPTION 'ledger: terms % of pool % do not follow the ones before', NEW.version, NEW.pool_id
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
]

ENTRY = [
    *immutable("entries"),
    pgtrigger.Trigger(
        name="post",
        operation=pgtrigger.Insert,
        when=pgtrigger.Before,
        declare=[
            ("pool", "matching_matchpool%ROWTYPE"),
            ("allocation", "matching_allocation%ROWTYPE"),
            ("reservation", "matching_reservation%ROWTYPE"),
        ],
        func=_POST,
    ),
]

POOL = [
    pgtrigger.Trigger(
        name="pool_starts_empty",
        operation=pgtrigger.Insert,
        when=pgtrigger.Before,
        condition=pgtrigger.Q(new__limit_minor__gt=0)
        | pgtrigger.Q(new__free_minor__gt=0)
        | pgtrigger.Q(new__held_minor__gt=0)
        | pgtrigger.Q(new__matched_minor__gt=0)
        | pgtrigger.Q(new__head_seq__gt=0),
        func=_refusal("a pool starts empty; money comes in by an entry"),
    ),
    pgtrigger.Trigger(
        name="pool_stays_unlocked",
        operation=pgtrigger.Update,
        when=pgtrigger.Before,
        condition=pgtrigger.Q(old__unlocked_at__isnull=False)
        & pgtrigger.Q(old__unlocked_at__df=pgtrigger.F("new__unlocked_at")),
        func=_refusal("a pool once unlocked stays so"),
    ),
    pgtrigger.Trigger(
        name="pool_terms_are_its_newest",
        operation=pgtrigger.Update,
        when=pgtrigger.Before,
        condition=pgtrigger.AnyChange("current_terms"),
        func="""
            IF NEW.current_terms_id IS DISTINCT FROM (
                SELECT id FROM matching_poolterms WHERE pool_id = NEW.id ORDER BY version DESC LIMIT 1) THEN
                RAISE EXCEPTION 'ledger: the terms of pool % are its newest version', NEW.id
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    pgtrigger.Trigger(
        name="pool_balances_move_by_entries",
        operation=pgtrigger.Update,
        when=pgtrigger.Before,
        condition=pgtrigger.AnyChange(
            "limit_minor",
            "free_minor",
            "held_minor",
            "matched_minor",
            "head_seq",
            "head_hash",
            "currency",
            "campaign",
        ),
        func="""
            IF pg_trigger_depth() < 2 OR NEW.head_seq <> OLD.head_seq + 1
               OR NEW.currency <> OLD.currency OR NEW.campaign_id <> OLD.campaign_id THEN
                RAISE EXCEPTION 'ledger: the balances of pool % move only by entries', OLD.id
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
]

RESERVATION = [
    pgtrigger.Trigger(
        name="reservations_are_not_deleted",
        operation=pgtrigger.Delete,
        when=pgtrigger.Before,
        func=_refusal("reservations are never deleted"),
    ),
    pgtrigger.Trigger(
        name="reservation_starts_held",
        operation=pgtrigger.Insert,
        when=pgtrigger.Before,
        condition=~pgtrigger.Q(new__state="held") | pgtrigger.Q(new__refunded_minor__gt=0),
        func=_refusal("a reservation starts as a hold"),
    ),
    pgtrigger.Trigger(
        name="reservation_resolves_once",
        operation=pgtrigger.Update,
        when=pgtrigger.Before,
        condition=~pgtrigger.Q(old__state="held"),
        func="""
            IF (to_jsonb(NEW) - 'refunded_minor' - 'state') <> (to_jsonb(OLD) - 'refunded_minor' - 'state')
               OR OLD.state <> 'committed' OR NEW.state NOT IN ('committed', 'voided') THEN
                RAISE EXCEPTION 'ledger: this hold is already resolved' USING ERRCODE = 'check_violation';
            END IF;
            IF NEW.state = 'voided' AND EXISTS (SELECT 1 FROM matching_allocation
                                                WHERE reservation_id = NEW.id AND reversed_minor < amount_minor) THEN
                RAISE EXCEPTION 'ledger: reservation % still has match and cannot be voided', NEW.reference
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    pgtrigger.Trigger(
        name="reservation_is_voided_when_committed",
        operation=pgtrigger.UpdateOf("state"),
        when=pgtrigger.Before,
        condition=pgtrigger.Q(old__state="held") & pgtrigger.Q(new__state="voided"),
        func=_refusal("only a committed reservation is voided"),
    ),
    pgtrigger.Trigger(
        name="reservation_is_refunded_when_committed",
        operation=pgtrigger.UpdateOf("refunded_minor"),
        when=pgtrigger.Before,
        condition=pgtrigger.Q(old__state="held") & pgtrigger.Q(new__refunded_minor__gt=0),
        func=_refusal("only a committed reservation is refunded"),
    ),
    pgtrigger.Trigger(
        name="reservation_keeps_its_gift",
        operation=pgtrigger.Update,
        when=pgtrigger.Before,
        condition=pgtrigger.AnyChange(
            "campaign", "reference", "key", "donor_key", "amount_minor", "parts", "is_offline", "submitted_at"
        ),
        func=_refusal("the gift of a reservation never changes"),
    ),
    pgtrigger.Trigger(
        name="reservation_resolution_is_posted",
        operation=pgtrigger.UpdateOf("state"),
        when=pgtrigger.After,
        timing=pgtrigger.Deferred,
        condition=~pgtrigger.Q(new__state__in=["held", "voided"]),
        declare=[("expected", "TEXT"), ("held_id", "BIGINT")],
        # One allocation at a time: a plan made for a small table would read all entries, for as long as it is kept.
        func="""
            expected := CASE NEW.state WHEN 'committed' THEN 'commit' WHEN 'released' THEN 'release' ELSE 'expire' END;
            FOR held_id IN SELECT id FROM matching_allocation WHERE reservation_id = NEW.id AND round = 0 LOOP
                IF NOT EXISTS (SELECT 1 FROM matching_ledgerentry WHERE allocation_id = held_id AND reason = expected)
                THEN
                    RAISE EXCEPTION 'ledger: reservation % is % without its entries', NEW.reference, NEW.state
                        USING ERRCODE = 'check_violation';
                END IF;
            END LOOP;
            RETURN NULL;
        """,
    ),
]

ALLOCATION = [
    pgtrigger.Trigger(
        name="allocations_change_by_entries",
        operation=pgtrigger.Update | pgtrigger.Delete,
        when=pgtrigger.Before,
        func="""
            IF TG_OP = 'DELETE' OR pg_trigger_depth() < 2 OR (NEW.reservation_id, NEW.pool_id, NEW.terms_id,
                NEW.part_index, NEW.fund_id, NEW.amount_minor, NEW.round, NEW.basis_minor)
                IS DISTINCT FROM (OLD.reservation_id, OLD.pool_id, OLD.terms_id, OLD.part_index, OLD.fund_id,
                OLD.amount_minor, OLD.round, OLD.basis_minor) THEN
                RAISE EXCEPTION 'ledger: allocations never change' USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    pgtrigger.Trigger(
        name="allocation_is_opened_by_an_entry",
        operation=pgtrigger.Insert,
        when=pgtrigger.After,
        timing=pgtrigger.Deferred,
        func="""
            IF NOT EXISTS (SELECT 1 FROM matching_ledgerentry WHERE allocation_id = NEW.id
                           AND reason = CASE NEW.round WHEN 0 THEN 'hold' ELSE 'offer' END) THEN
                RAISE EXCEPTION 'ledger: allocation % has no entry that opens it', NEW.id
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
]
