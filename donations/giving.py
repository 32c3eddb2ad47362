"""Starting a gift, and leaving it again: everything between the form and the card.

One form makes one gift: its key was made before it was sent. The gift, its designations and the sponsors' money
held for it are written in one transaction; Stripe is not involved until the donor presses Give.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext

from campaign.models import Campaign
from donations import gateway, limits, monthly_start, public_messages, reminders, subscriptions, tributes, work
from donations.models import Designation, Donation, Donor, FollowUp, GiftNote
from donations.tributes import TributeRequest
from matching import holds
from matching.allocation import Part
from matching.ledger import DONOR, SYSTEM, PoolsBusy, busy_when_locked
from matching.queries import GiftMatch, gift_match

_TYPED = (
    "fee_minor",
    *Donation.OF_DONOR_ONLINE,
    "way",
    "wants_reminder",
    "team_id",
)


class GiftAlreadyPaid(Exception):
    """The form's gift is paid (or failed for good): another gift needs another form."""

    def __init__(self, donation: Donation) -> None:
        super().__init__(donation.reference)
        self.donation = donation


class GiftInFlight(GiftAlreadyPaid):
    """The form's gift is being paid this moment; it can be followed, not changed."""


@dataclass(frozen=True, slots=True)
class GiftRequest:
    """A valid form. parts: (fund id, amount in minor units), 1..n, distinct funds, each > 0; they are the gift.

    fee_minor: card cost the donor covers, 0 or more. promised_match_minor: the match that the page showed.
    source: where it came from, hashed (sources.source_of). form_session: the browser, as its cookie
    names it. suspicion: what made the form look like a robot's, or empty. way: one of Donation.Way. wants_reminder: one
    e-mail if the gift is not finished (reminders.py). opts_out: no fundraising messages from now on.
    message: for everybody to read, once staff have. tribute: whom the gift honors. team_id: the department or team it
    counts for, one of the campaign's. utm_*: of the link that led here, cleaned (source_codes.py); other ones do not
    make it another gift.
    """

    form_key: str
    parts: tuple[tuple[int, int], ...]
    fee_minor: int
    donor_name: str
    donor_email: str
    address_line1: str = ""
    address_line2: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = "US"
    hides_name: bool = False
    hides_amount: bool = False
    company: str = ""
    phone: str = ""
    opts_out: bool = False
    message: str = ""
    tribute: TributeRequest | None = None
    team_id: int | None = None
    promised_match_minor: int = 0
    source: str = ""
    way: str = Donation.Way.ONCE
    form_session: str = ""
    suspicion: str = ""
    wants_reminder: bool = False
    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    utm_content: str = ""
    utm_term: str = ""

    @property
    def amount_minor(self) -> int:
        return sum(amount_minor for _, amount_minor in self.parts)


def start_gift(*, campaign: Campaign, request: GiftRequest, now: datetime) -> Donation:
    """Write down a gift and hold its match; a repeat of the same form returns the same gift.

    The same key with other content replaces the gift that was not paid: its hold is released first. When the pools are
    busy for longer than LOCK_TIMEOUT_MS, the gift is kept without a match: kept_gifts.py decides that next, after it
    has let go what the replaced gift still holds.
    Raises GiftAlreadyPaid or GiftInFlight (both name the gift), ledger.PoolsBusy (the gift's row, or its form, is busy;
    nothing written: send again) or its kind limits.TooMuchHeld, gateway.GatewayUnavailable when a payment to be
    replaced cannot be cancelled now.
    One transaction for the gift, its designations and its reservation; Stripe is only asked to cancel.
    """
    earlier = _live_gift(request.form_key)
    if earlier is not None:
        if earlier.state in (Donation.State.PAID, Donation.State.FAILED):
            raise GiftAlreadyPaid(earlier)
        if _is_same(earlier, request):
            return earlier
    limits.refuse_too_much_held(
        source=request.source,
        session=request.form_session,
        form_key=request.form_key,
        largest_gift_minor=campaign.max_gift_minor,
        now=now,
    )
    if earlier is not None and not abandon_gift(donation_id=earlier.pk, now=now, actor=DONOR):
        raise GiftInFlight(earlier)
    pools_are_busy = earlier is not None and left_holding(earlier.donor_id).exists()
    try:
        with transaction.atomic(), busy_when_locked("the same form"):
            return _write_gift(campaign=campaign, request=request, pools_are_busy=pools_are_busy, now=now)
    except IntegrityError as error:
        twin = _live_gift(request.form_key)  # the other half of a double click was quicker
        if twin is None:
            raise
        if not _is_same(twin, request):
            raise PoolsBusy("the same form was sent with other content at this moment") from error
        return twin


def match_is_lower(donation: Donation, match: GiftMatch | None) -> bool:
    """Whether the donor must be asked first: less is held than the page promised, and they have not agreed."""
    held = match.match_minor if match else 0
    return held < donation.promised_match_minor and donation.accepted_lower_match_at is None


