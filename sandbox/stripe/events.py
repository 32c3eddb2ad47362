"""What happened, as Stripe's event objects. The object inside is a copy of how it was at that moment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from .account import API_VERSION, Object, Table, in_range, page

if TYPE_CHECKING:
    from .account import Account
    from .recording import Recorder

EVENTS_LIMIT = 100_000

to_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Event:
    """One event. The parts that never change are kept as text: events outnumber everything else."""

    __slots__ = ("created", "delivered", "event_id", "kind", "object_id", "pending", "text")

    def __init__(self, event_id: str, kind: str, created: int, object_id: str, text: str) -> None:
        self.event_id = event_id
        self.kind = kind
        self.created = created
        self.object_id = object_id
        self.text = text
        self.pending = 0  # endpoints that have not answered 2xx yet
        self.delivered = True

    def payload(self) -> str:
        return self.text.replace('"pending_webhooks":0', f'"pending_webhooks":{self.pending}', 1)


def matches(kind: str, patterns: list[str]) -> bool:
    return any(pattern in ("*", kind) or fnmatchcase(kind, pattern) for pattern in patterns)


class Events:
    """All events of one account, newest last."""

    def __init__(self, account: Account, recorder: Recorder) -> None:
        self.account = account
        self.recorder = recorder
        self.forget()

    def forget(self) -> None:
        self.table = Table("event", limit=EVENTS_LIMIT)

    def emit(self, kind: str, subject: Object, previous: Object | None = None) -> None:
        """Record an event about `subject` and send it on its way. previous: the old values of what changed."""
        account = self.account
        if account.knobs.unmade_types and matches(kind, account.knobs.unmade_types):
            return
        event_id, created, cause = account.make_id("evt"), account.now(), account.cause
        changed = f',"previous_attributes":{to_json(previous)}' if previous is not None else ""
        text = (
            f'{{"id":"{event_id}","object":"event","api_version":"{API_VERSION}","created":{created},'
            f'"livemode":false,"pending_webhooks":0,"type":"{kind}",'
            f'"request":{{"id":{to_json(cause.request_id)},"idempotency_key":{to_json(cause.idempotency_key)}}},'
            f'"data":{{"object":{to_json(subject)}{changed}}}}}'
        )
        event = Event(event_id, kind, created, subject["id"], text)
        self.table.add({"id": event_id, "created": created, "event": event})
        self.recorder.event(text)
        account.deliveries.schedule(event)

    def get(self, event_id: str) -> Event:
        found: Event = self.table.get(event_id)["event"]
        return found

    def newest_first(self) -> Iterator[Event]:
        return (row["event"] for row in self.table.newest_first())


def retrieve(account: Account, params: Object, event_id: str) -> Object:
    found: Object = json.loads(account.events.get(event_id).payload())
    return found


def list_events(account: Account, params: Object) -> Object:
    """Newest first. `type` or `types` (with * at the end), `created`, `delivery_success`, and the usual paging."""
    patterns = params.get("types") or ([params["type"]] if "type" in params else ["*"])
    success, created = params.get("delivery_success"), params.get("created")

    def wanted(row: Object) -> bool:
        event: Event = row["event"]
        if success is not None and success != (event.delivered and not event.pending):
            return False
        return in_range(event.created, created) and matches(event.kind, patterns)

    rows = account.events.table.newest_first(
        after=params.get("starting_after"), before=params.get("ending_before"), created=created
    )
    answer = page(rows, params, wanted, "/v1/events")
    answer["data"] = [json.loads(row["event"].payload()) for row in answer["data"]]
    return answer
