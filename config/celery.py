"""Celery is the wake-up and the timer; what must be done stands in rows (design 4)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("twofold")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
