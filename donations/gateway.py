"""Stripe, and nothing but Stripe: the only module that imports its library.

Calls go out in their turn (pace.py), not at all while Stripe is down (outage.py), with a timeout, two retries of the
library's own and an idempotency key made by the caller, so that an answer lost on the way never makes a second
payment. No call is made inside a database transaction.
"""

import json
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import stripe
from django.conf import settings
from django.db import transaction

from campaign.clock import database_now
from donations import outage, pace

_MOST_SEARCHED = 2_000
REFUND_REASONS = ("requested_by_customer", "duplicate", "fraudulent")


class GatewayUnavailable(Exception):
    """Stripe did not answer, or asks to come back later; what it did is not known. Safe to repeat."""


class GatewayFailed(GatewayUnavailable):
    """Stripe answered with an error of its own (5xx), which it gives again to the same idempotency key for a day.

    Whether it did its work is not known; see payments.py for the round that follows.
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


class PaymentUnderWay(Exception):
    """The payment cannot be cancelled: it is being processed or has succeeded."""


class BadSignature(Exception):
    """The webhook was not signed with a secret of ours, or too long ago."""


class WrongMode(BadSignature):
    """The webhook is from Stripe's test mode and our keys are live, or the other way round."""


@dataclass(frozen=True, slots=True)
class ChargeDetails:
    """How a payment was made. method: `card`, `us_bank_account`, `wallet` or `other`; label: Visa, a bank's name."""

    charge: str
    method: str
    label: str
    last4: str
    charged_at: datetime
    amount_minor: int = 0
    currency: str = ""
    refunded_minor: int = 0


