"""Part 3: what one whole gift costs in processor time, part by part, here and in PostgreSQL.

Everything of ours runs in this process: pages and webhooks through Django's test client (which stands where the web
server stands), a worker's tasks as plain calls. Stripe's stand-in and the mail server are other processes and do not
count. Each part is done for all gifts before the next begins, so that its cost can be read off the kernel's clocks.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import stripe
from django.conf import settings
from django.test import Client
from django.test.client import ClientHandler
from django.utils import timezone

from donations import tasks
from donations.models import Donation, FollowUp, Receipt, StripeEvent
from donations.receipt_pdf import render_receipt
from matching import holds
from matching.allocation import Part
from sandbox.stack.ports import HOST, free_port
from sandbox.stack.site import Site
from tests import paying
from tests.benchmarks import scene, tables
from tests.benchmarks.processor import Cost, measure, postgres_pid
from tests.donations.give_form import DONOR, hidden

GIFTS = 150
_WARMING = 2  # processor.measure does not time them
# The events that move a gift, as Stripe sends them for one paid by card.
_EVENTS = ("charge.succeeded", "payment_intent.succeeded")
_WITHIN = "- of which "


def show() -> None:
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="twofold-bench-") as folder, _servers(Path(folder)):
        costs = _Gifts(GIFTS + _WARMING).costs()
    rows = [_row(name, cost) for name, cost in costs.items()]
    whole = [cost for name, cost in costs.items() if not name.startswith(_WITHIN)]
    own, server = sum(cost.own_ms for cost in whole), sum(cost.server_ms for cost in whole)
    trips = sum(cost.round_trips for cost in whole)
    rows.append(["one whole gift", tables.ms(own), tables.ms(server), tables.ms(own + server), str(trips)])
    tables.show(
        f"3. Processor time of one whole gift, {GIFTS} gifts",
        heads=["part", "Python", "PostgreSQL", "together", "round trips"],
        rows=rows,
        notes=[f"One core carries {1000 / (own + server):.0f} whole gifts a second, if it does nothing else."],
    )


def _row(name: str, cost: Cost) -> list[str]:
    trips = str(cost.round_trips) if cost.round_trips else "none"
    return [name, tables.ms(cost.own_ms), tables.ms(cost.server_ms), tables.ms(cost.both_ms), trips]


@contextmanager
def _servers(folder: Path) -> Iterator[None]:
    """Stripe's stand-in and a mail server, beside us."""
    ports = free_port(), free_port()
    inbox = Site(environment=os.environ, folder=folder).inbox(ports[0], smtp_port=ports[1])
    with scene.stripe():
        settings.FORM_LEAST_SECONDS = 0
        settings.EMAIL_HOST, settings.EMAIL_PORT = HOST, ports[1]
        inbox.start()
        inbox.wait_ready()
        try:
            yield
        finally:
            inbox.stop()


