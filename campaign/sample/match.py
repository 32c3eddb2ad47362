"""The sample's sponsors and their pools, opened through the ledger like any other."""

from datetime import datetime
from typing import Any

from campaign.models import Campaign, Fund
from campaign.sample import content
from matching import pools
from matching.ledger import SYSTEM
from matching.models import MatchPool, Sponsor

_AMOUNTS = {
    "min_gift": "min_gift_minor",
    "cap_per_gift": "cap_per_gift_minor",
    "cap_per_donor": "cap_per_donor_minor",
    "unlock_raised": "unlock_raised_minor",
    "award": "award_minor",
}
_AS_WRITTEN = ("ratio_match", "layer", "opens_at", "closes_at", "priority", "unlock_donors", "reaches_back")


def open_pools(*, campaign: Campaign, pictures: dict[str, str], now: datetime) -> list[MatchPool]:
    """Open each pool with its whole pledge.

    pictures: stored names by the drawings' own, for logos. now: when the pledges enter the ledger, before any gift.
    """
    return [
        pools.open_pool(
            campaign=campaign,
            sponsor=_sponsor(pool["sponsor"], pictures=pictures),
            name=pool["name"],
            limit_minor=content.minor(pool["limit"]),
            terms=_terms(pool),
            actor=SYSTEM,
            now=now,
            leftover=pool.get("leftover", MatchPool.Leftover.GIVEN),
        )
        for pool in content.pools()
    ]


def _sponsor(words: dict[str, Any], *, pictures: dict[str, str]) -> Sponsor:
    logo = pictures[words["logo"]] if "logo" in words else ""
    return Sponsor.objects.create(**(words | {"logo": logo}))


def _terms(pool: dict[str, Any]) -> pools.Terms:
    fields: dict[str, Any] = {name: pool[name] for name in _AS_WRITTEN if name in pool}
    fields |= {field: content.minor(pool[name]) for name, field in _AMOUNTS.items() if name in pool}
    fund_ids = tuple(Fund.objects.get(slug=slug).pk for slug in pool.get("funds", []))
    return pools.Terms(fund_ids=fund_ids, **fields)
