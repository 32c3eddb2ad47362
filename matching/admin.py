"""Sponsors and pools in the admin. Money moves only through matching.pools; the ledger can be read, never written."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect

from campaign.clock import database_now
from campaign.models import Fund
from campaign.money import format_amount
from matching import pools, wording
from matching.check_records import LedgerCheck, PoolHalt
from matching.ledger import PoolsBusy
from matching.models import Allocation, LedgerEntry, MatchPool, PoolTerms, Reservation, Sponsor
from matching.pool_form import PoolForm

Shown = Callable[[Any, Any], str]


class ReadOnly(admin.options.BaseModelAdmin):
    """Looked at by those with the right to; nobody adds, changes or deletes here, superusers included."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def money_column(field: str, label: str, *, currency_of: str = "") -> Shown:
    """An amount in minor units as a column in words people read. currency_of: the relation that has the currency."""

    @admin.display(description=label, ordering=field)
    def shown(_admin: Any, row: Any) -> str:
        owner = getattr(row, currency_of) if currency_of else row
        return format_amount(getattr(row, field), currency=owner.currency)

    return shown


@admin.register(Sponsor)
class SponsorAdmin(admin.ModelAdmin):
    list_display = ["name", "public_name", "is_anonymous"]
    search_fields = ["name", "public_name"]


class TermsInline(ReadOnly, admin.TabularInline):
    model = PoolTerms
    verbose_name_plural = "terms so far, the newest in force"
    fields = ["version", "sentence", "created_at", "created_by"]
    readonly_fields = ["version", "sentence", "created_at", "created_by"]
    ordering = ["-version"]
    extra = 0

    @admin.display(description="as donors read them")
    def sentence(self, terms: PoolTerms) -> str:
        return _sentence(terms.pool, terms)


@admin.register(MatchPool)
class MatchPoolAdmin(admin.ModelAdmin):
    """Opening a pool, changing its terms, limit or pause. Balances are shown and never typed."""

    form = PoolForm
    inlines = [TermsInline]
    limit = money_column("limit_minor", "limit")
    matched = money_column("matched_minor", "matched")
    held = money_column("held_minor", "held")
    free = money_column("free_minor", "free")
    list_display = ["name", "sponsor", "campaign", "limit", "matched", "held", "free", "is_paused", "halted_reason"]
    list_filter = ["campaign", "is_paused"]
    list_select_related = ["sponsor", "campaign"]
    search_fields = ["name", "sponsor__name"]
    readonly_fields = ["sentence", "matched", "held", "free", "halted_reason"]
    _new = [
        ("Whose money", {"fields": ["campaign", "sponsor", "name", "limit", "leftover"]}),
        ("How gifts are matched", {"fields": [("ratio_match", "ratio_gift"), "layer", "priority", "offline_gifts"]}),
        ("Which gifts", {"fields": ["funds", "min_gift", "cap_per_gift", "cap_per_donor", "opens_at", "closes_at"]}),
    ]
    _opened = [
        ("As donors read it", {"fields": ["sentence"]}),
        ("Balances, from the ledger", {"fields": [("matched", "held", "free"), "halted_reason", "is_paused"]}),
    ]

    def get_fieldsets(self, request: HttpRequest, obj: MatchPool | None = None) -> Any:
        return [*self._opened, *self._new] if obj else self._new

    def get_inlines(self, request: HttpRequest, obj: MatchPool | None) -> Any:
        return self.inlines if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A pool has a ledger from its first moment; it is paused, or its limit lowered, never deleted."""
        return False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What the pool's lock or its promises refuse is said on the page; nothing of the form was then saved."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (pools.InvalidTerms, pools.LimitBelowPromises) as error:
            messages.error(request, f"Nothing was changed. {error}")
        except PoolsBusy:
            messages.error(request, "Nothing was changed: many gifts use this pool right now. Please save again.")
        return redirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: MatchPool, form: PoolForm, change: bool) -> None:
        wanted, actor, now = form.cleaned_data, f"staff:{request.user.pk}", database_now()
        if not change:
            opened = pools.open_pool(
                campaign=wanted["campaign"],
                sponsor=wanted["sponsor"],
                name=wanted["name"],
                limit_minor=wanted["limit_minor"],
                terms=wanted["terms"],
                leftover=wanted["leftover"],
                actor=actor,
                now=now,
            )
            obj.pk = opened.pk
            obj.refresh_from_db()
            return
        pools.change_limit(pool_id=obj.pk, limit_minor=wanted["limit_minor"], actor=actor, now=now)
        pools.change_terms(pool_id=obj.pk, terms=wanted["terms"], actor=actor, now=now)
        if "is_paused" in form.changed_data:
            pools.set_paused(pool_id=obj.pk, paused=wanted["is_paused"], actor=actor, now=now)
        MatchPool.objects.filter(pk=obj.pk).update(name=wanted["name"])

    def response_post_save_change(self, request: HttpRequest, obj: MatchPool) -> HttpResponseRedirect:
        return redirect("staff-pools")

    def response_post_save_add(self, request: HttpRequest, obj: MatchPool) -> HttpResponseRedirect:
        return redirect("staff-pools")

    @admin.display(description="terms")
    def sentence(self, pool: MatchPool) -> str:
        return f"{_sentence(pool, pool.terms)} {wording.leftover_sentence(pool, terms=pool.terms)}"


def _sentence(pool: MatchPool, terms: PoolTerms) -> str:
    return wording.terms_sentence(pool=pool, terms=terms, campaign=pool.campaign, funds=Fund.objects.in_bulk())


class AllocationInline(ReadOnly, admin.TabularInline):
    model = Allocation
    match = money_column("amount_minor", "match", currency_of="pool")
    taken_back = money_column("reversed_minor", "taken back", currency_of="pool")
    fields = ["pool", "fund_id", "match", "taken_back"]
    readonly_fields = ["pool", "fund_id", "match", "taken_back"]
    extra = 0


@admin.register(Reservation)
class ReservationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["reference", "state", "gift", "submitted_at", "held_until", "resolved_at"]
    list_filter = ["state", "campaign"]
    list_select_related = ["campaign"]
    search_fields = ["reference"]
    search_help_text = "Reference, such as M-2345678ABC"
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
    taken_back = money_column("reversed_minor", "taken back", currency_of="pool")
    fields = ["reservation", "pool", "terms", "part_index", "fund_id", "match", "taken_back"]
    show_full_result_count = False


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["pool", "seq", "from_account", "to_account", "moved", "reason", "reference", "actor", "recorded_at"]
    list_display_links = ["seq"]
    list_filter = ["pool", "reason"]
    list_select_related = ["pool"]
    search_fields = ["reference"]
    search_help_text = "Reference, such as M-2345678ABC"
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
