"""Issuing and replacing receipts: what they say, once each, never edited."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.test import Client

from campaign.models import Organization
from donations import receipts
from donations.models import Donation, FollowUp, Receipt, ReceiptCounter, Reversal
from donations.receipt_content import Goods, came_back_because, plain_line
from matching import heads, refunds
from tests import factories
from tests.donations.books import Books
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db

NEXT_DAY = GIFT_AT + timedelta(days=1)


def issue(donation, **more):
    return receipts.issue_receipt(donation_id=donation.pk, now=GIFT_AT, **more)


def refund(donation, minor, *, of_the_gift=None):
    Donation.objects.filter(pk=donation.pk).update(refunded_minor=minor)
    if of_the_gift is not None:
        refunds.settle_refund(key=donation.match_key, refunded_minor=of_the_gift, now=NEXT_DAY, actor="system")


def replace(donation, reason="Refunded $50.00."):
    return receipts.replace_receipt(donation_id=donation.pk, reason=reason, now=NEXT_DAY)


def counts():
    return Receipt.objects.count(), FollowUp.objects.count(), ReceiptCounter.objects.get().last_number


class TestIssue:
    def test_it_says_who_gave_what_to_whom_and_when(self):
        factories.organization(state_disclosures="Registered in Massachusetts.")
        campaign = factories.campaign(name="Giving Tuesday 2026")
        parts = [(factories.fund("Education"), 7_500), (factories.fund("Research"), 2_500)]
        donation = factories.donation(
            campaign=campaign,
            parts=parts,
            fee_minor=330,
            donor_email="maria@example.org",
            address_line1="12 Beacon Street",
            city="Boston",
            region="MA",
            postal_code="02108",
        )
        receipt = issue(donation)
        assert (receipt.number, receipt.version, receipt.replaces) == ("2026-000001", 1, None)
        assert (receipt.receipt_date, receipt.amount_minor, receipt.currency) == (date(2026, 12, 1), 10_330, "USD")
        assert (receipt.issued_at, receipt.voided_at) == (GIFT_AT, None)
        assert receipt.content == {
            "layout": 1,
            "number": "2026-000001",
            "version": 1,
            "replaces": "",
            "issued_text": "December 1, 2026",
            "organization": {
                "legal_name": "Harborview Hospital Foundation, Inc.",
                "public_name": "Harborview Hospital",
                "ein": "04-1234567",
                "address_lines": ["100 Wharf Street", "Boston, MA 02110"],
                "phone": "617-555-0142",
                "email": "giving@harborview.example",
                "website": "https://harborview.example",
            },
            "donor": {
                "name": "Maria Alvarez",
                "email": "maria@example.org",
                "address_lines": ["12 Beacon Street", "Boston, MA 02108"],
            },
            "campaign": "Giving Tuesday 2026",
            "gift": donation.reference,
            "receipt_date": "2026-12-01",
            "receipt_date_text": "December 1, 2026",
            "method": "Visa ending in 4242",
            "currency": "USD",
            "designations": [
                {"fund": "Education", "amount_minor": 7_500, "amount_text": "$75.00"},
                {"fund": "Research", "amount_minor": 2_500, "amount_text": "$25.00"},
            ],
            "gift_minor": 10_000,
            "gift_text": "$100.00",
            "fee_minor": 330,
            "fee_text": "$3.30",
            "paid_minor": 10_330,
            "paid_text": "$103.30",
            "refunded_minor": 0,
            "refunded_text": "$0.00",
            "net_minor": 10_330,
            "net_text": "$103.30",
            "statement": "No goods or services were provided in exchange for this gift.",
            "match": None,
            "ledger": None,
            "thanks": "Thank you for your gift.",
            "disclosures": "Registered in Massachusetts.",
            "signatory": {"name": "Joan Whitfield", "title": "Chief Development Officer"},
            "look": {"main": "#14305c", "action": "#c8452b", "action_ink": "#ffffff", "logo": "", "logo_alt": ""},
        }

    def test_it_owes_the_email_and_notes_the_gifts_history(self):
        donation = factories.donation()
        receipt = issue(donation)
        owed = FollowUp.objects.values_list("donation_id", "kind", "subject_id", "state", "due_at")
        assert list(owed) == [(donation.pk, "email", receipt.pk, "due", GIFT_AT)]
        notes = [(note.actor, note.text) for note in donation.notes.all()]
        assert notes == [("system", "Receipt 2026-000001 issued for $100.00.")]

    def test_a_second_call_returns_the_first_receipt_and_writes_nothing(self):
        donation = factories.donation()
        first = issue(donation)
        before = counts()
        assert issue(donation) == first
        assert counts() == before == (1, 1, 1)

    def test_the_campaigns_time_zone_decides_the_day_and_the_year(self):
        late = factories.donation(at=datetime(2026, 12, 2, 4, 30, tzinfo=UTC))
        assert issue(late).content["receipt_date_text"] == "December 1, 2026"
        new_year = factories.donation(at=datetime(2027, 1, 1, 4, 59, 59, tzinfo=UTC))
        assert issue(new_year).number == "2026-000002"
        after = factories.donation(at=datetime(2027, 1, 1, 5, 0, tzinfo=UTC))
        assert issue(after).number == "2027-000001"

    @pytest.mark.parametrize("state", ["started", "processing", "failed", "abandoned"])
    def test_it_refuses_a_gift_that_is_not_paid(self, state):
        donation = factories.donation(state=state)
        with pytest.raises(receipts.GiftNotPaid, match="not paid"):
            issue(donation)
        assert not Receipt.objects.exists()

    def test_it_refuses_a_gift_that_was_refunded_in_full(self):
        with pytest.raises(receipts.NothingToReceipt):
            issue(factories.donation(fee_minor=330, refunded_minor=10_330))

    def test_it_says_what_to_do_without_an_organization(self):
        donation = factories.donation()
        Organization.objects.all().delete()
        with pytest.raises(receipts.OrganizationMissing, match="/admin/"):
            issue(donation)

    def test_a_failed_transaction_gives_its_number_back(self):
        first, second = factories.donation(), factories.donation()
        with transaction.atomic():
            assert issue(first).number == "2026-000001"
            transaction.set_rollback(True)
        assert issue(second).number == "2026-000001"

    def test_goods_in_return_are_described_with_their_value(self):
        donation = factories.donation(amount_minor=20_000)
        content = issue(donation, goods=Goods("two seats at the\nwinter dinner", 7_550)).content
        assert content["goods"] == {
            "description": "two seats at the winter dinner",
            "estimate_minor": 7_550,
            "estimate_text": "$75.50",
        }
        assert "No goods or services" not in content["statement"]
        assert "two seats at the winter dinner" in content["statement"]
        assert content["statement"].endswith("above that value: $124.50.")

    def test_what_was_typed_prints_as_it_reads(self):
        assert plain_line("  Ann\u202e\tLee\r\nBcc: x@y.z\x07 ") == "Ann Lee Bcc: x@y.z"
        assert plain_line("Jose\u0301") == "José"
        receipt = issue(factories.donation(donor_name="Ann\u202e Lee"))
        assert receipt.content["donor"]["name"] == "Ann Lee"


class TestMatchLine:
    """Information apart from the payment; in no sum."""

    def test_it_names_the_sponsor_the_sum_and_the_reference(self):
        donation = factories.donation()
        factories.pool(campaign=donation.campaign)
        match = factories.match(donation)
        content = issue(donation).content
        assert content["match"]["sentence"] == (
            "As information, not part of your payment: The Harbor Family matched your gift with $100.00 "
            f"(reference {match.reference})."
        )
        assert (content["match"]["match_minor"], content["paid_minor"], content["net_minor"]) == (10_000,) * 3

    def test_a_matched_one_says_how_to_check_it(self, settings):
        settings.SITE_URL, settings.LEDGER_SIGNING_KEY = "https://give.example.org", "11" * 32
        campaign = factories.campaign()
        factories.pool(campaign=campaign)
        donation = factories.donation(campaign=campaign)
        match = factories.match(donation)
        head = heads.publish_head(now=GIFT_AT)
        assert issue(donation).content["ledger"] == {
            "check_url": f"https://give.example.org/match/?reference={match.reference}#look-up",
            "page_text": "give.example.org/match/",
            "head_sha256": head.sha256,
            "head_text": f"Ledger head 2026-12-01 15:30 UTC, sha256 {head.sha256[:32]}, key 10ba682c",
        }

    def test_without_signed_heads_it_still_says_where_to_look(self):
        campaign = factories.campaign()
        factories.pool(campaign=campaign)
        donation = factories.donation(campaign=campaign)
        match = factories.match(donation)
        ledger = issue(donation).content["ledger"]
        assert ledger["check_url"].endswith(f"/match/?reference={match.reference}#look-up")
        assert (ledger["head_text"], ledger["head_sha256"]) == ("", "")

    def test_a_newer_head_is_no_reason_to_replace_it(self, settings):
        settings.LEDGER_SIGNING_KEY = "11" * 32
        campaign = factories.campaign()
        factories.pool(campaign=campaign)
        donation = factories.donation(campaign=campaign)
        factories.match(donation)
        receipt = issue(donation)
        heads.publish_head(now=GIFT_AT)
        assert replace(donation) == receipt

    def test_it_names_each_of_several_sponsors(self):
        donation = factories.donation()
        factories.pool(campaign=donation.campaign, limit_minor=6_000, priority=1)
        anonymous = factories.sponsor("Bay Bank", is_anonymous=True)
        factories.pool(campaign=donation.campaign, sponsor=anonymous, priority=2)
        factories.match(donation)
        sentence = issue(donation).content["match"]["sentence"]
        assert "your gift was matched with $100.00" in sentence
        assert sentence.endswith("The Harbor Family with $60.00 and an anonymous sponsor with $40.00.")
        assert "Bay Bank" not in sentence

    def test_a_hold_or_an_empty_match_is_not_reported(self):
        held, unmatched = factories.donation(), factories.donation()
        pool = factories.pool(campaign=held.campaign, limit_minor=10_000)
        factories.match(held, is_paid=False)
        assert issue(held).content["match"] is None
        pool.refresh_from_db()
        assert pool.free_minor == 0
        factories.match(unmatched)
        assert issue(unmatched).content["match"] is None

    @pytest.mark.parametrize(("limit_minor", "less"), [(7_500, "$25.00"), (None, "$100.00")])
    def test_a_shortfall_is_said_plainly(self, limit_minor, less):
        donation = factories.donation(match_shortfall_minor=10_000 - (limit_minor or 0))
        if limit_minor:
            factories.pool(campaign=donation.campaign, limit_minor=limit_minor)
        factories.match(donation)
        sentence = issue(donation).content["match"]["sentence"]
        assert less in sentence
        assert "after the hold had ended" in sentence
        assert ("your gift was not matched" in sentence) == (limit_minor is None)

    def test_a_shortfall_after_a_refund_that_failed_blames_no_late_payment(self):
        donation = factories.donation(match_shortfall_minor=10_000)
        factories.match(donation)
        Reversal.objects.create(
            donation=donation,
            kind=Reversal.Kind.REFUND,
            stripe_id="re_1",
            amount_minor=10_000,
            status="failed",
            created_at=NEXT_DAY,
            changed_at=NEXT_DAY,
        )
        sentence = issue(donation).content["match"]["sentence"]
        assert "a refund did not go through, and by then other gifts had been promised that money" in sentence
        assert "came after the hold" not in sentence

    def test_it_never_speaks_of_a_matching_gift(self):
        """That is an employer's match, with forms of its own."""
        donation = factories.donation()
        factories.pool(campaign=donation.campaign)
        factories.match(donation)
        assert "matching gift" not in str(issue(donation).content).lower()


