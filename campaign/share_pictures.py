"""The picture that a shared link shows: who, what for, and how far it has come by this moment.

typst sets it with the fonts of the receipts and no others, so that words of any script that these have (Latin, Greek,
Cyrillic, Hebrew, Arabic, Chinese, Japanese, Korean and some more) stand as they are read, right to left where they are.
"""

import io
import json
import threading
import unicodedata
from functools import cache
from pathlib import Path

import typst
from django.conf import settings
from PIL import Image

from campaign.colors import over
from campaign.font_coverage import covered_characters
from campaign.palette import Paper

SIZE = (1200, 630)
_TEMPLATES = Path(settings.BASE_DIR) / "templates"
_FONTS = _TEMPLATES / "receipts" / "fonts"
_TRACK = "#ffffff2e"
_LOGO = (300, 84)  # at most

_turn = threading.Lock()  # one thread at a time uses the compiler, which keeps what it has learnt


def share_picture(
    *, who: str, title: str, sum_text: str, beside_text: str, share: float | None, look: Paper, logo: bytes | None
) -> bytes:
    """A PNG of SIZE. sum_text: such as $53,455, empty when there is nothing to tell. share: of the goal, 0 to 1.

    logo: as campaign/logos.py draws it, on a white plate; without one two circles stand there.
    A character that no font of ours has is left out: an empty box says nothing to anybody.
    """
    width, height = _logo_size(logo) if logo else (0, 0)
    said = {
        "who": _known(who),
        "title": _known(title),
        "sum": _known(sum_text),
        "beside": _known(beside_text),
        "who_turns": _reads_from_right(who),
        "title_turns": _reads_from_right(title),
        "share": share,
        "main": look.main,
        "deep": look.deep,
        "action": look.action,
        "quiet": look.quiet_on_main,
        "track": over(_TRACK, look.main),
        "logo_width": width,
        "logo_height": height,
    }
    with _turn:
        drawn = _compiler().compile(
            format="png", ppi=72.0, sys_inputs={"said": json.dumps(said), "logo": json.dumps(list(logo or b""))}
        )
    if not isinstance(drawn, bytes):  # pragma: no cover - it is one page
        raise TypeError("typst gave no picture")
    found = io.BytesIO()
    picture = Image.open(io.BytesIO(drawn)).convert("RGB")
    picture.quantize(128 if logo else 64, dither=Image.Dither.NONE).save(found, "PNG", optimize=True)
    return found.getvalue()


@cache
def _compiler() -> typst.Compiler:
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(_FONTS)])
    return typst.Compiler(
        input=str(_TEMPLATES / "campaign" / "share_picture.typ"), root=str(_TEMPLATES), font_paths=fonts
    )


@cache
def _covered() -> frozenset[str]:
    return frozenset().union(*(covered_characters(path) for path in _FONTS.glob("*.ttf")))


def _known(text: str) -> str:
    return " ".join("".join(character if character in _covered() else " " for character in text).split())


def _reads_from_right(text: str) -> bool:
    """By its first letter that has a direction (Unicode's bidirectional algorithm, P2 and P3)."""
    turns = (unicodedata.bidirectional(character) for character in text)
    return next((turn in ("R", "AL") for turn in turns if turn in ("L", "R", "AL")), False)


def _logo_size(logo: bytes) -> tuple[int, int]:
    pixels = Image.open(io.BytesIO(logo))
    pixels.thumbnail(_LOGO)
    return pixels.size
