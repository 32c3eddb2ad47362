"""The ledger for anybody: its state, its entries, its signed heads, and the program that checks them.

A range of entries or heads never changes once it is there, so any cache may keep it for ever; what is newest may be
kept for a second. Whole files are for people: few at a time, each within a time limit, since a reader who is slow
keeps a thread. The verifier asks for ranges. Every refusal is one sentence that says what to do.
"""

import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from campaign.kept_pages import kept_for_a_second
from matching import heads, publication
from matching.publication import PAGE_SIZE, NotThatFar, UnknownPool

FILES_AT_ONCE = 2  # in each web process
FILE_SECONDS = 300
_KINDS: dict[str, tuple[str, Callable[[Any], Iterator[bytes]]]] = {
    "jsonl": ("application/jsonl; charset=utf-8", publication.jsonl_file),
    "csv": ("text/csv; charset=utf-8", publication.csv_file),
}
# What a range of entries or of heads is refused with: when it is turned round, and when it is too long.
_REFUSED_RANGES = {
    "entries": (
        gettext_lazy("Count entries from 1 and write the lower number first, as in 1-%(most)s."),
        gettext_lazy("Ask for at most %(most)s entries at a time, as in 1-%(most)s."),
    ),
    "heads": (
        gettext_lazy("Count heads from 1 and write the lower number first, as in 1-%(most)s."),
        gettext_lazy("Ask for at most %(most)s heads at a time, as in 1-%(most)s."),
    ),
}
_FOR_EVER = "public, max-age=31536000, immutable"
_NEWEST = "public, max-age=1, stale-while-revalidate=5"
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")
_VERIFIER = Path(__file__).resolve().parent / "verifier" / "verify_ledger.py"
_FORMAT = settings.BASE_DIR / "docs" / "public-ledger.md"


class BadParameter(ValueError):
    """A parameter cannot be read; the message says how it is written."""


class FileCutOff(Exception):
    """The file took longer than FILE_SECONDS to send: its connection is ended, so that nobody takes it for whole."""


class Places:
    """How many files may be on their way at once. A place is given back, or runs out, so that none is ever lost."""

    def __init__(self, count: int) -> None:
        self._count, self._lock = count, threading.Lock()
        self._ends: dict[int, float] = {}
        self._numbers = itertools.count()

    def take(self) -> int | None:
        """A place's number; None when all are taken."""
        now = time.monotonic()
        with self._lock:
            self._ends = {number: end for number, end in self._ends.items() if end > now}
            if len(self._ends) >= self._count:
                return None
            number = next(self._numbers)
            self._ends[number] = now + FILE_SECONDS
            return number

    def give_back(self, number: int) -> None:
        with self._lock:
            self._ends.pop(number, None)


places = Places(FILES_AT_ONCE)


class Sending:
    """The parts of a file on their way to one reader. Gives its place back when it is closed, read or not."""

    def __init__(self, parts: Iterator[bytes], *, place: int) -> None:
        self._parts, self._place = parts, place
        self._ends_at = time.monotonic() + FILE_SECONDS

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            if time.monotonic() > self._ends_at:
                raise FileCutOff(f"not sent within {FILE_SECONDS} seconds")
            yield part

    def close(self) -> None:
        places.give_back(self._place)


@require_safe
@cache_control(public=True, max_age=1, stale_while_revalidate=5)
@kept_for_a_second()
def ledger_document(request: HttpRequest) -> HttpResponse:
    """Where every chain stands at this moment."""
    found = publication.document(now=timezone.now())
    return HttpResponse(publication.json_line(found), content_type="application/json; charset=utf-8")


@require_safe
def ledger_file(request: HttpRequest, kind: str) -> HttpResponseBase:
    """The whole ledger, or ?pool=3, or of it what follows an entry: ?pool=3&after=1200."""
    try:
        pool_id, after = _number(request, "pool"), _number(request, "after")
        if after is not None and pool_id is None:
            raise BadParameter(gettext("Say of which pool: entries are counted within one, as in ?pool=3&after=1200."))
        found = publication.document(now=timezone.now(), pool_id=pool_id, after=after or 0)
    except (BadParameter, UnknownPool, NotThatFar) as error:
        return _refused(error, status=400)
    content_type, parts = _KINDS[kind]
    of_pool = f"-pool-{pool_id}" if pool_id else ""
    behind = f"-after-{after}" if after else ""
    headers = {
        "Cache-Control": _NEWEST,
        "Content-Disposition": f'attachment; filename="ledger{of_pool}{behind}.{kind}"',
    }
    if request.method == "HEAD":
        return HttpResponse(content_type=content_type, headers=headers)
    place = places.take()
    if place is None:
        return _busy()
    return StreamingHttpResponse(Sending(parts(found), place=place), content_type=content_type, headers=headers)


