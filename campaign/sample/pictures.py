"""The illustrations: SVG in the repository, WebP on the pages, since only pictures of pixels can be uploaded."""

import io
from pathlib import Path

import typst
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image

FOLDER = Path(__file__).resolve().parent / "pictures"


def store_all() -> dict[str, str]:
    """Paint every illustration and store it; where each lies in the media folder, by its name.

    The same name each time: a database that is filled again uses the same files.
    """
    names = sorted(drawing.stem for drawing in FOLDER.glob("*.svg"))
    return {name: _store(name, webp) for name, webp in zip(names, paint(names), strict=True)}


def paint(names: list[str]) -> list[bytes]:
    """The drawings of these names as WebP, 1200 by 800 pixels, in this order."""
    pages = typst.compile(
        FOLDER / "page.typ", root=FOLDER, format="png", ppi=72.0, sys_inputs={"names": " ".join(names)}
    )
    return [_as_webp(png) for png in (pages if isinstance(pages, list) else [pages])]


def _as_webp(png: bytes) -> bytes:
    webp = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(webp, "WEBP", quality=80, method=3)
    return webp.getvalue()


def _store(name: str, webp: bytes) -> str:
    path = f"sample/{name}.webp"
    if default_storage.exists(path):
        default_storage.delete(path)
    return default_storage.save(path, ContentFile(webp))
