"""The line to Stripe: one client, every request in its turn, and its many errors as the few that callers act on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from random import SystemRandom
from typing import Any
from urllib.parse import urlsplit

import stripe
from django.conf import settings
from django.db import transaction

from campaign.clock import database_now
from donations import outage, pace


class GatewayUnavailable(Exception):
    """Stripe did not answer, or asks to come back later; what it did is not known. Safe to repeat."""


class GatewayFailed(GatewayUnavailable):
    """Stripe answered with an error of its own (5xx), which it gives again to the same idempotency key for a day.

    Whether it did its work is not known; see payments/opening.py for the round that follows.
    """


class TurnLater(GatewayUnavailable):
    """Very many calls are being made, and this one was not. turn_at: when to come back, or None: no place is kept."""

    def __init__(self, turn_at: datetime | None) -> None:
        super().__init__("the calls to Stripe stand in line")
        self.turn_at = turn_at


class StripeIsDown(GatewayUnavailable):
    """Stripe has not answered for a while, so no call was made: certainly nothing was done."""


class GatewayRefused(Exception):
    """Stripe understood and said no: the request or the keys are wrong. Repeating does not help."""


_CONNECT_SECONDS = 4.0
_is_probe = threading.local()


class _Call(threading.local):
    """The call that this thread makes, with its retries. unsure: what to raise for it once a request of it was not
    answered, or with an error of Stripe's: from then on nobody may say that no call was made."""

    unsure: type[GatewayUnavailable] | None = None

    def not_made(self, error: GatewayUnavailable) -> GatewayUnavailable:
        return self.unsure(f"not tried again: {error}") if self.unsure else error


_call = _Call()


@lru_cache(maxsize=1)
def client() -> stripe.StripeClient:
    addresses: Any = {"api": settings.STRIPE_API_BASE} if settings.STRIPE_API_BASE else {}
    return stripe.StripeClient(
        settings.STRIPE_SECRET_KEY,
        stripe_version=settings.STRIPE_API_VERSION,
        base_addresses=addresses,
        max_network_retries=2,
        http_client=_InTurn(timeout=(_CONNECT_SECONDS, settings.STRIPE_TIMEOUT_SECONDS)),
    )


@lru_cache(maxsize=1)
def _seats() -> threading.BoundedSemaphore:
    """At most so many threads of a process wait for Stripe: however slow it is, pages have the others."""
    return threading.BoundedSemaphore(settings.STRIPE_CALLS_AT_ONCE)


class _InTurn(stripe.RequestsClient):
    """Every request, the library's own retries too, goes out in its turn and is counted as answered or not."""

    def request_with_retries(self, *args: Any, **kwargs: Any) -> Any:
        _call.unsure = None
        return super().request_with_retries(*args, **kwargs)

    def request(self, method: str, url: str, headers: Any, post_data: Any = None, **_usage: Any) -> Any:
        if not _seats().acquire(timeout=pace.patience().total_seconds()):
            soon = timedelta(seconds=SystemRandom().uniform(1, 3))  # so that not all come back at once
            raise _call.not_made(TurnLater(database_now() + soon if pace.is_in_line() else None))
        try:
            return self._request_in_turn(method, url, headers, post_data)
        finally:
            _seats().release()

    def _request_in_turn(self, method: str, url: str, headers: Any, post_data: Any) -> Any:
        try:
            found = outage.refuse_while_down(is_probe=getattr(_is_probe, "value", False))
            pace.take_turn(endpoint_of(method, urlsplit(url).path))
        except outage.StripeIsDown as error:
            raise _call.not_made(StripeIsDown(str(error))) from error
        except pace.NotYet as error:
            raise _call.not_made(TurnLater(error.turn_at)) from error
        try:
            answer = super().request(method, url, headers, post_data)
        except stripe.APIConnectionError as error:
            outage.note_failure(type(error.__cause__).__name__)
            _call.unsure = _call.unsure or GatewayUnavailable
            raise
        if answer[1] >= 500:
            outage.note_failure(f"status {answer[1]}")
            _call.unsure = GatewayFailed
        else:
            outage.note_answer(found)
        return answer

    def _should_retry(
        self, response: Any, api_connection_error: Any, num_retries: int, max_network_retries: int | None
    ) -> bool:
        """Also after 429, with growing pauses and chance in them. Never after a silence: the donor has waited."""
        if num_retries >= (max_network_retries or 0):
            return False
        if api_connection_error is not None:
            cause = api_connection_error.__cause__
            return not isinstance(cause, self.requests.exceptions.Timeout) and api_connection_error.should_retry
        is_told = response[1] == 429
        return is_told or super()._should_retry(response, api_connection_error, num_retries, max_network_retries)


def endpoint_of(method: str, path: str) -> str:
    """What Stripe counts together: `POST payment_intents/confirm` for any payment's."""
    steps = path.strip("/").split("/")  # v1, resource, id, what is done with it
    return f"{method.upper()} {'/'.join([*steps[1:2], *steps[3:4]])}"


def probe() -> bool:
    """While Stripe counts as down, ask it something small, as often as is due; whether it answers again."""
    if outage.down_since() is None:
        return True
    _is_probe.value = True
    try:
        with plain_errors():
            client().v1.payment_intents.list({"limit": 1})
    except GatewayUnavailable:
        return False
    finally:
        _is_probe.value = False
    return True


@contextmanager
def plain_errors() -> Iterator[None]:
    """Stripe's many errors as the two that callers can act on.

    Raises RuntimeError inside a transaction, where locks would wait for the network: that is what durable refuses.
    """
    with transaction.atomic(durable=True):
        pass
    try:
        yield
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise GatewayUnavailable(str(error)) from error
    except stripe.APIError as error:
        kind = GatewayFailed if (error.http_status or 0) >= 500 else GatewayUnavailable
        raise kind(str(error)) from error
    except stripe.StripeError as error:
        if (error.http_status or 0) >= 500:
            raise GatewayFailed(f"{error.http_status}: {error.user_message}") from error
        if _comes_later(error):
            raise GatewayUnavailable(str(error)) from error
        raise GatewayRefused(f"{error.http_status} {error.code}: {error.user_message}") from error


def _comes_later(error: stripe.StripeError) -> bool:
    code = getattr(getattr(error, "error", None), "code", None)
    return code == "lock_timeout" or (error.http_status or 0) in (409, 429)
