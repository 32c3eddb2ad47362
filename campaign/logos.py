"""The organization's logo: whatever staff upload is decoded and drawn anew, so that only its pixels are ever kept."""

import hashlib
import io
from typing import IO

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils.translation import gettext, gettext_lazy
from PIL import Image, UnidentifiedImageError

from campaign.uploads import refuse_without_room

FORMATS = ("PNG", "JPEG", "WEBP")
LARGEST = (800, 200)  # pixels: twice as sharp as pages show it
LEAST_HEIGHT = 100
MOST_PIXELS = 20_000_000  # a small file may unpack into much more than memory holds
MOST_BYTES = 2_000_000
_TOO_MANY = gettext_lazy("This picture has too many pixels. Save it smaller: 800 wide is plenty.")


class NotALogo(ValueError):
    """Why the picture cannot be the logo, and what to do."""


def logo_file(uploaded: IO[bytes], *, size: int, least_height: int = LEAST_HEIGHT) -> ContentFile:
    """A PNG of at most LARGEST, without its empty margin and without whatever else the file held.

    size: of the upload in bytes. The name changes with the picture.
    Raises NotALogo, or ValidationError when there is no room.
    """
    if size > MOST_BYTES:
        raise NotALogo(
            gettext("This picture has %(size)s MB. Choose one of at most %(most)s MB.")
            % {"size": f"{size / 1000000.0:.1f}", "most": MOST_BYTES // 1000000}
        )
    refuse_without_room()
    png = io.BytesIO()
    _drawn_anew(uploaded, least_height=least_height).save(png, "PNG", optimize=True)
    return ContentFile(png.getvalue(), name=f"{hashlib.sha256(png.getvalue()).hexdigest()[:16]}.png")


def stored_logo(name: str | None) -> bytes | None:
    """A logo as it is stored; None when there is none, or when it is gone: nothing waits for a picture."""
    if not name:
        return None
    try:
        with default_storage.open(name) as file:
            return bytes(file.read())
    except OSError:
        return None


def _drawn_anew(uploaded: IO[bytes], *, least_height: int) -> Image.Image:
    uploaded.seek(0)
    try:
        picture = Image.open(uploaded, formats=FORMATS)
        if picture.width * picture.height > MOST_PIXELS:
            raise NotALogo(_TOO_MANY)
        pixels = picture.convert("RGBA")
    except Image.DecompressionBombError as error:
        raise NotALogo(_TOO_MANY) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        if isinstance(error, NotALogo):
            raise
        raise NotALogo(gettext("This file cannot be read as a picture. Save the logo as PNG, JPEG or WebP.")) from error
    box = pixels.getchannel("A").getbbox()
    if box is None:
        raise NotALogo(gettext("This picture is empty: all of it can be seen through."))
    logo = pixels.crop(box)
    logo.thumbnail(LARGEST, Image.Resampling.LANCZOS)
    if logo.height < least_height:
        raise NotALogo(
            gettext(
                "This logo would be %(width)s by %(height)s pixels: too flat to be read. Choose a larger or a "
                "more compact one, at least %(least_height)s pixels high when it is %(wide)s wide."
            )
            % {"width": logo.width, "height": logo.height, "least_height": least_height, "wide": LARGEST[0]}
        )
    return logo
