"""Videos by link: which hosts may be framed, and what of a pasted address is used; the rest of it reaches no page."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from django.utils.translation import gettext, gettext_lazy

_YOUTUBE = re.compile(r"[A-Za-z0-9_-]{11}")
_VIMEO = re.compile(r"[0-9]{5,12}")
_SAY = gettext_lazy(
    "Paste the address of one video, such as https://www.youtube.com/watch?v=... or https://vimeo.com/..."
)

# The only hosts whose frames a page may hold; each page's policy names them (campaign/views.py).
FRAME_HOSTS = ["https://www.youtube-nocookie.com", "https://player.vimeo.com"]


class NotAVideo(Exception):
    """The link names no video of a host that may be framed; its text says what to paste."""


@dataclass(frozen=True, slots=True)
class Video:
    """host: as visitors know it. page: the video's own page. frame: what plays it, beginning when it is loaded."""

    host: str
    page: str
    frame: str


def video(link: str) -> Video:
    """The video that a pasted address names, in its host's several ways of writing it. Raises NotAVideo."""
    try:
        parts = urlsplit(link.strip())
    except ValueError as error:
        raise NotAVideo(_SAY) from error
    host = (parts.hostname or "").removeprefix("www.").removeprefix("m.")
    path = [part for part in parts.path.split("/") if part]
    if host in ("youtube.com", "youtube-nocookie.com"):
        is_page = path[:1] == ["watch"]
        found = parse_qs(parts.query).get("v", [""])[0] if is_page else "".join(path[1:2])
        return _youtube(found)
    if host == "youtu.be":
        return _youtube("".join(path[:1]))
    if host in ("vimeo.com", "player.vimeo.com"):
        return _vimeo("".join(path[-1:]))
    raise NotAVideo(gettext("%(paste)s Videos of other sites are not played here.") % {"paste": _SAY})


def _youtube(key: str) -> Video:
    if not _YOUTUBE.fullmatch(key):
        raise NotAVideo(_SAY)
    frame = f"{FRAME_HOSTS[0]}/embed/{key}?autoplay=1&rel=0"
    return Video("YouTube", f"https://www.youtube.com/watch?v={key}", frame)


def _vimeo(key: str) -> Video:
    if not _VIMEO.fullmatch(key):
        raise NotAVideo(_SAY)
    return Video("Vimeo", f"https://vimeo.com/{key}", f"{FRAME_HOSTS[1]}/video/{key}?autoplay=1&dnt=1")
