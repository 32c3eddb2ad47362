"""The sentence that tells a donor, before paying, what the match would add to a gift sent now."""

from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.translation import gettext, gettext_lazy

from campaign.models import Campaign
from campaign.money import format_amount_short
from matching import queries
from matching.wording import listed

# Headline and detail of a gift that has no match, the nearest reason first: what would have to be otherwise.
_REASONS = {
    "minimum": (
        gettext_lazy("{gift} would not be matched."),
        gettext_lazy("A gift of {least} or more would be. This is what is matched: {sentence}"),
    ),
    "open": (gettext_lazy("{gift} would not be matched."), gettext_lazy("This is what is matched: {sentence}")),
    "later": (gettext_lazy("Your match is still locked."), gettext_lazy("A gift sent now has no match yet.")),
    "locked": (gettext_lazy("The match is still locked."), gettext_lazy("{progress}. A gift sent now has no match.")),
    "not_yet_open": (
        gettext_lazy("The match is not open yet."),
        # Translators: opens is such as: Opens December 1, 9:00 AM
        gettext_lazy("{opens}, {zone}. A gift sent now has no match."),
    ),
    "paused": (gettext_lazy("The match is paused."), gettext_lazy("A gift sent now has no match.")),
    "used_up": (
        gettext_lazy("The match is all taken."),
        gettext_lazy("Every dollar of it is given, or held for donors who are paying now."),
    ),
}
# The headlines while other funds still have a match.
_ELSEWHERE = {
    "paused": gettext_lazy("The match for this is paused."),
    "used_up": gettext_lazy("The match for this is all taken."),
}


@dataclass(frozen=True, slots=True)
class MatchLine:
    """tone: `full`, `part`, `none`, or `ask` while no amount is known. Both texts are whole sentences or empty."""

    tone: str
    headline: str
    detail: str
    match_minor: int = 0


def ask() -> MatchLine:
    """What stands there while no amount is known."""
    return MatchLine("ask", "", gettext("Choose an amount to see what the match adds to it."))


def match_line(*, campaign: Campaign, parts: tuple[tuple[int, int], ...], now: datetime, pools: str = "") -> MatchLine:
    """What a gift of these parts (fund id, amount in minor units) would be matched with: a forecast, said as one.

    What locked pools that reach back would add later is said too. No parts: the line asks for an amount. Reads only;
    two queries, three more when there is no match, and one for each challenge that was not counted lately.
    pools: a state to show the pools in (matching.shown_states), for staff who preview a page.
    """
    if not parts:
        return ask()
    quote = queries.quote(campaign=campaign, parts=parts, now=now, shown_as=pools)
    amount_minor = sum(amount for _, amount in parts)
    later = "".join(f" {_locked_text(row, currency=campaign.currency)}" for row in quote.locked)
    if not quote.match_minor:
        return _unmatched(campaign=campaign, parts=parts, later=later, now=now, pools=pools)
    gift, match, both = (
        format_amount_short(minor, currency=campaign.currency)
        for minor in (amount_minor, quote.match_minor, amount_minor + quote.match_minor)
    )
    is_part = quote.match_minor < amount_minor
    if is_part and not later:
        words = gettext(
            "Of that, {match} comes from {sponsors}, as much as this gift can get; we hold it for you while you pay."
        )
    else:
        words = gettext("Of that, {match} comes from {sponsors}; we hold it for you while you pay.")
    return MatchLine(
        tone="part" if is_part else "full",
        headline=gettext("{gift} becomes {both}.").format(gift=gift, both=both),
        detail=words.format(match=match, sponsors=listed(quote.sponsor_names)) + later,
        match_minor=quote.match_minor,
    )


def for_monthly(line: MatchLine, *, campaign: Campaign) -> MatchLine:
    """The same of a gift that comes each month: its first payment alone is matched, or none of them."""
    if not campaign.matches_first_monthly:
        return MatchLine(
            "none", gettext("Monthly gifts are not matched."), gettext("Each payment goes to work all the same.")
        )
    if not line.match_minor:
        return line
    return replace(
        line, detail=" ".join([line.detail, gettext("That is for the first payment; later ones are not matched.")])
    )


