"""The admin's lists, pages and histories in the time of the campaign, as its forms are: nobody there reckons in UTC."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from campaign.models import Campaign


class AdminTimeMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith(reverse("admin:index")):
            return self.get_response(request)
        with timezone.override((Campaign.objects.current() or Campaign()).tz):
            return self.get_response(request)
