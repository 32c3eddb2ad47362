"""The bank of the bank test: its pools, what a writer may do to them, and what must be true, always and at the end.

Nine pools: eight small ones of every kind, which run dry, and a large one that alone matches one fund, so that every
gift to that fund has an exact match whatever happened around it.
"""

import http.client
import random
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from django.db import connection

from campaign.clock import database_now
from campaign.models import Campaign
from donations import corrections, form_keys, freed_match, giving, limits, offline_gifts, payments
from donations.gateway import ChargeDetails, Payment
from donations.models import Donation, Reversal
from matching import challenges, holds, pools
from matching.allocation import AWARD, BONUS, Part, kept_after_refund
from matching.ledger import PoolsBusy
from matching.models import LedgerEntry, MatchPool, Reservation
from matching.pools import Terms
from tests import factories
from tests.matching import ledger_model as model

FUNDS = ("education", "nursing", "research")
LARGE_MINOR = 10_000_000_000
CAP_PER_DONOR_MINOR = 3_000
AMOUNTS = (500, 1_000, 2_500, 4_999, 10_000)
COURSES = {
    Reversal.Kind.REFUND: ("pending", "succeeded", "failed"),
    Reversal.Kind.DISPUTE: ("needs_response", "lost", "won"),
}
# What somebody is told who comes too late, or asks for what cannot be: part of the game.
REFUSALS = (
    PoolsBusy,
    holds.HoldResolved,
    giving.GiftAlreadyPaid,
    limits.TooManyAttempts,
    pools.InvalidTerms,
    pools.LimitBelowPromises,
    corrections.GiftCancelled,
    corrections.CorrectedMeanwhile,
    corrections.NothingToCorrect,
    corrections.NotOffline,
)


@dataclass(frozen=True)
class Kind:
    limit_minor: int
    terms: Terms


def small_pools(education: int, nursing: int) -> list[Kind]:
    """Eight of them, for two funds."""
    both = (education, nursing)
    return [
        Kind(12_000, Terms(fund_ids=both, priority=1, cap_per_gift_minor=4_000)),
        Kind(9_000, Terms(fund_ids=both, priority=2, ratio_gift=2)),
        Kind(9_000, Terms(fund_ids=both, priority=3, cap_per_donor_minor=CAP_PER_DONOR_MINOR)),
        Kind(6_000, Terms(fund_ids=both, layer=BONUS, cap_per_gift_minor=700)),
        Kind(6_000, Terms(fund_ids=(nursing,), priority=4, min_gift_minor=2_500, offline_gifts=False)),
        Kind(9_000, Terms(fund_ids=both, priority=5, unlock_donors=6, reaches_back=True)),
        Kind(6_000, Terms(fund_ids=(education,), layer=BONUS, ratio_match=2, unlock_raised_minor=60_000)),
        Kind(6_000, Terms(layer=AWARD, unlock_raised_minor=30_000, award_minor=500, award_every=True)),
    ]


def open_bank() -> None:
    """A campaign with the nine pools, open now."""
    factories.organization()
    campaign = factories.open_campaign(funds=[factories.fund(slug, slug=slug) for slug in FUNDS])
    education, nursing, research = (campaign.funds.get(slug=slug).pk for slug in FUNDS)
    kinds = [*small_pools(education, nursing), Kind(LARGE_MINOR, Terms(fund_ids=(research,)))]
    for kind in kinds:
        values = {name: getattr(kind.terms, name) for name in Terms.__dataclass_fields__}
        factories.pool(campaign=campaign, limit_minor=kind.limit_minor, **values)


def run_dry(*, seed: int) -> None:
    """The first gifts, in peace: the small pools are empty then, and gifts wait for their money."""
    writer = Writer(seed=f"{seed} first", site_url="")
    for _ in range(25):
        writer.give()
        writer.pay()


