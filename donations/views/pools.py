"""Match pools on the staff pages: all of them, one with its history, opening one, changing its terms, pausing it."""

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from campaign.clock import database_now
from campaign.uploads import says_when_there_is_no_room
from donations.roles import actor, needs
from donations.views.offline import chosen_campaign
from donations.views.pool_desks import NewPool, OpenedPool
from donations.views.staff import page
from matching import pool_history
from matching import pools as match_pools
from matching.ledger import PoolsBusy
from matching.models import MatchPool, Sponsor
from matching.pool_form import KINDS
from matching.pools import ChangedMeanwhile, InvalidTerms, LimitBelowPromises
from matching.queries import pool_figures
from matching.sponsor_form import SponsorForm
from matching.watch import watch

_BUSY = gettext_lazy(
    "Many gifts are using this pool right now. Nothing was changed and nothing typed is lost: press the button again."
)
_BUSY_OPENING = gettext_lazy(
    "Many gifts are being paid right now. Nothing was opened and nothing typed is lost: press the button again."
)
_CHANGED = gettext_lazy(
    "Somebody else changed this pool after you opened this page. Nothing of yours was saved and nothing typed is lost: "
    "look at its terms now, then press the button again to put yours in their place."
)
_READ_IT = gettext_lazy("Nothing was saved yet. This is what donors will read: press the button again if it is right.")


@require_GET
@needs("matching.view_matchpool")
def pools(request: HttpRequest) -> HttpResponseBase:
    """The current campaign's pools with their terms, and the switch that pauses them."""
    campaign = chosen_campaign(request)
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    now = timezone.now()
    context = {
        "pools": pool_figures(campaign=campaign, now=now),
        "watch": watch(now=now),
        "now": now,
        "currency": campaign.currency,
    }
    return page(request, "donations/staff_pools.html", campaign, context)


