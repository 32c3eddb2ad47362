"""The site as a WSGI application, ready before its first visitor: each process loads its pages when it starts."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import resolve

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
# Otherwise the first request of each process would wait for this: close to a second, in which Stripe's events stand.
resolve("/")
