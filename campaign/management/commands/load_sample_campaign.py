import os

import reversion
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from campaign.models import Campaign
from campaign.sample import content, gifts, match, pages, people, pictures
from donations.models import Donation


class Command(BaseCommand):
    help = (
        "Load the sample campaign: pages, pictures, sponsors, gifts, and log-ins when DEMO_PASSWORD is set. "
        "Writes nothing twice and changes nothing that is there."
    )

    def handle(self, *args: object, **options: object) -> None:
        password = os.environ.get("DEMO_PASSWORD", "")
        if settings.STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_")):
            raise CommandError("The sample is for trying the site: it is not loaded where real money moves.")
        with transaction.atomic():
            made = people.write_people(password=password) if password else []
            loaded = self._load()
        if made:
            self.stdout.write(f"log-ins made: {', '.join(made)}")
        self.stdout.write(loaded or "the sample campaign is there already; nothing was changed")

    def _load(self) -> str:
        """All of it in one transaction, so that it is there whole or not at all. What was done, or nothing."""
        if Campaign.objects.filter(slug=content.campaign_file()["campaign"]["slug"]).exists():
            return ""
        if Donation.objects.exists():
            raise CommandError("This database has gifts of its own: invented ones would falsify its books.")
        now = timezone.now()
        pages.write_organization()
        stored = pictures.store_all()
        with reversion.create_revision():
            reversion.set_comment("The sample")
            funds = pages.write_funds(pictures=stored)
        campaign = pages.write_campaign(funds, pictures=stored)
        opened = match.open_pools(campaign=campaign, pictures=stored, now=gifts.pools_open_at(now=now))
        count = gifts.write_gifts(campaign=campaign, now=now)
        return f"loaded {campaign}: {len(funds)} funds, {len(opened)} match pools, {count} gifts"
