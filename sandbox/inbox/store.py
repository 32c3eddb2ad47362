"""The messages: one file each, so that a restart loses none, and an index of them in memory."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from pathlib import Path

MESSAGES_LIMIT = 50_000
FROM_HEADER, TO_HEADER = "X-Inbox-From", "X-Inbox-To"
POLICY = email.policy.SMTP.clone(refold_source="none")


@dataclass(frozen=True)
class Summary:
    """What a list shows of one message. recipients: the envelope's, lower case, as the server was told them."""

    message_id: str
    received_at: dt.datetime
    subject: str
    sender: str
    recipients: tuple[str, ...]
    shown_to: str
    mail_id: str
    size_bytes: int


class Store:
    """Messages in a folder, newest last. Bounded: the oldest file goes when the limit is passed."""

    def __init__(self, folder: Path, *, limit: int = MESSAGES_LIMIT) -> None:
        self.folder = folder
        self.limit = limit
        folder.mkdir(parents=True, exist_ok=True)
        self._summaries: dict[str, Summary] = {}
        self._last_ns = 0
        for path in sorted(folder.glob("*.eml")):
            self._summaries[path.stem] = summarise(path.stem, path.read_bytes())

    def keep(self, content: bytes, *, sender: str, recipients: list[str], now: dt.datetime) -> Summary:
        """Write one message whole or not at all, and answer its summary. Ids sort by the moment of arrival."""
        moment_ns = max(int(now.timestamp() * 1e9), self._last_ns + 1)
        self._last_ns = moment_ns
        message_id = f"{moment_ns:020d}"
        envelope = f"{FROM_HEADER}: {sender}\r\n{TO_HEADER}: {', '.join(recipients)}\r\n".encode()
        whole = envelope + content
        unfinished = self.folder / f".{message_id}"
        unfinished.write_bytes(whole)
        os.replace(unfinished, self._path(message_id))
        summary = summarise(message_id, whole)
        self._summaries[message_id] = summary
        if len(self._summaries) > self.limit:
            self.delete(next(iter(self._summaries)))
        return summary

    def newest_first(self, *, to: str = "", subject: str = "") -> Iterator[Summary]:
        """Messages to an address (whole, any case) and with a text in the subject; "" asks for all."""
        for summary in reversed(list(self._summaries.values())):
            if to and to.lower() not in summary.recipients:
                continue
            if subject.lower() in summary.subject.lower():
                yield summary

    def __len__(self) -> int:
        return len(self._summaries)

    def summary(self, message_id: str) -> Summary | None:
        return self._summaries.get(message_id)

    def content(self, message_id: str) -> bytes:
        """The message as it came, without the two lines that the store put before it."""
        return self._path(message_id).read_bytes().split(b"\r\n", 2)[2]

    def message(self, message_id: str) -> EmailMessage:
        parsed = email.message_from_bytes(self.content(message_id), policy=POLICY)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def delete(self, message_id: str) -> None:
        if self._summaries.pop(message_id, None):
            self._path(message_id).unlink(missing_ok=True)

    def clear(self) -> None:
        for message_id in list(self._summaries):
            self.delete(message_id)

    def _path(self, message_id: str) -> Path:
        return self.folder / f"{message_id}.eml"


def summarise(message_id: str, whole: bytes) -> Summary:
    headers = BytesHeaderParser(policy=POLICY).parsebytes(whole)
    recipients = [one.strip().lower() for one in str(headers.get(TO_HEADER, "")).split(",")]
    return Summary(
        message_id=message_id,
        received_at=dt.datetime.fromtimestamp(int(message_id) / 1e9, tz=dt.UTC),
        subject=_line(headers.get("Subject", "")),
        sender=_line(headers.get("From", headers.get(FROM_HEADER, ""))),
        recipients=tuple(one for one in recipients if one),
        shown_to=_line(headers.get("To", headers.get(TO_HEADER, ""))),
        mail_id=_line(headers.get("Message-ID", "")),
        size_bytes=len(whole),
    )


def _line(header: object) -> str:
    return re.sub(r"\s+", " ", str(header)).strip()
