from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from campaign.clock import database_now
from matching.checking import check_pool
from matching.models import MatchPool
from matching.watch import halt_pool, next_steps


class Command(BaseCommand):
    help = "Recompute every balance and chain of the match ledger; name pool and cent of any fault, exit non-zero."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--pool", type=int, metavar="NUMBER", help="only this pool")
        parser.add_argument("--halt", action="store_true", help="stop new match from pools at fault")

    def handle(self, *args: object, **options: object) -> None:
        pools = list(MatchPool.objects.order_by("pk"))
        if options["pool"] is not None:
            pools = [pool for pool in pools if pool.pk == options["pool"]]
            if not pools:
                raise CommandError(f"There is no pool {options['pool']}; without --pool all are checked and named.")
        faulty = sum(self._is_at_fault(pool, halt=bool(options["halt"])) for pool in pools)
        if faulty:
            raise CommandError(f"{faulty} of the pools do not agree with their entries")

    def _is_at_fault(self, pool: MatchPool, *, halt: bool) -> bool:
        """Check one pool and say what was found, and what to do when it is halted."""
        checked = check_pool(pool)
        name = f"pool {pool.pk} ({pool})"
        for finding in checked.findings:
            self.stderr.write(f"{name}: {finding}")
        if checked.findings and halt:
            halt_pool(pool_id=pool.pk, reason=checked.findings[0], now=database_now())
        if not checked.findings:
            self.stdout.write(f"{name}: {checked.entries:,} entries agree")
        pool.refresh_from_db(fields=["halted_reason"])
        if pool.halted_reason:
            self.stderr.write(f"{name} is halted: it gives no new match, giving goes on without it. What to do:")
            for number, step in enumerate(next_steps(pool), start=1):
                self.stderr.write(f"  {number}. {step}")
        elif checked.findings:
            self.stderr.write(f"{name} still matches gifts; --halt stops that, and so will the next check by timer")
        return bool(checked.findings)
