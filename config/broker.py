"""Celery's way to Redis, so that a worker outlives a broker that goes away while tasks run.

Two faults of Kombu 5.7, each met in one of every few losses:

    messages at work are to be given back by way of a connection that was given up before: an AttributeError ends the
    worker
    telling the end of a task fails: its message counts as at work for ever, and with as many of them as the worker may
    have it never asks for another, nor notices that its broker was away

So what cannot be told is forgotten. Nothing is lost with a message: the sweep finds its row (donations/work.py).
"""

from typing import Any

from kombu.transport import redis, virtual


class PatientQoS(redis.QoS):
    """The messages that a worker has in hand: forgotten when the broker that they are of is gone."""

    def ack(self, delivery_tag: str) -> None:
        try:
            if not self._is_given_up():
                super().ack(delivery_tag)
        finally:
            virtual.QoS.ack(self, delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        try:
            if not self._is_given_up():
                super().reject(delivery_tag, requeue=requeue)
        finally:
            virtual.QoS.ack(self, delivery_tag)

    def restore_unacked(self, client: Any = None) -> None:
        if not self._is_given_up():
            super().restore_unacked(client)

    def _is_given_up(self) -> bool:
        transport = self.channel.connection
        return transport is None or transport.client is None


def make_channels_patient() -> None:
    """To be called once, before a worker connects."""
    redis.Channel.QoS = PatientQoS
