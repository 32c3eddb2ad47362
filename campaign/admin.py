"""Where staff write the pages: the organization, the campaign, its funds with their parts, and the stories."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.postgres.forms import SimpleArrayField
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from campaign.models import Campaign, Fund, Milestone, Organization, Section, SectionItem, Story
from campaign.money import InvalidAmount, format_amount_short, parse_amount, plain_amount

ONE_LINE = forms.TextInput(attrs={"size": 80})
FEW_LINES = forms.Textarea(attrs={"rows": 3, "cols": 80})
PARAGRAPHS = forms.Textarea(attrs={"rows": 10, "cols": 80})
IN_A_CELL = forms.Textarea(attrs={"rows": 3, "cols": 22})
MOST_FEE_BASIS_POINTS = 1_000
PICTURE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif")
LARGEST_PICTURE_BYTES = 8_000_000
_WHAT_KINDS_USE = [
    ("Text", "heading, body"),
    ("Figures", "heading, body, items with number and words, closing"),
    ("Picture", "picture with its description and caption"),
    ("Imagine", "heading, body, items with words, closing"),
    ("Featured story", "the story"),
    ("Gallery", "heading, items with picture, description and caption"),
    ("Appeal", "heading, body; the button is added"),
]
_ABOUT_ALT = "What the picture shows, in a sentence, for people who cannot see it. Required with a picture."


class MinorUnitsField(forms.CharField):
    """An amount typed as people write it, kept in minor units."""

    def __init__(self, *, currency: str = "USD", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.currency = currency

    def prepare_value(self, value: Any) -> Any:
        return plain_amount(value, currency=self.currency) if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            return parse_amount(text, currency=self.currency, largest_minor=100_000_000_000)
        except InvalidAmount as error:
            raise ValidationError(str(error)) from error


class AmountsField(SimpleArrayField):
    """Several amounts parted by commas or semicolons, kept in minor units."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(MinorUnitsField(), delimiter=";", **kwargs)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, list):
            return "; ".join(format_amount_short(minor, currency="USD") for minor in value)
        return value


