"""The state of a pool as a visitor reads it on /match/: how long until it opens, and when it was used up."""

from datetime import datetime, timedelta

from django.utils.translation import gettext, ngettext

from campaign.models import Campaign
from campaign.moments import when_text
from matching.models import LedgerEntry
from matching.queries import PoolFigures

_IN_MINUTES, _IN_HOURS = timedelta(minutes=90), timedelta(hours=36)


def public_state_text(*, row: PoolFigures, campaign: Campaign, now: datetime) -> str:
    """`Opens in 2 hours`, `Used up at 9:14 AM`; any other state as staff read it. One query for a pool that is used up.

    now: aware, the moment of the figures.
    """
    if row.state == "not_yet_open" and row.opens_at:
        return opens_in_text(row.opens_at - now)
    if row.state == "used_up":
        moment = used_up_at(pool_id=row.pool.pk)
        if moment is None:
            return row.state_text
        when = when_text(moment.astimezone(campaign.tz), seen_on=now.astimezone(campaign.tz).date())
        # Translators: of a sponsor's money: Used up at 9:14 AM, Used up on December 1 at 9:14 AM
        return gettext("Used up %(when)s") % {"when": when}
    return row.state_text


def used_up_at(*, pool_id: int) -> datetime | None:
    """When the last of a pool's money left `free`, from the ledger, for a pool that has none; None without entries.

    Money that came free later and was taken again makes it later: what counts is since when there has been nothing.
    """
    takes = LedgerEntry.objects.filter(pool_id=pool_id, from_account=LedgerEntry.Account.FREE)
    return takes.order_by("-seq").values_list("recorded_at", flat=True).first()


def opens_in_text(wait: timedelta) -> str:
    """`Opens in 1 minute` to `Opens in 90 minutes`, rounded up; then `2 hours` to `36 hours`, then days, rounded."""
    if wait <= _IN_MINUTES:
        count = max(1, -(-wait // timedelta(minutes=1)))
        words = ngettext("Opens in %(count)s minute", "Opens in %(count)s minutes", count)
    elif wait <= _IN_HOURS:
        count = round(wait / timedelta(hours=1))
        words = ngettext("Opens in %(count)s hour", "Opens in %(count)s hours", count)
    else:
        count = round(wait / timedelta(days=1))
        words = ngettext("Opens in %(count)s day", "Opens in %(count)s days", count)
    return words % {"count": count}
