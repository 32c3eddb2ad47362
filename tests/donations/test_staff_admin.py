"""Gifts, receipts, events and work in the admin: found and read, never written."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import reverse

from donations import receipts
from donations.models import Donation, FollowUp, GiftNote, Receipt, StripeEvent
from tests import factories, staff
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db


@pytest.fixture
def root():
    return staff.client_of(User.objects.create(username="root", is_staff=True, is_superuser=True))


@pytest.fixture
def gift():
    return factories.donation(campaign=factories.campaign(), donor_name="Marta Quiroga")


def failed_event(**changes):
    values = {"event_id": "evt_1", "type": "charge.refunded", "payload": {"data": {"<b>": 1}}, "state": "failed"}
    return StripeEvent.objects.create(created_at=GIFT_AT, due_at=GIFT_AT, attempts=12, **(values | changes))


@pytest.mark.parametrize("model", ["donation", "receipt", "stripeevent", "followup", "donor"])
def test_it_shows_each_row_and_lets_nobody_write_it(root, gift, model):
    rows = {
        "donation": gift,
        "donor": gift.donor,
        "receipt": receipts.issue_receipt(donation_id=gift.pk, now=GIFT_AT),
        "stripeevent": failed_event(),
        "followup": FollowUp.objects.create(donation=gift, kind="email", due_at=GIFT_AT, subject_id=99),
    }
    base, pk = f"/admin/donations/{model}/", rows[model].pk
    assert root.get(base).status_code == root.get(f"{base}{pk}/change/").status_code == 200
    assert root.get(base, {"q": "Marta"}).status_code == 200
    assert root.get(f"{base}add/").status_code == 403
    assert root.post(f"{base}{pk}/change/", {"amount_minor": 1, "state": "paid"}).status_code == 403
    assert root.post(f"{base}{pk}/delete/", {"post": "yes"}).status_code == 403
    root.post(base, {"action": "delete_selected", "_selected_action": [pk], "post": "yes"})
    assert type(rows[model]).objects.filter(pk=pk).exists()


def test_it_keeps_the_secret_of_the_donors_page_out_of_the_admin(root, gift):
    page = root.get(f"/admin/donations/donation/{gift.pk}/change/").content.decode()
    assert gift.token not in page
    assert "$100.00" in page


def test_it_finds_gifts(root, gift):
    other = factories.donation(campaign=gift.campaign, donor_name="Ben")
    for words in ("quiroga", str(gift.pk), gift.payment_intent, gift.charge):
        found = root.get("/admin/donations/donation/", {"q": words}).context["cl"].queryset
        assert gift in found
        assert other not in found or words == str(gift.pk)


def test_it_shows_what_stripe_said_as_text(root):
    page = root.get(f"/admin/donations/stripeevent/{failed_event().pk}/change/").content.decode()
    assert "&lt;b&gt;" in page


def test_it_tries_failed_work_again_from_the_list(gift):
    failed, other = failed_event(), failed_event(event_id="evt_2", state="applied")
    work = FollowUp.objects.create(donation=gift, kind="email", due_at=GIFT_AT, state="failed", attempts=12)
    client = staff.farid()
    chosen = {"action": "try_again", "_selected_action": [failed.pk, other.pk]}
    said = staff.text_of(client.post("/admin/donations/stripeevent/", chosen, follow=True))
    assert "1 will be tried again within half a minute. 1 had not failed and were left alone." in said
    client.post("/admin/donations/followup/", {"action": "try_again", "_selected_action": [work.pk]})
    rows = [failed, other, work]
    for row in rows:
        row.refresh_from_db()
    assert [(row.state, row.attempts) for row in rows] == [("received", 0), ("applied", 12), ("due", 0)]
    assert GiftNote.objects.get().actor == f"staff:{User.objects.get(username='farid').pk}"


def test_it_opens_receipts_to_finance_alone(gift):
    receipts.issue_receipt(donation_id=gift.pk, now=GIFT_AT)
    address = reverse("admin:donations_receipt_changelist")
    assert staff.farid().get(address).status_code == 200
    assert staff.dana().get(address).status_code == 403
    assert Receipt.objects.count() == Donation.objects.count() == 1


def test_it_bears_the_organizations_name(root, gift):
    page = staff.text_of(root.get("/admin/"))
    assert "| Harborview Hospital</title>" in page
    assert '<div id="site-name"><a href="/admin/">Harborview Hospital</a></div>' in page
    assert '<a href="/staff/">Staff pages</a>' in page


def test_every_list_can_be_sorted_by_every_column_it_offers(root, gift):
    lists = [
        (reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"), len(of.list_display))
        for model, of in admin.site._registry.items()
    ]
    asked = [f"{address}?o={column}" for address, columns in lists for column in range(1, columns + 1)]
    answers = {address: root.get(address).status_code for address in asked}
    assert {address: status for address, status in answers.items() if status not in (200, 302)} == {}
    assert len(asked) > 50
