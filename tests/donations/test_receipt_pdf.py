"""The receipt's PDF: its text, its tags, the same bytes each time, and names that try to break it."""

import io
import random
import re
import unicodedata
from datetime import UTC, datetime

import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.font_coverage import covered_characters
from campaign.money import parse_amount
from donations import receipt_pdf, receipts
from donations.models import Donation, Receipt
from donations.receipt_content import plain_line, receipt_facts
from matching import heads
from tests import factories
from tests.factories import GIFT_AT


@pytest.fixture
def paid(db):
    """A gift over two funds with its fee covered, and its match."""
    campaign = factories.campaign(name="Giving Tuesday 2026")
    parts = [(factories.fund("Education"), 7_500), (factories.fund("Research"), 2_500)]
    donation = factories.donation(campaign=campaign, parts=parts, fee_minor=330, address_line1="12 Beacon Street")
    factories.pool(campaign=campaign)
    factories.match(donation)
    return donation


@pytest.fixture
def receipt(paid):
    factories.organization(state_disclosures="Registered in Massachusetts.")
    return receipts.issue_receipt(donation_id=paid.pk, now=GIFT_AT)


@pytest.fixture
def named(receipt):
    """The same receipt for a donor of any name: `named("...")` gives the PDF's text."""

    def text_for(name, **content):
        donor = {"name": name, "email": "x@example.org", "address_lines": ["12 Beacon Street"]}
        other = Receipt(
            number=receipt.number, issued_at=receipt.issued_at, content=receipt.content | {"donor": donor} | content
        )
        return text_of(receipt_pdf.render_receipt(other))

    return text_for


def reader(pdf):
    return pypdf.PdfReader(io.BytesIO(pdf))


def text_of(pdf):
    return "\n".join(page.extract_text() for page in reader(pdf).pages)


def squeezed(text):
    """Without white space and break marks, since lines break where they must."""
    return re.sub(r"[\s\u200b]", "", text)


def minor(pattern, text):
    return parse_amount(re.search(pattern + r"\s+\u2212?(\$[\d,.]+)", text)[1], currency="USD", largest_minor=10**12)


class TestText:
    def test_it_says_how_to_check_the_match_and_names_the_ledgers_head(self, paid, settings):
        settings.SITE_URL, settings.LEDGER_SIGNING_KEY = "https://give.harborviewhospital.example.org", "11" * 32
        factories.organization()
        head = heads.publish_head(now=GIFT_AT)
        pdf = receipt_pdf.render_receipt(receipts.issue_receipt(donation_id=paid.pk, now=GIFT_AT))
        text = squeezed(text_of(pdf))
        assert "Checkityourself:give.harborviewhospital.example.org/match/." in text
        assert f"Ledgerhead2026-12-0115:30UTC,sha256{head.sha256[:32]},key10ba682c" in text
        assert head.sha256[:32] in text_of(pdf), "it must be possible to copy it"
        links = [note.get_object()["/A"]["/URI"] for page in reader(pdf).pages for note in page.get("/Annots", [])]
        assert any(re.fullmatch(r"https://\S+/match/\?reference=M-\w{10}#look-up", link) for link in links)
        assert len(reader(pdf).pages) == 1

    def test_one_from_before_heads_were_signed_prints_as_it_did(self, receipt, named):
        content = {key: value for key, value in receipt.content.items() if key != "ledger"}
        older = Receipt(number=receipt.number, issued_at=receipt.issued_at, content=content)
        text = text_of(receipt_pdf.render_receipt(older))
        assert "Check it yourself" not in text
        assert "As information, not part of your payment" in text

    def test_it_holds_everything_a_tax_adviser_asks_for(self, receipt, paid):
        text = text_of(receipt_pdf.render_receipt(receipt))
        for words in [
            "Harborview Hospital Foundation, Inc.",
            "100 Wharf Street",
            "EIN 04-1234567",
            "Maria Alvarez",
            "12 Beacon Street",
            "2026-000001",
            "December 1, 2026",
            "Visa ending in 4242",
            "Giving Tuesday 2026",
            paid.reference,
            "Education $75.00",
            "Research $25.00",
            "Card cost that you covered $3.30",
            "Amount paid $103.30",
            "No goods or services were provided in exchange for this gift.",
            "Thank you for your gift.",
            "Joan Whitfield",
            "giving@harborview.example or 617-555-0142",
            "Registered in Massachusetts.",
            "page 1 of 1",
        ]:
            assert words in text
        assert "As information, not part of your payment: The Harbor Family matched" in text.replace("\n", " ")
        assert not re.search("refund|replaces|void", text, re.IGNORECASE)

    def test_a_replacement_names_the_old_number_and_adds_up(self, receipt, paid):
        Donation.objects.filter(pk=paid.pk).update(refunded_minor=5_000)
        new = receipts.replace_receipt(donation_id=paid.pk, reason="Refunded $50.00.", now=GIFT_AT)
        text = text_of(receipt_pdf.render_receipt(new))
        assert "Replaces receipt 2026-000001, which is void" in text
        assert "Refunded to you \u2212$50.00" in text
        assert "Your contribution after the refund $53.30" in text

    def test_a_voided_one_says_so_and_what_replaces_it(self, receipt, paid):
        valid = receipt_pdf.render_receipt(receipt)
        Donation.objects.filter(pk=paid.pk).update(refunded_minor=5_000)
        receipts.replace_receipt(
            donation_id=paid.pk, reason="Refunded $50.00.", now=datetime(2026, 12, 4, 3, tzinfo=UTC)
        )
        receipt.refresh_from_db()
        pdf = receipt_pdf.render_receipt(receipt)
        text = text_of(pdf)
        words = "This receipt is void since December 3, 2026. Receipt 2026-000002 replaces it. Refunded $50.00."
        assert squeezed(words) in squeezed(text)
        assert reader(pdf).metadata.title == "Void receipt 2026-000001 from Harborview Hospital"
        assert ("VOID" in text, "keep this receipt" in text) == (True, False)
        assert "VOID" not in text_of(valid)

    def test_a_long_list_of_funds_flows_onto_more_pages_each_under_its_head(self, named):
        designations = [
            {"fund": f"Fund number {n}", "amount_minor": 100 + n, "amount_text": f"$1.{n:02}"} for n in range(60)
        ]
        text = named("Maria", designations=designations)
        for part in designations:
            assert f"{part['fund']} {part['amount_text']}" in text
        assert "page 3 of 3" in text
        assert text.count("FOR AMOUNT") == 3


