"""The charity, its campaigns, and the funds that these raise money for."""

import re
import zoneinfo
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from campaign import palette
from campaign.models.pages import Publishable, picture_has_alt, published
from campaign.money import format_amount_short
from campaign.photographs import PhotographField

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def validate_time_zone(name: str) -> None:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise ValidationError(_("Write a time zone such as America/New_York.")) from error


_HOST = re.compile(r"(https?://)?(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?", re.ASCII)
_MOST_HOSTS = 30


def validate_hosts(text: str) -> None:
    """A host a line. They go into a header as they are, so nothing else may be among them."""
    lines = text.lower().split()
    wrong = [line for line in lines if len(line) > 200 or not _HOST.fullmatch(line)]
    if wrong:
        words = _("Write one host a line, such as www.harborview.org; “%(wrong)s” is none.")
        raise ValidationError(words, params={"wrong": wrong[0][:60]})
    if len(lines) > _MOST_HOSTS:
        words = _("Write at most %(most)s hosts; *.example.org stands for all below example.org.")
        raise ValidationError(words, params={"most": _MOST_HOSTS})


_COLOR = re.compile(r"#[0-9a-fA-F]{6}", re.ASCII)


def _color(help_text: "StrOrPromise", verbose_name: "StrOrPromise | None" = None) -> "models.CharField[str, str]":
    words = "Write a color as # and six digits or letters from a to f, such as #14305c."
    valid = RegexValidator(r"^#[0-9a-fA-F]{6}\Z", words)
    return models.CharField(verbose_name, max_length=7, blank=True, validators=[valid], help_text=help_text)


def default_presets_minor() -> list[int]:
    return [5_000, 10_000, 25_000, 50_000, 100_000]


class Organization(models.Model):
    """The charity, as donors, receipts and tax advisers must read it. Always the row with id 1."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    public_name = models.CharField(max_length=120, help_text=_("As donors know it."))
    legal_name = models.CharField(max_length=200, help_text=_("As registered; printed on receipts."))
    ein = models.CharField(
        _("EIN"), max_length=10, validators=[RegexValidator(r"^\d{2}-\d{7}$", _("Write the EIN as 12-3456789."))]
    )
    address = models.TextField(help_text=_("Postal address, a line each."))
    phone = models.CharField(max_length=40)
    email = models.EmailField(help_text=_("Where donors' questions go."))
    website = models.URLField(blank=True)
    goods_or_services_statement = models.TextField(
        default="No goods or services were provided in exchange for this gift.",
        help_text=_("Printed on every receipt (26 USC 170(f)(8))."),
    )
    state_disclosures = models.TextField(blank=True, help_text=_("Printed at the foot of receipts."))
    receipt_thanks = models.TextField(default="Thank you for your gift.", help_text=_("First words of the receipt."))
    signatory_name = models.CharField(max_length=120, blank=True)
    signatory_title = models.CharField(max_length=120, blank=True)
    opts_out_first = models.BooleanField(
        _("“no fundraising messages” is ticked at first"),
        default=False,
        help_text=_("On the giving form. Without this mark donors tick it themselves."),
    )

    logo = models.ImageField(
        upload_to="logos/",
        blank=True,
        width_field="logo_width",
        height_field="logo_height",
        help_text=_("PNG, JPEG or WebP, at most 2 MB; 800 pixels wide is plenty."),
    )
    logo_width = models.PositiveSmallIntegerField(null=True, editable=False)
    logo_height = models.PositiveSmallIntegerField(null=True, editable=False)
    logo_for_dark = models.ImageField(
        _("logo for dark pages"),
        upload_to="logos/",
        blank=True,
        help_text=_("Where there is none, dark pages show the logo on a white plate."),
    )
    logo_alt = models.CharField(
        _("what the logo says"),
        max_length=120,
        blank=True,
        help_text=_(
            "If the logo has words in it: write them, and the name is not repeated beside it. "
            "If it is only a sign, leave this empty: then the name stands beside it."
        ),
    )
    main_color = _color(_("Bands, the foot, the screen, letters and receipts. A dark one: its words are white."))
    action_color = _color(_("Buttons, and what draws the eye."))
    action_dark_color = _color(_("Empty: made from the one for light pages."), _("action color on dark pages"))
    accent_color = _color(_("Links, figures, what is matched and what went well."))
    accent_dark_color = _color(_("Empty: made from the one for light pages."), _("accent color on dark pages"))

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="organization_is_the_only_one"),
            models.CheckConstraint(
                condition=Q(logo_for_dark="") | ~Q(logo=""),
                name="logo_for_dark_has_logo",
                violation_error_message=_("Choose the logo for light pages, too."),
            ),
        ]

    def __str__(self) -> str:
        return self.public_name

    def clean(self) -> None:
        """Colors that make any pair on the site hard to read are refused, each beside its field."""
        wrong = {f"{part}_color": words for part, words in palette.refusals(self.colors).items()}
        if wrong:
            raise ValidationError(wrong)

    @property
    def colors(self) -> palette.Choice:
        """Without those that are no colors: their fields say so themselves."""
        chosen = {name: getattr(self, f"{name}_color") for name in palette.CHOICES}
        return palette.Choice(**{name: color for name, color in chosen.items() if _COLOR.fullmatch(color)})

    @property
    def look(self) -> palette.Paper:
        """For what has no stylesheet: letters, receipts, pictures of shared links."""
        return palette.paper(self.colors)

    @property
    def stylesheet_url(self) -> str:
        """Where its colors are; empty when they are the site's own. Changes with them."""
        name = palette.stylesheet_name(self.colors)
        return reverse("look", args=[name]) if name else ""

    @property
    def address_lines(self) -> list[str]:
        return [line.strip() for line in self.address.splitlines() if line.strip()]


