"""PaymentIntents: what each card does, what each state allows, what a browser may do."""

import json
import urllib.error
import urllib.request

import pytest
import stripe

from sandbox.stripe.cards import ACCOUNTS_BY_TOKEN, CARDS
from tests.sandbox.conftest import client_for

DECLINED = [
    ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline", "Your card was declined."),
    (
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "card_declined",
        "insufficient_funds",
        "Your card has insufficient funds.",
    ),
    ("pm_card_chargeDeclinedExpiredCard", "expired_card", None, "Your card has expired."),
    ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None, "Your card's security code is incorrect."),
]


def types(client) -> list[str]:
    """The types of all events, oldest first."""
    return [event.type for event in client.v1.events.list(params={"limit": 100}).data][::-1]


def test_it_takes_a_card_payment_and_keeps_its_fee(sandbox, stripe_client, payments):
    paid = payments.pay(10_000, metadata={"donation": "d1"}, description="Gift")
    assert (paid.status, paid.amount_received, paid.metadata["donation"]) == ("succeeded", 10_000, "d1")
    sandbox.wait_idle()
    charge = payments.get(paid, "latest_charge.balance_transaction").latest_charge
    assert (charge.status, charge.captured, charge.metadata["donation"]) == ("succeeded", True, "d1")
    assert charge.payment_method_details.card.last4 == "4242"
    row = charge.balance_transaction
    assert (row.amount, row.fee, row.net, row.type) == (10_000, 320, 9_680, "charge")
    assert types(stripe_client) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
    ]


@pytest.mark.parametrize(("amount", "fee"), [(50, 31), (1_000, 59), (1_017, 59), (1_018, 60), (99_999_999, 2_900_030)])
def test_a_card_fee_is_2_9_percent_and_30_cents(sandbox, payments, amount, fee):
    charge = payments.pay(amount).latest_charge
    sandbox.wait_idle()
    row = payments.client.v1.balance_transactions.list(params={"source": charge}).data[0]
    assert (row.fee, row.net) == (fee, amount - fee)


@pytest.mark.parametrize("declined", DECLINED)
def test_a_declined_card_is_a_402_that_carries_the_intent(stripe_client, payments, declined):
    token, code, decline_code, message = declined
    intent = payments.create()
    with pytest.raises(stripe.CardError) as refused:
        payments.confirm(intent, token)
    error = refused.value
    assert (error.http_status, error.code, error.error.decline_code) == (402, code, decline_code)
    assert error.user_message == message
    assert error.error.payment_intent.status == "requires_payment_method"
    after = payments.get(intent, "latest_charge")
    assert (after.status, after.last_payment_error.code, after.payment_method) == (
        "requires_payment_method",
        code,
        None,
    )
    assert (after.latest_charge.status, after.latest_charge.paid) == ("failed", False)
    assert types(stripe_client) == ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]


def test_another_card_may_pay_after_a_declined_one(payments):
    intent = payments.create()
    with pytest.raises(stripe.CardError):
        payments.confirm(intent, "pm_card_visa_chargeDeclined")
    assert payments.confirm(intent).status == "succeeded"


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        (49, "amount_too_small"),
        (0, "parameter_invalid_integer"),
        (-5, "parameter_invalid_integer"),
        (100_000_000, "amount_too_large"),
    ],
)
def test_it_refuses_amounts_out_of_bounds(payments, amount, code):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        payments.create(amount)
    assert (refused.value.code, refused.value.param, refused.value.http_status) == (code, "amount", 400)


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"amont": 500, "currency": "usd"}, "parameter_unknown", "amont"),
        ({"amount": 500, "currency": "usd", "metdata": {"a": "b"}}, "parameter_unknown", "metdata"),
        (
            {"amount": 500, "currency": "usd", "automatic_payment_methods": {"enable": True}},
            "parameter_unknown",
            "automatic_payment_methods[enable]",
        ),
        ({"currency": "usd"}, "parameter_missing", "amount"),
        ({"amount": 500}, "parameter_missing", "currency"),
        ({"amount": "5.00", "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ({"amount": 500, "currency": "usd", "description": ""}, "parameter_invalid_empty", "description"),
    ],
)
def test_it_refuses_parameters_as_stripe_does(stripe_client, params, code, param):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.payment_intents.create(params=params)
    assert (refused.value.code, refused.value.param) == (code, param)


