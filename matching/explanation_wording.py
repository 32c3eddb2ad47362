"""The explanation of a match in a donor's words, such as “The match of Pier Bank had $7.35 left when you gave.”"""

from datetime import datetime

from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy

from campaign.models import Campaign
from campaign.moments import when_text
from campaign.money import format_amount_short
from matching.allocation import Bound
from matching.explanation import Explanation, Line

_WAITS = {
    "money": gettext_lazy("Your gift is in line for money that comes free."),
    "unlock": gettext_lazy("Your gift is in line for when it unlocks."),
}
# What a pool gave when the gift was sent, and why not more: of a gift as a whole, and of one part of it.
_MATCHED = {
    Bound.GIFT: (
        # Translators: part is what was given for one fund: The Harbor Family matched $50 of your $100 for Education
        gettext_lazy("%(sponsor)s matched all of your gift, with %(gave)s."),
        gettext_lazy("%(sponsor)s matched all of your %(part)s for %(fund)s, with %(gave)s."),
    ),
    Bound.RATIO: (
        gettext_lazy("%(sponsor)s matched %(gave)s: the part left to match was too small for a cent."),
        gettext_lazy(
            "%(sponsor)s matched %(gave)s of your %(part)s for %(fund)s: the part left to match was too small for a "
            "cent."
        ),
    ),
    Bound.COVERED: (
        gettext_lazy("%(sponsor)s matched %(gave)s, since other sponsors covered the rest."),
        gettext_lazy(
            "%(sponsor)s matched %(gave)s of your %(part)s for %(fund)s, since other sponsors covered the rest."
        ),
    ),
    Bound.CAP_PER_GIFT: (
        gettext_lazy("%(sponsor)s matched %(gave)s, the most for one gift (%(gift_cap)s)."),
        gettext_lazy(
            "%(sponsor)s matched %(gave)s of your %(part)s for %(fund)s, the most for one gift (%(gift_cap)s)."
        ),
    ),
    Bound.CAP_PER_DONOR: (
        gettext_lazy("%(sponsor)s matched %(gave)s, the most for one donor (%(donor_cap)s)."),
        gettext_lazy(
            "%(sponsor)s matched %(gave)s of your %(part)s for %(fund)s, the most for one donor (%(donor_cap)s)."
        ),
    ),
    Bound.RAN_OUT: (
        gettext_lazy("%(sponsor)s’s match had %(gave)s left when you gave."),
        gettext_lazy("%(sponsor)s’s match had %(gave)s left when you gave to %(fund)s."),
    ),
}
# Instead of the first one, of a pool that came after others.
_REST = (
    gettext_lazy("%(sponsor)s matched the rest of your gift, with %(gave)s."),
    gettext_lazy("%(sponsor)s matched the rest of your %(part)s for %(fund)s, with %(gave)s."),
)
# Why a pool gave nothing. In this order a gift without any match is told of: first what was nearest to one.
_NOTHING = {
    Bound.MINIMUM: gettext_lazy("%(sponsor)s’s match is for gifts of %(least)s or more."),
    Bound.CAP_PER_DONOR: gettext_lazy(
        "%(sponsor)s’s match gives at most %(donor_cap)s to one donor, and your earlier gifts had it."
    ),
    Bound.LOCKED: gettext_lazy("%(sponsor)s’s match was still locked when you gave."),
    Bound.RAN_OUT: gettext_lazy("%(sponsor)s’s match was used up when you gave."),
    Bound.PAUSED: gettext_lazy("%(sponsor)s’s match was paused when you gave."),
    Bound.WINDOW: gettext_lazy("%(sponsor)s’s match was not open when you gave."),
    Bound.OFFLINE: gettext_lazy("%(sponsor)s’s match is for gifts made on this site."),
    Bound.COVERED: gettext_lazy("Other sponsors had matched all of it before %(sponsor)s’s turn."),
    Bound.OTHER_FUND: gettext_lazy("%(sponsor)s’s match is not for %(fund)s."),
}
# What came later, by whether the pool was unlocked then, and whether it had given something before.
_CAME = {
    # Translators: when is such as: at 9:14 AM, on December 1 at 9:14 AM
    (True, True): gettext_lazy("%(amount)s more came %(when)s when it was unlocked."),
    (True, False): gettext_lazy("%(amount)s from %(sponsor)s came %(when)s when it was unlocked."),
    (False, True): gettext_lazy("%(amount)s more came %(when)s when money came free."),
    (False, False): gettext_lazy("%(amount)s from %(sponsor)s came %(when)s when money came free."),
}


