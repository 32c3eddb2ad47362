"""The picture that a shared link shows: who, what for, and how far it has come by this moment."""

import io
from pathlib import Path

from django.conf import settings
from PIL import Image, ImageDraw, ImageFont

from campaign.colors import over
from campaign.palette import Paper

SIZE = (1200, 630)
_FONTS = Path(settings.BASE_DIR) / "templates" / "receipts" / "fonts"
_SERIF, _SANS, _SANS_BOLD = "Fraunces_600SemiBold.ttf", "PublicSans_400Regular.ttf", "PublicSans_600SemiBold.ttf"
_WHITE, _GOLD, _MINT, _TRACK = "#f5f7fb", "#ffc46b", "#4fd0c0", "#ffffff2e"
_LEFT, _RIGHT = 72, 1128
_MOST_LINES = 3
_LOGO = (300, 84)  # at most


def share_picture(
    *, who: str, title: str, sum_text: str, beside_text: str, share: float | None, look: Paper, logo: bytes | None
) -> bytes:
    """A PNG of SIZE. sum_text: such as $53,455, empty when there is nothing to tell. share: of the goal, 0 to 1.

    logo: as campaign/logos.py draws it, on a white plate; without one two circles stand there.
    """
    picture = Image.new("RGB", SIZE, look.main)
    draw = ImageDraw.Draw(picture)
    draw.polygon([(0, 630), (1200, 180), (1200, 630)], fill=look.deep)
    right = _plate(picture, draw, logo) if logo else _circles(draw, look)
    bold = _font(_SANS_BOLD, 34)
    draw.text((_LEFT, 74), _cut(who, font=bold, width=right - 32 - _LEFT), font=bold, fill=_GOLD)
    font = _font(_SERIF, 72)
    lines = _lines(title, font=font, width=_RIGHT - _LEFT)
    for number, line in enumerate(lines):
        draw.text((_LEFT, 150 + 84 * number), line, font=font, fill=_WHITE)
    if sum_text:
        _progress(draw, sum_text=sum_text, beside_text=beside_text, share=share, look=look)
    found = io.BytesIO()
    picture.quantize(128 if logo else 64, dither=Image.Dither.NONE).save(found, "PNG", optimize=True)
    return found.getvalue()


def _circles(draw: ImageDraw.ImageDraw, look: Paper) -> float:
    """The two circles of the site's own mark; where they begin."""
    draw.ellipse((1016, 60, 1084, 128), fill=look.action)
    draw.ellipse((1056, 60, 1124, 128), fill=_GOLD)
    return 1016


def _plate(picture: Image.Image, draw: ImageDraw.ImageDraw, logo: bytes) -> float:
    """The logo in the corner; where its plate begins."""
    pixels = Image.open(io.BytesIO(logo)).convert("RGBA")
    pixels.thumbnail(_LOGO, Image.Resampling.LANCZOS)
    left, top = _RIGHT - pixels.width, 94 - pixels.height // 2
    draw.rounded_rectangle((left - 20, top - 16, _RIGHT + 20, top + pixels.height + 16), 16, fill="#ffffff")
    picture.paste(pixels, (left, top), pixels)
    return left - 20


def _progress(draw: ImageDraw.ImageDraw, *, sum_text: str, beside_text: str, share: float | None, look: Paper) -> None:
    font = _font(_SERIF, 84)
    draw.text((_LEFT, 520), sum_text, font=font, fill=_WHITE, anchor="ls")
    beside = _font(_SANS, 34)
    left = _LEFT + font.getlength(sum_text) + 28
    draw.text(
        (left, 520),
        _cut(beside_text, font=beside, width=_RIGHT - left),
        font=beside,
        fill=look.quiet_on_main,
        anchor="ls",
    )
    if share is not None:
        draw.rounded_rectangle((_LEFT, 548, _RIGHT, 572), 12, fill=over(_TRACK, look.main))
        if share > 0:
            draw.rounded_rectangle((_LEFT, 548, _LEFT + max(24, (_RIGHT - _LEFT) * min(share, 1)), 572), 12, fill=_MINT)


def _lines(text: str, *, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """The text in lines of this width, _MOST_LINES at most; what does not fit is cut."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], " ".join(lines[_MOST_LINES - 1 :])]
    return [_cut(line, font=font, width=width) for line in lines]


def _cut(text: str, *, font: ImageFont.FreeTypeFont, width: float) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1].rstrip()
    return f"{text}…"


def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_FONTS / name), size)
