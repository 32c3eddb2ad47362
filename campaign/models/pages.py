"""What staff write on the pages of funds and stories.

Publishable   a page that may be a draft, or appear by itself at a moment.
Story         a page about one person or programme.
Section       one typed part of a fund's or a story's page, in order.
SectionItem   one figure, hope, question or picture in it.

The database enforces: alternative text for every picture; a part belongs to one page.
"""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from campaign.photographs import PhotographField
from campaign.rich_text import RichTextField
from campaign.videos import NotAVideo, Video, video

_NO_ALT = _("Describe the picture for people who cannot see it.")


def picture_has_alt(name: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=Q(picture="") | ~Q(picture_alt=""), name=name, violation_error_message=_NO_ALT
    )


def validate_video(link: str) -> None:
    try:
        video(link)
    except NotAVideo as error:
        raise ValidationError(str(error)) from error


def published(*, now: datetime | Now) -> Q:
    """The pages that everybody may see at `now` (aware)."""
    return Q(Q(publish_at=None) | Q(publish_at__lte=now), is_published=True)


class Publishable(models.Model):
    is_published = models.BooleanField(
        _("published"),
        default=True,
        help_text=_("Without this mark the page is a draft: only staff see it, in the preview."),
    )
    publish_at = models.DateTimeField(
        _("not before"), null=True, blank=True, help_text=_("A published page appears by itself at this moment.")
    )

    class Meta:
        abstract = True

    def is_public(self, *, now: datetime) -> bool:
        return self.is_published and (self.publish_at is None or self.publish_at <= now)


class Story(Publishable):
    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=160)
    summary = models.TextField(help_text=_("One or two sentences, for cards."))
    body = RichTextField(blank=True, help_text=_("What needs more than words goes into the parts below."))
    picture = PhotographField(upload_to="stories/", blank=True)
    picture_alt = models.CharField(_("alternative text"), max_length=250, blank=True)
    picture_caption = models.CharField(max_length=250, blank=True)
    fund = models.ForeignKey("campaign.Fund", null=True, blank=True, on_delete=models.SET_NULL, related_name="stories")
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "title"]
        verbose_name_plural = _("stories")
        constraints = [picture_has_alt("story_picture_has_alt")]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("story", args=[self.slug])


class Section(models.Model):
    """One part of a page. Which fields count depends on `kind`; the admin form says so."""

    class Kind(models.TextChoices):
        TEXT = "text", "Introduction or text: heading and paragraphs"
        FIGURES = "figures", "Figures: a row of numbers with what they mean"
        PICTURE = "picture", "Picture: one wide photograph with caption"
        BESIDE = "beside", "Picture with text: a photograph beside words"
        IMAGINE = "imagine", "Imagine: heading, list of hopes, closing paragraph"
        QUOTATION = "quotation", "Quotation: what somebody said, and who"
        STORY = "story", "Featured story: card with “read more”"
        GALLERY = "gallery", "Gallery: pictures with captions"
        VIDEO = "video", "Video: a picture that plays a YouTube or Vimeo video"
        QUESTIONS = "questions", "Questions: what donors ask, with answers"
        APPEAL = "appeal", "Appeal: closing words and the button"

    _NEEDS: dict[str, dict[str, str]] = {
        Kind.PICTURE: {"picture": "Choose the picture."},
        Kind.BESIDE: {"picture": "Choose the picture.", "body": "Write the words beside the picture."},
        Kind.QUOTATION: {"body": "Write what was said.", "closing": "Write who said it."},
        Kind.STORY: {"featured": "Choose the story that this part features."},
        Kind.VIDEO: {
            "video_link": "Paste the video’s address at YouTube or Vimeo.",
            "picture": "Choose the picture that is shown until the video plays.",
            "heading": "Write what the video is called.",
        },
    }

    fund = models.ForeignKey("campaign.Fund", null=True, blank=True, on_delete=models.CASCADE, related_name="sections")
    story = models.ForeignKey(Story, null=True, blank=True, on_delete=models.CASCADE, related_name="sections")
    kind = models.CharField(max_length=10, choices=Kind)
    position = models.PositiveSmallIntegerField(default=0)
    is_draft = models.BooleanField(_("draft"), default=False, help_text=_("Only staff see this part, in the preview."))
    heading = models.CharField(max_length=160, blank=True)
    body = RichTextField(blank=True)
    closing = RichTextField(
        blank=True, help_text=_("Words after a list; who said a quotation; what is said in a video.")
    )
    picture = PhotographField(upload_to="sections/", blank=True)
    picture_alt = models.CharField(_("alternative text"), max_length=250, blank=True)
    picture_caption = models.CharField(max_length=250, blank=True)
    featured = models.ForeignKey(
        Story,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="featured_in",
        verbose_name="featured story",
    )
    video_link = models.URLField(_("video’s address"), blank=True, validators=[validate_video])

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            picture_has_alt("section_picture_has_alt"),
            models.CheckConstraint(
                condition=Q(fund=None, story__isnull=False) | Q(fund__isnull=False, story=None),
                name="section_is_of_one_page",
                violation_error_message=_("Choose the fund or the story that this is a part of, and only one of them."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display().split(':')[0]} {self.heading}".strip()

    @classmethod
    def needs(cls, kind: str) -> dict[str, str]:
        """What a part of this kind cannot be without, and what is said beside the field that lacks it."""
        return cls._NEEDS.get(kind, {})

    @property
    def template(self) -> str:
        return f"campaign/sections/{self.kind}.html"

    @property
    def is_written(self) -> bool:
        return all(getattr(self, name) for name in self.needs(self.kind))

    @property
    def video(self) -> Video:
        return video(self.video_link)

    @cached_property
    def shown_items(self) -> "list[SectionItem]":
        """In order. A preview puts what is not saved yet in its place."""
        return list(self.items.all())

    def is_shown(self, *, now: datetime, with_drafts: bool) -> bool:
        """Whether the page has this part at `now`: it is written, no draft, and the story it features is to be seen."""
        if not self.is_written or (self.is_draft and not with_drafts):
            return False
        return self.featured is None or with_drafts or self.featured.is_public(now=now)


class SectionItem(models.Model):
    section = models.ForeignKey(Section, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveSmallIntegerField(default=0)
    title = models.CharField(max_length=200, blank=True, help_text=_("A figure such as 10,000+, or a question."))
    text = models.TextField(max_length=2000, blank=True)
    picture = PhotographField(upload_to="sections/", blank=True)
    picture_alt = models.CharField(_("alternative text"), max_length=250, blank=True)

    class Meta:
        ordering = ["position", "id"]
        constraints = [picture_has_alt("section_item_picture_has_alt")]

    def __str__(self) -> str:
        return self.title or self.text[:40]
