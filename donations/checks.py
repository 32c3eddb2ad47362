"""What `manage.py check --deploy` asks of a site that takes money."""

from collections.abc import Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


@register(Tags.security, deploy=True)
def stripe_is_configured(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:
    """Without its keys no card can be charged, and without the webhook's secret every event is refused."""
    needed = {
        "STRIPE_SECRET_KEY": settings.STRIPE_SECRET_KEY,
        "STRIPE_PUBLISHABLE_KEY": settings.STRIPE_PUBLISHABLE_KEY,
        "STRIPE_WEBHOOK_SECRET": settings.STRIPE_WEBHOOK_SECRETS,
    }
    return [
        Error(f"{name} is not set.", hint="docs/operating.md says where to find it.", id="donations.E001")
        for name, value in needed.items()
        if not value
    ]
