"""A spreadsheet of checks while its workers are killed with -9: each row becomes one gift, and the books are whole."""

import os
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from donations import tasks
from donations.models import Donation, FollowUp, GiftImport
from matching.checking import check_campaigns
from matching.models import MatchPool
from tests import factories
from tests.beside import eventually
from tests.concurrency.test_lost_and_killed import QUICK, send
from tests.donations.import_file import confirm, csv_of, people, read

pytestmark = pytest.mark.django_db(transaction=True)
CHAOS = bool(os.environ.get("CHAOS"))


def test_an_import_whose_worker_is_killed_again_and_again(site):
    rows, kills = (1_000, 12) if CHAOS else (60, 2)
    factories.organization()
    campaign = factories.open_campaign()
    now = timezone.now()
    factories.pool(campaign=campaign, limit_minor=1_000_000, now=now - timedelta(days=3))
    yesterday = (now - timedelta(days=1)).astimezone(campaign.tz)
    campaign.opens_at = now - timedelta(days=3)
    campaign.save(update_fields=["opens_at"])
    site.stop("worker")
    made = read(campaign, csv_of(*people(rows, **{"Received on": f"{yesterday:%Y-%m-%d}"})), now=now)
    assert confirm(made, now=now)
    site.start("beat", environment=QUICK)
    for number in range(kills):
        site.start("worker", environment=QUICK)
        if number == 0:
            send(site, tasks.enter_import, [made.pk])
        wanted = rows * (number + 1) // (kills + 2)
        eventually(lambda wanted=wanted: Donation.objects.count() >= wanted, why=lambda: _where(made))
        assert Donation.objects.count() < rows, "it was over before it was killed"
        site.kill("worker")
    site.start("worker", environment=QUICK)
    eventually(lambda: _state(made) == "done", seconds=90, why=lambda: _where(made))
    assert made.rows.filter(state="entered").count() == rows == Donation.objects.count()
    assert made.rows.values("donation").distinct().count() == rows
    assert MatchPool.objects.get().matched_minor == 1_000_000
    assert check_campaigns() == []
    eventually(lambda: not FollowUp.objects.exclude(state="done").exists(), seconds=120, why=lambda: _where(made))


def _state(made: GiftImport) -> str:
    time.sleep(0.1)
    return GiftImport.objects.get(pk=made.pk).state


def _where(made: GiftImport) -> str:
    return f"{_state(made)}, {Donation.objects.count()} gifts, {FollowUp.objects.exclude(state='done').count()} owed"
