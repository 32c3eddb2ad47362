"""Who gives most beside funds: departments and teams by what was given for them, places by their donors.

Nothing here may tell what one donor gave, or where one donor lives: the least number of donors for an amount, and for a
place to be named at all, is kept in the queries.
"""

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, F, Sum

from donations.countries import countries
from donations.models import Donation
from donations.queries import gift_left_minor

FEWEST_FOR_AN_AMOUNT = 3
FEWEST_IN_A_PLACE = 5
MOST_TEAMS, MOST_PLACES = 15, 12

_STATES = (
    "AL Alabama|AK Alaska|AZ Arizona|AR Arkansas|CA California|CO Colorado|CT Connecticut|DE Delaware|"
    "DC District of Columbia|FL Florida|GA Georgia|HI Hawaii|ID Idaho|IL Illinois|IN Indiana|IA Iowa|KS Kansas|"
    "KY Kentucky|LA Louisiana|ME Maine|MD Maryland|MA Massachusetts|MI Michigan|MN Minnesota|MS Mississippi|"
    "MO Missouri|MT Montana|NE Nebraska|NV Nevada|NH New Hampshire|NJ New Jersey|NM New Mexico|NY New York|"
    "NC North Carolina|ND North Dakota|OH Ohio|OK Oklahoma|OR Oregon|PA Pennsylvania|PR Puerto Rico|RI Rhode Island|"
    "SC South Carolina|SD South Dakota|TN Tennessee|TX Texas|UT Utah|VT Vermont|VA Virginia|WA Washington|"
    "WV West Virginia|WI Wisconsin|WY Wyoming"
)
STATES: dict[str, str] = dict(line.split(" ", 1) for line in _STATES.split("|"))

# What people write as their state is known by its name or its two letters; anything else is no place. A country is one
# by itself, but not the United States, which every form begins with.
_DONORS_BY_PLACE = """
    SELECT place, count(DISTINCT donor_id) AS donors FROM (
        SELECT CASE WHEN gift.country = 'US' THEN 'US-' || state.code ELSE nullif(gift.country, '') END AS place,
            gift.donor_id
        FROM donations_donation AS gift
        LEFT JOIN unnest(%(written)s::text[], %(codes)s::text[]) AS state (written, code)
            ON gift.country = 'US' AND upper(btrim(replace(gift.region, '.', ''))) = state.written
        WHERE gift.campaign_id = %(campaign)s AND gift.state = 'paid' AND gift.refunded_minor < gift.amount_minor
    ) AS placed
    WHERE place IS NOT NULL
    GROUP BY place HAVING count(DISTINCT donor_id) >= %(fewest)s
    ORDER BY donors DESC, place LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class TeamStanding:
    """raised_minor: None when so few gave that it would tell what one of them did."""

    name: str
    slug: str
    is_open: bool
    donor_count: int
    raised_minor: int | None


@dataclass(frozen=True, slots=True)
class PlaceStanding:
    name: str
    donor_count: int


def teams(*, campaign_id: int) -> list[TeamStanding]:
    """Departments and teams that got gifts: by what was given for them, then those of too few donors. 0..MOST_TEAMS.

    Counted as raised is in queries.py. A donor who names two teams counts for each. One query.
    """
    paid = Donation.objects.filter(campaign=campaign_id, state=Donation.State.PAID, team__isnull=False)
    rows = (
        paid.filter(refunded_minor__lt=F("amount_minor"))
        .order_by()
        .values("team__name", "team__slug", "team__is_open")
        .annotate(raised=Sum(gift_left_minor()), donors=Count("donor_id", distinct=True))
        .values_list("team__name", "team__slug", "team__is_open", "donors", "raised")
    )
    found = [
        TeamStanding(name, slug, is_open, donors, int(raised) if donors >= FEWEST_FOR_AN_AMOUNT else None)
        for name, slug, is_open, donors, raised in rows
    ]
    return sorted(found, key=lambda row: (-(row.raised_minor or 0), -row.donor_count, row.name))[:MOST_TEAMS]


def places(*, campaign_id: int) -> list[PlaceStanding]:
    """States and countries with FEWEST_IN_A_PLACE donors or more, most donors first. 0 or 2..MOST_PLACES.

    It reads every gift of the campaign, by one processor at most: in a transaction PostgreSQL is held to that.

    No amounts, and nothing of what donors typed: only names that we know. A donor counts in each place that was given.
    """
    values: dict[str, Any] = {
        "written": [*STATES, *(name.upper() for name in STATES.values())],
        "codes": [*STATES, *STATES],
        "campaign": campaign_id,
        "fewest": FEWEST_IN_A_PLACE,
        "most": MOST_PLACES,
    }
    names = dict(countries()) | {f"US-{code}": name for code, name in STATES.items()}
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('max_parallel_workers_per_gather', '0', true)")
        cursor.execute(_DONORS_BY_PLACE, values)
        found = [PlaceStanding(names[place], donors) for place, donors in cursor.fetchall() if place in names]
    return found if len(found) > 1 else []  # one alone compares with nothing
