"""Text that people type into forms: one clean line, a name, an e-mail address, a phone number."""

import re
from typing import Any

from django import forms
from django.core.validators import RegexValidator

# Line breaks would break mail headers; marks that turn or hide text would let a name pretend to be another.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff]")
_PHONE = re.compile(r"[0-9+().,/#*\s-]+((x|ext\.?)\s*[0-9]+)?", re.IGNORECASE)
_DIGITS_OF_PHONE = range(7, 21)


def one_line(text: str) -> str:
    """The text with marks that no reader sees, and runs of white space, each as one space."""
    return " ".join(_UNSEEN.sub(" ", text).split())


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


class MailField(forms.EmailField):
    """An address that mail from here can reach: with a domain that has a dot, and not cut by the browser."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validators = [*self.validators, RegexValidator(r"@[^\[\]]+\.[^\[\]]+$", self.error_messages["invalid"])]

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {name: value for name, value in super().widget_attrs(widget).items() if name != "maxlength"}


class PhoneField(LineField):
    """A phone number as people write it, kept as written."""

    def validate(self, value: Any) -> None:
        super().validate(value)
        count = sum(character.isdigit() for character in value)
        if value and not (_PHONE.fullmatch(value) and count in _DIGITS_OF_PHONE):
            raise forms.ValidationError("Write the number with its area code, such as 617-555-0142.")


class MessageArea(forms.Textarea):
    """A few lines high; what is typed into it is one line all the same."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"rows": 3, "cols": 40, **(attrs or {})})


def line_field(
    max_length: int,
    autocomplete: str,
    *,
    required: str = "",
    help_text: str = "",
    kind: type[LineField] = LineField,
    widget: type[forms.Widget] = forms.TextInput,
) -> LineField:
    return kind(
        required=bool(required),
        max_length=max_length,
        help_text=help_text,
        widget=widget(attrs={"autocomplete": autocomplete}),
        error_messages={
            "required": required,
            "max_length": f"Use at most {max_length} characters. You have %(show_value)d.",
        },
    )
