"""The part of the giving form that says whom a gift honors, and whom to tell. All of it may be left empty.

What does not count for the way that was chosen (an address for an e-card) is never an error.
"""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.functional import cached_property
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from campaign.models import Campaign, CardPicture
from donations.countries import CountrySelect, countries
from donations.models import Tribute, TributeNotice
from donations.text_fields import MailField, MessageArea, PlainLineField, PlainNameField, line_field
from donations.tributes import NoticeRequest, TributeRequest

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

LATEST_CARD = timedelta(days=366)
_EMAIL, _POST = TributeNotice.Way.EMAIL, TributeNotice.Way.POST


class TributeFields(forms.Form):
    """tribute_...: whom the gift honors. tell_...: who is told, by which way. Needs `campaign` and `now`."""

    campaign: Campaign
    now: datetime | None = None  # set by the view

    tribute_kind = forms.ChoiceField(
        required=False,
        choices=Tribute.Kind.choices,
        error_messages={"invalid_choice": _("Choose “in honor of” or “in memory of”.")},
    )
    tribute_name = line_field(120, "off", kind=PlainNameField)
    tribute_is_public = forms.BooleanField(required=False)
    tell_way = forms.ChoiceField(
        required=False,
        choices=TributeNotice.Way.choices,
        error_messages={"invalid_choice": _("Choose whether we tell them by e-card or by mail.")},
    )
    tell_name = line_field(120, "off", kind=PlainNameField)
    tell_email = MailField(
        required=False,
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        error_messages={
            "max_length": _("An e-mail address has at most 254 characters. Please check it."),
            "invalid": _("That is not a whole e-mail address. Write it like name@example.org."),
        },
    )
    tell_on = forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Empty: today. The card goes once your gift is paid."),
        error_messages={"invalid": _("Write the day like 2026-12-24.")},
    )
    tell_address_line1 = line_field(120, "off")
    tell_address_line2 = line_field(120, "off")
    tell_city = line_field(80, "off")
    tell_region = line_field(40, "off")
    tell_postal_code = line_field(16, "off")
    tell_country = forms.ChoiceField(
        required=False,
        choices=countries,
        initial="US",
        widget=CountrySelect(attrs={"autocomplete": "off"}),
        error_messages={"invalid_choice": _("Choose a country from the list.")},
    )
    tell_message = line_field(
        TributeNotice.LONGEST_MESSAGE,
        "off",
        kind=PlainLineField,
        widget=MessageArea,
        help_text=format_lazy(_("At most {most} characters. Only they read it."), most=TributeNotice.LONGEST_MESSAGE),
    )
    tell_picture = forms.CharField(required=False)
    tell_consents = forms.BooleanField(required=False)

    _ADDRESS = ("address_line1", "address_line2", "city", "region", "postal_code", "country")
    _OF_EMAIL = ("tell_email", "tell_on", "tell_picture")
    _OF_POST = tuple(f"tell_{name}" for name in _ADDRESS)
    _TYPED = ("tell_name", "tell_email", "tell_on", "tell_message", "tell_address_line1", "tell_city")

    @cached_property
    def pictures(self) -> list[CardPicture]:
        """The cards to choose from, beside a plain one."""
        return list(self.campaign.card_pictures.all())

    @property
    def tribute_fields(self) -> list[str]:
        return [name for name in self.fields if name.startswith(("tribute_", "tell_"))]

    @property
    def shows_tribute(self) -> bool:
        """Whether this part has anything in it, right or wrong: the page then shows it opened."""
        names = [name for name in self.tribute_fields if name != "tell_country"]
        return any(self[name].value() or self[name].errors for name in names)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        way = cleaned.get("tell_way") or ""
        for name in (*(self._OF_POST if way != _POST else ()), *(self._OF_EMAIL if way != _EMAIL else ())):
            if way:
                self.errors.pop(name, None)
        if not cleaned.get("tribute_kind"):
            if way or any(self[name].value() for name in ("tribute_name", *self._TYPED)):
                words = _("Choose “in honor of” or “in memory of”, or empty what you wrote here.")
                self._wrong("tribute_kind", words)
            return cleaned
        self._need("tribute_name", _("Write the name of the person."))
        if way:
            self._judge_notice(way)
        elif any(self[name].value() for name in self._TYPED):
            self._wrong("tell_way", _("Choose whether we tell them by e-card or by mail, or empty what you wrote."))
        return cleaned

    @property
    def tribute_request(self) -> TributeRequest | None:
        """What the donor asks for, of a form that is valid."""
        said = self.cleaned_data
        if not said["tribute_kind"]:
            return None
        way = said["tell_way"]
        notice = None
        if way:
            own: dict[str, Any] = {name: said[f"tell_{name}"] for name in self._ADDRESS} if way == _POST else {}
            if way == _EMAIL:
                own = {"recipient_email": said["tell_email"], "send_on": said["tell_on"] or self._today}
                own["picture_id"] = self._picture_id
            notice = NoticeRequest(way, said["tell_name"], message=said["tell_message"], **own)
        return TributeRequest(said["tribute_kind"], said["tribute_name"], said["tribute_is_public"], notice)

    @property
    def _today(self) -> date:
        if self.now is None:
            raise ValueError("the form was given no moment")
        return self.now.astimezone(self.campaign.tz).date()

    @property
    def _picture_id(self) -> int | None:
        chosen = self.cleaned_data.get("tell_picture")
        return next((picture.pk for picture in self.pictures if str(picture.pk) == chosen), None)

    def _judge_notice(self, way: str) -> None:
        self._need("tell_name", _("Write who should get it."))
        if way == _EMAIL:
            self._need("tell_email", _("Write the e-mail address the card goes to."))
            self._judge_day()
        else:
            self._need("tell_address_line1", _("Write the street address the note goes to."))
            self._need("tell_city", _("Write the city."))
        if not self.cleaned_data.get("tell_consents"):
            self._wrong(
                "tell_consents", _("Tick this, or choose to tell nobody: we write only to people who may be told.")
            )

    def _judge_day(self) -> None:
        day = self.cleaned_data.get("tell_on")
        if day and not self._today <= day <= self._today + LATEST_CARD:
            self._wrong("tell_on", _("Choose a day from today on, at most a year away."))

    def _need(self, name: str, words: "StrOrPromise") -> None:
        if not self.cleaned_data.get(name):
            self._wrong(name, words)

    def _wrong(self, name: str, words: "StrOrPromise") -> None:
        if name not in self.errors:
            self.add_error(name, words)


def typed(asked: TributeRequest | None) -> dict[str, Any]:
    """What the form begins with, of a gift whose form asked for this."""
    if asked is None:
        return {}
    told = {f"tribute_{name}": getattr(asked, name) for name in ("kind", "name", "is_public")}
    notice = asked.notice
    if notice is None:
        return told
    same = ("way", "message", *TributeFields._ADDRESS)
    return told | {
        **{f"tell_{name}": getattr(notice, name) for name in same},
        "tell_name": notice.recipient_name,
        "tell_email": notice.recipient_email,
        "tell_on": notice.send_on,
        "tell_picture": str(notice.picture_id or ""),
        "tell_consents": True,
    }
