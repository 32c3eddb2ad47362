"""The site as processes beside the tests: each part answers, can be stopped and killed, and leaves nothing behind."""

import smtplib
import urllib.error
from email.message import EmailMessage
from urllib.request import urlopen

import pytest
import redis

from sandbox.stack.processes import StackError
from tests.beside import PATIENCE_SECONDS, eventually


def send_mail(site, subject):
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "giving@example.org", "maria@example.org"
    message.set_content("Thank you.")
    host, _, port = site.environment["EMAIL_URL"].removeprefix("smtp://").partition(":")
    with smtplib.SMTP(host, int(port), timeout=PATIENCE_SECONDS) as server:
        server.send_message(message)


def status(url):
    try:
        with urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def teapot(environ, start_response):
    """A WSGI application that nobody would take for ours."""
    start_response("200 OK" if environ["PATH_INFO"] == "/healthz" else "418 I'm a teapot", [])
    return [b""]


def assert_everything_answers(site):
    for name in ("web", "worker", "sandbox", "inbox", "valkey"):
        assert site.is_running(name), name
    assert not site.is_running("beat")
    for url in (site.url, site.sandbox_url, site.inbox_url):
        assert status(f"{url}/healthz") == 200


def test_every_part_answers(site):
    assert_everything_answers(site)


@pytest.mark.parametrize("turn", [1, 2])
def test_mail_and_messages_of_one_test_are_gone_in_the_next(site, turn):
    with redis.Redis.from_url(site.broker_url) as broker, redis.Redis.from_url(site.cache_url) as cache:
        assert site.messages() == []
        assert broker.llen("celery") == 0
        assert cache.get("left") is None
        send_mail(site, f"turn {turn}")
        assert [message["subject"] for message in site.messages()] == [f"turn {turn}"]
        site.stop("worker")
        broker.lpush("celery", "{}")
        cache.set("left", "1")


def test_a_part_is_stopped_killed_and_started_again(site):
    site.kill("web")
    assert not site.is_running("web")
    with pytest.raises(OSError, match="refused"):
        urlopen(f"{site.url}/healthz", timeout=1)
    site.start("web")
    assert status(f"{site.url}/healthz") == 200
    site.stop("valkey")
    with redis.Redis.from_url(site.broker_url) as broker, pytest.raises(redis.ConnectionError):
        broker.ping()
    site.start("valkey")
    site.start("beat")
    assert site.is_running("beat")


def test_after_a_test_that_killed_parts_all_run_again(site):
    assert_everything_answers(site)


def test_the_web_server_can_run_another_application(site):
    site.start("web", wsgi="tests.sandbox.test_site:teapot", workers=1)
    assert status(f"{site.url}/healthz") == 200
    assert status(f"{site.url}/") == 418


def test_the_usual_application_is_back_in_the_next_test(site):
    assert status(f"{site.url}/") != 418


def test_an_application_that_does_not_start_is_reported_with_its_log(site):
    with pytest.raises(StackError, match=r"(?s)^web ended.*no_such_module"):
        site.start("web", wsgi="no_such_module:application")


def test_management_commands_run_beside_the_site(site):
    assert "campaign" in site.manage("showmigrations", "--list")
    with pytest.raises(AssertionError, match="no_such_command"):
        site.manage("no_such_command")


def test_a_page_that_complains_is_noticed(page, page_errors):
    page_errors.expect(r"uncaught: .*meant to happen|console: said on purpose")
    page.set_content("<script>console.error('said on purpose'); throw new Error('it was meant to happen')</script>")
    eventually(lambda: page.wait_for_timeout(50) or len(page_errors.seen) == 2)
    assert page_errors.unexpected() == []
    page.evaluate("console.error('a surprise')")
    eventually(lambda: page.wait_for_timeout(50) or page_errors.unexpected())
    assert page_errors.unexpected() == ["console: a surprise ()"]
    page_errors.expect("a surprise")


def test_a_page_is_a_phone_s(page):
    assert page.evaluate("[innerWidth, innerHeight]") == [390, 844]