@dataclass(frozen=True, slots=True)
class Payment:
    """A PaymentIntent as far as we care. gift_key: what we wrote on it when it was made, or empty.

    charge_id: of its latest attempt, empty before the first. charge: its details where they were asked for.
    failed_charge, fingerprint: of the card that was declined last; the same card has the same fingerprint.
    """

    payment_intent: str
    status: str
    amount_minor: int
    currency: str
    gift_key: str
    client_secret: str = ""
    decline_code: str = ""
    charge_id: str = ""
    failed_charge: str = ""
    fingerprint: str = ""
    charge: ChargeDetails | None = None
    created_at: datetime | None = None
    cancel_reason: str = ""
    customer: str = ""


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund, or a dispute, as Stripe lists them. payment_intent: empty when it is of a charge without one."""

    stripe_id: str
    payment_intent: str
    amount_minor: int
    currency: str
    status: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class VerifiedEvent:
    event_id: str
    type: str
    api_version: str
    livemode: bool
    created_at: datetime
    payload: dict[str, Any]


def create_payment(
    *, idempotency_key: str, gift_key: str, reference: str, amount_minor: int, currency: str, description: str
) -> Payment:
    """Make the PaymentIntent of one gift, or get the same one again for the same idempotency key.

    Raises GatewayUnavailable, GatewayRefused. One call to Stripe.
    """
    with _plain_errors():
        intent = _client().v1.payment_intents.create(
            {
                "amount": amount_minor,
                "currency": currency.lower(),
                "automatic_payment_methods": {"enabled": True},
                "description": description,
                "metadata": {"gift": gift_key, "reference": reference},
            },
            {"idempotency_key": idempotency_key},
        )
    return payment_from(intent.to_dict())


def charge_saved(
    *,
    idempotency_key: str,
    gift_key: str,
    reference: str,
    amount_minor: int,
    currency: str,
    description: str,
    customer: str,
    payment_method: str,
) -> Payment:
    """Charge a saved card while its owner is away: the payment, made or refused (`decline_code`), with its charge.

    The same key gives the same payment again. Raises GatewayUnavailable, GatewayFailed, GatewayRefused. One call.
    """
    asked: Any = {
        "amount": amount_minor,
        "currency": currency.lower(),
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "customer": customer,
        "payment_method": payment_method,
        "off_session": True,
        "confirm": True,
        "description": description,
        "metadata": {"gift": gift_key, "reference": reference},
        "expand": ["latest_charge"],
    }
    with _plain_errors():
        try:
            intent = _client().v1.payment_intents.create(asked, {"idempotency_key": idempotency_key}).to_dict()
        except stripe.CardError as error:
            body: Any = error.json_body or {}
            refused = (body.get("error") or {}).get("payment_intent")
            if not refused:
                raise
            intent = refused
    return payment_from(intent)


def retrieve_payment(payment_intent: str) -> Payment:
    """The payment as it stands, with its charge. Raises GatewayUnavailable, GatewayRefused. One call."""
    with _plain_errors():
        intent = _client().v1.payment_intents.retrieve(payment_intent, {"expand": ["latest_charge"]})
    return payment_from(intent.to_dict())


def cancel_payment(payment_intent: str) -> Payment:
    """Cancel a payment that nobody has made yet; a cancelled one stays so.

    Raises PaymentUnderWay when it is too late, GatewayUnavailable, GatewayRefused. One call, or two.
    """
    try:
        with _plain_errors():
            intent = _client().v1.payment_intents.cancel(payment_intent, {"cancellation_reason": "abandoned"})
    except GatewayRefused as error:
        payment = retrieve_payment(payment_intent)
        if payment.status == "canceled":
            return payment
        raise PaymentUnderWay(payment.status) from error
    return payment_from(intent.to_dict())


def refund_payment(
    *, idempotency_key: str, payment_intent: str, amount_minor: int, reason: str, noted: Mapping[str, str]
) -> Refund:
    """Give money back, all of a payment or a part of it; the same key gives the same refund again.

    reason: one of REFUND_REASONS. noted: kept with the refund at Stripe. Raises GatewayUnavailable, GatewayFailed,
    GatewayRefused (more than is left, a disputed payment, the key used for another sum). One call.
    """
    asked: Any = {"payment_intent": payment_intent, "amount": amount_minor, "reason": reason, "metadata": dict(noted)}
    with _plain_errors():
        return refund_from(_client().v1.refunds.create(asked, {"idempotency_key": idempotency_key}).to_dict())


def find_payment(*, gift_key: str, since: datetime, until: datetime) -> Payment | None:
    """The payment that carries this gift's key among those made in a stretch of time, or None when there is none.

    A call for each hundred payments. Raises GatewayUnavailable when there are too many to be sure, GatewayRefused.
    """
    created = {"gte": int(since.timestamp()), "lte": int(until.timestamp())}
    asked: Any = {"created": created, "limit": 100}
    with _plain_errors():
        page = _client().v1.payment_intents.list(asked)
        for number, intent in enumerate(page.auto_paging_iter()):
            if number == _MOST_SEARCHED:
                raise GatewayUnavailable(f"more than {_MOST_SEARCHED} payments in the stretch searched")
            payment = payment_from(intent.to_dict())
            if payment.gift_key == gift_key:
                return payment
    return None


def listed(
    service: Callable[[stripe.StripeClient], Any], *, since: datetime, cursor: str = "", **more: Any
) -> tuple[list[dict[str, Any]], str]:
    """One page of a list of Stripe's (stripe_lists.py), newest first: the objects, and where the next page begins.

    since: only what was made from then on. cursor: of the page before. Raises GatewayUnavailable, GatewayRefused.
    """
    asked = {"created": {"gte": int(since.timestamp())}, "limit": 100, **more}
    with _plain_errors():
        page = service(_client()).list(asked | ({"starting_after": cursor} if cursor else {}))
    # As sent: the library reads some sums as decimals, which cannot be stored.
    things = [json.loads(json.dumps(thing.to_dict(), default=str)) for thing in page.data]
    return things, things[-1]["id"] if page.has_more else ""


def verify_event(payload: bytes, signature: str) -> VerifiedEvent:
    """Read a webhook's raw body, proven to come from Stripe by any of our secrets (two while one is rotated).

    Raises BadSignature for a forged, tampered, stale or unreadable body, and its kind WrongMode. No network call.
    """
    for secret in settings.STRIPE_WEBHOOK_SECRETS:
        try:
            stripe.WebhookSignature.verify_header(payload, signature, secret, stripe.Webhook.DEFAULT_TOLERANCE)
            event = json.loads(payload)  # as sent: the library's own objects hold decimals, and cost as much again
        except (ValueError, stripe.SignatureVerificationError):
            continue
        if bool(event.get("livemode")) != is_live():
            raise WrongMode(f"{event['id']} is of Stripe's {'live' if event.get('livemode') else 'test'} mode")
        return event_from(event)
    raise BadSignature("no secret of ours made this signature")


def is_live() -> bool:
    """Whether our keys move real money."""
    return settings.STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_"))


def event_from(event: dict[str, Any]) -> VerifiedEvent:
    """An Event's JSON, from a webhook that was verified or from Stripe's own list."""
    return VerifiedEvent(
        event_id=event["id"],
        type=event["type"],
        api_version=event.get("api_version") or "",
        livemode=bool(event.get("livemode")),
        created_at=datetime.fromtimestamp(event["created"], tz=UTC),
        payload=_storable(event),
    )


def _storable(event: dict[str, Any]) -> dict[str, Any]:
    """The event as it may be kept and read by staff: without the secret with which a payment can be made.

    A NUL, which the payer may have written, becomes U+FFFD: PostgreSQL stores none, and the event must not be lost.
    """
    thing = (event.get("data") or {}).get("object") or {}
    thing.pop("client_secret", None)
    text = json.dumps(event)
    found: dict[str, Any] = json.loads(text.replace("\\u0000", "\\ufffd")) if "\\u0000" in text else event
    return found


def payment_from(intent: Mapping[str, Any]) -> Payment:
    """A PaymentIntent's JSON as Payment; `latest_charge` may be an id (then no details) or expanded."""
    charge = intent.get("latest_charge")
    error = intent.get("last_payment_error") or {}
    return Payment(
        payment_intent=intent["id"],
        status=intent["status"],
        amount_minor=intent["amount"],
        currency=intent["currency"].upper(),
        gift_key=(intent.get("metadata") or {}).get("gift", ""),
        client_secret=intent.get("client_secret") or "",
        decline_code=error.get("decline_code") or error.get("code") or "",
        charge_id=(charge["id"] if isinstance(charge, Mapping) else charge) or "",
        failed_charge=error.get("charge") or "",
        fingerprint=fingerprint_of(error.get("payment_method") or {}),
        charge=charge_from(charge) if isinstance(charge, Mapping) else None,
        created_at=datetime.fromtimestamp(intent["created"], tz=UTC) if intent.get("created") else None,
        cancel_reason=intent.get("cancellation_reason") or "",
        customer=intent.get("customer") or "",
    )


