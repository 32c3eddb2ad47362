"""The public pages in a browser: the clock, the figures, and everybody's ways of reading them."""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.management import call_command
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from campaign import photographs
from campaign.models import Campaign
from donations import openings
from donations.models import OpeningReminder
from tests import factories
from tests.campaign.pages import QUICK_FORMATS
from tests.journeys.everyone import unfit_for_zoom_and_thumbs
from tests.pages import DESKTOP, LOOKS, PHONE

pytestmark = pytest.mark.django_db(transaction=True)
PAGES = [
    "/",
    "/funds/",
    "/funds/education/",
    "/funds/nursing/",
    "/stories/",
    "/stories/the-call-before-the-visit/",
    "/match/",
    "/wall/?page=2",
    "/live/",
    "/embed/countdown/",
    "/embed/progress/",
    "/no/such/page/",
]


def move_campaign(*, opens_in: timedelta, lasts: timedelta = timedelta(hours=24)) -> Campaign:
    factories.organization()
    opens_at = (timezone.now() + opens_in).replace(microsecond=0)  # as campaigns do: the clock ticks whole seconds
    return factories.campaign(opens_at=opens_at, closes_at=opens_at + lasts)


def seconds_shown(page: Page) -> int:
    units = (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1))
    return sum(int(page.locator(f"[data-unit={unit}]").inner_text()) * size for unit, size in units)


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_accessible_and_fits(open_page, page_errors, live_server, monkeypatch, look):
    page_errors.expect("404")
    monkeypatch.setattr(photographs, "FORMATS", QUICK_FORMATS)
    call_command("load_sample_campaign", verbosity=0)
    opened_at = timezone.now() - timedelta(hours=9)  # open, so that everything live is there
    Campaign.objects.update(opens_at=opened_at, closes_at=opened_at + timedelta(hours=24))
    page = open_page(**look)
    unfit: dict[str, list[str]] = {}
    for address in PAGES if look["viewport"] == PHONE else PAGES[::3]:  # both looks have the same parts
        page.goto(live_server.url + address)
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        assert [(address, rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), address
        if look["viewport"] == PHONE:
            unfit |= {address: found} if (found := unfit_for_zoom_and_thumbs(page)) else {}
    assert unfit == {}


@pytest.mark.parametrize("days_off", [-400, -1, 1, 400])
def test_the_countdown_is_right_on_a_computer_whose_clock_is_wrong(open_page, live_server, days_off):
    campaign = move_campaign(opens_in=timedelta(days=3, hours=5))
    page = open_page(timezone_id="Asia/Tokyo")
    page.add_init_script(f"const real = Date.now; Date.now = () => real() + {days_off} * 86400000;")
    page.goto(live_server.url)
    page.wait_for_timeout(2_500)
    left = (campaign.opens_at - timezone.now()).total_seconds()
    assert abs(seconds_shown(page) - left) <= 1.5


def test_an_open_page_switches_by_itself_when_its_moments_come(open_page, live_server):
    """The browser's clock is put on, and the campaign's moments put back: the page, never reloaded, asks the server."""
    move_campaign(opens_in=timedelta(hours=2))
    page = open_page()
    page.clock.install()
    page.goto(live_server.url)
    expect(page.get_by_text("Giving Tuesday starts in")).to_be_visible()
    page.evaluate("document.body.dataset.stayed = ''")

    def put_on(*, left: timedelta) -> None:
        closes_at = timezone.now() + left
        Campaign.objects.update(opens_at=closes_at - timedelta(hours=24), closes_at=closes_at)
        page.clock.fast_forward("24:00:00")

    put_on(left=timedelta(hours=20))
    expect(page.get_by_text("Giving Tuesday ends in")).to_be_visible()
    expect(page.locator("#band.last-hour")).to_have_count(0)
    put_on(left=timedelta(minutes=50))
    expect(page.locator("#band.last-hour")).to_contain_text("The last hour")
    put_on(left=timedelta(0))
    expect(page.get_by_role("heading", name="Thank you.")).to_be_visible()
    expect(page.get_by_text("Giving Tuesday raised")).to_be_visible()
    expect(page.get_by_role("timer")).to_have_count(0)
    expect(page.locator("body[data-stayed]")).to_have_count(1)


def answered_at_the_moment_alone(route: Route) -> None:
    if "after=before" in route.request.url:
        route.continue_()
    else:
        route.fulfill(status=204)


def test_the_screen_and_the_embed_switch_at_their_moments(open_page, live_server):
    """Their polls are told nothing: it is at the moment that they ask."""
    move_campaign(opens_in=timedelta(hours=2))
    shown = {"/live/": ("Starts in", "Ends in"), "/embed/countdown/": ("starts in", "ends in")}
    pages = {}
    for address, (before, _) in shown.items():
        pages[address] = page = open_page()
        page.clock.install()
        page.goto(live_server.url + address)
        expect(page.get_by_role("heading", name=before)).to_be_visible()
    closes_at = timezone.now() + timedelta(hours=20)
    Campaign.objects.update(opens_at=closes_at - timedelta(hours=24), closes_at=closes_at)
    for address, (_, during) in shown.items():
        page = pages[address]
        page.route("**/*", answered_at_the_moment_alone)
        page.clock.fast_forward("02:00:01")
        expect(page.get_by_role("heading", name=during)).to_be_visible()


def test_an_open_form_takes_its_promise_back_when_the_campaign_closes(open_page, live_server):
    fund = factories.fund("Education", slug="education")
    factories.organization()
    campaign = factories.open_campaign(funds=[fund])
    factories.pool(campaign=campaign, limit_minor=1_000_000, now=timezone.now())
    page = open_page()
    page.clock.install()
    page.goto(f"{live_server.url}/give/?fund=education&amount=100")
    line = page.locator("#match-words")
    expect(line).to_contain_text("$100 becomes $200.")
    left = campaign.closes_at - timezone.now()
    Campaign.objects.update(closes_at=timezone.now())
    page.clock.fast_forward(int(left.total_seconds() + 1) * 1000)
    expect(line).to_contain_text("Giving Tuesday has ended.")
    expect(line.locator("[data-switches]")).to_have_count(0)


def test_a_page_that_slept_asks_for_the_time_whatever_is_switched_off(open_page, live_server):
    """performance.now() may stand still in sleep: two hours are taken off it. Held up, the answer leaves it wrong."""
    move_campaign(opens_in=timedelta(hours=2, minutes=30))
    Campaign.objects.update(shows_figures=False, shows_wall=False)
    held: list[Route] = []
    page = open_page()
    page.add_init_script(
        "const real = performance.now.bind(performance); let slept = 0;"
        "performance.now = () => real() - slept; window.sleep = () => { slept = 7200000; };"
    )
    page.goto(live_server.url)
    expect(page.locator("[data-unit=hours]")).to_have_text("02")
    page.route("**/progress/", lambda route: held.insert(0, route))
    page.evaluate("sleep(); document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("[data-unit=hours]")).to_have_text("04")
    held[0].continue_()
    expect(page.locator("[data-unit=hours]")).to_have_text("02")


def test_every_state_of_the_reminder_is_accessible_and_fits(open_page, page_errors, live_server, monkeypatch):
    page_errors.expect("40[49]")
    monkeypatch.setattr("donations.views.opening.wake", lambda *_, **__: None)
    move_campaign(opens_in=timedelta(days=1))
    page = open_page(**LOOKS[0].values[0])
    wrong: dict[str, list[object]] = {}

    def look(heading: str) -> None:
        expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
        found = [rule["id"] for rule in Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]]
        found += unfit_for_zoom_and_thumbs(page)
        fits = page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        wrong.update({heading: found} if found or not fits else {})

    def ask(email: str) -> None:
        page.goto(f"{live_server.url}/remind-me/")
        page.get_by_role("textbox", name="E-mail").fill(email)
        page.get_by_role("button", name="Remind me by e-mail").click()

    ask("marta@")
    expect(page.get_by_text("That is not a whole e-mail address.")).to_be_visible()
    look("Remind me of Giving Tuesday")
    for _ in ("asked", "asked again"):
        ask("marta@example.org")
        look("Please check your inbox")
    page.goto(f"{live_server.url}/remind-me/{openings.token_of(OpeningReminder.objects.get())}/")
    look("Shall we remind you?")
    page.get_by_role("button", name="Yes, remind me").click()
    look("We will remind you")
    page.get_by_role("button", name="I do not want it after all").click()
    look("You get no reminder")
    page.get_by_role("button", name="Remind me after all").click()
    Campaign.objects.update(opens_at=timezone.now() - timedelta(hours=1))
    page.goto(f"{live_server.url}/remind-me/{openings.token_of(OpeningReminder.objects.get())}/")
    look("Giving Tuesday has begun")
    page.goto(f"{live_server.url}/remind-me/")
    look("There is nothing to wait for")
    page.goto(f"{live_server.url}/remind-me/made-up/")
    look("This link does not work")
    assert wrong == {}


def test_the_figures_renew_themselves_and_bring_the_words_that_fit_them(open_page, live_server):
    campaign = move_campaign(opens_in=timedelta(days=1))
    factories.pool(campaign=campaign, limit_minor=100_000, now=timezone.now())  # matches from then on
    page = open_page()
    page.goto(live_server.url)
    expect(page.locator("#progress")).to_contain_text("$1,000 still free")
    typed = page.get_by_label("Remind me by e-mail")
    typed.fill("marta@")
    typed.blur()
    factories.match(factories.donation(campaign=campaign, amount_minor=100_000, at=timezone.now()), at=timezone.now())
    expect(page.locator("#progress")).to_contain_text("$1,000 matched")
    expect(page.get_by_role("heading", level=1)).to_have_text("Every matching dollar is taken.")
    expect(typed).to_have_value("marta@")


def test_who_wants_no_motion_sees_no_running_seconds(open_page, live_server):
    move_campaign(opens_in=timedelta(days=1))
    page = open_page(reduced_motion="reduce")
    page.goto(live_server.url)
    expect(page.locator("[data-unit=minutes]")).to_be_visible()
    expect(page.locator("[data-unit=seconds]")).to_be_hidden()


def test_without_javascript_the_countdown_says_when_it_was_true(open_page, live_server):
    move_campaign(opens_in=timedelta(days=1))
    page = open_page(java_script_enabled=False)
    page.goto(live_server.url)
    expect(page.get_by_text("This is the time that was left at")).to_be_visible()
    expect(page.locator("[data-unit=hours]")).to_be_visible()
    expect(page.locator("[data-unit=seconds]")).to_be_hidden()


def test_the_give_box_follows_the_amount_and_leads_to_the_form(open_page, live_server):
    fund = factories.fund("Education", slug="education")
    factories.organization()
    campaign = factories.campaign(funds=[fund])
    factories.pool(campaign=campaign, limit_minor=1_000_000, now=timezone.now())  # matches from then on
    page = open_page(viewport=DESKTOP)
    page.goto(f"{live_server.url}/match/?utm_source=Post")
    page.goto(f"{live_server.url}/funds/education/")
    box = page.get_by_role("complementary", name="Give to Education")
    expect(box.get_by_text("$100 becomes $200.")).to_be_visible()
    box.get_by_role("radio", name="$250", exact=True).check()
    expect(box.get_by_text("$250 becomes $500.")).to_be_visible()
    expect(box.get_by_role("button", name="Continue with $250")).to_be_visible()
    box.get_by_label("Or another amount").fill("40")
    expect(box.get_by_text("$40 becomes $80.")).to_be_visible()
    give = page.get_by_role("banner").get_by_role("link", name="Give", exact=True)
    give.focus()
    expect(give).to_have_attribute("href", f"{live_server.url}/give/?fund=education&utm_source=Post")
    box.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(f"{live_server.url}/give/?fund=education&other_amount=40&utm_source=Post")
    expect(page.get_by_label("Or another amount")).to_have_value("40.00")


def test_the_old_browser_notice_is_hidden_where_it_is_not_true(open_page, live_server):
    move_campaign(opens_in=timedelta(days=1))
    page = open_page()
    page.goto(live_server.url)
    expect(page.get_by_text("This browser is too old")).to_be_hidden()


def test_the_keyboard_reaches_the_page_past_the_header(open_page, live_server):
    move_campaign(opens_in=timedelta(days=1))
    page = open_page(viewport=DESKTOP)
    page.goto(live_server.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
