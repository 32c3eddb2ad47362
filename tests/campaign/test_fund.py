"""`/funds/` and `/funds/<slug>/`: what gifts are for."""

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from campaign.models import Fund, Section, SectionItem, Story
from tests import factories
from tests.campaign.pages import BEFORE, DURING, assert_shared, get, picture, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def fund(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    factories.organization()
    made = factories.fund("Education", slug="education", summary="It pays for the teaching.")
    factories.campaign(funds=[made])
    return made


@pytest.mark.parametrize("url", ["/funds/", "/funds/education/"])
def test_it_is_only_read(fund, url):
    assert Client().post(url).status_code == 405


@pytest.mark.parametrize("url", ["/funds/", "/funds/education/"])
def test_anybody_may_keep_it_for_a_second(fund, url):
    assert_shared(get(url))


def test_the_list_leads_to_each_fund_with_what_was_given(fund):
    factories.donation(parts=[(fund, 12_000)])
    html = text("/funds/", at=DURING)
    assert '<a href="/funds/education/">Education</a>' in html
    assert "It pays for the teaching." in html
    assert "<b>$120</b> given" in html


def test_an_unknown_fund_gets_the_page_that_says_what_to_do(fund):
    html = text("/funds/no-such-fund/", status=404)
    assert "This page is not here" in html
    assert 'href="/funds/"' in html
    assert "617-555-0142" in html


def test_every_kind_of_part_is_shown_in_its_order(fund):
    story = Story.objects.create(slug="the-call", title="The call", summary="It rang at nine.", body="Then.")
    add = Section.objects.create
    add(fund=fund, kind="text", position=1, heading="History", body="First <b>paragraph</b>.\n\nSecond one.")
    figures = add(fund=fund, kind="figures", position=2, heading="A year")
    SectionItem.objects.create(section=figures, title="10,000+", text="clinicians a year")
    add(fund=fund, kind="picture", position=3, picture=picture(), picture_alt="A ward", picture_caption="Ward 6.")
    hopes = add(fund=fund, kind="imagine", position=4, heading="Imagine a future where…", closing="With you.")
    SectionItem.objects.create(section=hopes, text="teams train on schedule")
    add(fund=fund, kind="story", position=5, featured=story)
    gallery = add(fund=fund, kind="gallery", position=6, heading="We’re investing in…")
    SectionItem.objects.create(section=gallery, text="Rounds", picture=picture("b.webp"), picture_alt="Doctors")
    add(fund=fund, kind="beside", position=7, picture=picture("d.webp"), picture_alt="A desk", body="Beside it.")
    add(fund=fund, kind="quotation", position=8, body="I asked.", closing="Leonard Marsh, patient")
    film = {"heading": "A day of rounds", "video_link": "https://vimeo.com/76979871", "closing": "Good morning."}
    add(fund=fund, kind="video", position=9, picture=picture("e.webp"), picture_alt="A corridor", **film)
    asked = add(fund=fund, kind="questions", position=10, heading="What donors ask")
    SectionItem.objects.create(section=asked, title="Is it deductible?", text="As the law allows.")
    add(fund=fund, kind="appeal", position=11, heading="Teach someone today", body="Give now.")
    html = text("/funds/education/", at=BEFORE)
    expected = [
        "<h2>History</h2><p>First &lt;b&gt;paragraph&lt;/b&gt;. </p>\n<p>Second one. </p>",
        '<b class="num">10,000+</b><span>clinicians a year</span>',
        'alt="A ward"',
        "<figcaption>Ward 6.</figcaption>",
        "Imagine a future where…",
        "<span>teams train on schedule</span>",
        "<p>With you. </p>",
        '<a href="/stories/the-call/">The call</a>',
        "Read more",
        'alt="Doctors"',
        "<figcaption>Rounds</figcaption>",
        'alt="A desk"',
        "<p>Beside it. </p>",
        "<blockquote><p>I asked. </p></blockquote><figcaption><p>Leonard Marsh, patient </p></figcaption>",
        "<h2>A day of rounds</h2>",
        'data-video="https://player.vimeo.com/video/76979871?autoplay=1&amp;dnt=1"',
        'alt="A corridor"',
        '<a href="https://vimeo.com/76979871" rel="noopener">Watch it at Vimeo</a>',
        "<p>Good morning. </p>",
        '<details><summary>Is it deductible?</summary><div class="prose"><p>As the law allows. </p></div></details>',
        "Teach someone today",
        '<a class="btn" href="/give/?fund=education">Give to Education</a>',
    ]
    places = [html.find(words) for words in expected]
    assert -1 not in places, [words for words, place in zip(expected, places, strict=True) if place == -1]
    assert places == sorted(places)


def test_a_part_that_is_not_written_yet_shows_nothing(fund):
    Section.objects.create(fund=fund, kind="picture", heading="Unfinished picture")
    Section.objects.create(fund=fund, kind="story", heading="Unfinished story")
    draft = Story.objects.create(slug="d", title="Draft", summary="s", body="b", is_published=False)
    Section.objects.create(fund=fund, kind="story", heading="Story to come", featured=draft)
    Section.objects.create(fund=fund, kind="text", heading="Unfinished words", is_draft=True)
    html = text("/funds/education/")
    assert "Unfinished" not in html
    assert "Story to come" not in html


@pytest.mark.parametrize("make", [
    lambda fund: Fund.objects.filter(pk=fund.pk).update(picture="a.webp"),
    lambda fund: Section.objects.create(fund=fund, kind="picture", picture="a.webp"),
    lambda fund: SectionItem.objects.create(
        section=Section.objects.create(fund=fund, kind="gallery"), picture="a.webp"
    ),
    lambda fund: Story.objects.create(slug="s", title="t", summary="s", body="b", picture="a.webp"),
])  # fmt: skip
def test_the_database_refuses_a_picture_without_alternative_text(fund, make):
    with pytest.raises(IntegrityError, match="picture_has_alt"), transaction.atomic():
        make(fund)


def test_the_give_box_leads_to_the_form_without_javascript(fund):
    factories.pool(campaign=fund.campaigns.get(), limit_minor=1_000_000)
    html = text("/funds/education/", at=DURING)
    box = html.split('class="give-box"')[1].split("</aside>")[0]
    assert '<form action="/give/" method="get">' in box
    assert '<input type="hidden" name="fund" value="education">' in box
    assert '<input type="radio" name="amount" value="100.00" checked><span>$100</span>' in box
    assert "<b>$100 becomes $200.</b>" in box
    assert 'class="dock' in html


def test_the_give_box_tells_the_last_dollars_of_a_match(fund):
    factories.pool(campaign=fund.campaigns.get(), limit_minor=735)
    assert "<b>$100 becomes $107.35.</b>" in text("/funds/education/", at=DURING)


@pytest.mark.parametrize("change", ["closed fund", "not in the campaign"])
def test_a_fund_that_takes_no_gifts_has_no_form_and_says_what_to_do(fund, change):
    if change == "closed fund":
        Fund.objects.update(is_open=False)
    else:
        fund.campaigns.get().funds.clear()
    html = text("/funds/education/", at=DURING)
    assert '<form action="/give/"' not in html
    assert "This fund takes no gifts here at the moment." in html
    assert 'class="dock' not in html


def test_before_the_opening_it_says_when_giving_opens(fund):
    campaign = fund.campaigns.get()
    campaign.takes_gifts_early = False
    campaign.save()
    html = text("/funds/education/", at=BEFORE)
    assert "Giving opens at 12:00 AM (midnight) on Tuesday, December 1, Boston time." in html
    assert '<form action="/give/"' not in html


def test_it_shows_only_the_part_of_a_gift_that_is_for_it(fund):
    other = factories.fund("Nursing")
    factories.donation(parts=[(fund, 3_000), (other, 7_000)], donor_name="Jon Weller")
    html = text("/funds/education/", at=DURING)
    assert "Jon Weller" in html
    assert "$30 given to this fund by 1 donor." in html
    assert "$70" not in html


def test_a_page_lets_no_other_host_be_framed_and_loads_nothing_of_a_video_by_itself(fund):
    Section.objects.create(
        fund=fund, kind="video", heading="A day", video_link="https://www.youtube.com/watch?v=aqz-KE-bpKQ",
        picture=picture(), picture_alt="A ward",
    )  # fmt: skip
    answer = get("/funds/education/")
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-src https://www.youtube-nocookie.com https://player.vimeo.com;" in f"{policy};"
    assert "script-src 'self';" in policy
    html = answer.content.decode()
    assert "<iframe" not in html
    assert "campaign/video.js" in html
    assert "frame-src" not in get("/").headers["Content-Security-Policy"]


@pytest.mark.parametrize("change", [{"is_published": False}, {"publish_at": DURING}])
def test_a_fund_that_is_not_published_is_nowhere(fund, change):
    Fund.objects.update(**change)
    get("/funds/education/", status=404)
    assert "Education" not in text("/funds/")
    assert "/funds/education/" not in text("/")


def test_a_fund_that_is_not_published_takes_no_gift(fund):
    Fund.objects.update(is_published=False)
    assert fund.campaigns.get().open_funds == []