class Writer:
    """One of twenty: does one thing after another, chosen by the seed."""

    def __init__(self, *, seed: str, site_url: str) -> None:
        self.rng = random.Random(seed)
        self.site_url = site_url
        self.campaign = Campaign.objects.get(is_current=True)
        self.funds = [self.campaign.funds.get(slug=slug).pk for slug in FUNDS]
        self.small = list(
            MatchPool.objects.filter(campaign=self.campaign, limit_minor__lt=LARGE_MINOR)
            .order_by("pk")
            .values_list("pk", flat=True)
        )

    def step(self) -> None:
        """Do the next thing."""
        (name,) = self.rng.choices(list(_STEPS), list(_STEPS.values()))
        getattr(self, name)()

    def give(self) -> None:
        request = giving.GiftRequest(
            form_key=uuid4().hex,
            parts=self._parts(),
            fee_minor=self.rng.choice([0, 0, 150]),
            donor_name="Bank Donor",
            donor_email=self._email(),
            promised_match_minor=self.rng.choice([0, 1_000]),
        )
        giving.start_gift(campaign=self.campaign, request=request, now=database_now())

    def give_on_the_site(self) -> None:
        """The form over HTTP; the web process may be gone, or its database connection."""
        token = uuid4().hex
        form = {
            "csrfmiddlewaretoken": token,
            "form_key": form_keys.new_form_key().sealed,
            "amount": "",
            "other_amount": "10",
            "fund": self.rng.choice(FUNDS),
            "donor_name": "Bank Donor",
            "donor_email": self._email(),
            "country": "US",
            "promised_match_minor": "0",
            "promised_for": "",
        }
        headers = {"Cookie": f"csrftoken={token}", "Referer": f"{self.site_url}/give/"}
        request = urllib.request.Request(
            f"{self.site_url}/give/", urllib.parse.urlencode(form).encode(), headers=headers
        )
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except urllib.error.HTTPError as error:
            if error.code not in (429, 500, 503):
                raise ValueError(f"the form was answered with {error.code}") from error
        except (OSError, http.client.HTTPException):
            return

    def pay(self) -> None:
        self._settle(self._gift("started"), "succeeded")

    def pay_late(self) -> None:
        self._settle(self._gift("failed", "abandoned"), "succeeded")

    def fail(self) -> None:
        self._settle(self._gift("started"), "canceled")

    def leave(self) -> None:
        gift = self._gift("started")
        if gift and not gift.payment_intent:
            giving.abandon_gift(donation_id=gift.pk, now=database_now(), actor="donor")

    def hold_again(self) -> None:
        if gift := self._gift("started"):
            giving.renew_hold(donation_id=gift.pk, now=database_now())

    def go_back(self) -> None:
        """A refund or a dispute, in any order of what Stripe reports of it."""
        gift = self._gift("paid")
        if gift is None or gift.is_offline:
            return
        kind = self.rng.choice(list(COURSES))
        number, at = self.rng.randrange(2), self.rng.randrange(3)
        sum_minor = random.Random(f"{gift.pk} {kind} {number}").randint(1, gift.total_minor)
        payments.record_reversal(
            donation_id=gift.pk,
            kind=kind,
            stripe_id=f"{kind}_{gift.pk}_{number}",
            amount_minor=sum_minor,
            status=COURSES[kind][at],
            created_at=gift.submitted_at,
            reported_at=gift.submitted_at + timedelta(seconds=at),
            now=database_now(),
        )

    def enter_offline(self) -> None:
        gift = self._offline_gift()
        offline_gifts.enter_gift(
            campaign=self.campaign, gift=gift, form_key=uuid4().hex, actor="staff:1", now=database_now()
        )

    def correct(self) -> None:
        gift = self._offline()
        if gift is not None:
            corrections.correct_gift(
                donation_id=gift.pk,
                gift=self._offline_gift(),
                corrections_seen=gift.corrections.count(),
                reason="Typed wrong.",
                actor="staff:1",
                now=database_now(),
            )

    def cancel(self) -> None:
        if gift := self._offline():
            corrections.cancel_gift(
                donation_id=gift.pk,
                cause=Reversal.Cause.UNPAID,
                reason="Returned.",
                actor="staff:1",
                now=database_now(),
            )

    def expire(self) -> None:
        holds.expire_lapsed(now=database_now(), limit=20)

    def rematch(self) -> None:
        freed_match.offer(campaign_id=self.campaign.pk, now=database_now())

    def settle_challenges(self) -> None:
        challenges.settle_challenges(campaign=self.campaign, now=database_now())

    def change_terms(self) -> None:
        """The cap per gift of the first pool, or the ratio of the second."""
        first, second = self.small[:2]
        both = tuple(self.funds[:2])
        if self.rng.random() < 0.5:
            terms = Terms(fund_ids=both, priority=1, cap_per_gift_minor=self.rng.choice([2_000, 4_000, None]))
            pools.change_terms(pool_id=first, terms=terms, actor="staff:1", now=database_now())
        else:
            terms = Terms(fund_ids=both, priority=2, ratio_gift=self.rng.choice([1, 2, 3]))
            pools.change_terms(pool_id=second, terms=terms, actor="staff:1", now=database_now())

    def change_limit(self) -> None:
        pool = MatchPool.objects.get(pk=self.rng.choice(self.small))
        limit_minor = max(1, pool.limit_minor + self.rng.choice([-3_000, 1_000, 3_000]))
        pools.change_limit(pool_id=pool.pk, limit_minor=limit_minor, actor="staff:1", now=database_now())

    def pause(self) -> None:
        pool_id, paused = self.rng.choice(self.small), self.rng.random() < 0.3
        pools.set_paused(pool_id=pool_id, paused=paused, actor="staff:1", now=database_now())

    def _settle(self, gift: Donation | None, status: str) -> None:
        if gift is None or gift.awaits_match_since:
            return
        now = database_now()
        charge = ChargeDetails(f"ch_bank_{gift.pk}", "card", "Visa", "4242", now) if status == "succeeded" else None
        payment = Payment(
            f"pi_bank_{gift.pk}", status, gift.total_minor, gift.currency, str(gift.match_key), charge=charge
        )
        payments.settle(donation_id=gift.pk, payment=payment, now=now)

    def _gift(self, *states: str) -> Donation | None:
        """One of the newest in these states, and now and then an old one."""
        found = Donation.objects.filter(campaign=self.campaign, state__in=states).order_by("-pk")
        return self._one_of(list(found[: self.rng.choice([10, 10, 200])]))

    def _offline(self) -> Donation | None:
        found = Donation.objects.filter(campaign=self.campaign, method="cash", refunded_minor=0).order_by("-pk")
        return self._one_of(list(found[:20]))

    def _one_of(self, gifts: list[Donation]) -> Donation | None:
        return self.rng.choice(gifts) if gifts else None

    def _email(self) -> str:
        return f"donor{self.rng.randrange(14)}@bank.example"

    def _parts(self) -> tuple[tuple[int, int], ...]:
        chosen = self.rng.choice([self.funds[:1], self.funds[1:2], self.funds[:2], self.funds[2:]])
        return tuple((fund, self.rng.choice(AMOUNTS)) for fund in chosen)

    def _offline_gift(self) -> offline_gifts.OfflineGift:
        return offline_gifts.OfflineGift(
            parts=self._parts(),
            method="cash",
            received_at=database_now() - timedelta(minutes=self.rng.randrange(90)),
            donor_name="Bank Donor",
            donor_email=self._email(),
        )


