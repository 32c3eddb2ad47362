"""The API's side of the server: keys, rate limits, faults, idempotency, then the operation itself."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass

from aiohttp import web

from . import confirmation, payments, setup_intents
from .account import API_VERSION, BY_ITSELF, Account, Cause
from .errors import StripeError, lock_timeout, no_key, publishable_key_refused, rate_limited, server_error, wrong_key
from .events import to_json
from .expansion import expand
from .idempotency import Answer, Keys
from .knobs import Fault
from .operations import find
from .parameters import check, decode
from .recording import Exchange, Recorder

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, PUT, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "authorization, content-type, idempotency-key, stripe-version",
    "Access-Control-Expose-Headers": "Request-Id, Stripe-Manage-Version, Stripe-Should-Retry, Idempotent-Replayed",
    "Access-Control-Max-Age": "300",
}
HANG_LOOK_SECONDS = 0.05
_CLIENT_VIEWS = {"payment_intent": payments.client_view, "setup_intent": setup_intents.client_view}


class Vanished(Exception):
    """No answer is given: the connection hangs, or is reset."""


@dataclass(frozen=True)
class ApiKeys:
    secret: str
    publishable: str


class Rates:
    """Requests in the last second, in all and by endpoint."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[float]] = {}

    def allow(self, name: str, cap: int) -> bool:
        if not cap:
            return True
        now = time.monotonic()
        seen = self._seen.setdefault(name, deque())
        while seen and seen[0] <= now - 1:
            seen.popleft()
        if len(seen) >= cap:
            return False
        seen.append(now)
        return True


