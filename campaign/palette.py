"""The site's colors: those of site.css, those that the organization has chosen, and the contrast of every pair in use.

site.css is complete by itself. What the organization chooses replaces some of its tokens, for light and for dark, by a
small stylesheet of its own (look_stylesheet in campaign/views.py). PAIRS names which color is ever seen on which: a
choice that makes one of them hard to read is refused, with the nearest color that would do.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from campaign.colors import NotAColor, contrast, mixed, nearest, over, plain

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Tokens = Mapping[str, tuple[str, str]]  # each token's color on light pages and on dark ones
LIGHT, DARK = 0, 1
SCHEMES = ("light", "dark")
TEXT, PART = 4.5, 3.0  # WCAG 2.2, 1.4.3 for words and 1.4.11 for parts of controls and graphics

_SITE_CSS = Path(__file__).resolve().parent / "static" / "campaign" / "site.css"
_TOKEN = re.compile(r"--([\w-]+):\s*(?:light-dark\(([^,()]+),\s*([^()]+)\)|(#[0-9a-f]+))\s*;", re.IGNORECASE)
_WHITE, _DARK_INK = "#ffffff", "#101828"


@dataclass(frozen=True)
class Choice:
    """The organization's colors, as `#rrggbb`; an empty one is the site's own, or made from its light one."""

    main: str = ""
    action: str = ""
    action_dark: str = ""
    accent: str = ""
    accent_dark: str = ""


CHOICES = tuple(field.name for field in fields(Choice))


class Paper(NamedTuple):
    """The light colors that letters, receipts and drawn pictures use."""

    main: str
    deep: str
    quiet_on_main: str
    action: str
    action_ink: str


class Pair(NamedTuple):
    """What is seen, and on what. by: the part of a Choice that decides it, empty for none.

    grounds: from the top down, as all but the last may be see-through.
    """

    words: "StrOrPromise"
    by: str
    token: str
    grounds: tuple[str, ...]
    needed: float


class Figure(NamedTuple):
    """A pair as it is on light or on dark pages."""

    pair: Pair
    scheme: int
    color: str
    ground: str
    ratio: float

    @property
    def passes(self) -> bool:
        return self.ratio >= self.pair.needed

    @property
    def ratio_text(self) -> str:
        """Never rounded up: 4.499 is not 4.5."""
        return f"{int(self.ratio * 100) / 100:.2f}"

    @property
    def needed_text(self) -> str:
        return f"{self.pair.needed:g}"

    @property
    def scheme_name(self) -> str:
        return SCHEMES[self.scheme]


def _on_pages(by: str, token: str, needed: float, *words: "StrOrPromise") -> list[Pair]:
    """What is seen on the page, on a tinted block and on a card; words: what each of these is called, in this order."""
    grounds = ("paper", "wash", "card")
    return [Pair(said, by, token, (ground,), needed) for ground, said in zip(grounds, words, strict=True)]


_TRACK = ("band-track", "navy")
PAIRS = (
    *_on_pages("", "ink", TEXT, _("words on the page"), _("words on a tinted block"), _("words on a card")),
    *_on_pages(
        "", "ink-2", TEXT, _("quiet words on the page"), _("quiet words on a tinted block"), _("quiet words on a card")
    ),
    Pair(_("words on a pill that is off"), "", "ink-2", ("line",), TEXT),
    Pair(_("the edge of a field on the page"), "", "field-line", ("paper",), PART),
    Pair(_("the edge of a field on a card"), "", "field-line", ("card",), PART),
    *_on_pages(
        "",
        "focus",
        PART,
        _("the focus ring on the page"),
        _("the focus ring on a tinted block"),
        _("the focus ring on a card"),
    ),
    *_on_pages("", "wrong", TEXT, _("an error on the page"), _("an error on a tinted block"), _("an error on a card")),
    Pair(_("words of an error notice"), "", "wrong", ("wrong-wash",), TEXT),
    Pair(_("words of a warning"), "", "held-ink", ("held-wash",), TEXT),
    Pair(_("the held part of a bar"), "", "held", ("line",), PART),
    Pair(_("words on the band"), "main", "navy-ink", ("navy",), TEXT),
    Pair(_("quiet words on the band"), "main", "navy-ink-2", ("navy",), TEXT),
    Pair(_("quiet words in the countdown"), "main", "navy-ink-2", ("band-tile", "band-veil", "navy"), TEXT),
    Pair(_("words at the foot"), "main", "navy-ink-2", ("navy-2",), TEXT),
    Pair(_("the small line above the heading"), "main", "gold", ("navy",), TEXT),
    Pair(_("the matched part of the band’s bar"), "main", "mint", _TRACK, PART),
    Pair(_("the held part of the band’s bar"), "main", "gold", _TRACK, PART),
    Pair(_("words on the button"), "action", "give-ink", ("give",), TEXT),
    Pair(_("words on the button under the pointer"), "action", "give-ink", ("give-2",), TEXT),
    Pair(_("words on the band’s button"), "action", "band-give-ink", ("band-give",), TEXT),
    Pair(_("words on the band’s button under the pointer"), "action", "band-give-ink", ("band-give-2",), TEXT),
    *_on_pages(
        "action",
        "give",
        PART,
        _("the button on the page"),
        _("the button on a tinted block"),
        _("the button on a card"),
    ),
    *_on_pages(
        "accent",
        "match",
        TEXT,
        _("links and figures on the page"),
        _("links and figures on a tinted block"),
        _("links and figures on a card"),
    ),
    Pair(_("words on the accent’s pale ground"), "accent", "match", ("match-wash",), TEXT),
    Pair(_("ticks and numbers on the accent"), "accent", "paper", ("match",), TEXT),
    Pair(_("the matched part of a bar"), "accent", "match", ("line",), PART),
)


@cache
def site_tokens() -> Tokens:
    """The colors of site.css, by their names without the dashes."""
    css = _SITE_CSS.read_text(encoding="utf-8")
    css = css[: css.index("/* Ground")]
    found: dict[str, tuple[str, str]] = {}
    for name, light, dark, both in _TOKEN.findall(css):
        try:
            found[name] = (plain((light or both).strip()), plain((dark or both).strip()))
        except NotAColor:
            continue
    return found


@lru_cache(maxsize=64)
def tokens(choice: Choice) -> Tokens:
    """All colors of the site with this choice. What is left empty is the site's own, or made to fit."""
    found = dict(site_tokens())
    if choice.main:
        found |= _of_main(choice.main)
    if choice.action:
        found |= _of_action(choice.action, choice.action_dark or _made_dark("action", choice.action))
    if choice.accent:
        found |= _of_accent(choice.accent, choice.accent_dark or _made_dark("accent", choice.accent))
    return found


