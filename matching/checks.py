"""What `manage.py check` asks of the key that signs the ledger's heads."""

from collections.abc import Sequence

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004

from matching import signing


@register(Tags.security)
def signing_key_can_be_read(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:
    try:
        signing.signing_key()
    except signing.InvalidSigningKey as error:
        return [Error(str(error), hint="docs/operating.md, “The key of the ledger”.", id="matching.E001")]
    return []


@register(Tags.security, deploy=True)
def heads_are_signed(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:
    """Without a key anybody can still recompute the ledger, but nobody can prove what it said yesterday."""
    try:
        has_key = signing.signing_key() is not None
    except signing.InvalidSigningKey:
        return []  # said above
    if has_key:
        return []
    hint = "`manage.py make_ledger_key` makes one; docs/operating.md says where it goes."
    return [Warning("LEDGER_SIGNING_KEY is not set: the ledger's heads are not signed.", hint=hint, id="matching.W001")]
