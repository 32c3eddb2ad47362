"""One part of a page as visitors would see it, made of a form that nobody has saved: for staff who are writing it."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from campaign.models import Section, SectionItem


def answer(
    request: HttpRequest,
    *,
    part: Section | None,
    form_class: "type[forms.ModelForm[Section]]",
    item_form: "type[forms.ModelForm[SectionItem]]",
) -> HttpResponse:
    """Show what was sent, as far as it can be read. part: the row that is being changed, or None for a new one.

    Nothing is written. Pictures are those that were saved before: files are not sent while somebody types.
    """
    form = form_class(request.POST, instance=part)
    form.is_valid()  # what can be read stands in its instance, also beside mistakes
    shown: Section = form.instance
    shown.shown_items = _items(request, part=part, item_form=item_form)
    shown.pk = shown.pk or 0
    missing = [words for name, words in Section.needs(shown.kind).items() if not getattr(shown, name)]
    page = shown.fund or shown.story
    context: dict[str, Any] = {
        "section": shown,
        "fund": shown.fund or (shown.story.fund if shown.story else None),
        "takes_gifts": True,
        "missing": missing if shown.kind else ["Choose what kind of part it is."],
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
    kept = [row for row in formset.forms if not getattr(row, "cleaned_data", {}).get("DELETE")]
    written = [row.instance for row in kept if row.instance.pk or row.has_changed()]
    return sorted(written, key=lambda item: item.position or 0)
