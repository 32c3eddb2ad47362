"""What staff have written, from copies that count as long as none of it changes; so a page need not read it again."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from django.core.cache import cache
from django.db.models import Model, QuerySet
from redis.exceptions import RedisError

from campaign.models import Campaign, Organization
from campaign.stamps import stamp

_KEPT_SECONDS = 600
Row = TypeVar("Row", bound=Model)


def rows(found: "QuerySet[Row]", *related: str) -> Sequence[Row]:
    """All of these rows of this app, with what is related to them (as prefetch_related takes it).

    From a copy while a page is being made that is kept (stamps.one_stamp), otherwise read now. For questions that
    name no moment and nothing that a visitor may make up: each has a copy of its own.
    """
    wanted, now = found.prefetch_related(*related), stamp()
    if now is None:
        return list(wanted)
    asked = hashlib.sha256(f"{wanted.query} {related}".encode()).hexdigest()[:32]
    key = f"rows:{now.content}:{asked}"
    try:
        kept: Sequence[Row] | None = cache.get(key)
        if kept is None:
            kept = list(wanted)
            cache.set(key, kept, _KEPT_SECONDS)
    except (RedisError, OSError):
        return list(wanted)
    return kept


def current_campaign() -> Campaign | None:
    return next(iter(rows(Campaign.objects.filter(is_current=True))), None)


def organization() -> Organization | None:
    return next(iter(rows(Organization.objects.all())), None)
