"""Every object that the sandbox can make, held against Stripe's own description."""

import contextlib
import json

import pytest
import stripe

from sandbox.stripe.cards import BANK_ACCOUNTS, CARDS
from sandbox.stripe.contract import Contract, Report, description_path, main
from sandbox.stripe.operations import OPERATIONS
from sandbox.stripe.testing import PUBLISHABLE_KEY, running_sandbox
from tests.sandbox.conftest import Payments, client_for, quick_arguments

pytestmark = pytest.mark.skipif(
    not description_path().exists(), reason=f"Stripe's description is not here: {description_path()}"
)
# What the description leaves out, though Stripe has it.
NOT_DESCRIBED = {
    ("GET", "radar", "early_fraud_warnings"),
    ("POST", "disputes", "*", "close"),
    ("POST", "refunds", "*", "cancel"),
    ("POST", "setup_intents", "*", "cancel"),
}


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract()


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """The traffic of a sandbox on which every call was made, with every card, and everything that can happen did."""
    path = tmp_path_factory.mktemp("contract") / "record.jsonl"
    with running_sandbox(*quick_arguments(), record=path) as control:
        client = client_for(control)
        intents = pay_every_way(Payments(client))
        control.wait_idle()
        refund_and_dispute(control, client, intents)
        control.wait_idle()
        make_every_other_call(control, client)
        give_monthly(control, client)
        save_a_card(client)
        control.wait_idle()
    return path


def pay_every_way(payments) -> dict[str, str]:
    made = {}
    for token in [one.token for one in (*CARDS, *BANK_ACCOUNTS)]:
        intent = payments.create(
            description="Gift",
            receipt_email="ann@example.com",
            metadata={"token": token},
            shipping={"name": "Ann", "address": {"line1": "1 Main St", "country": "US"}},
        )
        made[token] = intent.id
        with contextlib.suppress(stripe.CardError):
            payments.confirm(intent, token)
    fixed = {"amount": 900, "currency": "usd", "payment_method_types": ["card"], "payment_method": "pm_card_visa"}
    payments.client.v1.payment_intents.create(params={**fixed, "setup_future_usage": "off_session"})
    return made


def refund_and_dispute(control, client, intents) -> None:
    for token in ("pm_card_visa", "pm_card_refundFail", "pm_card_pendingRefund", "pm_usBankAccount_success"):
        client.v1.refunds.create(
            params={"payment_intent": intents[token], "amount": 100, "reason": "duplicate", "metadata": {"a": "b"}}
        )
    control.open_dispute(intents["pm_card_mastercard"])
    control.close_dispute(intents["pm_card_mastercard"], won=True)
    control.settle_debit(intents["pm_usBankAccount_processing"])
    dispute = client.v1.disputes.list().data[-1]
    client.v1.disputes.update(
        dispute.id, params={"evidence": {"uncategorized_text": "winning_evidence"}, "submit": True}
    )
    client.v1.disputes.update(dispute.id, params={"metadata": {"a": "b"}})
    closed = control.open_dispute(intents["pm_card_amex"])
    client.v1.disputes.close(closed["id"])
    control.wait_idle()
    control.pay_out()
    challenged = client.v1.payment_intents.retrieve(intents["pm_card_threeDSecure2Required"])
    browser = client_for(control, PUBLISHABLE_KEY)
    browser.v1.payment_intents.retrieve(challenged.id, params={"client_secret": challenged.client_secret})


def give_monthly(control, client) -> None:
    v1 = client.v1
    customer = v1.customers.create(params={"name": "Ann", "email": "ann@example.org"})
    product = v1.products.create(params={"id": "monthly", "name": "Monthly gift", "metadata": {"a": "b"}})
    v1.products.retrieve(product.id)
    recurring = {"interval": "month"}
    price = v1.prices.create(
        params={"currency": "usd", "product": product.id, "unit_amount": 2_500, "recurring": recurring}
    )
    v1.prices.retrieve(price.id)
    data = {"currency": "usd", "product": product.id, "unit_amount": 3_000, "recurring": recurring}
    made = {"customer": customer.id, "payment_behavior": "default_incomplete", "metadata": {"a": "b"}}
    expand = {"expand": ["latest_invoice.confirmation_secret", "latest_invoice.payments", "customer"]}
    v1.subscriptions.cancel(v1.subscriptions.create(params={**made, "items": [{"price": price.id}]}).id)
    keeps = {"save_default_payment_method": "on_subscription"}
    lasting = v1.subscriptions.create(
        params={**made, **expand, "items": [{"price_data": data}], "payment_settings": keeps}
    )
    intent = lasting.latest_invoice.payments.data[0].payment.payment_intent
    with contextlib.suppress(stripe.CardError):
        v1.payment_intents.confirm(intent, params={"payment_method": "pm_card_visa_chargeDeclined"})
    v1.payment_intents.confirm(intent, params={"payment_method": "pm_card_visa"})
    control.renew(lasting.id)
    item = v1.subscriptions.retrieve(lasting.id, params={"expand": ["default_payment_method"]})["items"].data[0]
    v1.subscriptions.update(
        lasting.id, params={"items": [{"id": item.id, "price_data": data}], "proration_behavior": "none"}
    )
    later = item.current_period_end + 86_400
    v1.subscriptions.update(lasting.id, params={"trial_end": later, "proration_behavior": "none"})
    control.renew(lasting.id, "authentication_required")
    control.retry(lasting.id)
    control.renew(lasting.id, "declined")
    control.retry(lasting.id, "declined", gives_up=True)
    v1.subscriptions.list(params={"customer": customer.id, "status": "all", "expand": ["data.latest_invoice"]})
    listed = v1.invoices.list(params={"subscription": lasting.id, "expand": ["data.payments"]}).data
    v1.invoices.retrieve(listed[0].id, params={"expand": ["payments", "confirmation_secret", "customer"]})


