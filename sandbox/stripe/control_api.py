"""/_sandbox/: what tests and rehearsals ask of the sandbox itself. JSON in, JSON out.

GET  state      what is queued, held, and how many objects there are
GET  knobs      all knobs; POST {name: value, ...} turns some
GET  faults     the rules; POST one rule or a list of them; DELETE takes all away
GET  log        ?requests=N&events=N&deliveries=N: the last of each, oldest first
GET  payments   the newest payments
POST reset      forget everything, knobs as at the start
POST resume     deliver what is held, and stop holding
POST release    {"order": [id or type, ...]} or {"seed": 5} or {}: deliver held events now, one by one
POST deliver    {"event": id, "copies": 2}: deliver one event now, whatever happened to it before
POST trigger    {"what": ..., ...}: refund, fail_refund, dispute, close_dispute, fraud_warning, settle, fail_debit,
                payout, renew, retry
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from . import cards, confirmation, disputes, fraud_warnings, payouts, refunds, subscriptions
from .account import Account
from .api import Api
from .errors import StripeError, missing_param
from .knobs import Fault, KnobRefused
from .posting import Target

Given = dict[str, Any]
SHOWN_BY_DEFAULT = 200
PAYMENTS_SHOWN = 20


def _state(api: Api) -> Given:
    account = api.account
    tables = {
        "payment_intents": account.intents,
        "charges": account.charges,
        "refunds": account.refunds,
        "disputes": account.disputes,
        "customers": account.customers,
        "payment_methods": account.methods,
        "balance_transactions": account.balance,
        "payouts": account.payouts,
        "setup_intents": account.setups,
        "subscriptions": account.subscriptions,
        "invoices": account.invoices,
        "events": account.events.table,
    }
    return {
        **account.deliveries.counts(),
        "timers": len(account.timers),
        "requests": api.recorder.requests_seen,
        "processor_seconds": time.process_time(),
        "objects": {name: len(table.rows) for name, table in tables.items()},
    }


def _log(api: Api, query: Any) -> Given:
    limits = {name: int(query.get(name, SHOWN_BY_DEFAULT)) for name in ("requests", "events", "deliveries")}
    newest = [
        {
            "id": event.event_id,
            "type": event.kind,
            "object": event.object_id,
            "created": event.created,
            "delivered": event.delivered and not event.pending,
        }
        for _, event in zip(range(limits["events"]), api.account.events.newest_first(), strict=False)
    ]
    deliveries = list(api.account.deliveries.log)
    return {
        "requests": api.recorder.requests(limits["requests"]),
        "events": newest[::-1],
        "deliveries": deliveries[-limits["deliveries"] :] if limits["deliveries"] else [],
    }


def _payments(api: Api) -> list[Given]:
    """The newest payments, newest first, as the sandbox's page lists them."""
    account = api.account
    newest = [intent for _, intent in zip(range(PAYMENTS_SHOWN), account.intents.newest_first(), strict=False)]
    return [
        {
            **{name: intent[name] for name in ("id", "amount", "currency", "status", "created", "description")},
            "amount_refunded": (charge := account.charges.rows.get(str(intent["latest_charge"]), {})).get(
                "amount_refunded", 0
            ),
            "disputed": charge.get("disputed", False),
            "method": charge.get("payment_method_details", {}).get("type"),
        }
        for intent in newest
    ]


async def _reset(api: Api) -> Given:
    """Forget everything. Returns when no webhook is under way any more: nothing of this run reaches the next."""
    await api.account.deliveries.forget()
    api.account.reset()
    api.account.events.forget()
    api.keys.forget()
    api.recorder.forget()
    return _state(api)


def _turn(api: Api, given: Given) -> Given:
    if given.get("webhook_url"):
        try:
            Target.parse(given["webhook_url"])
        except ValueError as error:
            raise KnobRefused(str(error)) from error
    api.account.knobs.turn(**given)
    return api.account.knobs.as_dict()


def _add_faults(api: Api, given: Any) -> list[Given]:
    rules = given if isinstance(given, list) else [given]
    api.account.faults.extend([Fault.from_dict(rule) for rule in rules])
    return [vars(fault) for fault in api.account.faults]


# Triggers: what happens at Stripe without the site having asked for it


def _intent_of(account: Account, given: Given) -> Given:
    if "payment_intent" not in given:
        raise missing_param("payment_intent")
    return account.intents.get(given["payment_intent"], "payment_intent")


def _charge_of(account: Account, given: Given) -> Given:
    if "charge" in given:
        return account.charges.get(given["charge"], "charge")
    intent = _intent_of(account, given)
    return account.charges.get(str(intent["latest_charge"]), "latest_charge")


def _refund(account: Account, given: Given) -> Given:
    """{"payment_intent" or "charge", "amount"?, "reason"?}: a refund made in Stripe's dashboard."""
    fields = ("payment_intent", "charge", "amount", "reason")
    return refunds.create(account, {name: given[name] for name in fields if given.get(name) is not None})


def _fail_refund(account: Account, given: Given) -> Given:
    return refunds.fail(account, account.refunds.get(str(given.get("refund")), "refund")["id"])


def _dispute(account: Account, given: Given) -> Given:
    """{"payment_intent" or "charge", "reason"?, "amount"?, "inquiry"? true: the bank only asks}"""
    charge, reason = _charge_of(account, given), given.get("reason", "fraudulent")
    inquiry = given.get("inquiry") is True
    return disputes.open_dispute(account, charge, reason, given.get("amount"), inquiry=inquiry)


