"""Gifts, receipts, events and work in the admin: to be searched and read. Nothing here can change money.

Staff pages show the same in context (donations/views/staff.py); this is for the rest.
"""

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from campaign.clock import database_now
from donations import attention
from donations.models import (
    Designation,
    Donation,
    Donor,
    FollowUp,
    GiftNote,
    NoCardsAddress,
    Receipt,
    ReceiptSend,
    StripeEvent,
)
from donations.roles import actor
from donations.sign_in import AdminLogInForm
from matching.admin import ReadOnly, money_column

admin.site.login_form = AdminLogInForm


def _as_code(value: Any) -> SafeString:
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))


class DesignationInline(ReadOnly, admin.TabularInline):
    model = Designation
    part = money_column("amount_minor", "amount", currency_of="donation")
    fields = ["fund", "part"]
    readonly_fields = ["fund", "part"]
    extra = 0


class GiftNoteInline(ReadOnly, admin.TabularInline):
    model = GiftNote
    fields = ["at", "actor", "text"]
    readonly_fields = ["at", "actor", "text"]
    extra = 0


@admin.register(Donation)
class DonationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["reference", "donor_name", "gift", "paid", "refunded", "state", "submitted_at", "paid_at"]
    list_filter = ["state", "campaign", "method"]
    search_fields = ["=id", "donor_name", "donor_email", "=payment_intent", "=charge", "=method_last4"]
    search_help_text = gettext_lazy("Number, name, e-mail, Stripe id or last four digits")
    gift = money_column("amount_minor", "gift")
    fee = money_column("fee_minor", gettext_lazy("covered fee"))
    paid = money_column("total_minor", "total", ordering=F("amount_minor") + F("fee_minor"))
    refunded = money_column("refunded_minor", "refunded")
    exclude = ["token", "form_key", "amount_minor", "fee_minor", "refunded_minor"]
    readonly_fields = ["gift", "fee", "refunded"]
    inlines = [DesignationInline, GiftNoteInline]
    show_full_result_count = False


@admin.register(Donor)
class DonorAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "email", "opted_out_at"]
    search_fields = ["name", "email"]
    show_full_result_count = False


@admin.register(NoCardsAddress)
class NoCardsAddressAdmin(admin.ModelAdmin):
    """Staff add an address when its owner asks for no more e-cards; ecards.py looks here before it sends one."""

    list_display = ["email", "added_at"]
    search_fields = ["email"]
    fields = ["email"]

    def has_change_permission(self, request: HttpRequest, obj: NoCardsAddress | None = None) -> bool:
        return False


class ReceiptSendInline(ReadOnly, admin.TabularInline):
    model = ReceiptSend
    fields = ["attempted_at", "to_email", "outcome", "message_id"]
    readonly_fields = ["attempted_at", "to_email", "outcome", "message_id"]
    extra = 0


@admin.register(Receipt)
class ReceiptAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["number", "version", "receipt_date", "amount", "donation", "issued_at", "voided_at"]
    list_select_related = ["donation"]
    search_fields = ["number", "donation__donor_name", "donation__donor_email"]
    amount = money_column("amount_minor", "amount")
    exclude = ["content", "amount_minor"]
    readonly_fields = ["amount", "said"]
    inlines = [ReceiptSendInline]
    show_full_result_count = False

    @admin.display(description=gettext_lazy("as issued"))
    def said(self, receipt: Receipt) -> SafeString:
        return _as_code(receipt.content)


class TriesAgain(ReadOnly, admin.ModelAdmin):
    """Read-only, but work that failed can be made due again by those who may."""

    actions = ["try_again"]

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("donations.change_followup")

    def _say(self, request: HttpRequest, due_count: int, chosen_count: int) -> None:
        left = chosen_count - due_count
        said = gettext("%(due)s will be tried again within half a minute.") % {"due": due_count}
        if left:
            said += " " + gettext("%(left)s had not failed and were left alone.") % {"left": left}
        messages.success(request, said)


@admin.register(StripeEvent)
class StripeEventAdmin(TriesAgain):
    list_display = ["event_id", "type", "state", "attempts", "created_at", "last_error"]
    list_filter = ["state", "type"]
    search_fields = ["=event_id", "type"]
    exclude = ["payload"]
    readonly_fields = ["body"]
    show_full_result_count = False

    @admin.action(description=gettext_lazy("Apply again those that failed"), permissions=["retry"])
    def try_again(self, request: HttpRequest, chosen: QuerySet[StripeEvent]) -> None:
        now = database_now()
        due = [attention.try_event_again(event=event, actor=actor(request), now=now) for event in chosen]
        self._say(request, sum(due), len(due))

    @admin.display(description="payload")
    def body(self, event: StripeEvent) -> SafeString:
        return _as_code(event.payload)


@admin.register(FollowUp)
class FollowUpAdmin(TriesAgain):
    list_display = ["donation", "kind", "state", "attempts", "due_at", "last_error"]
    list_filter = ["state", "kind"]
    list_select_related = ["donation"]
    search_fields = ["=donation__id", "donation__donor_name", "donation__donor_email"]
    show_full_result_count = False

    @admin.action(description=gettext_lazy("Try again those that failed"), permissions=["retry"])
    def try_again(self, request: HttpRequest, chosen: QuerySet[FollowUp]) -> None:
        now = database_now()
        due = [attention.try_follow_up_again(follow_up=row, actor=actor(request), now=now) for row in chosen]
        self._say(request, sum(due), len(due))