def accept_lower_match(*, donation_id: int, now: datetime) -> None:
    """The donor has seen the exact lower figure and goes on. A repeat, or an undecided match, changes nothing."""
    gift = Donation.objects.filter(pk=donation_id, accepted_lower_match_at=None, awaits_match_since=None)
    with busy_when_locked(f"gift {donation_id}"):
        gift.update(accepted_lower_match_at=now)


def abandon_gift(*, donation_id: int, now: datetime, actor: str) -> bool:
    """The donor goes back, or never came: release the hold, cancel the payment if there is one.

    Returns True when the gift is abandoned now (or was before), False when its payment is under way or done.
    Raises gateway.GatewayUnavailable, ledger.PoolsBusy: nothing was changed, ask again later. Calls Stripe outside
    the transaction.
    """
    donation = Donation.objects.get(pk=donation_id)
    if donation.state != Donation.State.STARTED:
        return donation.state == Donation.State.ABANDONED
    opened = (donation.payment_intent, donation.setup_intent)
    if any(opened):
        try:
            cancel_at_stripe(donation)
        except gateway.PaymentUnderWay:
            return False
    with transaction.atomic():
        donation = locked_gift(donation_id)
        if donation.state != Donation.State.STARTED:
            return donation.state == Donation.State.ABANDONED
        is_reopened = (
            donation.payment_intent,
            donation.setup_intent,
        ) != opened  # in another tab, meanwhile: that payment must go too
        if not is_reopened:
            leave(donation, now=now, actor=actor)
    return abandon_gift(donation_id=donation_id, now=now, actor=actor) if is_reopened else True


def renew_hold(*, donation_id: int, now: datetime) -> GiftMatch | None:
    """Hold match again for a gift whose hold lapsed before it was paid; judged as if it were sent now.

    A hold that still stands is returned as it is; None for a gift whose match is not decided yet (kept_gifts.py).
    The donor must be shown the new figure. One transaction.
    Raises GiftAlreadyPaid when there is nothing left to pay; ledger.PoolsBusy; limits.TooMuchHeld.
    """
    with transaction.atomic():
        donation = locked_gift(donation_id)
        if donation.state != Donation.State.STARTED:
            raise GiftAlreadyPaid(donation)
        if donation.awaits_match_since is not None or not donation.takes_match:
            return None
        match = gift_match(key=donation.match_key)
        if match is None or not match.is_held_at(now):
            limits.refuse_too_much_held(
                source=donation.source,
                session=donation.form_session,
                form_key=donation.form_key,
                largest_gift_minor=donation.campaign.max_gift_minor,
                now=now,
            )
            limits.refuse_another_hold(donation)
            before = match.original_minor if match else 0
            hold_match(donation, submitted_at=now, now=now)
            limits.refuse_too_large_a_share(donation, now=now)
            match = gift_match(key=donation.match_key)
            _promise(donation, before_minor=before)
    return match


def cancel_at_stripe(donation: Donation) -> None:
    """Cancel the gift's payment, or the saving of its card, so that no card can be tried on it any more.

    Raises gateway.PaymentUnderWay when it is too late, and the gateway's errors.
    """
    if donation.monthly_id:
        monthly_start.cancel_at_stripe(donation)
    elif donation.payment_intent:
        gateway.cancel_payment(donation.payment_intent)
    else:
        subscriptions.cancel_saving(donation.setup_intent)


def locked_gift(donation_id: int) -> Donation:
    """The gift with its campaign, locked until the transaction ends: always before its pools. Raises PoolsBusy."""
    gifts = Donation.objects.select_for_update(no_key=True, of=("self",)).select_related("campaign")
    with busy_when_locked(f"gift {donation_id}"):
        return gifts.get(pk=donation_id)


def hold_match(donation: Donation, *, submitted_at: datetime, now: datetime) -> None:
    """Hold what the pools give to this gift as sent at submitted_at, in a savepoint of the caller's transaction.

    A gift that takes no match is left as it is. Raises PoolsBusy: then nothing is held, and what the caller wrote
    before stands.
    """
    if not donation.takes_match:
        return
    submitted_at = donation.charge_at or submitted_at  # a scheduled gift is judged by its day
    parts = donation.designations.values_list("fund_id", "amount_minor")
    gift = holds.Gift(
        key=donation.match_key,
        donor_key=str(donation.donor_id),
        parts=tuple(Part(fund_id, amount_minor) for fund_id, amount_minor in parts),
        submitted_at=submitted_at,
    )
    lasts = limits.hold_lasts(campaign_id=donation.campaign_id, now=now)
    holds.hold(campaign_id=donation.campaign_id, gift=gift, now=now, lasts=lasts)


def hold_fair_match(donation: Donation, *, submitted_at: datetime, now: datetime) -> None:
    """As hold_match(), for a gift that is past its form: where its source holds too much already it gets no match."""
    with suppress(limits.TooMuchHeld), transaction.atomic():
        hold_match(donation, submitted_at=submitted_at, now=now)
        limits.refuse_too_large_a_share(donation, now=now)


