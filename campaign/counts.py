"""Counts as pages and letters write them."""

from django.utils.formats import number_format


def count_text(count: int) -> str:
    """`1234` -> `1,234`, with the marks of the language that is spoken."""
    return number_format(count, force_grouping=True)
