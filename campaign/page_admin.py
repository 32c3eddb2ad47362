"""Where staff write the pages of funds and stories, part by part. Registered in admin.py."""

from typing import Any
from urllib.parse import urlencode

import reversion
from csp.constants import NONCE
from csp.decorators import csp_update
from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_POST
from reversion.admin import VersionAdmin

from campaign import part_preview, uploads
from campaign.amount_fields import MinorUnitsField
from campaign.models import Campaign, Fund, FundPreset, Section, SectionItem, Story
from campaign.photographs import check_upload
from campaign.rich_text import RichTextArea

ONE_LINE = forms.TextInput(attrs={"size": 80})
FEW_LINES = forms.Textarea(attrs={"rows": 3, "cols": 80})
IN_A_CELL = forms.Textarea(attrs={"rows": 3, "cols": 22})
PICTURE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif")
LARGEST_PICTURE_BYTES = 8_000_000
_WHAT_KINDS_USE = [
    (gettext_lazy("Introduction or text"), gettext_lazy("heading, body")),
    (gettext_lazy("Figures"), gettext_lazy("heading, body, items with number and words, closing")),
    (
        gettext_lazy("Picture"),
        gettext_lazy("picture with its description and caption; heading, body and closing around it"),
    ),
    (
        gettext_lazy("Picture with text"),
        gettext_lazy("picture with its description and caption; heading and body beside it"),
    ),
    (gettext_lazy("Imagine"), gettext_lazy("heading, body, items with words, closing")),
    (gettext_lazy("Quotation"), gettext_lazy("body: what was said; closing: who said it; a portrait if there is one")),
    (gettext_lazy("Featured story"), gettext_lazy("the story; heading and body above it")),
    (gettext_lazy("Gallery"), gettext_lazy("heading, items with picture, description and caption")),
    (
        gettext_lazy("Video"),
        gettext_lazy(
            "heading: what it is called; the video’s address; the picture shown until it plays; closing: what is said"
        ),
    ),
    (gettext_lazy("Questions"), gettext_lazy("heading, items with question and answer")),
    (gettext_lazy("Appeal"), gettext_lazy("heading, body; the button is added")),
]
_ABOUT_ALT = gettext_lazy(
    "What the picture shows, in a sentence, for people who cannot see it. Required with a picture."
)
_ABOUT_TIMES = gettext_lazy("Dates and times are those of the campaign.")


# A version is a page with all its parts, whichever of them was saved: so it is restored whole.
reversion.register(Fund, follow=["sections", "presets"])
reversion.register(FundPreset)
reversion.register(Story, follow=["sections"])
reversion.register(Section, follow=["items", "fund", "story"])
reversion.register(SectionItem)
_FORMS_OF_VERSIONS = {"revert": "reversion/revision_form.html", "recover": "reversion/recover_form.html"}


class SaysWhenThereIsNoRoom(admin.ModelAdmin):
    """A picture that the disk does not take is refused beside its field; stands before other base classes."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        inherited = super().changeform_view
        return uploads.answered(request, lambda: inherited(request, object_id, form_url, extra_context))


class InCampaignTime(admin.ModelAdmin):
    """Moments are read and written in the campaign's own time zone, not in UTC."""

    def campaign_of(self, obj: Any) -> Campaign | None:
        return Campaign.objects.current()

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        campaign = self.campaign_of(self.get_object(request, object_id) if object_id else None)
        with timezone.override(campaign.tz if campaign else Campaign().tz):
            response = super().changeform_view(request, object_id, form_url, extra_context)
            if not isinstance(response, TemplateResponse):
                return response
            # A version's form, too, must be rendered here: its moments would be written in UTC and read in ours.
            kinds = [kind for kind in _FORMS_OF_VERSIONS if (extra_context or {}).get(kind)]
            if kinds:
                response.template_name = _FORMS_OF_VERSIONS[kinds[0]]
            return response.render()


class WithRichText(admin.ModelAdmin):
    """Pages with the editor: it puts style elements of its own into the page, under a nonce."""

    @method_decorator(csp_update({"style-src": [NONCE]}))
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), "has_rich_text": True})


def preview_address(page: Fund | Story) -> str:
    """Where staff see a page with its drafts."""
    return f"{reverse('staff-preview')}?{urlencode({'page': page.get_absolute_url()})}"


