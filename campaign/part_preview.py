"""One part of a page as visitors would see it, made of a form that nobody has saved: for staff who are writing it."""

import re
from typing import Any

from django import forms
from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext

from campaign.models import Section, SectionItem

# What part-preview.js sends for a file that is chosen and not saved: an address that holds in that browser alone.
CHOSEN = "chosen:"
_IN_BROWSER = re.compile(r"blob:https?://[a-z0-9.:\[\]-]{1,260}/[a-f0-9-]{1,60}", re.ASCII)


class ChosenPicture:
    """A picture that only the browser has, in the place of a stored one: shown as it is, under its address there."""

    name = ""
    storage = default_storage

    def __init__(self, url: str) -> None:
        self.url = url


def answer(
    request: HttpRequest,
    *,
    part: Section | None,
    form_class: "type[forms.ModelForm[Section]]",
    item_form: "type[forms.ModelForm[SectionItem]]",
) -> HttpResponse:
    """Show what was sent, as far as it can be read. part: the row that is being changed, or None for a new one.

    Nothing is written. Files are not sent while somebody types: a picture that was just chosen is shown from where the
    browser has it, every other one as it was saved.
    """
    form = form_class(request.POST, instance=part)
    form.is_valid()  # what can be read stands in its instance, also beside mistakes
    shown: Section = form.instance
    shown.shown_items = _items(request, part=part, item_form=item_form)
    _show_chosen(request, shown, field="picture")
    shown.pk = shown.pk or 0
    missing = [words for name, words in Section.needs(shown.kind).items() if not getattr(shown, name)]
    page = shown.fund or shown.story
    context: dict[str, Any] = {
        "section": shown,
        "fund": shown.fund or (shown.story.fund if shown.story else None),
        "takes_gifts": True,
        "missing": missing if shown.kind else [gettext("Choose what kind of part it is.")],
        "page": page,
    }
    return render(request, "campaign/part_preview.html", context)


def _items(
    request: HttpRequest, *, part: Section | None, item_form: "type[forms.ModelForm[SectionItem]]"
) -> list[SectionItem]:
    """The part's items as they were sent, in order, without those to be deleted."""
    formset_class = forms.inlineformset_factory(
        Section, SectionItem, form=item_form, fields=["position", "title", "text", "picture", "picture_alt"]
    )
    formset = formset_class(request.POST, instance=part or Section())
    if not formset.management_form.is_valid():
        return []
    formset.is_valid()
    written = []
    for row in formset.forms:
        has_picture = _show_chosen(request, row.instance, field=f"{row.prefix}-picture")
        is_deleted = getattr(row, "cleaned_data", {}).get("DELETE")
        if not is_deleted and (row.instance.pk or row.has_changed() or has_picture):
            written.append(row.instance)
    return sorted(written, key=lambda item: item.position or 0)


def _show_chosen(request: HttpRequest, row: Section | SectionItem, *, field: str) -> bool:
    """Put the picture that is chosen in this field, if there is one, in the place of the row's own."""
    url = request.POST.get(f"{CHOSEN}{field}", "")
    if not _IN_BROWSER.fullmatch(url):
        return False
    vars(row)["picture"] = ChosenPicture(url)  # where the field keeps its file
    return True
