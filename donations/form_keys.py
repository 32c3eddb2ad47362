"""The key that makes a giving form give once.

Every form carries a random key, signed. The browser keeps the same key in a signed cookie, so that a reload, the
back button and a second tab send the same one, and all of them together can make one gift. Once that gift is paid
the next form gets a new key. The cookie also names the gift last started, so that "change gift" can fill the form in,
and the browser's session, which stays when the key changes: failed cards are counted by it (limits.py).
"""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

COOKIE = "gift_form"
COOKIE_PATH = "/give/"
_COOKIE_SECONDS = 24 * 3600
_FORM_LASTS = timedelta(hours=24)
_FIELD_SALT = "donations.form_key.field"
_COOKIE_SALT = "donations.form_key.cookie"


@dataclass(frozen=True, slots=True)
class FormKey:
    """key: as giving.start_gift takes it. gift_token: the gift last started with this form, or empty.

    session: sixteen hexadecimal digits that tell this browser from others. asked_at: when the gift was asked for
    again, in seconds: what was typed for it is shown for a while after.
    """

    key: str
    gift_token: str = ""
    session: str = field(default_factory=lambda: secrets.token_hex(8))
    asked_at: int = 0

    @property
    def sealed(self) -> str:
        """The key as the form's hidden field carries it, with the moment it was shown."""
        return signing.TimestampSigner(salt=_FIELD_SALT).sign(self.key)


def new_form_key(*, gift_token: str = "", session: str = "", asked_at: int = 0) -> FormKey:
    """A key for the next gift. session: of the browser that had another key, or empty for a new browser."""
    key = secrets.token_urlsafe(24)
    return FormKey(key, gift_token, session or secrets.token_hex(8), asked_at)


def unsealed(text: str) -> str | None:
    """The key in a form that was sent, or None when it is missing, not of our making, or a day old."""
    try:
        return signing.TimestampSigner(salt=_FIELD_SALT).unsign(text[:200], max_age=_FORM_LASTS)
    except signing.BadSignature:
        return None


def was_sent_within(text: str, shortest: timedelta) -> bool:
    """Whether a form came back sooner than anybody fills it in."""
    try:
        signing.TimestampSigner(salt=_FIELD_SALT).unsign(text[:200], max_age=shortest)
    except signing.BadSignature:
        return False
    return bool(shortest)


def kept_form_key(request: HttpRequest) -> FormKey | None:
    """The key that this browser was given before, or None when it has none, or an old or a forged one."""
    try:
        content = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_COOKIE_SALT, max_age=_COOKIE_SECONDS)
        session = str(content.get("session") or secrets.token_hex(8))[:16]
        asked_at = int(content.get("asked") or 0)
        return FormKey(key=str(content["key"]), gift_token=str(content["gift"]), session=session, asked_at=asked_at)
    except (signing.BadSignature, KeyError, TypeError, ValueError, AttributeError):
        return None


def keep_form_key(response: HttpResponse, form_key: FormKey) -> None:
    content = {
        "key": form_key.key,
        "gift": form_key.gift_token,
        "session": form_key.session,
        "asked": form_key.asked_at,
    }
    response.set_cookie(
        COOKIE,
        signing.dumps(content, salt=_COOKIE_SALT),
        max_age=_COOKIE_SECONDS,
        path=COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