def let_go(donation: Donation, *, now: datetime, actor: str) -> None:
    """Release a gift's hold if it still stands; the gift must be locked by the caller."""
    try:
        holds.release(key=donation.match_key, now=now, actor=actor)
    except (holds.HoldResolved, holds.NoReservation):
        return


def leave(donation: Donation, *, now: datetime, actor: str) -> None:
    """End a gift that nobody paid: its form may start another. It must be locked, and started or scheduled.

    When the pools are busy for longer than LOCK_TIMEOUT_MS the gift ends all the same: letting its match go is owed.
    """
    donation.state = Donation.State.ABANDONED
    donation.closed_at = now
    donation.form_key = f"left-{donation.match_key}"  # the form may start another gift
    donation.awaits_match_since = None
    donation.save(update_fields=["state", "closed_at", "form_key", "awaits_match_since"])
    GiftNote.objects.create(donation=donation, at=now, actor=actor, text=gettext("Left without paying."))
    try:
        with transaction.atomic():
            let_go(donation, now=now, actor=actor)
    except PoolsBusy:
        work.owe(donation=donation, kind=FollowUp.Kind.RELEASE, now=now)
    monthly_start.end(donation)
    work.owe_forgetting(donation, now=now)


def left_holding(donor_id: int) -> QuerySet[Donation]:
    """A donor's gifts that were left while the pools were busy, and may hold match still."""
    owed = {"follow_ups__kind": FollowUp.Kind.RELEASE, "follow_ups__state": FollowUp.State.DUE}
    return Donation.objects.filter(donor=donor_id, state=Donation.State.ABANDONED, **owed)


def _live_gift(form_key: str) -> Donation | None:
    return Donation.objects.filter(form_key=form_key).first()


def _is_same(donation: Donation, request: GiftRequest) -> bool:
    parts = tuple(donation.designations.values_list("fund_id", "amount_minor"))
    typed = all(getattr(donation, name) == getattr(request, name) for name in _TYPED)
    told = (donation.opted_out_at is not None, public_messages.text_of(donation), tributes.asked_of(donation))
    return parts == request.parts and typed and told == (request.opts_out, request.message, request.tribute)


def _write_gift(*, campaign: Campaign, request: GiftRequest, pools_are_busy: bool, now: datetime) -> Donation:
    donation = Donation.objects.create(
        campaign=campaign,
        donor=_donor(request, now=now),
        form_key=request.form_key,
        amount_minor=request.amount_minor,
        currency=campaign.currency,
        promised_match_minor=request.promised_match_minor,
        source=request.source,
        form_session=request.form_session,
        suspicion=request.suspicion,
        submitted_at=now,
        opted_out_at=now if request.opts_out else None,
        charge_at=campaign.opens_at if request.way == Donation.Way.SCHEDULED else None,
        **{name: getattr(request, name) for name in (*_TYPED, *Donation.SOURCE_CODES)},
    )
    Designation.objects.bulk_create(
        Designation(donation=donation, fund_id=fund_id, amount_minor=amount_minor, position=position)
        for position, (fund_id, amount_minor) in enumerate(request.parts)
    )
    GiftNote.objects.create(donation=donation, at=now, actor=DONOR, text=gettext("Form sent."))
    if request.way == Donation.Way.MONTHLY:
        monthly_start.write(donation, now=now)
    public_messages.keep(donation, request.message)
    tributes.keep(donation, request.tribute, now=now)
    if donation.wants_reminder:
        reminders.owe(donation, now=now)
    try:
        if not pools_are_busy:
            hold_match(donation, submitted_at=now, now=now)
    except PoolsBusy:
        pools_are_busy = True
    if pools_are_busy:
        donation.awaits_match_since = now
        donation.save(update_fields=["awaits_match_since"])
        text = gettext("The match pools were busy; the gift is kept, and its match is decided next.")
        GiftNote.objects.create(donation=donation, at=now, actor=SYSTEM, text=text)
    limits.refuse_too_large_a_share(donation, now=now)
    return donation


def _promise(donation: Donation, *, before_minor: int) -> None:
    """After a hold was renewed, what the donor saw before is what the page promised; less must be agreed to."""
    donation.promised_match_minor = before_minor
    donation.accepted_lower_match_at = None
    donation.save(update_fields=["promised_match_minor", "accepted_lower_match_at"])


def _donor(request: GiftRequest, *, now: datetime) -> Donor:
    """The donor of that e-mail address. A known one keeps their name until a gift is paid (payments.settle).

    Opting out counts at once, paid or not, and stays: a later form without the tick takes nothing back.
    """
    email = request.donor_email.strip().lower()
    donor, _ = Donor.objects.get_or_create(email=email, defaults={"name": request.donor_name})
    if request.opts_out:
        Donor.objects.filter(pk=donor.pk, opted_out_at=None).update(opted_out_at=now)
    return donor
