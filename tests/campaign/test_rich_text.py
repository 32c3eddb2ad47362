"""Words with headings, lists and links: what pages show of them, and what no page ever does."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from campaign import rich_text
from campaign.models import Section, Story
from tests import factories, staff
from tests.campaign.pages import text

pytestmark = pytest.mark.django_db
WRITTEN = (
    "<div>First.<br><br><strong>Bold<br><br>still</strong> and <em>so</em></div><h2>Why</h2>"
    '<ul><li>one</li><li>two</li></ul><blockquote>said</blockquote><div><a href="/funds/">All</a><br>same line</div>'
)
KEPT = (
    "<p>First.</p><p><strong>Bold</strong></p><p><strong>still</strong> and <em>so</em></p><h2>Why</h2>"
    '<ul><li>one</li><li>two</li></ul><blockquote>said</blockquote><p><a href="/funds/" rel="noopener">All</a>'
    "<br>same line</p>"
)


@pytest.fixture
def fund():
    factories.organization()
    made = factories.fund("Education", slug="education")
    factories.campaign(funds=[made])
    return made


@pytest.fixture
def admin():
    client = Client()
    client.force_login(User.objects.create_superuser("admin", "admin@example.org", "a long enough one"))
    return client


def test_what_the_editor_makes_is_kept_as_paragraphs_and_comes_back_to_it():
    assert rich_text.stored(WRITTEN) == KEPT
    assert rich_text.stored(KEPT) == KEPT
    assert rich_text.stored(rich_text.for_editor(KEPT)) == KEPT


def test_breaks_at_the_ends_of_bold_words_leave_no_gap():
    typed = "<div>a <strong>b<br><br></strong><br><em>c</em><br><br><strong><br>d</strong><br></div>"
    assert rich_text.stored(typed) == "<p>a <strong>b</strong></p><p><em>c</em></p><p><strong>d</strong></p>"


def test_plain_text_stays_as_it_was_typed_and_opens_in_the_editor():
    plain = "One & two <b>.\n\n## Why\n- a\n- b\n\nEnd"
    assert rich_text.stored(plain) == plain
    html = "<p>One &amp; two &lt;b&gt;.</p><h2>Why</h2><ul><li>a</li><li>b</li></ul><p>End</p>"
    assert rich_text.stored(rich_text.for_editor(plain)) == html


@pytest.mark.parametrize(
    ("hostile", "kept"),
    [
        ("<p>a<script>alert(1)</script>b</p>", "<p>ab</p>"),
        ('<p onclick="x()" style="color:red" class="c" id="i">a</p>', "<p>a</p>"),
        ('<div><img src=x onerror="alert(1)">a</div>', "<p>a</p>"),
        ('<p><a href="javascript:alert(1)">a</a></p>', '<p><a rel="noopener">a</a></p>'),
        ('<p><a href=" java&#10;script:alert(1)">a</a></p>', '<p><a rel="noopener">a</a></p>'),
        ('<p><a href="data:text/html,x" target="_top">a</a></p>', '<p><a rel="noopener">a</a></p>'),
        ("<p><svg><style><img src=x onerror=y></style></svg>a</p>", "<p>a</p>"),
        ("<p><iframe srcdoc='<script>x</script>'></iframe><form><input></form>a</p>", "<p>a</p>"),
        ("<p>a<!-- <script>x</script> --></p>", "<p>a</p>"),
        ("<p><math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1&gt;'>a", None),
        ("<div><div>a</div></div><h1>b</h1>", None),
        ("<p>a</p></main></body><p>b", "<p>a</p><p>b</p>"),
        ("<p>a", "<p>a</p>"),
        ("<div><br></div><p>&nbsp;</p><ul><li></li></ul>", ""),
    ],
)
def test_nothing_hostile_is_kept_or_shown(hostile, kept):
    found = rich_text.stored(hostile)
    assert kept in (None, found)
    for shown in (found, str(rich_text.as_html(hostile))):
        for mark in ("<script", "<img", "<svg", "<iframe", "<style", "<form", " on", "javascript:", "data:", "<!--"):
            assert mark not in shown


def test_it_is_cleaned_when_saved_by_whomever_and_again_when_shown(fund):
    hostile = "<p>Words<script>alert(1)</script></p>"
    section = Section.objects.create(fund=fund, kind="text", body=hostile, closing="<p onclick=x>End</p>")
    story = Story.objects.create(slug="s", title="t", summary="s", body=hostile)
    section.refresh_from_db()
    story.refresh_from_db()
    assert (section.body, section.closing, story.body) == ("<p>Words</p>", "<p>End</p>", "<p>Words</p>")
    Section.objects.update(body='<p>Older<img src=x onerror="alert(1)"></p>')
    html = text("/funds/education/")
    assert "<p>Older</p>" in html
    assert "onerror" not in html


def test_the_admin_opens_the_editor_under_a_policy_without_unsafe(admin, fund):
    section = Section.objects.create(fund=fund, kind="text", body="Plain & simple.")
    answer = admin.get(f"/admin/campaign/section/{section.pk}/change/")
    html = answer.content.decode()
    assert "&lt;div&gt;Plain &amp;amp; simple.&lt;/div&gt;</textarea>" in html
    nonce = html.partition('name="trix-csp-nonce" content="')[2].partition('"')[0]
    policy = answer.headers["Content-Security-Policy"]
    assert f"style-src 'self' 'nonce-{nonce}'" in policy
    assert len(nonce) > 10
    assert "unsafe" not in policy
    assert "nonce" not in admin.get("/admin/campaign/fund/").headers["Content-Security-Policy"]


def sent(section: Section, **changes: str) -> dict[str, str]:
    fields = {"fund": str(section.fund_id), "kind": section.kind, "position": "0", "heading": "Unsaved"}
    return fields | {"items-TOTAL_FORMS": "0", "items-INITIAL_FORMS": "0"} | changes


def test_a_part_is_shown_while_it_is_written_and_nothing_is_saved(admin, fund):
    section = Section.objects.create(fund=fund, kind="questions", heading="Saved", is_draft=True)
    kept = section.items.create(title="Why now?", text="Because.")
    section.items.create(title="Gone?", text="Yes.", position=2)
    gone = section.items.get(title="Gone?")
    items = {
        "items-TOTAL_FORMS": "3",
        "items-INITIAL_FORMS": "2",
        "items-0-id": str(kept.pk),
        "items-0-position": "5",
        "items-0-title": "Why today?",
        "items-0-text": "So.",
        "items-1-id": str(gone.pk),
        "items-1-position": "1",
        "items-1-title": "Gone?",
        "items-1-DELETE": "on",
        "items-2-position": "1",
        "items-2-title": "New?",
        "items-2-text": "New.",
    }
    address = f"/admin/campaign/section/{section.pk}/as-seen/"
    answer = admin.post(address, sent(section, body="<div>New <script>x</script>words</div>", **items))
    html = answer.content.decode()
    assert "<h2>Unsaved</h2>" in html
    assert "<p>New words</p>" in html
    assert html.index("<summary>New?</summary>") < html.index("<summary>Why today?</summary>")
    assert "Gone?" not in html
    section.refresh_from_db()
    assert (section.heading, section.body, section.items.count(), section.is_draft) == ("Saved", "", 2, True)
    assert "Unsaved" not in text("/funds/education/")


def test_a_new_part_is_shown_as_far_as_it_is_written(admin, fund):
    new = Section(fund=fund, kind="beside")
    html = admin.post("/admin/campaign/section/0/as-seen/", sent(new)).content.decode()
    assert "Choose the picture. Write the words beside the picture. Until then visitors do not see this part." in html
    html = admin.post("/admin/campaign/section/0/as-seen/", sent(new, kind="")).content.decode()
    assert "Choose what kind of part it is." in html
    assert admin.post("/admin/campaign/section/0/as-seen/", {}).status_code == 200
    assert not Section.objects.exists()


def test_a_picture_that_is_chosen_and_not_saved_is_shown_from_the_browser(admin, fund):
    section = Section.objects.create(fund=fund, kind="gallery", heading="Saved")
    here = "blob:https://giving.example.org/0f5c-12ab"
    items = {"items-TOTAL_FORMS": "2", "chosen:items-1-picture": here, "chosen:picture": 'blob:x"><script>'}
    address = f"/admin/campaign/section/{section.pk}/as-seen/"
    html = admin.post(address, sent(section, **items)).content.decode()
    assert (html.count(f'<img class="pic" src="{here}"'), "script" in html) == (1, False)
    for kind, wanted in (("picture", here), ("picture", "https://elsewhere.example/x"), ("picture", "")):
        html = admin.post(address, sent(section, kind=kind, **{"chosen:picture": wanted})).content.decode()
        assert (f'src="{wanted}"' in html, "Choose the picture." in html) == (wanted == here, wanted != here)
    section.refresh_from_db()
    assert (section.picture.name, section.items.count()) == ("", 0)
    policy = admin.get(f"/admin/campaign/section/{section.pk}/change/").headers["Content-Security-Policy"]
    assert "img-src 'self' data: blob:" in policy
    assert "style-src 'self' 'nonce-" in policy
    for other in ("/", "/admin/campaign/section/", f"/admin/campaign/fund/{fund.pk}/change/"):
        assert "blob:" not in admin.get(other).headers["Content-Security-Policy"]


def test_the_unsaved_part_is_for_who_may_change_pages(admin, fund):
    section = Section.objects.create(fund=fund, kind="text")
    address = f"/admin/campaign/section/{section.pk}/as-seen/"
    assert Client().post(address, sent(section)).status_code == 302
    assert staff.farid().post(address, sent(section)).status_code == 403
    assert staff.dana().post(address, sent(section)).status_code == 200
    assert admin.get(address).status_code == 405
    assert admin.post("/admin/campaign/section/999999/as-seen/", sent(section)).status_code == 404
    guarded = Client(enforce_csrf_checks=True)
    guarded.force_login(User.objects.get(username="admin"))
    assert guarded.post(address, sent(section)).status_code == 403
