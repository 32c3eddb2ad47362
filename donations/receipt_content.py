"""What a receipt says: every word and figure that its PDF and its e-mail print, fixed when it is issued.

The result is plain JSON, stored in `Receipt.content` and never changed: a receipt printed again in three years says
what it said, whatever has become of the organization's address or the fund's name. docs/receipts.md lists the keys.
Amounts come twice, `..._minor` for programs and `..._text` as printed.
"""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import get_language, gettext

from campaign.models import Campaign, Organization
from campaign.moments import full_day_text
from campaign.money import format_amount
from donations.countries import country_name
from donations.models import Donation, Reversal, Tribute
from matching.models import SignedHead
from matching.queries import GiftMatch
from matching.wording import listed

LAYOUT = 1
_ENGLISH = "en"
# Why money counts again that had gone back to the donor.
WON_DISPUTE, LOST_REFUND = "won_dispute", "lost_refund"
_HEAD_DIGITS = 32  # of the head's hash in print: nobody can make another head that begins with 128 bits of it
# Bidirectional overrides and isolates could turn a figure round for the reader.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


@dataclass(frozen=True, slots=True)
class Goods:
    """What the donor got for the gift. estimate_minor: its good-faith value in minor units, >= 0."""

    description: str
    estimate_minor: int


def receipt_facts(
    *, donation: Donation, organization: Organization, match: GiftMatch | None, goods: Goods | None
) -> dict[str, Any]:
    """All that a receipt says but for its own number, version and day of issue.

    donation: paid, with campaign, designations and funds at hand. match: as it stands now; it never enters a sum.
    goods: None when nothing was given in return, which the organization's statement then says.
    Writes nothing. Sources: 26 USC 170(f)(8), IRS Publication 1771; design 5.
    """
    campaign = donation.campaign
    day = receipt_day(donation)
    return {
        "layout": LAYOUT,
        **_language_facts(),
        "organization": _organization_facts(organization),
        "donor": _donor_facts(donation),
        **_tribute_facts(donation),
        "campaign": campaign.name,
        "gift": donation.reference,
        "receipt_date": day.isoformat(),
        "receipt_date_text": full_day_text(day),
        "method": plain_line(donation.method_text),
        **_money_facts(donation),
        **_return_facts(donation, organization=organization, goods=goods),
        "match": _match_facts(donation, match=match),
        "thanks": organization.receipt_thanks.strip(),
        "disclosures": organization.state_disclosures.strip(),
        "signatory": {"name": organization.signatory_name, "title": organization.signatory_title},
        "look": look_facts(organization),
    }


def look_facts(organization: Organization) -> dict[str, str]:
    """The colors of receipts and letters, and where the logo is stored: a logo is never stored over or thrown away."""
    look = organization.look
    return {
        "main": look.main,
        "action": look.action,
        "action_ink": look.action_ink,
        "logo": organization.logo.name or "",
        "logo_alt": organization.logo_alt,
    }


def ledger_facts(*, match_reference: str, head: SignedHead | None) -> dict[str, str]:
    """How the reader can check the match: where, and the ledger's newest signed head at the moment of issue.

    The head pins all of the ledger up to its moment: with thousands of receipts nobody can rewrite it unseen. It moves
    on by itself, so it is no reason to replace a receipt. Without a head those texts are empty.
    """
    head_text = ""
    if head is not None:
        # Translators: the newest page of the public ledger, as a receipt pins it; sha256 stays as it is
        words = gettext("Ledger head %(moment)s UTC, sha256 %(digest)s, key %(key)s")
        moment = f"{head.made_at.astimezone(UTC):%Y-%m-%d %H:%M}"
        head_text = words % {"moment": moment, "digest": head.sha256[:_HEAD_DIGITS], "key": head.key.key_id}
    return {
        "check_url": f"{settings.SITE_URL}{reverse('match')}?{urlencode({'reference': match_reference})}#look-up",
        "page_text": f"{settings.SITE_URL.partition('://')[2]}{reverse('match')}",
        "head_sha256": head.sha256 if head else "",
        "head_text": head_text,
    }


def receipt_day(donation: Donation) -> date:
    """The day of the gift in the campaign's time zone: 04:30 UTC on December 2 is December 1 in Boston.

    Raises GiftNotPaid.
    """
    return local_day(donation.moment_paid, campaign=donation.campaign)