@require_safe
def entry_range(request: HttpRequest, pool_id: str, first: str, last: str, kind: str) -> HttpResponseBase:
    """Entries first..last of a pool, at most PAGE_SIZE. What is answered here never changes."""
    try:
        numbers = _range(first, last, noun="entries")
        entries = publication.entries_between(pool_id=int(pool_id), first=numbers[0], last=numbers[1])
    except BadParameter as error:
        return _refused(error, status=400)
    except (UnknownPool, NotThatFar) as error:
        return _refused(error, status=404)
    content = publication.as_jsonl(entries) if kind == "jsonl" else publication.as_csv([publication.FIELDS, *entries])
    return _for_ever(request, content, content_type=_KINDS[kind][0], etag=f"{first}-{entries[-1][-1]}.{kind}")


@require_safe
@cache_control(public=True, max_age=1, stale_while_revalidate=5)
@kept_for_a_second()
def latest_head(request: HttpRequest) -> HttpResponse:
    head = heads.latest_head()
    if head is None:
        return _refused(LookupError(gettext("This site has signed no head of its ledger yet.")), status=404)
    content = publication.json_line(heads.head_record(head))
    return HttpResponse(content, content_type="application/json; charset=utf-8")


@require_safe
def one_head(request: HttpRequest, digits: str) -> HttpResponseBase:
    """The head whose hash begins like this, as receipts print it."""
    head = heads.find_head(digits)
    if head is None:
        return _refused(LookupError(gettext("No signed head has a hash that begins like this.")), status=404)
    content = publication.json_line(heads.head_record(head))
    return _for_ever(request, content, content_type="application/json; charset=utf-8", etag=head.sha256)


@require_safe
def head_range(request: HttpRequest, first: str, last: str) -> HttpResponseBase:
    """Heads first..last, at most PAGE_SIZE, oldest first."""
    try:
        numbers = _range(first, last, noun="heads")
        newest = heads.latest_head()
        if newest is None or numbers[1] > newest.number:
            raise NotThatFar(newest.number if newest else 0)
    except BadParameter as error:
        return _refused(error, status=400)
    except NotThatFar as error:
        return _refused(error, status=404)
    found = list(heads.heads_between(*numbers))
    content = b"".join(publication.json_line(heads.head_record(head)) for head in found)
    return _for_ever(request, content, content_type=_KINDS["jsonl"][0], etag=f"{first}-{found[-1].sha256}")


@require_safe
@cache_control(public=True, max_age=300)
def verifier(request: HttpRequest) -> HttpResponse:
    """The program itself, as it is in the repository."""
    headers = {"Content-Disposition": 'attachment; filename="verify_ledger.py"'}
    return HttpResponse(_VERIFIER.read_bytes(), content_type="text/x-python; charset=utf-8", headers=headers)


@require_safe
@cache_control(public=True, max_age=300)
def ledger_format(request: HttpRequest) -> HttpResponse:
    """What the files mean, for whoever writes a verifier of their own."""
    return HttpResponse(_FORMAT.read_bytes(), content_type="text/plain; charset=utf-8")


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name)
    if text is None:
        return None
    if not _WHOLE_NUMBER.fullmatch(text):
        words = gettext("“%(name)s” must be a whole number, as in ?pool=3&after=1200.")
        raise BadParameter(words % {"name": name})
    return int(text)


def _range(first: str, last: str, *, noun: str) -> tuple[int, int]:
    numbers = int(first), int(last)
    turned, too_long = _REFUSED_RANGES[noun]
    if not 1 <= numbers[0] <= numbers[1]:
        raise BadParameter(turned % {"most": PAGE_SIZE})
    if numbers[1] - numbers[0] >= PAGE_SIZE:
        raise BadParameter(too_long % {"most": PAGE_SIZE})
    return numbers


def _for_ever(request: HttpRequest, content: bytes, *, content_type: str, etag: str) -> HttpResponseBase:
    headers = {"Cache-Control": _FOR_EVER, "ETag": quote_etag(etag)}
    response = HttpResponse(content, content_type=content_type, headers=headers)
    return get_conditional_response(request, etag=headers["ETag"], response=response) or response


def _refused(error: Exception, *, status: int) -> HttpResponse:
    words = str(error)
    if isinstance(error, UnknownPool):
        words = gettext("The ledger has no pool %(pool)s. /match/ledger.json lists the pools.") % {"pool": error}
    elif isinstance(error, NotThatFar):
        words = gettext("The ledger does not go that far: the newest number is %(last)s.") % {"last": error.last}
    return HttpResponse(
        f"{words}\n", status=status, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"}
    )


def _busy() -> HttpResponse:
    words = gettext(
        "Others are downloading the whole ledger right now: try again in a minute. "
        "The verifier, and /match/ledger/POOL/1-1000.jsonl, always work."
    )
    response = _refused(RuntimeError(words), status=503)
    response.headers["Retry-After"] = "60"
    return response