class CampaignForm(forms.ModelForm):
    goal_minor = MinorUnitsField(label="Goal", required=False, help_text="Such as 400,000. Empty: no goal is shown.")
    min_gift_minor = MinorUnitsField(label="Smallest gift", help_text="At least 0.50.")
    max_gift_minor = MinorUnitsField(label="Largest gift by card")
    presets_minor = AmountsField(
        label="Suggested gifts",
        help_text="Parted by semicolons, such as $50; $100; $250. The second one is chosen at first.",
    )

    class Meta:
        widgets = {
            "heading": ONE_LINE,
            "closed_heading": ONE_LINE,
            "lead": FEW_LINES,
            "closed_lead": FEW_LINES,
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        smallest, largest = cleaned.get("min_gift_minor"), cleaned.get("max_gift_minor")
        if smallest and largest:
            wrong = [minor for minor in cleaned.get("presets_minor") or [] if not smallest <= minor <= largest]
            if wrong:
                amounts = ", ".join(format_amount_short(minor, currency="USD") for minor in wrong)
                self.add_error("presets_minor", f"Below the smallest or above the largest gift: {amounts}.")
        return cleaned

    def clean_currency(self) -> str:
        """Gifts and pools have their campaign's currency: another one would match euros with dollars."""
        currency = str(self.cleaned_data["currency"])
        campaign = self.instance
        if "currency" not in self.changed_data or campaign.pk is None:
            return currency
        if campaign.donations.exists() or campaign.match_pools.exists():
            raise ValidationError("This campaign has gifts or match pools already: its currency stays. Make a new one.")
        return currency

    def clean_fee_basis_points(self) -> int:
        """At 10,000 the card cost would be all of the payment, and the giving form could not be shown."""
        basis_points = int(self.cleaned_data["fee_basis_points"])
        if basis_points > MOST_FEE_BASIS_POINTS:
            raise ValidationError(f"Write at most {MOST_FEE_BASIS_POINTS}, which is 10 %. A card costs about 290.")
        return basis_points


class PictureForm(forms.ModelForm):
    """A form with a picture: its alternative text is asked for beside the field that lacks it."""

    def clean_picture(self) -> Any:
        """Donors on a phone would wait for a picture straight from a camera.

        And only pictures that browsers show: by its name a file may be served as a PDF or PostScript.
        """
        picture = self.cleaned_data.get("picture")
        if "picture" in self.changed_data and picture and not picture.name.lower().endswith(PICTURE_ENDINGS):
            raise ValidationError("Choose a picture whose name ends in .jpg, .png, .webp, .avif or .gif.")
        if "picture" in self.changed_data and picture and picture.size > LARGEST_PICTURE_BYTES:
            raise ValidationError(
                f"This picture has {picture.size / 1e6:.0f} MB. Make it smaller, at most "
                f"{LARGEST_PICTURE_BYTES / 1e6:.0f} MB; 1600 pixels wide is plenty."
            )
        return picture

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("picture") and not cleaned.get("picture_alt"):
            self.add_error("picture_alt", "Describe the picture for people who cannot see it.")
        return cleaned


class SectionForm(PictureForm):
    """A part on its own page. In the fund's list of parts it may be begun without its picture or story."""

    class Meta:
        widgets = {"heading": ONE_LINE, "body": PARAGRAPHS, "closing": FEW_LINES, "picture_alt": ONE_LINE}
        help_texts = {"picture_alt": _ABOUT_ALT}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("kind") == Section.Kind.STORY and not cleaned.get("story"):
            self.add_error("story", "Choose the story that this part features.")
        if cleaned.get("kind") == Section.Kind.PICTURE and not cleaned.get("picture"):
            self.add_error("picture", "Choose the picture.")
        return cleaned


class PageForm(PictureForm):
    class Meta:
        widgets = {"summary": FEW_LINES, "picture_alt": ONE_LINE, "picture_caption": ONE_LINE, "title": ONE_LINE}
        help_texts = {"picture_alt": _ABOUT_ALT}


class ItemForm(PictureForm):
    class Meta:
        widgets = {"title": forms.TextInput(attrs={"size": 10}), "text": IN_A_CELL, "picture_alt": IN_A_CELL}


class SectionItemInline(admin.TabularInline):
    model = SectionItem
    form = ItemForm
    extra = 0
    fields = ["position", "title", "text", "picture", "picture_alt"]
    verbose_name = "figure, hope or picture"
    verbose_name_plural = "Figures (number, words), hopes (words) or gallery pictures (picture, caption as words)"


class SectionInline(admin.TabularInline):
    """The parts of a fund's page in their order; each is written on its own page."""

    model = Section
    extra = 0
    fields = ["position", "kind", "heading"]
    show_change_link = True
    verbose_name = "part of the page"
    verbose_name_plural = "Parts of the page, in order. Save, then press “Change” on a part to write it."


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin):
    fieldsets = [
        ("Who we are", {"fields": ["public_name", "legal_name", "ein", "address"]}),
        ("How donors reach us", {"fields": ["phone", "email", "website"]}),
        (
            "Receipts",
            {
                "description": "Printed on every receipt. Receipts that are issued already do not change.",
                "fields": [
                    "receipt_thanks",
                    "goods_or_services_statement",
                    "state_disclosures",
                    "signatory_name",
                    "signatory_title",
                ],
            },
        ),
    ]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "website":
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return not Organization.objects.exists() and super().has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Organization | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """There is one: go straight to it."""
        found = Organization.objects.first()
        if found is None:
            return super().changelist_view(request, extra_context)
        return redirect("admin:campaign_organization_change", found.pk)


class MilestoneForm(forms.ModelForm):
    amount_minor = MinorUnitsField(label="Raised by donors", help_text="Such as 100,000; match does not count.")

    class Meta:
        widgets = {"text": ONE_LINE}


class MilestoneInline(admin.TabularInline):
    model = Milestone
    form = MilestoneForm
    extra = 0
    fields = ["amount_minor", "text"]
    verbose_name_plural = "Milestones"