# What a writer does, and how often.
_STEPS = {
    "give": 30,
    "give_on_the_site": 6,
    "pay": 24,
    "pay_late": 3,
    "fail": 4,
    "leave": 3,
    "hold_again": 4,
    "go_back": 14,
    "enter_offline": 6,
    "correct": 6,
    "cancel": 2,
    "expire": 3,
    "rematch": 4,
    "settle_challenges": 2,
    "change_terms": 2,
    "change_limit": 4,
    "pause": 3,
}

# One statement, so one snapshot: the pool's row, what its entries add up to, and what its gifts say.
_BALANCES = """
    SELECT p.id, p.limit_minor, p.free_minor, p.held_minor, p.matched_minor,
        e.pledged, e.free, e.held, e.matched, e.awarded, g.held, g.matched
    FROM matching_matchpool p
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(CASE reason WHEN 'pledge' THEN amount_minor WHEN 'unpledge' THEN -amount_minor END), 0)
                AS pledged,
            coalesce(sum(CASE 'free' WHEN to_account THEN amount_minor WHEN from_account THEN -amount_minor END), 0)
                AS free,
            coalesce(sum(CASE 'held' WHEN to_account THEN amount_minor WHEN from_account THEN -amount_minor END), 0)
                AS held,
            coalesce(sum(CASE 'matched' WHEN to_account THEN amount_minor WHEN from_account THEN -amount_minor END), 0)
                AS matched,
            coalesce(sum(CASE reason WHEN 'award' THEN amount_minor WHEN 'withdraw' THEN -amount_minor END), 0)
                AS awarded
        FROM matching_ledgerentry WHERE pool_id = p.id
    ) e
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(a.amount_minor) FILTER (WHERE r.state = 'held'), 0) AS held,
            coalesce(sum(a.amount_minor - a.reversed_minor) FILTER (WHERE r.state IN ('committed', 'voided')), 0)
                AS matched
        FROM matching_allocation a JOIN matching_reservation r ON r.id = a.reservation_id WHERE a.pool_id = p.id
    ) g
    ORDER BY p.id
"""


def read_balances() -> list[str]:
    """One look at all pools: what does not balance, 0..n."""
    with connection.cursor() as cursor:
        cursor.execute(_BALANCES)
        rows = [tuple(map(int, row)) for row in cursor.fetchall()]
    wrong = []
    for pool, limit, free, held, matched, *entries in rows:
        pledged, entries_free, entries_held, entries_matched, awarded, gifts_held, gifts_matched = entries
        holds_true = (
            free + held + matched == limit == pledged,
            min(free, held, matched) >= 0,
            (free, held, matched) == (entries_free, entries_held, entries_matched),
            (held, matched) == (gifts_held, gifts_matched + awarded),
        )
        if not all(holds_true):
            wrong.append(f"pool {pool}: {holds_true} of {(limit, free, held, matched, *entries)}")
    return wrong


