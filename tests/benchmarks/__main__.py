"""python -m tests.benchmarks [PART ...]: how fast the site is on this machine, as figures and ratios.

`make bench` runs it beside a PostgreSQL and a Valkey of its own. Nothing here judges a time: what the figures mean is
in docs/performance.md.
"""

import argparse
import importlib
import os
import sys
import time

import django

PARTS = ("ledger", "rematch", "verification", "pages", "gift", "receipts", "offline_import", "sandbox", "events")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; all if none is named")
    chosen = parser.parse_args().parts
    unknown = [part for part in chosen if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}: choose from {', '.join(PARTS)}")
    if not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
        parser.error("this needs a PostgreSQL and a Valkey of its own: run `make bench`")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    django.setup()
    if not _prepare():
        return 1
    began = time.monotonic()
    print(f"{_processors()} processors, Python {sys.version.split()[0]}, {_postgres_version()}, {_load()}")
    for part in chosen or PARTS:
        importlib.import_module(f"tests.benchmarks.{part}").show()
    print(f"\n{time.monotonic() - began:.0f} seconds in all, {_load()}")
    return 0


def _prepare() -> bool:
    """Migrate the database; False when it is somebody's, since the gifts made here never go away again."""
    from django.core.management import call_command

    from donations.models import Donation

    call_command("migrate", interactive=False, verbosity=0)
    if Donation.objects.exists():
        print("twofold: this database holds gifts; unset DATABASE_URL, and `make bench` makes one", file=sys.stderr)
        return False
    return True


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _postgres_version() -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), current_setting('fsync')")
        version, fsync = cursor.fetchone()
    return f"PostgreSQL {version} (fsync {fsync})"


def _load() -> str:
    """How much else wants the processors (above their number, rates are lower than the machine's own), and how fast
    they are meanwhile."""
    from tests.benchmarks.processor import round_trip_ms

    return f"load average {os.getloadavg()[0]:.1f}, SELECT 1 from Django {round_trip_ms():.2f} ms of processor"


if __name__ == "__main__":
    sys.exit(main())
