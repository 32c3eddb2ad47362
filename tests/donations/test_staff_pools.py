"""Pools on the staff pages: opened, changed and paused through matching.pools alone, with what donors will read."""

import html
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import Image

from donations import form_keys
from matching import pools
from matching.ledger import PoolsBusy
from matching.models import LedgerEntry, MatchPool, PoolPause, Reservation, Sponsor
from tests import factories, staff
from tests.factories import GIFT_AT, OPENS_AT

pytestmark = pytest.mark.django_db

BEFORE = OPENS_AT - timedelta(days=20)  # so that the real clock's changes come later
NEW = "/staff/pools/new/?kind="
SENTENCE = "Every dollar is doubled, up to $5,000 of match a donor, until $250,000 is used, on December 1, Boston time."


@pytest.fixture
def fund():
    return factories.fund("Education")


@pytest.fixture
def campaign(fund):
    return factories.campaign(funds=[fund])


@pytest.fixture
def dana():
    return staff.dana()


def typed(sponsor=None, /, **changes) -> dict[str, object]:
    """The form as a person fills it in; None leaves a field out."""
    values = {
        "form_key": form_keys.new_form_key().sealed,
        "sponsor": sponsor.pk if sponsor else "new",
        "limit": "$250,000.00",
        "ratio_match": "1",
        "ratio_gift": "1",
        "cap_per_donor": "5,000",
        "opens_at": "2026-12-01T00:00",
        "closes_at": "2026-12-02T00:00",
        "priority": "10",
        "offline_gifts": "on",
        "leftover": "given",
        "name": "Harbor, day-long",
    } | changes
    return {name: value for name, value in values.items() if value is not None}


def seen_in(response) -> str:
    """What the page has shown of what donors will read."""
    found = re.search(r'name="seen" value="([^"]*)"', response.content.decode())
    return html.unescape(found[1]) if found else ""


def send(client, address: str, values: dict[str, object]):
    """Send a form as a person does who has read the preview."""
    shown = client.post(address, values | {"preview": "1"})
    return client.post(address, values | {"seen": seen_in(shown)})


def terms_address(pool) -> str:
    return reverse("staff-pool-terms", args=[pool.pk])


def as_shown(client, pool) -> dict[str, object]:
    """The form of a pool as it stands on its page, to be sent again."""
    response = client.get(terms_address(pool))
    form = response.context["form"]
    values = {name: form[name].value() for name in form.fields}
    moments = {name: str(values[name])[:16].replace(" ", "T") for name in ("opens_at", "closes_at") if values[name]}
    kept = {name: value for name, value in values.items() if value not in (None, False)} | moments
    return kept | {"base": response.context["base"], "seen": seen_in(response)}


