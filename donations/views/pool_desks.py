"""A pool's form on its page, and beside it what donors would read: for a new and for an opened pool."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core.files.uploadedfile import UploadedFile
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone
from django.utils.translation import gettext

from campaign.models import Campaign
from donations import form_keys
from donations.form_keys import FormKey
from donations.views.staff import page
from matching import pool_history
from matching.models import MatchPool, Sponsor
from matching.pool_form import KINDS, TermsForm, kind_of
from matching.pools import as_terms
from matching.preview import Preview, preview
from matching.sponsor_form import SponsorChoice, SponsorForm

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass
class PoolDesk(ABC):
    """What the pages of a new and of an opened pool have in common: the form, and what donors would read."""

    request: HttpRequest

    template = "donations/staff_pool_form.html"

    @property
    def sent(self) -> tuple[Any, ...]:
        return (self.request.POST, self.request.FILES) if self.request.method == "POST" else ()

    @property
    @abstractmethod
    def campaign(self) -> Campaign: ...

    @property
    @abstractmethod
    def form(self) -> TermsForm: ...

    @abstractmethod
    def unsaved(self) -> MatchPool:
        """The pool as it would be. The form must be valid."""

    @cached_property
    def shown(self) -> Preview | None:
        """What the form would do; None while something of it cannot be read."""
        if not self.form.is_bound or not self.form.is_valid() or self.form.terms is None:
            return None
        return preview(pool=self.unsaved(), terms=self.form.terms, now=timezone.now())

    @property
    def was_seen(self) -> bool:
        """Whether the person has had before them what donors will read."""
        return self.shown is not None and self.request.POST.get("seen") == self.shown.words

    def context(self) -> dict[str, Any]:
        return {
            "form": self.form,
            "preview": self.shown,
            "forms": self.forms,
            "currency": self.campaign.currency,
        }

    @property
    def forms(self) -> list[BaseForm]:
        """All whose errors the page names first."""
        return [self.form]

    def page(self, *, problem: "StrOrPromise" = "", status: int = 200) -> HttpResponse:
        has_errors = any(form.errors for form in self.forms if form.is_bound)
        context = {**self.context(), "problem": problem, "has_errors": has_errors}
        response = page(self.request, self.template, self.campaign, context)
        response.status_code = status
        return response

    def preview_page(self) -> HttpResponse:
        """What donors would read: as a fragment while somebody types, else as the whole page."""
        if self.request.headers.get("HX-Request"):
            return page(self.request, "donations/_staff_pool_preview.html", self.campaign, self.context())
        return self.page()


class NewPool(PoolDesk):
    """The form of a pool that is to be opened."""

    def __init__(self, request: HttpRequest, *, campaign: Campaign, kind: str) -> None:
        super().__init__(request)
        self._campaign, self.kind = campaign, kind
        self.choice = SponsorChoice(*self._choice_sent)
        self.sponsor_form = SponsorForm(*(self.sent if self.choice.is_new else ()), prefix="sponsor")
        self.key = form_keys.unsealed(request.POST.get("form_key", "")) if self.sent else None

    @property
    def campaign(self) -> Campaign:
        return self._campaign

    @cached_property
    def form(self) -> TermsForm:
        return TermsForm(*self.sent[:1], kind=self.kind, campaign=self.campaign)

    @property
    def _choice_sent(self) -> list[QueryDict]:
        """What was sent; whoever described a new sponsor and chose none in the list has chosen the new one."""
        if not self.sent:
            return []
        sent = self.request.POST.copy()
        if not sent.get("sponsor") and sent.get("sponsor-name"):
            sent["sponsor"] = SponsorChoice.NEW
        return [sent]

    @property
    def forms(self) -> list[BaseForm]:
        return [self.choice, *([self.sponsor_form] if self.choice.is_new else []), self.form]

    @cached_property
    def is_valid(self) -> bool:
        found = [form.is_valid() for form in self.forms]  # every one is asked, for its errors
        return all(found)

    def sponsor(self) -> Sponsor:
        """The sponsor chosen, or the new one as far as it was described; not saved."""
        chosen = self.choice["sponsor"].value() or ""
        known = Sponsor.objects.filter(pk=int(chosen)).first() if chosen.isdecimal() and len(chosen) < 10 else None
        if known is not None:
            return known
        typed = self.sponsor_form.data
        public_name = (typed.get("sponsor-public_name") or "").strip() or gettext("the sponsor")
        name = (typed.get("sponsor-name") or "").strip()
        return Sponsor(name=name, public_name=public_name, is_anonymous=bool(typed.get("sponsor-is_anonymous")))

    def unsaved(self) -> MatchPool:
        return MatchPool(
            campaign=self.campaign,
            sponsor=self.sponsor(),
            currency=self.campaign.currency,
            limit_minor=self.form.limit_minor or 0,
            leftover=self.form.chosen_leftover,
        )

    @property
    def name(self) -> str:
        return (
            self.form.cleaned_data["name"]
            or f"{self.sponsor().name}, {self.form.title[:1].lower()}{self.form.title[1:]}"
        )[:120]

    def context(self) -> dict[str, Any]:
        key = FormKey(self.key) if self.key else form_keys.new_form_key()
        logo = self.request.FILES.get("sponsor-logo") if self.sent else None
        return super().context() | {
            "choice": self.choice,
            "sponsor_form": self.sponsor_form,
            "form_key": key.sealed,
            "kind_text": next(text for name, _, text in KINDS if name == self.kind),
            "lost_logo": logo.name if isinstance(logo, UploadedFile) else "",
        }


class OpenedPool(PoolDesk):
    """The form of a pool whose terms are changed."""

    def __init__(self, request: HttpRequest, *, pool: MatchPool) -> None:
        super().__init__(request)
        self.pool = pool

    @property
    def campaign(self) -> Campaign:
        return self.pool.campaign

    @cached_property
    def form(self) -> TermsForm:
        return TermsForm(*self.sent[:1], kind=kind_of(self.pool.terms), campaign=self.campaign, pool=self.pool)

    @property
    def name(self) -> str:
        return self.form.cleaned_data["name"] or self.pool.name

    @property
    def base(self) -> str:
        """What the change starts from, for the form to send back."""
        return f"{self.pool.terms.version}-{self.pool.limit_minor}"

    @property
    def seen_base(self) -> tuple[int, int] | None:
        version, _, limit_minor = self.request.POST.get("base", "").partition("-")
        is_plain = version.isdecimal() and limit_minor.isdecimal() and len(version + limit_minor) < 40
        return (int(version), int(limit_minor)) if is_plain else None

    @cached_property
    def shown(self) -> Preview | None:
        if self.form.is_bound:
            return super().shown
        return preview(pool=self.pool, terms=as_terms(self.pool.terms), now=timezone.now())

    def unsaved(self) -> MatchPool:
        changed = MatchPool.objects.select_related("campaign", "sponsor").get(pk=self.pool.pk)
        changed.limit_minor = self.form.limit_minor or 0
        return changed

    def context(self) -> dict[str, Any]:
        return super().context() | {
            "pool": self.pool,
            "base": self.base,
            "promised": pool_history.promised_gifts(pool=self.pool),
            "least_minor": self.pool.held_minor + self.pool.matched_minor,
        }
