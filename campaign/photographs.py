"""Photographs as pages show them: in up to three widths as AVIF and WebP, and as a JPEG for whatever knows neither.

They are made once, when a picture is saved, from pixels alone: where a camera stood is not kept. The stored name says
what there is, so that a page needs no look at the disk:

    funds/ward-3f9a1c20_1600x1067.jpg         what the row names; 1600 is the widest
    funds/ward-3f9a1c20_1600x1067.480.webp    and so on, for each width and format

A picture of another name (stored before, or by hand) is shown as it is.
"""

import io
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePosixPath
from typing import IO, Any, NamedTuple

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage
from django.core.validators import validate_image_file_extension
from django.db import models
from django.db.models.fields.files import ImageFieldFile
from django.utils.text import slugify
from django.utils.translation import gettext, gettext_lazy
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError, features

from campaign.uploads import refuse_without_room

WIDTHS = (480, 960, 1600)
# The best first: a browser takes the first that it knows.
FORMATS: dict[str, dict[str, Any]] = {
    **({"avif": {"quality": 55, "speed": 10}} if features.check("avif") else {}),
    "webp": {"quality": 78, "method": 4},
}
READ = ("JPEG", "PNG", "WEBP", "GIF", *(["AVIF"] if "avif" in FORMATS else []))  # no other decoder is ever run
# A small file may unpack into much more than memory holds. A JPEG is unpacked no larger than needed.
MOST_PIXELS, MOST_PIXELS_UNPACKED = 50_000_000, 24_000_000
MOST_TIMES_AS_LONG = 4  # of one side and the other; WebP itself ends at 16,383 pixels
_TOO_MANY = gettext_lazy("This picture has too many pixels. Save it smaller: 1600 wide is plenty.")
_JPEG = {"quality": 80, "optimize": True, "progressive": True}
_NAME = re.compile(r"(?P<base>.+_(?P<width>[0-9]{1,4})x(?P<height>[0-9]{1,5}))\.jpg", re.ASCII)
_LONGEST_STEM = 40


class NotAPhotograph(ValueError):
    """Why the picture cannot be shown, and what to do."""


class Shown(NamedTuple):
    """A stored photograph. sources: the media type and the `srcset` of each modern format, the best first."""

    width: int
    height: int
    sources: list[tuple[str, list[tuple[str, int]]]]


def pixels_of(file: IO[bytes]) -> Image.Image:
    """The picture upright, in sRGB, on white, at most WIDTHS[-1] wide. Raises NotAPhotograph."""
    file.seek(0)
    try:
        picture = Image.open(file, formats=READ)
        most = MOST_PIXELS if picture.format in ("JPEG", "MPO") else min(MOST_PIXELS, MOST_PIXELS_UNPACKED)
        if picture.width * picture.height > most:
            raise NotAPhotograph(_TOO_MANY)
        if max(picture.size) > MOST_TIMES_AS_LONG * min(picture.size):
            raise NotAPhotograph(
                gettext("This picture is too long and thin for a page. Crop it: at most four times as long.")
            )
        picture.draft("RGB", (WIDTHS[-1] * 2, WIDTHS[-1] * 2))
        upright = _opaque(_in_srgb(ImageOps.exif_transpose(picture)))
    except Image.DecompressionBombError as error:
        raise NotAPhotograph(_TOO_MANY) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        if isinstance(error, NotAPhotograph):
            raise
        raise NotAPhotograph(
            gettext("This picture is damaged. Save it again as JPEG, PNG or WebP, and choose that.")
        ) from error
    if upright.width > WIDTHS[-1]:
        upright = upright.resize(_size(upright, WIDTHS[-1]), Image.Resampling.LANCZOS)
    return upright


def store(pixels: Image.Image, *, name: str, storage: Storage) -> str:
    """Write every width and format. name: where, without the size; the stored name of the JPEG comes back.

    All of them or none: raises OSError when one cannot be written, and takes away those before it.
    """
    base = f"{name}_{pixels.width}x{pixels.height}"
    files: dict[str, bytes] = {}
    for width in _widths(pixels.width):
        smaller = pixels if width == pixels.width else pixels.resize(_size(pixels, width), Image.Resampling.LANCZOS)
        for ending, options in FORMATS.items():
            files[f"{base}.{width}.{ending}"] = _encoded(smaller, ending, options)
    files[f"{base}.jpg"] = _encoded(pixels, "jpeg", _JPEG)
    written: list[str] = []
    try:
        for file, content in files.items():
            written.append(storage.save(file, ContentFile(content)))
    except OSError:
        for file in written:
            with suppress(OSError):
                storage.delete(file)
        raise
    return written[-1]


def shown(name: str) -> Shown | None:
    """The formats and widths of a stored picture; None when it is shown as it is."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    width = int(found["width"])
    sources = [
        (f"image/{ending}", [(f"{found['base']}.{size}.{ending}", size) for size in _widths(width)])
        for ending in FORMATS
    ]
    return Shown(width, int(found["height"]), sources)


def files_of(name: str) -> Iterator[str]:
    """Every file of a stored picture, itself the last."""
    found = shown(name)
    for _, files in found.sources if found else []:
        yield from (file for file, _ in files)
    yield name


class PhotographFile(ImageFieldFile):
    def save(self, name: str, content: File, save: bool = True) -> None:
        """Keep the picture in every width and format, under a name that no other has. Raises NotAPhotograph."""
        stem = slugify(PurePosixPath(name).stem)[:_LONGEST_STEM] or "picture"
        named = self.field.generate_filename(self.instance, f"{stem}-{secrets.token_hex(4)}")
        self.name = store(pixels_of(content), name=named, storage=self.storage)
        setattr(self.instance, self.field.attname, self.name)
        self._committed = True
        if save:
            self.instance.save()

    def delete(self, save: bool = True) -> None:
        for name in list(files_of(self.name))[:-1] if self.name else []:
            self.storage.delete(name)
        super().delete(save=save)


class PhotographField(models.ImageField):
    """A picture for pages. Forms check it with check_upload, so that a damaged one is refused beside its field."""

    attr_class = PhotographFile
    default_validators = [*models.ImageField.default_validators, validate_image_file_extension]


def check_upload(file: IO[bytes]) -> None:
    """Raises ValidationError with what to do when the picture cannot be shown, or kept."""
    refuse_without_room()
    try:
        pixels_of(file)
    except NotAPhotograph as error:
        raise ValidationError(str(error)) from error
    file.seek(0)


def _in_srgb(picture: Image.Image) -> Image.Image:
    """Telephones save in wider colors; without their profile these would look dull."""
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in ("RGB", "CMYK"):
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            turned = ImageCms.profileToProfile(picture, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            return picture
        return turned or picture
    return picture


def _opaque(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    ground = Image.new("RGB", layer.size, "#ffffff")
    ground.paste(layer, mask=layer.getchannel("A"))
    return ground


def _widths(width: int) -> list[int]:
    return [*(size for size in WIDTHS if size < width), width]


def _size(picture: Image.Image, width: int) -> tuple[int, int]:
    return width, max(1, round(picture.height * width / picture.width))


def _encoded(picture: Image.Image, format_name: str, options: dict[str, Any]) -> bytes:
    found = io.BytesIO()
    picture.save(found, format_name.upper(), **options)
    return found.getvalue()