class TestOpening:
    def test_it_begins_with_what_the_money_is_to_do(self, dana, campaign):
        page = staff.text_of(dana.get("/staff/pools/new/"))
        for title in ("Match gifts", "Bonus hour on top", "Unlock at a target", "Lump-sum challenge", "Every N donors"):
            assert title in page
        assert "What is the money to do?" in staff.text_of(dana.get(NEW + "nonsense"))

    def test_it_opens_a_pool_through_the_ledger(self, dana, campaign, fund):
        sent = send(dana, NEW + "match", typed(factories.sponsor(), funds=[fund.pk], min_gift="25"))
        pool = MatchPool.objects.get()
        assert sent.headers["Location"] == f"/staff/pools/{pool.pk}/"
        assert (pool.limit_minor, pool.free_minor, pool.currency, pool.leftover) == (
            25_000_000,
            25_000_000,
            "USD",
            "given",
        )
        terms = pool.terms
        assert (terms.cap_per_donor_minor, terms.cap_per_gift_minor, terms.min_gift_minor) == (500_000, None, 2_500)
        assert (terms.opens_at, terms.fund_ids) == (datetime(2026, 12, 1, 5, tzinfo=UTC), [fund.pk])
        entries = LedgerEntry.objects.values_list("reason", "amount_minor", "actor")
        assert list(entries) == [("pledge", 25_000_000, f"staff:{User.objects.get(username='dana').pk}")]
        page = staff.text_of(dana.get("/staff/pools/"))
        assert "Every dollar to Education in gifts of $25 or more is doubled, up to $5,000 of match a donor" in page
        assert "Terms 1, since" in page

    @pytest.mark.parametrize(
        ("kind", "changes", "expected"),
        [
            ("hour", {"ratio_match": "2"}, {"layer": "bonus", "ratio_match": 2}),
            (
                "locked",
                {"unlock_donors": "500", "reaches_back": "on"},
                {"layer": "base", "unlock_donors": 500, "reaches_back": True},
            ),
            (
                "locked",
                {"unlock_raised": "100,000", "on_top": "on"},
                {"layer": "bonus", "unlock_raised_minor": 10_000_000, "reaches_back": False},
            ),
            ("lump", {"unlock_donors": "500"}, {"layer": "award", "award_minor": 25_000_000, "award_every": False}),
            (
                "every",
                {"unlock_donors": "50", "award": "1,000"},
                {"layer": "award", "award_minor": 100_000, "award_every": True},
            ),
        ],
    )
    def test_each_kind_opens_its_own_terms(self, dana, campaign, kind, changes, expected):
        sent = send(dana, NEW + kind, typed(factories.sponsor(), cap_per_donor=None, **changes))
        assert sent.status_code == 302
        terms = MatchPool.objects.get().terms
        assert {name: getattr(terms, name) for name in expected} == expected

    def test_a_new_sponsor_comes_into_being_with_the_pool(self, dana, campaign, settings, tmp_path):
        settings.MEDIA_ROOT = tmp_path
        picture = io.BytesIO()
        Image.new("RGB", (40, 20), "teal").save(picture, "PNG")
        whose = {
            "sponsor-name": "The Harbor Family Trust",
            "sponsor-public_name": "the Harbor Family",
            "sponsor-website": "harbor.example",
        }
        values = typed(name="", **whose)
        shown = dana.post(NEW + "lump", values | {"unlock_donors": "3", "preview": "1"})
        assert "When 3 people give, the Harbor Family will give $250,000" in staff.text_of(shown)
        assert not Sponsor.objects.exists()
        logo = SimpleUploadedFile("harbor.png", picture.getvalue(), "image/png")
        dana.post(NEW + "lump", values | {"unlock_donors": "3", "seen": seen_in(shown), "sponsor-logo": logo})
        sponsor = Sponsor.objects.get()
        assert (sponsor.public_name, sponsor.website) == ("the Harbor Family", "https://harbor.example")
        assert re.fullmatch(r"sponsors/[0-9a-f]{16}\.png", sponsor.logo.name)  # drawn anew
        assert MatchPool.objects.get().name == "The Harbor Family Trust, lump-sum challenge"

    def test_nobody_has_to_choose_the_new_sponsor_whom_they_described(self, dana, campaign):
        factories.sponsor("Another")
        whose = {"sponsor": "", "sponsor-name": "Pier Bank", "sponsor-public_name": "Pier Bank"}
        assert send(dana, NEW + "match", typed(**whose)).status_code == 302
        assert MatchPool.objects.get().sponsor.name == "Pier Bank"

    def test_a_form_sent_twice_opens_one_pool(self, dana, campaign):
        values = typed(factories.sponsor())
        assert send(dana, NEW + "match", values).status_code == 302
        again = dana.post(NEW + "match", values, follow=True)
        assert "This form has opened Harbor, day-long already, once." in staff.text_of(again)
        assert MatchPool.objects.count() == 1

    @pytest.mark.parametrize(
        ("kind", "changes", "beside"),
        [
            ("match", {"limit": "lots"}, ("limit", "is not an amount we can read")),
            ("match", {"limit": ""}, ("limit", "Write an amount, such as 1,000.")),
            ("match", {"limit": "0"}, ("limit", "Enter an amount above zero.")),
            ("match", {"limit": "99999999999"}, ("limit", "Enter at most $1,000,000,000.00.")),
            ("match", {"cap_per_gift": "-5"}, ("cap_per_gift", "is not an amount we can read")),
            ("match", {"cap_per_gift": "6000"}, ("cap_per_gift", "The cap per gift is above the cap per donor")),
            ("match", {"closes_at": "2026-11-30T00:00"}, ("closes_at", "The pool would close before it opens")),
            ("match", {"opens_at": "noon"}, ("opens_at", "Write a day and time such as")),
            (
                "match",
                {"opens_at": "2026-12-09T00:00", "closes_at": ""},
                ("opens_at", "The pool would open when the campaign is over already."),
            ),
            ("match", {"opens_at": "2026-03-08T02:30"}, ("opens_at", "There is no such time on that day")),
            ("match", {"ratio_gift": "0"}, ("ratio_gift", "greater than or equal to 1")),
            ("match", {"sponsor": ""}, ("sponsor", "Choose the sponsor")),
            ("match", {"sponsor": "999"}, ("sponsor", "Choose a sponsor.")),
            ("hour", {"opens_at": ""}, ("opens_at", "Write the day and time: it is a match for some hours.")),
            ("locked", {}, ("unlock_donors", "Write the target")),
            ("locked", {"unlock_donors": "5", "unlock_raised": "5"}, ("unlock_raised", "one target")),
            ("lump", {"unlock_donors": "0"}, ("unlock_donors", "greater than or equal to 1")),
            ("every", {"unlock_donors": "5", "award": ""}, ("award", "Write an amount, such as 1,000.")),
            ("every", {"unlock_donors": "5", "award": "300,000"}, ("limit", "less than the sum that it gives")),
        ],
    )
    def test_it_says_beside_the_field_what_is_wrong_and_loses_nothing(self, dana, campaign, kind, changes, beside):
        where, words = beside
        answer = dana.post(NEW + kind, typed(factories.sponsor(), seen="x", **changes))
        assert answer.status_code == 200
        page = answer.content.decode()
        assert words in html.unescape(page.split(f'id="id_{where}_error"')[1].split("</small>")[0])
        assert 'value="Harbor, day-long"' in page
        if "sponsor" not in changes:
            assert html.escape(str(next(iter(changes.values()), "$250,000.00"))) in page
        assert not MatchPool.objects.exists()

    def test_a_sponsor_of_the_same_name_or_with_no_picture_for_a_logo_is_refused(self, dana, campaign):
        factories.sponsor("Pier Bank")
        whose = {"sponsor-name": "pier bank", "sponsor-public_name": "Pier Bank"}
        logo = SimpleUploadedFile("logo.svg", b"<svg onload=alert(1)>", "image/svg+xml")
        page = staff.text_of(dana.post(NEW + "match", typed(**whose, **{"sponsor-logo": logo})))
        assert "There is a sponsor of this name already: choose it in the list." in page
        assert "Choose logo.svg again: a browser does not keep a chosen file." in page
        assert (Sponsor.objects.count(), MatchPool.objects.count()) == (1, 0)


