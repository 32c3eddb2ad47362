"""`/healthz` and `/readyz`: what the machines in front of the site ask."""

import pytest
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from redis.exceptions import ConnectionError as NoCache

pytestmark = pytest.mark.django_db
READY = {"ready": True, "database": "ok", "migrations": "ok", "cache": "ok"}


def broken(error):
    def fail(*_args, **_options):
        raise error

    return fail


@pytest.mark.parametrize("url", ["/healthz", "/readyz"])
def test_it_is_only_read_and_never_kept(client, url):
    assert client.post(url).status_code == 405
    answer = client.get(url)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    assert not answer.cookies


def test_it_is_ready_when_everything_answers(client):
    assert client.get("/readyz").json() == READY


def test_it_is_not_ready_without_the_database_but_still_alive(monkeypatch):
    monkeypatch.setattr("django.db.backends.utils.CursorWrapper.execute", broken(OperationalError("gone")))
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["database"], answer.json()["ready"]) == (503, "unreachable", False)
    assert Client().get("/healthz").json() == {"status": "ok"}


def test_it_is_ready_without_the_cache_and_says_so(client, monkeypatch):
    monkeypatch.setattr("django.core.cache.backends.redis.RedisCache.set", broken(NoCache("gone")))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, READY | {"cache": "unreachable"})


def test_it_is_not_ready_while_a_migration_is_missing(client):
    MigrationRecorder.Migration.objects.filter(app="donations").delete()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["migrations"].endswith("not applied")
