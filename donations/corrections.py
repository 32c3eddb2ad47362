"""Checks and cash put right: what was written down wrong is corrected, what never came or went back is cancelled.

Neither edits history. A correction of the amount, the funds, the moment or the donor takes the match back and matches
the gift again under a new key, in one transaction; the receipt is replaced by one that names the old number; who
changed what and why stays in the gift's history. A cancelled gift keeps its row: all of it counts as given back.
"""

from datetime import datetime
from uuid import uuid4

from django.db import transaction
from django.utils.translation import gettext, pgettext

from campaign.models import Campaign, Fund, Team
from campaign.moments import exact_clock_text, full_day_text
from campaign.money import format_amount
from donations import offline_gifts, wall_copies, work
from donations.giving import locked_gift
from donations.models import Donation, FollowUp, GiftCorrection, GiftNote, Reversal
from donations.offline_gifts import OfflineGift
from matching import late_gifts, refunds
from matching.wording import listed


class NotOffline(Exception):
    """The gift was made on the site: Stripe has its money, and only Stripe's events change it."""


class GiftCancelled(Exception):
    """The gift was cancelled: enter it anew instead."""


class CorrectedMeanwhile(Exception):
    """Somebody has corrected the gift since the form was opened, or the form came twice; nothing was written."""


class NothingToCorrect(Exception):
    """The form says what the gift says."""


def correct_gift(
    *, donation_id: int, gift: OfflineGift, corrections_seen: int, reason: str, actor: str, now: datetime
) -> Donation:
    """Make a check or cash gift what it should have been, with its match and its receipt.

    gift: the whole gift, as it is to be. corrections_seen: how many the gift had when the form was opened, so that two
    people do not undo each other and a form sent twice corrects once. reason: for the history. actor: `staff:7`.
    Raises NotOffline, GiftCancelled, CorrectedMeanwhile, NothingToCorrect, PoolsBusy: then nothing was written.
    One transaction; locks the gift, its reservation, then every pool of the campaign. No network.
    """
    with transaction.atomic():
        donation = _locked_offline_gift(donation_id)
        if donation.corrections.count() != corrections_seen:
            raise CorrectedMeanwhile(donation.reference)
        before = OfflineGift.of(donation)
        changes = changes_between(before, gift, campaign=donation.campaign)
        if not changes:
            raise NothingToCorrect(donation.reference)
        donor = offline_gifts.donor_of(gift)
        is_rematched = (gift.parts, gift.received_at, donor.pk) != (before.parts, before.received_at, donation.donor_id)
        key = donation.match_key
        GiftCorrection.objects.create(
            donation=donation,
            at=now,
            actor=actor,
            reason=reason,
            changes=changes,
            match_key_before=key if is_rematched else None,
        )
        donation.donor = donor
        if is_rematched:
            # Before the gift's key changes: who serves this gift has its reservation, and then writes to its history.
            refunds.lock_committed(key)
        _rewrite(donation, gift, is_rematched=is_rematched)
        if (gift.hides_name, gift.hides_amount) != (before.hides_name, before.hides_amount):
            wall_copies.throw_away(campaign_id=donation.campaign_id, now=now)
        if is_rematched:
            as_matched = offline_gifts.as_matched(donation, gift)
            late_gifts.correct(key=key, gift=as_matched, now=now, actor=actor)
        _note(donation, text=gettext("Corrected: %(changes)s") % {"changes": in_words(changes)}, actor=actor, now=now)
        _note(donation, text=gettext("Why it was corrected: %(reason)s") % {"reason": reason}, actor=actor, now=now)
        work.owe(donation=donation, kind=FollowUp.Kind.RECEIPT, now=now)
    return donation


