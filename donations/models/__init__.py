"""Gifts, what Stripe said about them, the work that follows, and receipts.

Donor         who gave, found by normalised e-mail, or by name and address when staff enter a gift without one.
Donation      one gift: the donor's own money. `amount_minor` is the core gift, `fee_minor` the covered card cost;
              together `total_minor` is what is charged and what the receipt says was paid.
Designation   the part of a gift meant for one fund; they add up to `amount_minor`.
Reversal      a refund or dispute of a gift, or the cancellation of one that staff had entered.
GiftCorrection   what staff changed of a gift by check or cash, and why; append-only.
GiftMessage   the donor's words in public, once staff have read them (models/messages.py).
GiftImport    a spreadsheet of such gifts, with its ImportRows (models/imports.py).
GiftNote      the gift's history, append-only.
StripeEvent   every verified webhook, raw, under its unique id; applied by a worker.
StrayPayment, FraudWarning, StripeMovement, StripeRun, TickOff   models/stripe_objects.py
FollowUp      work owed for a gift (receipt, e-mail), written in the transaction that made it due.
MonthlyGift   what comes each month through a subscription; each payment is a Donation (models/monthly.py).
Tribute       whom a gift honors; TributeNotice: who is told of it; NoCardsAddress: who is not (models/tributes.py).
OpeningReminder  an address that asked to hear of the opening; OpeningMail: what is owed to it (models/openings.py).
Receipt       proof of the donor's own payment; numbered, never edited, voided and replaced.
ReceiptSend   each attempt to bring a receipt to its donor (models/receipts.py).
Period, PeriodLine   a closed month of the books, and what was booked in it; written once (models/periods.py).
FailedTry, PayerCheck, UsedProof, StripePace, StripeHealth   against thieves and overload (models/guards.py).

Match money is in `matching`; a gift is known there by `match_key` and to donors by `token`.

The database enforces: one gift per form key (a gift that was left gives its key back), one gift per PaymentIntent,
designations that add up (at commit), states that only move forward, receipts and history that are never edited, a
match key that moves on only with a correction, months that close in order and stay as they were closed.
"""

from donations.models.gifts import Designation, Donation, DonationQuerySet, Donor, GiftNotPaid
from donations.models.guards import FailedTry, PayerCheck, StripeHealth, StripePace, UsedProof
from donations.models.history import GiftCorrection, GiftNote, Reversal
from donations.models.imports import GiftImport, ImportRow
from donations.models.messages import GiftMessage
from donations.models.monthly import MonthlyChange, MonthlyGift, MonthlyProduct
from donations.models.openings import OpeningMail, OpeningReminder
from donations.models.periods import Period, PeriodLine
from donations.models.receipts import Receipt, ReceiptCounter, ReceiptSend
from donations.models.stripe_objects import FraudWarning, StrayPayment, StripeMovement, StripeRun, TickOff
from donations.models.tributes import NoCardsAddress, Tribute, TributeNotice
from donations.models.work import FollowUp, StripeEvent

__all__ = [
    "Designation",
    "Donation",
    "DonationQuerySet",
    "Donor",
    "FailedTry",
    "FollowUp",
    "FraudWarning",
    "GiftCorrection",
    "GiftImport",
    "GiftMessage",
    "GiftNotPaid",
    "GiftNote",
    "ImportRow",
    "MonthlyChange",
    "MonthlyGift",
    "MonthlyProduct",
    "NoCardsAddress",
    "OpeningMail",
    "OpeningReminder",
    "PayerCheck",
    "Period",
    "PeriodLine",
    "Receipt",
    "ReceiptCounter",
    "ReceiptSend",
    "Reversal",
    "StrayPayment",
    "StripeEvent",
    "StripeHealth",
    "StripeMovement",
    "StripePace",
    "StripeRun",
    "TickOff",
    "Tribute",
    "TributeNotice",
    "UsedProof",
]