def local_day(moment: datetime, *, campaign: Campaign) -> date:
    return moment.astimezone(campaign.tz).date()


def came_back_because(donation: Donation) -> str:
    """Why money that had gone back to the donor counts again: WON_DISPUTE, LOST_REFUND, or empty when none does.

    Its part of the match may have gone to others meanwhile. A dispute that is won without having been lost changed
    nothing: only what had gone back has voided a receipt. Two queries at most.
    """
    kinds = Q(kind=Reversal.Kind.REFUND, status__in=["failed", "canceled"])
    if donation.receipts.exclude(voided_at=None).exists():
        kinds |= Q(kind=Reversal.Kind.DISPUTE, status="won")
    newest = donation.reversals.filter(kinds).order_by("changed_at", "pk").last()
    if newest is None:
        return ""
    return WON_DISPUTE if newest.kind == Reversal.Kind.DISPUTE else LOST_REFUND


def language_of(content: dict[str, Any]) -> str:
    """In which the receipt was issued, and is printed and mailed whatever the site speaks today."""
    return str(content.get("language", _ENGLISH))


def plain_line(text: str) -> str:
    """One line that prints as it reads: composed, without control characters, without marks that turn text round."""
    kept = (
        " " if character.isspace() or unicodedata.category(character) == "Cc" else character
        for character in unicodedata.normalize("NFC", text)
        if character not in _TURNING
    )
    return " ".join("".join(kept).split())


def _organization_facts(organization: Organization) -> dict[str, Any]:
    return {
        "legal_name": organization.legal_name,
        "public_name": organization.public_name,
        "ein": organization.ein,
        "address_lines": organization.address_lines,
        "phone": organization.phone,
        "email": organization.email,
        "website": organization.website,
    }


def _donor_facts(donation: Donation) -> dict[str, Any]:
    """Who the receipt is made out to. contact: who gave for a company; only there, so that other receipts stay."""
    contact = {"contact": plain_line(donation.donor_name)} if donation.company else {}
    return {
        "name": plain_line(donation.giver_name),
        "email": donation.donor_email,
        "address_lines": _address_lines(donation),
        **contact,
    }


def _tribute_facts(donation: Donation) -> dict[str, str]:
    """`tribute`: only where there is one, so that other receipts stay as they are."""
    tribute: Tribute | None = getattr(donation, "tribute", None)
    if tribute is None:
        return {}
    given = gettext("Given in memory of %(name)s.") if tribute.is_memory else gettext("Given in honor of %(name)s.")
    return {"tribute": plain_line(given % {"name": tribute.name})}


def _language_facts() -> dict[str, str]:
    """`language`: only where it is not English, so that other receipts stay as they are."""
    language = get_language() or _ENGLISH
    return {} if language.partition("-")[0] == _ENGLISH else {"language": language}


def _address_lines(donation: Donation) -> list[str]:
    place = ", ".join(filter(None, [donation.city, donation.region]))
    country = "" if donation.country in ("", "US") else country_name(donation.country)
    lines = [donation.address_line1, donation.address_line2, f"{place} {donation.postal_code}", country]
    return [line for line in map(plain_line, lines) if line]


def _money_facts(donation: Donation) -> dict[str, Any]:
    """The donor's own money. Designations make the gift; gift and fee make what was paid; less refunds, the net."""
    figures = {
        "gift": donation.amount_minor,
        "fee": donation.fee_minor,
        "paid": donation.total_minor,
        "refunded": donation.refunded_minor,
        "net": donation.net_minor,
    }
    designations = [
        {
            "fund": part.fund.name,
            "amount_minor": part.amount_minor,
            "amount_text": format_amount(part.amount_minor, currency=donation.currency),
        }
        for part in donation.designations.select_related("fund")
    ]
    return {
        "currency": donation.currency,
        "designations": designations,
        **{f"{name}_minor": minor for name, minor in figures.items()},
        **{f"{name}_text": format_amount(minor, currency=donation.currency) for name, minor in figures.items()},
    }


