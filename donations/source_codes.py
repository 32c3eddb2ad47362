"""Where a donor came from: the five codes that newsletters and advertisements write into their links (utm_source ...).

They travel from the first page to the form without a cookie, so that public pages stay the same for everybody:
came-from.js keeps them for the tab and adds them to the links to the form; without it the form reads them from its own
address, or from that of the page before it. A code is never a reason to refuse a gift: it is cleaned and cut.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django import forms
from django.http import HttpRequest

from donations.models import Donation
from donations.text_fields import one_line

_LONGEST_ADDRESS = 2_000
_MOST_PARAMETERS = 40


def code(text: str) -> str:
    """As it is kept: small letters, one line, at most as long as its column."""
    return one_line(text[: Donation.LONGEST_CODE * 4]).lower()[: Donation.LONGEST_CODE].strip()


def codes_of(values: Mapping[str, str]) -> dict[str, str]:
    """Those of the five that are there, cleaned."""
    found = {name: code(values.get(name, "")) for name in Donation.SOURCE_CODES}
    return {name: text for name, text in found.items() if text}


def codes_of_request(request: HttpRequest) -> dict[str, str]:
    """From the form's address; if it has none, from the address of the page of ours that led to it."""
    return codes_of(request.GET.dict()) or codes_of(_query_of_page_before(request))


def _query_of_page_before(request: HttpRequest) -> dict[str, str]:
    try:
        before = urlsplit(request.headers.get("Referer", "")[:_LONGEST_ADDRESS])
        if before.netloc != request.get_host():
            return {}
        return dict(parse_qsl(before.query, max_num_fields=_MOST_PARAMETERS))
    except ValueError:  # no address, or one with too much in it
        return {}


class CodeField(forms.CharField):
    """A hidden field that takes whatever comes."""

    def __init__(self) -> None:
        super().__init__(required=False, widget=forms.HiddenInput)

    def clean(self, value: Any) -> str:
        return code(str(value or ""))
