"""A plugin of the tests that keeps every whole page which the site answers them with, for the W3C's checker.

So each state that has a test is checked, and the audit needs no list of states: `pytest -p tests.audit.seen_pages`,
with SEEN_PAGES naming a folder. Pages that differ in figures and one-time marks alone are kept once.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from django.core.handlers.base import BaseHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase

_PASSING = re.compile(rb'value="[^"]*"|[0-9]+|nonce="[^"]*"|/(gifts|monthly)/[\w-]{20,}')
_answered = BaseHandler.get_response


def pytest_configure() -> None:
    """Put a recorder around the site's answers, those of the test client and those of a live server."""
    folder = Path(os.environ["SEEN_PAGES"])

    def get_response(handler: Any, request: HttpRequest) -> HttpResponseBase:
        response = _answered(handler, request)
        if not response.streaming and response.headers.get("Content-Type", "").startswith("text/html"):
            _keep(folder, request, response.content)
        return response

    BaseHandler.get_response = get_response


def _keep(folder: Path, request: HttpRequest, content: bytes) -> None:
    if not content.lstrip()[:9].lower().startswith(b"<!doctype"):
        return
    name = re.sub(r"[^a-z]+", "-", request.path.lower())[:40].strip("-") or "home"
    digest = hashlib.sha256(_PASSING.sub(b"", content)).hexdigest()[:12]
    path = folder / f"{name}.{digest}.html"
    if not path.exists():
        path.write_bytes(content)