def cancel_gift(*, donation_id: int, cause: str, reason: str, actor: str, now: datetime) -> Donation:
    """Take a check or cash gift back in full: a check that was returned unpaid, a gift entered twice.

    cause: one of Reversal.Cause, as the void receipt says it. reason: for the history. The match goes back to its
    pools; the receipt is voided and not replaced. Raises NotOffline; GiftCancelled when it was before; PoolsBusy.
    One transaction; locks the gift, its reservation, then its pools. No network.
    """
    with transaction.atomic():
        donation = _locked_offline_gift(donation_id)
        Reversal.objects.create(
            donation=donation,
            kind=Reversal.Kind.OFFLINE,
            stripe_id=f"offline-{donation.pk}",
            amount_minor=donation.total_minor,
            status=cause,
            created_at=now,
            changed_at=now,
        )
        donation.refunded_minor = donation.total_minor
        donation.match_shortfall_minor = 0
        donation.save(update_fields=["refunded_minor", "match_shortfall_minor"])
        refunds.settle_refund(key=donation.match_key, refunded_minor=donation.amount_minor, now=now, actor=actor)
        _note(
            donation,
            text=gettext("Cancelled. %(cause)s") % {"cause": Reversal.Cause(cause).label},
            actor=actor,
            now=now,
        )
        _note(donation, text=gettext("Why it was cancelled: %(reason)s") % {"reason": reason}, actor=actor, now=now)
        work.owe(donation=donation, kind=FollowUp.Kind.RECEIPT, now=now)
    return donation


def changes_between(before: OfflineGift, after: OfflineGift, *, campaign: Campaign) -> list[list[str]]:
    """What differs, as people read it: [[what, before, after], ...]; empty when nothing does. Two queries."""
    fund_ids = [pk for gift in (before, after) for pk, _ in gift.parts]
    names = dict(Fund.objects.filter(pk__in=fund_ids).values_list("pk", "name"))
    teams = dict(Team.objects.filter(pk__in=[before.team_id, after.team_id]).values_list("pk", "name"))
    old, new = (_described(gift, campaign=campaign, fund_names=names, team_names=teams) for gift in (before, after))
    none = pgettext("what a gift had or has of something", "none")
    return [[what, old[what] or none, new[what] or none] for what in old if old[what] != new[what]]


def in_words(changes: list[list[str]]) -> str:
    """`Amount was $50.00 and is $60.00. E-mail was none and is w@example.org.`, for staff."""
    return " ".join(
        gettext("%(what)s was %(before)s and is %(after)s.") % {"what": what, "before": before, "after": after}
        for what, before, after in changes
    )


def _described(
    gift: OfflineGift, *, campaign: Campaign, fund_names: dict[int, str], team_names: dict[int, str]
) -> dict[str, str]:
    received = gift.received_at.astimezone(campaign.tz)
    moment = f"{full_day_text(received)}, {exact_clock_text(received)}"
    parts = [(fund_names[pk], format_amount(minor, currency=campaign.currency)) for pk, minor in gift.parts]
    is_split = len(parts) > 1
    place = " ".join(filter(None, [gift.city, gift.region, gift.postal_code, gift.country]))
    hidden = [pgettext("what is hidden in public", "name")] if gift.hides_name else []
    hidden += [pgettext("what is hidden in public", "amount")] if gift.hides_amount else []
    return {
        gettext("Amount"): format_amount(gift.amount_minor, currency=campaign.currency),
        gettext("Fund"): ", ".join(f"{name} {amount}" if is_split else name for name, amount in parts),
        gettext("Department or team"): team_names.get(gift.team_id or 0, ""),
        gettext("Received"): moment,
        gettext("Method"): Donation(method=gift.method, cheque_number=gift.cheque_number).method_text,
        gettext("Name"): gift.donor_name,
        gettext("E-mail"): gift.donor_email,
        gettext("Address"): ", ".join(filter(None, [gift.address_line1, gift.address_line2, place])),
        gettext("Hidden in public"): listed(hidden),
        GiftCorrection.FOR_STAFF: gift.staff_note,
    }


def _rewrite(donation: Donation, gift: OfflineGift, *, is_rematched: bool) -> None:
    donation.amount_minor = gift.amount_minor
    donation.submitted_at = donation.paid_at = gift.received_at
    for name, value in gift.written().items():
        setattr(donation, name, value)
    if is_rematched:
        donation.match_key = uuid4()
        donation.match_shortfall_minor = 0
    donation.save()
    donation.designations.all().delete()
    offline_gifts.write_parts(donation, gift.parts)


def _locked_offline_gift(donation_id: int) -> Donation:
    donation = locked_gift(donation_id)
    if not donation.is_offline:
        raise NotOffline(donation.reference)
    if donation.refunded_minor:
        raise GiftCancelled(donation.reference)
    return donation


def _note(donation: Donation, *, text: str, actor: str, now: datetime) -> None:
    GiftNote.objects.create(donation=donation, at=now, actor=actor, text=text[:300])
