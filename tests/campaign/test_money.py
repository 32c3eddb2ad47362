"""Money as text and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.money import (
    LARGEST_MINOR,
    InvalidAmount,
    decimal_amount,
    format_amount,
    format_amount_compact,
    format_amount_short,
    format_amount_whole,
    format_amount_whole_up,
    parse_amount,
    plain_amount,
)

AMOUNTS = st.integers(min_value=1, max_value=LARGEST_MINOR)


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("50", 5_000),
        ("$50", 5_000),
        (" 50 USD ", 5_000),
        ("$ 1,000", 100_000),
        ("50.5", 5_050),
        ("1,234.56", 123_456),
        (".5", 50),
        ("50.", 5_000),
        ("0.01", 1),
        ("1\u00a0000", 100_000),
        ("999,999.99", LARGEST_MINOR),
        ("007", 700),
        ("٥٠", 5_000),
        ("５０", 5_000),
        ("USD 50", 5_000),
        ("US$50", 5_000),
        ("50.00$", 5_000),
        ("$50 usd", 5_000),
        ("\u200b50\ufeff", 5_000),
        ("1 000.50", 100_050),
    ],
)
def test_it_reads_every_honest_notation(text, minor):
    assert parse_amount(text, currency="USD") == minor


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Enter an amount, such as 50 or 50.25."),
        ("$", "Enter an amount, such as 50 or 50.25."),
        ("fifty", "“fifty” is not an amount we can read. Write it like 50 or 1,000.50."),
        ("1,00", "“1,00” is not an amount"),
        ("50 25", "“50 25” is not an amount"),
        ("1 00", "“1 00” is not an amount"),
        ("1 000,50", "“1 000,50” is not an amount"),
        ("1.000,00", "“1.000,00” is not an amount"),
        ("½", "“½” is not an amount"),
        ("50 dollars", "“50 dollars” is not an amount"),
        ("\u202e50 25\u202c", "“50 25” is not an amount"),
        ("50,5", "“50,5” is not an amount"),
        ("-50", "“-50” is not an amount"),
        ("1e3", "“1e3” is not an amount"),
        ("50 EUR", "“50 EUR” is not an amount"),
        ("0", "Enter an amount above zero."),
        ("0.001", "That has a fraction of a cent. Use at most two decimals."),
        ("1000000", "The largest card gift is $999,999.99."),
        ("9" * 40, "The largest card gift is"),
        ("0" * 60 + "5", "is not an amount"),
        ("$" * 100_000, "is not an amount"),
    ],
)
def test_it_says_what_to_write_instead(text, words):
    with pytest.raises(InvalidAmount) as caught:
        parse_amount(text, currency="USD")
    assert words in str(caught.value)


def test_a_currency_without_minor_units_has_none():
    assert parse_amount("1,500", currency="JPY") == 1_500
    assert format_amount(1_500, currency="JPY") == "¥1,500"
    with pytest.raises(InvalidAmount):
        parse_amount("1.5", currency="JPY")


@given(AMOUNTS)
def test_whatever_it_writes_it_reads_again(minor):
    for written in (format_amount, format_amount_short, plain_amount):
        assert parse_amount(written(minor, currency="USD"), currency="USD") == minor
    assert decimal_amount(minor, currency="USD") * 100 == minor


@given(st.text(max_size=12))
def test_any_text_is_an_amount_in_range_or_a_sentence(text):
    try:
        found: int | str = parse_amount(text, currency="USD")
    except InvalidAmount as error:
        found = str(error)
    assert 1 <= found <= LARGEST_MINOR if isinstance(found, int) else found.endswith((".", "help."))


def test_headlines_leave_out_empty_cents_and_nothing_else():
    assert format_amount_short(10_000, currency="USD") == "$100"
    assert format_amount_short(10_050, currency="USD") == "$100.50"
    assert format_amount_short(0, currency="USD") == "$0"
    assert format_amount(-735, currency="USD") == "-$7.35"


def test_only_a_chart_rounds():
    assert format_amount_compact(9_000_000, currency="USD") == "$90K"
    assert format_amount_compact(125_000, currency="USD") == "$1.2K"


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [(123_456, "USD", "$1,234"), (99, "USD", "$0"), (100, "USD", "$1"), (55, "JPY", "¥55")],
)
def test_a_sum_for_a_hall_is_whole_and_never_more_than_there_is(minor, currency, shown):
    assert format_amount_whole(minor, currency=currency) == shown


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [(4_646_914, "USD", "$46,470"), (1, "USD", "$1"), (100, "USD", "$1"), (0, "USD", "$0"), (55, "JPY", "¥55")],
)
def test_what_is_missing_is_whole_in_a_hall_and_never_less_than_that(minor, currency, shown):
    assert format_amount_whole_up(minor, currency=currency) == shown