def _close_dispute(account: Account, given: Given) -> Given:
    """{"dispute" or "payment_intent" or "charge", "won": true or false}"""
    if not isinstance(given.get("won"), bool):
        raise missing_param("won (true or false)")
    if "dispute" in given:
        dispute = account.disputes.get(given["dispute"], "dispute")
    else:
        charge = _charge_of(account, given)
        found = account.disputes.of("charge", charge["id"])
        if not found:
            raise StripeError(f"Charge {charge['id']} has no dispute. Open one first.")
        dispute = found[-1]
    return disputes.close(account, dispute, won=given["won"])


def _fraud_warning(account: Account, given: Given) -> Given:
    """{"payment_intent" or "charge", "fraud_type"?}: the card network takes the payment for fraud."""
    return fraud_warnings.warn(account, _charge_of(account, given), given.get("fraud_type", "made_with_stolen_card"))


def _settle(account: Account, given: Given) -> Given:
    """{"payment_intent"}: the bank answers now, as the test account says."""
    return confirmation.settle_debit(account, _intent_of(account, given)["id"])


def _fail_debit(account: Account, given: Given) -> Given:
    """{"payment_intent"}: the bank refuses now, whatever the test account says."""
    return confirmation.settle_debit(account, _intent_of(account, given)["id"], failure=cards.NO_FUNDS)


def _payout(account: Account, given: Given) -> Given:
    return payouts.pay_out(account)


_REFUSALS = {
    "declined": cards.GENERIC,
    "insufficient_funds": cards.INSUFFICIENT,
    "expired_card": cards.EXPIRED,
    "authentication_required": confirmation.NEEDS_OWNER,
}


def _refusal(given: Given) -> cards.Decline | None:
    reason = given.get("decline")
    if reason is not None and reason not in _REFUSALS:
        raise KnobRefused(f"A renewal is declined as one of {', '.join(_REFUSALS)}; not {reason!r}.")
    return _REFUSALS.get(str(reason))


def _renew(account: Account, given: Given) -> Given:
    """{"subscription", "decline"?}: a month has passed; the saved card is charged, or refused for that reason."""
    return subscriptions.renew(account, str(given.get("subscription")), decline=_refusal(given))


def _retry(account: Account, given: Given) -> Given:
    """{"subscription", "decline"?, "gives_up"?}: Stripe tries the unpaid month again, perhaps for the last time."""
    gives_up = given.get("gives_up") is True
    found = str(given.get("subscription"))
    return subscriptions.retry(account, found, decline=_refusal(given), gives_up=gives_up)


TRIGGERS: dict[str, Callable[[Account, Given], Given]] = {
    "refund": _refund,
    "fail_refund": _fail_refund,
    "dispute": _dispute,
    "close_dispute": _close_dispute,
    "fraud_warning": _fraud_warning,
    "settle": _settle,
    "fail_debit": _fail_debit,
    "payout": _payout,
    "renew": _renew,
    "retry": _retry,
}


def _trigger(api: Api, given: Given) -> Given:
    act = TRIGGERS.get(str(given.get("what")))
    if act is None:
        raise KnobRefused(f"A trigger is one of {', '.join(TRIGGERS)}; not {given.get('what')!r}.")
    return act(api.account, given)


# HTTP

Handler = Callable[[web.Request], Awaitable[web.Response]]


def routes(api: Api) -> list[web.RouteDef]:
    deliveries = api.account.deliveries

    async def look(request: web.Request) -> web.Response:
        what = request.match_info["what"]
        answers: dict[str, Callable[[], Any]] = {
            "state": lambda: _state(api),
            "knobs": api.account.knobs.as_dict,
            "faults": lambda: [vars(fault) for fault in api.account.faults],
            "log": lambda: _log(api, request.query),
            "payments": lambda: _payments(api),
        }
        if what not in answers:
            return _json({"error": f"Nothing to look at: {what!r}. There is {', '.join(answers)}."}, 404)
        return _json(answers[what]())

    async def act(request: web.Request) -> web.Response:
        what = request.match_info["what"]
        given = await _given(request)
        if what == "release":
            return _json(await deliveries.release(given.get("order"), given.get("seed")))
        if what == "deliver":
            return _json(await deliveries.deliver(str(given.get("event")), int(given.get("copies", 1))))
        if what == "reset":
            return _json(await _reset(api))
        if what == "resume":
            deliveries.resume()
            return _json(deliveries.counts())
        acts: dict[str, Callable[[], Any]] = {
            "knobs": lambda: _turn(api, given),
            "faults": lambda: _add_faults(api, given),
            "trigger": lambda: _trigger(api, given),
        }
        if what not in acts:
            known = ", ".join([*acts, "reset", "release", "deliver", "resume"])
            return _json({"error": f"Nothing to do: {what!r}. There is {known}."}, 404)
        return _json(acts[what]())

    async def no_faults(request: web.Request) -> web.Response:
        api.account.faults.clear()
        return _json([])

    return [
        web.get("/_sandbox/{what}", _guarded(look)),
        web.post("/_sandbox/{what}", _guarded(act)),
        web.delete("/_sandbox/faults", _guarded(no_faults)),
    ]


def _guarded(handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except StripeError as error:
            return _json(error.body(), error.status)
        except (KnobRefused, TypeError, ValueError) as error:
            return _json({"error": str(error)}, 400)

    return guarded


async def _given(request: web.Request) -> Any:
    """The JSON body. Only JSON is taken: a page elsewhere cannot send that without being asked first."""
    if not request.can_read_body:
        return {}
    if request.content_type != "application/json":
        raise KnobRefused("The sandbox's own calls take JSON (Content-Type: application/json).")
    return json.loads(await request.text() or "{}")


def _json(answer: Any, status: int = 200) -> web.Response:
    return web.json_response(answer, status=status)
