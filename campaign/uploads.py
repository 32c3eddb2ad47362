"""Uploads on a disk that may be full: a file is kept whole or not at all, and the form that sent it says so.

ComingIn      takes in what is too large for the memory; what finds no room while it comes in is a NotKept.
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
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy

P = ParamSpec("P")
Answer = TypeVar("Answer", bound=HttpResponseBase)
NO_ROOM = gettext_lazy(
    "This picture could not be kept: the site’s disk is full, or does not take files. Nothing was saved. Please tell "
    "who runs the site; without a new picture everything else can be saved."
)
_DISK_SAYS_NO = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO}

logger = logging.getLogger(__name__)
_has_no_room: ContextVar[bool] = ContextVar("has_no_room", default=False)


class NotKept:
    """Stands among a request's files for one that found no room: a form that reads it refuses it beside its field."""

    @property
    def name(self) -> str:
        raise ValidationError(NO_ROOM)

    def seek(self, _position: int) -> None:
        """There is nothing to read again."""

    def close(self) -> None:
        """There is nothing to close."""


class ComingIn(TemporaryFileUploadHandler):
    """Writes an upload to the temporary folder. When that is full it reads on, so that the rest of the form arrives."""

    has_no_room = False

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        self.has_no_room = False
        try:
            super().new_file(*args, **kwargs)
        except OSError:
            self._drop()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self.has_no_room:
            return
        try:
            super().receive_data_chunk(raw_data, start)
        except OSError:
            self._drop()

    def file_complete(self, file_size: int) -> Any:
        if not self.has_no_room:
            try:
                return super().file_complete(file_size)
            except OSError:
                self._drop()
        return NotKept()

    def _drop(self) -> None:
        logger.exception("an upload found no room while it came in")
        self.has_no_room = True
        with suppress(AttributeError, OSError):
            self.file.close()


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
