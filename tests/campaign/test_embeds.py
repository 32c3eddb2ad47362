"""`/embed/countdown/` and `/embed/progress/`: shown by other sites, but only by those on the list."""

import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core.cache import cache
from django.test import Client

from campaign.models import Campaign
from campaign.pages import EMBEDS
from tests import factories, staff
from tests.campaign.pages import AFTER, DURING, assert_shared, get, text

KINDS = list(EMBEDS)
OVERFLOW = "(({scrollHeight, scrollWidth}) => [scrollHeight - innerHeight, scrollWidth - innerWidth])(document.body)"


@pytest.fixture
def campaign(db):
    factories.organization()
    return factories.campaign(embed_hosts="www.harborview.org\n*.partner.example")


def frame_ancestors(answer) -> str:
    policy = answer.headers["Content-Security-Policy"].split("; ")
    return next(part for part in policy if part.startswith("frame-ancestors"))


@pytest.mark.parametrize("url", ["/embed/countdown/", "/embed/progress/", "/embed/progress/?part"])
def test_only_listed_hosts_may_frame_it_kept_or_not(campaign, settings, url):
    settings.EMBED_HOSTS = ["desk.example.org"]
    for answer in (get(url, at=DURING), get(url, at=DURING)):
        assert_shared(answer)
        assert frame_ancestors(answer) == (
            "frame-ancestors 'self' www.harborview.org *.partner.example desk.example.org"
        )
        assert "X-Frame-Options" not in answer.headers
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert Client().post(url).status_code == 405


@pytest.mark.parametrize("url", ["/", "/give/", "/live/", "/progress/"])
def test_no_other_page_may_be_framed(campaign, url):
    answer = get(url, at=DURING)
    assert frame_ancestors(answer) == "frame-ancestors 'none'"
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_without_a_list_no_other_site_may(campaign):
    Campaign.objects.update(embed_hosts="")
    assert frame_ancestors(get("/embed/progress/", at=DURING)) == "frame-ancestors 'self'"


def test_it_says_what_the_campaigns_page_says(campaign):
    factories.pool(campaign=campaign, limit_minor=100_000)
    factories.match(factories.donation(campaign=campaign, amount_minor=30_000))
    progress = text("/embed/progress/", at=DURING + timedelta(hours=1))
    assert "<b>$300</b><span>given by 1 donor, toward $250,000</span>" in progress
    assert "<b>$700</b> still free" in progress
    countdown = text("/embed/countdown/", at=DURING)
    assert "Giving Tuesday ends in" in countdown
    assert '<b data-unit="hours">14</b>' in countdown
    assert "Thank you." in text("/embed/countdown/?part", at=AFTER)


@pytest.mark.parametrize("kind", KINDS)
def test_switched_off_it_keeps_only_the_name_and_the_link(campaign, kind):
    factories.donation(campaign=campaign, amount_minor=30_000)
    Campaign.objects.update(shows_embeds=False)
    html = text(f"/embed/{kind}/", at=DURING)
    assert "$300" not in html
    assert "data-until" not in html
    assert '<a class="btn small" href="/" target="_blank"' in html


@pytest.mark.parametrize("url", ["/embed/other/", "/embed/"])
def test_there_are_no_other_frames(campaign, url):
    get(url, status=404)


def test_without_a_campaign_there_is_none(db):
    get("/embed/progress/", status=404)


def test_staff_copy_one_line(campaign, settings):
    settings.SITE_URL = "https://give.example.org"
    answer = staff.dana().get("/staff/embeds/")
    html = answer.content.decode()
    assert "&lt;iframe src=&quot;https://give.example.org/embed/countdown/&quot; title=&quot;Giving Tuesday: c" in html
    assert "*.partner.example" in html
    assert "frame-src 'self'" in answer.headers["Content-Security-Policy"]


@contextmanager
def other_site(html: str):
    """The address of a site of somebody else's, whose every page is this one."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html>" + html.encode())

        def log_message(self, *_words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.django_db(transaction=True)
def test_it_fits_its_frame_and_only_a_listed_site_sees_it(open_page, page_errors, live_server):
    page_errors.expect("frame-ancestors|Failed to load resource")
    factories.organization()
    campaign = factories.open_campaign()
    factories.pool(campaign=campaign, limit_minor=100_000_000)
    factories.match(factories.donation(campaign=campaign, amount_minor=12_345_678))
    line = '<iframe src="{}/embed/{}/" width="{}" height="{}" style="border:0"></iframe>'
    frames = "".join(line.format(live_server.url, kind, width, EMBEDS[kind]) for kind in KINDS for width in (280, 700))
    with other_site(frames) as host:

        def visit():
            page = open_page(viewport={"width": 760, "height": 900})
            page.goto(f"http://{host}/")
            return page

        assert [frame.locator("main").count() for frame in visit().frames[1:]] == [0, 0, 0, 0]
        Campaign.objects.update(embed_hosts=host)
        cache.clear()
        for frame in visit().frames[1:]:
            frame.wait_for_selector("main", timeout=5_000)
            assert frame.evaluate(OVERFLOW) == [0, 0], frame.url
