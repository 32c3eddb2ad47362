"""The staff's pages in a browser: everybody who works there can read and use them, on a phone as well."""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone

from campaign import photographs
from campaign.models import Campaign
from donations.models import Donation, GiftMessage, Tribute, TributeNotice
from matching.models import MatchPool, Sponsor
from tests import factories, staff
from tests.campaign.pages import QUICK_FORMATS
from tests.journeys.everyone import unfit_for_zoom_and_thumbs
from tests.pages import LOOKS, PHONE

pytestmark = pytest.mark.django_db(transaction=True)
PAGES = [
    "/staff/",
    "/staff/gifts/",
    "/staff/gifts/?q=nobody",
    "/staff/gifts/new/",
    "/staff/gifts/imports/",
    "/staff/gifts/{gift}/",
    "/staff/came-from/",
    "/staff/attention/",
    "/staff/stripe/",
    "/staff/monthly/",
    "/staff/messages/",
    "/staff/messages/names/",
    "/staff/messages/?show=shown",
    "/staff/tributes/to-post/",
    "/staff/pools/",
    "/staff/pools/new/",
    "/staff/pools/new/?kind=lump",
    "/staff/pools/{pool}/",
    "/staff/pools/{pool}/terms/",
    "/staff/sponsors/{sponsor}/",
    "/staff/receipts/",
    "/staff/receipts/to-post/",
    "/staff/exports/",
    "/staff/books/",
    "/staff/books/{month}/",
    "/staff/embeds/",
    "/staff/preview/",
    "/staff/style/",
]


def _told(gift_id: int) -> None:
    """A message to be read, and a note to be posted."""
    GiftMessage.objects.create(donation_id=gift_id, text="For the night nurses. " * 12)
    tribute = Tribute.objects.create(donation_id=gift_id, kind="memory", name="Ana Ruiz")
    address = {"recipient_name": "Luis Ruiz", "address_line1": "5 Bay Road", "city": "Boston"}
    TributeNotice.objects.create(tribute=tribute, way="post", consented_at=timezone.now(), **address)


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_accessible_and_fits(open_page, live_server, monkeypatch, look):
    monkeypatch.setattr(photographs, "FORMATS", QUICK_FORMATS)
    call_command("load_sample_campaign", verbosity=0)
    opened_at = timezone.now() - timedelta(hours=9)
    Campaign.objects.update(opens_at=opened_at, closes_at=opened_at + timedelta(hours=24))
    ids = {"gift": Donation, "pool": MatchPool, "sponsor": Sponsor}
    shown = {name: model.objects.order_by("pk").values_list("pk", flat=True).first() for name, model in ids.items()}
    _told(shown["gift"])
    a_month_ago = timezone.now() - timedelta(days=40)
    shown["month"] = f"{a_month_ago:%Y-%m}"  # ready to close
    factories.donation(campaign=Campaign.objects.current(), at=a_month_ago)
    page = open_page(**look)
    unfit: dict[str, list[str]] = {}
    session = staff.client_of(User.objects.get(username="admin")).cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
    seen = PAGES if look["viewport"] == PHONE else PAGES[::3]  # both looks have the same parts
    for address in [address.format(**shown) for address in seen]:
        assert page.goto(live_server.url + address).status == 200, address
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        assert [(address, rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), address
        if look["viewport"] == PHONE:
            unfit |= {address: found} if (found := unfit_for_zoom_and_thumbs(page)) else {}
    assert unfit == {}
