"""Text that people type into forms: one clean line, a name, an e-mail address, a phone number."""

import re
import unicodedata
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# Line breaks would break mail headers; marks that turn or hide text would let a name pretend to be another.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069"
    "\u2800\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)
# No script needs more marks on one letter; heaps of them grow over the lines above and below.
_MARK = r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_HEAP = re.compile(f"({_MARK}{{4}}){_MARK}+")
# What mail programs turn into a link by themselves: also a bare name under one of the common endings.
_LINK = re.compile(
    r"://|www\.|@\w[\w-]*\.\w|\w\.[a-z]{2,}/|\w[\w-]+\.(com|net|org|info|biz|io|co|me|us|uk|ca|eu|de|ru|cn|in|xyz|top|shop"
    r"|site|store|online|app|dev|link|click|live|club|ly|gl|gd|to|tk|cc|tv|win|vip|pro|edu|gov|mil|onion)\b",
    re.IGNORECASE,
)
_PHONE = re.compile(r"[0-9+().,/#*\s-]+((x|ext\.?)\s*[0-9]+)?", re.IGNORECASE)
_DIGITS_OF_PHONE = range(7, 21)


def one_line(text: str) -> str:
    """The text with marks that no reader sees, and runs of white space, each as one space."""
    return _HEAP.sub(r"\1", " ".join(_UNSEEN.sub(" ", text).split()))


def has_link(text: str) -> bool:
    """Whether there is a web or e-mail address in it, in letters of any width."""
    return bool(_LINK.search(unicodedata.normalize("NFKC", text)))


class LineField(forms.CharField):
    """One line of text. Too long is an error that says so: a browser told of the limit would cut without a word."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return one_line(text) if isinstance(text, str) else text

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {name: value for name, value in super().widget_attrs(widget).items() if name != "maxlength"}


class NameField(LineField):
    """A name has a letter or a figure in it, of any script."""

    def validate(self, value: Any) -> None:
        super().validate(value)
        if value and not any(character.isalnum() for character in value):
            raise forms.ValidationError(self.error_messages["required"])


class PlainLineField(LineField):
    """Words that strangers read: without web addresses, so that nobody has this site spread or send theirs."""

    def validate(self, value: Any) -> None:
        super().validate(value)
        if value and has_link(value):
            raise forms.ValidationError(_("Write it without web addresses."))


class PlainNameField(PlainLineField, NameField):
    """A name, without web addresses."""


class MailField(forms.EmailField):
    """An address that mail from here can reach: with a dot in its domain, nothing quoted, not cut by the browser."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validators = [
            *self.validators,
            RegexValidator(r'^[^"\s]+@[^\[\]]+\.[^\[\]]+$', self.error_messages["invalid"]),
        ]

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {name: value for name, value in super().widget_attrs(widget).items() if name != "maxlength"}


class PhoneField(LineField):
    """A phone number as people write it, kept as written."""

    def validate(self, value: Any) -> None:
        super().validate(value)
        count = sum(character.isdigit() for character in value)
        if value and not (_PHONE.fullmatch(value) and count in _DIGITS_OF_PHONE):
            raise forms.ValidationError(_("Write the number with its area code, such as 617-555-0142."))


class MessageArea(forms.Textarea):
    """A few lines high; what is typed into it is one line all the same."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"rows": 3, "cols": 40, **(attrs or {})})


def line_field(
    max_length: int,
    autocomplete: str,
    *,
    required: "StrOrPromise | None" = None,
    help_text: "StrOrPromise" = "",
    kind: type[LineField] = LineField,
    widget: type[forms.Widget] = forms.TextInput,
) -> LineField:
    return kind(
        required=required is not None,
        max_length=max_length,
        help_text=help_text,
        widget=widget(attrs={"autocomplete": autocomplete}),
        error_messages={
            "required": required or "",
            "max_length": _("Use at most %(limit_value)d characters. You have %(show_value)d."),
        },
    )
