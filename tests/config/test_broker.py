"""A worker does not start on a broker that drops messages, and outlives one that goes away."""

import logging
from contextlib import suppress

import pytest
import redis
from django.conf import settings
from kombu import Connection, Consumer, Producer, Queue
from kombu.transport import redis as redis_transport

from config.celery import app, refuse_a_broker_that_forgets
from sandbox.stack.ports import HOST, free_port
from sandbox.stack.valkey import valkey


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


@pytest.fixture
def valkey_of_its_own(tmp_path):
    port = free_port()
    process = valkey(port=port, folder=tmp_path, log_path=tmp_path / "valkey.log")
    process.start()
    process.wait_ready()
    yield process, f"redis://{HOST}:{port}/0"
    process.kill()


class Worker:
    """As much of a worker as loses its broker while it works: two messages in hand, and hands for no more."""

    def __init__(self, url):
        self.connection = Connection(url)
        self.channel = self.connection.channel()
        self.queue = Queue("work")(self.channel)
        self.queue.declare()
        self.messages = []

    def take_two(self):
        for _ in range(3):
            Producer(self.channel).publish({}, routing_key="work")
        self.channel.basic_qos(0, 2, False)
        take = [lambda body, message: self.messages.append(message)]
        Consumer(self.channel, [self.queue], callbacks=take).consume()
        while len(self.messages) < 2:
            self.connection.drain_events(timeout=5)

    def give_up_connection(self):
        """As Celery does once it has noticed; what fails on the way is of no interest to it."""
        with suppress(*self.connection.connection_errors):
            self.connection.collect(socket_timeout=1)
        self.connection.close()

    def tell_ends(self):
        """A task's end is told thus: errors of the connection are logged, and that is all."""
        for message in self.messages:
            message.ack_log_error(logging.getLogger("worker"), self.connection.connection_errors)

    def can_take_more(self):
        return self.channel.qos.can_consume()


@pytest.fixture
def worker(valkey_of_its_own):
    process, url = valkey_of_its_own
    made = Worker(url)
    made.take_two()
    process.kill()
    yield made
    made.channel.qos._on_collect.cancel()  # what it would do at the end of the process


@pytest.fixture
def as_the_library_comes(monkeypatch):
    monkeypatch.setattr(redis_transport.Channel, "QoS", redis_transport.QoS)


@pytest.mark.usefixtures("as_the_library_comes")
class TestControl:
    """What Kombu does by itself; when these fail, config/broker.py may have become needless."""

    def test_a_task_that_ends_while_the_broker_is_away_would_be_at_work_for_ever(self, worker):
        worker.tell_ends()
        assert not worker.can_take_more()

    def test_giving_messages_back_by_a_connection_that_was_given_up_would_end_the_worker(self, worker):
        worker.connection.transport.client = None
        with pytest.raises(AttributeError):
            worker.channel.close()


def test_a_task_that_ends_while_the_broker_is_away_leaves_a_hand_for_the_next(worker):
    assert not worker.can_take_more()
    worker.tell_ends()
    assert worker.can_take_more()


def test_a_task_that_ends_after_the_connection_was_given_up_is_forgotten(worker):
    worker.give_up_connection()
    worker.tell_ends()
    assert worker.can_take_more()


def test_messages_are_not_given_back_by_a_connection_that_was_given_up(worker):
    worker.connection.transport.client = None
    worker.channel.close()
    assert worker.channel.closed


def test_with_the_broker_there_messages_are_given_back_and_ends_told(valkey_of_its_own):
    worker = Worker(valkey_of_its_own[1])
    worker.take_two()
    worker.messages.pop().ack()
    worker.channel.close()
    with redis.Redis.from_url(valkey_of_its_own[1]) as client:
        assert (client.llen("work"), client.hlen("unacked")) == (2, 0)
