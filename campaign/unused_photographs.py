"""Photographs that no page shows and no kept version would bring back: their files go, all widths and formats."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.core.files.storage import default_storage
from reversion.models import Version

from campaign.models import CardPicture, Fund, Section, SectionItem, Story

FOLDERS = ("funds", "stories", "sections", "cards")
LEFT_FOR = timedelta(days=7)  # a page that is being written may name its picture later
MOST_FILES = 1_000  # of one run; the next goes on
_IN_VERSION = re.compile(rf'"((?:{"|".join(FOLDERS)})/[^"]+)"')
_SIZE = re.compile(r"(_[0-9]{1,4}x[0-9]{1,5})\..*")


def remove_unused(*, now: datetime) -> int:
    """Delete what has been unused and unchanged for LEFT_FOR; how many files, MOST_FILES at most.

    now: aware. Versions in the history of pages count as use: restoring one brings its pictures back.
    """
    used = {_photograph(name) for name in (*_named_by_pages(), *_named_by_versions())}
    removed = 0
    for name in _stored():
        if removed == MOST_FILES:
            break
        if _photograph(name) not in used and default_storage.get_modified_time(name) < now - LEFT_FOR:
            default_storage.delete(name)
            removed += 1
    return removed


def _photograph(name: str) -> str:
    """The same for all files of one photograph."""
    return _SIZE.sub(r"\1", name)


def _named_by_pages() -> Iterator[str]:
    for model in (Fund, Story, Section, SectionItem, CardPicture):
        yield from model._default_manager.exclude(picture="").values_list("picture", flat=True)


def _named_by_versions() -> Iterator[str]:
    for text in Version.objects.values_list("serialized_data", flat=True).iterator():
        yield from _IN_VERSION.findall(text)


def _stored() -> Iterator[str]:
    for folder in FOLDERS:
        try:
            _, files = default_storage.listdir(folder)
        except FileNotFoundError:
            continue
        yield from (f"{folder}/{file}" for file in sorted(files))
