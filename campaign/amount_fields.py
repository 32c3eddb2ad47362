"""Amounts in the forms of the admin: typed as people write them, kept in minor units."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from campaign.money import InvalidAmount, parse_amount, plain_amount


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
