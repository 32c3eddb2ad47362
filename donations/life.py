"""A gift's life: every transition that there is, by name. PostgreSQL refuses all others (triggers.py).

    started -> processing -> paid | failed
    started -> paid | failed | abandoned
    failed -> paid, abandoned -> paid        the money was taken after all

    started -> scheduled -> paid | processing | abandoned      a gift for the day, its card saved
    scheduled -> started                     its card was refused: back to the payment step, with a time to pay

Forward only but for that one step back: paid is the end. What goes back of a paid gift (refunds, disputes) are rows
beside it, whose sum is `refunded_minor`; a gift is never un-paid.
"""

from typing import NamedTuple


class Transition(NamedTuple):
    name: str
    leaves: str
    reaches: str
    when: str


TRANSITIONS = (
    Transition("bank_began", "started", "processing", "A bank debit was begun; Stripe says `processing`."),
    Transition("paid", "started", "paid", "The card was charged; Stripe says `succeeded`."),
    Transition("cancelled", "started", "failed", "Stripe or staff cancelled the payment; nothing was charged."),
    Transition("left", "started", "abandoned", "The donor went back, changed the form, or never came."),
    Transition("saved", "started", "scheduled", "The card was saved; it is charged when the match opens."),
    Transition("charged", "scheduled", "paid", "The saved card was charged on the day."),
    Transition("debited", "scheduled", "processing", "The saved bank account is being debited on the day."),
    Transition("refused", "scheduled", "started", "The saved card was refused: the donor pays on the page."),
    Transition("called_off", "scheduled", "abandoned", "The donor cancelled before the day."),
    Transition("bank_paid", "processing", "paid", "The bank paid, days later."),
    Transition("bank_refused", "processing", "failed", "The bank did not pay."),
    Transition("paid_after_failing", "failed", "paid", "The money was taken after all: it counts."),
    Transition("paid_after_leaving", "abandoned", "paid", "The money was taken though the form was left: it counts."),
)
