"""The headers that every answer carries, whoever gives it."""

import pytest
from django.http import HttpResponse

from campaign.response_headers import ResponseHeadersMiddleware, permissions
from tests import factories

CLOSED = (
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), "
    "midi=(), payment=(), publickey-credentials-get=(), usb=()"
)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "status"),
    [("/", 200), ("/nowhere/", 404), ("/staff/", 302), ("/healthz", 200), ("/static/campaign/mark.svg", 200)],
)
def test_pages_errors_redirects_and_files_carry_them(client, address, status):
    factories.organization()
    answer = client.get(address)
    assert answer.status_code == status
    assert answer["Permissions-Policy"] == CLOSED
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"


def test_what_a_view_says_itself_stays(rf):
    own = {"Permissions-Policy": "payment=(self)", "Cross-Origin-Resource-Policy": "cross-origin"}
    answer = ResponseHeadersMiddleware(lambda _: HttpResponse(headers=own))(rf.get("/embed/"))
    assert {name: answer[name] for name in own} == own


def test_a_power_is_opened_to_our_pages_and_the_frames_named():
    opened = permissions(payment=["https://js.stripe.com"], publickey_credentials_get=[])
    assert opened == CLOSED.replace("payment=()", 'payment=(self "https://js.stripe.com")').replace(
        "publickey-credentials-get=()", "publickey-credentials-get=(self)"
    )
