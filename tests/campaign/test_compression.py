"""Pages that go over the line compressed, and answers that do not."""

import gzip

import pytest
from django.http import HttpResponse, StreamingHttpResponse

from campaign.compression import CompressionMiddleware
from tests import factories
from tests.campaign.pages import BEFORE, get

WANTS_GZIP = {"Accept-Encoding": "gzip, br"}


def open_with_a_match():
    factories.organization()
    factories.pool(campaign=factories.campaign(opens_at=BEFORE), now=BEFORE)


@pytest.mark.django_db
def test_a_page_is_compressed_for_whoever_can_unpack_it_and_still_shared():
    open_with_a_match()
    plain, packed = get("/progress/"), get("/progress/", headers=WANTS_GZIP)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert packed.headers["Cache-Control"] == "public, max-age=1, stale-while-revalidate=5"


@pytest.mark.django_db
def test_a_compressed_page_that_is_known_is_not_sent_again():
    open_with_a_match()
    etag = get("/progress/", headers=WANTS_GZIP).headers["ETag"]
    assert etag.startswith('W/"')
    get("/progress/", headers=WANTS_GZIP | {"If-None-Match": etag}, status=304)


@pytest.mark.parametrize(
    "answer",
    [
        HttpResponse(b"%PDF" * 400, content_type="application/pdf"),
        HttpResponse(b"RIFF" * 400, content_type="image/webp"),
        StreamingHttpResponse([b"name,amount\n" * 100], content_type="text/csv"),
    ],
    ids=["pdf", "photograph", "export"],
)
def test_what_is_compressed_already_or_streamed_goes_as_it_is(rf, answer):
    assert CompressionMiddleware(lambda _: answer)(rf.get("/", headers=WANTS_GZIP)) is answer
    assert "Content-Encoding" not in answer.headers
