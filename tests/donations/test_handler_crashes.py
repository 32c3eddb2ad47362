"""A handler that crashes at any line: the event stays with its error, is tried again, and ends where it would have."""

import sys
from pathlib import Path

import pytest
from django.utils import timezone

import donations
import matching
from donations import events
from donations.models import FollowUp, StripeEvent
from matching.checking import check_campaigns
from matching.queries import gift_match
from tests import factories
from tests.fault_table import charged_once, outcome_of
from tests.paying import confirm, deliver, events_of, finish, started_gift

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("stripe_sandbox")]
OURS = tuple(str(Path(package.__file__).parent) for package in (donations, matching))
# claim() and note_*() are the row's own hands (test_work.py); what they call is the handler.
_HANDS = ("work.py",)


class Crash(Exception):
    pass


class Tracer:
    """Sees every line of ours that runs between start and stop; crashes at `target`, once."""

    def __init__(self, target=None):
        self.target, self.lines = target, []

    def __enter__(self):
        sys.settrace(self._call)
        return self

    def __exit__(self, *_):
        sys.settrace(None)

    def _call(self, frame, event, arg):
        name = frame.f_code.co_filename
        is_apply = frame.f_code.co_name == "apply" and name.endswith("events.py")
        if name.startswith(OURS) and not name.endswith(_HANDS) and not is_apply:
            return self._line
        return self._call if is_apply else None

    def _line(self, frame, event, arg):
        if event == "line":
            place = (frame.f_code.co_filename, frame.f_lineno)
            if place not in self.lines:
                self.lines.append(place)
            if place == self.target:
                self.target = None
                raise Crash(f"{Path(place[0]).name}:{place[1]}")
        return self._line


@pytest.fixture
def campaign():
    factories.organization()
    made = factories.open_campaign()
    factories.pool(campaign=made, limit_minor=100_000_000)
    return made


def stored(campaign):
    """A paid gift's deciding event, stored and not yet applied; its charge's event was applied before."""
    donation = started_gift(campaign)
    confirm(donation)
    by_type = {event["type"]: event for event in events_of(donation)}
    deliver(by_type["charge.succeeded"])
    event = by_type["payment_intent.succeeded"]
    row = StripeEvent.objects.create(
        event_id=event["id"], type=event["type"], payload=event, payment_intent=donation.payment_intent,
        created_at=timezone.now(), due_at=timezone.now(), api_version=event["api_version"],
    )  # fmt: skip
    return donation, row


def test_crashed_at_any_line_the_event_stays_and_is_applied_the_next_time(campaign, fault_table):
    _, row = stored(campaign)
    with Tracer() as seen:
        events.apply(row_id=row.pk, now=timezone.now())
    lines = seen.lines
    assert len(lines) > 60, "the handler ran unseen"
    ends, gifts = {}, []
    for line in lines:
        donation, row = stored(campaign)
        gifts.append(donation)
        with Tracer(line) as tracer:
            events.apply(row_id=row.pk, now=timezone.now())
        row.refresh_from_db()
        donation.refresh_from_db()
        crashed = (tracer.target is None, row.state, "Crash" in row.last_error, donation.state)
        events.apply(row_id=row.pk, now=row.due_at)
        row.refresh_from_db()
        donation.refresh_from_db()
        match = gift_match(key=donation.match_key)
        applied = (row.state, row.last_error, donation.state, match.state, match.match_minor)
        owed = FollowUp.objects.filter(donation=donation).count()
        ends[line] = (crashed, applied, owed)
    expected = ((True, "received", True, "started"), ("applied", "", "paid", "committed", 10_000), 1)
    # Most lines run inside the transaction that a crash undoes; those after it leave a gift that is paid already.
    later = ((True, "received", True, "paid"), *expected[1:])
    assert {line: end for line, end in ends.items() if end not in (expected, later)} == {}
    assert check_campaigns() == []
    finish(*gifts)
    ended = outcome_of(gifts)
    fault_table("a handler's crash at any line", ended, f"{len(lines)} lines, applied at the second try")
    assert ended == charged_once(len(lines))