def paper(choice: Choice) -> Paper:
    found = tokens(choice)
    return Paper(*(found[name][LIGHT] for name in ("navy", "navy-2", "navy-ink-2", "band-give", "band-give-ink")))


@lru_cache(maxsize=64)
def stylesheet(choice: Choice) -> str:
    """What the organization's choice changes, as CSS; empty when it changes nothing."""
    changed = {name: pair for name, pair in tokens(choice).items() if pair != site_tokens()[name]}
    if not changed:
        return ""
    light = "".join(f"--{name}:{pair[LIGHT]};" for name, pair in changed.items())
    both = "".join(f"--{name}:light-dark({pair[LIGHT]},{pair[DARK]});" for name, pair in changed.items())
    return f":root{{{light}}}\n@supports (color:light-dark(#000,#fff)){{:root{{{both}}}}}\n"


@lru_cache(maxsize=64)
def stylesheet_name(choice: Choice) -> str:
    """Changes whenever the stylesheet does; empty when there is none."""
    css = stylesheet(choice)
    return hashlib.sha256(css.encode()).hexdigest()[:16] if css else ""


def figures(choice: Choice) -> list[Figure]:
    """The contrast of every pair in use, first on light pages, then on dark ones."""
    colors = tokens(choice)
    return [_figure(pair, colors, scheme) for scheme in (LIGHT, DARK) for pair in PAIRS]


def refusals(choice: Choice) -> dict[str, str]:
    """What is wrong with a choice, a sentence by the part that is to be changed. Nothing: every pair can be read."""
    found: dict[str, str] = {}
    for field in fields(choice):
        color = getattr(choice, field.name)
        by, scheme = field.name.removesuffix("_dark"), DARK if field.name.endswith("_dark") else LIGHT
        if not color:
            continue
        if scheme == DARK and not getattr(choice, by):
            found[field.name] = gettext("Choose the color for light pages first.")
            continue
        failing = sorted(_failing(by, scheme, color), key=lambda figure: figure.ratio - figure.pair.needed)
        if failing:
            found[field.name] = _sentence(failing[0], more=len(failing) - 1, nearest=_nearest(by, scheme, color))
    return found