class PictureForm(forms.ModelForm):
    """A form with a picture: its alternative text is asked for beside the field that lacks it."""

    def clean_picture(self) -> Any:
        """Donors on a phone would wait for a picture straight from a camera.

        And only pictures that browsers show: by its name a file may be served as a PDF or PostScript.
        """
        picture = self.cleaned_data.get("picture")
        if "picture" in self.changed_data and picture and not picture.name.lower().endswith(PICTURE_ENDINGS):
            raise ValidationError(gettext("Choose a picture whose name ends in .jpg, .png, .webp, .avif or .gif."))
        if "picture" in self.changed_data and picture and picture.size > LARGEST_PICTURE_BYTES:
            raise ValidationError(
                gettext(
                    "This picture has %(size)s MB. Make it smaller, at most %(most)s MB; 1600 pixels wide is plenty."
                )
                % {"size": f"{picture.size / 1000000.0:.0f}", "most": f"{LARGEST_PICTURE_BYTES / 1000000.0:.0f}"}
            )
        if "picture" in self.changed_data and picture:
            check_upload(picture)
        return picture

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("picture") and not cleaned.get("picture_alt"):
            self.add_error("picture_alt", gettext("Describe the picture for people who cannot see it."))
        return cleaned


class SectionForm(PictureForm):
    """A part on its own page. In the list of a page's parts it may be begun without its picture or story."""

    class Meta:
        widgets = {"heading": ONE_LINE, "body": RichTextArea, "closing": RichTextArea, "picture_alt": ONE_LINE}
        help_texts = {"picture_alt": _ABOUT_ALT}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        for name, words in Section.needs(cleaned.get("kind", "")).items():
            if not cleaned.get(name) and name not in self.errors:
                self.add_error(name, words)
        return cleaned


class PageForm(PictureForm):
    class Meta:
        widgets = {"summary": FEW_LINES, "picture_alt": ONE_LINE, "picture_caption": ONE_LINE, "title": ONE_LINE}
        help_texts = {"picture_alt": _ABOUT_ALT}


class ItemForm(PictureForm):
    class Meta:
        widgets = {"title": forms.TextInput(attrs={"size": 18}), "text": IN_A_CELL, "picture_alt": IN_A_CELL}


class SectionItemInline(admin.TabularInline):
    model = SectionItem
    form = ItemForm
    extra = 0
    fields = ["position", "title", "text", "picture", "picture_alt"]
    verbose_name = gettext_lazy("figure, hope, question or picture")
    verbose_name_plural = gettext_lazy(
        "Figures (number, words), hopes (words), questions (question, answer) or gallery pictures (picture, caption)"
    )


class SectionInline(admin.TabularInline):
    """The parts of a page in their order; each is written on its own page."""

    model = Section
    extra = 0
    fields = ["position", "kind", "heading", "is_draft"]
    show_change_link = True
    verbose_name = gettext_lazy("part of the page")
    verbose_name_plural = gettext_lazy("Parts of the page, in order. Save, then press “Change” on a part to write it.")


class StorySectionInline(SectionInline):
    fk_name = "story"


class PresetForm(forms.ModelForm):
    amount_minor = MinorUnitsField(label=gettext_lazy("Amount"), help_text=gettext_lazy("Such as 100."))

    class Meta:
        widgets = {"does": ONE_LINE}


class PresetInline(admin.TabularInline):
    model = FundPreset
    form = PresetForm
    extra = 0
    fields = ["amount_minor", "does"]
    verbose_name_plural = gettext_lazy("Suggested gifts: instead of the campaign’s, each with what it does")


class FundAdmin(SaysWhenThereIsNoRoom, InCampaignTime, VersionAdmin):
    form = PageForm
    inlines = [PresetInline, SectionInline]
    list_display = ["name", "position", "is_open", "gl_code", "is_published", "publish_at"]
    list_editable = ["position", "is_open"]
    prepopulated_fields = {"slug": ["name"]}
    search_fields = ["name"]
    save_on_top = True
    fieldsets = [
        (None, {"fields": ["name", "slug", "summary", "gl_code", "is_open", "position"]}),
        (gettext_lazy("Picture"), {"fields": ["picture", "picture_alt"]}),
        (gettext_lazy("Publishing"), {"fields": ["is_published", "publish_at"], "description": _ABOUT_TIMES}),
    ]

    def view_on_site(self, obj: Fund) -> str:
        return _seen_at(obj)


