"""Gifts in honor or in memory of somebody, and whom to tell of it (donations/tributes.py, donations/ecards.py)."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from campaign.models import CardPicture
from donations.models.gifts import Donation


class Tribute(models.Model):
    """Whom a gift honors. is_public: its donor lets everybody see it."""

    class Kind(models.TextChoices):
        HONOR = "honor", _("In honor of")
        MEMORY = "memory", _("In memory of")

    donation = models.OneToOneField(Donation, on_delete=models.CASCADE, related_name="tribute")
    kind = models.CharField(max_length=6, choices=Kind)
    name = models.CharField(max_length=120)
    is_public = models.BooleanField(default=False)

    def __str__(self) -> str:
        """`in memory of Ana Ruiz`, as it stands beside a gift."""
        if self.is_memory:
            words = pgettext("beside a gift", "in memory of %(name)s")
        else:
            words = pgettext("beside a gift", "in honor of %(name)s")
        return words % {"name": self.name}

    @property
    def is_memory(self) -> bool:
        return self.kind == self.Kind.MEMORY


class TributeNotice(models.Model):
    """What tells somebody of a tribute, once: an e-card on its day, or a note that staff post.

    The recipient is a third person: forget() in donations/tributes.py takes everything about them out again.
    consented_at: when the donor said that they may be written to. send_on: a day in the campaign's time zone.
    """

    class Way(models.TextChoices):
        EMAIL = "email", _("E-card")
        POST = "post", _("Note by post")

    class Outcome(models.TextChoices):
        SENT = "sent", _("sent")
        POSTED = "posted", _("posted")
        RETURNED = "returned", _("not sent: the gift was returned")
        UNWANTED = "unwanted", _("not sent: they asked for no cards")

    LONGEST_MESSAGE = 300
    # Of the recipient, or for them alone.
    PERSONAL = (
        *("recipient_name", "recipient_email", "message"),
        *("address_line1", "address_line2", "city", "region", "postal_code", "country"),
    )

    tribute = models.OneToOneField(Tribute, on_delete=models.CASCADE, related_name="notice")
    way = models.CharField(max_length=5, choices=Way)
    recipient_name = models.CharField(max_length=120, blank=True)
    recipient_email = models.EmailField(max_length=254, blank=True)
    address_line1 = models.CharField(max_length=120, blank=True)
    address_line2 = models.CharField(max_length=120, blank=True)
    city = models.CharField(max_length=80, blank=True)
    region = models.CharField(max_length=40, blank=True)
    postal_code = models.CharField(max_length=16, blank=True)
    country = models.CharField(max_length=2, blank=True)
    message = models.CharField(max_length=LONGEST_MESSAGE, blank=True)
    picture = models.ForeignKey(CardPicture, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    send_on = models.DateField(null=True, blank=True)
    consented_at = models.DateTimeField()
    outcome = models.CharField(max_length=8, choices=Outcome, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    forgotten_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(forgotten_at__isnull=False)
                | Q(way="email", send_on__isnull=False) & ~Q(recipient_email="")
                | Q(way="post") & ~Q(address_line1=""),
                name="notice_has_where_to_go",
            ),
            models.CheckConstraint(
                condition=Q(outcome="", done_at=None) | ~Q(outcome="") & Q(done_at__isnull=False),
                name="notice_done_has_moment",
            ),
        ]
        indexes = [models.Index(fields=["done_at"], condition=Q(forgotten_at=None), name="notice_to_forget")]

    def __str__(self) -> str:
        return f"{self.get_way_display()} for {self.tribute_id}"

    @property
    def address_lines(self) -> list[str]:
        place = f"{', '.join(filter(None, [self.city, self.region]))} {self.postal_code}".strip()
        country = "" if self.country in ("", "US") else self.country
        return [line for line in (self.address_line1, self.address_line2, place, country) if line]


class NoCardsAddress(models.Model):
    """An e-mail address whose owner asked for no more cards: none is sent to it, whoever asks for one."""

    email = models.EmailField("e-mail", unique=True, max_length=254)
    added_at = models.DateTimeField("since", auto_now_add=True)

    class Meta:
        ordering = ["email"]
        verbose_name = "address that gets no e-cards"
        verbose_name_plural = "addresses that get no e-cards"

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        self.email = self.email.strip().lower()
