from argparse import ArgumentParser

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from campaign.clock import database_now
from matching.ledger import PoolsBusy
from matching.models import MatchPool
from matching.watch import PoolNotHalted, PoolStillAtFault, resume_pool


class Command(BaseCommand):
    help = "Check a halted match pool and let it match again; refused while anything in its ledger is off."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("pool", type=int, metavar="NUMBER", help="the pool's number, as the staff pages name it")
        parser.add_argument("--by", required=True, metavar="USER", help="your user name on the staff pages")

    def handle(self, *args: object, **options: object) -> None:
        person = get_user_model().objects.filter(username=options["by"], is_active=True).first()
        if person is None:
            raise CommandError(f"Nobody logs in to the staff pages as {options['by']}: name yourself with --by.")
        number = options["pool"]
        try:
            checked = resume_pool(pool_id=int(str(number)), actor=f"staff:{person.pk}", now=database_now())
        except MatchPool.DoesNotExist:
            raise CommandError(f"There is no pool {number}; check_match_ledger names them all.") from None
        except PoolNotHalted as pool:
            raise CommandError(f"Pool {number} ({pool}) is not halted; nothing was changed.") from None
        except PoolStillAtFault as fault:
            for finding in fault.findings:
                self.stderr.write(f"pool {number}: {finding}")
            raise CommandError(f"Pool {number} stays halted: what is off must be put right first.") from None
        except PoolsBusy:
            raise CommandError(f"Pool {number} stays halted: others had it locked. Please run this again.") from None
        said = f"Resumed after a check of {checked.entries:,} entries without findings."
        LogEntry.objects.log_actions(person.pk, [checked.pool], CHANGE, change_message=said)
        self.stdout.write(f"pool {number} ({checked.pool}): {checked.entries:,} entries agree; it matches gifts again")