@admin.register(Campaign)
class CampaignAdmin(admin.ModelAdmin):
    form = CampaignForm
    inlines = [MilestoneInline]
    list_display = ["name", "is_current", "opens_at", "closes_at"]
    prepopulated_fields = {"slug": ["name"]}
    filter_horizontal = ["funds"]
    save_on_top = True
    fieldsets = [
        (None, {"fields": ["name", "slug", "is_current", "funds"]}),
        (
            "When",
            {
                "description": "Dates and times are those of the time zone below, as it was last saved.",
                "fields": [
                    "opens_at",
                    "closes_at",
                    "time_zone",
                    "time_zone_label",
                    "takes_gifts_early",
                    "takes_monthly",
                    "takes_scheduled",
                ],
            },
        ),
        (
            "Words on the banner",
            {"fields": ["eyebrow", "heading", "lead", "action_label", "closed_heading", "closed_lead"]},
        ),
        (
            "Gifts",
            {
                "fields": [
                    "currency",
                    "goal_minor",
                    "presets_minor",
                    "min_gift_minor",
                    "max_gift_minor",
                    "fee_basis_points",
                    "fee_fixed_minor",
                    "matches_first_monthly",
                    "offers_freed_match",
                ]
            },
        ),
        (
            "Live on the pages",
            {
                "description": "Each part is switched by itself and at once: open pages follow within seconds. "
                "A part that costs too much rests by itself. Giving needs none of them.",
                "fields": [
                    "shows_figures",
                    "shows_wall",
                    "shows_leaderboard",
                    "shows_milestones",
                    "shows_hours",
                    "shows_screen",
                    "shows_embeds",
                    "embed_hosts",
                ],
            },
        ),
    ]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Read and write the moments in the campaign's own time zone, not in UTC."""
        campaign = self.get_object(request, object_id) if object_id else None
        with timezone.override(campaign.tz if campaign else Campaign().tz):
            response = super().changeform_view(request, object_id, form_url, extra_context)
            return response.render() if isinstance(response, TemplateResponse) else response

    def view_on_site(self, obj: Campaign) -> str | None:
        return reverse("home") if obj.is_current else None


@admin.register(Fund)
class FundAdmin(admin.ModelAdmin):
    form = PageForm
    inlines = [SectionInline]
    list_display = ["name", "position", "is_open", "gl_code"]
    list_editable = ["position", "is_open"]
    prepopulated_fields = {"slug": ["name"]}
    search_fields = ["name"]
    save_on_top = True
    fieldsets = [
        (None, {"fields": ["name", "slug", "summary", "gl_code", "is_open", "position"]}),
        ("Picture", {"fields": ["picture", "picture_alt"]}),
    ]


@admin.register(Section)
class SectionAdmin(admin.ModelAdmin):
    """One part of a fund's page; reached from the fund."""

    form = SectionForm
    inlines = [SectionItemInline]
    list_display = ["fund", "position", "kind", "heading"]
    list_display_links = ["kind"]
    list_filter = ["fund"]
    ordering = ["fund", "position"]
    save_on_top = True
    readonly_fields = ["about_kinds"]
    fieldsets = [
        (None, {"fields": ["fund", "kind", "position", "about_kinds"]}),
        ("Words", {"fields": ["heading", "body", "closing"]}),
        ("Picture or story", {"fields": ["picture", "picture_alt", "picture_caption", "story"]}),
    ]

    @admin.display(description="What each kind uses")
    def about_kinds(self, _section: Section) -> SafeString:
        return format_html_join(mark_safe("<br>"), "<strong>{}</strong>: {}", _WHAT_KINDS_USE)

    def view_on_site(self, obj: Section) -> str:
        return obj.fund.get_absolute_url()


@admin.register(Story)
class StoryAdmin(admin.ModelAdmin):
    form = PageForm
    list_display = ["title", "fund", "position", "is_published"]
    list_editable = ["position", "is_published"]
    prepopulated_fields = {"slug": ["title"]}
    search_fields = ["title", "body"]
    save_on_top = True
    fieldsets = [
        (None, {"fields": ["title", "slug", "summary", "body", "fund"]}),
        ("Picture", {"fields": ["picture", "picture_alt", "picture_caption"]}),
        ("Publishing", {"fields": ["is_published", "position"]}),
    ]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "body":
            field.widget = forms.Textarea(attrs={"rows": 24, "cols": 90})
        return field

    def view_on_site(self, obj: Story) -> str | None:
        return obj.get_absolute_url() if obj.is_published else None
