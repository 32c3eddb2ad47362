"""`/media/`: photographs that staff uploaded, and nothing else of the machine."""

import pytest

from tests.campaign.pages import get

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    (settings.MEDIA_ROOT / "funds").mkdir(parents=True)
    (settings.MEDIA_ROOT / "funds" / "ward.webp").write_bytes(b"picture")
    (tmp_path / "secret.txt").write_text("secret")


def test_a_picture_may_be_kept_for_a_day():
    answer = get("/media/funds/ward.webp")
    assert b"".join(answer.streaming_content) == b"picture"
    assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == ("image/webp", "public, max-age=86400")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("../secret.txt", 400),
        ("..%2fsecret.txt", 400),
        ("funds/../../secret.txt", 400),
        ("funds/", 404),
        ("no.webp", 404),
    ],
)
def test_nothing_outside_the_folder_is_served(path, status):
    assert b"secret" not in get(f"/media/{path}", status=status).content
