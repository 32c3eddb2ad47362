"""A development officer on the day: sets up a match, a bonus hour, a challenge; they open, run out and unlock."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from donations.models import Donation
from matching.models import MatchPool
from matching.wording import clock_text
from tests import staff
from tests.beside import eventually
from tests.donations.give_form import open_campaign
from tests.journeys.giving_pages import fill_card, fill_name, go_on, press_give, send_form
from tests.pages import DESKTOP

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign(site):
    return open_campaign()


@pytest.fixture
def office(open_page, site, campaign) -> Page:
    """Dana's screen, logged in."""
    staff.person("dana", "development", password=staff.PASSWORD)
    page = open_page(viewport=DESKTOP)
    page.goto(f"{site.url}/staff/login/?next=/staff/pools/")
    log_in(page)
    expect(page.get_by_text("No match pool yet.")).to_be_visible()
    return page


def log_in(page: Page) -> None:
    page.locator("#id_username").fill("dana")
    page.locator("#id_password").fill(staff.PASSWORD)
    page.locator("main").get_by_role("button", name="Log in").click()


def begin(page: Page, site, kind: str) -> None:
    page.goto(f"{site.url}/staff/pools/new/")
    page.get_by_role("link", name=kind).click()


def new_sponsor(page: Page, *, name: str, public_name: str) -> None:
    known = page.get_by_role("combobox", name="Sponsor")
    if known.count():
        known.select_option(label="A new sponsor")
    page.get_by_label("Full name").fill(name)
    page.get_by_label("Name in public").fill(public_name)


def open_it(page: Page, sentence: str) -> MatchPool:
    """The sentence is there before anything is saved; then the pool is opened."""
    before = MatchPool.objects.count()
    expect(page.locator("#preview")).to_contain_text(sentence)
    assert MatchPool.objects.count() == before
    page.get_by_role("button", name="Open the pool").click()
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    return MatchPool.objects.latest("pk")


def wall_time(moment: datetime, campaign) -> str:
    return f"{moment.astimezone(campaign.tz):%Y-%m-%dT%H:%M}"


def give(page: Page, site, *, name: str, amount: str, paid: str) -> Page:
    """One donor gives on their own phone; returns their page when it thanks them."""
    page.goto(f"{site.url}/give/?fund=education")
    page.get_by_label("Or another amount").fill(amount)
    go_on(page)
    fill_name(page, f"{name} Reyes", f"{name.lower()}@example.org")
    send_form(page)
    page.wait_for_url("**/pay/")
    fill_card(page)
    press_give(page, paid)
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Thank you, {name}")
    return page


def enter_check(page: Page, site, *, name: str, amount: str) -> None:
    """A check that came by post: larger than a card gift may be."""
    page.goto(f"{site.url}/staff/gifts/new/")
    page.get_by_label("Amount", exact=True).fill(amount)
    page.get_by_role("combobox", name="Fund").select_option(label="Education")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Enter the gift").click()


def state_of(page: Page, pool: MatchPool):
    return page.locator(f"#pool-{pool.pk} .pill")


def see(page: Page, pool: MatchPool, text: str) -> None:
    """A public page is a copy of some seconds ago: look again until it says so."""

    def says() -> bool:
        page.reload()
        return text in page.locator(f"#pool-{pool.pk}").inner_text()

    eventually(says)


def set_up(office: Page, site, campaign) -> tuple[MatchPool, MatchPool, MatchPool]:
    """A $250,000 match, a bonus hour two hours from now, and a match that three people unlock."""
    begin(office, site, "Match gifts")
    new_sponsor(office, name="The Harbor Family Trust", public_name="the Harbor Family")
    office.get_by_label("The most it gives").fill("250,000")
    base = open_it(office, "Every dollar is doubled until $250,000 is used.")

    begin(office, site, "Bonus hour on top")
    new_sponsor(office, name="Alumni Council", public_name="the Alumni Council")
    office.get_by_label("The most it gives").fill("10,000")
    office.get_by_label("Adds").fill("2")
    later = datetime.now(UTC) + timedelta(hours=2)
    office.get_by_label("From", exact=True).fill(wall_time(later, campaign))
    office.get_by_label("Until").fill(wall_time(later + timedelta(hours=1), campaign))
    hour = open_it(office, "Every dollar earns $2 more on top of any other match, until $10,000 is used,")

    begin(office, site, "Unlock at a target")
    new_sponsor(office, name="Pier Bank", public_name="Pier Bank")
    office.get_by_label("The most it gives").fill("1,000")
    office.get_by_label("So many people have given").fill("3")
    locked = open_it(office, "Once 3 people have given, every dollar is doubled until $1,000 is used.")

    return base, hour, locked


