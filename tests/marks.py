"""What of the site's words is marked for translation, and a made-up language in which every marked word shows."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from django.conf import settings
from django.utils.translation.template import templatize

ROOT = Path(settings.BASE_DIR)
KEYWORDS = dict.fromkeys(("gettext", "gettext_lazy", "_", "gettext_noop"))
KEYWORDS |= {"ngettext": (1, 2), "pgettext": ((1, "c"), 2), "npgettext": ((1, "c"), 2, 3)}
OPEN, CLOSE = "⟦", "⟧"
_CODE = re.compile(r"({%.*?%}|{{.*?}}|{#.*?#})", re.DOTALL)
_MARKED = re.compile(r"{%\s*blocktranslate.*?{%\s*endblocktranslate\s*%}", re.DOTALL)
_NOT_SHOWN = re.compile(
    r"<(script|style|svg)\b.*?</\1>|<!--.*?-->|{%\s*block body_class\s*%}.*?{%\s*endblock\s*%}", re.DOTALL
)
_TAG = re.compile(r"<[^<>]*>")
_WORD = re.compile(r"[A-Za-z]{2,}")


def messages_of(path: Path) -> Iterator[tuple[str | tuple[str, ...], str | None]]:
    """What a template or a module has marked: a text, or one and its plural; and the context it stands in."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":  # as Python whose lines begin where they like
        text = "\n".join(line.lstrip() for line in templatize(text, origin=str(path)).splitlines())
    for _, message, _, context in extract("python", io.BytesIO(text.encode()), keywords=KEYWORDS):
        yield message, context


def unmarked(template: Path) -> list[str]:
    """Words of a template's page that no mark is around."""
    text = _NOT_SHOWN.sub(" ", _MARKED.sub(" ", template.read_text(encoding="utf-8")))
    shown = _TAG.sub(" ", _CODE.sub("", text))
    return [line.strip() for line in shown.splitlines() if _WORD.search(re.sub(r"&[a-z]+;", "", line))]


def write_made_up_language(folder: Path, paths: list[Path]) -> int:
    """A compiled catalog of these files' marks, each text within ⟦⟧; how many texts it has."""
    catalog = Catalog(locale="eo")
    for path in paths:
        for message, context in messages_of(path):
            one, *more = message if isinstance(message, tuple) else (message,)
            if not one:
                continue
            said = f"{OPEN}{one}{CLOSE}"
            plural = (said, f"{OPEN}{more[0]}{CLOSE}") if more else said
            catalog.add((one, more[0]) if more else one, plural, context=context)
    target = folder / "eo" / "LC_MESSAGES"
    target.mkdir(parents=True)
    with (target / "django.mo").open("wb") as file:
        write_mo(file, catalog)
    return len(catalog)
