"""What terms will do, said before they are saved: the sentence donors will read, the window, examples. Reads only."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from django.utils.translation import gettext, gettext_lazy

from campaign import moments
from campaign.models import Campaign, Fund
from campaign.money import format_amount_short
from matching import challenge_wording, wording
from matching.allocation import Bound, Part, PoolState, consider, covered_by
from matching.models import MatchPool, PoolTerms
from matching.pools import Terms

_MOST_EXAMPLES = 6
_WHY = {
    Bound.GIFT: gettext_lazy("all of it"),
    Bound.RATIO: gettext_lazy("too small for a cent"),
    Bound.MINIMUM: gettext_lazy("below the smallest gift"),
    Bound.CAP_PER_GIFT: gettext_lazy("the most for one gift"),
    Bound.CAP_PER_DONOR: gettext_lazy("the most for one donor"),
    Bound.RAN_OUT: gettext_lazy("all that the pool has"),
}


@dataclass(frozen=True, slots=True)
class Example:
    """`A $600 gift` `gets $500` `the most for one gift`; the last may be empty."""

    when: str
    gets: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """sentence, leftover and rule: the very words of the public pages. window: with weekday and zone, for staff.

    notes: what may surprise, 0..n sentences. examples: 1..6.
    """

    sentence: str
    leftover: str
    rule: str
    window: str
    notes: list[str]
    examples: list[Example]

    @property
    def words(self) -> str:
        """All that donors will read: what a person who saves has seen."""
        return " ".join(part for part in (self.sentence, self.leftover, self.rule) if part)


def preview(*, pool: MatchPool, terms: Terms, now: datetime) -> Preview:
    """pool: saved or not, with campaign, sponsor, currency, limit and leftover as they would be."""
    campaign, funds = pool.campaign, Fund.objects.in_bulk()
    row = PoolTerms(**{**asdict(terms), "fund_ids": list(terms.fund_ids)})
    return Preview(
        sentence=wording.terms_sentence(pool=pool, terms=row, campaign=campaign, funds=funds),
        leftover=wording.leftover_sentence(pool, terms=row),
        rule=challenge_wording.rule_sentence(row),
        window=_window(terms, campaign=campaign),
        notes=_notes(pool, terms, campaign=campaign, now=now),
        examples=_of_target(pool, terms) if row.layer == row.Layer.AWARD else _of_gifts(pool, terms, campaign=campaign),
    )


def _window(terms: Terms, *, campaign: Campaign) -> str:
    """`Tuesday, December 1, 2026, noon, until 1:00 PM (Boston time)`, with the campaign's close where none is set."""
    closes_at = min(terms.closes_at or campaign.closes_at, campaign.closes_at)
    closing = closes_at.astimezone(campaign.tz)
    end = _full_text(closing)
    if terms.opens_at is None:
        return gettext("from now on, until %(end)s (%(time_zone)s)") % {
            "end": end,
            "time_zone": campaign.time_zone_label,
        }
    opening = terms.opens_at.astimezone(campaign.tz)
    if opening.date() == closing.date():
        end = moments.clock_text(closing)
    return gettext("%(opening)s, until %(end)s (%(time_zone)s)") % {
        "opening": _full_text(opening),
        "end": end,
        "time_zone": campaign.time_zone_label,
    }


def _full_text(local: datetime) -> str:
    day, clock = moments.full_weekday_text(local), moments.clock_text(local)
    # Translators: a moment, such as Tuesday, December 1, 2026, noon
    return gettext("%(day)s, %(clock)s") % {"day": day, "clock": clock}