class _Gifts:
    """Gifts that go through their life together, step by step; `_costs` grows with each."""

    def __init__(self, count: int) -> None:
        self.campaign = scene.campaign()
        self.fund_id = self.campaign.funds.get(slug="education").pk
        self.server = postgres_pid()
        handler = ClientHandler(enforce_csrf_checks=False)  # one for all: a client's own would load every middleware
        self.clients = [_client(number, handler) for number in range(count)]
        self.gifts: list[Donation] = []
        self._costs: dict[str, Cost] = {}

    def costs(self) -> dict[str, Cost]:
        """Take every gift from its form to its receipt in the mail; what each step cost, in order."""
        self._send_forms()
        self._pay()
        self._apply_events()
        self._send_receipts()
        mailed = FollowUp.objects.filter(kind=FollowUp.Kind.EMAIL, state=FollowUp.State.DONE).count()
        _expect(mailed == len(self.gifts), f"{mailed} of {len(self.gifts)} receipts were mailed")
        return self._costs

    def _send_forms(self) -> None:
        pages = self._measure("form page", self._form_page, self.clients)
        sent = [
            (client, _filled(page, number))
            for number, (client, page) in enumerate(zip(self.clients, pages, strict=True))
        ]
        tokens = self._measure("form sent: gift and hold", self._send_form, sent)
        keys = self._measure(f"{_WITHIN}the hold", self._hold, [uuid4() for _ in sent])
        self.held = keys
        gifts = Donation.objects.in_bulk(tokens, field_name="token")
        self.gifts = [gifts[token] for token in tokens]

    def _pay(self) -> None:
        visits = list(zip(self.clients, self.gifts, strict=True))
        self._measure("payment page", lambda visit: self._see(visit[0], f"/gifts/{visit[1].token}/pay/"), visits)
        self._measure("payment opened at Stripe", self._open, visits)

    def _apply_events(self) -> None:
        told = [self._confirm(gift) for gift in self.gifts]
        stored = self._measure("2 events stored", self._tell, told)
        rows = dict(StripeEvent.objects.values_list("event_id", "pk"))
        work = [[rows[event_id] for event_id in ids] for ids in stored]
        self._measure("2 events applied: gift and commit", lambda mine: [tasks.apply_event(row) for row in mine], work)
        self._measure(f"{_WITHIN}the commit", lambda key: holds.commit(key=key, now=timezone.now()), self.held)

    def _send_receipts(self) -> None:
        self._measure("receipt issued", tasks.run_follow_up, self._work(FollowUp.Kind.RECEIPT))
        self._measure("receipt set and mailed", tasks.run_follow_up, self._work(FollowUp.Kind.EMAIL))
        self._measure(f"{_WITHIN}the PDF", render_receipt, list(Receipt.objects.filter(donation__in=self.gifts)))
        visits = list(zip(self.clients, self.gifts, strict=True))
        self._measure(
            "gift's own page, afterwards", lambda visit: self._see(visit[0], f"/gifts/{visit[1].token}/"), visits
        )

    def _measure(self, name: str, act: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        results, self._costs[name] = measure(act, items, server=self.server)
        return results

    def _form_page(self, client: Client) -> str:
        return self._see(client, "/give/?fund=education&amount=100")

    def _see(self, client: Client, address: str) -> str:
        answer = client.get(address)
        _expect(answer.status_code == 200, f"{address} answered {answer.status_code}")
        return answer.content.decode()

    def _send_form(self, sent: tuple[Client, str]) -> str:
        client, body = sent
        answer = client.post("/give/", body, content_type="application/x-www-form-urlencoded")
        _expect(answer.status_code == 303, f"the form was answered {answer.status_code}")
        return answer["Location"].split("/")[2]

    def _hold(self, key: UUID) -> UUID:
        """The same hold by itself; its gift exists in the ledger alone."""
        gift = holds.Gift(key, str(key), (Part(self.fund_id, 10_000),), timezone.now())
        holds.hold(campaign_id=self.campaign.pk, gift=gift, now=timezone.now())
        return key

    def _open(self, visit: tuple[Client, Donation]) -> None:
        answer = visit[0].post(f"/gifts/{visit[1].token}/intent/")
        _expect("client_secret" in answer.json(), f"the payment was not opened: {answer.content!r}")

    def _confirm(self, gift: Donation) -> list[tuple[str, str]]:
        """Pay as the donor's browser does; what Stripe then tells us, signed. Not measured."""
        gift.refresh_from_db()
        confirmation = {"payment_method": "pm_card_visa", "return_url": f"http://{HOST}/back"}
        paying.client().v1.payment_intents.confirm(gift.payment_intent, confirmation)
        payloads = [json.dumps(event) for event in paying.events_of(gift) if event["type"] in _EVENTS]
        sign, secret = stripe.WebhookSignature.generate_signature_header, settings.STRIPE_WEBHOOK_SECRETS[0]
        return [(payload, sign(payload, secret)) for payload in payloads]

    def _tell(self, told: list[tuple[str, str]]) -> list[str]:
        for payload, signature in told:
            answer = self.clients[0].post(
                "/webhooks/stripe/",
                payload,
                content_type="application/json",
                headers={"stripe-signature": signature},
            )
            _expect(answer.status_code == 200, f"the event was answered {answer.status_code}")
        return [json.loads(payload)["id"] for payload, _ in told]

    def _work(self, kind: str) -> list[int]:
        rows = FollowUp.objects.filter(donation__in=self.gifts, kind=kind, state=FollowUp.State.DUE)
        return list(rows.values_list("pk", flat=True))


def _client(number: int, handler: ClientHandler) -> Client:
    """A donor's browser at an address of its own: many unpaid gifts from one are refused."""
    client = Client(headers={"host": HOST}, REMOTE_ADDR=f"10.1.{number // 250}.{number % 250 + 1}")
    client.handler = handler
    return client


def _filled(page: str, number: int) -> str:
    """What Marta's browser sends of the form on this page."""
    sent = {name: hidden(page, name) for name in ("form_key", "promised_match_minor", "promised_for")}
    sent |= {"amount": "100.00", "other_amount": "", "fund": "education", **DONOR}
    return urlencode(sent | {"donor_email": f"marta-{number}@example.org"})


def _expect(is_so: bool, otherwise: str) -> None:
    """A step that went wrong costs something else than what it is called."""
    if not is_so:
        raise RuntimeError(otherwise)
