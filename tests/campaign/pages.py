"""What the tests of the public pages share: a campaign in a phase, a request as anybody makes it, a small picture."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from PIL import Image

from tests import factories

BEFORE = datetime(2026, 11, 22, 19, 18, 33, tzinfo=UTC)  # 8 days, 9 h 41 min 27 s before the opening
DURING = factories.OPENS_AT + timedelta(hours=10)
AFTER = factories.CLOSES_AT + timedelta(minutes=1)
QUICK_FORMATS = {"webp": {"quality": 60, "method": 0}}  # of photographs, where a test needs many and looks at none


def get(url: str, *, at: datetime = BEFORE, status: int = 200, **options: Any) -> HttpResponse:
    """What a visitor without any cookie gets at that moment."""
    with time_machine.travel(at, tick=False):
        answer = Client(raise_request_exception=False).get(url, **options)
    assert answer.status_code == status, (answer.status_code, answer.content[:300])
    return answer


def text(url: str, **options: Any) -> str:
    return get(url, **options).content.decode()


def assert_shared(answer: HttpResponse) -> None:
    """Any cache may keep the page for a second: no cookie, no token, the same for everybody."""
    assert answer.headers["Cache-Control"] == "public, max-age=1, stale-while-revalidate=5"
    assert not answer.cookies
    assert "Cookie" not in answer.headers.get("Vary", "")
    assert b"csrfmiddlewaretoken" not in answer.content


def picture(name: str = "ward.webp") -> SimpleUploadedFile:
    pixels = io.BytesIO()
    Image.new("RGB", (16, 10), "#0d6b64").save(pixels, "WEBP")
    return SimpleUploadedFile(name, pixels.getvalue(), content_type="image/webp")
