"""Part 6: Stripe's events through the door, gifts that no event spoke of, and how often Stripe is asked for a gift."""

import http.client
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import stripe
from django.conf import settings
from django.utils import timezone

from campaign.clock import database_now
from donations import stripe_runs
from donations.models import Donation
from sandbox.stack.ports import HOST, free_port
from sandbox.stack.site import Site
from sandbox.stripe.control import SandboxControl
from tests import paying
from tests.benchmarks import scene, tables

TOLD, AT_ONCE = 2_000, 8
PACED, PACED_PER_SECOND = 500, 50  # design: 500 events in ten seconds
UNHEARD = 300


def show() -> None:
    with tempfile.TemporaryDirectory(prefix="twofold-bench-") as folder, _site(Path(folder)) as port:
        paced = _told(port, PACED, per_second=PACED_PER_SECOND)
        most = _told(port, TOLD)
    tables.show(
        "6. Stripe's events stored and answered by the web server, each another one",
        heads=["", "events", "a second", "median", "99 of 100", "slowest"],
        rows=[
            [f"as they come on the day, {PACED_PER_SECOND}/s", *_row(*paced)],
            [f"as many as it takes, {AT_ONCE} at once", *_row(*most)],
        ],
        notes=["From sending to the whole answer; the sender, Python too, is on the same cores."],
    )
    with scene.stripe() as sandbox:
        seconds, calls, asked = _completed(sandbox)
    minutes = 10_000 / (UNHEARD / seconds) / 60
    tables.show(
        "Gifts that no event spoke of, completed from Stripe's lists in one process",
        heads=["", "gifts", "a second", "10,000 would take", "questions to Stripe"],
        rows=[
            [
                "match committed, receipt owed",
                f"{UNHEARD}",
                tables.rate(UNHEARD / seconds),
                f"{minutes:.1f} min",
                str(calls),
            ]
        ],
        notes=[f"Questions to Stripe for a gift on its ordinary road: {asked}."],
    )


def _row(latencies: list[float], took: float) -> list[str]:
    ordered = sorted(latencies)
    shown = [ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1]]
    return [f"{len(ordered):,}", tables.rate(len(ordered) / took), *[tables.ms(one * 1000) for one in shown]]


@contextmanager
def _site(folder: Path) -> Iterator[int]:
    port = free_port()
    environment = {**os.environ, "DEBUG": "0", "SITE_URL": f"http://{HOST}:{port}", "ALLOWED_HOSTS": HOST}
    environment |= {"STATIC_ROOT": str(folder / "static"), "STATIC_MANIFEST": "0"}
    (folder / "static").mkdir()
    web = Site(environment=environment, folder=folder).web(port, workers=2)
    web.start()
    web.wait_ready()
    try:
        yield port
    finally:
        web.stop()


def _told(port: int, count: int, *, per_second: float = 0) -> tuple[list[float], float]:
    """Tell the site of `count` events over kept connections; how long each answer took, and all of them."""
    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as stripes:
        shares = [range(first, count, AT_ONCE) for first in range(AT_ONCE)]
        told = list(stripes.map(lambda share: _tell(port, share, began=began, per_second=per_second), shares))
    return [one for latencies in told for one in latencies], time.monotonic() - began


def _tell(port: int, numbers: range, *, began: float, per_second: float) -> list[float]:
    connection = http.client.HTTPConnection(HOST, port, timeout=20)
    latencies = []
    for number in numbers:
        if per_second:
            time.sleep(max(0, began + number / per_second - time.monotonic()))
        payload = _event(f"{'paced' if per_second else 'most'}_{number}")
        signed = stripe.WebhookSignature.generate_signature_header(payload, settings.STRIPE_WEBHOOK_SECRETS[0])
        sent_at = time.monotonic()
        connection.request("POST", "/webhooks/stripe/", payload, {"Stripe-Signature": signed})
        answer = connection.getresponse()
        answer.read()
        latencies.append(time.monotonic() - sent_at)
        if answer.status != 200:
            raise RuntimeError(f"an event was answered {answer.status}")
    return latencies


def _event(name: str) -> str:
    thing = {"id": f"pi_{name}", "object": "payment_intent", "filling": "x" * 2_500}  # as long as a real one
    event = {"id": f"evt_{name}", "object": "event", "type": "payment_intent.created", "livemode": False}
    return json.dumps(event | {"api_version": settings.STRIPE_API_VERSION, "created": 1, "data": {"object": thing}})


def _completed(sandbox: SandboxControl) -> tuple[float, int, str]:
    """Seconds and questions that a run takes to complete UNHEARD gifts, and the questions of an ordinary gift."""
    campaign = scene.campaign()
    since = timezone.now()
    gifts = [paying.started_gift(campaign) for _ in range(UNHEARD)]
    ordinary = paying.started_gift(campaign)
    for gift in (ordinary, *gifts):
        paying.confirm(gift)
    for event in paying.events_of(ordinary):
        paying.deliver(event)
    before = sandbox.state()["requests"]
    run = stripe_runs.start(started_by="system", now=database_now(), since=since)
    began = time.monotonic()
    stripe_runs.advance(run_id=run.pk, clock=database_now, seconds=600)
    took = time.monotonic() - began
    completed = Donation.objects.filter(pk__in=[gift.pk for gift in gifts], state="paid").count()
    if completed != UNHEARD:
        raise RuntimeError(f"{completed} of {UNHEARD} gifts were completed")
    return took, sandbox.state()["requests"] - before, _calls_of(sandbox, ordinary)


def _calls_of(sandbox: SandboxControl, gift: Donation) -> str:
    """Our own questions about one gift's payment; the donor's browser asks with another key."""
    asked = sandbox.log(requests=5_000)["requests"]
    ours = [row for row in asked if row["method"] == "GET" and row["path"].endswith(str(gift.payment_intent))]
    kinds = Counter({"opening": 1, "reading": len(ours)})
    return f"{sum(kinds.values())} ({kinds['opening']} to open the payment, {kinds['reading']} to read it)"