class TestAccessibility:
    @pytest.fixture
    def pdf(self, receipt):
        return receipt_pdf.render_receipt(receipt)

    def test_it_is_tagged_titled_and_in_a_language(self, pdf):
        root = reader(pdf).trailer["/Root"]
        assert root["/MarkInfo"]["/Marked"].value is True
        assert root["/Lang"] == "en-US"
        assert root["/ViewerPreferences"]["/DisplayDocTitle"].value is True
        assert reader(pdf).metadata.title == "Receipt 2026-000001 from Harborview Hospital"
        assert reader(pdf).metadata.author == "Harborview Hospital Foundation, Inc."

    def test_it_claims_pdf_ua_1(self, pdf):
        metadata = reader(pdf).trailer["/Root"]["/Metadata"].get_data().decode()
        assert "<pdfuaid:part>1</pdfuaid:part>" in metadata

    def test_its_tables_have_heads_and_its_title_comes_before_its_heading(self, pdf):
        kinds = list(structure(reader(pdf).trailer["/Root"]["/StructTreeRoot"]))
        assert kinds.count("/Table") == kinds.count("/THead") == 2
        assert kinds.count("/TH") == 6
        assert kinds.index("/Title") < kinds.index("/H1")

    def test_every_font_is_one_of_ours_and_embedded(self, pdf):
        fonts = [font.get_object() for font in reader(pdf).pages[0]["/Resources"]["/Font"].values()]
        names = {re.sub(r"^/[A-Z]{6}\+", "", font["/BaseFont"]) for font in fonts}
        assert names <= {"Fraunces-Regular", "Fraunces-SemiBold", "PublicSans-Regular", "PublicSans-SemiBold"}
        for font in fonts:
            descriptor = font["/DescendantFonts"][0].get_object()["/FontDescriptor"]
            assert {"/FontFile2", "/FontFile3"} & set(descriptor)


def structure(node):
    node = node.get_object() if hasattr(node, "get_object") else node
    if isinstance(node, list):
        for child in node:
            yield from structure(child)
    elif isinstance(node, dict):
        if "/S" in node:
            yield node["/S"]
        yield from structure(node.get("/K"))


def test_the_same_receipt_is_the_same_bytes(receipt, monkeypatch):
    first = receipt_pdf.render_receipt(receipt)
    receipt_pdf._compiler.cache_clear()
    again = receipt_pdf.render_receipt(Receipt.objects.get(pk=receipt.pk))
    assert first == again
    assert reader(first).metadata.creation_date == GIFT_AT