def open_now(office: Page, site, hour: MatchPool) -> None:
    office.goto(f"{site.url}/staff/pools/{hour.pk}/terms/")
    begins = datetime.now(UTC) - timedelta(minutes=2)
    office.get_by_label("From", exact=True).fill(wall_time(begins, hour.campaign))
    expect(office.locator("#preview")).to_contain_text(f", {clock_text(begins.astimezone(hour.campaign.tz))}")
    office.get_by_role("button", name="Save the terms").click()
    expect(office.get_by_text("New gifts go by these terms from now on.")).to_be_visible()
    expect(office.get_by_text("Terms 2:")).to_be_visible()


def test_she_sets_them_up_and_sees_them_open_run_out_and_unlock(office, open_page, site, campaign):
    base, hour, locked = set_up(office, site, campaign)
    public = open_page()
    public.goto(f"{site.url}/match/")
    expect(state_of(public, base)).to_have_text("Open")
    expect(state_of(public, hour)).to_contain_text("Opens in")
    expect(state_of(public, locked)).to_have_text("Locked")
    expect(public.get_by_text("Unlocks when 3 people have given: 0 so far")).to_be_visible()

    open_now(office, site, hour)
    ana = give(open_page(), site, name="Ana", amount="100", paid="$100.00")
    expect(ana.get_by_text("the Harbor Family and the Alumni Council matched it with $300.00")).to_be_visible()
    enter_check(office, site, name="Ben Reyes", amount="250,000")
    expect(office.get_by_text("It is matched with $259,700.00.")).to_be_visible()
    office.goto(f"{site.url}/staff/pools/")
    expect(state_of(office, base)).to_have_text("Used up")
    expect(state_of(office, hour)).to_have_text("Used up")
    expect(office.get_by_text("Unlocks when 3 people have given: 2 so far")).to_be_visible()
    see(public, base, "Used up at")

    eva = give(open_page(), site, name="Eva", amount="50", paid="$50.00")
    gift = Donation.objects.get(donor_email="eva@example.org")
    eventually(lambda: MatchPool.objects.get(pk=locked.pk).matched_minor == 15_000)
    office.reload()
    expect(state_of(office, locked)).to_have_text("Open")
    expect(office.locator(f"#pool-{locked.pk}")).to_contain_text("Unlocked")
    see(public, locked, "Unlocked")
    eva.goto(f"{site.url}{gift.get_absolute_url()}")
    eva.get_by_text("Why was my gift matched like this?").click()
    expect(eva.get_by_text("Pier Bank’s match was still locked when you gave. $50 from Pier Bank came")).to_be_visible()

    office.get_by_role("button", name=f"Pause {locked.name}").click()
    expect(office.get_by_text("It gives no new match; what is held and matched stays.")).to_be_visible()
    see(public, locked, "Paused")


def test_without_javascript_the_preview_is_a_step(open_page, site, campaign):
    staff.person("dana", "development", password=staff.PASSWORD)
    page = open_page(java_script_enabled=False)
    page.goto(f"{site.url}/staff/login/?next=/staff/pools/new/%3Fkind=lump")
    log_in(page)
    new_sponsor(page, name="Pier Bank", public_name="Pier Bank")
    page.get_by_label("The sum that it gives").fill("50,000")
    page.get_by_label("So many people have given").fill("500")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("When 500 people give, Pier Bank will give $50,000.")).to_be_visible()
    expect(page.get_by_label("The sum that it gives")).to_have_value("50,000")
    assert not MatchPool.objects.exists()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.get_by_role("button", name="Open the pool").click()
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    assert MatchPool.objects.get().terms.unlock_donors == 500
