"""What came in and what went out: a bounded log for tests, and a file for the contract check when asked for."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from .parameters import decode

LOG_LIMIT = 5_000
BODY_SHOWN_CHARACTERS = 20_000


@dataclass
class Exchange:
    """One API request and its answer."""

    method: str
    path: str
    encoded: str  # the query of a GET, the body of a POST, as sent
    idempotency_key: str | None
    request_id: str
    key_kind: str = ""  # secret or publishable
    status: int = 0
    replayed: bool = False
    fault: str = ""
    answer: str = ""


class Recorder:
    def __init__(self, path: str | None = None) -> None:
        self.exchanges: deque[Exchange] = deque(maxlen=LOG_LIMIT)
        self.requests_seen = 0
        self.file: TextIO | None = Path(path).open("a", encoding="utf-8") if path else None  # noqa: SIM115 - a run long

    def exchange(self, exchange: Exchange) -> None:
        self.requests_seen += 1
        self.exchanges.append(exchange)
        if self.file:
            self._write({"record": "exchange", **asdict(exchange)})

    def event(self, text: str) -> None:
        if self.file:
            self._write({"record": "event", "event": text})

    def _write(self, line: dict[str, Any]) -> None:
        if self.file:
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()

    def forget(self) -> None:
        self.exchanges.clear()
        self.requests_seen = 0

    def close(self) -> None:
        if self.file:
            self.file.close()

    def requests(self, limit: int) -> list[dict[str, Any]]:
        """The last requests, oldest first, with their parameters decoded; secrets and card numbers never come here."""
        chosen = list(self.exchanges)[-limit:] if limit else []
        return [
            {
                "method": one.method,
                "path": one.path,
                "params": _masked(decode(one.encoded)),
                "idempotency_key": one.idempotency_key,
                "request_id": one.request_id,
                "key": one.key_kind,
                "status": one.status,
                "replayed": one.replayed,
                "fault": one.fault,
            }
            for one in chosen
        ]


def _masked(params: dict[str, Any]) -> dict[str, Any]:
    card = params.get("card")
    if isinstance(card, dict) and "number" in card:
        return {**params, "card": {**card, "number": f"...{str(card['number'])[-4:]}", "cvc": "..."}}
    return params
