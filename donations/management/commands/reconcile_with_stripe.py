from argparse import ArgumentParser
from datetime import date, timedelta

from django.core.management.base import BaseCommand, CommandError

from campaign.clock import database_now
from campaign.models import Campaign
from campaign.money import format_amount
from donations import stripe_days, stripe_runs, tasks
from donations.models import StripeRun
from donations.search import midnight
from matching.ledger import SYSTEM

_TURN_SECONDS = 30.0


class Command(BaseCommand):
    help = (
        "Go through everything that Stripe has and make our books agree; then name every difference of each day, and "
        "exit non-zero when there is one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", type=date.fromisoformat, metavar="DAY", help="from this day on (2026-12-01)")

    def handle(self, *args: object, **options: object) -> None:
        campaign = Campaign.objects.current() or Campaign.objects.order_by("-opens_at").first()
        if campaign is None:
            raise CommandError("There is no campaign, so there is nothing to compare.")
        asked = options["since"]
        since = midnight(asked, campaign.tz) if isinstance(asked, date) else None
        run = stripe_runs.start(started_by=SYSTEM, now=database_now(), since=since)
        self._finish(run)
        run.refresh_from_db()
        for what, count in run.found.items():
            if isinstance(count, int):  # the days that differ follow by name
                self.stdout.write(f"{what.replace('_', ' ')}: {count:,}")
        first = run.since.astimezone(campaign.tz).date()
        last = run.started_at.astimezone(campaign.tz).date()
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        unequal = [day for day in days if not self._is_equal(campaign, day)]
        if unequal:
            raise CommandError(f"{len(unequal)} of {len(days)} days differ: /staff/stripe/?day={unequal[0]}")

    def _finish(self, run: StripeRun) -> None:
        """Turn after turn to the end. Raises CommandError when Stripe does not answer or somebody else is at it."""
        while True:
            done = stripe_runs.advance(run_id=run.pk, clock=database_now, seconds=_TURN_SECONDS)
            for row_id in done.stored:
                tasks.wake(tasks.apply_event, row_id)
            for donation_id in done.moved:
                tasks.wake_after_payment(donation_id)
            run.refresh_from_db()
            if run.finished_at:
                return
            if not done.is_stopped_by_time:
                raise CommandError(f"It stopped at the {run.step}: {run.last_error or 'another worker is at it'}.")

    def _is_equal(self, campaign: Campaign, day: date) -> bool:
        start, end = midnight(day, campaign.tz), midnight(day + timedelta(days=1), campaign.tz)
        books = stripe_days.compare(start=start, end=end, currency=campaign.currency)
        shown = format_amount(books.difference_minor, currency=campaign.currency)
        if books.lines or books.differences:
            self.stdout.write(f"{day}: difference {shown}")
        for row in books.differences:
            self.stderr.write(f"{day}: {row.what}: {row.name}")
        return books.is_equal