class TestPreview:
    def test_nothing_is_saved_before_its_sentence_was_seen(self, dana, campaign):
        values = typed(factories.sponsor())
        answer = dana.post(NEW + "match", values)
        page = staff.text_of(answer)
        assert "Nothing was saved yet. This is what donors will read" in page
        assert SENTENCE in html.unescape(page)
        assert "What is left over is given anyway." in page
        assert not MatchPool.objects.exists()
        changed = dana.post(NEW + "match", values | {"seen": seen_in(answer), "limit": "300,000"})
        assert "until $300,000 is used" in staff.text_of(changed)
        assert not MatchPool.objects.exists()
        assert dana.post(NEW + "match", values | {"seen": seen_in(answer)}).status_code == 302

    def test_it_shows_window_and_examples_as_a_fragment_while_one_types(self, dana, campaign):
        values = typed(factories.sponsor(), cap_per_donor="", cap_per_gift="500", preview="1")
        answer = dana.post(NEW + "match", values, headers={"HX-Request": "true"})
        fragment = staff.text_of(answer)
        assert "<html" not in fragment
        assert (
            "<b>Gifts count</b> Tuesday, December 1, 2026, midnight, until Wednesday, December 2, 2026, midnight "
            "(Boston time)." in fragment
        )
        assert '<th scope="row">A $50 gift</th><td>gets $50<small>all of it</small></td>' in fragment
        assert '<th scope="row">A $600 gift</th><td>gets $500<small>the most for one gift</small></td>' in fragment

    @pytest.mark.parametrize(
        ("kind", "changes", "expected"),
        [
            (
                "lump",
                {"unlock_donors": "500"},
                [("499 people", "gives nothing"), ("500 people", "gives $250,000")],
            ),
            (
                "every",
                {"unlock_raised": "10,000", "award": "100,000"},
                [
                    ("$9,999 raised", "gives nothing"),
                    ("$10,000 raised", "gives $100,000"),
                    ("$20,000 raised", "gives $200,000"),
                ],
            ),
            ("match", {"min_gift": "50", "limit": "60", "cap_per_donor": ""}, [("A $25 gift", "gets nothing")]),
            ("match", {"limit": "60", "cap_per_donor": ""}, [("A $120 gift", "gets $60")]),
        ],
    )
    def test_examples_show_what_the_terms_do(self, dana, campaign, kind, changes, expected):
        answer = dana.post(NEW + kind, typed(factories.sponsor(), preview="1", **changes))
        rows = [(row.when, row.gets) for row in answer.context["preview"].examples]
        assert [row for row in rows if row in expected] == expected

    def test_it_says_what_may_surprise(self, dana, campaign):
        late = {"closes_at": "2026-12-03T00:00", "award": "100,000", "unlock_donors": "5"}
        answer = dana.post(NEW + "every", typed(factories.sponsor(), preview="1", **late))
        assert answer.context["preview"].notes == [
            "The campaign closes before this pool does; no gift is matched after that.",
            "Only whole sums are given: the last $50,000 can never be earned.",
        ]

    def test_half_a_form_says_what_is_still_missing(self, dana, campaign):
        answer = dana.post(NEW + "lump", {"preview": "1", "leftover": "given"}, headers={"HX-Request": "true"})
        told = staff.text_of(answer)
        assert "The sentence that donors will read appears here once this is right:" in told
        assert "The sum that it gives: Write an amount, such as 1,000." in told

    @pytest.mark.parametrize(("kind", "chosen"), [("match", "given"), ("lump", "kept"), ("every", "kept")])
    def test_the_rest_of_a_challenge_stays_with_the_sponsor_unless_staff_choose_otherwise(
        self, dana, campaign, kind, chosen
    ):
        assert dana.get(NEW + kind).context["form"]["leftover"].value() == chosen

    def test_a_bonus_says_what_its_ratio_makes_of_a_gift_that_is_doubled_already(self, dana, campaign):
        assert "1 for 1 triples a gift that is doubled already." in staff.text_of(dana.get(NEW + "hour"))


