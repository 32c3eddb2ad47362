"""Monthly payments through subscriptions, and cards saved for later."""

import pytest
import stripe


def amount_of(cents):
    return [
        {
            "price_data": {
                "currency": "usd",
                "product": "monthly-gift",
                "recurring": {"interval": "month"},
                "unit_amount": cents,
            }
        }
    ]


@pytest.fixture
def customer(stripe_client):
    stripe_client.v1.products.create(params={"id": "monthly-gift", "name": "Monthly gift"})
    return stripe_client.v1.customers.create(params={"name": "Ann", "email": "ann@example.org"})


@pytest.fixture
def subscription(stripe_client, customer):
    return stripe_client.v1.subscriptions.create(
        params={
            "customer": customer.id,
            "items": amount_of(2_500),
            "payment_behavior": "default_incomplete",
            "payment_settings": {"save_default_payment_method": "on_subscription"},
            "metadata": {"monthly": "7"},
            "expand": ["latest_invoice.confirmation_secret", "latest_invoice.payments"],
        }
    )


def intent_id(invoice):
    return invoice.payments.data[0].payment.payment_intent


def pay(client, subscription, method="pm_card_visa"):
    return client.v1.payment_intents.confirm(
        intent_id(subscription.latest_invoice), params={"payment_method": method, "return_url": "http://127.0.0.1/"}
    )


def now_is(client, subscription, *expand):
    return client.v1.subscriptions.retrieve(subscription.id, params={"expand": list(expand)})


def kinds(client, *patterns):
    params = {"limit": 100, "types": list(patterns)}
    return [event.type for event in client.v1.events.list(params=params).data][::-1]


def invoices(client, subscription):
    listed = client.v1.invoices.list(params={"subscription": subscription.id, "expand": ["data.payments"]}).data
    return [(one.billing_reason, one.status, one.amount_due, one.attempt_count) for one in listed]


def test_it_waits_for_its_first_payment(stripe_client, subscription):
    invoice = subscription.latest_invoice
    assert (subscription.status, invoice.status, invoice.amount_due) == ("incomplete", "open", 2_500)
    assert invoice.confirmation_secret.client_secret.startswith(intent_id(invoice) + "_secret_")
    assert kinds(stripe_client, "customer.subscription.*", "invoice.*") == [
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
    ]


def test_its_first_payment_makes_it_active_and_saves_the_card(stripe_client, customer, subscription):
    paid = pay(stripe_client, subscription)
    after = now_is(stripe_client, subscription, "default_payment_method", "latest_invoice")
    assert (after.status, after.latest_invoice.status, after.latest_invoice.amount_paid) == ("active", "paid", 2_500)
    assert (after.default_payment_method.id, after.default_payment_method.customer) == (
        paid.payment_method,
        customer.id,
    )
    assert kinds(stripe_client, "invoice.p*", "customer.subscription.updated") == [
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
    ]


def test_a_declined_first_payment_leaves_it_waiting(stripe_client, subscription):
    with pytest.raises(stripe.CardError):
        pay(stripe_client, subscription, "pm_card_visa_chargeDeclined")
    assert now_is(stripe_client, subscription).status == "incomplete"
    pay(stripe_client, subscription)
    assert invoices(stripe_client, subscription) == [("subscription_create", "paid", 2_500, 2)]


def test_its_payment_is_not_cancelled_but_it_is(stripe_client, subscription):
    with pytest.raises(stripe.InvalidRequestError, match="created by an Invoice"):
        stripe_client.v1.payment_intents.cancel(intent_id(subscription.latest_invoice))
    ended = stripe_client.v1.subscriptions.cancel(subscription.id)
    payment = stripe_client.v1.payment_intents.retrieve(intent_id(subscription.latest_invoice))
    assert (ended.status, payment.status, payment.cancellation_reason) == (
        "incomplete_expired",
        "canceled",
        "void_invoice",
    )
    assert invoices(stripe_client, subscription) == [("subscription_create", "void", 2_500, 0)]


def test_it_renews_with_the_saved_card(sandbox, stripe_client, subscription):
    pay(stripe_client, subscription)
    first = now_is(stripe_client, subscription)["items"].data[0].current_period_end
    sandbox.renew(subscription.id)
    after = now_is(stripe_client, subscription)
    assert (after.status, after["items"].data[0].current_period_start) == ("active", first)
    assert invoices(stripe_client, subscription) == [
        ("subscription_cycle", "paid", 2_500, 1),
        ("subscription_create", "paid", 2_500, 1),
    ]
    assert stripe_client.v1.invoices.list().data[0].parent.subscription_details.metadata["monthly"] == "7"


