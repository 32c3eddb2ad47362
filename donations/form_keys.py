"""The key that makes a giving form give once.

Every form carries a random key, signed. The browser keeps the same key in a signed cookie, so that a reload, the
back button and a second tab send the same one, and all of them together can make one gift. Once that gift is paid
the next form gets a new key. The cookie also names the gift last started, so that "change gift" can fill the form in.
"""

import secrets
from dataclasses import dataclass

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

COOKIE = "gift_form"
COOKIE_PATH = "/give/"
_COOKIE_SECONDS = 24 * 3600
_FIELD_SALT = "donations.form_key.field"
_COOKIE_SALT = "donations.form_key.cookie"


@dataclass(frozen=True, slots=True)
class FormKey:
    """key: as giving.start_gift takes it. gift_token: the gift last started with this form, or empty."""

    key: str
    gift_token: str = ""

    @property
    def sealed(self) -> str:
        """The key as the form's hidden field carries it."""
        return signing.Signer(salt=_FIELD_SALT).sign(self.key)


def new_form_key(*, gift_token: str = "") -> FormKey:
    return FormKey(key=secrets.token_urlsafe(24), gift_token=gift_token)


def unsealed(text: str) -> str | None:
    """The key in a form that was sent, or None when it is missing or not of our making."""
    try:
        return signing.Signer(salt=_FIELD_SALT).unsign(text[:200])
    except signing.BadSignature:
        return None


def kept_form_key(request: HttpRequest) -> FormKey | None:
    """The key that this browser was given before, or None when it has none, or an old or a forged one."""
    try:
        content = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_COOKIE_SALT, max_age=_COOKIE_SECONDS)
        return FormKey(key=str(content["key"]), gift_token=str(content["gift"]))
    except (signing.BadSignature, KeyError, TypeError):
        return None


def keep_form_key(response: HttpResponse, form_key: FormKey) -> None:
    response.set_cookie(
        COOKIE,
        signing.dumps({"key": form_key.key, "gift": form_key.gift_token}, salt=_COOKIE_SALT),
        max_age=_COOKIE_SECONDS,
        path=COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