class TestChanging:
    def test_it_changes_terms_as_a_new_version_and_the_limit_as_an_entry(self, dana, campaign, fund):
        pool = factories.pool(campaign=campaign, now=BEFORE, limit_minor=100_000, cap_per_donor_minor=500_000)
        factories.match(factories.donation(campaign=campaign, parts=[(fund, 600)]), at=GIFT_AT)
        page = staff.text_of(dana.get(terms_address(pool)))
        assert "<b>1 gift keeps the terms it was promised</b>" in page
        assert "the limit cannot go below $6.00, which is promised to donors" in page
        page = staff.text_of(dana.get(terms_address(factories.pool(campaign=campaign, now=BEFORE))))
        assert "What you change counts from now on." in page
        assert "cannot go below" not in page
        values = as_shown(dana, pool)
        assert (values["limit"], values["cap_per_donor"]) == ("1000.00", "5000.00")
        sent = send(dana, terms_address(pool), values | {"limit": "1,500", "ratio_match": "2", "name": "New name"})
        assert sent.headers["Location"] == f"/staff/pools/{pool.pk}/"
        pool.refresh_from_db()
        assert (pool.limit_minor, pool.name) == (150_000, "New name")
        assert [(row.version, row.ratio_match) for row in pool.terms_versions.all()] == [(1, 1), (2, 2)]
        pledges = pool.entries.filter(reason="pledge").values_list("amount_minor", flat=True)
        assert list(pledges) == [100_000, 50_000]

    def test_it_writes_nothing_when_nothing_was_changed(self, dana, campaign):
        window = {"opens_at": OPENS_AT, "closes_at": OPENS_AT + timedelta(minutes=90)}
        pool = factories.pool(campaign=campaign, now=BEFORE, limit_minor=100_000, priority=7, **window)
        values = as_shown(dana, pool)
        assert values["closes_at"] == "2026-12-01T01:30"
        assert dana.post(terms_address(pool), values).status_code == 302
        assert (pool.terms_versions.count(), pool.entries.count()) == (1, 1)

    def test_it_keeps_campaign_sponsor_and_leftover(self, dana, campaign):
        pool = factories.pool(campaign=campaign, now=BEFORE, limit_minor=100_000)
        other = factories.sponsor("Another")
        dana.post(terms_address(pool), as_shown(dana, pool) | {"sponsor": other.pk, "leftover": "kept"})
        fresh = MatchPool.objects.get(pk=pool.pk)
        assert (fresh.campaign_id, fresh.sponsor_id, fresh.leftover) == (campaign.pk, pool.sponsor_id, "given")

    def test_it_never_takes_a_balance_from_the_form(self, dana, campaign):
        pool = factories.pool(campaign=campaign, now=BEFORE, limit_minor=100_000)
        balances = {"free_minor": 1, "held_minor": 1, "matched_minor": 1, "limit_minor": 7, "halted_reason": "x"}
        dana.post(terms_address(pool), as_shown(dana, pool) | balances)
        fresh = MatchPool.objects.get(pk=pool.pk)
        figures = (fresh.limit_minor, fresh.free_minor, fresh.held_minor, fresh.matched_minor, fresh.halted_reason)
        assert figures == (100_000, 100_000, 0, 0, "")

    def test_it_refuses_a_limit_below_what_is_promised_and_changes_nothing(self, dana, campaign, fund):
        pool = factories.pool(campaign=campaign, now=BEFORE, limit_minor=100_000)
        factories.match(factories.donation(campaign=campaign, parts=[(fund, 60_000)]), at=GIFT_AT)
        values = as_shown(dana, pool) | {"limit": "599.99", "ratio_match": "3", "name": "x"}
        page = staff.text_of(send(dana, terms_address(pool), values))
        assert "$600.00 of this pool is promised to donors already" in page
        pool.refresh_from_db()
        assert (pool.limit_minor, pool.terms_versions.count(), pool.name != "x") == (100_000, 1, True)

    def test_it_refuses_to_change_what_somebody_else_has_changed_meanwhile(self, dana, campaign):
        pool = factories.pool(campaign=campaign, now=BEFORE, limit_minor=100_000)
        values = as_shown(dana, pool) | {"ratio_match": "3"}
        pools.change_limit(pool_id=pool.pk, limit_minor=200_000, actor="system", now=GIFT_AT)
        answer = send(dana, terms_address(pool), values)
        assert "Somebody else changed this pool after you opened this page." in staff.text_of(answer)
        assert answer.context["base"] == "1-200000"
        assert pool.terms_versions.count() == 1
        assert send(dana, terms_address(pool), values | {"base": "1-200000"}).status_code == 302

    def test_it_says_so_when_the_pool_is_busy(self, dana, campaign, monkeypatch):
        pool = factories.pool(campaign=campaign, now=BEFORE, limit_minor=100_000)
        values = as_shown(dana, pool) | {"limit": "2000"}

        def busy(**_):
            raise PoolsBusy("busy")

        monkeypatch.setattr(pools, "change_limit", busy)
        sent = send(dana, terms_address(pool), values)
        assert sent.status_code == 503
        assert "Many gifts are using this pool right now. Nothing was changed" in staff.text_of(sent)
        assert 'value="2000"' in sent.content.decode()
        monkeypatch.setattr(pools, "set_paused", busy)
        sent = dana.post(f"/staff/pools/{pool.pk}/pause/", {"paused": "1"}, follow=True)
        assert "nothing was changed. Please try again." in staff.text_of(sent)

    def test_a_challenge_that_people_gave_towards_is_refused_worse_terms_beside_the_field(self, dana, campaign, fund):
        pool = factories.pool(campaign=campaign, now=BEFORE, unlock_donors=5, reaches_back=True)
        factories.match(factories.donation(campaign=campaign, parts=[(fund, 600)]), at=GIFT_AT)
        sent = send(dana, terms_address(pool), as_shown(dana, pool) | {"unlock_donors": "6"})
        beside = sent.content.decode().split('id="id_unlock_donors_error"')[1].split("</small>")[0]
        assert "1 person has given towards this target already." in beside
        assert send(dana, terms_address(pool), as_shown(dana, pool) | {"unlock_donors": "4"}).status_code == 302


