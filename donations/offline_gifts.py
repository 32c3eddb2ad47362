"""Gifts by check and cash: entered by staff, paid at once, matched from the same pools as gifts by card.

A gift belongs to the moment at which it was received: sponsors' windows, the day's figures, the receipt and the
exports go by it. corrections.py changes and cancels such a gift, imports.py enters many from a spreadsheet.

A donor is found by e-mail. Many checks come without one: then by name and postal address as written, small things
such as capitals and commas aside; with no address either, by the name alone. So nobody gets past a cap per donor,
or counts twice in a challenge, by leaving something out; two people of one name need an address to be told apart.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext

from campaign.models import Campaign
from campaign.moments import full_day_text
from donations import work
from donations.models import Designation, Donation, Donor, FollowUp, GiftNote
from matching import holds, late_gifts
from matching.allocation import Part

LARGEST_MINOR = 10_000_000_000
FARTHEST = timedelta(days=183)  # from the campaign: beyond it a day is a slip of the pen
WRITTEN = (
    *Donation.OF_DONOR,
    "method",
    "cheque_number",
    "staff_note",
    "team_id",
)


class GiftEnteredBefore(Exception):
    """The form, or the row of a spreadsheet, has made a gift already; nothing was written."""

    def __init__(self, donation: Donation) -> None:
        super().__init__(donation.reference)
        self.donation = donation


class NoSuchMoment(ValueError):
    """The clocks went forward: that time did not exist on that day."""


@dataclass(frozen=True, slots=True)
class OfflineGift:
    """A gift as staff write it down. parts: (fund id, amount in minor units), 1..n, distinct funds, each > 0.

    method: `cheque` or `cash`. received_at: aware, not in the future. donor_email: may be empty. team_id: the
    department or team of the campaign that the gift counts for.
    """

    parts: tuple[tuple[int, int], ...]
    method: str
    received_at: datetime
    donor_name: str
    donor_email: str = ""
    address_line1: str = ""
    address_line2: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = "US"
    hides_name: bool = False
    hides_amount: bool = False
    cheque_number: str = ""
    staff_note: str = ""
    team_id: int | None = None

    @property
    def amount_minor(self) -> int:
        return sum(amount_minor for _, amount_minor in self.parts)

    def written(self) -> dict[str, Any]:
        """The fields that a Donation has under the same names."""
        return {name: getattr(self, name) for name in WRITTEN}

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"received_at": self.received_at.astimezone(UTC).isoformat()}

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> "OfflineGift":
        parts = tuple((int(fund_id), int(amount_minor)) for fund_id, amount_minor in said["parts"])
        return cls(**said | {"parts": parts, "received_at": datetime.fromisoformat(said["received_at"])})

    @classmethod
    def of(cls, donation: Donation) -> "OfflineGift":
        """The gift as it stands, to be corrected."""
        parts = tuple(donation.designations.order_by("position", "pk").values_list("fund_id", "amount_minor"))
        return cls(parts=parts, received_at=donation.moment_paid, **{name: getattr(donation, name) for name in WRITTEN})


def enter_gift(*, campaign: Campaign, gift: OfflineGift, form_key: str, actor: str, now: datetime) -> Donation:
    """Enter a gift that was received: paid at once, matched as at that moment, its receipt owed.

    form_key: made before the form was sent, or from a spreadsheet's row; it makes one gift. actor: `staff:7`.
    Raises GiftEnteredBefore (names the gift) for a key that was used; ledger.PoolsBusy: nothing written, send again.
    One transaction: donor, gift, designations, match, follow-up and note. Locks the pools that could give.
    """
    _refuse_second(form_key)
    try:
        with transaction.atomic():
            return _write(campaign=campaign, gift=gift, form_key=form_key, actor=actor, now=now)
    except IntegrityError:
        _refuse_second(form_key)  # the other half of a double click was quicker
        raise


def moment_received(*, day: date, at: time | None, campaign: Campaign, now: datetime) -> datetime:
    """When a gift counts as received, aware UTC. at: the time on the campaign's clocks, None when nobody noted it.

    Without a time it is now for today, and noon for a day that is over, or the nearest moment of that day on which the
    campaign ran. Raises NoSuchMoment for a time that the clocks skipped.
    """
    if at is not None:
        moment = datetime.combine(day, at, tzinfo=campaign.tz).astimezone(UTC)
        if moment.astimezone(campaign.tz).replace(tzinfo=None) != datetime.combine(day, at):
            raise NoSuchMoment(
                gettext("The clocks went forward on that day: there was no %(time)s.") % {"time": f"{at:%H:%M}"}
            )
        return moment
    if now.astimezone(campaign.tz).date() == day:
        return now
    noon = datetime.combine(day, time(12), tzinfo=campaign.tz).astimezone(UTC)
    last = campaign.closes_at - timedelta(seconds=1)
    within = min(max(noon, campaign.opens_at), last)
    return within if within.astimezone(campaign.tz).date() == day else noon


def day_problem(day: date, *, campaign: Campaign) -> str:
    """What is wrong with a day that lies too far from the campaign, as a sentence; empty when nothing is."""
    if campaign.opens_at.date() - FARTHEST <= day <= campaign.closes_at.date() + FARTHEST:
        return ""
    return gettext("%(day)s is more than half a year from %(name)s. Is the year right?") % {
        "day": day,
        "name": campaign.name,
    }


def likely_twins(*, campaign: Campaign, gift: OfflineGift, besides: int = 0, limit: int = 5) -> list[Donation]:
    """Gifts that this one may have been entered as before, newest first, 0..limit; cancelled ones aside.

    The same check number from the same name or over the same amount; or the same name and amount by check or cash,
    unless both have check numbers and they differ. besides: the id of the gift that is being corrected.
    """
    word = max(gift.donor_name.split(), key=len)  # narrows the search; is_twin() compares
    same = Q(amount_minor=gift.amount_minor, method__in=Donation.OFFLINE, donor_name__icontains=word)
    if gift.cheque_number:
        same |= Q(cheque_number=gift.cheque_number)
    found = Donation.objects.filter(same, campaign=campaign, refunded_minor=0).exclude(pk=besides).order_by("-pk")
    return [row for row in found[:500] if is_twin(gift, of=row)][:limit]


def is_twin(gift: OfflineGift, *, of: Donation) -> bool:
    same_name = folded(gift.donor_name) == folded(of.donor_name)
    same_amount = gift.amount_minor == of.amount_minor
    if gift.cheque_number and of.cheque_number:
        return gift.cheque_number == of.cheque_number and (same_name or same_amount)
    return same_name and same_amount


def folded(text: str) -> str:
    """Text as it is compared: small letters, letters and figures alone, one blank between words."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(character if character.isalnum() else " " for character in plain).split())


