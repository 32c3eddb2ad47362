"""Copies in the cache that are rebuilt about once a second, whatever the crowd, and that may always be missing.

fresh() is for what a page must have, spared() for what it can do without: figures, the wall, the chart. Nothing of
the second kind may slow giving. Therefore one asker at a time rebuilds it, under a limit on each of its statements, and
what took long rests ten times as long: a part costs a tenth of one thread at most, and less when it fails.
"""

import logging
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.core.cache import cache
from django.db import DatabaseError
from redis.exceptions import RedisError

from campaign.time_limit import statements_within

FRESH_FOR = timedelta(seconds=1)
KEPT_SECONDS = 60
CLEARED = "pages-cleared"  # the mark of the pages that are kept: changes when staff hide something
REBUILD_SECONDS = 5
Copy = TypeVar("Copy")

SPARED_KEPT_SECONDS = 600
SPARED_REBUILD_SECONDS = 30
LONGEST = timedelta(seconds=1)  # of one statement; then the part has failed for now
QUICK_SECONDS = 0.1  # up to that a rebuild each second is no load
REST_FACTOR, LONGEST_REST_SECONDS = 10, 30
_FIRST_COPY_SECONDS, _LOOK_AGAIN_SECONDS = 0.25, 0.025

log = logging.getLogger(__name__)


def fresh(
    key: str, *, now: datetime, make: Callable[[], Copy], fresh_for: timedelta = FRESH_FOR, mark: str = ""
) -> tuple[datetime, Copy]:
    """The copy under this key with the moment it was made; made again when it is older than fresh_for.

    now: by the clock of the server that asks. Of several askers at once one makes the copy, the others take the old
    one, for at most REBUILD_SECONDS. The cache is only a help: when it does not answer, the copy is made here.
    mark: a copy counts as long as this mark has not changed since its making began (change_mark), however late a slow
    maker finishes it; empty for copies that nobody takes back.
    """
    kept: tuple[datetime, Copy] | None
    try:
        kept, marked = _look_with_mark(key, mark)
        if kept and abs(now - kept[0]) < fresh_for:
            return kept
        if kept and abs(now - kept[0]) < fresh_for + timedelta(seconds=KEPT_SECONDS):
            if not cache.add(f"{key}:lock", 1, REBUILD_SECONDS):
                return kept
            newer, marked = _look_with_mark(key, mark)  # made between our look and our lock
            if newer and abs(now - newer[0]) < fresh_for:
                cache.delete(f"{key}:lock")
                return newer
    except (RedisError, OSError):
        return now, make()
    copy = now, make()
    try:
        cache.set(key, (*copy, marked), KEPT_SECONDS + int(fresh_for.total_seconds()))
        cache.delete(f"{key}:lock")
    except (RedisError, OSError):
        pass
    return copy


def change_mark(mark: str) -> None:
    """Have no copy looked at any more whose making began before this. One write; a cache that is away is only noted."""
    try:
        cache.set(mark, secrets.token_hex(8), None)
    except (RedisError, OSError):
        log.warning("the cache is away; copies under %s end by themselves", mark)


def _look_with_mark(key: str, mark: str) -> tuple[tuple[datetime, Any] | None, str | None]:
    """The copy, None when there is none of this mark, and the mark as it stands: one round trip."""
    found = cache.get_many([key, mark] if mark else [key])
    stands, kept = found.get(mark), found.get(key)
    return ((kept[0], kept[1]) if kept and kept[2:] == (stands,) else None), stands


def spared(
    key: str, *, now: datetime, make: Callable[[], Copy], is_wanted: bool = False, fresh_for: timedelta = FRESH_FOR
) -> tuple[datetime, Copy] | None:
    """As fresh(), for what pages can do without: an older copy, up to SPARED_KEPT_SECONDS, or None, and never a wait.

    make: reads the database and writes nothing; it is cut off when a statement takes longer than LONGEST. None: there
    is no copy, and somebody else makes it or it rests. is_wanted: when there is no copy yet, wait a quarter of a second
    for who makes it; and with the cache down make it here, where other parts are left out.
    """
    kept: tuple[datetime, Copy] | None
    newer: tuple[datetime, Copy] | None
    try:
        kept, rests = _look(key)
        if (kept and abs(now - kept[0]) < fresh_for) or rests:
            return kept
        if not cache.add(f"{key}:lock", 1, SPARED_REBUILD_SECONDS):
            return kept or (_first_copy(key) if is_wanted else None)
        newer, rests = _look(key)
        if (newer and abs(now - newer[0]) < fresh_for) or rests:
            cache.delete(f"{key}:lock")
            return newer
    except (RedisError, OSError):
        return _within_limit(key, now=now, make=make)[0] if is_wanted else None
    copy, rest_seconds = _within_limit(key, now=now, make=make)
    try:
        if copy:
            cache.set(key, copy, SPARED_KEPT_SECONDS)
        if rest_seconds:
            cache.set(f"{key}:rest", 1, rest_seconds)
        cache.delete(f"{key}:lock")
    except (RedisError, OSError):
        pass
    return copy or newer


def _look(key: str) -> tuple[Any, bool]:
    """The copy, None when there is none, and whether its part rests: one round trip."""
    found = cache.get_many([key, f"{key}:rest"])
    return found.get(key), f"{key}:rest" in found


def _first_copy(key: str) -> tuple[datetime, Copy] | None:
    """What another asker is making for the first time, if it comes within _FIRST_COPY_SECONDS."""
    for _ in range(int(_FIRST_COPY_SECONDS / _LOOK_AGAIN_SECONDS)):
        time.sleep(_LOOK_AGAIN_SECONDS)
        kept: tuple[datetime, Copy] | None = cache.get(key)
        if kept:
            return kept
    return None


def _within_limit(key: str, *, now: datetime, make: Callable[[], Copy]) -> tuple[tuple[datetime, Copy] | None, int]:
    """The copy, None when the database refused or was too slow; and for how many seconds to let it rest."""
    begun = time.monotonic()
    try:
        with statements_within(LONGEST):
            copy = now, make()
    except DatabaseError as error:
        log.warning("%s rests for %s s: %s", key, LONGEST_REST_SECONDS, error)
        return None, LONGEST_REST_SECONDS
    took = time.monotonic() - begun
    if took <= QUICK_SECONDS:
        return copy, 0
    return copy, min(LONGEST_REST_SECONDS, max(1, round(took * REST_FACTOR)))
