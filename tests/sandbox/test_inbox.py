"""The inbox, over real SMTP."""

import email.policy
import json
import smtplib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from email.message import EmailMessage

import pytest

from sandbox.stripe.testing import ROOT


class Inbox:
    """A running inbox: its addresses, and mail to it."""

    def __init__(self, folder) -> None:
        command = [sys.executable, "-m", "sandbox.inbox", "--smtp-port", "0", "--port", "0", "--dir", str(folder)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.url = line.split("ready on ")[1].split()[0]
        self.smtp_port = int(line.split("SMTP on 127.0.0.1:")[1].split(";")[0])

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(10)

    def ask(self, method, path, given=None):
        body = None if given is None else json.dumps(given).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data=body, method=method)) as answer:
            return json.loads(answer.read())

    def page(self, path):
        with urllib.request.urlopen(self.url + path) as answer:
            return answer.read().decode(), answer.headers

    def send(self, *messages, to=None) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp_port) as server:
            for message in messages:
                server.send_message(message, to_addrs=to)

    def messages(self, query=""):
        return self.ask("GET", f"/api/messages{query}")


def mail(subject="Receipt R-1", to="Ann Lee <ann@example.com>", **more) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = "Riverbend <giving@example.org>"
    message["To"] = to
    message["Message-ID"] = "<receipt-1@example.org>"
    message.set_content(more.get("text", "Thank you for $100.00 – Ann.\n"))
    if "html" in more:
        message.add_alternative(more["html"], subtype="html")
    if "attachment" in more:
        message.add_attachment(more["attachment"], maintype="application", subtype="pdf", filename="receipt-é.pdf")
    return message


@pytest.fixture(scope="module")
def _inbox(tmp_path_factory):
    running = Inbox(tmp_path_factory.mktemp("mail"))
    yield running
    assert running.stop() == 0


@pytest.fixture
def inbox(_inbox):
    """A running inbox, empty and without faults."""
    _inbox.ask("DELETE", "/api/messages")
    _inbox.ask("DELETE", "/api/faults")
    return _inbox


def test_it_keeps_a_message_whole(inbox):
    pdf = bytes(range(256)) * 50
    inbox.send(mail(html="<h1>Thank you</h1>", attachment=pdf))
    (summary,) = inbox.messages()
    assert (summary["subject"], summary["to"], summary["message_id"]) == (
        "Receipt R-1",
        ["ann@example.com"],
        "<receipt-1@example.org>",
    )
    whole = inbox.ask("GET", f"/api/messages/{summary['id']}")
    assert whole["text"] == "Thank you for $100.00 – Ann.\n"
    assert "<h1>Thank you</h1>" in whole["html"]
    assert ["Subject", "Receipt R-1"] in whole["headers"]
    (attached,) = whole["attachments"]
    assert (attached["filename"], attached["size_bytes"]) == ("receipt-é.pdf", len(pdf))
    with urllib.request.urlopen(inbox.url + attached["url"]) as answer:
        assert answer.read() == pdf
        assert answer.headers["Content-Disposition"].startswith("attachment")


def test_it_lists_the_newest_first_and_by_address(inbox):
    inbox.send(mail("One"), mail("Two", to="bob@example.com"), mail("Three"))
    inbox.send(mail("Four"), to=["hidden@example.com"])
    assert [one["subject"] for one in inbox.messages()] == ["Four", "Three", "Two", "One"]
    assert [one["subject"] for one in inbox.messages("?to=ANN@example.com")] == ["Three", "One"]
    assert [one["subject"] for one in inbox.messages("?to=hidden@example.com")] == ["Four"]
    assert [one["subject"] for one in inbox.messages("?subject=thr")] == ["Three"]
    assert len(inbox.messages("?limit=2")) == 2


def test_mail_outlives_a_restart(tmp_path):
    first = Inbox(tmp_path)
    first.send(mail("Kept"))
    first.stop()
    second = Inbox(tmp_path)
    assert [one["subject"] for one in second.messages()] == ["Kept"]
    second.send(mail("New"))
    assert [one["subject"] for one in second.messages()] == ["New", "Kept"]
    second.stop()


