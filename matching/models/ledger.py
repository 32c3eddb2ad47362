"""The ledger's entries, and its signed heads with the keys that signed them."""

import operator
from functools import reduce
from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import pgettext_lazy

from matching import triggers
from matching.models.pools import MatchPool
from matching.models.reservations import Allocation

# Which accounts each reason moves money between; the database knows no other move.
MOVES = {
    "pledge": ("pledged", "free"),
    "unpledge": ("free", "pledged"),
    "hold": ("free", "held"),
    "commit": ("held", "matched"),
    "release": ("held", "free"),
    "expire": ("held", "free"),
    "reverse": ("matched", "free"),
    "restore": ("free", "matched"),
    "offer": ("free", "matched"),
    "award": ("free", "matched"),
    "withdraw": ("matched", "free"),
}
# Moves of a pool's own money, that belong to no gift.
GIFTLESS = ("pledge", "unpledge", "award", "withdraw")

# Translators: where the money of a sponsor stands
_ACCOUNTS = {
    "pledged": pgettext_lazy("ledger", "pledged"),
    "free": pgettext_lazy("ledger", "free"),
    "held": pgettext_lazy("ledger", "held"),
    "matched": pgettext_lazy("ledger", "matched"),
}


def _known_move() -> Q:
    moves = (Q(reason=reason, from_account=a, to_account=b) for reason, (a, b) in MOVES.items())
    return reduce(operator.or_, moves)


class LedgerEntry(models.Model):
    """One move of money within a pool. `entry_hash` is the SHA-256 of chain_text(); see docs/ledger.md."""

    class Account(models.TextChoices):
        PLEDGED = "pledged"
        FREE = "free"
        HELD = "held"
        MATCHED = "matched"

    class Reason(models.TextChoices):
        PLEDGE = "pledge", pgettext_lazy("ledger", "sponsor's pledge")
        UNPLEDGE = "unpledge", pgettext_lazy("ledger", "pledge reduced")
        HOLD = "hold", pgettext_lazy("ledger", "held for a gift")
        COMMIT = "commit", pgettext_lazy("ledger", "gift paid")
        RELEASE = "release", pgettext_lazy("ledger", "payment failed or cancelled")
        EXPIRE = "expire", pgettext_lazy("ledger", "hold lapsed")
        REVERSE = "reverse", pgettext_lazy("ledger", "gift refunded")
        RESTORE = "restore", pgettext_lazy("ledger", "refund failed")
        OFFER = "offer", pgettext_lazy("ledger", "freed money given to a paid gift")
        AWARD = "award", pgettext_lazy("ledger", "challenge met")
        WITHDRAW = "withdraw", pgettext_lazy("ledger", "challenge undone by refunds")

    pool = models.ForeignKey(MatchPool, on_delete=models.PROTECT, related_name="entries")
    seq = models.BigIntegerField(db_default=0, help_text="1, 2, 3 ... within the pool; the database counts.")
    from_account = models.CharField(max_length=7, choices=Account)
    to_account = models.CharField(max_length=7, choices=Account)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=8, choices=Reason)
    allocation = models.ForeignKey(Allocation, null=True, on_delete=models.PROTECT, related_name="entries")
    reference = models.CharField(max_length=16, help_text="The reservation's reference, or empty.")
    actor = models.CharField(
        max_length=40,
        validators=[RegexValidator(r"^[a-z]+(:[0-9]+)?$")],
        help_text="donor, stripe, staff:7, system",
    )
    recorded_at = models.DateTimeField()
    prev_hash = models.CharField(max_length=64, db_default="")
    entry_hash = models.CharField(max_length=64, db_default="")

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "ledger entries"
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="entry_amount_is_positive"),
            models.UniqueConstraint(fields=["pool", "seq"], name="entry_seq_is_unique_in_pool"),
            models.CheckConstraint(
                condition=Q(reference__regex=r"^(M-[0-9A-Z]{10})?$") & Q(actor__regex=r"^[a-z]+(:[0-9]+)?$"),
                name="entry_text_is_plain",
            ),
            models.CheckConstraint(
                condition=(Q(reason__in=GIFTLESS) & Q(allocation=None))
                | (~Q(reason__in=GIFTLESS) & Q(allocation__isnull=False)),
                name="entry_names_its_allocation",
            ),
            models.UniqueConstraint(
                fields=["allocation"], condition=Q(reason__in=["hold", "offer"]), name="an_allocation_is_opened_once"
            ),
            models.UniqueConstraint(
                fields=["allocation"],
                condition=Q(reason__in=["commit", "release", "expire"]),
                name="a_hold_resolves_once",
            ),
            models.CheckConstraint(condition=_known_move(), name="entry_is_a_known_move"),
        ]
        triggers = triggers.ENTRY

    def __str__(self) -> str:
        return f"{self.pool_id}/{self.seq} {self.reason} {self.amount_minor}"

    @property
    def from_words(self) -> str:
        """The account it came from, as pages name it."""
        return str(_ACCOUNTS[self.from_account])

    @property
    def to_words(self) -> str:
        """The account it went to, as pages name it."""
        return str(_ACCOUNTS[self.to_account])

    def chain_text(self) -> str:
        """The text whose SHA-256 is entry_hash: eleven fields joined by `|`. The trigger builds the same."""
        moment = self.recorded_at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"
        fields: list[Any] = [
            self.pool_id,
            self.seq,
            self.from_account,
            self.to_account,
            self.amount_minor,
            self.currency,
            self.reason,
            self.reference,
            self.actor,
            moment,
            self.prev_hash,
        ]
        return "|".join(str(field) for field in fields)


class LedgerKey(models.Model):
    """A public key that has signed heads. It stays published when another takes its place (matching/heads.py)."""

    key_id = models.CharField(max_length=8, unique=True, help_text="The first 8 digits of the key's SHA-256.")
    public_key = models.CharField(max_length=64, unique=True, help_text="Ed25519, hexadecimal.")
    first_used_at = models.DateTimeField()

    class Meta:
        ordering = ["first_used_at", "id"]
        triggers = triggers.immutable("keys")

    def __str__(self) -> str:
        return self.key_id


class SignedHead(models.Model):
    """Where every chain stood at one moment, signed, so that history cannot be rewritten unseen."""

    number = models.BigIntegerField(unique=True, help_text="1, 2, 3 ...")
    made_at = models.DateTimeField()
    text = models.TextField(help_text="What is signed; docs/public-ledger.md describes it.")
    sha256 = models.CharField(max_length=64, unique=True, help_text="Of the text, hexadecimal.")
    key = models.ForeignKey(LedgerKey, on_delete=models.PROTECT, related_name="heads")
    signature = models.CharField(max_length=128, help_text="Ed25519 over the text, hexadecimal.")

    class Meta:
        ordering = ["-number"]
        triggers = triggers.immutable("heads")

    def __str__(self) -> str:
        return f"head {self.number}"
