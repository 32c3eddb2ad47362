"""The site with one more address, /_empty/: Django's least on the same server, to compare its pages with.

Each statement to the database adds one byte to the file COUNTED_QUERIES, of whatever process and thread it is.
"""

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from django.db.backends.signals import connection_created

settings.ROOT_URLCONF = "tests.benchmarks.empty_urls"

from config.wsgi import application  # noqa: E402

__all__ = ["application"]
_COUNTED = os.open(os.environ["COUNTED_QUERIES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def _count(execute: Callable[..., Any], *arguments: Any) -> Any:
    os.write(_COUNTED, b".")
    return execute(*arguments)


def _watch(connection: Any, **_: Any) -> None:
    if _count not in connection.execute_wrappers:
        connection.execute_wrappers.append(_count)


connection_created.connect(_watch)
