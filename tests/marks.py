"""What of the site's words is marked for translation, and a made-up language in which every marked word shows."""

import io
import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from django.conf import settings
from django.db.models import Model, SlugField
from django.utils.translation.template import templatize

ROOT = Path(settings.BASE_DIR)
KEYWORDS = dict.fromkeys(("gettext", "gettext_lazy", "_", "gettext_noop"))
KEYWORDS |= dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2))
KEYWORDS |= dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2))
KEYWORDS |= dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3))
_SILENT = ("script", "style", "pre", "code")  # pre, code: a command or a name, the same in every language
OPEN, CLOSE = "⟦", "⟧"
_READ_OUT = ("aria-label", "alt", "title", "placeholder", "label")
_CODE = re.compile(r"({%.*?%}|{{.*?}}|{#.*?#})", re.DOTALL)
_MARKED = re.compile(r"{%\s*blocktranslate.*?{%\s*endblocktranslate\s*%}", re.DOTALL)
_NOT_SHOWN = re.compile(
    r"<(script|style|svg|pre|code)\b.*?</\1>|<!--.*?-->|{%\s*block body_class\s*%}.*?{%\s*endblock\s*%}", re.DOTALL
)
_ATTRIBUTE = re.compile(
    rf'\b(?:{"|".join(_READ_OUT)}|data-words[a-z-]*)="([^"]*)"|<meta name="description" content="([^"]*)"'
)
# Words that a tag hands on: {% firstof name "Giving" %}, {% include "x.html" with title="Giving" %}.
_HANDED_ON = re.compile(r"{%\s*(?:firstof|include)\b(.*?)%}", re.DOTALL)
_LITERAL = re.compile(r'(_\()?"([^"{}]*)"')
_IS_NAME = re.compile(r"[a-z_/.-]*|#[0-9a-f]{6}")  # of a template, or of what a part of a page is to look like
_TAG = re.compile(r"<[^<>]*>")
_FILLED_IN = re.compile(r"%\(\w+\)[sd]|{\w*}")
_WORD = re.compile(r"[^\W\d_]{2,}")


def spoken_files() -> list[Path]:
    """Every file whose words somebody may read: the templates, and the code."""
    pages = [path for path in (ROOT / "templates").rglob("*.*") if path.suffix in (".html", ".txt")]
    code = [path for app in ("campaign", "matching", "donations") for path in (ROOT / app).rglob("*.py")]
    return [path for path in sorted(pages + code) if not {"migrations", "admin"} & set(path.parts)]


@cache
def messages_of(path: Path) -> list[tuple[str | tuple[str, ...], str | None]]:
    """What a template or a module has marked: a text, or one and its plural; and the context it stands in."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":  # as Python whose lines begin where they like
        text = "\n".join(line.lstrip() for line in templatize(text, origin=str(path)).splitlines())
    found = extract("python", io.BytesIO(text.encode()), keywords=KEYWORDS)
    return [(message, context) for _, message, _, context in found]


def unmarked(template: Path) -> list[str]:
    """Words of a template's page that no mark is around: between its tags, read out of them, or handed on."""
    text = _NOT_SHOWN.sub(" ", _MARKED.sub(" ", template.read_text(encoding="utf-8")))
    handed = [words for tag in _HANDED_ON.findall(text) for mark, words in _LITERAL.findall(tag) if not mark]
    text = _CODE.sub("", text)
    read_out = [found for pair in _ATTRIBUTE.findall(text) for found in pair]
    lines = _TAG.sub(" ", text).splitlines() + read_out + [words for words in handed if not _IS_NAME.fullmatch(words)]
    return [line.strip() for line in lines if _WORD.search(re.sub(r"&[a-z]+;", "", line))]


def write_made_up_language(folder: Path, paths: list[Path], *, lays_open: bool = False) -> int:
    """A compiled catalog of these files' marks, each text within ⟦⟧; how many texts it has.

    lays_open: what is put into a text stands outside of its marks, ⟦Thank you, ⟧Maria⟦⟧: so that a word without a mark
    is found there, too.
    """
    catalog = Catalog(locale="eo")
    for path in paths:
        for message, context in messages_of(path):
            one, *more = message if isinstance(message, tuple) else (message,)
            if not one:
                continue
            said = [f"{OPEN}{words}{CLOSE}" for words in (one, *more)]
            if lays_open:
                said = [_FILLED_IN.sub(rf"{CLOSE}\g<0>{OPEN}", words) for words in said]
            catalog.add((one, more[0]) if more else one, tuple(said) if more else said[0], context=context)
    target = folder / "eo" / "LC_MESSAGES"
    target.mkdir(parents=True)
    with (target / "django.mo").open("wb") as file:
        write_mo(file, catalog)
    return len(catalog)


def unmarked_in(text: str, *, content: list[str]) -> list[str]:
    """Words of an answer in the made-up language that are neither marked nor content: line by line.

    text: plain, or a page of HTML. content: what staff or donors wrote, as it stands in it.
    """
    if text.lstrip().startswith("<"):
        page = _Page()
        page.feed(text)
        text = "".join(page.said)
    depth, outside = 0, []
    for letter in text:
        depth += (letter == OPEN) - (letter == CLOSE)
        outside.append(letter if not depth and letter != CLOSE else " ")
    left = "".join(outside)
    for words in sorted(content, key=len, reverse=True):
        left = left.replace(words, " ")
    return [" ".join(line.split()) for line in left.splitlines() if _WORD.search(line)]


def content_of(*rows: Model) -> list[str]:
    """Every text that these rows hold: what staff or donors wrote."""
    found = {
        str(value)
        for row in rows
        for field in row._meta.concrete_fields
        for value in [field.value_from_object(row)]
        if isinstance(value, str) and not field.choices and not isinstance(field, SlugField)
    }
    return [line for text in found for line in {text, *text.splitlines()} if _WORD.search(line)]


class _Page(HTMLParser):
    """The words of a page, as they are seen or read out."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in _SILENT
        named = dict(attrs)
        shown = [value for name, value in attrs if name in _READ_OUT or name.startswith("data-words-")]
        if words := named.get("data-words"):  # for a script: a text, or one for each plural
            shown += json.loads(words).values() if words.startswith("{") else [words]
        if tag == "meta" and named.get("name") == "description":
            shown.append(named.get("content"))
        self.said += [f"\n{value}\n" for value in shown if value]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _SILENT
        self.said.append("\n" if tag in ("p", "h1", "h2", "h3", "li", "title", "td", "th", "dt", "dd", "a") else "")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.said.append(data)