class TestReplace:
    def test_a_refund_voids_the_old_and_names_it_in_the_new(self):
        donation = factories.donation(fee_minor=330)
        factories.pool(campaign=donation.campaign)
        factories.match(donation)
        old = issue(donation)
        refund(donation, 5_000, of_the_gift=5_000)
        new = replace(donation)
        old.refresh_from_db()
        assert (old.voided_at, old.void_reason) == (NEXT_DAY, "Refunded $50.00.")
        assert (new.number, new.version, new.replaces, new.amount_minor) == ("2026-000002", 2, old, 5_330)
        content = new.content
        assert (content["replaces"], content["paid_text"]) == ("2026-000001", "$103.30")
        assert (content["refunded_text"], content["net_text"]) == ("$50.00", "$53.30")
        assert "with $50.00" in content["match"]["sentence"]
        assert content["match"]["sentence"].endswith("This is the match after the refund.")
        assert content["receipt_date"] == "2026-12-01"
        assert content["issued_text"] == "December 2, 2026"
        assert old.content["net_text"] == "$103.30"

    def test_the_replacement_is_mailed_too(self):
        donation = factories.donation()
        old = issue(donation)
        refund(donation, 1)
        new = replace(donation)
        assert list(FollowUp.objects.values_list("subject_id", flat=True)) == [old.pk, new.pk]

    def test_the_chain_goes_on(self):
        donation = factories.donation()
        issue(donation)
        for minor in (1_000, 2_000, 3_000):
            refund(donation, minor)
            replace(donation)
        chain = Receipt.objects.order_by("version").values_list("version", "number", "replaces__number", "amount_minor")
        assert list(chain) == [
            (1, "2026-000001", None, 10_000),
            (2, "2026-000002", "2026-000001", 9_000),
            (3, "2026-000003", "2026-000002", 8_000),
            (4, "2026-000004", "2026-000003", 7_000),
        ]
        assert donation.receipts.filter(voided_at=None).get().version == 4

    def test_a_full_refund_voids_only(self):
        donation = factories.donation(fee_minor=330)
        old = issue(donation)
        refund(donation, 10_330)
        assert replace(donation, "Refunded in full.") is None
        old.refresh_from_db()
        assert old.voided_at == NEXT_DAY
        assert list(FollowUp.objects.values_list("kind", "subject_id")) == [("email", old.pk), ("returned", old.pk)]
        assert replace(donation) is None
        assert counts() == (1, 2, 1)

    def test_a_refund_that_fails_later_brings_a_receipt_back(self):
        donation = factories.donation()
        old = issue(donation)
        refund(donation, 10_000)
        replace(donation)
        refund(donation, 0)
        new = replace(donation)
        assert (new.version, new.replaces, new.amount_minor) == (2, old, 10_000)

    def test_a_repeat_changes_nothing(self):
        donation = factories.donation()
        issue(donation)
        refund(donation, 5_000)
        new = replace(donation)
        before = counts()
        assert replace(donation) == new
        assert counts() == before == (2, 2, 2)

    def test_a_correction_of_the_name_replaces(self):
        donation = factories.donation(donor_name="Maria Alvares")
        old = issue(donation)
        Donation.objects.filter(pk=donation.pk).update(donor_name="Maria Alvarez")
        new = replace(donation, "Name corrected.")
        assert (old.content["donor"]["name"], new.content["donor"]["name"]) == ("Maria Alvares", "Maria Alvarez")

    def test_what_the_donor_got_in_return_is_carried_over(self):
        donation = factories.donation()
        issue(donation, goods=Goods("a book", 2_000))
        refund(donation, 5_000)
        assert replace(donation).content["statement"].endswith("above that value: $30.00.")

    def test_what_the_donor_got_is_still_there_after_a_full_refund_that_failed(self):
        donation = factories.donation()
        old = issue(donation, goods=Goods("a book", 2_000))
        refund(donation, 10_000)
        assert replace(donation) is None
        refund(donation, 0)
        new = replace(donation)
        assert new.replaces == old
        assert new.content["statement"].endswith("above that value: $80.00.")

    @pytest.mark.parametrize(
        ("kind", "course", "because"),
        [
            ("refund", ("succeeded", "failed"), "a refund did not go through"),
            ("dispute", ("needs_response", "lost", "won"), "your bank gave back what it had disputed"),
        ],
    )
    def test_it_says_why_the_work_owed_for_a_refund_changed_it(self, monkeypatch, kind, course, because):
        """Meanwhile the match that came free has gone to another gift: for the same cause, not for a late payment."""
        books = Books(factories.campaign(), monkeypatch)
        factories.pool(campaign=books.campaign, limit_minor=10_000)
        gift = books.give((books.campaign.funds.get(), 10_000), fee_minor=330)
        books.make_receipts(now=books.at)
        books.meanwhile = lambda: books.give((books.campaign.funds.get(), 2_500))
        books.back(gift, kind, 2_500, *course, now=NEXT_DAY)
        first, second, third = gift.receipts.order_by("version")
        assert (first.void_reason, second.void_reason, third.voided_at) == (
            "Refunded $25.00 of $103.30 paid.",
            f"{because.capitalize()}.",
            None,
        )
        short = f"This is $25.00 less than the match that was held for you: {because}, and by then"
        assert short in third.content["match"]["sentence"]
        gift.refresh_from_db()
        page = Client().get(gift.get_absolute_url()).content.decode()
        assert f"{because.capitalize()}, and by then the match had less left." in page

    def test_a_dispute_that_was_won_outright_excuses_no_late_payment(self, monkeypatch):
        books = Books(factories.campaign(), monkeypatch)
        gift = books.give((books.campaign.funds.get(), 10_000))
        books.make_receipts(now=books.at)
        books.back(gift, "dispute", 10_000, "needs_response", "won", now=NEXT_DAY)
        assert (came_back_because(gift), gift.receipts.count()) == ("", 1)