def save_a_card(client) -> None:
    v1 = client.v1
    customer = v1.customers.create(params={"name": "Ann", "email": "ann@example.org"})
    for token in ("pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_threeDSecure2Required"):
        setup = v1.setup_intents.create(
            params={"customer": customer.id, "usage": "off_session", "metadata": {"a": "b"}, "description": "Gift"}
        )
        with contextlib.suppress(stripe.CardError):
            v1.setup_intents.confirm(setup.id, params={"payment_method": token, "return_url": "http://127.0.0.1/"})
    v1.setup_intents.retrieve(setup.id, params={"expand": ["customer", "payment_method"]})
    v1.setup_intents.cancel(setup.id, params={"cancellation_reason": "abandoned"})
    v1.setup_intents.list(params={"customer": customer.id})


def make_every_other_call(control, client) -> None:
    v1 = client.v1
    payments = Payments(client)
    customer = v1.customers.create(
        params={"name": "Ann", "email": "a@b.co", "address": {"city": "X"}, "metadata": {"a": "b"}}
    )
    v1.customers.update(customer.id, params={"phone": "+1", "description": ""})
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
    billing = {"name": "Ann", "address": {"postal_code": "10001", "country": "US"}}
    method = v1.payment_methods.create(params={"type": "card", "card": card, "billing_details": billing})
    v1.payment_methods.create(params={"type": "card", "card": {"token": "tok_wallet_visa"}})
    account = {"account_holder_type": "individual", "account_number": "000123456789", "routing_number": "110000000"}
    v1.payment_methods.create(params={"type": "us_bank_account", "us_bank_account": account})
    v1.payment_methods.attach(method.id, params={"customer": customer.id})
    v1.payment_methods.update(method.id, params={"metadata": {"a": "b"}, "billing_details": {"name": "Ann Li"}})
    paid = payments.create(customer=customer.id, confirm=True, payment_method=method.id, return_url="http://127.0.0.1/")
    control.wait_idle()
    payments.get(paid, "latest_charge.balance_transaction", "latest_charge.refunds", "customer", "payment_method")
    v1.payment_methods.detach(method.id)
    intent = payments.create()
    v1.payment_intents.update(intent.id, params={"amount": 700, "metadata": {"a": "b"}, "description": "More"})
    v1.payment_intents.cancel(intent.id, params={"cancellation_reason": "abandoned"})
    charge = v1.charges.list(params={"payment_intent": paid.id, "limit": 3}).data[0]
    v1.charges.update(charge.id, params={"metadata": {"receipt": "R-1"}, "description": "Gift 1"})
    v1.charges.retrieve(charge.id, params={"expand": ["balance_transaction", "payment_intent"]})
    v1.balance.retrieve()
    row = v1.balance_transactions.list(params={"source": charge.id, "created": {"gte": 1}}).data[0]
    v1.balance_transactions.retrieve(row.id, params={"expand": ["source"]})
    refund = v1.refunds.list(params={"limit": 100, "expand": ["data.charge", "data.balance_transaction"]}).data[0]
    v1.refunds.retrieve(refund.id)
    v1.refunds.update(refund.id, params={"metadata": {"a": "c"}})
    dispute = v1.disputes.list(params={"expand": ["data.charge", "data.payment_intent"]}).data[0]
    v1.disputes.retrieve(dispute.id)
    v1.radar.early_fraud_warnings.list()
    for patterns in (["payment_intent.*", "charge.*"], ["refund.*"]):
        event = v1.events.list(params={"types": patterns, "created": {"gte": 1}, "delivery_success": True}).data[0]
    v1.events.retrieve(event.id)
    payout = v1.payouts.list(params={"status": "paid"}).data[0]
    v1.payouts.retrieve(payout.id, params={"expand": ["balance_transaction"]})
    v1.balance_transactions.list(params={"payout": payout.id, "limit": 100, "type": "charge"})
    v1.customers.list(params={"email": "a@b.co"})
    v1.customers.delete(customer.id)
    v1.customers.retrieve(customer.id)
    v1.payment_methods.list(params={"type": "card", "limit": 100})
    v1.payment_methods.retrieve("pm_card_amex")
    v1.payment_intents.list(params={"expand": ["data.latest_charge", "data.payment_method"], "limit": 100})
    with contextlib.suppress(stripe.InvalidRequestError):
        v1.refunds.cancel(refund.id)
    with contextlib.suppress(stripe.InvalidRequestError):
        v1.payment_intents.retrieve("pi_none")


