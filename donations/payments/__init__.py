"""From Give to paid: opening the payment at Stripe, and moving the gift as Stripe says.

    started -> processing -> paid      failed, abandoned: not charged
    started -> paid

Only forward, except that a payment which succeeds after all makes any gift paid: the money was taken. A declined
card moves nothing: the donor tries another. settle() is the one place that reads what Stripe said; it may be called
with any answer, any number of times, in any order.
"""

from donations.payments.opening import (
    AFTER_FAILING,
    MOST_TRIES,
    HoldLapsed,
    InLine,
    MatchIsLower,
    MatchUndecided,
    PaymentUnavailable,
    ProofNeeded,
    TooManyTries,
    ask_in_round,
    in_turn,
    note_round,
    open_payment,
    prepare,
    take_proof,
)
from donations.payments.reversals import (
    CLOSED_DISPUTE,
    GONE_REFUND,
    counts_as_refunded,
    note_fraud_warning,
    record_reversal,
    refunded_total,
)
from donations.payments.settlement import (
    ASK_AGAIN,
    LONGEST_PAYING,
    WHILE_PAYING,
    PaymentMismatch,
    ask_stripe,
    count_decline,
    keep_charge,
    settle,
)

__all__ = [
    "AFTER_FAILING",
    "ASK_AGAIN",
    "CLOSED_DISPUTE",
    "GONE_REFUND",
    "LONGEST_PAYING",
    "MOST_TRIES",
    "WHILE_PAYING",
    "HoldLapsed",
    "InLine",
    "MatchIsLower",
    "MatchUndecided",
    "PaymentMismatch",
    "PaymentUnavailable",
    "ProofNeeded",
    "TooManyTries",
    "ask_in_round",
    "ask_stripe",
    "count_decline",
    "counts_as_refunded",
    "in_turn",
    "keep_charge",
    "note_fraud_warning",
    "note_round",
    "open_payment",
    "prepare",
    "record_reversal",
    "refunded_total",
    "settle",
    "take_proof",
]
