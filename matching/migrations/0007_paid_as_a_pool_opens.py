from django.db import migrations

# The text of matching/functions.py, and the one before it.
NOW = r'''CREATE OR REPLACE FUNCTION matching_resolve(asked_id bigint, to_state text, why text, into_account text, waiting jsonb, unless_bound text[], posted_by text, moment timestamptz, OUT outcome text, OUT reservation_id bigint) RETURNS record LANGUAGE plpgsql AS $$
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
BEFORE = r'''CREATE OR REPLACE FUNCTION matching_resolve(asked_id bigint, to_state text, why text, into_account text, waiting jsonb, unless_bound text[], posted_by text, moment timestamptz, OUT outcome text, OUT reservation_id bigint) RETURNS record LANGUAGE plpgsql AS $$
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
    outcome := 'resolved';
EXCEPTION
    WHEN lock_not_available THEN outcome := 'busy';
END
$$'''


class Migration(migrations.Migration):
    dependencies = [("matching", "0006_one_round_trip")]

    operations = [migrations.RunSQL(sql=NOW, reverse_sql=BEFORE)]
