"""One message taken apart: its text, its HTML, its attachments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import EmailMessage


@dataclass(frozen=True)
class Attachment:
    number: int
    filename: str
    content_type: str
    content: bytes
    content_id: str = ""


def text_of(message: EmailMessage) -> str | None:
    return _body(message, "plain")


def html_of(message: EmailMessage) -> str | None:
    return _body(message, "html")


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return None
    try:
        return str(part.get_content()).replace("\r\n", "\n")
    except (LookupError, KeyError, UnicodeError):  # a charset that Python does not know
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else str(payload)


def attachments_of(message: EmailMessage) -> list[Attachment]:
    """All parts but the text and HTML bodies: what is attached, and pictures inside the HTML."""
    bodies = [message.get_body(preferencelist=(kind,)) for kind in ("plain", "html")]
    found: list[Attachment] = []
    for part in message.walk():
        if part.is_multipart() or any(part is body for body in bodies):
            continue
        payload = part.get_payload(decode=True)
        number = len(found)
        found.append(
            Attachment(
                number=number,
                filename=_safe(part.get_filename() or f"part-{number}"),
                content_type=part.get_content_type(),
                content=payload if isinstance(payload, bytes) else b"",
                content_id=str(part.get("Content-ID", "")).strip("<> "),
            )
        )
    return found


def _safe(filename: str) -> str:
    """A name without folders, quotes or control characters: it goes into a header."""
    return re.sub(r'[\x00-\x1f\x7f"\\/]+', "_", filename).strip() or "part"


def with_pictures(html: str, attachments: list[Attachment], base: str) -> str:
    """cid: addresses replaced by those where the inbox serves the parts."""
    for attachment in attachments:
        if attachment.content_id:
            html = html.replace(f"cid:{attachment.content_id}", f"{base}/{attachment.number}")
    return html
