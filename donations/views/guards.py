"""What staff see of payments as a whole, Stripe and the check of payers, and the switch of that check."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_POST

from campaign.clock import database_now
from donations import outage, pace, payer_check
from donations.models import FailedTry, PayerCheck
from donations.roles import actor, name_of, needs

CREATE = "POST payment_intents"
_SWITCHES = {
    PayerCheck.Mode.ON: gettext_lazy("Check all payers now"),
    PayerCheck.Mode.OFF: gettext_lazy("Never check"),
    PayerCheck.Mode.AUTO: gettext_lazy("Leave it to the site"),
}
_SAID = {
    PayerCheck.Mode.ON: gettext_lazy("Every payer is checked from now on, until somebody switches it."),
    PayerCheck.Mode.OFF: gettext_lazy("Nobody is checked from now on, whatever is tried on the site."),
    PayerCheck.Mode.AUTO: gettext_lazy("The check comes on and goes off by itself again."),
}


def payments_state(*, now: datetime) -> dict[str, Any]:
    """For the staff page. Five queries at most."""
    check = payer_check.read(now=now)
    return {
        "payer_check": check,
        "payer_check_by": name_of(check.changed_by),
        "payer_check_choices": [(mode.value, label) for mode, label in _SWITCHES.items() if mode != check.mode],
        "stripe_down_since": outage.down_since(),
        "in_line": pace.waiting(CREATE, now=now),
        "failed_count": FailedTry.objects.filter(at__gt=now - payer_check.LONG).count(),
    }


@require_POST
@needs("donations.change_payercheck")
def switch_payer_check(request: HttpRequest) -> HttpResponseBase:
    """The form says which way, so that two people pressing it do not undo each other."""
    mode = request.POST.get("mode", "")
    if mode not in PayerCheck.Mode.values:
        messages.error(request, gettext("Nothing was switched: choose one of the three buttons."))
        return redirect("staff-today")
    payer_check.switch(mode=mode, actor=actor(request), now=database_now())
    said = _SAID[PayerCheck.Mode(mode)]
    LogEntry.objects.log_actions(
        request.user.pk or 0, [PayerCheck.objects.get(pk=1)], CHANGE, change_message=f"{said} (staff pages)"
    )
    messages.success(request, said)
    return redirect("staff-today")
