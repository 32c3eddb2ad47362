"""Celery is the wake-up and the timer; what must be done stands in rows (design 4)."""

import logging
import os

import redis
from celery import Celery
from celery.signals import worker_init

from config.broker import make_channels_patient

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("twofold")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
make_channels_patient()
logger = logging.getLogger(__name__)


@worker_init.connect
def refuse_a_broker_that_forgets(**_: object) -> None:
    """End the worker when its broker drops messages under memory pressure: most of 3,000 were lost in a test.

    A broker that does not tell its policy, as some hosted ones don't, is taken with a warning.
    """
    try:
        with redis.Redis.from_url(app.conf.broker_url, socket_timeout=5) as broker:
            policy = broker.config_get("maxmemory-policy").get("maxmemory-policy", "unknown")
    except redis.RedisError as error:
        logger.warning("the broker does not tell its maxmemory-policy (%s); it must be noeviction", error)
        return
    if policy != "noeviction":
        raise SystemExit(f"The broker's maxmemory-policy is {policy}: set it to noeviction, or messages get lost.")
