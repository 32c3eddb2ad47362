"""The organization's look on paper: receipts and letters in its colors, with its logo, as it was when they went out."""

import io

import pypdf
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image

from campaign.models import Organization
from donations import mail, receipts
from donations.models import Receipt
from donations.receipt_pdf import render_receipt
from tests import factories
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db


@pytest.fixture
def gift(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    factories.organization(main_color="#0b3d2e", action_color="#b3261e")
    return factories.donation(campaign=factories.campaign())


def issue(gift, **look) -> Receipt:
    Organization.objects.update(**look)
    return receipts.issue_receipt(donation_id=gift.pk, now=GIFT_AT)


def stored_logo() -> dict:
    found = io.BytesIO()
    Image.new("RGBA", (400, 100), (200, 20, 20, 255)).save(found, "PNG")
    name = default_storage.save("logos/one.png", ContentFile(found.getvalue()))
    return {"logo": name, "logo_width": 400, "logo_height": 100}


def page_of(receipt: Receipt) -> pypdf.PageObject:
    return pypdf.PdfReader(io.BytesIO(render_receipt(receipt))).pages[0]


def test_a_receipt_keeps_the_look_it_went_out_with(gift):
    receipt = issue(gift, logo_alt="Harborview", **stored_logo())
    look = {
        "main": "#0b3d2e",
        "action": "#b3261e",
        "action_ink": "#ffffff",
        "logo": "logos/one.png",
        "logo_alt": "Harborview",
    }
    assert receipt.content["look"] == look
    before = render_receipt(receipt)
    Organization.objects.update(main_color="", logo="", logo_alt="")
    again = receipts.replace_receipt(donation_id=gift.pk, reason="Nothing changed.", now=GIFT_AT)
    assert again == receipt, "a receipt is not replaced for its looks"
    assert render_receipt(Receipt.objects.get()) == before


def test_a_logo_with_words_takes_the_name_s_place_on_the_pdf(gift):
    page = page_of(issue(gift, logo_alt="Harborview", **stored_logo()))
    assert len(page.images) == 1
    assert not page.extract_text().startswith(("Harborview Hospital\n", "Harborview \nHospital\n"))
    assert "Harborview Hospital Foundation, Inc." in page.extract_text()


def test_a_sign_stands_beside_the_name_on_the_pdf(gift):
    page = page_of(issue(gift, **stored_logo()))
    assert len(page.images) == 1
    assert page.extract_text().startswith(("Harborview Hospital\n", "Harborview \nHospital\n"))


def test_a_logo_that_is_gone_and_a_receipt_from_before_still_print(gift):
    receipt = issue(gift, logo="logos/gone.png", logo_alt="Harborview", logo_width=1, logo_height=1)
    assert page_of(receipt).extract_text().startswith(("Harborview Hospital\n", "Harborview \nHospital\n"))
    del receipt.content["look"]
    assert "Receipt for your gift" in page_of(receipt).extract_text()


def test_letters_are_in_its_colors_and_load_no_picture(gift):
    letter = mail.receipt_message(issue(gift, **stored_logo()), message_id="<a@b>")
    ((html, _),) = letter.alternatives
    assert "background:#0b3d2e;" in html
    assert "background:#b3261e;" in html
    assert "<img" not in html
    news = mail.news(
        "monthly", {"heading": "News", "url": "https://x.example/"}, subject="News", to="m@example.org",
        organization=Organization.objects.get(), key="k",
    )  # fmt: skip
    assert "background:#0b3d2e;" in news.alternatives[0][0]