def test_a_failed_renewal_is_past_due_until_a_retry_pays_it(sandbox, stripe_client, subscription):
    pay(stripe_client, subscription)
    sandbox.renew(subscription.id, "insufficient_funds")
    failed = now_is(stripe_client, subscription, "latest_invoice")
    assert (failed.status, failed.latest_invoice.status, failed.latest_invoice.attempt_count) == ("past_due", "open", 1)
    assert failed.latest_invoice.next_payment_attempt
    sandbox.retry(subscription.id)
    assert now_is(stripe_client, subscription).status == "active"
    assert invoices(stripe_client, subscription)[0] == ("subscription_cycle", "paid", 2_500, 2)


def test_retries_end_and_it_with_them(sandbox, stripe_client, subscription):
    pay(stripe_client, subscription)
    sandbox.renew(subscription.id, "declined")
    sandbox.retry(subscription.id, "declined", gives_up=True)
    after = now_is(stripe_client, subscription)
    assert (after.status, after.cancellation_details.reason) == ("canceled", "payment_failed")
    assert kinds(stripe_client, "customer.subscription.deleted") == ["customer.subscription.deleted"]


def test_another_amount_and_another_day_count_from_the_next_payment(sandbox, stripe_client, subscription):
    pay(stripe_client, subscription)
    item = now_is(stripe_client, subscription)["items"].data[0]
    moved = item.current_period_end + 5 * 86_400
    stripe_client.v1.subscriptions.update(
        subscription.id, params={"items": [{"id": item.id, **amount_of(4_000)[0]}], "proration_behavior": "none"}
    )
    after = stripe_client.v1.subscriptions.update(
        subscription.id, params={"trial_end": moved, "proration_behavior": "none"}
    )
    assert (after.status, after["items"].data[0].current_period_end) == ("trialing", moved)
    sandbox.renew(subscription.id)
    assert invoices(stripe_client, subscription)[0] == ("subscription_cycle", "paid", 4_000, 1)
    assert now_is(stripe_client, subscription).status == "active"


@pytest.fixture
def setup(stripe_client, customer):
    return stripe_client.v1.setup_intents.create(params={"customer": customer.id, "usage": "off_session"})


def save(client, setup, method):
    return client.v1.setup_intents.confirm(
        setup.id, params={"payment_method": method, "return_url": "http://127.0.0.1/"}
    )


def charge_later(client, customer, method):
    return client.v1.payment_intents.create(
        params={
            "amount": 5_000,
            "currency": "usd",
            "customer": customer.id,
            "payment_method": method,
            "off_session": True,
            "confirm": True,
            "return_url": "http://127.0.0.1/",
        }
    )


def test_a_card_is_saved_and_charged_later(stripe_client, customer, setup):
    saved = save(stripe_client, setup, "pm_card_visa")
    assert saved.status == "succeeded"
    assert stripe_client.v1.payment_methods.retrieve(saved.payment_method).customer == customer.id
    assert charge_later(stripe_client, customer, saved.payment_method).status == "succeeded"


def test_a_card_that_cannot_be_saved_says_so(stripe_client, setup):
    with pytest.raises(stripe.CardError) as refused:
        save(stripe_client, setup, "pm_card_visa_chargeDeclined")
    assert refused.value.code == "card_declined"
    assert stripe_client.v1.setup_intents.retrieve(setup.id).status == "requires_payment_method"


@pytest.mark.parametrize(
    ("token", "code"),
    [("pm_card_chargeCustomerFail", "card_declined"), ("pm_card_authenticationRequired", "authentication_required")],
)
def test_a_saved_card_can_be_refused_on_the_day(stripe_client, customer, token, code):
    method = stripe_client.v1.payment_methods.attach(token, params={"customer": customer.id})
    with pytest.raises(stripe.CardError) as refused:
        charge_later(stripe_client, customer, method.id)
    assert refused.value.code == code
    payment = stripe_client.v1.payment_intents.list().data[0]
    assert (payment.status, payment.last_payment_error.code) == ("requires_payment_method", code)


def test_a_browser_saves_a_card_with_its_secret_only(browser_client, setup):
    with pytest.raises(stripe.InvalidRequestError):
        browser_client.v1.setup_intents.confirm(setup.id, params={"payment_method": "pm_card_visa"})
    saved = browser_client.v1.setup_intents.confirm(
        setup.id, params={"payment_method": "pm_card_visa", "client_secret": setup.client_secret}
    )
    assert (saved.status, "customer" in saved) == ("succeeded", False)
