"""Pages go over the line compressed, whoever stands in front of this server."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

_TEXTS = ("text/", "application/json", "application/rss+xml", "application/xml", "image/svg")


class CompressionMiddleware(GZipMiddleware):
    """Django's own, which hides the true length from those who would guess at secrets by it, for texts alone.

    Streams are left alone: exports must come row by row, and photographs and PDFs grow no smaller. So are static files:
    WhiteNoise, further out, has them compressed already.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_text = response.headers.get("Content-Type", "").startswith(_TEXTS)
        return response if response.streaming or not is_text else super().process_response(request, response)
