"""What a second resolution of a gift's match answers, whatever came first: a typed error or a stated repeat, and
nothing is written. One row for each thing that can come first, one column for each that can come second."""

from datetime import timedelta
from uuid import uuid4

import pytest

from matching import holds, late_gifts, refunds
from matching.allocation import Part
from matching.checking import check_campaigns
from matching.models import Reservation
from tests import factories
from tests.database import ledger_rows
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db

# A name: the error that is raised. same: the standing reservation (for settle_refund: the standing match) is returned.
# none: no hold was there to expire. Nothing is written in any of these. WRITES: a first resolution, or a new hold.
TABLE = """
second:         hold                commit                release               expire  match_late            correct        settle_refund
first:
hold            same                WRITES                WRITES                WRITES  WRITES                NoReservation  NoReservation
commit          same                HoldAlreadyCommitted  HoldAlreadyCommitted  none    HoldAlreadyCommitted  WRITES         WRITES
release         WRITES              HoldAlreadyReleased   HoldAlreadyReleased   none    WRITES                NoReservation  NoReservation
expire          WRITES              HoldAlreadyExpired    HoldAlreadyExpired    none    WRITES                NoReservation  NoReservation
match_late      same                HoldAlreadyCommitted  HoldAlreadyCommitted  none    HoldAlreadyCommitted  WRITES         WRITES
correct         HoldAlreadyVoided   HoldAlreadyVoided     HoldAlreadyVoided     none    HoldAlreadyVoided     NoReservation  NoReservation
settle_refund   same                HoldAlreadyCommitted  HoldAlreadyCommitted  none    HoldAlreadyCommitted  GiftRefunded   same
"""  # noqa: E501 (a table)
_HEAD, _, *_ROWS = TABLE.strip().splitlines()
CELLS = [
    (first, second, answer)
    for first, *answers in (row.split() for row in _ROWS)
    for second, answer in zip(_HEAD.split()[1:], answers, strict=True)
]
ERRORS = {
    error.__name__: error
    for error in (
        holds.HoldAlreadyCommitted,
        holds.HoldAlreadyExpired,
        holds.HoldAlreadyReleased,
        holds.HoldAlreadyVoided,
        holds.NoReservation,
        late_gifts.GiftRefunded,
    )
}
LAPSED = GIFT_AT + timedelta(days=1)


@pytest.fixture
def campaign():
    made = factories.campaign()
    factories.pool(campaign=made, limit_minor=50_000)
    return made


@pytest.fixture
def do(campaign):
    """Each operation on one gift of $100.00, by its name in the table."""
    fund_id = campaign.funds.get().pk

    def gift(amount_minor=10_000, key=None):
        return holds.Gift(key or uuid4(), "1", (Part(fund_id, amount_minor),), GIFT_AT)

    given, right = gift(), gift(9_000)
    key = given.key
    operations = {
        "hold": lambda now: holds.hold(campaign_id=campaign.pk, gift=given, now=now),
        "commit": lambda now: holds.commit(key=key, now=now),
        "release": lambda now: holds.release(key=key, now=now),
        "expire": lambda _now: holds.expire_lapsed(now=LAPSED),
        "match_late": lambda now: late_gifts.match_late(key=key, now=now),
        "correct": lambda now: late_gifts.correct(key=key, gift=right, now=now, actor="staff:1"),
        "settle_refund": lambda now: refunds.settle_refund(key=key, refunded_minor=2_500, now=now),
    }

    def run(name):
        return operations[name](GIFT_AT)

    run.key = key
    return run


# How a gift comes to have had each of them last.
_WAYS = {
    "hold": ["hold"],
    "commit": ["hold", "commit"],
    "release": ["hold", "release"],
    "expire": ["hold", "expire"],
    "match_late": ["hold", "release", "match_late"],
    "correct": ["hold", "commit", "correct"],
    "settle_refund": ["hold", "commit", "settle_refund"],
}


@pytest.mark.parametrize(
    ("first", "second", "answer"), CELLS, ids=[f"{second} after {first}: {answer}" for first, second, answer in CELLS]
)
def test_it_answers_as_the_table_says_and_writes_nothing(do, first, second, answer):
    for step in _WAYS[first]:
        do(step)
    standing = Reservation.objects.filter(key=do.key).latest("id")
    before = ledger_rows()
    if answer in ERRORS:
        with pytest.raises(ERRORS[answer]) as raised:
            do(second)
        assert raised.type is ERRORS[answer]
        if isinstance(raised.value, holds.HoldResolved):
            assert raised.value.reservation == standing
    elif answer == "same":
        assert do(second) == (refunds.RefundSettled(7_500, 0) if second == "settle_refund" else standing)
    elif answer == "none":
        assert do(second) == 0
    else:
        assert answer == "WRITES"
        do(second)
        assert ledger_rows() != before
        assert check_campaigns() == []
        return
    assert ledger_rows() == before


def test_the_table_has_every_pair():
    names = list(_WAYS)
    assert [(first, second) for first, second, _ in CELLS] == [(first, second) for first in names for second in names]


@pytest.mark.parametrize("second", ["commit", "release", "match_late", "correct", "settle_refund"])
def test_it_knows_no_gift_that_never_held(do, second):
    before = ledger_rows()
    with pytest.raises(holds.NoReservation):
        do(second)
    assert ledger_rows() == before


def test_a_corrected_cheque_entered_again_as_it_was_wrong_is_refused(campaign):
    """The same file imported twice, say: its match has gone to the right gift."""
    parts = (Part(campaign.funds.get().pk, 10_000),)
    wrong, right = (
        holds.Gift(uuid4(), "1", parts, GIFT_AT + delay, offline=True) for delay in (timedelta(), timedelta(minutes=1))
    )
    late_gifts.match_offline(campaign_id=campaign.pk, gift=wrong, now=GIFT_AT, actor="staff:1")
    late_gifts.correct(key=wrong.key, gift=right, now=GIFT_AT, actor="staff:1")
    before = ledger_rows()
    with pytest.raises(holds.HoldAlreadyVoided):
        late_gifts.match_offline(campaign_id=campaign.pk, gift=wrong, now=GIFT_AT, actor="staff:1")
    assert ledger_rows() == before
