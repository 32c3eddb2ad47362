"""python -m tests.audit [PART ...]: what the pages are like for those who visit them, on the real site.

`make audit` runs it beside a PostgreSQL and a Valkey of its own; `make audit PARTS=headers` one part alone. What the
figures mean is in docs/audit.md. Ends with an error when a goal is missed that no busy machine could miss.
"""

import argparse
import importlib
import os
import sys
import tempfile
from pathlib import Path

import django

PARTS = ("lighthouse", "weights", "headers", "validity", "first_gift")
TO_LOOK_AT = ("pictures",)  # only when it is named


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; all if none is named; or pictures"
    )
    chosen = parser.parse_args().parts or PARTS
    unknown = [part for part in chosen if part not in PARTS + TO_LOOK_AT]
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}: choose from {', '.join(PARTS + TO_LOOK_AT)}")
    if not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
        parser.error("this needs a PostgreSQL and a Valkey of its own: run `make audit`")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright keeps an event loop in this thread
    django.setup()
    missed = _show(chosen)
    print("\nEvery goal is reached." if not missed else "\nMissed:\n" + "\n".join(f"- {text}" for text in missed))
    return 1 if missed else 0


def _show(parts: tuple[str, ...] | list[str]) -> list[str]:
    """Print what each part found, and return the goals that are missed."""
    from django.core.management import call_command

    from donations.models import Donation
    from tests.audit import scene
    from tests.database import current_url

    call_command("migrate", interactive=False, verbosity=0)
    if Donation.objects.exists():
        raise SystemExit("twofold: this database holds gifts; unset DATABASE_URL, and `make audit` makes one")
    with (
        tempfile.TemporaryDirectory(prefix="twofold-audit-") as folder,
        scene.running_site(Path(folder), database_url=current_url()) as site,
    ):
        pages = scene.addresses()
        found = [importlib.import_module(f"tests.audit.{part}").show(site, pages) for part in parts]
    return [text for texts in found for text in texts]


if __name__ == "__main__":
    sys.exit(main())