class SectionAdmin(WithRichText, SaysWhenThereIsNoRoom, VersionAdmin):
    """One part of a page; reached from the fund or the story."""

    form = SectionForm
    inlines = [SectionItemInline]
    list_display = ["fund", "story", "position", "kind", "heading", "is_draft"]
    list_display_links = ["kind"]
    list_filter = ["fund", "story"]
    ordering = ["fund", "story", "position"]
    save_on_top = True
    readonly_fields = ["about_kinds", "as_visitors_see_it"]
    fieldsets = [
        (None, {"fields": ["fund", "story", "kind", "position", "is_draft", "about_kinds"]}),
        (gettext_lazy("Words"), {"fields": ["heading", "body", "closing"]}),
        (
            gettext_lazy("Picture, video or story"),
            {"fields": ["picture", "picture_alt", "picture_caption", "video_link", "featured"]},
        ),
        (gettext_lazy("As visitors see it"), {"fields": ["as_visitors_see_it"]}),
    ]

    class Media:
        css = {"all": ["campaign/part-preview.css"]}
        js = ["campaign/part-preview.js"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.part_preview)
        return [path("<int:pk>/as-seen/", view, name="campaign_section_as_seen"), *super().get_urls()]

    # The preview shows pictures that only the browser has. One update replaces the other: this one has both.
    @method_decorator(csp_update({"style-src": [NONCE], "img-src": ["blob:"]}))
    def changeform_view(self, *args: Any, **kwargs: Any) -> Any:
        return super().changeform_view(*args, **kwargs)

    @method_decorator(require_POST)
    def part_preview(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What the form would show, unsaved. pk: 0 for a part that is new."""
        part = get_object_or_404(Section, pk=pk) if pk else None
        if not (self.has_change_permission(request, part) if part else self.has_add_permission(request)):
            raise PermissionDenied
        form_class = self.get_form(request, part, change=part is not None)
        return part_preview.answer(request, part=part, form_class=form_class, item_form=ItemForm)

    @admin.display(description=gettext_lazy("Preview"))
    def as_visitors_see_it(self, section: Section) -> SafeString:
        return format_html(
            '<div class="part-preview" data-address="{}" data-words="{}">'
            '<p data-shown="{}" data-trouble="{}">{}</p></div>',
            reverse("admin:campaign_section_as_seen", args=[section.pk or 0]),
            gettext("The part as visitors would see it"),
            gettext("Nothing of this is saved yet."),
            gettext("This could not be renewed just now. What you typed is still here."),
            gettext("Save it, then see the page in the preview."),
        )

    @admin.display(description=gettext_lazy("What each kind uses"))
    def about_kinds(self, _section: Section) -> SafeString:
        return format_html_join(mark_safe("<br>"), "<strong>{}</strong>: {}", _WHAT_KINDS_USE)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "video_link":
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def view_on_site(self, obj: Section) -> str:
        page = obj.fund or obj.story
        return _seen_at(page, is_draft=obj.is_draft) if page else ""


class StoryAdmin(WithRichText, SaysWhenThereIsNoRoom, InCampaignTime, VersionAdmin):
    form = PageForm
    inlines = [StorySectionInline]
    list_display = ["title", "fund", "position", "is_published", "publish_at"]
    list_editable = ["position", "is_published"]
    prepopulated_fields = {"slug": ["title"]}
    search_fields = ["title", "body"]
    save_on_top = True
    fieldsets = [
        (None, {"fields": ["title", "slug", "summary", "body", "fund"]}),
        (gettext_lazy("Picture"), {"fields": ["picture", "picture_alt", "picture_caption"]}),
        (gettext_lazy("Place among the stories"), {"fields": ["position"]}),
        (gettext_lazy("Publishing"), {"fields": ["is_published", "publish_at"], "description": _ABOUT_TIMES}),
    ]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "body":
            field.widget = RichTextArea(attrs={"rows": 24, "cols": 90})
        return field

    def view_on_site(self, obj: Story) -> str:
        return _seen_at(obj)


def _seen_at(page: Fund | Story, *, is_draft: bool = False) -> str:
    """The page itself where everybody sees it, else its preview."""
    is_public = page.is_public(now=timezone.now()) and not is_draft
    return page.get_absolute_url() if is_public else preview_address(page)
