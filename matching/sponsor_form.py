"""Whose money a pool is: the sponsor described, or chosen among those there are."""

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from campaign.logos import NotALogo, logo_file
from matching.models import Sponsor

LEAST_LOGO_HEIGHT = 16


class SponsorForm(forms.ModelForm):
    """Who pays. Bound with a prefix inside the form of a new pool."""

    website = forms.URLField(
        label=gettext_lazy("Website"), required=False, assume_scheme="https", help_text=gettext_lazy("Empty: no link.")
    )

    class Meta:
        model = Sponsor
        fields = ["name", "public_name", "is_anonymous", "website", "logo"]
        labels = {
            "name": gettext_lazy("Full name"),
            "public_name": gettext_lazy("Name in public"),
            "is_anonymous": gettext_lazy("Anonymous in public"),
            "logo": gettext_lazy("Logo"),
        }
        help_texts = {
            "name": gettext_lazy("For staff and contracts, such as “The Harbor Family Charitable Trust”."),
            "public_name": gettext_lazy("As it reads within a sentence, such as “the Harbor Family”."),
            "is_anonymous": gettext_lazy("Pages say “an anonymous sponsor”, and show no logo and no link."),
            "logo": gettext_lazy("PNG, JPEG or WebP, at most 2 MB. Shown beside the name on the match page."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("name", "public_name"):
            self.fields[name].error_messages["required"] = gettext("Write the name.")
        self.fields["logo"].widget = forms.ClearableFileInput(attrs={"accept": "image/png,image/jpeg,image/webp"})

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if Sponsor.objects.filter(name__iexact=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(gettext("There is a sponsor of this name already: choose it in the list."))
        return name

    def clean_logo(self) -> Any:
        """The new logo drawn anew, as the organization's own; the old one where nothing was uploaded."""
        logo = self.cleaned_data["logo"]
        if not logo or "logo" not in self.changed_data:
            return logo
        try:
            return logo_file(logo, size=logo.size, least_height=LEAST_LOGO_HEIGHT)
        except NotALogo as error:
            raise forms.ValidationError(str(error)) from error


class SponsorChoice(forms.Form):
    """Whose money a new pool is: one of the sponsors there are, or a new one, which SponsorForm then describes."""

    NEW = "new"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [(str(pk), name) for pk, name in Sponsor.objects.values_list("pk", "name")]
        choices = (
            [("", gettext("Choose a sponsor")), *known, (self.NEW, gettext("A new sponsor"))]
            if known
            else [(self.NEW, gettext("A new sponsor"))]
        )
        self.fields["sponsor"] = forms.ChoiceField(
            label=gettext("Sponsor"),
            choices=choices,
            error_messages={
                "required": gettext("Choose the sponsor, or “A new sponsor”."),
                "invalid_choice": gettext("Choose a sponsor."),
            },
        )
        self.has_known = bool(known)

    @property
    def is_new(self) -> bool:
        return self["sponsor"].value() == self.NEW or not self.has_known