class TestWhatTheDatabaseRefuses:
    @pytest.fixture
    def receipt(self):
        return issue(factories.donation())

    @pytest.mark.parametrize(
        "change",
        [
            "amount_minor = 1",
            "number = '2026-000999'",
            "content = '{}'::jsonb",
            "receipt_date = '2025-12-31'",
            "version = 7",
            "void_reason = 'quietly'",
            "voided_at = now(), amount_minor = 1",
        ],
    )
    def test_an_edit(self, receipt, change):
        with pytest.raises(IntegrityError, match="never edited"), connection.cursor() as cursor:
            cursor.execute(f"UPDATE donations_receipt SET {change} WHERE id = %s", [receipt.pk])

    def test_an_edit_or_a_return_of_a_voided_one(self, receipt):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE donations_receipt SET voided_at = now() WHERE id = %s", [receipt.pk])
        for change in ("voided_at = NULL", "void_reason = 'again'"):
            with (
                pytest.raises(IntegrityError, match="never edited"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(f"UPDATE donations_receipt SET {change} WHERE id = %s", [receipt.pk])

    def test_a_delete(self, receipt):
        with pytest.raises(ProgrammingError, match="Cannot delete"), connection.cursor() as cursor:
            cursor.execute("DELETE FROM donations_receipt WHERE id = %s", [receipt.pk])

    def test_two_valid_ones_for_a_gift(self, receipt):
        with pytest.raises(IntegrityError, match="one_valid_receipt_per_gift"):
            receipts._issue(receipt.donation, facts={"net_text": "", "match": None}, now=GIFT_AT)
