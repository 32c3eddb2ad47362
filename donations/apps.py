from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class DonationsConfig(AppConfig):
    name = "donations"

    def ready(self) -> None:
        from donations import checks  # noqa: F401, PLC0415 - registers itself
        from donations.roles import ensure_groups  # noqa: PLC0415 - models are loaded by now, not before

        # auth comes after our apps in INSTALLED_APPS: when its turn comes, our apps' permissions are there.
        post_migrate.connect(ensure_groups, sender=apps.get_app_config("auth"), dispatch_uid="staff groups")
