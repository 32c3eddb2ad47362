"""How large a request may be: visitors send forms, staff files too. What is larger is refused before anybody reads it.

Django's own limit leaves files out, and is met deep in a view. What comes without a length has no content here.
"""

import logging
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import get_template

LARGEST_OF_STAFF_BYTES = 64_000_000  # a page's photographs in one form, 8 MB each
_OF_STAFF = ("/staff/", "/admin/")
logger = logging.getLogger(__name__)


class RequestSizeMiddleware:
    """Answers 413 in plain words, with one line in the log."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_of_staff = request.path.startswith(_OF_STAFF)
        most = LARGEST_OF_STAFF_BYTES if is_of_staff else settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        length = request.META.get("CONTENT_LENGTH") or ""
        if not length.isdecimal() or int(length) <= most:
            return self.get_response(request)
        sender = request.META.get("REMOTE_ADDR")
        logger.warning("refused %s bytes to %r from %s: %s at most", length, request.path, sender, most)
        return HttpResponse(get_template("413.html").render(), status=413)
