"""When pages of staff appeared and were last changed, as far as their history or their own moment says it."""

from datetime import datetime

from django.db.models import Max, Min, QuerySet
from reversion.models import Version

from campaign.models import Fund, Story

_PUBLISHED = '"is_published": true'  # as a version keeps it


def appeared_at(pages: QuerySet[Fund] | QuerySet[Story]) -> dict[int, datetime]:
    """By the page's key: the moment it waited for, else its first version that was no draft; absent when neither is
    known. Two queries."""
    first = Version.objects.get_for_model(pages.model).filter(serialized_data__contains=_PUBLISHED)
    found = _by_page(first.values_list("object_id").annotate(Min("revision__date_created")))
    return found | {pk: moment for pk, moment in pages.values_list("pk", "publish_at") if moment}


def changed_at(pages: QuerySet[Fund] | QuerySet[Story]) -> dict[int, datetime]:
    """By the page's key: its last version, or its appearance where that came later; absent when neither is known. Two
    queries."""
    saved = Version.objects.get_for_model(pages.model)
    found = _by_page(saved.values_list("object_id").annotate(Max("revision__date_created")))
    for pk, moment in pages.values_list("pk", "publish_at"):
        if moment:
            found[pk] = max(moment, found.get(pk, moment))
    return found


def _by_page(rows: QuerySet) -> dict[int, datetime]:
    return {int(pk): moment for pk, moment in rows.order_by()}
