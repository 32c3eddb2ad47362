"""A hold or resolution that writes nothing keeps no pool locked (matching/functions.py)."""

from django.db import migrations

HOLD = '''CREATE OR REPLACE FUNCTION matching_hold(gift jsonb, newest_id bigint, assumed jsonb, shares jsonb, posted_by text, moment timestamptz, OUT outcome text, OUT made_id bigint) RETURNS record LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    made matching_reservation := jsonb_populate_record(NULL::matching_reservation, gift);
    pool_ids bigint[] := ARRAY(SELECT (a ->> 'pool_id')::bigint FROM jsonb_array_elements(assumed) a ORDER BY 1);
    began timestamptz := clock_timestamp();
BEGIN
    PERFORM pg_advisory_xact_lock(730100000000000 + pg_backend_pid() % 8) WHERE pool_ids <> '{}';
    IF clock_timestamp() > began + interval '100 ms' AND current_setting('lock_timeout') <> '0' THEN
        PERFORM set_config('lock_timeout', greatest(1, (extract(epoch FROM
            current_setting('lock_timeout')::interval - (clock_timestamp() - began)) * 1000)::int)::text, true);
    END IF;
    PERFORM FROM matching_matchpool WHERE id = ANY(pool_ids) ORDER BY id FOR NO KEY UPDATE;
    IF EXISTS (
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
    END IF;
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
$$'''
RESOLVE = '''CREATE OR REPLACE FUNCTION matching_resolve(asked_id bigint, to_state text, why text, into_account text, waiting jsonb, unless_bound text[], posted_by text, moment timestamptz, OUT outcome text, OUT reservation_id bigint) RETURNS record LANGUAGE plpgsql AS $$
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
    PERFORM pg_advisory_xact_lock(730100000000000 + pg_backend_pid() % 8) WHERE pool_ids <> '{}';
    IF clock_timestamp() > began + interval '100 ms' AND current_setting('lock_timeout') <> '0' THEN
        PERFORM set_config('lock_timeout', greatest(1, (extract(epoch FROM
            current_setting('lock_timeout')::interval - (clock_timestamp() - began)) * 1000)::int)::text, true);
    END IF;
    PERFORM FROM matching_matchpool WHERE id = ANY(pool_ids) ORDER BY id FOR NO KEY UPDATE;
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
$$'''
HOLD_BEFORE = '''CREATE OR REPLACE FUNCTION matching_hold(gift jsonb, newest_id bigint, assumed jsonb, shares jsonb, posted_by text, moment timestamptz, OUT outcome text, OUT made_id bigint) RETURNS record LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    made matching_reservation := jsonb_populate_record(NULL::matching_reservation, gift);
    pool_ids bigint[] := ARRAY(SELECT (a ->> 'pool_id')::bigint FROM jsonb_array_elements(assumed) a ORDER BY 1);
    began timestamptz := clock_timestamp();
BEGIN
    PERFORM pg_advisory_xact_lock(730100000000000 + pg_backend_pid() % 8) WHERE pool_ids <> '{}';
    IF clock_timestamp() > began + interval '100 ms' AND current_setting('lock_timeout') <> '0' THEN
        PERFORM set_config('lock_timeout', greatest(1, (extract(epoch FROM
            current_setting('lock_timeout')::interval - (clock_timestamp() - began)) * 1000)::int)::text, true);
    END IF;
    PERFORM FROM matching_matchpool WHERE id = ANY(pool_ids) ORDER BY id FOR NO KEY UPDATE;
    IF EXISTS (
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
        outcome := 'changed';
        RETURN;
    END IF;
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
    WHEN unique_violation THEN outcome := 'changed';
END
$$'''
RESOLVE_BEFORE = '''CREATE OR REPLACE FUNCTION matching_resolve(asked_id bigint, to_state text, why text, into_account text, waiting jsonb, unless_bound text[], posted_by text, moment timestamptz, OUT outcome text, OUT reservation_id bigint) RETURNS record LANGUAGE plpgsql AS $$
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
    PERFORM pg_advisory_xact_lock(730100000000000 + pg_backend_pid() % 8) WHERE pool_ids <> '{}';
    IF clock_timestamp() > began + interval '100 ms' AND current_setting('lock_timeout') <> '0' THEN
        PERFORM set_config('lock_timeout', greatest(1, (extract(epoch FROM
            current_setting('lock_timeout')::interval - (clock_timestamp() - began)) * 1000)::int)::text, true);
    END IF;
    PERFORM FROM matching_matchpool WHERE id = ANY(pool_ids) ORDER BY id FOR NO KEY UPDATE;
    UPDATE matching_reservation SET state = to_state, resolved_at = moment
    WHERE id = asked_id AND state = 'held' AND (held_until <= moment OR to_state <> 'expired');
    IF NOT FOUND THEN
        outcome := 'not held';
        RETURN;
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
END
$$'''


class Migration(migrations.Migration):
    dependencies = [("matching", "0007_paid_as_a_pool_opens")]

    operations = [
        migrations.RunSQL(sql=[(HOLD, None), (RESOLVE, None)], reverse_sql=[(HOLD_BEFORE, None), (RESOLVE_BEFORE, None)]),
    ]
