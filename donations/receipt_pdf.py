"""The receipt as a PDF: one tagged page (PDF/UA-1), the same bytes each time, whatever the names in it.

typst sets templates/receipts/receipt.typ with the fonts beside it and no others. The receipt's content reaches it as
JSON in an input, so nothing a donor typed can be markup.
"""

import json
import threading
from functools import cache
from pathlib import Path
from typing import TypeAlias

import typst
from django.conf import settings
from django.utils import translation

from campaign.font_coverage import covered_characters
from campaign.logos import stored_logo
from campaign.moments import full_day_text
from donations.models import Receipt
from donations.receipt_content import language_of, local_day
from donations.receipt_words import receipt_words

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | None"

FOLDER = Path(settings.BASE_DIR) / "templates" / "receipts"
FONT_PATHS = sorted((FOLDER / "fonts").glob("*.ttf"))
UNKNOWN_CHARACTER = "\N{REPLACEMENT CHARACTER}"
_BARRED_BY_PDF_UA = frozenset("\x00\ufeff\ufffe")  # ISO 14289-1, 7.21.7
_MISSING_GLYPH = "could not be displayed with font"

# typst's compiler keeps what it learnt of the page between receipts, so there is one, and one thread uses it at a time.
_turn = threading.Lock()


def render_receipt(receipt: Receipt) -> bytes:
    """The PDF of a receipt: the same bytes for the same receipt, at any time and on any machine.

    A voided receipt says so, with the day, the reason and the number that replaces it. In the language of its issue.
    A character that no font of ours has is printed as U+FFFD: a name never keeps a donor from a receipt.
    A logo that is gone from the disk is left out, and our own mark stands there.
    Reads the replacing number from the database; writes nothing. About 3 ms.
    Raises typst.TypstError when the template itself is at fault.
    """
    with translation.override(language_of(receipt.content)):
        content = receipt.content | {"words": receipt_words(receipt.content, void=_void_facts(receipt))}
    logo = stored_logo(receipt.content.get("look", {}).get("logo"))
    timestamp = int(receipt.issued_at.timestamp())
    try:
        return _compile(_printable(content), logo=logo, timestamp=timestamp)
    except typst.TypstError as error:
        # Each character has a glyph, yet a combination of them may have none.
        if _MISSING_GLYPH not in str(error):
            raise
        return _compile(_printable(content, only_simple=True), logo=logo, timestamp=timestamp)


def _compile(content: Json, *, logo: bytes | None, timestamp: int) -> bytes:
    with _turn:
        pdf = _compiler().compile(
            format="pdf",
            sys_inputs={"receipt": json.dumps(content), "logo": json.dumps(list(logo or b""))},
            pdf_standards=["ua-1"],
            timestamp=timestamp,
        )
    if not isinstance(pdf, bytes):  # pragma: no cover - a PDF is one file
        raise TypeError("typst gave no PDF")
    return pdf


@cache
def _compiler() -> typst.Compiler:
    fonts = typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[str(path.parent) for path in FONT_PATHS[:1]],
    )
    return typst.Compiler(input=str(FOLDER / "receipt.typ"), root=str(FOLDER), font_paths=fonts)


def _void_facts(receipt: Receipt) -> dict[str, str] | None:
    if receipt.voided_at is None:
        return None
    replaced_by = Receipt.objects.filter(replaces=receipt).values_list("number", flat=True).first()
    return {
        "on_text": full_day_text(local_day(receipt.voided_at, campaign=receipt.donation.campaign)),
        "reason": receipt.void_reason,
        "replaced_by": replaced_by or "",
    }


def _printable(value: Json, *, only_simple: bool = False) -> Json:
    """The content with every character that our fonts lack replaced; only_simple: all but Latin letters and signs."""
    if isinstance(value, str):
        return "".join(
            character if _has_glyph(character, only_simple=only_simple) else UNKNOWN_CHARACTER for character in value
        )
    if isinstance(value, dict):
        return {key: _printable(part, only_simple=only_simple) for key, part in value.items()}
    if isinstance(value, list):
        return [_printable(part, only_simple=only_simple) for part in value]
    return value


def _has_glyph(character: str, *, only_simple: bool) -> bool:
    if character == "\n":
        return True
    if only_simple and not (character < "\u0300" or "\u2010" <= character <= "\u20bf"):
        return False
    return character in _covered()


@cache
def _covered() -> frozenset[str]:
    return frozenset().union(*(covered_characters(path) for path in FONT_PATHS)) - _BARRED_BY_PDF_UA
