"""{% photograph %}: a picture in the widths and formats that it is stored in (campaign/photographs.py)."""

from typing import Any

from django import template
from django.db.models.fields.files import ImageFieldFile

from campaign import photographs

register = template.Library()

# How wide each place of a page is, for `sizes`; and the width and height of a picture that does not tell its own.
PLACES = {
    "wide": ("(min-width: 64rem) 57rem, 93vw", 1600, 900),
    "card": ("(min-width: 78rem) 24rem, (min-width: 44rem) 45vw, 93vw", 1600, 1000),
    "story": ("(min-width: 78rem) 38rem, (min-width: 48rem) 50vw, 93vw", 1600, 1000),
    "beside": ("(min-width: 78rem) 24rem, (min-width: 64rem) 30vw, (min-width: 48rem) 46vw, 93vw", 1200, 900),
    "gallery": ("(min-width: 64rem) 16rem, (min-width: 48rem) 31vw, 78vw", 1200, 900),
    "portrait": ("9rem", 320, 320),
    "choice": ("10rem", 320, 200),
}


@register.filter
def as_stored(picture: ImageFieldFile) -> photographs.Shown | None:
    """Its width and height; None for a picture of before they were kept."""
    return photographs.shown(picture.name or "")


@register.inclusion_tag("campaign/_photograph.html")
def photograph(picture: ImageFieldFile, alt: str, place: str, *, is_first: bool = False) -> dict[str, Any]:
    """place: one of PLACES. is_first: it is seen before anything is scrolled, so it is not loaded lazily."""
    sizes, width, height = PLACES[place]
    found = photographs.shown(picture.name or "")
    url = picture.storage.url
    sources = [
        (kind, ", ".join(f"{url(name)} {wide}w" for name, wide in files))
        for kind, files in (found.sources if found else [])
    ]
    return {
        "src": picture.url,
        "alt": alt,
        "sizes": sizes,
        "sources": sources,
        "width": found.width if found else width,
        "height": found.height if found else height,
        "is_first": is_first,
    }
