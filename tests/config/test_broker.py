"""A worker does not start on a broker that drops messages."""

import pytest
import redis
from django.conf import settings

from config.celery import app, refuse_a_broker_that_forgets


@pytest.fixture
def broker(monkeypatch):
    monkeypatch.setattr(app.conf, "broker_url", settings.CELERY_BROKER_URL)
    with redis.Redis.from_url(settings.CELERY_BROKER_URL) as client:
        before = client.config_get("maxmemory-policy")["maxmemory-policy"]
        yield client
        client.config_set("maxmemory-policy", before)


def test_it_starts_on_a_broker_that_keeps_everything(broker):
    broker.config_set("maxmemory-policy", "noeviction")
    assert refuse_a_broker_that_forgets() is None


def test_it_does_not_start_on_one_that_evicts(broker):
    broker.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(SystemExit, match="set it to noeviction"):
        refuse_a_broker_that_forgets()