class TestPausing:
    def test_it_is_one_press_and_keeps_who_and_when(self, dana, campaign):
        pool = factories.pool(campaign=campaign, limit_minor=100_000)
        for paused, said in (
            ("1", "Paused Harbor. It gives no new match"),
            ("1", "Harbor was paused already."),
            ("0", "Resumed Harbor. It matches new gifts again."),
            ("0", "Harbor was resumed already."),
        ):
            MatchPool.objects.filter(pk=pool.pk).update(name="Harbor")
            page = staff.text_of(dana.post(f"/staff/pools/{pool.pk}/pause/", {"paused": paused}, follow=True))
            assert said in page
            pool.refresh_from_db()
            assert pool.is_paused == (paused == "1")
        kept = PoolPause.objects.get()
        who = f"staff:{User.objects.get(username='dana').pk}"
        assert (kept.paused_by, kept.resumed_by, kept.paused_at < kept.resumed_at) == (who, who, True)
        history = staff.text_of(dana.get(f"/staff/pools/{pool.pk}/"))
        assert "<span>Paused</span><small>Dana</small>" in history
        assert "<span>Resumed</span><small>Dana</small>" in history
        assert dana.post("/staff/pools/999/pause/", {"paused": "1"}).status_code == 404

    @pytest.mark.parametrize("sent", [{}, {"paused": ""}, {"paused": "yes"}])
    def test_a_press_that_does_not_say_which_changes_nothing(self, dana, campaign, sent):
        pool = factories.pool(campaign=campaign)
        MatchPool.objects.filter(pk=pool.pk).update(name="Harbor")
        for is_paused in (False, True):
            pools.set_paused(pool_id=pool.pk, paused=is_paused, actor="staff:1", now=GIFT_AT)
            page = staff.text_of(dana.post(f"/staff/pools/{pool.pk}/pause/", sent, follow=True))
            assert "Nothing was changed: the form did not say whether to pause or resume Harbor." in page
            pool.refresh_from_db()
            assert pool.is_paused == is_paused

    def test_it_returns_to_the_page_it_was_pressed_on(self, dana, campaign):
        pool = factories.pool(campaign=campaign)
        sent = dana.post(f"/staff/pools/{pool.pk}/pause/", {"paused": "1", "from": "pool"})
        assert sent.headers["Location"] == f"/staff/pools/{pool.pk}/"


