"""The client of /_sandbox/, for tests, rehearsals and benchmarks: turn knobs, ask for faults, read the log."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_SECONDS = 60
LOOK_SECONDS = 0.02


class SandboxRefused(Exception):
    """The sandbox did not do what was asked; the message says why."""


class SandboxControl:
    """One running sandbox, by its address: SandboxControl("http://127.0.0.1:8010")."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")

    def _ask(self, method: str, what: str, given: Any = None) -> Any:
        body = None if given is None else json.dumps(given).encode()
        request = urllib.request.Request(f"{self.base_url}/_sandbox/{what}", data=body, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise SandboxRefused(f"{what}: {error.read().decode()}") from error

    def knobs(self, **changes: Any) -> dict[str, Any]:
        """Turn knobs and answer all of them; without arguments only answer them."""
        found: dict[str, Any] = self._ask("POST", "knobs", changes) if changes else self._ask("GET", "knobs")
        return found

    def faults(self, *rules: dict[str, Any], **rule: Any) -> list[dict[str, Any]]:
        """Add rules, given as dicts or one by its fields: faults(answer="500", path="/confirm$", when="after")."""
        given = [*rules, rule] if rule else list(rules)
        found: list[dict[str, Any]] = self._ask("POST", "faults", given) if given else self._ask("GET", "faults")
        return found

    def clear_faults(self) -> None:
        self._ask("DELETE", "faults")

    def log(self, *, requests: int = 200, events: int = 200, deliveries: int = 200) -> dict[str, list[dict[str, Any]]]:
        """The last requests, events and deliveries, each oldest first."""
        found: dict[str, list[dict[str, Any]]] = self._ask(
            "GET", f"log?requests={requests}&events={events}&deliveries={deliveries}"
        )
        return found

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("GET", "state")
        return found

    def reset(self) -> None:
        """Forget every object, event, key and fault, and turn the knobs back to how the run began."""
        self._ask("POST", "reset", {})

    # Events

    def pause(self) -> None:
        """Hold back events from now on."""
        self.knobs(paused=True)

    def resume(self) -> None:
        """Deliver what is held back, and hold nothing back any more."""
        self._ask("POST", "resume", {})

    def release_events(self, order: list[str] | None = None, *, seed: int | None = None) -> list[dict[str, Any]]:
        """Deliver held events one by one and wait; see Deliveries.release. Each result has event, type, outcome."""
        given = {name: value for name, value in (("order", order), ("seed", seed)) if value is not None}
        found: list[dict[str, Any]] = self._ask("POST", "release", given)
        return found

    def deliver_event(self, event_id: str, copies: int = 1) -> list[dict[str, Any]]:
        """Deliver one event now and wait, whatever happened to it before."""
        found: list[dict[str, Any]] = self._ask("POST", "deliver", {"event": event_id, "copies": copies})
        return found

    def wait_idle(self, seconds: float = 10) -> None:
        """Wait until nothing is queued, delayed, under way or about to happen by itself. Held events stay held."""
        until = time.monotonic() + seconds
        while True:
            state = self.state()
            busy = {name: state[name] for name in ("queued", "under_way", "timed", "batched", "timers") if state[name]}
            if not busy:
                return
            if time.monotonic() > until:
                raise TimeoutError(f"The sandbox is still busy after {seconds:g} s: {busy}")
            time.sleep(LOOK_SECONDS)

    # What happens at Stripe or at a bank without the site having asked for it

    def trigger(self, what: str, **given: Any) -> dict[str, Any]:
        fields = {name: value for name, value in given.items() if value is not None}
        found: dict[str, Any] = self._ask("POST", "trigger", {"what": what, **fields})
        return found

    def trigger_refund(self, payment_intent: str, amount: int | None = None) -> dict[str, Any]:
        """A refund made in the dashboard; all that is left without an amount (minor units)."""
        return self.trigger("refund", payment_intent=payment_intent, amount=amount)

    def fail_refund(self, refund: str) -> dict[str, Any]:
        return self.trigger("fail_refund", refund=refund)

    def open_dispute(
        self, payment_intent: str, amount: int | None = None, reason: str = "fraudulent", *, inquiry: bool = False
    ) -> dict[str, Any]:
        """The donor's bank takes the money back; with `inquiry` it only asks."""
        return self.trigger(
            "dispute", payment_intent=payment_intent, amount=amount, reason=reason, inquiry=inquiry or None
        )

    def close_dispute(self, payment_intent: str, *, won: bool) -> dict[str, Any]:
        return self.trigger("close_dispute", payment_intent=payment_intent, won=won)

    def settle_debit(self, payment_intent: str) -> dict[str, Any]:
        """The bank answers now, as the test account says."""
        return self.trigger("settle", payment_intent=payment_intent)

    def fail_debit(self, payment_intent: str) -> dict[str, Any]:
        """The bank refuses now, whatever the test account says."""
        return self.trigger("fail_debit", payment_intent=payment_intent)

    def pay_out(self) -> dict[str, Any]:
        """Pay out the whole balance now."""
        return self.trigger("payout")

    def renew(self, subscription: str, decline: str | None = None) -> dict[str, Any]:
        """A month has passed: the subscription is billed. decline: declined, insufficient_funds, expired_card,
        authentication_required."""
        return self.trigger("renew", subscription=subscription, decline=decline)

    def retry(self, subscription: str, decline: str | None = None, *, gives_up: bool = False) -> dict[str, Any]:
        """Stripe tries the unpaid month again; with gives_up for the last time."""
        return self.trigger("retry", subscription=subscription, decline=decline, gives_up=gives_up or None)
