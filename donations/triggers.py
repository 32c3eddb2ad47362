"""What PostgreSQL itself refuses of gifts, receipts and closed months, as django-pgtrigger triggers."""

import pgtrigger

from donations.life import TRANSITIONS

# Forward only; a success that comes late still counts, since the money was taken.
DONATION = [
    pgtrigger.FSM(
        name="gift_moves_forward",
        field="state",
        transitions=[(transition.leaves, transition.reaches) for transition in TRANSITIONS],
    ),
    pgtrigger.Trigger(
        name="gift_keeps_its_match_key",
        operation=pgtrigger.UpdateOf("match_key"),
        when=pgtrigger.Before,
        condition=pgtrigger.AnyChange("match_key"),
        func="""
            IF OLD.method NOT IN ('cheque', 'cash') OR NOT EXISTS (SELECT 1 FROM donations_giftcorrection
                WHERE donation_id = OLD.id AND match_key_before = OLD.match_key) THEN
                RAISE EXCEPTION 'the match key of gift % moves on only with a correction', OLD.id
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    pgtrigger.Trigger(
        name="gift_parts_add_up",
        operation=pgtrigger.Insert | pgtrigger.UpdateOf("amount_minor"),
        when=pgtrigger.After,
        timing=pgtrigger.Deferred,
        func="""
            IF EXISTS (SELECT 1 FROM donations_donation d WHERE d.id = NEW.id AND d.amount_minor <>
                       (SELECT coalesce(sum(amount_minor), 0) FROM donations_designation
                        WHERE donation_id = d.id)) THEN
                RAISE EXCEPTION 'the designations of gift % do not add up to it', NEW.id
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
]

DESIGNATION = [
    pgtrigger.Trigger(
        name="designations_add_up",
        operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
        when=pgtrigger.After,
        timing=pgtrigger.Deferred,
        declare=[("gift", "BIGINT")],
        func="""
            gift := coalesce(NEW.donation_id, OLD.donation_id);
            IF EXISTS (SELECT 1 FROM donations_donation d WHERE d.id = gift AND d.amount_minor <>
                       (SELECT coalesce(sum(amount_minor), 0) FROM donations_designation
                        WHERE donation_id = d.id)) THEN
                RAISE EXCEPTION 'the designations of gift % do not add up to it', gift
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
]

RECEIPT = [
    pgtrigger.Protect(name="receipts_are_not_deleted", operation=pgtrigger.Delete),
    pgtrigger.Trigger(
        name="receipts_are_not_truncated",
        operation=pgtrigger.Truncate,
        level=pgtrigger.Statement,
        when=pgtrigger.Before,
        func="RAISE EXCEPTION 'receipts are never truncated' USING ERRCODE = 'check_violation';",
    ),
    pgtrigger.Trigger(
        name="receipts_are_voided_not_edited",
        operation=pgtrigger.Update,
        when=pgtrigger.Before,
        func="""
            IF OLD.voided_at IS NOT NULL OR NEW.voided_at IS NULL
               OR (to_jsonb(NEW) - 'voided_at' - 'void_reason') <> (to_jsonb(OLD) - 'voided_at' - 'void_reason') THEN
                RAISE EXCEPTION 'receipt % is never edited; void and replace it', OLD.number
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
]

RECEIPT_COUNTER = [
    pgtrigger.Trigger(
        name="receipt_numbers_have_no_gaps",
        operation=pgtrigger.Update | pgtrigger.Delete,
        when=pgtrigger.Before,
        func="""
            IF TG_OP = 'DELETE' OR NEW.year <> OLD.year OR NEW.last_number <> OLD.last_number + 1 THEN
                RAISE EXCEPTION 'receipt numbers of % only count up by one', OLD.year
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
]


def _stay(noun: str) -> list[pgtrigger.Trigger]:
    """Rows that are written once: no update, delete or truncate."""
    refusal = f"RAISE EXCEPTION '{noun} stay as they were closed' USING ERRCODE = 'check_violation';"
    return [
        pgtrigger.Trigger(
            name=f"{noun}_stay",
            operation=pgtrigger.Update | pgtrigger.Delete,
            when=pgtrigger.Before,
            func=refusal,
        ),
        pgtrigger.Trigger(
            name=f"{noun}_are_not_truncated",
            operation=pgtrigger.Truncate,
            level=pgtrigger.Statement,
            when=pgtrigger.Before,
            func=refusal,
        ),
    ]


PERIOD = [
    *_stay("periods"),
    pgtrigger.Trigger(
        name="periods_close_in_order",
        operation=pgtrigger.Insert,
        when=pgtrigger.Before,
        func="""
            IF NEW.first_day <> (SELECT max(first_day) + interval '1 month' FROM donations_period) THEN
                RAISE EXCEPTION 'periods close in order: % is not the next', NEW.first_day
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    pgtrigger.Trigger(
        name="period_has_its_lines",
        operation=pgtrigger.Insert,
        when=pgtrigger.After,
        func="""
            IF NEW.line_count <> (SELECT count(*) FROM donations_periodline WHERE period_id = NEW.id) THEN
                RAISE EXCEPTION 'period % has not as many lines as it says', NEW.first_day
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
]

PERIOD_LINE = [
    *_stay("period_lines"),
    pgtrigger.Trigger(
        name="period_lines_come_with_it",
        operation=pgtrigger.Insert,
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        referencing=pgtrigger.Referencing(new="added"),
        func="""
            IF EXISTS (SELECT 1 FROM donations_period p WHERE p.id IN (SELECT period_id FROM added)
                       AND p.line_count <> (SELECT count(*) FROM donations_periodline WHERE period_id = p.id)) THEN
                RAISE EXCEPTION 'a closed period gets no more lines' USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
]