class TestHistory:
    def test_it_lists_every_change_with_who_and_when(self, dana, campaign, django_assert_max_num_queries):
        pool = factories.pool(campaign=campaign, limit_minor=100_000, unlock_donors=5)
        pools.change_terms(pool_id=pool.pk, terms=pools.Terms(), actor="system", now=GIFT_AT)
        pools.change_limit(pool_id=pool.pk, limit_minor=90_000, actor="system", now=GIFT_AT)
        with django_assert_max_num_queries(20):
            page = html.unescape(staff.text_of(dana.get(f"/staff/pools/{pool.pk}/")))
        for line in (
            "Terms 2: Every dollar is doubled until $900 is used.",
            "Terms 1: Once 5 people have given, every dollar is doubled",
            "$1,000.00 added to the pool (entry 1)",
            "$100.00 taken off the pool (entry 2)",
            "Unlocked: it matches gifts",
            "the site",
        ):
            assert line in page


class TestSponsor:
    def test_its_names_and_link_are_changed_for_all_its_pools(self, dana, campaign):
        sponsor = factories.pool(campaign=campaign).sponsor
        values = {"sponsor-name": "Pier Bank, N.A.", "sponsor-public_name": "Pier Bank", "sponsor-website": ""}
        assert dana.post(f"/staff/sponsors/{sponsor.pk}/", values).headers["Location"] == "/staff/pools/"
        sponsor.refresh_from_db()
        assert (sponsor.name, sponsor.public_name) == ("Pier Bank, N.A.", "Pier Bank")

    def test_it_refuses_a_link_that_is_none(self, dana, campaign):
        sponsor = factories.pool(campaign=campaign).sponsor
        values = {"sponsor-name": "X", "sponsor-public_name": "X", "sponsor-website": "javascript:alert(1)"}
        page = staff.text_of(dana.post(f"/staff/sponsors/{sponsor.pk}/", values))
        assert "Enter a valid URL." in page
        assert Sponsor.objects.get(pk=sponsor.pk).name == "The Harbor Family"


