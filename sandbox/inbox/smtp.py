"""SMTP: takes every message for every address, unless a fault says otherwise."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import asdict, dataclass, fields
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from .store import Store

SIZE_LIMIT_BYTES = 33_554_432
ANSWER_REFUSED = "{status} Refused: a fault asked for in the test inbox"


class FaultRefused(ValueError):
    """The fault cannot be; the message says what to do."""


@dataclass
class Fault:
    """A rule: refuse messages.

    status: 400 to 599; 4xx means try again later. times: how many messages; 0: until taken away. address: only mail to
    it (any case), refused at RCPT; "" refuses any mail at the end of DATA. when: "before" (nothing is kept) or "after"
    (kept, yet refused: the sender will send it again).
    """

    status: int = 451
    times: int = 1
    address: str = ""
    when: str = "before"
    hits: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.status, int) or not 400 <= self.status <= 599:
            raise FaultRefused(f"A fault's status is a number from 400 to 599; not {self.status!r}.")
        if self.when not in ("before", "after"):
            raise FaultRefused(f"A fault comes 'before' or 'after' the message is kept; not {self.when!r}.")
        if not isinstance(self.times, int) or self.times < 0:
            raise FaultRefused(f"A fault hits 0 (all) or more messages; not {self.times!r}.")

    @property
    def spent(self) -> bool:
        return 0 < self.times <= self.hits

    def hit(self) -> str:
        self.hits += 1
        return ANSWER_REFUSED.format(status=self.status)

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Fault:
        names = {one.name for one in fields(cls)} - {"hits"}
        if not isinstance(given, dict) or set(given) - names:
            raise FaultRefused(f"A fault takes {', '.join(sorted(names))}; got {given!r}.")
        return cls(**given)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Receiver:
    """aiosmtpd's handler: RCPT and DATA."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.faults: list[Fault] = []

    def _fault(self, *, address: str | None) -> Fault | None:
        """The first rule that fits: for an address at RCPT, or for any mail (None) at DATA."""
        for fault in self.faults:
            wanted = fault.address.lower() == address.lower() if address is not None else not fault.address
            if wanted and not fault.spent:
                return fault
        return None

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        fault = self._fault(address=address)
        if fault:
            return fault.hit()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        fault = self._fault(address=None)
        if fault is None or fault.when == "after":
            content = envelope.content if isinstance(envelope.content, bytes) else b""
            self.store.keep(
                content, sender=envelope.mail_from or "", recipients=envelope.rcpt_tos, now=dt.datetime.now(dt.UTC)
            )
        return fault.hit() if fault else "250 OK: kept in the test inbox"


async def listen(receiver: Receiver, host: str, port: int) -> asyncio.Server:
    def connection() -> SMTP:
        return SMTP(receiver, hostname="inbox.test", data_size_limit=SIZE_LIMIT_BYTES, enable_SMTPUTF8=True)

    return await asyncio.get_running_loop().create_server(connection, host, port, backlog=512)
