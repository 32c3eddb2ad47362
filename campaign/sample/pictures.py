"""The illustrations: SVG in the repository, WebP on the pages, since only pictures of pixels can be uploaded."""

import io
from pathlib import Path

import typst
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image

FOLDER = Path(__file__).resolve().parent / "pictures"
WIDTH, HEIGHT = 1600, 1000
_PAGE = f'#page(width: {WIDTH}pt, height: {HEIGHT}pt, margin: 0pt, image("NAME", width: {WIDTH}pt, height: {HEIGHT}pt))'


def store_all() -> dict[str, str]:
    """Paint every illustration and store it; where each lies in the media folder, by its name.

    The same name each time: a database that is filled again uses the same files. About 1.5 s.
    """
    drawings = sorted(FOLDER.glob("*.svg"))
    return {
        drawing.stem: _store(drawing.stem, pixels) for drawing, pixels in zip(drawings, _paint(drawings), strict=True)
    }


def _paint(drawings: list[Path]) -> list[bytes]:
    """PNG of each drawing, in order: one page each of one typst document."""
    document = "\n".join(_PAGE.replace("NAME", f"/{drawing.name}") for drawing in drawings)
    painted = typst.compile(document.encode(), root=str(FOLDER), format="png", ppi=72.0)
    return painted if isinstance(painted, list) else [painted]


def _store(name: str, png: bytes) -> str:
    webp = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(webp, "WEBP", quality=80, method=4)
    path = f"sample/{name}.webp"
    if default_storage.exists(path):
        default_storage.delete(path)
    return default_storage.save(path, ContentFile(webp.getvalue()))
