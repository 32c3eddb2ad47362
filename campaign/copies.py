"""Copies in the cache that are rebuilt about once a second, whatever the crowd, and that may always be missing.

fresh() is for what a page must have, spared() for what it can do without: figures, the wall, the chart. Nothing of
the second kind may slow giving. Therefore one asker at a time rebuilds it, under a limit on each of its statements, and
what took long rests ten times as long: a part costs a tenth of one thread at most, and less when it fails.

A copy that says until when it may last (`until`) is not made again while nothing is written to the database: an asker
who has a stamp of it (stamps.py) sees that it is as right as a new one.
"""

import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from django.core.cache import cache
from django.db import DatabaseError
from django.http import Http404
from redis.exceptions import RedisError

from campaign.stamps import stamp
from campaign.time_limit import statements_within

FRESH_FOR = timedelta(seconds=1)
KEPT_SECONDS = 60
CLEARED = "pages-cleared"  # the mark of the pages that are kept: changes when staff hide something
REBUILD_SECONDS = 5
Copy = TypeVar("Copy")
Until = Callable[[], datetime]

SPARED_KEPT_SECONDS = 600
SPARED_REBUILD_SECONDS = 30
LONGEST = timedelta(seconds=1)  # of one statement; then the part has failed for now
QUICK_SECONDS = 0.1  # up to that a rebuild each second is no load
REST_FACTOR, LONGEST_REST_SECONDS = 10, 30
# Of what reads every gift and may be minutes old.
SELDOM_LONGEST = timedelta(seconds=4)
SELDOM_REST_FACTOR, SELDOM_LONGEST_REST_SECONDS = 200, 3_600
_FIRST_COPY_SECONDS, _LOOK_AGAIN_SECONDS = 0.25, 0.025

log = logging.getLogger(__name__)


class Kept(NamedTuple):
    """A copy as the cache has it. made_at: when it was made, or last seen to be as right as a new one.

    snapshot, until: while the database's snapshot is still this and that moment has not come, it is.
    """

    made_at: datetime
    copy: Any
    mark: str | None = None
    snapshot: str = ""
    until: datetime | None = None

    def is_fresh(self, *, now: datetime, fresh_for: timedelta) -> bool:
        return abs(now - self.made_at) < fresh_for

    def is_still_right(self, *, now: datetime) -> bool:
        if self.until is None or not self.made_at <= now < self.until:
            return False
        found = stamp()
        return found is not None and found.snapshot == self.snapshot


class Gone(Exception):
    """There is nothing any more that a copy could be made of."""


def fresh(
    key: str,
    *,
    now: datetime,
    make: Callable[[], Copy],
    fresh_for: timedelta = FRESH_FOR,
    mark: str = "",
    until: Until | None = None,
) -> tuple[datetime, Copy]:
    """The copy under this key with the moment it was made; made again when it is older than fresh_for.

    now: by the clock of the server that asks. Of several askers at once one makes the copy, the others take the old
    one, for at most REBUILD_SECONDS. The cache is only a help: when it does not answer, the copy is made here.
    mark: a copy counts as long as this mark has not changed since its making began (change_mark), however late a slow
    maker finishes it; empty for copies that nobody takes back. until: the first moment after `now` at which the copy
    might be another one though nobody writes anything; asked when it is made. What `make` raises is raised; after
    Gone or Http404 nobody is shown the older copy, after any other error the others are, as before.
    """
    try:
        kept, marked = _look_with_mark(key, mark)
        if kept and kept.is_fresh(now=now, fresh_for=fresh_for):
            return kept.made_at, kept.copy
        if kept and kept.is_fresh(now=now, fresh_for=fresh_for + timedelta(seconds=KEPT_SECONDS)):
            if not cache.add(f"{key}:lock", 1, REBUILD_SECONDS):
                return kept.made_at, kept.copy
            newer, marked = _look_with_mark(key, mark)  # made between our look and our lock
            if newer and newer.is_fresh(now=now, fresh_for=fresh_for):
                cache.delete(f"{key}:lock")
                return newer.made_at, newer.copy
            kept = newer
    except (RedisError, OSError):
        return now, make()
    if kept and kept.is_still_right(now=now):
        made = kept._replace(made_at=now)
    else:
        try:
            made = _made(now=now, make=make, until=until)._replace(mark=marked)
        except (Gone, Http404):
            _drop(key)
            raise
    try:
        cache.set(key, tuple(made), KEPT_SECONDS + int(fresh_for.total_seconds()))
        cache.delete(f"{key}:lock")
    except (RedisError, OSError):
        pass
    return made.made_at, made.copy


def _made(*, now: datetime, make: Callable[[], Any], until: Until | None) -> Kept:
    """A new copy. The stamp is asked before: what is read then is what it tells of, or newer."""
    found = stamp() if until else None
    copy = make()
    return Kept(now, copy, None, found.snapshot, until()) if found and until else Kept(now, copy)


