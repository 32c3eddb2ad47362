"""Pictures that were stored as they were uploaded, before each was made anew: make them anew now."""

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model

from campaign.logos import NotALogo, logo_file
from campaign.models import CardPicture, Fund, Section, SectionItem, Story
from campaign.photographs import NotAPhotograph, shown
from matching.models import Sponsor
from matching.sponsor_form import LEAST_LOGO_HEIGHT

_PHOTOGRAPHS: tuple[type[Model], ...] = (Fund, Story, Section, SectionItem, CardPicture)
_DRAWN_LOGO = re.compile(r"sponsors/[0-9a-f]{16}(_\w+)?\.png", re.ASCII)


class Command(BaseCommand):
    help = "Make photographs and sponsors' logos anew that were stored as they were uploaded. Safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        self.made, self.refused = 0, 0
        for model in _PHOTOGRAPHS:
            for row in model._default_manager.exclude(picture="").iterator():
                if shown(_name(row, "picture")) is None:
                    self._try(row, "picture", _photograph)
        for sponsor in Sponsor.objects.exclude(logo="").iterator():
            if not _DRAWN_LOGO.fullmatch(_name(sponsor, "logo")):
                self._try(sponsor, "logo", _logo)
        self.stdout.write(f"{self.made} pictures were made anew.")
        if self.refused:
            raise CommandError(f"{self.refused} could not be, and are shown as they were. Upload each again.")

    def _try(self, row: Any, field: str, convert: Callable[[Any], None]) -> None:
        name = _name(row, field)
        try:
            convert(row)
        except (NotALogo, NotAPhotograph, OSError) as error:
            self.refused += 1
            self.stderr.write(f"{row._meta.verbose_name} {row.pk}, {name}: {error}")
        else:
            self.made += 1


def _name(row: Any, field: str) -> str:
    return str(getattr(row, field).name)


def _photograph(row: Any) -> None:
    """Under a new name: a version in the page's history may bring the old one back (unused_photographs.py)."""
    name = row.picture.name
    with default_storage.open(name) as file:
        row.picture.save(PurePosixPath(name).name, file, save=False)
    row.save(update_fields=["picture"])


def _logo(row: Any) -> None:
    """Nothing brings a sponsor's old logo back: its file goes, with whatever else it held."""
    name = row.logo.name
    with default_storage.open(name) as file:
        drawn = logo_file(file, size=file.size, least_height=LEAST_LOGO_HEIGHT)
    row.logo.save(drawn.name, drawn, save=False)
    row.save(update_fields=["logo"])
    default_storage.delete(name)
