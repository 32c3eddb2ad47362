"""Uploads on a disk that may be full: a file is kept whole or not at all, and the form that sent it says so.

WholeFiles    the storage: of a file that could not be written nothing stays.
answered()    runs a view; when its upload finds no room the view is run again, its form refuses the upload beside its
              field, and nothing else that was typed is lost.
"""

import errno
import logging
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import partial, wraps
from typing import IO, Any, Concatenate, ParamSpec, TypeVar

from django.core.exceptions import ValidationError
from django.core.files.storage import FileSystemStorage
from django.http import HttpRequest
from django.http.response import HttpResponseBase

P = ParamSpec("P")
Answer = TypeVar("Answer", bound=HttpResponseBase)
NO_ROOM = (
    "This picture could not be kept: the site’s disk is full, or does not take files. Nothing was saved. Please tell "
    "who runs the site; without a new picture everything else can be saved."
)
_DISK_SAYS_NO = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO}

logger = logging.getLogger(__name__)
_has_no_room: ContextVar[bool] = ContextVar("has_no_room", default=False)


class WholeFiles(FileSystemStorage):
    def save(self, name: str | None, content: IO[Any], max_length: int | None = None) -> str:
        free = self.get_available_name(name or "file", max_length)
        try:
            return super().save(free, content, max_length)
        except OSError:
            with suppress(OSError):
                self.delete(free)
            raise


def refuse_without_room() -> None:
    """For forms that take a picture. Raises ValidationError when it has just been found that it cannot be kept."""
    if _has_no_room.get():
        raise ValidationError(NO_ROOM)


def answered(request: HttpRequest, view: Callable[[], Answer]) -> Answer:
    """The view's answer. The view must write in one transaction, which a full disk ends."""
    try:
        return view()
    except OSError as error:
        if not request.FILES or error.errno not in _DISK_SAYS_NO:
            raise
        logger.exception("an upload could not be kept")
    for _, files in request.FILES.lists():
        for file in files:
            file.seek(0)
    token = _has_no_room.set(True)
    try:
        return view()
    finally:
        _has_no_room.reset(token)


def says_when_there_is_no_room(
    view: Callable[Concatenate[HttpRequest, P], Answer],
) -> Callable[Concatenate[HttpRequest, P], Answer]:
    """answered() as a decorator of a function view."""

    @wraps(view)
    def asked(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> Answer:
        return answered(request, partial(view, request, *args, **kwargs))

    return asked
