"""Amounts in the forms of the admin: typed as people write them, kept in minor units."""

from typing import Any

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from django.core.exceptions import ValidationError

from campaign.money import InvalidAmount, format_amount_short, parse_amount, plain_amount


class MinorUnitsField(forms.CharField):
    """An amount typed as people write it, kept in minor units."""

    def __init__(self, *, currency: str = "USD", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.currency = currency

    def prepare_value(self, value: Any) -> Any:
        return plain_amount(value, currency=self.currency) if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            return parse_amount(text, currency=self.currency, largest_minor=100_000_000_000)
        except InvalidAmount as error:
            raise ValidationError(str(error)) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        """By the amount: 5000 that stands there and “$50” that comes back are the same."""
        if self.disabled or data in self.empty_values:
            return not self.disabled and initial not in self.empty_values
        try:
            return bool(self.clean(data) != initial)
        except ValidationError:
            return True


class AmountsField(SimpleArrayField):
    """Several amounts parted by semicolons, kept in minor units."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(MinorUnitsField(), delimiter=";", **kwargs)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, list):
            return "; ".join(format_amount_short(minor, currency="USD") for minor in value)
        return value

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return not self.disabled and bool(self.clean(data) != (initial or []))
        except ValidationError:
            return True