def _return_facts(donation: Donation, *, organization: Organization, goods: Goods | None) -> dict[str, Any]:
    """The goods-or-services statement; with a description and a good-faith estimate when there were any."""
    if goods is None:
        return {"statement": organization.goods_or_services_statement.strip()}
    estimate = format_amount(goods.estimate_minor, currency=donation.currency)
    above = format_amount(max(donation.net_minor - goods.estimate_minor, 0), currency=donation.currency)
    statement = gettext(
        "In return for this gift you received: %(goods)s. Our good-faith estimate of its value is %(estimate)s. The "
        "part of a gift that is deductible for federal income tax is limited to what was given above that value: "
        "%(above)s."
    )
    return {
        "statement": statement % {"goods": plain_line(goods.description), "estimate": estimate, "above": above},
        "goods": {
            "description": plain_line(goods.description),
            "estimate_minor": goods.estimate_minor,
            "estimate_text": estimate,
        },
    }


def _match_facts(donation: Donation, *, match: GiftMatch | None) -> dict[str, Any] | None:
    """One line of information on the match, or None when there is none to report."""
    if match is None or match.state != "committed":
        return None
    shortfall_minor = donation.match_shortfall_minor
    if match.match_minor == 0 and shortfall_minor == 0:
        return None
    sentences = [_matched_sentence(donation, match=match)] if match.match_minor else []
    if shortfall_minor:
        sentences.append(_shortfall_sentence(donation, match=match))
    if donation.refunded_minor and match.match_minor:
        sentences.append(gettext("This is the match after the refund."))
    return {
        "reference": match.reference,
        "match_minor": match.match_minor,
        "match_text": format_amount(match.match_minor, currency=donation.currency),
        "shortfall_minor": shortfall_minor,
        "sentence": " ".join(sentences),
    }


def _matched_sentence(donation: Donation, *, match: GiftMatch) -> str:
    by_sponsor: dict[str, int] = {}
    for line in match.lines:
        if line.amount_minor:
            by_sponsor[line.sponsor_name] = by_sponsor.get(line.sponsor_name, 0) + line.amount_minor
    total = format_amount(match.match_minor, currency=donation.currency)
    if len(by_sponsor) == 1:
        words = gettext(
            "As information, not part of your payment: %(sponsor)s matched your gift with %(match)s (reference "
            "%(reference)s)."
        )
        sponsor = _as_opening(next(iter(by_sponsor)))
        return words % {"sponsor": sponsor, "match": total, "reference": match.reference}
    # Translators: one sponsor's part of a match, in a list of them: Pier Bank with $5.00
    share = gettext("%(sponsor)s with %(amount)s")
    shares = [
        share % {"sponsor": name, "amount": format_amount(minor, currency=donation.currency)}
        for name, minor in by_sponsor.items()
    ]
    words = gettext(
        "As information, not part of your payment: your gift was matched with %(match)s (reference %(reference)s): "
        "%(shares)s."
    )
    return words % {"match": total, "reference": match.reference, "shares": listed(shares)}


def _shortfall_sentence(donation: Donation, *, match: GiftMatch) -> str:
    """Said plainly, with its cause: a late payment, or money that came back after its match had gone to others."""
    less = format_amount(donation.match_shortfall_minor, currency=donation.currency)
    because = came_back_because(donation)
    if match.match_minor:
        return _less_than_held(because) % {"less": less}
    not_matched = gettext(
        "As information, not part of your payment: your gift was not matched (reference %(reference)s)."
    )
    return f"{not_matched % {'reference': match.reference}} {_none_of_held(because) % {'less': less}}"


def _less_than_held(because: str) -> str:
    if because == WON_DISPUTE:
        return gettext(
            "This is %(less)s less than the match that was held for you: your bank gave back what it had disputed, and "
            "by then other gifts had been promised that money."
        )
    if because == LOST_REFUND:
        return gettext(
            "This is %(less)s less than the match that was held for you: a refund did not go through, and by then "
            "other gifts had been promised that money."
        )
    return gettext(
        "This is %(less)s less than the match that was held for you: your payment came after the hold had ended, and "
        "by then other gifts had been promised that money."
    )


def _none_of_held(because: str) -> str:
    if because == WON_DISPUTE:
        return gettext(
            "A match of %(less)s had been held for you, but your bank gave back what it had disputed, and by then "
            "other gifts had been promised that money."
        )
    if because == LOST_REFUND:
        return gettext(
            "A match of %(less)s had been held for you, but a refund did not go through, and by then other gifts had "
            "been promised that money."
        )
    return gettext(
        "A match of %(less)s had been held for you, but your payment came after the hold had ended, and by then other "
        "gifts had been promised that money."
    )


def _as_opening(name: str) -> str:
    return name[:1].upper() + name[1:] if name.startswith("an anonymous") else name