def refund_from(thing: Mapping[str, Any]) -> Refund:
    """A Refund's or Dispute's JSON as Refund."""
    payment = thing.get("payment_intent") or ""
    return Refund(
        stripe_id=thing["id"],
        payment_intent=payment["id"] if isinstance(payment, Mapping) else payment,
        amount_minor=thing["amount"],
        currency=thing["currency"].upper(),
        status=thing.get("status") or "pending",
        created_at=datetime.fromtimestamp(thing["created"], tz=UTC),
    )


def fingerprint_of(method: Mapping[str, Any]) -> str:
    """Of a card or bank account, from a PaymentMethod's JSON: the same one has the same, whoever uses it; or empty."""
    details = method.get(method.get("type") or "") or {}
    return str(details.get("fingerprint") or "")


def charge_from(charge: Mapping[str, Any]) -> ChargeDetails:
    """A Charge's JSON as ChargeDetails. Unknown ways to pay are `other` and keep Stripe's own name."""
    details = charge.get("payment_method_details") or {}
    kind = details.get("type") or "other"
    way = details.get(kind) or {}
    method, label = kind, ""
    if kind == "card":
        wallet = (way.get("wallet") or {}).get("type")
        method, label = ("wallet" if wallet else "card"), (way.get("brand") or "card").replace("_", " ").title()
        if wallet:
            label = f"{wallet.replace('_', ' ').title()}, {label}"
    elif kind == "us_bank_account":
        label = (way.get("bank_name") or "Bank debit").title()
    else:
        method, label = "other", kind.replace("_", " ").title()
    charged_at = datetime.fromtimestamp(charge["created"], tz=UTC)
    return ChargeDetails(
        charge=charge["id"],
        method=method,
        label=label[:40],
        last4=(way.get("last4") or "")[:4],
        charged_at=charged_at,
        amount_minor=charge["amount"],
        currency=charge["currency"].upper(),
        refunded_minor=charge.get("amount_refunded") or 0,
    )


@lru_cache(maxsize=1)
def _client() -> stripe.StripeClient:
    addresses: Any = {"api": settings.STRIPE_API_BASE} if settings.STRIPE_API_BASE else {}
    return stripe.StripeClient(
        settings.STRIPE_SECRET_KEY,
        stripe_version=settings.STRIPE_API_VERSION,
        base_addresses=addresses,
        max_network_retries=2,
        http_client=_InTurn(timeout=(_CONNECT_SECONDS, settings.STRIPE_TIMEOUT_SECONDS)),
    )


_CONNECT_SECONDS = 4.0
_is_probe = threading.local()


@lru_cache(maxsize=1)
def _seats() -> threading.BoundedSemaphore:
    """At most so many threads of a process wait for Stripe: however slow it is, pages have the others."""
    return threading.BoundedSemaphore(settings.STRIPE_CALLS_AT_ONCE)


class _InTurn(stripe.RequestsClient):
    """Every request, the library's own retries too, goes out in its turn and is counted as answered or not."""

    def request(self, method: str, url: str, headers: Any, post_data: Any = None, **_usage: Any) -> Any:
        if not _seats().acquire(timeout=pace.patience().total_seconds()):
            soon = timedelta(seconds=random.uniform(1, 3))  # noqa: S311 - so that not all come back at once
            raise TurnLater(database_now() + soon if pace.is_in_line() else None)
        try:
            return self._request_in_turn(method, url, headers, post_data)
        finally:
            _seats().release()

    def _request_in_turn(self, method: str, url: str, headers: Any, post_data: Any) -> Any:
        try:
            found = outage.refuse_while_down(is_probe=getattr(_is_probe, "value", False))
            pace.take_turn(endpoint_of(method, urlsplit(url).path))
        except outage.StripeIsDown as error:
            raise StripeIsDown(str(error)) from error
        except pace.NotYet as error:
            raise TurnLater(error.turn_at) from error
        try:
            answer = super().request(method, url, headers, post_data)
        except stripe.APIConnectionError as error:
            outage.note_failure(type(error.__cause__).__name__)
            raise
        if answer[1] >= 500:
            outage.note_failure(f"status {answer[1]}")
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
        with _plain_errors():
            _client().v1.payment_intents.list({"limit": 1})
    except GatewayUnavailable:
        return False
    finally:
        _is_probe.value = False
    return True


@contextmanager
def _plain_errors() -> Iterator[None]:
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