def _sentence(figure: Figure, *, more: int, nearest: str | None) -> str:
    found = {
        "pair": capfirst(figure.pair.words),
        "color": figure.color,
        "ground": figure.ground,
        "ratio": figure.ratio_text,
        "needed": figure.needed_text,
        "count": more,
    }
    if more:
        # Translators: pair: what is seen on what, such as: Words on the button
        failing = ngettext(
            "%(pair)s, %(color)s on %(ground)s, would have a contrast of %(ratio)s to 1; it needs %(needed)s to 1, and "
            "%(count)s other pair would fail too.",
            "%(pair)s, %(color)s on %(ground)s, would have a contrast of %(ratio)s to 1; it needs %(needed)s to 1, and "
            "%(count)s other pairs would fail too.",
            more,
        )
    else:
        # Translators: pair: what is seen on what, such as: Words on the button
        failing = gettext(
            "%(pair)s, %(color)s on %(ground)s, would have a contrast of %(ratio)s to 1; it needs %(needed)s to 1."
        )
    advice = gettext("The nearest color that passes is %(color)s.") if nearest else gettext("Choose another color.")
    return f"{failing % found} {advice % {'color': nearest}}"


def _figure(pair: Pair, colors: Tokens, scheme: int) -> Figure:
    ground = colors[pair.grounds[-1]][scheme]
    for layer in reversed(pair.grounds[:-1]):
        ground = over(colors[layer][scheme], ground)
    color = colors[pair.token][scheme]
    return Figure(pair, scheme, color, ground, contrast(color, ground))


def _failing(by: str, scheme: int, color: str) -> list[Figure]:
    """The pairs that this part of a choice decides, with this color, and that nobody could read."""
    made = {"main": _of_main, "action": lambda one: _of_action(one, one), "accent": lambda one: _of_accent(one, one)}
    colors = dict(site_tokens()) | made[by](color)
    found = (_figure(pair, colors, scheme) for pair in PAIRS if pair.by == by)
    # The band's button has the light color on dark pages too.
    return [one for one in found if not one.passes and (scheme == LIGHT or "band" not in one.pair.token)]


def _nearest(by: str, scheme: int, color: str) -> str | None:
    return nearest(color, lambda tried: not _failing(by, scheme, tried))


def _made_dark(by: str, color: str) -> str:
    """The same color as light as dark pages need it; the site's own where no lightness does."""
    own = {"action": "give", "accent": "match"}[by]
    return _nearest(by, DARK, color) or site_tokens()[own][DARK]


def _of_main(main: str) -> dict[str, tuple[str, str]]:
    deep = mixed(main, "#000000", 0.42)
    made = {
        "navy": plain(main),
        "navy-2": deep,
        "navy-ink-2": mixed(main, "#f5f7fb", 0.8),
        "band-glow": mixed(main, _WHITE, 0.25) + "1f",
        "band-veil": deep + "80",
    }
    return {name: (color, color) for name, color in made.items()}


def _of_action(light: str, dark: str) -> dict[str, tuple[str, str]]:
    ink, dark_ink = _ink_on(light), _ink_on(dark)
    hover = _further(light, ink)
    return {
        "give": (plain(light), plain(dark)),
        "give-2": (hover, _further(dark, dark_ink)),
        "give-ink": (ink, dark_ink),
        "band-give": (plain(light), plain(light)),
        "band-give-2": (hover, hover),
        "band-give-ink": (ink, ink),
    }


def _of_accent(light: str, dark: str) -> dict[str, tuple[str, str]]:
    own = site_tokens()
    return {
        "match": (plain(light), plain(dark)),
        "match-wash": (mixed(light, own["paper"][LIGHT], 0.88), mixed(dark, own["paper"][DARK], 0.8)),
    }


def _ink_on(color: str) -> str:
    return _WHITE if contrast(_WHITE, color) >= contrast(_DARK_INK, color) else _DARK_INK


def _further(color: str, ink: str) -> str:
    """The color under the pointer: away from its words, so that these stay as clear."""
    return mixed(color, "#000000", 0.18) if ink == _WHITE else mixed(color, _WHITE, 0.25)