def test_a_misspelt_parameter_is_answered_with_a_hint(stripe_client):
    with pytest.raises(stripe.InvalidRequestError, match=r"unknown parameter: amont\. Did you mean amount\?"):
        stripe_client.v1.payment_intents.create(params={"amont": 500, "currency": "usd"})


def test_metadata_has_stripes_limits(payments):
    for metadata in ({"k" * 41: "v"}, {"k": "v" * 501}, {str(number): "v" for number in range(51)}):
        with pytest.raises(stripe.InvalidRequestError):
            payments.create(metadata=metadata)
    assert payments.create(metadata={"k" * 40: "v" * 500}).metadata["k" * 40] == "v" * 500


def test_a_paid_intent_cannot_be_confirmed_cancelled_or_changed(payments):
    paid = payments.pay()
    v1 = payments.client.v1.payment_intents
    attempts = [
        lambda: payments.confirm(paid),
        lambda: v1.cancel(paid.id),
        lambda: v1.update(paid.id, params={"amount": 6_000}),
    ]
    for attempt in attempts:
        with pytest.raises(stripe.InvalidRequestError) as refused:
            attempt()
        assert refused.value.code == "payment_intent_unexpected_state"
        assert refused.value.error.payment_intent.status == "succeeded"


def test_it_cancels_an_unpaid_intent_once(stripe_client, payments):
    intent = payments.create()
    cancelled = stripe_client.v1.payment_intents.cancel(intent.id, params={"cancellation_reason": "abandoned"})
    assert (cancelled.status, cancelled.cancellation_reason) == ("canceled", "abandoned")
    for attempt in (lambda: payments.confirm(intent), lambda: stripe_client.v1.payment_intents.cancel(intent.id)):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            attempt()
        assert refused.value.code == "payment_intent_unexpected_state"
    assert types(stripe_client) == ["payment_intent.created", "payment_intent.canceled"]


def test_it_updates_amount_and_merges_metadata(stripe_client, payments):
    intent = payments.create(metadata={"keep": "1", "drop": "2"})
    changed = stripe_client.v1.payment_intents.update(
        intent.id, params={"amount": 7_000, "metadata": {"drop": "", "new": "3"}}
    )
    assert (changed.amount, changed.metadata.to_dict()) == (7_000, {"keep": "1", "new": "3"})


def test_confirming_needs_a_method_and_a_return_url(payments):
    intent = payments.create()
    with pytest.raises(stripe.InvalidRequestError) as refused:
        payments.client.v1.payment_intents.confirm(intent.id, params={"return_url": "http://127.0.0.1/"})
    assert refused.value.code == "payment_intent_unexpected_state"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        payments.client.v1.payment_intents.confirm(intent.id, params={"payment_method": "pm_card_visa"})
    assert refused.value.param == "return_url"


def test_it_creates_and_confirms_in_one_call(payments):
    paid = payments.create(confirm=True, payment_method="pm_card_visa", return_url="http://127.0.0.1/")
    assert paid.status == "succeeded"


def test_what_is_not_there_is_a_404(stripe_client):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.payment_intents.retrieve("pi_none")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_the_request_id_is_in_the_answer(payments):
    assert payments.create().last_response.request_id.startswith("req_")


# 3-D Secure


