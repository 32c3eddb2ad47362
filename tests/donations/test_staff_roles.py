"""The two groups and their rights."""

import pytest
from django.contrib.auth.models import Group, Permission, User

from donations.roles import GROUPS, RIGHTS, ensure_groups

pytestmark = pytest.mark.django_db


def rights_of(group_name: str) -> set[str]:
    user = User.objects.create_user(f"{group_name}-person")
    user.groups.add(Group.objects.get(name=group_name))
    return user.get_group_permissions()


def test_it_makes_both_groups_with_every_right_named():
    assert {name: rights_of(name) for name in GROUPS} == {name: set(rights) for name, rights in GROUPS.items()}


def test_it_lets_only_finance_export_and_only_development_edit():
    development, finance = rights_of("development"), rights_of("finance")
    assert "donations.export_donation" in finance - development
    assert "matching.change_matchpool" in development - finance
    assert {right for right in finance if right.startswith("campaign.")} == set()
    assert {"campaign.change_fund", "campaign.change_story"} <= development
    for rights in (development, finance):
        money = {"donations.change_donation", "donations.delete_donation", "matching.add_ledgerentry"}
        assert rights & money == set()


def test_it_brings_a_group_back_to_its_rights_and_leaves_its_people():
    group = Group.objects.get(name="finance")
    person = User.objects.create_user("farid")
    person.groups.add(group)
    group.permissions.add(Permission.objects.get(codename="change_matchpool"))
    ensure_groups()
    assert rights_of("finance") == set(GROUPS["finance"])
    assert set(group.user_set.values_list("username", flat=True)) == {"farid", "finance-person"}


def test_it_can_say_in_words_every_right_that_a_page_asks_for():
    granted = {right for rights in GROUPS.values() for right in rights}
    assert set(RIGHTS) <= granted