def test_finance_sees_pools_without_the_means_to_change_them(campaign):
    pool = factories.pool(campaign=campaign, limit_minor=100_000)
    farid = staff.farid()
    page = staff.text_of(farid.get("/staff/pools/"))
    assert "$1,000.00" in page
    assert "Pause" not in page
    assert "Change terms" not in page
    assert farid.get(f"/staff/pools/{pool.pk}/").status_code == 200
    assert "Change terms" not in staff.text_of(farid.get(f"/staff/pools/{pool.pk}/"))
    for address in ("/staff/pools/new/", terms_address(pool), f"/staff/sponsors/{pool.sponsor_id}/"):
        assert farid.get(address).status_code == farid.post(address, typed(pool.sponsor)).status_code == 403
    assert farid.post(f"/staff/pools/{pool.pk}/pause/", {"paused": "1"}).status_code == 403
    pool.refresh_from_db()
    assert (pool.is_paused, MatchPool.objects.count()) == (False, 1)


def test_the_admin_shows_pools_and_leads_to_where_they_are_changed(campaign):
    pool = factories.pool(campaign=campaign, limit_minor=100_000)
    root = staff.client_of(User.objects.create(username="root", is_staff=True, is_superuser=True))
    address = reverse("admin:matching_matchpool_change", args=[pool.pk])
    page = staff.text_of(root.get(address))
    assert f'href="/staff/pools/{pool.pk}/"' in page
    assert "Every dollar is doubled until $1,000 is used." in page
    assert root.post(address, {"name": "x"}).status_code == 403
    assert root.get("/admin/matching/matchpool/add/").status_code == 403


@pytest.mark.parametrize("model", ["reservation", "allocation", "ledgerentry"])
def test_it_lets_nobody_write_the_ledger_not_even_a_superuser(campaign, fund, model):
    factories.pool(campaign=campaign, limit_minor=100_000)
    factories.match(factories.donation(campaign=campaign, parts=[(fund, 600)]), at=GIFT_AT)
    root = User.objects.create(username="root", is_staff=True, is_superuser=True)
    client = staff.client_of(root)
    pk = {"reservation": Reservation, "ledgerentry": LedgerEntry}.get(model, Reservation).objects.first().pk
    if model == "allocation":
        pk = Reservation.objects.get().allocations.get().pk
    base = f"/admin/matching/{model}/"
    assert client.get(base).status_code == client.get(f"{base}{pk}/change/").status_code == 200
    assert client.get(f"{base}add/").status_code == client.post(f"{base}{pk}/change/", {}).status_code == 403
    assert client.post(f"{base}{pk}/delete/", {"post": "yes"}).status_code == 403
    deletion = {"action": "delete_selected", "_selected_action": [pk], "post": "yes"}
    client.post(base, deletion)
    assert LedgerEntry.objects.count() == 3
    assert Reservation.objects.count() == 1


def test_it_never_deletes_a_pool(campaign):
    pool = factories.pool(campaign=campaign, limit_minor=100_000)
    root = User.objects.create(username="root", is_staff=True, is_superuser=True)
    address = reverse("admin:matching_matchpool_delete", args=[pool.pk])
    assert staff.client_of(root).post(address, {"post": "yes"}).status_code == 403
