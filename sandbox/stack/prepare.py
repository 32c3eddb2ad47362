"""Bring the database, the sample campaign and the static files up to date; harmless when they are.

One process for the three, because starting Python and Django takes longer than any of them.
"""

import os

import django
from django.core.management import call_command


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    call_command("migrate", interactive=False)
    call_command("load_sample_campaign")
    call_command("collectstatic", interactive=False, verbosity=0)


if __name__ == "__main__":
    main()
