"""Everything that was ever changed about a pool: terms, limit, pauses, halts, the unlocking. Reads only."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.utils.translation import gettext, gettext_lazy

from campaign.models import Fund
from campaign.money import format_amount
from matching import wording
from matching.models import LedgerEntry, MatchPool, PoolTerms, Reservation

MOST_ENTRIES = 200
_ACTORS = {"donor": gettext_lazy("a donor"), "stripe": gettext_lazy("Stripe"), "system": gettext_lazy("the site")}


@dataclass(frozen=True, slots=True)
class Event:
    """One line: what happened, by whom in words. sentence: of new terms, as donors read them; else empty."""

    at: datetime
    text: str
    who: str
    sentence: str = ""


def read(*, pool: MatchPool) -> list[Event]:
    """The newest first. A handful of queries, whatever the pool has given."""
    funds = Fund.objects.in_bulk()
    found = [*_terms(pool, funds=funds), *_limits(pool), *_pauses(pool), *_halts(pool)]
    if pool.unlocked_at is not None:
        found.append(Event(pool.unlocked_at, gettext("Unlocked: it matches gifts"), "system"))
    names = _names({event.who for event in found})
    shown = [Event(event.at, event.text, names.get(event.who, event.who), event.sentence) for event in found]
    return sorted(shown, key=lambda event: event.at, reverse=True)


def promised_gifts(*, pool: MatchPool) -> int:
    """How many gifts have match of this pool, held or given: they keep the terms they were promised."""
    standing = [Reservation.State.HELD, Reservation.State.COMMITTED]
    return Reservation.objects.filter(allocations__pool=pool, state__in=standing).distinct().count()


def _terms(pool: MatchPool, *, funds: dict[int, Fund]) -> Iterator[Event]:
    for row in PoolTerms.objects.filter(pool=pool):
        sentence = wording.terms_sentence(pool=pool, terms=row, campaign=pool.campaign, funds=funds)
        yield Event(row.created_at, gettext("Terms %(version)s") % {"version": row.version}, row.created_by, sentence)


def _limits(pool: MatchPool) -> Iterator[Event]:
    reasons = {
        # Translators: what became of a pool's money, by which entry of its ledger, such as: $500 added to the pool
        "pledge": gettext("%(amount)s added to the pool (entry %(seq)s)"),
        "unpledge": gettext("%(amount)s taken off the pool (entry %(seq)s)"),
        "award": gettext("%(amount)s given by the pool (entry %(seq)s)"),
        "withdraw": gettext("%(amount)s taken back to the pool (entry %(seq)s)"),
    }
    entries = LedgerEntry.objects.filter(pool=pool, reason__in=reasons).order_by("-seq")[:MOST_ENTRIES]
    for entry in entries:
        amount = format_amount(entry.amount_minor, currency=entry.currency)
        yield Event(entry.recorded_at, reasons[entry.reason] % {"amount": amount, "seq": entry.seq}, entry.actor)


def _pauses(pool: MatchPool) -> Iterator[Event]:
    for row in pool.pauses.all():
        yield Event(row.paused_at, gettext("Paused"), row.paused_by)
        if row.resumed_at is not None:
            yield Event(row.resumed_at, gettext("Resumed"), row.resumed_by)


def _halts(pool: MatchPool) -> Iterator[Event]:
    for row in pool.halts.all():
        yield Event(
            row.halted_at, gettext("Stopped by the ledger check: %(reason)s") % {"reason": row.reason}, "system"
        )
        if row.resumed_at is not None:
            yield Event(row.resumed_at, gettext("Let go on after the ledger check"), row.resumed_by)


def _names(actors: set[str]) -> dict[str, str]:
    ids = [int(actor.removeprefix("staff:")) for actor in actors if actor.removeprefix("staff:").isdecimal()]
    people = User.objects.in_bulk(ids)
    spoken = {actor: str(words) for actor, words in _ACTORS.items()}
    return spoken | {f"staff:{pk}": user.get_full_name() or user.username for pk, user in people.items()}
