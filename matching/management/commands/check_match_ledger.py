from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from matching.checking import check_pool, halt_pool
from matching.models import MatchPool


class Command(BaseCommand):
    help = "Recompute every balance and chain of the match ledger; name pool and cent of any fault, exit non-zero."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--halt", action="store_true", help="stop new match from pools at fault")

    def handle(self, *args: object, **options: object) -> None:
        faulty = 0
        for pool in MatchPool.objects.order_by("pk"):
            findings = check_pool(pool)
            for finding in findings:
                self.stderr.write(f"pool {pool.pk} ({pool.name}): {finding.text}")
            if findings and options["halt"]:
                halt_pool(pool_id=pool.pk, reason=findings[0].text)
                self.stderr.write(f"pool {pool.pk} ({pool.name}): new match is stopped; giving goes on without it")
            if not findings:
                self.stdout.write(f"pool {pool.pk} ({pool.name}): {pool.head_seq} entries agree")
            faulty += bool(findings)
        if faulty:
            raise CommandError(f"{faulty} of the pools do not agree with their entries")
