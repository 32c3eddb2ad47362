"""The organization's logo and colors: set in the admin, refused beside the field, and seen on the pages."""

import io

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from PIL import Image, PngImagePlugin

from campaign import logos
from campaign.models import Organization
from tests import factories, staff
from tests.campaign.pages import get, text

pytestmark = pytest.mark.django_db
URL = "/admin/campaign/organization/1/change/"
RED, CLEAR = (200, 20, 20, 255), (0, 0, 0, 0)


@pytest.fixture(autouse=True)
def organization(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    factories.campaign(funds=[factories.fund("Education", slug="education")])
    return factories.organization()


def upload(picture: Image.Image, name="logo.png", kind="PNG", **options) -> SimpleUploadedFile:
    found = io.BytesIO()
    picture.save(found, kind, **options)
    return SimpleUploadedFile(name, found.getvalue())


def logo(width=600, height=200, color=RED) -> Image.Image:
    return Image.new("RGBA", (width, height), color)


def dana():
    return staff.client_of(User.objects.filter(username="dana").first() or staff.person("dana", "development"))


def save(**changes):
    """Dana changes the organization; the other fields stay."""
    client = dana()
    form = client.get(URL).context["adminform"].form
    kept = {
        bound.name: bound.value() for bound in form if bound.value() and not bound.field.widget.needs_multipart_form
    }
    return client.post(URL, kept | changes)


def errors(answer) -> dict:
    assert answer.status_code == 200, answer.headers
    return dict(answer.context["adminform"].form.errors)


def test_colors_are_on_every_page_as_a_file_that_is_kept_for_ever():
    assert 'href="/look-' not in text("/")
    assert save(main_color="#0b3d2e", action_color="#B3261E").status_code == 302
    address = Organization.objects.get().stylesheet_url
    for page in ("/funds/", "/live/", "/embed/countdown/", "/no/such/page/"):
        status = 404 if "no" in page.split("/") else 200
        assert f'<link rel="stylesheet" href="{address}">' in text(page, status=status), page
    answer = get(address)
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "--navy:#0b3d2e;" in answer.content.decode()
    assert "--give:#b3261e;" in answer.content.decode()


def test_a_page_with_an_older_name_gets_the_colors_of_now_for_a_minute():
    save(main_color="#0b3d2e")
    old = get("/look-0123456789abcdef.css")
    assert old.headers["Cache-Control"] == "public, max-age=60"
    assert "--navy:#0b3d2e;" in old.content.decode()
    save(main_color="")
    assert get("/look-0123456789abcdef.css").content == b""


@pytest.mark.parametrize(
    ("field", "color", "words"),
    [
        ("main_color", "navy", "Write a color as # and six digits or letters from a to f, such as #14305c."),
        ("accent_color", "#fff;}", "Write a color as # and six digits or letters from a to f, such as #14305c."),
        ("main_color", "#ffcc00", "to 1; it needs 4.5 to 1"),
        ("action_color", "#f5f5f5", "to 1; it needs 3 to 1"),
        ("accent_dark_color", "#a5d6a7", "Choose the color for light pages first."),
    ],
)
def test_a_color_is_refused_beside_its_field_and_stays_typed(field, color, words):
    answer = save(**{field: color})
    (refusal,) = errors(answer)[field]
    assert words in refusal
    assert f'value="{color}"' in answer.content.decode()
    assert Organization.objects.get().stylesheet_url == ""


def test_a_logo_is_drawn_anew_without_its_margin_and_whatever_else_the_file_held():
    picture, told = Image.new("RGBA", (2400, 1200), CLEAR), PngImagePlugin.PngInfo()
    picture.paste(RED, (200, 300, 2200, 800))
    told.add_text("Comment", "<script>alert(1)</script>")
    assert save(logo=upload(picture, pnginfo=told), logo_alt="Harborview").status_code == 302
    kept = Organization.objects.get()
    assert (kept.logo_width, kept.logo_height) == (800, 200)
    stored = logos.stored_logo(kept.logo.name)
    assert b"script" not in stored
    shown = Image.open(io.BytesIO(stored))
    assert (shown.format, shown.size, shown.getpixel((400, 100))) == ("PNG", (800, 200), RED)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (SimpleUploadedFile("logo.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>'), "Upload a valid image."),
        (SimpleUploadedFile("logo.png", b"<script>"), "Upload a valid image."),
        (upload(logo(), "logo.gif", "GIF"), "Save the logo as PNG, JPEG or WebP."),
        (upload(logo(color=CLEAR)), "all of it can be seen through"),
        (upload(logo(1600, 60)), "This logo would be 800 by 30 pixels: too flat to be read."),
        (upload(logo(5000, 4100)), "too many pixels"),
    ],
)
def test_what_cannot_be_the_logo_is_refused_with_what_to_do(file, words):
    file.seek(0)
    (refusal,) = errors(save(logo=file))["logo"]
    assert words in refusal
    assert not Organization.objects.get().logo


def test_a_large_file_is_refused(monkeypatch):
    monkeypatch.setattr(logos, "MOST_BYTES", 100)
    (refusal,) = errors(save(logo=upload(logo())))["logo"]
    assert refusal == "This picture has 0.0 MB. Choose one of at most 0 MB."


def test_a_logo_with_words_stands_for_the_name_and_a_sign_beside_it():
    save(logo=upload(logo()))
    sign = Organization.objects.get().logo.url
    head = text("/").split("</header>")[0]
    assert f'<img class="own plate" src="{sign}" alt="" width="600" height="200">' in head
    assert "<span>Harborview Hospital</span>" in head
    save(logo_alt="Harborview Hospital Foundation", logo_for_dark=upload(logo(color=(255, 255, 255, 255))))
    head = text("/funds/").split("</header>")[0]
    assert f'<img class="own" src="{sign}" alt="Harborview Hospital Foundation" width="600" height="200">' in head
    assert 'media="(prefers-color-scheme: dark)"' in head
    assert "<span>Harborview Hospital</span>" not in head
    assert "Harborview Hospital Foundation" in dana().get("/staff/").content.decode()


def test_a_logo_for_dark_pages_alone_is_refused():
    answer = save(logo_for_dark=upload(logo()))
    assert "Choose the logo for light pages, too." in answer.content.decode()
    with pytest.raises(IntegrityError, match="logo_for_dark_has_logo"), transaction.atomic():
        Organization.objects.update(logo_for_dark="logos/x.png")


def test_a_shared_link_s_picture_has_the_logo_and_the_main_color():
    save(main_color="#0b3d2e", logo=upload(logo()))
    drawn = Image.open(io.BytesIO(get("/share/campaign.png").content)).convert("RGB")
    near = [abs(a - b) for a, b in zip(drawn.getpixel((10, 10)), (0x0B, 0x3D, 0x2E), strict=True)]
    assert max(near) <= 6
    assert max(abs(a - b) for a, b in zip(drawn.getpixel((1000, 94)), RED, strict=False)) <= 6


def test_search_engines_are_told_where_the_logo_is():
    assert '"logo":' not in text("/")
    save(logo=upload(logo()))
    assert f'"logo": "http://127.0.0.1:8000{Organization.objects.get().logo.url}"' in text("/funds/education/")


def test_a_logo_that_is_gone_from_the_disk_stops_no_picture():
    Organization.objects.update(logo="logos/gone.png", logo_width=10, logo_height=10)
    assert get("/share/campaign.png").headers["Content-Type"] == "image/png"


def test_a_stranger_and_finance_cannot_change_it():
    assert staff.farid().post(URL, {"main_color": "#0b3d2e"}).status_code == 403
    assert get(URL, status=302).headers["Location"].startswith("/admin/login/")
    assert Organization.objects.get().main_color == ""
