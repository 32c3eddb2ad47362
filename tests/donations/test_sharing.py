"""What a donor may pass on from the page of a gift."""

from datetime import UTC, datetime
from html import unescape

import pytest

from campaign.models import Fund
from tests import factories
from tests.donations.give_form import open_campaign

pytestmark = pytest.mark.django_db


@pytest.fixture
def gift():
    campaign = open_campaign()
    to = [(fund, 12_345) for fund in campaign.funds.all()[:1]]
    return factories.donation(campaign=campaign, parts=to, at=datetime.now(UTC))


def shown(client, gift) -> str:
    return unescape(client.get(gift.get_absolute_url()).content.decode())


def test_it_passes_the_fund_on_and_neither_the_amount_nor_the_gifts_own_page(client, gift, settings):
    settings.SITE_URL = "https://giving.example.org"
    fund = gift.designations.get().fund
    part = shown(client, gift).split('class="share')[1].split("</section>")[0]
    assert f'data-url="https://giving.example.org/funds/{fund.slug}/"' in part
    assert f"I just gave to {fund.name} at Harborview Hospital for Giving Tuesday. You can, too:" in part
    address = f"https%3A%2F%2Fgiving.example.org%2Ffunds%2F{fund.slug}%2F"
    assert f"https://www.facebook.com/sharer/sharer.php?u={address}" in part
    assert "mailto:?subject=Giving%20Tuesday%3A%20Harborview%20Hospital&body=I%20just%20gave%20to" in part
    assert gift.token not in part
    assert "123" not in part


def test_a_gift_that_is_not_paid_or_a_fund_that_nobody_sees_is_not_passed_on(client, gift):
    Fund.objects.update(is_published=False)
    assert 'class="share' not in shown(client, gift)
    unpaid = factories.donation(campaign=gift.campaign, state="started", at=datetime.now(UTC))
    Fund.objects.update(is_published=True)
    assert 'class="share' not in shown(client, unpaid)
