"""Stripe's test numbers, and what each does here. The frame accepts these and no others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Decline:
    """Why a payment is refused, in Stripe's words."""

    code: str
    message: str
    decline_code: str | None = None
    param: str | None = None


@dataclass(frozen=True)
class TestCard:
    """One test card. `token` is the ready-made PaymentMethod that Stripe has for it (`pm_card_visa`)."""

    __test__ = False  # pytest: not a test class

    number: str
    token: str
    says: str
    brand: str = "visa"
    funding: str = "credit"
    decline: Decline | None = None
    challenge: bool = False
    dispute_reason: str | None = None
    inquiry: bool = False  # the bank only asks; no money is taken back
    refund: str = "succeeds"  # succeeds | fails_later | pending_first
    saves: bool = False  # it can be saved all the same; charging it later is declined
    shown: bool = True  # in the table on the sandbox's page

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def cvc_digits(self) -> int:
        return 4 if self.brand == "amex" else 3


@dataclass(frozen=True)
class TestBankAccount:
    """One test bank account for direct debit; every one goes with routing number 110000000."""

    __test__ = False

    number: str
    token: str
    says: str
    failure: Decline | None = None
    stuck: bool = False
    dispute_reason: str | None = None

    @property
    def last4(self) -> str:
        return self.number[-4:]


ROUTING_NUMBER = "110000000"
BANK_NAME = "STRIPE TEST BANK"

GENERIC = Decline("card_declined", "Your card was declined.", "generic_decline")
INSUFFICIENT = Decline("card_declined", "Your card has insufficient funds.", "insufficient_funds")
LOST = Decline("card_declined", "Your card was declined.", "lost_card")
STOLEN = Decline("card_declined", "Your card was declined.", "stolen_card")
EXPIRED = Decline("expired_card", "Your card has expired.", param="exp_month")
WRONG_CVC = Decline("incorrect_cvc", "Your card's security code is incorrect.", param="cvc")
PROCESSING = Decline(
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
    "processing_error",
)
VELOCITY = Decline(
    "card_declined",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
    "card_velocity_exceeded",
)
BLOCKED = Decline("card_declined", "Your card was declined.", "fraudulent")

NOT_A_TEST_CARD = Decline(
    "card_declined",
    "Your card was declined. Your request was in test mode, but used a non test (live) card. For a list of valid test "
    "cards, visit: https://stripe.com/docs/testing.",
    "test_mode_live_card",
)