def _notes(pool: MatchPool, terms: Terms, *, campaign: Campaign, now: datetime) -> list[str]:
    notes = []
    if terms.closes_at and terms.closes_at > campaign.closes_at:
        notes.append(gettext("The campaign closes before this pool does; no gift is matched after that."))
    if terms.closes_at and terms.closes_at <= now:
        notes.append(gettext("This window is over already: no gift made from now on is matched."))
    if terms.opens_at and terms.opens_at < now and pool.pk is None:
        notes.append(gettext("This window has begun: gifts already made in it count, the oldest first."))
    caps = [cap for cap in (terms.cap_per_gift_minor, terms.cap_per_donor_minor) if cap is not None]
    if caps and min(caps) > pool.limit_minor:
        notes.append(gettext("A cap is above all that the pool has, so it never comes into play."))
    if terms.award_every and terms.award_minor and pool.limit_minor % terms.award_minor:
        rest = format_amount_short(pool.limit_minor % terms.award_minor, currency=pool.currency)
        notes.append(gettext("Only whole sums are given: the last %(rest)s can never be earned.") % {"rest": rest})
    return notes


def _of_target(pool: MatchPool, terms: Terms) -> list[Example]:
    """What a challenge gives just before its target, at it, and further on."""
    target, award_minor = terms.unlock_donors or terms.unlock_raised_minor or 1, terms.award_minor or 0
    most = pool.limit_minor // award_minor if award_minor and terms.award_every else 1
    step = 1 if terms.unlock_donors else 100
    counts = [target - step, target, *([2 * target, most * target] if terms.award_every else [])]
    rows = []
    for count in sorted({count for count in counts if 0 < count <= most * target}):
        given = format_amount_short(min(count // target, most) * award_minor, currency=pool.currency)
        when = _counted(count, terms, currency=pool.currency)
        rows.append(
            Example(
                when, gettext("gives %(given)s") % {"given": given} if count >= target else gettext("gives nothing")
            )
        )
    return rows[:_MOST_EXAMPLES]


def _counted(count: int, terms: Terms, *, currency: str) -> str:
    if terms.unlock_donors:
        return challenge_wording.donors_text(count)
    return gettext("%(amount)s raised") % {"amount": format_amount_short(count, currency=currency)}


def _of_gifts(pool: MatchPool, terms: Terms, *, campaign: Campaign) -> list[Example]:
    """What gifts of some sizes would get of a pool that is open, unlocked and full."""
    state = PoolState(
        id=0,
        free_minor=pool.limit_minor,
        ratio=(terms.ratio_match, terms.ratio_gift),
        min_gift_minor=terms.min_gift_minor,
        cap_per_gift_minor=terms.cap_per_gift_minor,
        cap_per_donor_minor=terms.cap_per_donor_minor,
        layer=terms.layer,
    )
    rows = []
    for amount_minor in _sizes(pool, terms, campaign=campaign):
        parts = [Part(0, amount_minor)]
        (share,) = consider(parts=parts, submitted_at=campaign.opens_at, offline=False, pools=[state])
        gift, match = (
            format_amount_short(minor, currency=pool.currency) for minor in (amount_minor, share.match_minor)
        )
        gets = gettext("gets %(match)s") % {"match": match} if share.match_minor else gettext("gets nothing")
        rows.append(Example(gettext("A %(gift)s gift") % {"gift": gift}, gets, str(_WHY.get(share.bound, ""))))
    return rows


def _sizes(pool: MatchPool, terms: Terms, *, campaign: Campaign) -> Sequence[int]:
    """Gifts worth showing: usual ones, one below the minimum, one above each cap, one above all that the pool has."""
    ratio = (terms.ratio_match, terms.ratio_gift)
    caps = [cap for cap in (terms.cap_per_gift_minor, terms.cap_per_donor_minor) if cap]
    telling = [covered_by(cap, ratio=ratio) * 6 // 5 for cap in caps]
    telling += [terms.min_gift_minor // 2, terms.min_gift_minor] if terms.min_gift_minor > 1 else []
    if not caps:
        telling.append(covered_by(pool.limit_minor, ratio=ratio) * 2)
    usual = [minor for minor in campaign.presets_minor if minor not in telling]
    chosen = [*telling, *usual[: _MOST_EXAMPLES - len(telling)]]
    return sorted({minor for minor in chosen if minor > 0})
