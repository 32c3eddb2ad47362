"""`/stories/` and `/stories/<slug>/`."""

import pytest
from django.test import Client

from campaign.models import Story
from tests import factories
from tests.campaign.pages import assert_shared, get, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def story():
    factories.organization()
    return Story.objects.create(
        slug="the-call",
        title="The call",
        summary="It rang at nine.",
        body="One <i>line</i>\nand its next.\n\n## What else\n\n- first\n- second\n\nThe end.",
        fund=factories.fund("Education", slug="education"),
    )


@pytest.mark.parametrize("url", ["/stories/", "/stories/the-call/"])
def test_it_is_only_read_and_anybody_may_keep_it_for_a_second(story, url):
    assert Client().post(url).status_code == 405
    assert_shared(get(url))


def test_the_list_leads_to_each_story(story):
    assert '<a href="/stories/the-call/">The call</a>' in text("/stories/")


def test_an_empty_list_says_so(db):
    assert "The first story is being written." in text("/stories/")


def test_it_sets_paragraphs_headings_and_lists_and_nothing_else(story):
    html = text("/stories/the-call/")
    assert "<p>One &lt;i&gt;line&lt;/i&gt; and its next. </p>" in html
    assert "<h2>What else</h2>" in html
    assert "<ul><li>first</li><li>second</li></ul>" in html
    assert '<a class="btn" href="/give/?fund=education">Give to Education</a>' in html


@pytest.mark.parametrize("slug", ["no-such-story", "the-call"])
def test_an_unknown_or_unpublished_story_is_not_found(story, slug):
    Story.objects.update(is_published=False)
    assert "This page is not here" in text(f"/stories/{slug}/", status=404)
