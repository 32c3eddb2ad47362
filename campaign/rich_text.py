"""Words with headings, lists and links, as staff write them: kept as a little HTML, or as plain text with blank lines.

What is kept is cleaned when it is saved, by the field itself, and again when a page shows it: neither the editor in the
browser nor a row from elsewhere is trusted. Plain text stays as it was typed, and is never read as HTML.
"""

import re
from itertools import groupby
from typing import Any

import nh3
from django import forms
from django.db import models
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_TAGS = {"p", "br", "strong", "em", "a", "h2", "ul", "ol", "li", "blockquote"}
_SCHEMES = {"https", "http", "mailto", "tel"}
_BEGINS_RICH = re.compile(r"\s*<(div|p|h2|ul|ol|blockquote)\b[^>]*>", re.IGNORECASE)
_DIV = re.compile(r"<div>(.*?)</div>", re.DOTALL)
_BREAKS = re.compile(r"(?:<br>\s*){2,}")
_AT_A_BEGINNING = re.compile(
    r"((?:<(?:strong|em)>)+)((?:<br>)+)"
)  # a break within bold words, which is no part of them
_AT_AN_END = re.compile(r"((?:<br>)+)((?:</(?:strong|em|a)>)+)")
_AROUND = re.compile(r"^(?:<br>|\s)+|(?:<br>|\s)+$")
_EMPTY = re.compile(r"<(p|h2|li|blockquote)>(?:\s|<br>|&nbsp;|\xa0)*</\1>")
_BETWEEN = re.compile(r"(</(?:p|h2|ul|ol|blockquote)>)\s+")
_RUN_OF_PARAGRAPHS = re.compile(r"(?:<p>.*?</p>)+", re.DOTALL)


def is_rich(text: str) -> bool:
    """Whether it is HTML of the editor: that always begins with a block."""
    return _BEGINS_RICH.match(text) is not None


def stored(text: str) -> str:
    """As it is kept: HTML with nothing but what _TAGS allows, or plain text as it was typed; empty without words."""
    return cleaned(text) if is_rich(text) else text


def cleaned(html: str) -> str:
    """HTML of the editor or of anybody, with only what pages allow. The editor's lines become paragraphs."""
    found = _DIV.sub(_paragraphs_of, _allowed(html, _TAGS | {"div"}))
    found = _EMPTY.sub("", _allowed(found, _TAGS)).strip()
    if not is_rich(found):  # what stood around it was taken out
        found = _EMPTY.sub("", _allowed(f"<p>{found}</p>", _TAGS)).strip()
    return found if nh3.clean(found, tags=set()).strip() else ""


def as_html(text: str) -> SafeString:
    """As pages show it, whichever of the two it is."""
    return SafeString(cleaned(text)) if is_rich(text) else _plain_as_html(text)


def for_editor(text: str) -> str:
    """HTML as the editor reads it: it knows lines, where pages have paragraphs."""
    html = _BETWEEN.sub(r"\1", str(as_html(text)))
    return _RUN_OF_PARAGRAPHS.sub(_lines_of, html)


def _lines_of(found: re.Match[str]) -> str:
    paragraphs = found[0].removeprefix("<p>").removesuffix("</p>").split("</p><p>")
    return f"<div>{'<br><br>'.join(paragraph.strip() for paragraph in paragraphs)}</div>"


def _allowed(html: str, tags: set[str]) -> str:
    return nh3.clean(html, tags=tags, attributes={"a": {"href"}}, url_schemes=_SCHEMES, link_rel="noopener")


def _paragraphs_of(found: re.Match[str]) -> str:
    lines = _AT_AN_END.sub(r"\2\1", _AT_A_BEGINNING.sub(r"\2\1", found[1]))
    return "".join(f"<p>{_AROUND.sub('', part)}</p>" for part in _BREAKS.split(lines))


def _plain_as_html(text: str) -> SafeString:
    """Paragraphs parted by empty lines; `## ` starts a heading, lines with `- ` make a list. Everything is escaped."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")) if block.strip()]
    return format_html_join("\n", "{}", ((_block(block),) for block in blocks))


def _block(block: str) -> SafeString:
    parts = [_part(kind, list(lines)) for kind, lines in groupby(block.split("\n"), key=_kind)]
    return format_html_join("\n", "{}", ((part,) for part in parts))


def _kind(line: str) -> str:
    return "heading" if line.startswith("## ") else "list" if line.startswith(("- ", "• ")) else "text"


def _part(kind: str, lines: list[str]) -> SafeString:
    if kind == "heading":
        return format_html_join("\n", "<h2>{}</h2>", ((line[3:].strip(),) for line in lines))
    if kind == "list":
        items = format_html_join("", "<li>{}</li>", ((line[2:].strip(),) for line in lines))
        return format_html("<ul>{}</ul>", items)
    return format_html("<p>{}</p>", format_html_join("", "{} ", ((line.strip(),) for line in lines)))


class RichTextFormField(forms.CharField):
    def clean(self, value: Any) -> str:
        """Cleaned before anything else is asked of it: an editor that holds no words holds nothing."""
        return super().clean(stored(value) if isinstance(value, str) else value)


class RichTextField(models.TextField):
    """A text that is cleaned whenever it is saved, whoever saves it."""

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": RichTextFormField, **kwargs})

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        text = stored(getattr(model_instance, self.attname) or "")
        setattr(model_instance, self.attname, text)
        return text

    def deconstruct(self) -> Any:
        """The column is a text like any other."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs


class RichTextArea(forms.Textarea):
    """The editor, where there is JavaScript; else the text or the HTML itself."""

    class Media:
        css = {"all": ["campaign/vendor/trix/trix.css", "campaign/rich-text.css"]}
        js = ["campaign/vendor/trix/trix.umd.min.js", "campaign/rich-text.js"]

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"rows": 10, "cols": 80, "data-rich-text": "", **(attrs or {})})

    def format_value(self, value: Any) -> str | None:
        return for_editor(value) if isinstance(value, str) and value else super().format_value(value)