def donor_sentences(explanation: Explanation, *, at: datetime) -> list[str]:
    """A sentence or two for each pool that had a part in the match or may still have one; of a gift without any
    match, for each pool that was asked, the reason that counts first. at: when the gift was sent, so that the same day
    is not named again."""
    telling = [line for line in explanation.lines if line.tells] or explanation.lines
    if not any(line.gave_minor or line.added for line in telling):
        telling = sorted(telling, key=_how_far)
    last = {line.pool.pk: line for line in telling}  # what a pool may still give is said once, not for each part
    return [_told(line, explanation, at=at, is_last=last[line.pool.pk] is line) for line in telling]


def _told(line: Line, explanation: Explanation, *, at: datetime, is_last: bool) -> str:
    campaign = explanation.campaign
    words = [_first(line, campaign=campaign, is_part=explanation.has_parts)] if line.bound else []
    for added in line.added:
        came = _CAME[line.bound == Bound.LOCKED, bool(line.gave_minor)]
        when = _when(added.at, campaign=campaign, at=at)
        amount = _money(added.amount_minor, campaign)
        words.append(came % {"amount": amount, "sponsor": line.sponsor_name, "when": when})
    if line.taken_back_minor:
        went_back = gettext("%(amount)s of it went back for what was refunded.")
        words.append(went_back % {"amount": _money(line.taken_back_minor, campaign)})
    if is_last and campaign.offers_freed_match and line.waits_for in _WAITS:
        words.append(str(_WAITS[line.waits_for]))
    return " ".join(words)


def _how_far(line: Line) -> int:
    """How far a pool that gave nothing was from a match, for sorting."""
    order = [str(bound) for bound in _NOTHING]
    return order.index(line.bound) if line.bound in order else -1


def _first(line: Line, *, campaign: Campaign, is_part: bool) -> str:
    """What the pool gave when the gift was sent, and why not more."""
    bound = Bound(line.bound)
    gives_nothing = not line.gave_minor and bound in _NOTHING
    matched = _REST if bound == Bound.GIFT and _is_rest(line) else _MATCHED.get(bound)
    sentence = _NOTHING[bound] if gives_nothing or matched is None else matched[is_part]
    return capfirst(
        sentence
        % {
            "sponsor": line.sponsor_name,
            "fund": line.fund_name,
            "part": _money(line.part_minor, campaign),
            "gave": _money(line.gave_minor, campaign),
            "gift_cap": _money(line.terms.cap_per_gift_minor or 0, campaign),
            "donor_cap": _money(line.terms.cap_per_donor_minor or 0, campaign),
            "least": _money(line.terms.min_gift_minor, campaign),
        }
    )


def _is_rest(line: Line) -> bool:
    """Whether other sponsors had matched some of the part before."""
    return line.gave_minor < line.part_minor * line.terms.ratio_match // line.terms.ratio_gift


def _when(moment: datetime, *, campaign: Campaign, at: datetime) -> str:
    """`at 10:14 AM`, with the day unless it is the gift's own."""
    return when_text(moment.astimezone(campaign.tz), seen_on=at.astimezone(campaign.tz).date())


def _money(minor: int, campaign: Campaign) -> str:
    return format_amount_short(minor, currency=campaign.currency)
