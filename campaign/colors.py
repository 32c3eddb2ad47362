"""Colors as numbers: contrast as WCAG 2.2 defines it, one color over another, and the nearest that passes a test.

A color is text, `#rrggbb` or `#rrggbbaa`; what comes back is always `#rrggbb`.
Sources: WCAG 2.2, relative luminance and contrast ratio; Ottosson, "A perceptual color space for image processing"
(OKLab), whose lightness is changed without changing what the color is called.
"""

import re
from collections.abc import Callable

Numbers = tuple[float, float, float]

_COLOR = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{4}|[0-9a-f]{6}|[0-9a-f]{8})", re.IGNORECASE | re.ASCII)
_STEPS = 250  # of lightness, from black to white


class NotAColor(ValueError):
    """Not written as #rrggbb."""


def plain(color: str) -> str:
    """The color as `#rrggbb` or `#rrggbbaa` in small letters. Raises NotAColor."""
    if not _COLOR.fullmatch(color):
        raise NotAColor(color[:20])
    digits = color[1:].lower()
    return f"#{digits}" if len(digits) > 4 else "#" + "".join(digit * 2 for digit in digits)


def contrast(one: str, other: str) -> float:
    """From 1.0 (none) to 21.0 (black on white), in either order."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def over(top: str, ground: str) -> str:
    """What is seen where `top`, which may be see-through, lies over an opaque ground."""
    digits = plain(top)[7:]
    return mixed(ground, top, int(digits, 16) / 255 if digits else 1.0)


def mixed(one: str, other: str, share: float) -> str:
    """The first color with this share (0 to 1) of the other in it."""
    red, green, blue = (a + (b - a) * share for a, b in zip(_numbers(one), _numbers(other), strict=True))
    return _text((red, green, blue))


def nearest(color: str, passes: Callable[[str], bool]) -> str | None:
    """The color itself if it passes, else the one nearest to it in lightness that does; None when none does."""
    if passes(color):
        return plain(color)
    lightness, green_red, blue_yellow = _to_oklab(_numbers(color))
    for step in sorted(range(_STEPS + 1), key=lambda number: abs(number / _STEPS - lightness)):
        # Near black and white there is room for less of a hue; what does not fit is cut off.
        tried = _text(_from_oklab((step / _STEPS, green_red, blue_yellow)))
        if passes(tried):
            return tried
    return None


def _luminance(color: str) -> float:
    red, green, blue = (_linear(part) for part in _numbers(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _numbers(color: str) -> Numbers:
    digits = plain(color)
    return (int(digits[1:3], 16) / 255, int(digits[3:5], 16) / 255, int(digits[5:7], 16) / 255)


def _text(numbers: Numbers) -> str:
    return "#" + "".join(f"{round(min(max(part, 0), 1) * 255):02x}" for part in numbers)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _gamma(part: float) -> float:
    return part * 12.92 if part <= 0.0031308 else float(1.055 * part ** (1 / 2.4) - 0.055)


def _to_oklab(numbers: Numbers) -> Numbers:
    red, green, blue = (_linear(part) for part in numbers)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def _from_oklab(lab: Numbers) -> Numbers:
    lightness, green_red, blue_yellow = lab
    long = (lightness + 0.3963377774 * green_red + 0.2158037573 * blue_yellow) ** 3
    medium = (lightness - 0.1055613458 * green_red - 0.0638541728 * blue_yellow) ** 3
    short = (lightness - 0.0894841775 * green_red - 1.2914855480 * blue_yellow) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    return (_gamma(max(red, 0)), _gamma(max(green, 0)), _gamma(max(blue, 0)))
