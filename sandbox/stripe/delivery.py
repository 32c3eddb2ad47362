"""Webhooks on their way to the site: signed as Stripe signs, at least once, in any order, retried with back-off.

The knobs bend this: delay, drop, duplicate, hold, shuffle. A delivery is always in one of these places: a timer
(delayed or to be retried), the queue (due now), held (paused), the batch (to be shuffled), or under way.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .events import Event, matches
from .knobs import KnobRefused
from .posting import Poster, PostFailed, Target

if TYPE_CHECKING:
    from .account import Account

LOG_LIMIT = 5_000
FORGET_SECONDS = 2.0


@dataclass
class Delivery:
    event: Event
    attempts: int = 0


def signature(payload: str, secrets: list[str], moment: int) -> str:
    """The Stripe-Signature header: the time, and one v1 for each secret (two while a secret is being replaced)."""
    signed = f"{moment}.{payload}".encode()
    parts = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return f"t={moment}" + "".join(f",v1={part}" for part in parts)


class Deliveries:
    """All deliveries of one account."""

    def __init__(self, account: Account, *, concurrency: int = 8) -> None:
        self.account = account
        self.concurrency = concurrency
        self.poster = Poster()
        self.queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self.held: list[Delivery] = []
        self.batch: list[Delivery] = []
        self.under_way = 0
        self.timers: set[asyncio.TimerHandle] = set()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.log: deque[dict[str, Any]] = deque(maxlen=LOG_LIMIT)

    def start(self) -> None:
        for _ in range(self.concurrency):
            self._run(self._work())

    def _run(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def stop(self) -> None:
        self._throw_away()
        await self._cancel()
        await self.poster.close()

    async def _cancel(self) -> None:
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def forget(self) -> None:
        """Throw away all that waits, and let what is under way end; what hangs is cut off."""
        self._throw_away()
        until = time.monotonic() + FORGET_SECONDS
        while self.under_way and time.monotonic() < until:
            await asyncio.sleep(0.01)
        await self._cancel()
        self._throw_away()
        self.start()

    def _throw_away(self) -> None:
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()
        self.held.clear()
        self.batch.clear()
        self.log.clear()
        while not self.queue.empty():
            self.queue.get_nowait()

    def counts(self) -> dict[str, int]:
        return {
            "queued": self.queue.qsize(),
            "under_way": self.under_way,
            "timed": len(self.timers),
            "held": len(self.held),
            "batched": len(self.batch),
        }

    # How an event starts on its way

    def schedule(self, event: Event) -> None:
        knobs = self.account.knobs
        if not knobs.webhook_url or not matches(event.kind, knobs.enabled_events):
            return
        event.pending, event.delivered = 1, False
        if self._dropped(event):
            self._note(event, 0, "dropped")
            return
        copies = 1 + (knobs.duplicates if matches(event.kind, knobs.duplicate_types) else 0)
        delay_ms = knobs.delay_ms if knobs.delay_ms and matches(event.kind, knobs.delay_types) else 0
        for _ in range(copies):
            self._when(delay_ms, self._due, Delivery(event))

    def _dropped(self, event: Event) -> bool:
        knobs = self.account.knobs
        if not (knobs.drop_next or knobs.drop_fraction) or not matches(event.kind, knobs.drop_types):
            return False
        if knobs.drop_next:
            knobs.drop_next -= 1
            return True
        return self.account.chance.random() < knobs.drop_fraction

    def _when(self, delay_ms: float, act: Callable[..., None], *args: Any) -> None:
        if delay_ms <= 0:
            act(*args)
            return

        def run() -> None:
            self.timers.discard(timer)
            act(*args)

        timer = asyncio.get_running_loop().call_later(delay_ms / 1_000, run)
        self.timers.add(timer)

    def _due(self, delivery: Delivery) -> None:
        knobs = self.account.knobs
        if knobs.paused:
            self.held.append(delivery)
        elif knobs.reorder_batch > 1:
            self.batch.append(delivery)
            if len(self.batch) >= knobs.reorder_batch:
                self._let_batch_go()
            elif len(self.batch) == 1:
                self._when(knobs.reorder_wait_ms, self._let_batch_go)
        else:
            self.queue.put_nowait(delivery)

    def _let_batch_go(self) -> None:
        batch, self.batch = self.batch, []
        self.account.chance.shuffle(batch)
        if batch:
            self._run(self._in_order(batch))

    # By hand

    def resume(self) -> None:
        self.account.knobs.paused = False
        held, self.held = self.held, []
        for delivery in held:
            self._due(delivery)

    async def release(self, order: list[str] | None = None, seed: int | None = None) -> list[dict[str, Any]]:
        """Deliver held events one after another, and answer what came of each; what is not named stays held.

        order: event ids or types, in the order wanted; an id may come twice. None: all, as they were made, or shuffled
        by `seed`. Raises KnobRefused for an id or type that is not there.
        """
        if order is None:
            chosen, self.held = self.held, []
            if seed is not None:
                random.Random(seed).shuffle(chosen)
        else:
            chosen = [self._take(one) for one in order]
        return await self._in_order(chosen)

    def _take(self, name: str) -> Delivery:
        for index, delivery in enumerate(self.held):
            if name in (delivery.event.event_id, delivery.event.kind):
                return self.held.pop(index)
        row = self.account.events.table.rows.get(name)
        if row is None:
            raise KnobRefused(f"No held event has the type, and no event the id, {name!r}.")
        return Delivery(row["event"])

    async def deliver(self, event_id: str, copies: int = 1) -> list[dict[str, Any]]:
        """Deliver one event now, held or dropped or delivered before."""
        event = self.account.events.get(event_id)
        self.held = [one for one in self.held if one.event is not event]
        return await self._in_order([Delivery(event) for _ in range(copies)])

    async def _in_order(self, deliveries: list[Delivery]) -> list[dict[str, Any]]:
        return [await self._attempt(delivery) for delivery in deliveries]

    # The posting itself

    async def _work(self) -> None:
        while True:
            await self._attempt(await self.queue.get())

    async def _attempt(self, delivery: Delivery) -> dict[str, Any]:
        event, knobs = delivery.event, self.account.knobs
        delivery.attempts += 1
        self.under_way += 1
        payload, moment = event.payload(), int(time.time())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Accept": "*/*; q=0.5, application/xml",
            "Cache-Control": "no-cache",
            "Stripe-Signature": signature(payload, knobs.webhook_secrets, moment),
        }
        try:
            timeout_seconds = knobs.webhook_timeout_ms / 1_000
            target = Target.parse(knobs.webhook_url)
            outcome: int | str = await self.poster.post(target, payload.encode(), headers, timeout_seconds)
        except (PostFailed, ValueError) as error:
            outcome = str(error)
        finally:
            self.under_way -= 1
        if isinstance(outcome, int) and 200 <= outcome < 300:
            event.pending, event.delivered = 0, True
        else:
            self._retry(delivery)
        return self._note(event, delivery.attempts, outcome)

    def _retry(self, delivery: Delivery) -> None:
        knobs = self.account.knobs
        if delivery.attempts >= knobs.retry_limit or delivery.event.delivered:
            return
        wait_ms = min(knobs.retry_base_ms * knobs.retry_factor ** (delivery.attempts - 1), knobs.retry_max_ms)
        self._when(max(wait_ms, 1), self._due, delivery)

    def _note(self, event: Event, attempt: int, outcome: int | str) -> dict[str, Any]:
        note = {
            "event": event.event_id,
            "type": event.kind,
            "object": event.object_id,
            "attempt": attempt,
            "outcome": outcome,
            "at": round(time.time(), 3),
        }
        self.log.append(note)
        return note