CARDS = (
    TestCard("4242424242424242", "pm_card_visa", "Succeeds (Visa)"),
    TestCard("5555555555554444", "pm_card_mastercard", "Succeeds (Mastercard)", brand="mastercard"),
    TestCard("378282246310005", "pm_card_amex", "Succeeds (American Express, 4-digit code)", brand="amex"),
    TestCard("4000056655665556", "pm_card_visa_debit", "Succeeds (Visa debit)", funding="debit", shown=False),
    TestCard("2223003122003222", "pm_card_mastercard_2", "Succeeds (Mastercard)", brand="mastercard", shown=False),
    TestCard("6011111111111117", "pm_card_discover", "Succeeds (Discover)", brand="discover", shown=False),
    TestCard("371449635398431", "pm_card_amex_2", "Succeeds (American Express)", brand="amex", shown=False),
    TestCard("4000002500003155", "pm_card_authenticationRequiredOnSetup", "Asks for 3-D Secure, once", challenge=True),
    TestCard("4000000000003220", "pm_card_threeDSecure2Required", "Asks for 3-D Secure", challenge=True),
    TestCard(
        "4000002760003184",
        "pm_card_authenticationRequired",
        "Asks for 3-D Secure, each time anew",
        challenge=True,
    ),
    TestCard(
        "4000008400001629",
        "pm_card_threeDSecureRequiredChargeDeclined",
        "Asks for 3-D Secure, then is declined",
        challenge=True,
        decline=GENERIC,
    ),
    TestCard(
        "4000000000000341",
        "pm_card_chargeCustomerFail",
        "Can be saved; charging it is declined",
        decline=GENERIC,
        saves=True,
    ),
    TestCard("4000000000000002", "pm_card_visa_chargeDeclined", "Declined", decline=GENERIC),
    TestCard(
        "4000000000009995",
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "Declined: insufficient funds",
        decline=INSUFFICIENT,
    ),
    TestCard("4000000000000069", "pm_card_chargeDeclinedExpiredCard", "Declined: expired", decline=EXPIRED),
    TestCard(
        "4000000000000127",
        "pm_card_chargeDeclinedIncorrectCvc",
        "Declined: wrong security code",
        decline=WRONG_CVC,
    ),
    TestCard(
        "4000000000000119",
        "pm_card_chargeDeclinedProcessingError",
        "Declined: processing error",
        decline=PROCESSING,
    ),
    TestCard("4000000000009987", "pm_card_visa_chargeDeclinedLostCard", "Declined: lost", decline=LOST, shown=False),
    TestCard(
        "4000000000009979",
        "pm_card_visa_chargeDeclinedStolenCard",
        "Declined: stolen",
        decline=STOLEN,
        shown=False,
    ),
    TestCard(
        "4000000000006975",
        "pm_card_visa_chargeDeclinedVelocityLimitExceeded",
        "Declined: too many attempts",
        decline=VELOCITY,
        shown=False,
    ),
    TestCard("4100000000000019", "pm_card_radarBlock", "Declined: blocked as fraud", decline=BLOCKED, shown=False),
    TestCard(
        "4000000000000259",
        "pm_card_createDispute",
        "Succeeds, then is disputed as fraud",
        dispute_reason="fraudulent",
    ),
    TestCard(
        "4000000000002685",
        "pm_card_createDisputeProductNotReceived",
        "Succeeds, then is disputed: not received",
        dispute_reason="product_not_received",
        shown=False,
    ),
    TestCard(
        "4000000000001976",
        "pm_card_createDisputeInquiry",
        "Succeeds, then the bank asks about it",
        dispute_reason="fraudulent",
        inquiry=True,
    ),
    TestCard("4000000000005126", "pm_card_refundFail", "Succeeds; a refund of it fails later", refund="fails_later"),
    TestCard(
        "4000000000007726",
        "pm_card_pendingRefund",
        "Succeeds; a refund of it is pending first",
        refund="pending_first",
    ),
)

NO_ACCOUNT = Decline("payment_intent_payment_attempt_failed", "The bank account could not be located.", "no_account")
CLOSED = Decline("payment_intent_payment_attempt_failed", "The bank account has been closed.", "account_closed")
NO_FUNDS = Decline(
    "payment_intent_payment_attempt_failed",
    "The customer's account has insufficient funds to cover this payment.",
    "insufficient_funds",
)
NOT_AUTHORIZED = Decline(
    "payment_intent_payment_attempt_failed",
    "The customer has notified their bank that this payment was unauthorized.",
    "debit_not_authorized",
)

BANK_ACCOUNTS = (
    TestBankAccount("000123456789", "pm_usBankAccount_success", "Succeeds after the bank's delay"),
    TestBankAccount("000111111116", "pm_usBankAccount_noAccount", "Fails: no such account", failure=NO_ACCOUNT),
    TestBankAccount("000111111113", "pm_usBankAccount_accountClosed", "Fails: account closed", failure=CLOSED),
    TestBankAccount(
        "000222222227", "pm_usBankAccount_insufficientFunds", "Fails: insufficient funds", failure=NO_FUNDS
    ),
    TestBankAccount(
        "000333333335", "pm_usBankAccount_debitNotAuthorized", "Fails: not authorized", failure=NOT_AUTHORIZED
    ),
    TestBankAccount(
        "000555555559",
        "pm_usBankAccount_dispute",
        "Succeeds, then is taken back by the bank",
        dispute_reason="insufficient_funds",
    ),
    TestBankAccount("000000000009", "pm_usBankAccount_processing", "Stays in processing", stuck=True),
)

CARDS_BY_NUMBER = {card.number: card for card in CARDS}
CARDS_BY_TOKEN = {card.token: card for card in CARDS}
CARDS_BY_TOKEN["pm_card_chargeDeclined"] = CARDS_BY_NUMBER["4000000000000002"]
CARDS_BY_TOKEN["pm_card_chargeDeclinedInsufficientFunds"] = CARDS_BY_NUMBER["4000000000009995"]
ACCOUNTS_BY_NUMBER = {account.number: account for account in BANK_ACCOUNTS}
ACCOUNTS_BY_TOKEN = {account.token: account for account in BANK_ACCOUNTS}


def luhn_valid(number: str) -> bool:
    """The check digit that every card number carries."""
    doubled = [int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(number))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
