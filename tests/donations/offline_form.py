"""The form for checks and cash as a browser sends it, and gifts made through the site's own functions."""

from datetime import datetime
from typing import Any
from uuid import uuid4

from django.test import Client

from campaign.models import Campaign
from donations import offline_gifts
from donations.models import Donation
from donations.offline_gifts import OfflineGift
from tests.donations.give_form import hidden
from tests.factories import GIFT_AT

ADDRESS = "/staff/gifts/new/"
CHECK = {
    "other_amount": "250",
    "fund": "education",
    "method": "cheque",
    "cheque_number": "1042",
    "received_on": "2026-12-01",
    "received_time": "10:30",
    "donor_name": "Walter Finch",
    "donor_email": "",
    "country": "US",
    "address_line1": "12 Elm Street",
    "city": "Boston",
    "region": "MA",
    "postal_code": "02110",
}


def filled(client: Client, address: str = ADDRESS, **changes: Any) -> dict[str, str]:
    """What the form at this address sends for Walter's check; a change to None leaves a field out."""
    sent = {"form_key": hidden(client.get(address).content.decode(), "form_key"), **CHECK} | changes
    return {name: value for name, value in sent.items() if value is not None}


def entered(campaign: Campaign, *, now: datetime = GIFT_AT, amount_minor: int = 25_000, **changes: Any) -> Donation:
    """A check received and entered at `now`; changes: any field of OfflineGift."""
    fund = campaign.funds.first()
    assert fund is not None
    values: dict[str, Any] = {
        "parts": ((fund.pk, amount_minor),),
        "method": "cheque",
        "cheque_number": "1042",
        "received_at": now,
        "donor_name": "Walter Finch",
        "address_line1": "12 Elm Street",
        "city": "Boston",
        "region": "MA",
        "postal_code": "02110",
    } | changes
    return offline_gifts.enter_gift(
        campaign=campaign, gift=OfflineGift(**values), form_key=uuid4().hex, actor="staff:7", now=now
    )