class TestHostileNames:
    @pytest.mark.parametrize(
        "name",
        [
            '#eval("1") #sys.inputs #panic("x")',
            "*bold* _under_ $x^2$ `code` = Heading",
            "<script>alert(1)</script> &amp; <b>",
            "\\ // /* */ @ref [content] {code} ~ -- ---",
            'O\'Brien "Quote" \u201cCurly\u201d',
            "Ngọc Nguyễn Łukasz Ğül Straße",
            "Αλέξανδρος Юлия Հայկ",
            "王小明 金小花 さくら",
        ],
    )
    def test_they_print_literally(self, named, name):
        assert squeezed(name) in squeezed(named(name))

    @pytest.mark.parametrize("name", ["مريم العلي", "מרים לוי", "😀 Zoë 🎄❤️", "🧑\u200d⚕️ Ann", "김민수"])
    def test_scripts_whose_order_or_form_changes_print_without_a_gap(self, named, name):
        assert receipt_pdf.UNKNOWN_CHARACTER not in named(name)

    @pytest.mark.parametrize("name", ["नमस्ते", "ไทย", "a\ufeffb", "a\x00b", "\U000f0000", "ퟻ"])
    def test_a_character_without_a_glyph_is_marked_and_never_stops_the_receipt(self, named, name):
        assert receipt_pdf.UNKNOWN_CHARACTER in named(name)

    @pytest.mark.parametrize("name", ["W" * 120, "Wolfeschlegelsteinhausenbergerdorff" * 3, "Ann " * 30])
    def test_a_name_of_any_length_stays_in_its_column(self, named, name):
        text = named(name)
        assert squeezed(name) in squeezed(text)
        lines = [line.replace("\u200b", "").strip() for line in text.splitlines()]
        of_the_name = [line for line in lines if len(line) > 3 and line in name]
        assert len(of_the_name) >= 2
        assert max(map(len, of_the_name)) <= 60
        assert "2026-000001" in text

    def test_whatever_is_typed_there_is_a_receipt(self, named):
        random.seed(20261201)
        every = [chr(code) for code in range(1, 0x30000) if unicodedata.category(chr(code)) not in ("Cs", "Cn")]
        for _ in range(60):
            name = plain_line("".join(random.choices(every, k=40)))
            assert "Amount paid $103.30" in named(name)


def test_the_fonts_cover_what_they_are_there_for():
    by_name = {path.name: covered_characters(path) for path in receipt_pdf.FONT_PATHS}
    assert "A" in by_name["Fraunces_600SemiBold.ttf"]
    assert "ж" not in by_name["PublicSans_400Regular.ttf"]
    assert set("жאم😀") <= by_name["DejaVuSans.ttf"]
    assert set("王さ김") <= by_name["DroidSansFallback.ttf"]
    assert "न" not in frozenset().union(*by_name.values())


@settings(max_examples=25, deadline=None)
@given(
    parts=st.lists(st.integers(1, 99_999_999), min_size=1, max_size=8),
    fee=st.integers(0, 300_000),
    refunded_share=st.floats(0, 0.999),
)
def test_the_amounts_on_the_page_add_up(parts, fee, refunded_share):
    """Parts and fee make what was paid; less the refund it is the contribution. Read back from the PDF."""
    total = sum(parts) + fee
    refunded = int(total * refunded_share)
    donation = Donation(
        campaign=factories.Campaign(name="Giving Tuesday", time_zone="America/New_York"),
        amount_minor=sum(parts),
        fee_minor=fee,
        refunded_minor=refunded,
        currency="USD",
        donor_name="Maria",
        donor_email="maria@example.org",
        paid_at=GIFT_AT,
    )
    rows = [
        factories.Designation(fund=factories.Fund(name=f"Fund {chr(65 + n)}"), amount_minor=amount)
        for n, amount in enumerate(parts)
    ]
    content = facts_of(donation, rows) | {"number": "2026-000001", "replaces": "", "issued_text": "December 1, 2026"}
    text = text_of(receipt_pdf.render_receipt(Receipt(number="2026-000001", issued_at=GIFT_AT, content=content)))
    read = [minor(f"Fund {chr(65 + n)}", text) for n in range(len(parts))]
    read_fee = minor("Card cost that you covered", text) if fee else 0
    paid = minor("Amount paid", text)
    assert read == parts
    assert sum(read) + read_fee == paid == total
    if refunded:
        assert paid - minor("Refunded to you", text) == minor("Your contribution after the refund", text)
    assert content["net_minor"] == total - refunded


def facts_of(donation, rows):
    """The receipt's facts without a database: designations are read from `rows`."""

    class Parts:
        def select_related(self, _):
            return rows

    class InMemory:
        designations = Parts()

        def __getattr__(self, name):
            return getattr(donation, name)

    return receipt_facts(
        donation=InMemory(), organization=factories.Organization(ein="04-1234567"), match=None, goods=None
    )