class Fund(Publishable):
    """What the money is for. Never holds sponsors' money."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    summary = models.TextField(help_text=_("One or two sentences, under the name and on cards."))
    gl_code = models.CharField(_("general-ledger code"), max_length=40)
    picture = PhotographField(upload_to="funds/", blank=True)
    picture_alt = models.CharField(_("alternative text"), max_length=250, blank=True)
    position = models.PositiveSmallIntegerField(default=0)
    is_open = models.BooleanField(_("takes gifts"), default=True)

    class Meta:
        ordering = ["position", "name"]
        constraints = [picture_has_alt("fund_picture_has_alt")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("fund", args=[self.slug])


class FundPreset(models.Model):
    """A suggested gift to one fund, and what it does there."""

    fund = models.ForeignKey(Fund, on_delete=models.CASCADE, related_name="presets")
    amount_minor = models.PositiveBigIntegerField(_("amount, in cents"))
    does = models.CharField(
        _("what it does"), max_length=120, help_text=_("As the end of a sentence: buys an hour in the practice rooms.")
    )

    class Meta:
        ordering = ["amount_minor"]
        verbose_name = _("suggested gift")
        constraints = [
            models.UniqueConstraint(
                fields=["fund", "amount_minor"],
                name="one_fund_preset_per_amount",
                violation_error_message=_("This fund has a suggested gift of that amount already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{format_amount_short(self.amount_minor, currency='USD')} {self.does}"


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def current(self) -> "Campaign | None":
        return self.filter(is_current=True).first()


class Campaign(models.Model):
    name = models.CharField(max_length=120, help_text=_("Such as Giving Tuesday."))
    slug = models.SlugField(unique=True)
    is_current = models.BooleanField(default=False, help_text=_("Shown at the site's first address."))
    opens_at = models.DateTimeField()
    closes_at = models.DateTimeField()
    time_zone = models.CharField(max_length=60, default="America/New_York", validators=[validate_time_zone])
    time_zone_label = models.CharField(max_length=40, default="Boston time", help_text=_("How pages name it."))
    currency = models.CharField(max_length=3, default="USD", validators=[RegexValidator(r"^[A-Z]{3}$")])
    goal_minor = models.PositiveBigIntegerField(_("goal, in cents"), null=True, blank=True)
    funds = models.ManyToManyField(Fund, related_name="campaigns", blank=True)

    eyebrow = models.CharField(max_length=120, blank=True, help_text=_("Small line above the heading."))
    heading = models.CharField(max_length=160)
    lead = models.TextField(help_text=_("Two sentences under the heading."))
    action_label = models.CharField(max_length=40, default="Support the Fund")
    open_heading = models.CharField(
        _("heading on the day"),
        max_length=160,
        blank=True,
        help_text=_("From the opening moment on. Empty: as before it."),
    )
    open_lead = models.TextField(_("lead on the day"), blank=True, help_text=_("Empty: as before the opening."))
    closed_heading = models.CharField(max_length=160, default="Thank you.")
    closed_lead = models.TextField(default="The campaign has ended. Every gift still counts.")

    min_gift_minor = models.PositiveBigIntegerField(_("smallest gift, in cents"), default=500)
    max_gift_minor = models.PositiveBigIntegerField(_("largest gift by card, in cents"), default=5_000_000)
    presets_minor = ArrayField(
        models.PositiveBigIntegerField(),
        default=default_presets_minor,
        verbose_name="suggested gifts, in cents",
    )
    fee_basis_points = models.PositiveSmallIntegerField(default=290, help_text=_("Card cost: 290 is 2.9 %."))
    fee_fixed_minor = models.PositiveSmallIntegerField(default=30, help_text=_("Card cost per payment, in cents."))
    takes_gifts_early = models.BooleanField(default=True, help_text=_("Before the opening moment."))
    takes_monthly = models.BooleanField(_("takes monthly gifts"), default=True)
    takes_scheduled = models.BooleanField(
        _("takes scheduled gifts"),
        default=True,
        help_text=_("Before the opening: card saved then, charged when it opens."),
    )
    matches_first_monthly = models.BooleanField(
        _("matches monthly gifts"),
        default=True,
        help_text=_("The first payment of a monthly gift is matched; later ones never are. Donors are told before."),
    )
    offers_freed_match = models.BooleanField(
        default=True, help_text=_("Match money that comes free is offered to earlier gifts that got less.")
    )

    shows_figures = models.BooleanField(_("progress on the banner"), default=True)
    shows_wall = models.BooleanField(_("wall of recent gifts"), default=True)
    shows_leaderboard = models.BooleanField(_("leaderboard of funds"), default=True)
    shows_teams = models.BooleanField(_("leaderboard of departments and teams"), default=True)
    shows_regions = models.BooleanField(
        _("places donors give from"),
        default=True,
        help_text=_("States and countries by number of donors, never fewer than five in a row. No amounts."),
    )
    shows_milestones = models.BooleanField(_("milestones"), default=True)
    shows_hours = models.BooleanField(_("chart of gifts by hour"), default=True)
    shows_screen = models.BooleanField(_("screen for the lobby and the gala"), default=True)
    shows_embeds = models.BooleanField(_("countdown and progress on other sites"), default=True)
    embed_hosts = models.TextField(
        _("sites that may show them"),
        blank=True,
        validators=[validate_hosts],
        help_text=_("One host a line, such as www.harborview.org or *.harborview.org. Empty: no other site."),
    )

    wall_cleared_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text=_("When staff last hid something: no copy of the wall from before is shown."),
    )

    objects = CampaignQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(closes_at__gt=F("opens_at")),
                name="campaign_closes_after_it_opens",
                violation_error_message=_("The closing moment must come after the opening moment."),
            ),
            models.CheckConstraint(
                condition=Q(max_gift_minor__gte=F("min_gift_minor")) & Q(min_gift_minor__gte=50),
                name="campaign_gift_limits_make_sense",
                violation_error_message=_("The smallest gift is at least 50 cents and at most the largest."),
            ),
            models.UniqueConstraint(
                fields=["is_current"],
                condition=Q(is_current=True),
                name="only_one_current_campaign",
                violation_error_message=_("Another campaign is the current one; take that mark off it first."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def open_funds(self) -> list[Fund]:
        """The funds that take gifts, in order; read once for each loaded campaign, since a page asks several times."""
        return list(self.funds.filter(published(now=Now()), is_open=True).prefetch_related("presets"))

    @property
    def tz(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)

    def suggested_gifts(self, fund: Fund | None) -> list[tuple[int, str]]:
        """Amounts, each with what it does: the fund's own ones, else the campaign's, of which nothing is said.

        A fund's that the campaign no longer takes are left out.
        """
        own = [(row.amount_minor, row.does) for row in fund.presets.all()] if fund else []
        taken = [pair for pair in own if self.min_gift_minor <= pair[0] <= self.max_gift_minor]
        return taken or [(amount_minor, "") for amount_minor in self.presets_minor]

    def phase(self, *, now: datetime) -> str:
        """`before`, `open` or `closed`, by the half-open window."""
        if now < self.opens_at:
            return "before"
        return "open" if now < self.closes_at else "closed"

    def words(self, *, now: datetime) -> tuple[str, str]:
        """The banner's heading and lead, which change by themselves with the phase."""
        words = {
            "before": (self.heading, self.lead),
            "open": (self.open_heading or self.heading, self.open_lead or self.lead),
            "closed": (self.closed_heading, self.closed_lead),
        }
        return words[self.phase(now=now)]

    def fee_to_cover_minor(self, *, amount_minor: int) -> int:
        """The smallest fee that leaves the whole gift after the card company took its share of gift and fee.

        Rounded up to the cent, so never a cent short: fee = ceil((amount x rate + fixed) / (1 - rate)).
        """
        kept = 10_000 - self.fee_basis_points
        return -(-(amount_minor * self.fee_basis_points + self.fee_fixed_minor * 10_000) // kept)


class CardPicture(models.Model):
    """A picture for e-cards about gifts in honor or in memory, beside the plain card."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="card_pictures")
    picture = PhotographField(upload_to="cards/")
    picture_alt = models.CharField(_("alternative text"), max_length=250)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "id"]
        constraints = [picture_has_alt("card_picture_has_alt")]

    def __str__(self) -> str:
        return self.picture_alt


class Team(models.Model):
    """A department or team that a gift may name. One that is not open any more keeps its gifts and its place."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="teams")
    name = models.CharField(max_length=80, help_text=_("A department or team, such as 7 West nurses."))
    slug = models.SlugField(help_text=_("For links: /give/?team=7-west chooses it on the giving form."))
    is_open = models.BooleanField(_("can be chosen"), default=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "slug"],
                name="one_team_per_address",
                violation_error_message=_("This campaign has a team of that address already."),
            ),
            models.UniqueConstraint(
                fields=["campaign", "name"],
                name="one_team_per_name",
                violation_error_message=_("This campaign has a team of that name already."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Milestone(models.Model):
    """Reached while what donors gave and did not get back, without match, is at least the amount."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="milestones")
    amount_minor = models.PositiveBigIntegerField(_("raised by donors"), help_text=_("Match money does not count."))
    text = models.CharField(
        _("what it brings"), max_length=160, help_text=_("Such as: a new simulator for the nurses.")
    )

    class Meta:
        ordering = ["amount_minor"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "amount_minor"],
                name="one_milestone_per_amount",
                violation_error_message=_("There is a milestone at this amount already."),
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="milestone_is_positive"),
        ]

    def __str__(self) -> str:
        return self.text
