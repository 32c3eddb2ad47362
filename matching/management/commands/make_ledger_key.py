from django.core.management.base import BaseCommand

from matching import signing


class Command(BaseCommand):
    help = "Print a new key for signing the ledger's heads; nothing is stored. docs/operating.md describes rotation."
    requires_system_checks = []

    def handle(self, *args: object, **options: object) -> None:
        private = signing.new_key()
        public = signing.public_key_of(signing.read_key(private))
        self.stdout.write(f"LEDGER_SIGNING_KEY={private}")
        self.stderr.write(
            f"Put that line into the environment of the worker and keep it secret.\n"
            f"Its public part is {public} (key {signing.key_id_of(public)}): publish all 64 digits."
        )