def _locked_text(locked: queries.LockedMatch, *, currency: str) -> str:
    """`$50 more from the Alumni is still locked. Unlocks when 500 people have given: 312 so far. Then gifts are
    matched in the order in which they came, while the money lasts.`"""
    more = format_amount_short(locked.match_minor, currency=currency)
    # Translators: progress is such as: Unlocks when 500 people have given: 312 so far
    words = gettext(
        "{more} more from {sponsor} is still locked. {progress}. Then gifts are matched in the order in which they "
        "came, while the money lasts."
    )
    return words.format(more=more, sponsor=locked.sponsor_name, progress=locked.progress_text)


def _unmatched(
    *, campaign: Campaign, parts: tuple[tuple[int, int], ...], later: str, now: datetime, pools: str
) -> MatchLine:
    gift = format_amount_short(sum(amount for _, amount in parts), currency=campaign.currency)
    headline, detail = _why_not(campaign=campaign, parts=parts, is_later=bool(later), now=now, shown_as=pools)
    same = gettext("Your {gift} goes to work all the same.").format(gift=gift)
    return MatchLine("none", headline, f"{detail}{later} {same}")


def _why_not(
    *, campaign: Campaign, parts: tuple[tuple[int, int], ...], is_later: bool, now: datetime, shown_as: str
) -> tuple[str, str]:
    """Headline and reason, from the pools that could ever match a gift to these funds: the nearest reason first.

    That is a gift too small, then a match to come, then one that ended. What other funds have is said after it.
    is_later: a locked pool that would match the gift afterwards is spoken of beside it.
    """
    if campaign.phase(now=now) == "closed":
        return gettext("{campaign} has ended.").format(campaign=campaign.name), gettext("Gifts are no longer matched.")
    amount_minor, fund_ids = sum(amount for _, amount in parts), {fund_id for fund_id, _ in parts}
    pools = [row for row in queries.pool_figures(campaign=campaign, now=now, shown_as=shown_as) if not row.is_award]
    own = [row for row in pools if not row.terms.fund_ids or fund_ids.intersection(row.terms.fund_ids)]
    elsewhere = [row for row in pools if row not in own and row.state == "open"]
    found = _nearest(own, amount_minor=amount_minor, is_later=is_later)
    if found is None:
        return _nothing(elsewhere, gift=format_amount_short(amount_minor, currency=campaign.currency))
    reason, row = found
    headline, detail = _REASONS[reason]
    words = {
        "gift": format_amount_short(amount_minor, currency=campaign.currency),
        "least": format_amount_short(row.terms.min_gift_minor, currency=campaign.currency),
        "sponsor": row.sponsor_name,
        "sentence": row.sentence,
        "progress": row.progress_text,
        "opens": row.state_text,
        "zone": campaign.time_zone_label,
    }
    said = detail.format(**words)
    if elsewhere and reason in _ELSEWHERE:
        others = gettext("{reason} Other funds still have a match: {sentence}")
        return str(_ELSEWHERE[reason]), others.format(reason=said, sentence=elsewhere[0].sentence)
    return headline.format(**words), said


def _nearest(
    own: list[queries.PoolFigures], *, amount_minor: int, is_later: bool
) -> tuple[str, queries.PoolFigures] | None:
    """The reason that counts first, with the pool it is about; None when no pool was ever meant for such a gift."""
    rows: dict[str, list[queries.PoolFigures]] = {}
    for row in own:
        state = row.state
        if state in ("locked", "not_yet_open") and not row.free_minor:
            state = "used_up"
        if state == "open" and amount_minor < row.terms.min_gift_minor:
            state = "minimum"
        rows.setdefault(state, []).append(row)
    if is_later and "locked" in rows:
        rows["later"] = rows["locked"]
    for reason in _REASONS:
        if found := rows.get(reason):
            if reason == "minimum":
                return reason, min(found, key=lambda row: row.terms.min_gift_minor)
            if reason == "not_yet_open":
                return reason, min(found, key=lambda row: row.opens_at or row.pool.created_at)
            return reason, found[0]
    return None


def _nothing(elsewhere: list[queries.PoolFigures], *, gift: str) -> tuple[str, str]:
    if not elsewhere:
        return gettext("This gift has no match."), gettext("There is no match to hold at the moment.")
    headline = gettext("{gift} would not be matched.").format(gift=gift)
    return headline, gettext("This is what is matched: {sentence}").format(sentence=elsewhere[0].sentence)
