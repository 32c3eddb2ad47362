"""What pay.js says while a donor pays or saves a card: it reads these texts from the page, and has none of its own."""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

# A sentence of its own inside others: pay.js takes it out again where an earlier try may have gone through.
NOTHING = _("Nothing was charged.")


def pay_words() -> dict[str, str]:
    """Each text by the name under which pay.js asks for it. `{seconds}` is for pay.js to fill in."""
    return {name: text.replace("{nothing}", str(NOTHING)) for name, text in _texts().items()}


def _texts() -> dict[str, str]:
    # Translators: {nothing} is the sentence “Nothing was charged.”, here and in the next ones.
    declined = gettext("Your card was declined. {nothing} Try another card or another way to pay.")
    return {
        "declined": declined,
        "notConfirmed": gettext(
            "Your bank could not confirm that it was you. {nothing} Try again, or use another card."
        ),
        "notSent": gettext("We could not reach our site. {nothing} Check your connection and press Give again."),
        "lost": gettext(
            "We could not reach our site for a while. {nothing} Check your connection and press Give again."
        ),
        "notPaid": gettext("The payment did not go through. {nothing} Please try again."),
        "stale": gettext("This page has grown old. {nothing} Load it again, then press Give."),
        # Translators: {seconds} is more than 15
        "impatient": gettext(
            "Very many gifts are being paid. {nothing} Please press again in about {seconds} seconds, or pay by card "
            "below."
        ),
        "nothing": str(NOTHING),
        "notSure": gettext("Whether an earlier try went through, your gift’s page tells you."),
        "broken": gettext(
            "The connection to the card company broke. We cannot tell yet whether you were charged, so please do not "
            "pay again."
        ),
        "stillHeld": gettext("Your match is still held."),
        "giftPage": gettext("See your gift’s page"),
        "oneMoment": gettext("One moment…"),
        "lookAgain": gettext("Please look at the card fields again."),
        "checking": gettext("Checking what you typed."),
        "paying": gettext("Paying. This takes a few seconds."),
        "slow": gettext("The card company takes longer than usual. Please keep this page open."),
        "done": gettext("Done. Opening your gift’s page."),
        "looking": gettext("We look every ten seconds whether the card company answers again, and tell you here."),
        "answersAgain": gettext("The card company answers again. Press Give."),
        "warning": gettext("Less than two minutes are left on this hold. When it ends you can ask for it again."),
        "lapsed": gettext("The hold on your match has ended"),
        "lapsedNext": gettext(
            "Nothing was charged, and what you typed is kept. Hold the match again to see exactly what it is now."
        ),
        "notReached": gettext("We could not reach our site. Check your connection and press again."),
        "held": gettext("Your match is held"),
        "payment": gettext("Your payment"),
    }
