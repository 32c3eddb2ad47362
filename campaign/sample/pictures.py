"""The illustrations: SVG in the repository, pixels on the pages, since only pictures of pixels can be uploaded."""

import io
from pathlib import Path

import typst
from django.core.files.storage import default_storage
from PIL import Image

from campaign import photographs

FOLDER = Path(__file__).resolve().parent / "pictures"


def store_all() -> dict[str, str]:
    """Paint every illustration and store it; where each lies in the media folder, by its name.

    The same name each time: a database that is filled again uses the same files.
    """
    names = sorted(drawing.stem for drawing in FOLDER.glob("*.svg"))
    return {name: _store(name, picture) for name, picture in zip(names, paint(names), strict=True)}


def paint(names: list[str]) -> list[Image.Image]:
    """The drawings of these names, 1200 by 800 pixels, in this order."""
    pages = typst.compile(
        FOLDER / "page.typ", root=FOLDER, format="png", ppi=72.0, sys_inputs={"names": " ".join(names)}
    )
    return [Image.open(io.BytesIO(png)).convert("RGB") for png in (pages if isinstance(pages, list) else [pages])]


def _store(name: str, picture: Image.Image) -> str:
    path = f"sample/{name}"
    for file in photographs.files_of(f"{path}_{picture.width}x{picture.height}.jpg"):
        default_storage.delete(file)
    return photographs.store(picture, name=path, storage=default_storage)
