"""The giving form as a browser sends it, for the tests of its pages."""

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

from django.test import Client

from campaign.models import Campaign
from donations.models import Donation
from tests import factories

DONOR = {"donor_name": "Marta Reyes", "donor_email": "marta@example.org", "country": "US"}


def open_campaign(**changes: Any) -> Campaign:
    """A campaign that is open now, with two funds that take gifts and one that does not."""
    factories.organization()
    funds = [
        factories.fund("Education", slug="education", position=1),
        factories.fund("Nursing research", slug="nursing", position=2),
        factories.fund("Old wing", slug="old-wing", position=3, is_open=False),
    ]
    return factories.open_campaign(funds=funds, **changes)


def hidden(html: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', html)
    assert found, f"no hidden field {name}"
    return unescape(found[1])


def filled(client: Client, address: str = "/give/?fund=education&amount=100", **changes: Any) -> dict[str, str]:
    """What the form at this address sends when Marta fills it in; a change to None leaves a field out."""
    html = client.get(address).content.decode()
    sent = {name: hidden(html, name) for name in ("form_key", "promised_match_minor", "promised_for")}
    sent |= {"amount": "100.00", "other_amount": "", "fund": "education", **DONOR}
    return {name: value for name, value in (sent | changes).items() if value is not None}


def give(client: Client, **changes: Any) -> Donation:
    """A gift that was started through the form."""
    answer = client.post("/give/", filled(client, **changes))
    assert answer.status_code == 303, answer.content.decode()
    return Donation.objects.get(token=answer["Location"].split("/")[2])


def error_beside(html: str, name: str) -> str:
    """The error that the field itself points to, as text, or empty."""
    found = re.search(rf'<p class="err" id="id_{name}_error">(.*?)</p>', html, re.DOTALL)
    if not found:
        return ""
    control = re.search(rf'<(?:input|select)[^>]* name="{name}"[^>]*>', html)
    assert control
    assert f"id_{name}_error" in control[0]
    assert 'aria-invalid="true"' in control[0]
    return unescape(found[1])


def words(html: str) -> str:
    """What a page says between its header and its footer, or all of a fragment, without markup."""
    main = html.rpartition("<main")[2].partition("</main>")[0]
    return " ".join(unescape(re.sub("<[^>]+>", " ", f"<{main}")).split())


def post(client: Client, gift: Donation, name: str, **sent: str) -> Any:
    """Press a button of the gift's own pages."""
    return client.post(f"/gifts/{gift.token}/{name}", sent)


def lapsed(client: Client, settings: Any) -> Donation:
    """A gift whose hold has ended."""
    settings.HOLD_SECONDS = 0
    gift = give(client)
    settings.HOLD_SECONDS = 900
    return gift


def lower_match(client: Client, campaign: Campaign, left_minor: int = 735) -> Donation:
    """A gift of $100 whose form showed a whole match, while another donor left less."""
    pool = factories.pool(campaign=campaign, limit_minor=10_000)
    form = filled(client)
    other = factories.donation(campaign=campaign, amount_minor=10_000 - left_minor, at=datetime.now(UTC))
    factories.match(other, at=datetime.now(UTC))
    pool.refresh_from_db()
    assert pool.free_minor == left_minor
    client.post("/give/", form)
    return Donation.objects.get(state="started")
