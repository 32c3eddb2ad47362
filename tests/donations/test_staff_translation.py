"""The words of the staff pages can be translated; what staff and donors wrote, and what is named in a file, stays."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import User

from campaign import palette
from donations import receipts
from donations.import_columns import COLUMNS
from donations.models import (
    Donation,
    FollowUp,
    FraudWarning,
    GiftMessage,
    Period,
    Reversal,
    StrayPayment,
    StripeEvent,
    StripeMovement,
    StripeRun,
    Tribute,
    TributeNotice,
)
from donations.periods import files
from donations.views import books
from matching import watch
from matching.models import LedgerEntry, MatchPool
from tests import factories
from tests.campaign.everything import everything
from tests.campaign.pages import DURING
from tests.donations import import_file
from tests.donations.import_file import HEADINGS
from tests.donations.offline_form import entered, filled
from tests.donations.spoken import left_unmarked
from tests.donations.test_staff_attention import failed_opening
from tests.marks import ROOT, content_of, unmarked, unmarked_in
from tests.staff import client_of

DJANGO = "Ĉi tiu kampo estas deviga."  # in Django's own catalog of the language
TITLES = tuple(column.title for column in COLUMNS)  # of a spreadsheet, the same in every language
WRITTEN = (
    *("dana", "EST", "stolen card", "$5 is off", "MailNotSent: no such mailbox", "Oh: no", "re_9", "staff:7"),
    *("opening-1@example.org", "x@example.org", "Staff:1", "checks.csv", *TITLES),
)
NOW = DURING + timedelta(hours=2)
AFTERWARDS = datetime(2027, 1, 4, 15, tzinfo=UTC)  # December is over
TEMPLATES = [
    path for path in sorted((ROOT / "templates/donations").glob("*.html")) if re.match(r"_?staff_|_style_", path.name)
]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_word_of_a_template_is_marked(template):
    assert unmarked(template) == []


@pytest.fixture
def campaign(laid_open_language, db, settings, tmp_path):
    """A campaign with everything that staff pages speak of, and some of each kind of trouble."""
    settings.MEDIA_ROOT = tmp_path
    with time_machine.travel(NOW, tick=False):
        made = everything()
        made.embed_hosts = "www.harborview.org"
        made.save()
        _gift_with_everything(made)
        _trouble(Donation.objects.latest("pk"))
    return made


def _gift_with_everything(campaign):
    education, nursing = campaign.funds.all()
    gift = factories.donation(
        campaign=campaign,
        parts=[(education, 5_000), (nursing, 2_000)],
        fee_minor=300,
        company="Pier Bank",
        hides_name=True,
        hides_amount=True,
        names_hidden_at=NOW,
        team=campaign.teams.first(),
        phone="617-555-0101",
        address_line1="5 Bay Road",
        refunded_minor=500,
        disputed_at=NOW,
        match_shortfall_minor=4_000,
        promised_match_minor=9_000,
        accepted_lower_match_at=NOW,
        payment_intent="pi_1",
        charge="ch_1",
        utm_source="letter",
    )
    factories.match(gift)
    gift.donor.opted_out_at = NOW
    gift.donor.save()
    receipts.issue_receipt(donation_id=gift.pk, now=NOW).sends.create(to_email="x@example.org", attempted_at=NOW)
    tribute = Tribute.objects.create(donation=gift, kind="memory", name="Sam Poe")
    TributeNotice.objects.create(
        tribute=tribute, way="post", recipient_name="Luis Ruiz", consented_at=NOW, address_line1="5 Bay Road"
    )
    GiftMessage.objects.create(donation=gift, text="With love")
    return gift


def _trouble(gift):
    reversal = {"donation": gift, "amount_minor": 2_500, "created_at": NOW, "changed_at": NOW}
    Reversal.objects.create(kind="dispute", stripe_id="du_1", status="needs_response", **reversal)
    Reversal.objects.create(kind="refund", stripe_id="re_1", status="failed", **reversal)
    FraudWarning.objects.create(donation=gift, stripe_id="issfr_1", fraud_type="stolen_card", created_at=NOW)
    failed = {"donation": gift, "state": "failed", "due_at": NOW, "last_error": "Oh: no"}
    for kind in ("receipt", "email", "match", "ecard", "refused"):
        FollowUp.objects.create(kind=kind, **failed)
    event = {"payload": {}, "created_at": NOW, "due_at": NOW, "last_error": "Oh: no", "type": "refund.updated"}
    StripeEvent.objects.create(event_id="evt_1", state="failed", payment_intent="pi_1", **event)
    StripeEvent.objects.create(event_id="evt_2", state="ignored", why_ignored="type", **event)
    StripeEvent.objects.create(event_id="evt_3", state="received", **event | {"due_at": NOW - timedelta(hours=1)})
    failed_opening(gift.campaign, "opening", attempts=1)
    stray = {"why": "amount", "amount_minor": 700, "currency": "USD", "made_at": NOW, "found_at": NOW}
    StrayPayment.objects.create(payment_intent="pi_2", donation=gift, **stray)
    decided = {"decision": "left", "decided_at": NOW, "decided_by": "staff:1", "reason": "A ticket"}
    StrayPayment.objects.create(payment_intent="pi_3", **stray | decided)
    StripeRun.objects.create(
        started_at=NOW, started_by="system", since=NOW, step="days", finished_at=NOW,
        found={"unequal": ["2026-12-01"], "charges": 1, "refunds": 2},
    )  # fmt: skip
    moved = {"currency": "USD", "moved_at": NOW - timedelta(minutes=30), "fee_minor": 10}
    StripeMovement.objects.create(stripe_id="txn_1", category="charge", source="ch_1", amount_minor=700, **moved)
    StripeMovement.objects.create(stripe_id="txn_2", category="refund", source="re_9", amount_minor=-70, **moved)
    watch.halt_pool(pool_id=MatchPool.objects.earliest("pk").pk, reason="$5 is off", now=NOW)


def unmarked_on(client, address, *content, sent=None, now=NOW):
    with time_machine.travel(now, tick=False):
        answer = client.get(address, follow=True) if sent is None else client.post(address, sent, follow=True)
    assert answer.status_code in (200, 403), address
    rows = (*MatchPool.objects.all(), *FraudWarning.objects.all(), *StripeEvent.objects.all())
    written = content_of(*rows, *StrayPayment.objects.all(), *Reversal.objects.all(), *LedgerEntry.objects.all())
    return left_unmarked(answer.content.decode(), *WRITTEN, *written, *content)


@pytest.fixture
def everybody():
    with time_machine.travel(NOW, tick=False):
        return client_of(User.objects.create_superuser("dana"))


def test_every_page_speaks_the_language_that_is_spoken(campaign, everybody):
    gift = Donation.objects.latest("pk")
    pages = [
        *("", "?live=0&day=2026-12-01", "figures/", "gifts/", "gifts/?q=nobody", "came-from/", "gifts/new/"),
        *("gifts/imports/", "attention/", "stripe/", "messages/", "messages/?show=shown", "messages/?show=not-shown"),
        *("messages/names/", "monthly/", "embeds/", "style/", "style/staff/", "pools/", "pools/new/", "receipts/"),
        *("receipts/?q=nobody", "receipts/to-post/", "tributes/to-post/", "exports/"),
        *(f"pools/new/?kind={kind}" for kind in ("match", "bonus", "unlock", "lump", "every")),
        *(f"gifts/{gift.pk}/", f"gifts/{gift.pk}/refund/"),
        *(f"payments/{pk}/" for pk in StrayPayment.objects.values_list("pk", flat=True)),
        *(f"pools/{pk}/{part}" for pk in MatchPool.objects.values_list("pk", flat=True)[:2] for part in ("", "terms/")),
    ]
    left = {page: unmarked_on(everybody, f"/staff/{page}") for page in pages}
    assert {page: words for page, words in left.items() if words} == {}


def test_whatever_is_done_or_wrong_is_said_in_it(campaign, everybody):
    gift, pool, message = (
        Donation.objects.latest("pk"),
        MatchPool.objects.latest("pk"),
        GiftMessage.objects.latest("pk"),
    )
    with time_machine.travel(NOW, tick=False):
        check = entered(campaign, now=NOW - timedelta(minutes=5))
        receipts.issue_receipt(donation_id=check.pk, now=NOW)
        form = filled(everybody, fund=campaign.funds.first().slug)
        event, row = StripeEvent.objects.get(event_id="evt_1"), FollowUp.objects.filter(state="failed").first()
    sent = [
        ("gifts/?first=x&last=y", None),
        ("exports/?first=2026-12-02&last=2026-12-01", None),
        ("gifts/new/", {}),
        ("gifts/new/", form | {"received_on": "2026-12-09", "other_amount": "x"}),
        ("gifts/new/", form | {"received_on": "2020-12-09", "method": "cash", "donor_email": "x"}),
        ("gifts/new/", form),
        (f"gifts/{check.pk}/correct/", form | {"corrections": "0"}),
        (f"gifts/{check.pk}/correct/", form | {"corrections": "9", "reason": "Misread"}),
        (f"gifts/{check.pk}/cancel/", {}),
        (f"gifts/{check.pk}/cancel/", {"cause": "returned_unpaid", "reason": "Misread"}),
        (f"gifts/{check.pk}/cancel/", {"cause": "returned_unpaid", "reason": "Misread"}),
        (f"gifts/{gift.pk}/refund/", {"amount": "999999", "reason": "x"}),
        (f"gifts/{gift.pk}/follow-ups/{row.pk}/again/", {}),
        (f"gifts/{gift.pk}/follow-ups/{row.pk}/again/", {}),
        (f"attention/short/{gift.pk}/", {"version": "1"}),
        (f"attention/short/{gift.pk}/", {"version": "4000", "reason": "Misread"}),
        (f"events/{event.pk}/again/", {}),
        (f"payments/{StrayPayment.objects.get(decision='open').pk}/decide/", {"do": "leave"}),
        (f"payments/{StrayPayment.objects.get(decision='open').pk}/decide/", {"do": "leave", "reason": "Misread"}),
        (f"messages/{message.pk}/approve/", {}),
        (f"messages/{message.pk}/approve/", {}),
        (f"gifts/{gift.pk}/names/show/", {"from": "list"}),
        ("payer-check/", {}),
        ("payer-check/", {"mode": "on"}),
        ("payer-check/", {"mode": "off"}),
        (f"pools/{pool.pk}/pause/", {}),
        (f"pools/{pool.pk}/pause/", {"paused": "1"}),
        (f"pools/{pool.pk}/pause/", {"paused": "0"}),
        (f"pools/{pool.pk}/terms/", {"limit": "1"}),
        ("pools/new/?kind=match", {}),
        ("pools/new/?kind=unlock", {"limit": "5", "sponsor": str(pool.sponsor_id), "leftover": "given"}),
        (f"sponsors/{pool.sponsor_id}/", {"sponsor-name": ""}),
        (f"sponsors/{pool.sponsor_id}/", {"sponsor-name": "Pier", "sponsor-public_name": "Pier"}),
        ("receipts/to-post/", {}),
        ("receipts/to-post/", {"receipt": [str(check.receipts.get().pk)]}),
        ("tributes/to-post/", {"notice": [str(TributeNotice.objects.get().pk)]}),
    ]
    left = {}
    for number, (page, values) in enumerate(sent):
        left[number, page] = unmarked_on(everybody, f"/staff/{page}", "Misread", "Pier", DJANGO, sent=values)
    assert {page: words for page, words in left.items() if words} == {}


def test_a_spreadsheet_is_spoken_of_in_it(campaign, everybody):
    rows = [
        *import_file.people(2),
        {"Donor name": "", "Amount": "x", "Fund": "Gone", "Method": "gold", "Received on": "soon"},
        {"Donor name": "Twin", "Hide name": "maybe", "Country": "Nowhere", "E-mail": "x", "Amount": "=1"},
        {"Donor name": "Twin"},
        {"Donor name": "Twin"},
        {"Donor name": "Early", "Received on": "2026-11-20"},
    ]
    with time_machine.travel(NOW, tick=False):
        made = import_file.read(campaign, import_file.csv_of(*rows, headings=[*HEADINGS, "Color"]))
        address = f"/staff/gifts/imports/{made.pk}/"
    cells = [*HEADINGS, "Color", "Twin", "Early", "Gone", "gold", "soon", "maybe", "Nowhere", "Donor 0", "Donor 1"]
    left = [unmarked_on(everybody, address, *cells), unmarked_on(everybody, f"{address}confirm/", *cells, sent={})]
    import_file.confirm(made, now=NOW)
    left.append(unmarked_on(everybody, address, *cells))
    import_file.run(made, now=NOW)
    left.append(unmarked_on(everybody, address, *cells))
    for content in ("", "Donor name\nMaria", "%PDF", "x"):
        sent = {"file": import_file.upload(content)}
        left.append(unmarked_on(everybody, "/staff/gifts/imports/", *HEADINGS, sent=sent))
    assert [words for words in left if words] == []


def test_the_door_speaks_it(laid_open_language, client, db):
    with time_machine.travel(NOW, tick=False):
        nobody = client_of(User.objects.create(username="nobody", is_staff=True))
    assert unmarked_on(nobody, "/staff/", "nobody") == []
    assert unmarked_on(client, "/staff/login/") == []
    assert unmarked_on(client, "/staff/login/", sent={}) == []
    assert unmarked_on(client, "/staff/login/", "nobody", sent={"username": "nobody", "password": "x"}) == []


def test_the_books_are_kept_in_it_and_their_files_in_english(campaign, monkeypatch):
    monkeypatch.setattr(books, "database_now", lambda: AFTERWARDS)
    education = campaign.funds.first()
    with time_machine.travel(AFTERWARDS, tick=False):
        person = client_of(User.objects.create_superuser("dana"))
        entered(campaign, now=NOW, amount_minor=7_000)
        gift = factories.donation(campaign=campaign, parts=[(education, 4_000)], fee_minor=100, at=NOW)
        factories.donation(campaign=campaign, parts=[(education, 700)], at=AFTERWARDS)
        factories.donation(campaign=campaign, parts=[(education, 900)], state="processing", at=NOW)
        euros = factories.campaign(funds=(factories.fund("Lyon"),), slug="lyon", currency="EUR")
        factories.donation(campaign=euros, amount_minor=4_000, at=NOW)
    StripeMovement.objects.create(
        stripe_id="txn_3", category="charge", source=gift.charge, payout="po_1", amount_minor=4_100, fee_minor=59,
        currency="USD", moved_at=NOW,
    )  # fmt: skip
    refund = {"kind": "refund", "amount_minor": 500, "status": "succeeded", "created_at": NOW}
    gift.reversals.create(stripe_id="re_2", changed_at=NOW, **refund)

    def left(page, *, sent=None):
        return unmarked_on(person, f"/staff/books/{page}", "po_1", "never", "Lyon", sent=sent, now=AFTERWARDS)

    pages = ("", "2026-12/", "2027-01/", "never/", "2026-12/USD.csv")
    found = [*map(left, pages), left("2026-12/close/", sent={})]
    assert Period.objects.count() == 0  # an event waits
    StripeEvent.objects.filter(state="received").update(state="applied")
    StripeRun.objects.update(started_at=AFTERWARDS, finished_at=AFTERWARDS)
    found += [left("2026-12/"), *(left(f"{month}/close/", sent={}) for month in ("2027-01", "2026-12", "2026-12"))]
    period = Period.objects.get()
    gift.reversals.create(stripe_id="re_3", changed_at=AFTERWARDS, **refund)
    found += [left("2027-01/close/", sent={}), *map(left, ("", "2026-12/", "2027-01/"))]
    for page in ("exports/?first=2026-12-01&last=2026-12-31", f"gifts/{gift.pk}/refund/"):
        found.append(unmarked_on(person, f"/staff/{page}", now=AFTERWARDS))
    assert [words for words in found if words] == []
    table = files.table(period, currency="USD")
    assert {(row[2], row[10]) for row in table.rows} == {("Gift", "Card"), ("Refund", "Card"), ("Gift", "Check")}
    assert table.name == "December 2026"
    assert files.about(period)[0][1].startswith("December 2026, closed for good at ")


def test_it_says_in_it_why_a_color_is_refused(laid_open_language):
    found = {}
    for choice in (palette.Choice("#ffcc00", "#f5f5f5", "#cc4b2c", "#66bb6a"), palette.Choice(accent_dark="#a5d6a7")):
        found |= {name: re.sub(r"#\w{6}", "", said) for name, said in palette.refusals(choice).items()}
    assert set(found) >= {"main", "action", "accent_dark"}
    assert [unmarked_in(said, content=[]) for said in found.values()] == [[]] * len(found)
