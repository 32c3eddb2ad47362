"""A Stripe sandbox of these tests' own, quick and clean for each test; nothing here needs the site."""

from collections.abc import Iterator

import pytest
import stripe

from sandbox.stripe.control import SandboxControl
from sandbox.stripe.testing import PUBLISHABLE_KEY, SECRET_KEY, WebhookSink, running_sandbox

QUICK = {
    "retry_base_ms": 20,
    "balance_delay_ms": 0,
    "bank_delay_ms": 30,
    "dispute_delay_ms": 0,
    "refund_delay_ms": 30,
}


def quick_arguments() -> list[str]:
    return [part for name, value in QUICK.items() for part in ("--knob", f"{name}={value}")]


@pytest.fixture(scope="session")
def _sandbox() -> Iterator[SandboxControl]:
    with running_sandbox("--seed", "7", *quick_arguments()) as control:
        yield control


@pytest.fixture
def sandbox(_sandbox) -> SandboxControl:
    """A running sandbox that has forgotten everything, with delays of a few milliseconds and no webhook address."""
    _sandbox.reset()
    return _sandbox


@pytest.fixture
def sink(sandbox) -> Iterator[WebhookSink]:
    """Where the sandbox's webhooks arrive."""
    with WebhookSink() as sink:
        sandbox.knobs(webhook_url=sink.url)
        yield sink
        sandbox.reset()


def client_for(control: SandboxControl, key: str = SECRET_KEY, **more) -> stripe.StripeClient:
    return stripe.StripeClient(key, base_addresses={"api": control.base_url}, **more)


@pytest.fixture
def stripe_client(sandbox) -> stripe.StripeClient:
    """The official client with the secret key and no retries of its own."""
    return client_for(sandbox)


@pytest.fixture
def browser_client(sandbox) -> stripe.StripeClient:
    """The official client with the publishable key: what a browser may do."""
    return client_for(sandbox, PUBLISHABLE_KEY)


class Payments:
    """Payments in one call each."""

    def __init__(self, client: stripe.StripeClient) -> None:
        self.client = client

    def create(self, amount: int = 5_000, **more) -> stripe.PaymentIntent:
        params = {"amount": amount, "currency": "usd", "automatic_payment_methods": {"enabled": True}, **more}
        return self.client.v1.payment_intents.create(params=params)

    def confirm(self, intent, method: str = "pm_card_visa", **more) -> stripe.PaymentIntent:
        params = {"payment_method": method, "return_url": "http://127.0.0.1/done", **more}
        return self.client.v1.payment_intents.confirm(intent.id, params=params)

    def pay(self, amount: int = 5_000, method: str = "pm_card_visa", **more) -> stripe.PaymentIntent:
        return self.confirm(self.create(amount, **more), method)

    def get(self, intent, *expand: str) -> stripe.PaymentIntent:
        return self.client.v1.payment_intents.retrieve(intent.id, params={"expand": list(expand)})

    def charge(self, intent) -> stripe.Charge:
        return self.get(intent, "latest_charge").latest_charge


@pytest.fixture
def payments(stripe_client) -> Payments:
    return Payments(stripe_client)
