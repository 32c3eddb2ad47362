"""A gift's life: the transitions that there are, and PostgreSQL's refusal of every other."""

import itertools

import pytest
from django.db import DatabaseError, transaction

from donations.life import TRANSITIONS
from donations.models import Donation
from tests import factories

pytestmark = pytest.mark.django_db
STATES = Donation.State.values
NAMED = {(transition.leaves, transition.reaches): transition.name for transition in TRANSITIONS}


def moved(leaves, reaches):
    """Whether the database lets a gift go from one state to the other."""
    card = {"scheduled_at": factories.GIFT_AT, "payment_method": "pm_1"}  # a scheduled gift has one
    donation = factories.donation(state=leaves, **card)
    paid_at = factories.GIFT_AT if reaches == "paid" else None
    try:
        with transaction.atomic():
            Donation.objects.filter(pk=donation.pk).update(state=reaches, paid_at=paid_at)
    except DatabaseError:
        return False
    return True


@pytest.mark.parametrize(("leaves", "reaches"), list(itertools.permutations(STATES, 2)))
def test_it_moves_by_a_named_transition_or_not_at_all(leaves, reaches):
    assert moved(leaves, reaches) == ((leaves, reaches) in NAMED)


def test_each_transition_has_a_name_of_its_own_and_none_leaves_paid():
    assert len(set(NAMED.values())) == len(TRANSITIONS) == 13
    assert not [name for (leaves, _), name in NAMED.items() if leaves == "paid"]
