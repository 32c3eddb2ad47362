"""Attempts to pay are counted by where they come from and for whom, and only those that led to nothing."""

from datetime import timedelta

import pytest
from django.test import RequestFactory
from django.utils import timezone

from donations import limits
from donations.models import Donation
from donations.sources import source_of
from tests import factories

pytestmark = pytest.mark.django_db


def gifts(count, *, tries=5, state="abandoned", at=None, **changes):
    now = at or timezone.now()
    made = [factories.donation(state=state, at=now, tries=tries, **changes) for _ in range(count)]
    return made[-1]


def refused(donation):
    try:
        limits.refuse_too_many(donation, now=timezone.now())
    except limits.TooManyAttempts:
        return True
    return False


def test_sixty_presses_for_nothing_from_one_source_are_enough():
    fresh = gifts(1, tries=0, state="started", source="thief")
    gifts(11, source="thief")
    assert not refused(fresh)
    gifts(1, source="thief")
    assert refused(fresh)
    assert not refused(gifts(1, tries=0, state="started", source="neighbour"))


def test_four_hundred_gifts_that_were_paid_count_for_nothing():
    gifts(80, tries=5, state=Donation.State.PAID, source="hospital")
    assert not refused(gifts(1, tries=0, state="started", source="hospital"))


def test_what_was_an_hour_ago_is_forgotten():
    gifts(13, source="thief", at=timezone.now() - timedelta(minutes=61))
    assert not refused(gifts(1, tries=0, state="started", source="thief"))


def test_one_address_of_mail_has_ten():
    donor = factories.donor(email="marta@example.org")
    gifts(2, donor=donor, source="")
    assert refused(gifts(1, tries=0, state="started", donor=donor))
    assert not refused(gifts(1, tries=0, state="started"))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
    ],
)
def test_a_source_is_an_address_or_a_network_of_64_bits(one, other, same):
    request = RequestFactory()
    first, second = (source_of(request.get("/", REMOTE_ADDR=address)) for address in (one, other))
    assert (first == second, len(first)) == (same, 16)


def test_behind_a_proxy_it_is_what_the_proxy_saw_and_not_what_the_sender_wrote(settings):
    request = RequestFactory()
    direct = source_of(request.get("/", REMOTE_ADDR="203.0.113.7"))
    settings.TRUSTED_PROXIES = 1
    headers = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
    assert source_of(request.get("/", REMOTE_ADDR="127.0.0.1", headers=headers)) == direct


def test_no_address_is_no_source():
    assert source_of(RequestFactory().get("/", REMOTE_ADDR="")) == ""
