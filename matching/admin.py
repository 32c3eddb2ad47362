"""Sponsors, pools and the ledger in the admin, to be read: pools are set up on the staff pages."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy

from campaign.models import Fund
from campaign.money import format_amount
from campaign.page_admin import SaysWhenThereIsNoRoom
from matching import wording
from matching.models import Allocation, LedgerCheck, LedgerEntry, MatchPool, PoolHalt, PoolTerms, Reservation, Sponsor
from matching.sponsor_form import SponsorForm

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Shown = Callable[[Any, Any], str]


class ReadOnly(admin.options.BaseModelAdmin):
    """Looked at by those with the right to; nobody adds, changes or deletes here, superusers included."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def money_column(
    field: str, label: "StrOrPromise", *, currency_of: str = "", ordering: Combinable | str | None = None
) -> Shown:
    """An amount in minor units as a column in words people read. currency_of: the relation that has the currency.

    ordering: by what the column is sorted, where the field is a property.
    """

    @admin.display(description=label, ordering=ordering or field)
    def shown(_admin: Any, row: Any) -> str:
        owner = getattr(row, currency_of) if currency_of else row
        return format_amount(getattr(row, field), currency=owner.currency)

    return shown


@admin.register(Sponsor)
class SponsorAdmin(SaysWhenThereIsNoRoom):
    form = SponsorForm  # the same as on the staff pages: a logo is drawn anew
    list_display = ["name", "public_name", "is_anonymous"]
    search_fields = ["name", "public_name"]


class TermsInline(ReadOnly, admin.TabularInline):
    model = PoolTerms
    verbose_name_plural = gettext_lazy("terms so far, the newest in force")
    fields = ["version", "sentence", "created_at", "created_by"]
    readonly_fields = ["version", "sentence", "created_at", "created_by"]
    ordering = ["-version"]
    extra = 0

    @admin.display(description=gettext_lazy("as donors read them"))
    def sentence(self, terms: PoolTerms) -> str:
        return _sentence(terms.pool, terms)


@admin.register(MatchPool)
class MatchPoolAdmin(ReadOnly, admin.ModelAdmin):
    """To be looked through. Pools are opened, changed and paused on the staff pages, which say what that does."""

    inlines = [TermsInline]
    limit = money_column("limit_minor", "limit")
    matched = money_column("matched_minor", "matched")
    held = money_column("held_minor", "held")
    free = money_column("free_minor", "free")
    list_display = ["name", "sponsor", "campaign", "limit", "matched", "held", "free", "is_paused", "halted_reason"]
    list_filter = ["campaign", "is_paused"]
    list_select_related = ["sponsor", "campaign"]
    search_fields = ["name", "sponsor__name"]
    fields = [
        "name",
        "sponsor",
        "campaign",
        "sentence",
        "limit",
        "matched",
        "held",
        "free",
        "is_paused",
        "halted_reason",
    ]
    readonly_fields = ["sentence", "limit", "matched", "held", "free"]

    def get_inlines(self, request: HttpRequest, obj: MatchPool | None) -> Any:
        return self.inlines if obj and obj.current_terms_id else []

    def view_on_site(self, pool: MatchPool) -> str:
        """The button that leads to where the pool is changed."""
        return reverse("staff-pool", args=[pool.pk])

    @admin.display(description="terms")
    def sentence(self, pool: MatchPool) -> str:
        if not pool.current_terms_id:
            return "none"
        return f"{_sentence(pool, pool.terms)} {wording.leftover_sentence(pool, terms=pool.terms)}"


def _sentence(pool: MatchPool, terms: PoolTerms) -> str:
    return wording.terms_sentence(pool=pool, terms=terms, campaign=pool.campaign, funds=Fund.objects.in_bulk())


class AllocationInline(ReadOnly, admin.TabularInline):
    model = Allocation
    match = money_column("amount_minor", "match", currency_of="pool")
    taken_back = money_column("reversed_minor", gettext_lazy("taken back"), currency_of="pool")
    fields = ["pool", "fund_id", "match", "taken_back"]
    readonly_fields = ["pool", "fund_id", "match", "taken_back"]
    extra = 0


@admin.register(Reservation)
class ReservationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["reference", "state", "gift", "submitted_at", "held_until", "resolved_at"]
    list_filter = ["state", "campaign"]
    list_select_related = ["campaign"]
    search_fields = ["reference"]
    search_help_text = gettext_lazy("Reference, such as M-2345678ABC")
    gift = money_column("amount_minor", "gift", currency_of="campaign")
    fields = ["reference", "state", "campaign", "gift", "is_offline", "submitted_at", "held_until", "resolved_at"]
    inlines = [AllocationInline]
    show_full_result_count = False


@admin.register(Allocation)
class AllocationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["reservation", "pool", "match", "taken_back"]
    list_filter = ["pool"]
    list_select_related = ["reservation", "pool"]
    search_fields = ["reservation__reference"]
    match = money_column("amount_minor", "match", currency_of="pool")
    taken_back = money_column("reversed_minor", gettext_lazy("taken back"), currency_of="pool")
    fields = ["reservation", "pool", "terms", "part_index", "fund_id", "match", "taken_back"]
    show_full_result_count = False


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["pool", "seq", "from_account", "to_account", "moved", "reason", "reference", "actor", "recorded_at"]
    list_display_links = ["seq"]
    list_filter = ["pool", "reason"]
    list_select_related = ["pool"]
    search_fields = ["reference"]
    search_help_text = gettext_lazy("Reference, such as M-2345678ABC")
    moved = money_column("amount_minor", "amount")
    fields = ["pool", "seq", "from_account", "to_account", "moved", "reason", "reference", "actor", "recorded_at"]
    readonly_fields = ["moved"]
    show_full_result_count = False


@admin.register(LedgerCheck)
class LedgerCheckAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["started_at", "entry_count", "pool_count", "seconds", "pools_at_fault"]
    show_full_result_count = False


@admin.register(PoolHalt)
class PoolHaltAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["pool", "halted_at", "reason", "resumed_at", "resumed_by"]
    list_filter = ["pool"]
    list_select_related = ["pool"]