def answer_challenge(sandbox, intent, *, passed, secret=None):
    body = json.dumps({"client_secret": secret or intent.client_secret, "passed": passed}).encode()
    request = urllib.request.Request(f"{sandbox.base_url}/challenge/{intent.id}", data=body, method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return json.loads(error.read())


@pytest.mark.parametrize("token", ["pm_card_authenticationRequiredOnSetup", "pm_card_threeDSecure2Required"])
def test_a_3ds_card_waits_for_its_challenge_and_is_paid_once_when_passed(sandbox, stripe_client, payments, token):
    intent = payments.pay(method=token)
    assert (intent.status, intent.next_action.type) == ("requires_action", "redirect_to_url")
    assert intent.next_action.redirect_to_url.url.startswith(f"{sandbox.base_url}/challenge/{intent.id}")
    for _ in range(2):
        answered = answer_challenge(sandbox, intent, passed=True)
        assert answered["status"] == "succeeded"
    assert payments.charge(intent).payment_method_details.card.three_d_secure.result == "authenticated"
    sandbox.wait_idle()
    assert types(stripe_client) == [
        "payment_intent.created",
        "payment_intent.requires_action",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
    ]


def test_a_redirect_challenge_leads_back_to_the_site(sandbox, payments):
    intent = payments.pay(method="pm_card_threeDSecure2Required")
    answered = answer_challenge(sandbox, intent, passed=True)
    assert answered["return_to"].startswith(f"http://127.0.0.1/done?payment_intent={intent.id}&")
    assert answered["return_to"].endswith("redirect_status=succeeded")


def test_a_failed_challenge_charges_nothing(sandbox, stripe_client, payments):
    intent = payments.pay(method="pm_card_threeDSecure2Required")
    answer_challenge(sandbox, intent, passed=False)
    after = payments.get(intent)
    assert (after.status, after.latest_charge) == ("requires_payment_method", None)
    assert after.last_payment_error.code == "payment_intent_authentication_failure"
    assert types(stripe_client)[-1] == "payment_intent.payment_failed"
    assert payments.confirm(intent).status == "succeeded"


def test_a_strangers_secret_answers_no_challenge(sandbox, payments):
    intent = payments.pay(method="pm_card_threeDSecure2Required")
    answered = answer_challenge(sandbox, intent, passed=True, secret="pi_x_secret_y")
    assert answered["error"]["param"] == "client_secret"
    assert payments.get(intent).status == "requires_action"


# Bank debits


def test_a_bank_debit_is_processing_first_and_settles_later(sandbox, stripe_client, payments):
    sandbox.knobs(bank_delay_ms=-1)
    intent = payments.pay(10_000, "pm_usBankAccount_success")
    assert (intent.status, payments.charge(intent).status) == ("processing", "pending")
    assert sandbox.settle_debit(intent.id)["status"] == "succeeded"
    sandbox.wait_idle()
    row = payments.get(intent, "latest_charge.balance_transaction").latest_charge.balance_transaction
    assert (row.type, row.fee) == ("payment", 80)
    assert types(stripe_client) == [
        "payment_intent.created",
        "charge.pending",
        "payment_intent.processing",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
    ]


def test_a_bank_fee_ends_at_5_dollars(sandbox, payments):
    intent = payments.pay(1_000_000, "pm_usBankAccount_success")
    sandbox.wait_idle()
    assert payments.get(intent, "latest_charge.balance_transaction").latest_charge.balance_transaction.fee == 500


def test_a_bank_debit_can_fail(sandbox, stripe_client, payments):
    intent = payments.pay(method="pm_usBankAccount_noAccount")
    sandbox.wait_idle()
    after = payments.get(intent, "latest_charge")
    assert (after.status, after.latest_charge.status, after.latest_charge.failure_code) == (
        "requires_payment_method",
        "failed",
        "no_account",
    )
    assert types(stripe_client)[-2:] == ["charge.failed", "payment_intent.payment_failed"]


def test_a_stuck_debit_stays_in_processing_until_settled_by_hand(sandbox, payments):
    intent = payments.pay(method="pm_usBankAccount_processing")
    sandbox.wait_idle()
    assert payments.get(intent).status == "processing"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        payments.client.v1.payment_intents.cancel(intent.id)
    assert refused.value.code == "payment_intent_unexpected_state"
    assert sandbox.fail_debit(intent.id)["status"] == "requires_payment_method"


# Keys


@pytest.mark.parametrize("key", ["sk_test_wrong_key_0000", "pk_test_wrong_key_0000"])
def test_a_wrong_key_is_a_401(sandbox, key):
    with pytest.raises(stripe.AuthenticationError) as refused:
        client_for(sandbox, key).v1.payment_intents.list()
    assert refused.value.http_status == 401


def test_no_key_is_a_401(sandbox):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{sandbox.base_url}/v1/payment_intents")
    assert refused.value.code == 401
    assert "You did not provide an API key" in json.loads(refused.value.read())["error"]["message"]


def test_a_browser_sees_its_own_intent_with_the_secret_and_only_what_it_may(browser_client, payments):
    intent = payments.create(metadata={"private": "yes"})
    seen = browser_client.v1.payment_intents.retrieve(intent.id, params={"client_secret": intent.client_secret})
    assert seen.status == "requires_payment_method"
    assert not {"metadata", "latest_charge", "customer"} & set(seen.to_dict())


@pytest.mark.parametrize("secret", [None, "pi_1_secret_2"])
def test_a_browser_without_the_secret_sees_nothing(browser_client, payments, secret):
    intent = payments.create()
    params = {"client_secret": secret} if secret else {}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        browser_client.v1.payment_intents.retrieve(intent.id, params=params)
    assert refused.value.param == "client_secret"


def test_a_browser_may_not_make_list_or_refund(browser_client, payments):
    paid = payments.pay()
    attempts = [
        lambda: browser_client.v1.payment_intents.create(params={"amount": 500, "currency": "usd"}),
        browser_client.v1.payment_intents.list,
        lambda: browser_client.v1.refunds.create(params={"payment_intent": paid.id}),
        browser_client.v1.events.list,
    ]
    for attempt in attempts:
        with pytest.raises(stripe.PermissionError) as refused:
            attempt()
        assert (refused.value.http_status, refused.value.error.code) == (403, "secret_key_required")


def test_a_browser_pays_with_a_test_number_and_with_no_other(browser_client, payments):
    def method(number):
        card = {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": "123"}
        return browser_client.v1.payment_methods.create(params={"type": "card", "card": card})

    intent = payments.create()
    params = {
        "client_secret": intent.client_secret,
        "payment_method": method("5555555555554444").id,
        "return_url": "http://127.0.0.1/",
    }
    assert browser_client.v1.payment_intents.confirm(intent.id, params=params).status == "succeeded"
    with pytest.raises(stripe.CardError) as refused:
        method("4111111111111111")
    assert (refused.value.code, refused.value.error.decline_code) == ("card_declined", "test_mode_live_card")
    with pytest.raises(stripe.CardError) as refused:
        method("4242424242424241")
    assert refused.value.code == "incorrect_number"


def test_an_expired_date_is_refused(stripe_client):
    card = {"number": "4242424242424242", "exp_month": 1, "exp_year": 2020, "cvc": "123"}
    with pytest.raises(stripe.CardError) as refused:
        stripe_client.v1.payment_methods.create(params={"type": "card", "card": card})
    assert refused.value.code == "invalid_expiry_year"


def test_every_token_names_its_card(stripe_client, payments):
    for card in CARDS:
        method = stripe_client.v1.payment_methods.retrieve(card.token)
        assert (method.card.last4, method.card.brand) == (card.last4, card.brand)
    for token, account in ACCOUNTS_BY_TOKEN.items():
        assert stripe_client.v1.payment_methods.retrieve(token).us_bank_account.last4 == account.last4
