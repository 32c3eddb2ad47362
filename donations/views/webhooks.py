import logging

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from campaign.clock import database_now
from donations import events, gateway, tasks

logger = logging.getLogger(__name__)


@csrf_exempt
@require_POST
def stripe_webhook(request: HttpRequest) -> HttpResponse:
    """Verify, store, answer 200; a worker applies it. What we do not know is stored and answered 200 as well."""
    try:
        event = gateway.verify_event(request.body, request.headers.get("Stripe-Signature", ""))
    except gateway.BadSignature as error:
        logger.warning("refused a webhook from %s: %s", request.META.get("REMOTE_ADDR"), error)
        return HttpResponse("The signature does not fit.", status=400, content_type="text/plain")
    row_id = events.store(event=event, now=database_now())
    if row_id is not None:
        tasks.wake(tasks.apply_event, row_id)
    return HttpResponse("stored", content_type="text/plain")