class Api:
    """Answers /v1/."""

    def __init__(self, account: Account, keys: ApiKeys, recorder: Recorder) -> None:
        self.account = account
        self.api_keys = keys
        self.recorder = recorder
        self.keys = Keys()
        self.rates = Rates()

    async def __call__(self, request: web.Request) -> web.Response:
        if request.method == "OPTIONS":
            return web.Response(status=204, headers=CORS)
        body = await request.text() if request.can_read_body else ""
        exchange = Exchange(
            method=request.method,
            path=request.path,
            encoded=body if request.method == "POST" else request.rel_url.raw_query_string,
            idempotency_key=request.headers.get("Idempotency-Key") if request.method == "POST" else None,
            request_id="req_" + self.account.token(14),
        )
        try:
            answer = await self._answer(exchange, request)
        except Vanished:
            return web.Response(status=500)  # goes nowhere: the connection is closed already
        finally:
            self.recorder.exchange(exchange)
        headers = {
            "Request-Id": exchange.request_id,
            "Stripe-Version": request.headers.get("Stripe-Version", API_VERSION),
            "Cache-Control": "no-cache, no-store",
            **CORS,
            **dict(answer.headers),
        }
        if exchange.idempotency_key:
            headers["Idempotency-Key"] = exchange.idempotency_key
        return web.Response(
            status=answer.status, body=answer.text.encode(), headers=headers, content_type="application/json"
        )

    async def _answer(self, exchange: Exchange, request: web.Request) -> Answer:
        fault: Fault | None = None
        try:
            publishable = self._authenticate(exchange, request)
            self._check_rate(exchange)
            fault = self._fault(exchange)
            if fault and fault.when == "before":
                await self._misbehave(fault, exchange, request)
            answer = await self._once(exchange, publishable=publishable)
        except StripeError as error:
            answer = _refusal(error)
        if fault and fault.when == "after":
            try:
                await self._misbehave(fault, exchange, request)
            except StripeError as error:
                answer = _refusal(error)
        exchange.status, exchange.answer = answer.status, answer.text
        return answer

    def _authenticate(self, exchange: Exchange, request: web.Request) -> bool:
        """Whether the caller came with the publishable key; StripeError when with no key or a wrong one."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            given = _basic_user(given)
        if not given:
            raise no_key()
        for kind, key in (("secret", self.api_keys.secret), ("publishable", self.api_keys.publishable)):
            if hmac.compare_digest(given.encode(), key.encode()):
                exchange.key_kind = kind
                return kind == "publishable"
        raise wrong_key(given)

    def _check_rate(self, exchange: Exchange) -> None:
        knobs = self.account.knobs
        steps = exchange.path.split("/")
        endpoint = " ".join([exchange.method, *steps[2:3], *steps[4:5]])
        if not self.rates.allow(endpoint, knobs.requests_per_second_per_endpoint):
            raise rate_limited("endpoint-rate")
        if not self.rates.allow("", knobs.requests_per_second):
            raise rate_limited("global-rate")

    def _fault(self, exchange: Exchange) -> Fault | None:
        for fault in self.account.faults:
            if not fault.spent and fault.matches(exchange.method, exchange.path):
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.fraction >= 1 or self.account.chance.random() < fault.fraction:
                    fault.hits += 1
                    exchange.fault = f"{fault.answer} {fault.when}"
                    return fault
        return None

    async def _misbehave(self, fault: Fault, exchange: Exchange, request: web.Request) -> None:
        """Raise what the fault asks for: an error answer, or Vanished with the connection gone."""
        if fault.answer == "hang":
            await self._hang(request)
        if fault.answer in ("hang", "reset"):
            _reset(request)
            raise Vanished
        error = {"429": rate_limited("global-rate"), "lock_timeout": lock_timeout()}.get(fault.answer)
        error = error or server_error(int(fault.answer))
        if fault.remember and exchange.idempotency_key:
            fingerprint = (exchange.method, exchange.path, exchange.encoded)
            if fault.when == "before":
                self.keys.begin(exchange.idempotency_key, fingerprint, exchange.request_id)
            self.keys.keep(exchange.idempotency_key, _refusal(error))
        raise error

    async def _hang(self, request: web.Request) -> None:
        """Answer nothing until the caller gives up or the knob's time is over."""
        until = time.monotonic() + self.account.knobs.hang_ms / 1_000
        while time.monotonic() < until and request.transport is not None and not request.transport.is_closing():
            await asyncio.sleep(HANG_LOOK_SECONDS)

    async def _once(self, exchange: Exchange, *, publishable: bool) -> Answer:
        """Do the work, or replay what the idempotency key did before."""
        key = exchange.idempotency_key
        if key:
            fingerprint = (exchange.method, exchange.path, exchange.encoded)
            entry = self.keys.begin(key, fingerprint, exchange.request_id)
            if entry and entry.answer:
                exchange.replayed = True
                replay = (("Idempotent-Replayed", "true"), ("Original-Request", entry.request_id))
                return Answer(entry.answer.status, entry.answer.text, (*entry.answer.headers, *replay))
            try:
                answer = await self._act_in_time(exchange, publishable=publishable)
            except StripeError as error:
                if not error.remembered:
                    self.keys.give_up(key)
                    raise
                answer = _refusal(error)
            except BaseException:
                self.keys.give_up(key)
                raise
            self.keys.keep(key, answer)
            return answer
        return await self._act_in_time(exchange, publishable=publishable)

    async def _act_in_time(self, exchange: Exchange, *, publishable: bool) -> Answer:
        if self.account.knobs.latency_ms:
            await asyncio.sleep(self.account.knobs.latency_ms / 1_000)
        return self._act(exchange, publishable=publishable)

    def _act(self, exchange: Exchange, *, publishable: bool) -> Answer:
        operation, ids = find(exchange.method, exchange.path)
        if publishable and not operation.publishable:
            raise publishable_key_refused()
        params = check(decode(exchange.encoded), operation.spec)
        if operation.secret_of:
            table = getattr(self.account, operation.secret_of)
            confirmation.secret_checked(table.get(ids[0], "intent"), params, publishable=publishable)
        self.account.cause = Cause(exchange.request_id, exchange.idempotency_key)
        try:
            answer = operation.act(self.account, params, *ids)
        except StripeError as error:
            for name, shown in _CLIENT_VIEWS.items():
                if publishable and error.fields.get(name):
                    error.fields[name] = shown(error.fields[name])
            raise
        finally:
            self.account.cause = BY_ITSELF
        if publishable and operation.secret_of:
            answer = _CLIENT_VIEWS[answer["object"]](answer)
        if params.get("expand"):
            answer = expand(self.account, answer, params["expand"])
        return Answer(200, to_json(answer))


def _refusal(error: StripeError) -> Answer:
    return Answer(error.status, to_json(error.body()), tuple(error.headers.items()))


def _basic_user(encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _reset(request: web.Request) -> None:
    """Close the connection with a reset, so that the caller sees an error and not an empty answer."""
    transport = request.transport
    if transport is None:
        return
    found = transport.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
