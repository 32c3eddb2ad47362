"""Pages of a long table by the id of their rows: as quick on the thousandth page as on the first."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from django.db.models import Model, QuerySet
from django.http import HttpRequest

Row = TypeVar("Row", bound=Model)
SIZE = 50


@dataclass(frozen=True)
class Page(Generic[Row]):
    """rows: newest first. older, newer: query strings of the pages beside this one, empty without any."""

    rows: list[Row]
    older: str
    newer: str


def page_of(found: "QuerySet[Row, Any]", *, request: HttpRequest, size: int = SIZE) -> Page[Row]:
    """The page that `?before=` or `?after=` asks for, else the newest. One query; bad numbers count as none."""
    before, after = _number(request, "before"), _number(request, "after")
    if after is not None:
        rows = list(found.filter(pk__gt=after).order_by("pk")[: size + 1])
        has_newer, has_older = len(rows) > size, True
        rows = rows[:size][::-1]
    else:
        found = found.filter(pk__lt=before) if before is not None else found
        rows = list(found.order_by("-pk")[: size + 1])
        has_newer, has_older = before is not None, len(rows) > size
        rows = rows[:size]
    return Page(
        rows=rows,
        older=_query(request, before=rows[-1].pk) if rows and has_older else "",
        newer=_query(request, after=rows[0].pk) if rows and has_newer else "",
    )


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _query(request: HttpRequest, **place: int) -> str:
    kept = [(key, value) for key, value in request.GET.items() if key not in ("before", "after") and value]
    return "?" + urlencode([*kept, *place.items()])