def _drop(key: str) -> None:
    with suppress(RedisError, OSError):
        cache.delete_many([key, f"{key}:lock"])


def change_mark(mark: str) -> None:
    """Have no copy looked at any more whose making began before this. One write; a cache that is away is only noted."""
    try:
        cache.set(mark, secrets.token_hex(8), None)
    except (RedisError, OSError):
        log.warning("the cache is away; copies under %s end by themselves", mark)


def _look_with_mark(key: str, mark: str) -> tuple[Kept | None, str | None]:
    """The copy, None when there is none of this mark, and the mark as it stands: one round trip."""
    found = cache.get_many([key, mark] if mark else [key])
    stands, kept = found.get(mark), _kept(found.get(key))
    return (kept if kept and kept.mark == stands else None), stands


def _kept(found: Any) -> Kept | None:
    """What the cache has; one of another shape, from an older release, is none."""
    return Kept(*found) if isinstance(found, tuple) and len(found) == len(Kept._fields) else None


def spared(
    key: str,
    *,
    now: datetime,
    make: Callable[[], Copy],
    is_wanted: bool = False,
    fresh_for: timedelta = FRESH_FOR,
    until: Until | None = None,
    is_seldom: bool = False,
) -> tuple[datetime, Copy] | None:
    """As fresh(), for what pages can do without: an older copy, up to SPARED_KEPT_SECONDS, or None, and never a wait.

    make: reads the database and writes nothing; it is cut off when a statement takes longer than LONGEST. None: there
    is no copy, and somebody else makes it or it rests. is_wanted: when there is no copy yet, wait a quarter of a second
    for who makes it; and with the cache down make it here, where other parts are left out. is_seldom: it may take
    SELDOM_LONGEST, and when it takes long it rests two hundred times that.
    """
    try:
        kept, rests = _look(key)
        if (kept and kept.is_fresh(now=now, fresh_for=fresh_for)) or rests:
            return _shown(kept)
        if not cache.add(f"{key}:lock", 1, SPARED_REBUILD_SECONDS):
            return _shown(kept) or (_first_copy(key) if is_wanted else None)
        newer, rests = _look(key)
        if (newer and newer.is_fresh(now=now, fresh_for=fresh_for)) or rests:
            cache.delete(f"{key}:lock")
            return _shown(newer)
    except (RedisError, OSError):
        return _shown(_within_limit(key, now=now, make=make, until=None)[0]) if is_wanted else None
    made, rest_seconds = (
        (newer._replace(made_at=now), 0)
        if newer and newer.is_still_right(now=now)
        else _within_limit(key, now=now, make=make, until=until, is_seldom=is_seldom)
    )
    try:
        if made:
            cache.set(key, tuple(made), SPARED_KEPT_SECONDS + rest_seconds)
        if rest_seconds:
            cache.set(f"{key}:rest", 1, rest_seconds)
        cache.delete(f"{key}:lock")
    except (RedisError, OSError):
        pass
    return _shown(made or newer)


def _shown(kept: Kept | None) -> tuple[datetime, Any] | None:
    return (kept.made_at, kept.copy) if kept else None


def _look(key: str) -> tuple[Kept | None, bool]:
    """The copy, None when there is none, and whether its part rests: one round trip."""
    found = cache.get_many([key, f"{key}:rest"])
    return _kept(found.get(key)), f"{key}:rest" in found


def _first_copy(key: str) -> tuple[datetime, Any] | None:
    """What another asker is making for the first time, if it comes within _FIRST_COPY_SECONDS."""
    for _ in range(int(_FIRST_COPY_SECONDS / _LOOK_AGAIN_SECONDS)):
        time.sleep(_LOOK_AGAIN_SECONDS)
        if kept := _kept(cache.get(key)):
            return _shown(kept)
    return None


def _within_limit(
    key: str, *, now: datetime, make: Callable[[], Any], until: Until | None, is_seldom: bool = False
) -> tuple[Kept | None, int]:
    """The copy, None when the database refused or was too slow; and for how many seconds to let it rest."""
    begun = time.monotonic()
    longest_rest = SELDOM_LONGEST_REST_SECONDS if is_seldom else LONGEST_REST_SECONDS
    if until:
        stamp()  # within the transaction that sets the limit it could not be asked
    try:
        with statements_within(SELDOM_LONGEST if is_seldom else LONGEST):
            made = _made(now=now, make=make, until=until)
    except DatabaseError as error:
        log.warning("%s rests for %s s: %s", key, longest_rest, error)
        return None, longest_rest
    took = time.monotonic() - begun
    if took <= QUICK_SECONDS:
        return made, 0
    return made, min(longest_rest, max(1, round(took * (SELDOM_REST_FACTOR if is_seldom else REST_FACTOR))))
