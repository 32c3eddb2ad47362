"""The sample's words and figures, read from the files in content/."""

import csv
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from campaign.money import parse_amount

FOLDER = Path(__file__).resolve().parent / "content"
CURRENCY = "USD"
_LARGEST_MINOR = 100_000_000_000


@cache
def campaign_file() -> dict[str, Any]:
    """`organization` and `campaign`."""
    return _read(FOLDER / "campaign.toml")


def pools() -> list[dict[str, Any]]:
    """The pools in the order in which they open."""
    return list(_read(FOLDER / "sponsors.toml")["pool"])


def funds() -> list[dict[str, Any]]:
    return _read_all(FOLDER / "funds")


def stories() -> list[dict[str, Any]]:
    return _read_all(FOLDER / "stories")


def gifts() -> list[dict[str, str]]:
    """The gifts, the oldest first."""
    with (FOLDER / "gifts.csv").open(encoding="utf-8", newline="") as lines:
        return sorted(csv.DictReader(lines), key=lambda gift: -int(gift["minutes_ago"]))


def minor(text: str) -> int:
    """An amount as the files write it, in minor units."""
    return parse_amount(text, currency=CURRENCY, largest_minor=_LARGEST_MINOR)


def _read_all(folder: Path) -> list[dict[str, Any]]:
    return [_read(path) for path in sorted(folder.glob("*.toml"))]


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
