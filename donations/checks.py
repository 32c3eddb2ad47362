"""What `manage.py check --deploy` asks of a site that takes money."""

from collections.abc import Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's own name


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


@register(Tags.security, deploy=True)
def leases_outlive_attempts(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:
    """Shorter than a task may run, a lease lets a second worker begin what the first is still doing."""
    if settings.WORK_LEASE_SECONDS > settings.CELERY_TASK_TIME_LIMIT:
        return []
    return [
        Warning(
            f"WORK_LEASE_SECONDS is {settings.WORK_LEASE_SECONDS}, and a task may run for "
            f"{settings.CELERY_TASK_TIME_LIMIT} seconds.",
            hint="Leave it out, or make it longer than that.",
            id="donations.W001",
        )
    ]