def test_it_forgets_all_or_one(inbox):
    inbox.send(mail("One"), mail("Two"))
    inbox.ask("DELETE", f"/api/messages/{inbox.messages()[0]['id']}")
    assert [one["subject"] for one in inbox.messages()] == ["One"]
    inbox.ask("DELETE", "/api/messages")
    assert inbox.messages() == []


def test_the_page_shows_a_message_and_runs_none_of_its_code(inbox):
    inbox.send(mail("<b>Bold</b>", html="<p>Hello</p><script>alert(1)</script>", text="plain"))
    message_id = inbox.messages()[0]["id"]
    listed, headers = inbox.page("/")
    assert "&lt;b&gt;Bold&lt;/b&gt;" in listed
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    shown, _ = inbox.page(f"/messages/{message_id}")
    assert "<iframe sandbox " in shown
    assert "<script>alert" not in shown
    _, headers = inbox.page(f"/messages/{message_id}/html")
    assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_a_picture_inside_the_html_is_shown_from_the_inbox(inbox):
    message = mail(html='<img src="cid:logo@x">')
    message.get_payload()[1].add_related(b"\x89PNG", "image", "png", cid="<logo@x>")
    inbox.send(message)
    message_id = inbox.messages()[0]["id"]
    shown, _ = inbox.page(f"/messages/{message_id}/html")
    assert f'src="/messages/{message_id}/parts/0"' in shown


def test_it_refuses_so_many_messages_then_takes_them(inbox):
    inbox.ask("POST", "/api/faults", {"status": 451, "times": 2})
    for _ in range(2):
        with pytest.raises(smtplib.SMTPDataError) as refused:
            inbox.send(mail())
        assert refused.value.smtp_code == 451
    inbox.send(mail())
    assert len(inbox.messages()) == 1


def test_it_refuses_one_address_until_told_otherwise(inbox):
    inbox.ask("POST", "/api/faults", {"status": 550, "address": "ann@example.com", "times": 0})
    for _ in range(2):
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            inbox.send(mail())
    inbox.send(mail(to="bob@example.com"))
    inbox.ask("DELETE", "/api/faults")
    inbox.send(mail())
    assert [one["to"] for one in inbox.messages()] == [["ann@example.com"], ["bob@example.com"]]


def test_it_can_keep_a_message_and_yet_refuse_it(inbox):
    inbox.ask("POST", "/api/faults", {"status": 451, "when": "after"})
    with pytest.raises(smtplib.SMTPDataError):
        inbox.send(mail())
    inbox.send(mail())
    assert [one["message_id"] for one in inbox.messages()] == ["<receipt-1@example.org>"] * 2


@pytest.mark.parametrize("rule", [{"status": 250}, {"when": "never"}, {"times": -1}, {"staus": 451}])
def test_a_fault_that_cannot_be_is_refused(inbox, rule):
    with pytest.raises(urllib.error.HTTPError) as refused:
        inbox.ask("POST", "/api/faults", rule)
    assert refused.value.code == 400
    assert inbox.ask("GET", "/api/faults") == []


@pytest.mark.parametrize("path", ["/api/messages/1", "/messages/1", "/messages/1/html", "/messages/../../etc/passwd"])
def test_what_is_not_there_is_a_404(inbox, path):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(inbox.url + path)
    assert refused.value.code == 404


def test_it_takes_hundreds_of_messages_quickly(inbox):
    began = time.monotonic()
    with smtplib.SMTP("127.0.0.1", inbox.smtp_port) as server:
        content = mail(attachment=b"x" * 20_000).as_bytes(policy=email.policy.SMTP)
        for _ in range(300):
            server.sendmail("a@example.org", ["ann@example.com"], content)
    assert time.monotonic() - began < 15
    assert len(inbox.messages()) == 300
