"""Copies in the cache that are rebuilt about once a second, whatever the crowd, and that may always be missing."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from django.core.cache import cache
from redis.exceptions import RedisError

FRESH_FOR = timedelta(seconds=1)
KEPT_SECONDS = 60
REBUILD_SECONDS = 5
Copy = TypeVar("Copy")


def fresh(key: str, *, now: datetime, make: Callable[[], Copy]) -> tuple[datetime, Copy]:
    """The copy under this key with the moment it was made; made again when it is older than FRESH_FOR.

    now: by the clock of the server that asks. Of several askers at once one makes the copy, the others take the old
    one, for at most REBUILD_SECONDS. The cache is only a help: when it does not answer, the copy is made here.
    """
    try:
        kept: tuple[datetime, Copy] | None = cache.get(key)
        if kept and abs(now - kept[0]) < FRESH_FOR:
            return kept
        if (
            kept
            and abs(now - kept[0]).total_seconds() < KEPT_SECONDS
            and not cache.add(f"{key}:lock", 1, REBUILD_SECONDS)
        ):
            return kept
    except (RedisError, OSError):
        return now, make()
    copy = now, make()
    try:
        cache.set(key, copy, KEPT_SECONDS)
        cache.delete(f"{key}:lock")
    except (RedisError, OSError):
        pass
    return copy
