"""The staff's log-in: Django's own, slowed down for guessers."""

import hashlib
import logging

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from donations.sources import source_of

logger = logging.getLogger(__name__)

WAIT_SECONDS = 300
TRIES_PER_NAME = 8  # for one name from one address
TRIES_PER_ADDRESS = 40  # for all names: a whole office may sit behind one address


class StaffLogInForm(AuthenticationForm):
    """Counts wrong tries for a name and address, and for an address, and refuses more for five minutes.

    Nobody can lock a colleague out from elsewhere, since a name counts only together with an address. While the
    cache is away nothing is counted and logging in still works.
    """

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": gettext_lazy("That name and password do not go together. Both are case-sensitive."),
        "too_many": gettext_lazy("Too many wrong tries. Wait five minutes and try again, or ask for a new password."),
    }

    def clean(self) -> dict[str, object]:
        keys = _keys(self.request, str(self.cleaned_data.get("username", "")))
        if _is_over(keys):
            raise ValidationError(self.error_messages["too_many"], code="too_many")
        try:
            cleaned = super().clean()
        except ValidationError:
            _count(keys)
            raise
        _forget(keys)
        return cleaned


class AdminLogInForm(StaffLogInForm, AdminAuthenticationForm):
    """The same for /admin/, which also asks that the person may use it."""


def _keys(request: HttpRequest | None, username: str) -> dict[str, int]:
    """Cache keys with their limits; names and addresses (IPv6 by its /64) go in as digests: a cache is no place for
    them."""
    address = source_of(request) if request else ""
    digest = hashlib.sha256(f"{username.lower()}|{address}".encode()).hexdigest()[:32]
    of_address = hashlib.sha256(address.encode()).hexdigest()[:32]
    return {f"log-in-name-{digest}": TRIES_PER_NAME, f"log-in-address-{of_address}": TRIES_PER_ADDRESS}


def _is_over(keys: dict[str, int]) -> bool:
    try:
        counts = cache.get_many(list(keys))
    except Exception:
        logger.exception("log-in tries are not counted: the cache is away")
        return False
    return any(counts.get(key, 0) >= limit for key, limit in keys.items())


def _count(keys: dict[str, int]) -> None:
    try:
        for key in keys:
            cache.add(key, 0, WAIT_SECONDS)
            cache.incr(key)
    except Exception:
        logger.exception("log-in tries are not counted: the cache is away")


def _forget(keys: dict[str, int]) -> None:
    try:
        cache.delete(next(iter(keys)))
    except Exception:
        logger.exception("log-in tries are not counted: the cache is away")
