"""The pages for what goes wrong: they look like the site and say what to do."""

import io
import logging

import pytest
from django.conf import settings as configured
from django.test import Client, RequestFactory
from django.views import defaults

from tests import factories
from tests.campaign.pages import text

pytestmark = pytest.mark.django_db


def test_an_unknown_address_leads_on():
    factories.organization()
    html = text("/no/such/page/", status=404)
    assert "This page is not here" in html
    assert "Harborview Hospital Foundation, Inc." in html
    assert 'name="robots" content="noindex"' in html


def test_a_form_without_its_token_is_told_to_come_again():
    factories.organization()
    answer = Client(enforce_csrf_checks=True).post("/give/", {})
    assert answer.status_code == 403
    html = answer.content.decode()
    assert "Please send the form once more" in html
    assert "nothing was charged" in html


def test_a_refusal_names_the_log_in():
    answer = defaults.permission_denied(RequestFactory().get("/"), PermissionError())
    assert b"This page is not open to you" in answer.content
    assert b"/staff/login/" in answer.content


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (defaults.server_error, "Sending the same form again does not charge you twice."),
        (lambda request: defaults.bad_request(request, ValueError()), "Nothing was changed and nothing was charged."),
    ],
)
def test_what_may_be_broken_itself_needs_neither_database_nor_context(view, words):
    html = view(RequestFactory().get("/")).content.decode()
    assert words in html
    assert '<link rel="stylesheet" href="/static/campaign/site.css">' in html


def lines_of_log(send):
    """What the site's own handler writes while a request is sent."""
    [handler] = [one for one in logging.getLogger().handlers if type(one) is logging.StreamHandler]
    before, written = handler.setStream(io.StringIO()), handler
    try:
        answer = send()
        return answer, written.stream.getvalue().splitlines()
    finally:
        handler.setStream(before)


@pytest.mark.parametrize("path", ["/give/", "/webhooks/stripe/"])
def test_a_request_that_is_too_large_is_refused_in_plain_words_and_one_line(client, path, fault_table):
    too_much = configured.DATA_UPLOAD_MAX_MEMORY_SIZE + 1
    answer, log = lines_of_log(lambda: client.post(path, b"a" * too_much, content_type="text/plain"))
    fault_table(
        f"POST {path} larger than 1 MB", f"answered {answer.status_code}, not read", f"{len(log)} line in the log"
    )
    assert (answer.status_code, len(log)) == (413, 1)
    assert "nothing was charged" in answer.content.decode()
    assert log[0].endswith(f"refused {too_much} bytes to '{path}' from 127.0.0.1: 1048576 at most")


@pytest.mark.parametrize(
    ("request_of", "words"),
    [
        ({"path": "/give/", "data": {f"a{number}": "" for number in range(1_001)}}, "(POST /give/)"),
        ({"path": "/give/%0Aforged", "headers": {"host": "evil.example"}}, "(POST /give/%0Aforged)"),
    ],
    ids=["too many fields", "another host"],
)
def test_a_request_that_django_refuses_is_one_line_in_the_log_without_a_trace(request_of, words):
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "a" * 32
    answer, log = lines_of_log(lambda: client.post(**request_of))
    assert (answer.status_code, len(log)) == (400, 1)
    assert "ERROR django.security." in log[0]
    assert log[0].endswith(words)
