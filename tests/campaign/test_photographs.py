"""Photographs: made once in widths and formats, shown with them, gone when nothing shows them any more."""

import errno
import io
import os
import re
import struct
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import reversion
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from PIL import Image

from campaign import photographs
from campaign.models import CardPicture, Fund, Story
from campaign.unused_photographs import remove_unused
from campaign.uploads import NO_ROOM
from tests import factories, staff
from tests.campaign.pages import text

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 12, 1, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def upload(width=1100, height=700, kind="JPEG", name="Night ward.JPG", mode="RGB", **options) -> SimpleUploadedFile:
    found = io.BytesIO()
    Image.new(mode, (width, height), "#0d6b64").save(found, kind, **options)
    return SimpleUploadedFile(name, found.getvalue())


def png_of(width: int, height: int) -> bytes:
    """A PNG that says it has this size and holds nothing: it must be refused before it is unpacked."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def fund(**options) -> Fund:
    made = factories.fund("Nursing", slug="nursing", picture=upload(**options), picture_alt="A ward")
    factories.campaign(funds=[made])
    return made


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_picture_is_kept_in_widths_and_formats(folder):
    name = fund().picture.name
    assert re.fullmatch(r"funds/night-ward-[0-9a-f]{8}_1100x700\.jpg", name)
    base = name.removesuffix(".jpg")
    assert files(folder) == sorted(
        [name, *(f"{base}.{width}.{kind}" for width in (480, 960, 1100) for kind in photographs.FORMATS)]
    )
    assert sorted(photographs.files_of(name)) == files(folder)
    for width, height in ((480, 305), (960, 611), (1100, 700)):
        with Image.open(folder / f"{base}.{width}.webp") as smaller:
            assert (smaller.format, smaller.size) == ("WEBP", (width, height))


def test_a_page_offers_them_with_the_size_they_have():
    name = fund().picture.name
    base = "/media/" + name.removesuffix(".jpg")
    html = text("/funds/nursing/")
    widths = ", ".join(f"{base}.{width}.webp {width}w" for width in (480, 960, 1100))
    assert f'<source type="image/webp" srcset="{widths}" sizes="(min-width: 64rem) 57rem, 93vw">' in html
    assert html.index("image/avif") < html.index("image/webp")
    assert (
        f'<img class="pic" src="{base}.jpg" alt="A ward" width="1100" height="700" fetchpriority="high" '
        'decoding="async"></picture>'
    ) in html
    assert f'<img class="pic" src="{base}.jpg" alt="" width="1100" height="700" loading="lazy"' in text("/funds/")


def test_what_a_camera_tells_is_left_out_and_the_picture_stands_upright(folder):
    told = Image.Exif()
    told[0x0112], told[0x010E] = 6, "Ward 6, bed 12"  # turned by a quarter; what it shows
    name = fund(width=700, height=300, exif=told).picture.name
    assert name.endswith("_300x700.jpg")
    assert not any(b"bed 12" in (folder / file).read_bytes() for file in files(folder))


@pytest.mark.parametrize(
    ("options", "pixel"),
    [
        ({"kind": "PNG", "name": "a.png", "mode": "RGBA"}, (13, 107, 100)),
        ({"kind": "PNG", "name": "a.png", "mode": "L"}, (80, 80, 80)),
        ({"kind": "JPEG", "name": "a.jpg", "mode": "CMYK"}, None),
        ({"kind": "GIF", "name": "a.gif", "mode": "P"}, None),
    ],
)
def test_every_kind_of_picture_becomes_a_jpeg(folder, options, pixel):
    with Image.open(folder / fund(width=40, height=20, **options).picture.name) as shown:
        assert (shown.format, shown.mode, shown.size) == ("JPEG", "RGB", (40, 20))
        if pixel:
            assert all(abs(a - b) <= 8 for a, b in zip(shown.getpixel((20, 10)), pixel, strict=True))


def test_what_can_be_seen_through_lies_on_white(folder):
    found = io.BytesIO()
    Image.new("RGBA", (40, 20), (0, 0, 0, 0)).save(found, "PNG")
    made = Story.objects.create(
        slug="s", title="S", picture=SimpleUploadedFile("s.png", found.getvalue()), picture_alt="-"
    )
    with Image.open(folder / made.picture.name) as shown:
        assert min(shown.getpixel((20, 10))) >= 250


def test_it_is_never_wider_than_the_widest(folder):
    assert fund(width=3200, height=1000).picture.name.endswith("_1600x500.jpg")


def test_a_picture_of_before_is_shown_as_it_is():
    made = fund()
    Fund.objects.filter(pk=made.pk).update(picture="funds/old.webp")
    html = text("/funds/nursing/")
    assert '<img class="pic" src="/media/funds/old.webp" alt="A ward" width="1600" height="900"' in html
    assert "<picture>" not in html.split("<main")[1]


def test_a_damaged_picture_is_refused(monkeypatch):
    whole = upload().read()
    with pytest.raises(photographs.NotAPhotograph, match="This picture is damaged"):
        photographs.pixels_of(io.BytesIO(whole[: len(whole) // 2]))
    monkeypatch.setattr(photographs, "MOST_PIXELS", 1_000)
    with pytest.raises(photographs.NotAPhotograph, match="too many pixels"):
        photographs.pixels_of(io.BytesIO(whole))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "This picture is damaged"),
        (png_of(30_000, 30_000), "too many pixels"),
        (png_of(7_000, 5_000), "too many pixels"),  # a JPEG of that size is unpacked smaller
        (png_of(60, 20_000), "too long and thin"),
        (png_of(20_000, 60), "too long and thin"),
    ],
)
def test_what_would_cost_too_much_is_refused_unopened(content, says):
    with pytest.raises(photographs.NotAPhotograph, match=says):
        photographs.pixels_of(io.BytesIO(content))


@pytest.mark.parametrize("room_for", [0, 4])
def test_on_a_full_disk_nothing_is_half_kept_and_nothing_typed_is_lost(folder, monkeypatch, room_for):
    """The disk is full before the first file, or while a later one is written; each file is begun before."""
    sent = {"title": "A night", "slug": "t", "summary": "s", "position": 0, "picture_alt": "A ward"} | {
        "sections-TOTAL_FORMS": 0, "sections-INITIAL_FORMS": 0, "picture": upload(500, 300),
    }  # fmt: skip
    dana = staff.dana()
    with monkeypatch.context() as full:
        full.setattr(FileSystemStorage, "_save", half_written(folder, room_for=room_for))
        answer = dana.post("/admin/campaign/story/add/", sent)
    assert (files(folder), Story.objects.count()) == ([], 0)
    assert answer.context["adminform"].form.errors["picture"] == [NO_ROOM]
    assert 'value="A night"' in answer.content.decode()


@pytest.mark.parametrize("is_there", [True, False])
def test_a_full_temporary_folder_refuses_the_file_and_keeps_the_form(folder, settings, monkeypatch, is_there):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0  # every file goes there
    settings.FILE_UPLOAD_TEMP_DIR = folder / "gone"
    if is_there:
        monkeypatch.setattr("django.core.files.temp.NamedTemporaryFile", on_a_full_disk)
    factories.campaign()
    sent = {"title": "A night", "slug": "t", "summary": "s", "position": 0, "picture_alt": "A ward"} | {
        "picture": upload(500, 300), "sections-TOTAL_FORMS": 0, "sections-INITIAL_FORMS": 0,
    }  # fmt: skip
    dana = staff.dana()
    answer = dana.post("/admin/campaign/story/add/", sent)
    assert (answer.status_code, files(folder), Story.objects.count()) == (200, [], 0)
    assert answer.context["adminform"].form.errors["picture"] == [NO_ROOM]
    assert 'value="A night"' in answer.content.decode()
    read = dana.post("/staff/gifts/imports/", {"file": SimpleUploadedFile("gifts.csv", b"Name,Amount\n" * 9_000)})
    assert "This file could not be taken in" in staff.text_of(read)


def test_a_sponsors_logo_that_finds_no_room_is_refused_beside_its_field(folder, monkeypatch):
    factories.campaign()
    sponsor = factories.sponsor()
    sent = {"sponsor-name": "New name", "sponsor-public_name": "New", "sponsor-logo": upload(300, 200)}
    with monkeypatch.context() as full:
        full.setattr(FileSystemStorage, "_save", half_written(folder, room_for=0))
        html = staff.text_of(staff.dana().post(f"/staff/sponsors/{sponsor.pk}/", sent))
    sponsor.refresh_from_db()
    assert (files(folder), sponsor.name, sponsor.logo.name) == ([], "The Harbor Family", "")
    assert "This picture could not be kept" in html
    assert 'value="New name"' in html


def on_a_full_disk(*_, **__) -> io.BufferedWriter:
    return io.BufferedWriter(io.FileIO("/dev/full", "w"))


def half_written(folder: Path, *, room_for: int):
    """FileSystemStorage._save on a disk with room for so many files: of the next one the first bytes are there."""
    kept, whole = [], FileSystemStorage._save

    def save(self, name, content):
        if len(kept) < room_for:
            kept.append(name)
            return whole(self, name, content)
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    return save


def test_pictures_of_before_are_made_anew_and_what_cannot_be_is_named(folder):
    for name, content in (
        ("old.jpg", upload(500, 300).read()),
        ("bad.jpg", b"no picture"),
        ("logo.jpg", logo_with_a_place()),
    ):
        default_storage.save(f"funds/{name}", io.BytesIO(content))
    good, bad, gone = (factories.fund() for _ in range(3))
    for made, name in ((good, "old"), (bad, "bad"), (gone, "gone")):
        Fund.objects.filter(pk=made.pk).update(picture=f"funds/{name}.jpg", picture_alt="-")
    sponsor = factories.sponsor(logo="funds/logo.jpg")
    for count in (2, 0):  # again changes nothing
        out = io.StringIO()
        with pytest.raises(CommandError, match="2 could not be, and are shown as they were"):
            call_command("convert_pictures", stdout=out, stderr=out)
        assert f"{count} pictures were made anew." in out.getvalue()
    assert f"fund {bad.pk}, funds/bad.jpg: This picture is damaged." in out.getvalue()
    good.refresh_from_db()
    sponsor.refresh_from_db()
    assert photographs.shown(good.picture.name).width == 500
    assert re.fullmatch(r"sponsors/[0-9a-f]{16}\.png", sponsor.logo.name)
    assert b"42.36 N" not in sponsor.logo.read()
    assert not default_storage.exists("funds/logo.jpg")


def logo_with_a_place() -> bytes:
    told, found = Image.Exif(), io.BytesIO()
    told[0x010E] = "42.36 N"
    Image.new("RGB", (300, 200), "teal").save(found, "JPEG", exif=told)
    assert b"42.36 N" in found.getvalue()
    return found.getvalue()


def test_a_damaged_picture_is_refused_beside_its_field_and_nothing_is_kept(folder):
    whole = upload().read()
    sent = {"title": "T", "slug": "t", "summary": "s", "position": 0, "picture_alt": "A ward"} | {
        "sections-TOTAL_FORMS": 0, "sections-INITIAL_FORMS": 0,
        "picture": SimpleUploadedFile("half.jpg", whole[: len(whole) // 2]),
    }  # fmt: skip
    answer = staff.dana().post("/admin/campaign/story/add/", sent)
    refusal = "This picture is damaged. Save it again as JPEG, PNG or WebP, and choose that."
    assert answer.context["adminform"].form.errors["picture"] == [refusal]
    assert files(folder) == []


def test_deleting_a_picture_deletes_all_of_it(folder):
    made = fund()
    made.picture.delete()
    assert files(folder) == []
    assert Fund.objects.get().picture.name == ""


def test_what_no_page_and_no_version_shows_is_removed_after_a_week(folder):
    shown, versioned = fund(), Story.objects.create(slug="s", title="S", picture=upload(40, 20), picture_alt="-")
    with reversion.create_revision():
        versioned.save()
    old, versioned.picture = versioned.picture.name, ""
    versioned.save()
    left = Story.objects.create(slug="l", title="L", picture=upload(40, 20), picture_alt="-").picture.name
    young = Story.objects.create(slug="y", title="Y", picture=upload(40, 20), picture_alt="-").picture.name
    Story.objects.exclude(slug="s").update(picture="", picture_alt="")
    cards = [
        CardPicture.objects.create(campaign=shown.campaigns.get(), picture=upload(40, 20), picture_alt="-")
        for _ in range(2)
    ]
    lost = cards[1].picture.name
    cards[1].delete()
    a_month_ago = (NOW - timedelta(days=30)).timestamp()
    for name in files(folder):
        at = NOW.timestamp() if name in photographs.files_of(young) else a_month_ago
        os.utime(folder / name, (at, at))
    gone = [*photographs.files_of(left), *photographs.files_of(lost)]
    assert remove_unused(now=NOW) == len(gone)
    kept = [shown.picture.name, cards[0].picture.name, old, young]
    assert files(folder) == sorted(file for name in kept for file in photographs.files_of(name))
    assert remove_unused(now=NOW) == 0
    assert default_storage.exists(old)
