"""What every answer of the site carries, pages and files: what its pages may use, and who may put them into theirs.

A view that needs more says so itself: a header that is there already stays (donations/content_policy.py for payment).
"""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

# Of the browser's powers these pages use none. Full screen and the wake lock of a projector are not among them.
UNUSED = (
    "accelerometer",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "publickey-credentials-get",
    "usb",
)
PERMISSIONS, RESOURCES = "Permissions-Policy", "Cross-Origin-Resource-Policy"


def permissions(**allowed: list[str]) -> str:
    """A Permissions-Policy that refuses UNUSED, but to our own pages and these origins what `allowed` names.

    allowed: a power, with `_` for `-`, and the origins of frames that may use it too.
    """
    opened = {name.replace("_", "-"): origins for name, origins in allowed.items()}
    return ", ".join(f"{name}=({_list(opened.get(name))})" for name in UNUSED)


def _list(origins: list[str] | None) -> str:
    return "" if origins is None else " ".join(["self", *(f'"{origin}"' for origin in origins)])


class ResponseHeadersMiddleware:
    """Outermost, so that static files, redirects and errors carry the headers too."""

    closed = permissions()

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault(PERMISSIONS, self.closed)
        response.headers.setdefault(RESOURCES, "same-origin")
        return response
