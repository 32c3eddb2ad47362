"""Where staff write the pages: the organization, the campaign, its funds with their parts, and the stories."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from campaign import page_admin
from campaign.amount_fields import AmountsField, MinorUnitsField
from campaign.logos import NotALogo, logo_file
from campaign.models import Campaign, CardPicture, Fund, Milestone, Organization, Section, Story, Team
from campaign.money import format_amount_short
from campaign.page_admin import FEW_LINES, ONE_LINE, InCampaignTime, SaysWhenThereIsNoRoom

MOST_FEE_BASIS_POINTS = 1_000


class CampaignForm(forms.ModelForm):
    goal_minor = MinorUnitsField(
        label=gettext_lazy("Goal"), required=False, help_text=gettext_lazy("Such as 400,000. Empty: no goal is shown.")
    )
    min_gift_minor = MinorUnitsField(label=gettext_lazy("Smallest gift"), help_text=gettext_lazy("At least 0.50."))
    max_gift_minor = MinorUnitsField(label=gettext_lazy("Largest gift by card"))
    presets_minor = AmountsField(
        label=gettext_lazy("Suggested gifts"),
        help_text=gettext_lazy("Parted by semicolons, such as $50; $100; $250. The second one is chosen at first."),
    )

    class Meta:
        widgets = {
            "heading": ONE_LINE,
            "open_heading": ONE_LINE,
            "closed_heading": ONE_LINE,
            "lead": FEW_LINES,
            "open_lead": FEW_LINES,
            "closed_lead": FEW_LINES,
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        smallest, largest = cleaned.get("min_gift_minor"), cleaned.get("max_gift_minor")
        if smallest and largest:
            wrong = [minor for minor in cleaned.get("presets_minor") or [] if not smallest <= minor <= largest]
            if wrong:
                amounts = ", ".join(format_amount_short(minor, currency="USD") for minor in wrong)
                self.add_error(
                    "presets_minor",
                    gettext("Below the smallest or above the largest gift: %(amounts)s.") % {"amounts": amounts},
                )
        return cleaned

    def clean_currency(self) -> str:
        """Gifts and pools have their campaign's currency: another one would match euros with dollars."""
        currency = str(self.cleaned_data["currency"])
        campaign = self.instance
        if "currency" not in self.changed_data or campaign.pk is None:
            return currency
        if campaign.donations.exists() or campaign.match_pools.exists():
            raise ValidationError(
                gettext("This campaign has gifts or match pools already: its currency stays. Make a new one.")
            )
        return currency

    def clean_fee_basis_points(self) -> int:
        """At 10,000 the card cost would be all of the payment, and the giving form could not be shown."""
        basis_points = int(self.cleaned_data["fee_basis_points"])
        if basis_points > MOST_FEE_BASIS_POINTS:
            raise ValidationError(
                gettext("Write at most %(most)s, which is 10 %%. A card costs about 290.")
                % {"most": MOST_FEE_BASIS_POINTS}
            )
        return basis_points


class OrganizationForm(forms.ModelForm):
    class Meta:
        widgets = {"logo_alt": ONE_LINE}

    def clean_logo(self) -> Any:
        return self._logo("logo")

    def clean_logo_for_dark(self) -> Any:
        return self._logo("logo_for_dark")

    def _logo(self, name: str) -> Any:
        """The new logo drawn anew; the old one where nothing was uploaded."""
        logo = self.cleaned_data[name]
        if not logo or name not in self.changed_data:
            return logo
        try:
            return logo_file(logo, size=logo.size)
        except NotALogo as error:
            raise ValidationError(str(error)) from error


