"""Every address of the site (design 6)."""

from django.contrib import admin
from django.urls import include, path

from campaign.views import media

urlpatterns = [
    path("", include("campaign.urls")),
    path("", include("matching.urls")),
    path("", include("donations.urls")),
    path("admin/", admin.site.urls),
    path("media/<path:path>", media),
]