def unresolved() -> list[str]:
    """What the site still has to do now that nobody disturbs it, 0..n."""
    now = database_now()
    left = [f"the hold of {row} lapsed and stands" for row in Reservation.objects.lapsed(now=now)[:3]]
    left += [f"{gift} waits for its match to be decided" for gift in Donation.objects.awaiting_match()[:3]]
    left += [f"{key} could have {minor} more" for key, minor in list(ledger_as_model().offer().items())[:3]]
    return left


def wrong_gifts() -> list[str]:
    """Gifts whose match is not what can be worked out from nothing, 0..n."""
    site = ledger_as_model()
    large = max(site.pools.values(), key=lambda pool: pool.limit)
    wrong = []
    for match in site.matches:
        if match.state != model.COMMITTED:
            continue
        for piece in match.pieces:
            pool = MatchPool.objects.get(pk=piece.pool.id)
            if piece.kept > piece.due(match.remaining):
                wrong.append(f"{match.key} keeps {piece.kept} after refunds, not {piece.due(match.remaining)}")
            lacking = piece.due(match.remaining) - piece.kept
            if lacking > 0 and pool.free_minor and not pool.is_stopped:
                wrong.append(f"{match.key} lacks {lacking} of pool {pool.pk}, which has it")
        if {part.fund for part in match.parts} == set(large.terms.fund_ids):
            due = kept_after_refund(match.whole, basis_minor=match.whole, remaining_minor=match.remaining)
            if match.match != due:
                wrong.append(f"{match.key} has {match.match} of the large pool, not {due}")
    return wrong + _above_cap(site) + _wrong_donations()


def _above_cap(site: model.Model) -> list[str]:
    """Donors with more than the cap per donor of the pool that has one."""
    (capped,) = (pool for pool in site.pools.values() if pool.terms.cap_per_donor_minor)
    donors = {match.donor for match in site.matches}
    above = {donor: site.had(capped, donor) for donor in donors if site.had(capped, donor) > CAP_PER_DONOR_MINOR}
    return [f"donor {donor} has {minor} of pool {capped.id}" for donor, minor in above.items()]


def _wrong_donations() -> list[str]:
    """Each paid gift has one match that stands, with the refunds that the gift has."""
    paid = Donation.objects.filter(state="paid")
    standing = {row.key: row for row in Reservation.objects.filter(state="committed")}
    wrong = [f"{gift} is paid and has no match that stands" for gift in paid if gift.match_key not in standing]
    for gift in paid:
        core_minor = min(gift.refunded_minor, gift.amount_minor)
        if gift.match_key in standing and standing[gift.match_key].refunded_minor != core_minor:
            wrong.append(f"{gift} was refunded {core_minor}, its match by {standing[gift.match_key].refunded_minor}")
    return wrong


def ledger_as_model() -> model.Model:
    """All that the tables say, as the model in memory that tests/matching/test_ledger_machine.py trusts."""
    campaign = Campaign.objects.get(is_current=True)
    site = model.Model(closes_at=campaign.closes_at)
    for row in MatchPool.objects.filter(campaign=campaign).order_by("pk"):
        versions = [(terms.created_at, pools.as_terms(terms)) for terms in row.terms_versions.order_by("version")]
        pauses = [[pause.paused_at, pause.resumed_at] for pause in row.pauses.order_by("paused_at")]
        site.pools[row.pk] = model.Pool(
            row.pk, versions, row.free_minor, row.held_minor, row.matched_minor, pauses, row.unlocked_at
        )
    rows = Reservation.objects.filter(campaign=campaign).order_by("pk").prefetch_related("allocations__terms")
    for row in rows:
        pieces = [
            model.Piece(
                site.pools[a.pool_id],
                a.part_index,
                a.amount_minor,
                a.basis_minor,
                (a.terms.ratio_match, a.terms.ratio_gift),
                a.terms.layer,
                a.reversed_minor,
            )
            for a in row.allocations.all()
        ]
        site.matches.append(
            model.Match(
                key=row.key,
                donor=row.donor_key,
                parts=tuple(Part(fund_id, amount_minor) for fund_id, amount_minor in row.parts),
                submitted_at=row.submitted_at,
                offline=row.is_offline,
                held_until=row.held_until,
                pieces=pieces,
                state=row.state,
                refunded=row.refunded_minor,
            )
        )
    return site


def figures() -> str:
    """What a run did, for the report."""
    entries = LedgerEntry.objects.count()
    states = {state: Donation.objects.filter(state=state).count() for state in Donation.State.values}
    added = LedgerEntry.objects.filter(reason="offer").count()
    return f"{entries} entries, {added} of them offers; gifts {states}"
