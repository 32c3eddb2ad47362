"""Rows that tests start from: one call makes one valid thing, with plain defaults that any keyword replaces.

The cast: Harborview Hospital Foundation, its Giving Tuesday of 1 December 2026 in Boston, and Maria Alvarez.
Money in minor units; moments aware UTC. Every call that needs something else makes it unless it is given.
"""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from campaign.models import Campaign, Fund, Organization
from donations.models import Designation, Donation, Donor
from matching import holds, pools
from matching.allocation import Part
from matching.models import MatchPool, Reservation, Sponsor

OPENS_AT = datetime(2026, 12, 1, 5, tzinfo=UTC)  # midnight in Boston
CLOSES_AT = datetime(2026, 12, 2, 5, tzinfo=UTC)
GIFT_AT = datetime(2026, 12, 1, 15, 30, tzinfo=UTC)  # 10:30 AM in Boston

_serial = itertools.count(1)


def organization(**changes: Any) -> Organization:
    """The one organization, made or brought to these values."""
    values = {
        "public_name": "Harborview Hospital",
        "legal_name": "Harborview Hospital Foundation, Inc.",
        "ein": "04-1234567",
        "address": "100 Wharf Street\nBoston, MA 02110",
        "phone": "617-555-0142",
        "email": "giving@harborview.example",
        "website": "https://harborview.example",
        "state_disclosures": "",
        "signatory_name": "Joan Whitfield",
        "signatory_title": "Chief Development Officer",
    } | changes
    made, _ = Organization.objects.update_or_create(id=1, defaults=values)
    return made


def fund(name: str = "", **changes: Any) -> Fund:
    serial = next(_serial)
    values = {
        "name": name or f"Fund {serial}",
        "slug": f"fund-{serial}",
        "summary": "Training for every member of our care teams.",
        "gl_code": f"4000-{serial}",
        "position": serial % 1000,
    } | changes
    return Fund.objects.create(**values)


def campaign(*, funds: Sequence[Fund] | None = None, **changes: Any) -> Campaign:
    """A campaign; the current one unless there is one already. funds: one called Education if not given."""
    values = {
        "name": "Giving Tuesday",
        "slug": f"giving-tuesday-{next(_serial)}",
        "is_current": not Campaign.objects.filter(is_current=True).exists(),
        "opens_at": OPENS_AT,
        "closes_at": CLOSES_AT,
        "time_zone": "America/New_York",
        "time_zone_label": "Boston time",
        "goal_minor": 25_000_000,
        "heading": "Giving Tuesday is almost here!",
        "lead": "Make your gift today and it will be matched dollar for dollar.",
    } | changes
    made: Campaign = Campaign.objects.create(**values)
    made.funds.set([fund("Education")] if funds is None else funds)
    return made


def open_campaign(**changes: Any) -> Campaign:
    """A campaign that is open at this very moment, for tests that go by the real clock."""
    now = datetime.now(UTC)
    window = {"opens_at": now - timedelta(hours=2), "closes_at": now + timedelta(hours=20)}
    return campaign(**(window | changes))


def sponsor(name: str = "The Harbor Family", **changes: Any) -> Sponsor:
    return Sponsor.objects.create(**({"name": name, "public_name": name} | changes))


def pool(
    *,
    campaign: Campaign,
    sponsor: Sponsor | None = None,
    limit_minor: int = 1_000_000,
    now: datetime | None = None,
    leftover: str = "given",
    **terms: Any,
) -> MatchPool:
    """An open pool with its pledge in the ledger, made when its campaign opened.

    terms: fields of matching.pools.Terms. now: when it is made instead.
    """
    chosen = sponsor or globals()["sponsor"]()
    return pools.open_pool(
        campaign=campaign,
        sponsor=chosen,
        name=f"{chosen.name}, {next(_serial)}",
        limit_minor=limit_minor,
        terms=pools.Terms(**terms),
        actor="system",
        now=now or campaign.opens_at,
        leftover=leftover,
    )


def donor(name: str = "Maria Alvarez", email: str = "") -> Donor:
    address = (email or f"maria{next(_serial)}@example.org").strip().lower()
    made, _ = Donor.objects.get_or_create(email=address, defaults={"name": name})
    return made


def donation(
    *,
    campaign: Campaign | None = None,
    parts: Sequence[tuple[Fund, int]] | None = None,
    amount_minor: int = 10_000,
    state: str = Donation.State.PAID,
    at: datetime = GIFT_AT,
    **changes: Any,
) -> Donation:
    """One gift with its designations, paid by card at `at` unless another state is asked for.

    parts: what goes to which fund, 1..n; the whole amount to the campaign's first fund if not given.
    amount_minor: counts only without parts. changes: any field of Donation.
    """
    organization_is_there()
    chosen = campaign or Campaign.objects.filter(is_current=True).first() or globals()["campaign"]()
    chosen_parts = parts or [(chosen.funds.first() or fund("Education"), amount_minor)]
    giver = changes.pop("donor", None) or donor(
        changes.get("donor_name", "Maria Alvarez"), changes.get("donor_email", "")
    )
    paid = state == Donation.State.PAID
    serial = next(_serial)
    values: dict[str, Any] = {
        "form_key": f"form-{serial}",
        "state": state,
        "amount_minor": sum(amount for _, amount in chosen_parts),
        "currency": chosen.currency,
        "donor_name": giver.name,
        "donor_email": giver.email,
        "submitted_at": at,
        "paid_at": at if paid else None,
        "method": Donation.Method.CARD if paid else "",
        "method_label": "Visa" if paid else "",
        "method_last4": "4242" if paid else "",
        "payment_intent": f"pi_test_{serial}" if paid else None,
        "charge": f"ch_test_{serial}" if paid else "",
    } | changes
    with transaction.atomic():
        made = Donation.objects.create(campaign=chosen, donor=giver, **values)
        Designation.objects.bulk_create(
            Designation(donation=made, fund=to, amount_minor=amount, position=position)
            for position, (to, amount) in enumerate(chosen_parts)
        )
    return made


def match(donation: Donation, *, at: datetime = GIFT_AT, is_paid: bool = True) -> Reservation:
    """Hold what the pools give for a gift, and commit it when the gift is paid."""
    gift = holds.Gift(
        key=donation.match_key,
        donor_key=str(donation.donor_id),
        parts=tuple(Part(row.fund_id, row.amount_minor) for row in donation.designations.all()),
        submitted_at=donation.submitted_at,
    )
    held = holds.hold(campaign_id=donation.campaign_id, gift=gift, now=at)
    return holds.commit(key=donation.match_key, now=at, actor="system") if is_paid else held


def organization_is_there() -> Organization:
    return Organization.objects.first() or organization()