@require_GET
@needs("matching.view_matchpool")
def pool(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One pool: its figures now, and everything that was ever changed about it."""
    found = _pool(pk)
    now = timezone.now()
    figures = next(row for row in pool_figures(campaign=found.campaign, now=now) if row.pool.pk == pk)
    context = {
        "pool": figures,
        "history": pool_history.read(pool=figures.pool),
        "now": now,
        "currency": found.currency,
    }
    return page(request, "donations/staff_pool.html", found.campaign, context)


@require_http_methods(["GET", "HEAD", "POST"])
@needs("matching.add_matchpool")
@says_when_there_is_no_room
def new_pool(request: HttpRequest) -> HttpResponseBase:
    """Choose what the pool is for; `?kind=` is the form of that kind, which opens it."""
    campaign = chosen_campaign(request)
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    kind = request.GET.get("kind", "")
    if kind not in {name for name, _, _ in KINDS}:
        return page(request, "donations/staff_pool_kinds.html", campaign, {"kinds": KINDS})
    desk = NewPool(request, campaign=campaign, kind=kind)
    if request.method != "POST":
        return desk.page()
    return desk.preview_page() if "preview" in request.POST else _open(request, desk)


@require_http_methods(["GET", "HEAD", "POST"])
@needs("matching.change_matchpool")
def change_pool(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Change the terms, limit and name of a pool, from now on."""
    desk = OpenedPool(request, pool=_pool(pk))
    if request.method != "POST":
        return desk.page()
    return desk.preview_page() if "preview" in request.POST else _change(request, desk)


@require_POST
@needs("matching.change_matchpool")
def pause_pool(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Pause or resume one pool: the form says which, so that two people pressing it do not undo each other."""
    found = get_object_or_404(MatchPool, pk=pk)
    back = redirect("staff-pool", pk) if request.POST.get("from") == "pool" else redirect("staff-pools")
    if request.POST.get("paused") not in ("0", "1"):
        messages.error(
            request,
            gettext("Nothing was changed: the form did not say whether to pause or resume %(name)s.")
            % {"name": found.name},
        )
        return back
    paused = request.POST["paused"] == "1"
    try:
        is_new = match_pools.set_paused(pool_id=found.pk, paused=paused, actor=actor(request), now=database_now())
    except PoolsBusy:
        messages.error(
            request,
            gettext("Many gifts are using %(name)s right now, nothing was changed. Please try again.")
            % {"name": found.name},
        )
    else:
        said = _paused_text(found.name, is_new=is_new) if paused else _resumed_text(found.name, is_new=is_new)
        messages.success(request, said)
    return back


def _paused_text(name: str, *, is_new: bool) -> str:
    said = gettext("Paused %(pool)s.") if is_new else gettext("%(pool)s was paused already.")
    tail = gettext("It gives no new match; what is held and matched stays.")
    return f"{said % {'pool': name}} {tail}"


def _resumed_text(name: str, *, is_new: bool) -> str:
    said = gettext("Resumed %(pool)s.") if is_new else gettext("%(pool)s was resumed already.")
    tail = gettext("It matches new gifts again.")
    return f"{said % {'pool': name}} {tail}"


@require_http_methods(["GET", "HEAD", "POST"])
@needs("matching.change_sponsor")
@says_when_there_is_no_room
def sponsor(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A sponsor's names, link and logo, as all their pools show them."""
    found = get_object_or_404(Sponsor, pk=pk)
    campaign = chosen_campaign(request)
    if campaign is None:
        return render(request, "donations/staff_no_campaign.html")
    sent = (request.POST, request.FILES) if request.method == "POST" else ()
    form = SponsorForm(*sent, instance=found, prefix="sponsor")
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
        messages.success(
            request, gettext("Saved %(name)s. Public pages show it within a second or two.") % {"name": found.name}
        )
        return redirect("staff-pools")
    return page(request, "donations/staff_sponsor.html", campaign, {"form": form, "sponsor": found})


def _pool(pk: int) -> MatchPool:
    opened = MatchPool.objects.filter(current_terms__isnull=False).select_related("campaign", "sponsor")
    return get_object_or_404(opened, pk=pk)


def _open(request: HttpRequest, desk: NewPool) -> HttpResponseBase:
    if desk.key and (earlier := MatchPool.objects.filter(form_key=desk.key).first()):
        return _opened_before(request, earlier)
    if not desk.is_valid or desk.form.terms is None or desk.form.limit_minor is None:
        return desk.page()
    if not desk.was_seen:
        return desk.page(problem=_READ_IT)
    try:
        with transaction.atomic():
            opened = match_pools.open_pool(
                campaign=desk.campaign,
                sponsor=desk.sponsor_form.save() if desk.choice.is_new else desk.sponsor(),
                name=desk.name,
                limit_minor=desk.form.limit_minor,
                terms=desk.form.terms,
                actor=actor(request),
                now=database_now(),
                leftover=desk.form.chosen_leftover,
                form_key=desk.key or "",
            )
    except IntegrityError:
        earlier = MatchPool.objects.filter(form_key=desk.key).first() if desk.key else None
        if earlier is None:
            raise
        return _opened_before(request, earlier)
    except PoolsBusy:
        return desk.page(problem=_BUSY_OPENING, status=503)
    messages.success(
        request, gettext("Opened %(name)s. Donors read it on the match page from now on.") % {"name": opened.name}
    )
    return redirect("staff-pool", opened.pk)


def _opened_before(request: HttpRequest, earlier: MatchPool) -> HttpResponseBase:
    messages.info(
        request,
        gettext("This form has opened %(name)s already, once. Nothing more was opened.") % {"name": earlier.name},
    )
    return redirect("staff-pool", earlier.pk)


def _change(request: HttpRequest, desk: OpenedPool) -> HttpResponseBase:
    if not desk.form.is_valid() or desk.form.terms is None or desk.form.limit_minor is None:
        return desk.page()
    if not desk.was_seen:
        return desk.page(problem=_READ_IT)
    try:
        match_pools.change_pool(
            pool_id=desk.pool.pk,
            name=desk.name,
            limit_minor=desk.form.limit_minor,
            terms=desk.form.terms,
            seen=desk.seen_base,
            actor=actor(request),
            now=database_now(),
        )
    except (InvalidTerms, LimitBelowPromises) as error:
        desk.form.refuse(error if isinstance(error, InvalidTerms) else InvalidTerms(str(error), "limit_minor"))
        return desk.page()
    except (ChangedMeanwhile, PoolsBusy) as error:
        is_busy = isinstance(error, PoolsBusy)
        return desk.page(problem=_BUSY if is_busy else _CHANGED, status=503 if is_busy else 200)
    messages.success(request, gettext("Saved %(name)s. New gifts go by these terms from now on.") % {"name": desk.name})
    return redirect("staff-pool", desk.pool.pk)
