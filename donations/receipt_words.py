"""The words of a receipt's PDF beside its stored content: headings, labels, and the lines that name its number.

They come in the language that is active, which the caller sets to the one that the receipt was issued in.
"""

from typing import Any

from django.utils.translation import get_language, gettext, pgettext


def receipt_words(content: dict[str, Any], *, void: dict[str, str] | None) -> dict[str, str]:
    """By the names under which templates/receipts/receipt.typ asks for them; what does not apply is empty.

    void: of a voided receipt `on_text`, `reason` and `replaced_by` (receipt_pdf.py).
    """
    return {
        "language": (get_language() or "en").partition("-")[0],
        **_labels(),
        **_lines(content, is_void=void is not None),
        "void": "" if void is None else _void_text(void),
        "watermark": "" if void is None else pgettext("printed large across a receipt", "VOID"),
    }


def _labels() -> dict[str, str]:
    return {
        "heading": gettext("Receipt for your gift"),
        "number": gettext("Receipt number"),
        "contribution": gettext("Your contribution"),
        "for": pgettext("over a list of funds", "For"),
        "amount": gettext("Amount"),
        "fee": gettext("Card cost that you covered"),
        "paid": gettext("Amount paid"),
        "refunded": gettext("Refunded to you"),
        "net": gettext("Your contribution after the refund"),
        "date": gettext("Date of gift"),
        "method": gettext("Paid by"),
        "campaign": gettext("Campaign"),
        "gift": gettext("Gift"),
    }


def _lines(content: dict[str, Any], *, is_void: bool) -> dict[str, str]:
    organization, donor = content["organization"], content["donor"]
    named = {"number": content["number"], "organization": organization["public_name"]}
    title = gettext("Receipt %(number)s from %(organization)s")
    if is_void:
        title = gettext("Void receipt %(number)s from %(organization)s")
    given = gettext("%(amount)s given on %(day)s")
    replaces = gettext("Replaces receipt %(number)s, which is void")
    return {
        "title": title % named,
        "description": given % {"amount": content["net_text"], "day": content["receipt_date_text"]},
        "foot": gettext("%(legal_name)s, EIN %(ein)s") % organization,
        "ein": gettext("EIN %(ein)s") % organization,
        # Translators: {page} and {pages} are figures that are filled in later
        "page": gettext("Receipt %(number)s, page {page} of {pages}") % named,
        "contact": gettext("Attention: %(name)s") % {"name": donor["contact"]} if donor.get("contact") else "",
        "issued": gettext("Issued %(day)s") % {"day": content["issued_text"]},
        "replaces": replaces % {"number": content["replaces"]} if content["replaces"] else "",
        "keep": "" if is_void else gettext("Please keep this receipt for your tax records."),
        # Translators: {link} is the address of a page
        "check": gettext("Check it yourself: {link}."),
        "questions": gettext("Questions about this receipt: %(email)s or %(phone)s.") % organization,
    }


def _void_text(void: dict[str, str]) -> str:
    sentences = [gettext("This receipt is void since %(day)s.") % {"day": void["on_text"]}]
    if void["replaced_by"]:
        sentences.append(gettext("Receipt %(number)s replaces it.") % {"number": void["replaced_by"]})
    return " ".join([*sentences, void["reason"]])
