"""The site with one more address, /_empty/: Django's least on the same server, to compare its pages with."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings

settings.ROOT_URLCONF = "tests.benchmarks.empty_urls"

from config.wsgi import application  # noqa: E402

__all__ = ["application"]