def lines(record):
    return [json.loads(line) for line in record.read_text().splitlines()]


def test_nothing_that_the_sandbox_says_violates_stripes_description(contract, record, capsys):
    report = Report()
    contract.check_record(record, report)
    assert report.violations == {}
    assert report.checked["answers"] > 100
    assert main([str(record)]) == 0
    assert "0 violations" in capsys.readouterr().out


def test_every_call_was_made(record):
    made = set()
    for line in lines(record):
        if line["record"] == "exchange":
            steps = line["path"].split("/")[2:]
            named = (line["method"], *steps)
            of_one = (line["method"], *steps[:1], *(["*"] if len(steps) > 1 else []), *steps[2:])
            made.add(named if named in OPERATIONS else of_one)
    assert set(OPERATIONS) - made == set()


def test_every_event_type_was_made(record):
    made = {json.loads(line["event"])["type"] for line in lines(record) if line["record"] == "event"}
    assert made >= {
        "payment_intent.created",
        "payment_intent.requires_action",
        "payment_intent.processing",
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "charge.succeeded",
        "charge.failed",
        "charge.pending",
        "charge.updated",
        "charge.refunded",
        "charge.refund.updated",
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "refund.created",
        "refund.updated",
        "refund.failed",
        "customer.created",
        "customer.updated",
        "customer.deleted",
        "payment_method.attached",
        "payment_method.detached",
        "payout.created",
        "payout.paid",
        "payout.reconciliation_completed",
    }
    known = json.loads((description_path().parent / "event-types.json").read_text())
    assert made <= set(known)


def test_every_described_call_is_one_of_stripes(contract):
    for call in set(OPERATIONS) - NOT_DESCRIBED:
        method, *steps = call
        path = "/v1/" + "/".join("x" if step == "*" else step for step in steps)
        assert contract._operation(method, path) is not None, call


PAID = {"record": "exchange", "method": "GET", "path": "/v1/refunds/re_1", "encoded": "", "status": 200}
REFUND = {
    "id": "re_1",
    "object": "refund",
    "amount": 5,
    "charge": None,
    "created": 1,
    "currency": "usd",
    "payment_intent": None,
}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, None),
        ({"amount": "5"}, "amount"),
        ({"amount_minor": 5}, "amount_minor"),
        ({"status": None}, None),
        ({"reason": "whim"}, "reason"),
        ({"created": None}, "created"),
        ({"object": "refnd"}, "no such object"),
    ],
)
def test_it_finds_a_wrong_object(contract, change, told):
    report = Report()
    contract.check_line({**PAID, "answer": json.dumps({**REFUND, **change})}, report)
    assert ([text for text in report.violations if told in text] if told else [*report.violations, 1]) != []
    assert bool(report.violations) is bool(told)


@pytest.mark.parametrize(
    ("encoded", "told"),
    [
        ("amount=500&currency=usd&automatic_payment_methods[enabled]=true&metadata[a]=b&expand[]=customer", None),
        ("amount=500&currency=usd&expand[0]=customer&payment_method_types[0]=card", None),
        ("amount=500&curency=usd", "curency"),
        ("amount=much&currency=usd", "amount"),
        ("amount=500", "currency"),
        ("amount=500&currency=usd&automatic_payment_methods[enabled]=maybe", "enabled"),
        ("amount=500&currency=usd&capture_method=sometimes", "capture_method"),
    ],
)
def test_it_finds_a_wrong_parameter(contract, encoded, told):
    found = contract.request_violations("POST", "/v1/payment_intents", encoded)
    assert bool(found) is bool(told)
    assert told is None or any(told in text for text in found)


def test_a_violation_fails_the_check(tmp_path, capsys):
    path = tmp_path / "record.jsonl"
    path.write_text(json.dumps({**PAID, "answer": json.dumps({**REFUND, "amount": "5"})}) + "\n")
    assert main([str(path)]) == 1
    assert "1 violations" in capsys.readouterr().out


def test_without_the_description_it_says_that_nothing_was_checked(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("STRIPE_OPENAPI", str(tmp_path / "none.json"))
    assert main(["any"]) == 0
    assert "NOT checked" in capsys.readouterr().out
