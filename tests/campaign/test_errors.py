"""The pages for what goes wrong: they look like the site and say what to do."""

import pytest
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