@admin.register(Organization)
class OrganizationAdmin(SaysWhenThereIsNoRoom):
    form = OrganizationForm
    fieldsets = [
        (gettext_lazy("Who we are"), {"fields": ["public_name", "legal_name", "ein", "address"]}),
        (gettext_lazy("How donors reach us"), {"fields": ["phone", "email", "website"]}),
        (gettext_lazy("How we reach donors"), {"fields": ["opts_out_first"]}),
        (
            gettext_lazy("Receipts"),
            {
                "description": gettext_lazy(
                    "Printed on every receipt. Receipts that are issued already do not change."
                ),
                "fields": [
                    "receipt_thanks",
                    "goods_or_services_statement",
                    "state_disclosures",
                    "signatory_name",
                    "signatory_title",
                ],
            },
        ),
        (
            gettext_lazy("Look"),
            {
                "description": gettext_lazy(
                    "Empty colors are the site’s own. The staff page “Style” shows all of them, "
                    "where each is used, and how clear every pair is."
                ),
                "fields": [
                    "logo",
                    "logo_for_dark",
                    "logo_alt",
                    "main_color",
                    "action_color",
                    "action_dark_color",
                    "accent_color",
                    "accent_dark_color",
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
    amount_minor = MinorUnitsField(
        label=gettext_lazy("Raised by donors"), help_text=gettext_lazy("Such as 100,000; match does not count.")
    )

    class Meta:
        widgets = {"text": ONE_LINE}


class MilestoneInline(admin.TabularInline):
    model = Milestone
    form = MilestoneForm
    extra = 0
    fields = ["amount_minor", "text"]
    verbose_name_plural = gettext_lazy("Milestones")


class CardPictureForm(page_admin.PictureForm):
    class Meta:
        widgets = {"picture_alt": ONE_LINE}


class CardPictureInline(admin.TabularInline):
    model = CardPicture
    form = CardPictureForm
    extra = 0
    fields = ["picture", "picture_alt", "position"]
    verbose_name_plural = gettext_lazy("Pictures for e-cards")


class TeamInline(admin.TabularInline):
    model = Team
    extra = 0
    fields = ["name", "slug", "is_open"]
    prepopulated_fields = {"slug": ["name"]}
    verbose_name_plural = gettext_lazy("Departments and teams that a gift may name")


@admin.register(Campaign)
class CampaignAdmin(SaysWhenThereIsNoRoom, InCampaignTime):
    form = CampaignForm
    inlines = [MilestoneInline, TeamInline, CardPictureInline]
    list_display = ["name", "is_current", "opens_at", "closes_at"]
    prepopulated_fields = {"slug": ["name"]}
    filter_horizontal = ["funds"]
    save_on_top = True
    fieldsets = [
        (None, {"fields": ["name", "slug", "is_current", "funds"]}),
        (
            gettext_lazy("When"),
            {
                "description": gettext_lazy("Dates and times are those of the time zone below, as it was last saved."),
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
            gettext_lazy("Words on the banner"),
            {
                "description": gettext_lazy(
                    "While no match is to be had, because it is all taken or paused, the site says that in its own "
                    "words instead of these, and its button asks for a gift without promising a match."
                ),
                "fields": [
                    *("eyebrow", "heading", "lead", "action_label"),
                    *("open_heading", "open_lead", "closed_heading", "closed_lead"),
                ],
            },
        ),
        (
            gettext_lazy("Gifts"),
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
            gettext_lazy("Live on the pages"),
            {
                "description": gettext_lazy(
                    "Each part is switched by itself and at once: open pages follow within seconds. "
                    "A part that costs too much rests by itself. Giving needs none of them."
                ),
                "fields": [
                    "shows_figures",
                    "shows_wall",
                    "shows_leaderboard",
                    "shows_teams",
                    "shows_regions",
                    "shows_milestones",
                    "shows_hours",
                    "shows_screen",
                    "shows_embeds",
                    "embed_hosts",
                ],
            },
        ),
    ]

    def campaign_of(self, obj: Campaign | None) -> Campaign | None:
        return obj

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """What was changed with what stood there before: the history is read to find out who moved the opening."""
        said = super().construct_change_message(request, form, formsets, add)
        if not add and form.changed_data:
            said[0]["changed"]["fields"] = [_was(form, name) for name in form.changed_data]
        return said

    def view_on_site(self, obj: Campaign) -> str | None:
        return reverse("home") if obj.is_current else None


admin.site.register(Fund, page_admin.FundAdmin)
admin.site.register(Section, page_admin.SectionAdmin)
admin.site.register(Story, page_admin.StoryAdmin)


def _was(form: forms.ModelForm, name: str) -> str:
    """`Goal (was 400,000)`, of a field of the campaign that was changed."""
    field, before = form.fields[name], form[name].initial
    label = field.label or name
    if isinstance(before, bool):
        before = "on" if before else "off"
    elif isinstance(before, datetime):
        before = f"{timezone.localtime(before):%Y-%m-%d %H:%M}"
    elif isinstance(before, list) and before and isinstance(before[0], Model):
        before = ", ".join(str(row) for row in before)
    else:
        before = field.prepare_value(before)
    return f"{label} (was {before if before not in (None, '') else 'empty'})"