def donor_of(gift: OfflineGift) -> Donor:
    """The donor of a gift, made when it is their first. They paid, so what they are called now is their name."""
    email = gift.donor_email.strip().lower()
    found = {"email": email} if email else {"postal_key": postal_key(gift)}
    donor, is_new = Donor.objects.get_or_create(**found, defaults={"name": gift.donor_name})
    if not is_new and donor.name != gift.donor_name:
        Donor.objects.filter(pk=donor.pk).update(name=gift.donor_name)
    return donor


def postal_key(gift: OfflineGift) -> str:
    """What tells a donor without e-mail from others: `maria alvarez|12 elm st|02110`."""
    return "|".join(map(folded, (gift.donor_name, gift.address_line1, gift.postal_code)))[:300]


def write_parts(donation: Donation, parts: Iterable[tuple[int, int]]) -> None:
    Designation.objects.bulk_create(
        Designation(donation=donation, fund_id=fund_id, amount_minor=amount_minor, position=position)
        for position, (fund_id, amount_minor) in enumerate(parts)
    )


def as_matched(donation: Donation, gift: OfflineGift) -> holds.Gift:
    """The gift as matching knows it: judged by the moment at which it was received."""
    return holds.Gift(
        key=donation.match_key,
        donor_key=str(donation.donor_id),
        parts=tuple(Part(fund_id, amount_minor) for fund_id, amount_minor in gift.parts),
        submitted_at=gift.received_at,
        offline=True,
    )


def _refuse_second(form_key: str) -> None:
    earlier = Donation.objects.filter(form_key=form_key).first()
    if earlier is not None:
        raise GiftEnteredBefore(earlier)


def _write(*, campaign: Campaign, gift: OfflineGift, form_key: str, actor: str, now: datetime) -> Donation:
    donation = Donation.objects.create(
        campaign=campaign,
        donor=donor_of(gift),
        form_key=form_key,
        state=Donation.State.PAID,
        amount_minor=gift.amount_minor,
        currency=campaign.currency,
        submitted_at=gift.received_at,
        paid_at=gift.received_at,
        **replace(gift, donor_email=gift.donor_email.strip()).written(),
    )
    write_parts(donation, gift.parts)
    received = gift.received_at.astimezone(campaign.tz)
    text = gettext("Entered: %(method)s, received %(received_on)s.") % {
        "method": donation.method_text.lower(),
        "received_on": full_day_text(received),
    }
    GiftNote.objects.create(donation=donation, at=now, actor=actor, text=text)
    matched = as_matched(donation, gift)
    late_gifts.match_offline(campaign_id=campaign.pk, gift=matched, now=now, actor=actor)
    work.owe(donation=donation, kind=FollowUp.Kind.RECEIPT, now=now)
    return donation
