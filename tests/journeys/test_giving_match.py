"""What the page says of the match is what the donor gets: while typing, when others are quicker, when time is up."""

from django.utils import timezone
from playwright.sync_api import Page, expect

from donations.models import Donation
from matching.models import MatchPool
from matching.queries import gift_match
from tests import factories
from tests.journeys.giving_pages import (
    card_frame,
    expect_thanks,
    fill_card,
    fill_form,
    go_to_payment,
    let_holds_lapse,
    open_for_giving,
    payments_at_stripe,
    press_give,
    send_form,
    the_gift,
)


def heading(page: Page):
    return page.get_by_role("heading", level=1)


def take_from(pool: MatchPool, amount_minor: int) -> None:
    """Another donor is quicker."""
    gift = factories.donation(campaign=pool.campaign, amount_minor=amount_minor, at=timezone.now())
    factories.match(gift, at=timezone.now())


def meet_a_lower_match(page: Page, site) -> MatchPool:
    """The form shows a whole match of $100; when it is sent $7.35 is left."""
    pool = open_for_giving(limit_minor=10_000)
    fill_form(page, site)
    expect(page.get_by_text("$100 becomes $200.")).to_be_visible()
    take_from(pool, 9_265)
    send_form(page)
    expect(heading(page)).to_have_text("The match has $7.35 left")
    return pool


def test_the_line_follows_what_is_typed(page, site):
    open_for_giving(limit_minor=30_000)
    fill_form(page, site)
    line = page.locator("#match-words")
    page.get_by_role("radio", name="$250").check()
    expect(line).to_contain_text("$250 becomes $500. Of that, $250 comes from The Harbor Family")
    expect(page.get_by_text("Add $7.78 to a gift of $250, so that all of it reaches the fund")).to_be_visible()
    page.get_by_label("Or another amount").fill("1,000")
    expect(page.get_by_role("radio", name="$250")).not_to_be_checked()
    expect(line).to_contain_text("$1,000 becomes $1,300. Of that, $300 comes from The Harbor Family, as much as this")
    page.get_by_role("radio", name="$50", exact=True).check()
    expect(page.get_by_label("Or another amount")).to_have_value("")
    expect(line).to_contain_text("$50 becomes $100.")
    page.get_by_label("Or another amount").fill("nothing")
    expect(line).to_contain_text("“nothing” is not an amount we can read. Write it like 50 or 1,000.50.")
    page.get_by_label("Or another amount").fill("")
    expect(line).to_contain_text("Choose an amount to see what the match adds to it.")


def test_suggested_gifts_are_those_of_the_chosen_fund(page, site):
    campaign = open_for_giving().campaign
    nursing = campaign.funds.get(slug="nursing")
    for amount_minor, does in ((4_000, "a mentor's evening"), (10_000, "a night of rest")):
        nursing.presets.create(amount_minor=amount_minor, does=does)
    page.goto(f"{site.url}/give/?fund=education")
    fund, chosen = page.get_by_label("What is it for?"), page.locator("[name=amount]:checked")
    fund.select_option("Nursing research")
    expect(page.get_by_role("radio", name="$40 a mentor's evening")).to_be_visible()
    expect(chosen).to_have_value("100.00")  # which it suggests, too
    page.get_by_role("radio", name="$40 a mentor's evening").check()
    fund.select_option("Education")
    expect(page.get_by_role("radio", name="$250")).to_be_visible()
    expect(chosen).to_have_value("100.00")
    expect(page.locator("#match-words")).to_contain_text("$100 becomes $200.")
    page.get_by_label("Or another amount").fill("70")
    fund.select_option("Nursing research")
    expect(chosen).to_have_count(0)
    expect(page.get_by_label("Or another amount")).to_have_value("70")


def test_a_split_starts_from_the_amount_and_adds_up(page, site):
    open_for_giving()
    fill_form(page, site)
    page.get_by_text("Split between funds").click()
    expect(page.get_by_label("Amount for Education")).to_have_value("100.00")
    page.get_by_label("Amount for Education").fill("60")
    page.get_by_label("Amount for Nursing research").fill("15.50")
    expect(page.locator("#match-words")).to_contain_text("$75.50 becomes $151.")
    send_form(page)
    page.wait_for_url("**/pay/")
    parts = [(row.fund.name, row.amount_minor) for row in the_gift().designations.select_related("fund")]
    assert parts == [("Education", 6_000), ("Nursing research", 1_550)]


def test_one_amount_counts_the_one_touched_last(page, site):
    open_for_giving()
    fill_form(page, site)
    line, chosen, other = page.locator("#match-words"), page.locator("[name=amount]:checked"), "Or another amount"
    page.get_by_text("Split between funds").click()
    expect(chosen).to_have_count(0)
    page.get_by_label("Amount for Nursing research").fill("$1,000.50")
    expect(line).to_contain_text("$1,100.50 becomes")
    page.get_by_label("What is it for?").select_option("Nursing research")
    expect(page.get_by_label(other)).to_have_value("1100.5")
    expect(page.get_by_label("Amount for Education")).to_be_hidden()
    page.get_by_text("Split between funds").click()
    expect(page.get_by_label("Amount for Nursing research")).to_have_value("1100.5")
    expect(page.get_by_label(other)).to_have_value("")
    page.get_by_role("radio", name="$250").check()
    expect(page.get_by_label("Amount for Education")).to_be_hidden()
    expect(line).to_contain_text("$250 becomes $500.")
    send_form(page)
    page.wait_for_url("**/pay/")
    assert [(row.fund.name, row.amount_minor) for row in the_gift().designations.select_related("fund")] == [
        ("Nursing research", 25_000)
    ]


def test_the_back_button_finds_the_amount_and_its_line(page, site):
    open_for_giving()
    fill_form(page, site)
    page.get_by_label("Or another amount").fill("333")
    page.get_by_label("What is it for?").select_option("Nursing research")
    send_form(page)
    page.wait_for_url("**/pay/")
    page.go_back()
    expect(page.get_by_label("Or another amount")).to_have_value("333")
    expect(page.get_by_label("What is it for?")).to_have_value("nursing")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Marta Reyes")
    expect(page.locator("#match-words")).to_contain_text("$333 becomes $666.")
    send_form(page)
    page.wait_for_url("**/pay/")
    assert the_gift().amount_minor == 33_300


def test_no_stale_match_is_shown_when_the_site_is_not_reached(page, page_errors, site):
    page_errors.expect("ERR_INTERNET_DISCONNECTED|htmx:")
    open_for_giving()
    fill_form(page, site)
    line = page.locator("#match-words")
    expect(line).to_contain_text("$100 becomes $200.")
    page.context.set_offline(True)
    page.get_by_label("Or another amount").fill("333")
    expect(line).to_have_text(
        "We cannot reach our site this moment to say what the match adds. You see it before you pay."
    )
    assert page.locator("[name=promised_match_minor]").count() == 0
    page.context.set_offline(False)
    page.get_by_label("Or another amount").fill("33")
    expect(line).to_contain_text("$33 becomes $66.")


def test_seven_dollars_left_and_the_donor_goes_on(page, site):
    meet_a_lower_match(page, site)
    expect(page.get_by_text("Your $100.00 will be matched with $7.35, not $100.00.")).to_be_visible()
    assert not payments_at_stripe(site)
    page.get_by_role("button", name="Give $100.00, matched with $7.35").click()
    expect(page.get_by_text("$7.35 from The Harbor Family is yours until")).to_be_visible()
    fill_card(page)
    press_give(page)
    expect_thanks(page)
    expect(page.get_by_text("The Harbor Family matched it with $7.35.")).to_be_visible()


def test_seven_dollars_left_and_the_donor_goes_back(page, site):
    pool = meet_a_lower_match(page, site)
    page.get_by_role("button", name="Go back").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Marta Reyes")
    expect(page.get_by_text("$100 becomes $107.35.")).to_be_visible()
    pool.refresh_from_db()
    assert (pool.held_minor, pool.free_minor) == (0, 735)
    assert Donation.objects.filter(state=Donation.State.ABANDONED).count() == 1


def test_a_hold_that_lapses_on_the_page_is_renewed_with_the_card_kept(page, site):
    site.start("web", environment={"HOLD_SECONDS": "20"})
    open_for_giving()
    go_to_payment(page, site)
    fill_card(page)
    site.start("web", environment={"HOLD_SECONDS": "900"})  # the next hold lasts, however busy the machine is
    expect(heading(page)).to_have_text("The hold on your match has ended", timeout=40_000)
    expect(page.get_by_role("button", name="Give $100.00")).to_be_hidden()
    expect(page.get_by_text("Match from The Harbor Family")).to_be_hidden()
    again = page.get_by_role("button", name="Hold the match again")
    expect(again).to_be_focused()
    again.click()
    expect(heading(page)).to_have_text("Your match is held")
    expect(page.get_by_text("Match from The Harbor Family")).to_be_visible()
    expect(card_frame(page).get_by_label("Card number")).to_have_value("4242 4242 4242 4242")
    press_give(page)
    expect_thanks(page)
    assert gift_match(key=the_gift().match_key).match_minor == 10_000


def test_less_after_a_lapse_is_said_before_paying(page, site):
    pool = open_for_giving(limit_minor=10_000)
    go_to_payment(page, site)
    let_holds_lapse()
    page.reload()
    expect(heading(page)).to_have_text("The hold on your match has ended")
    take_from(pool, 9_265)
    page.get_by_role("button", name="Hold the match again").click()
    expect(heading(page)).to_have_text("The match has $7.35 left")
    expect(page.get_by_text("Your $100.00 will be matched with $7.35, not $100.00.")).to_be_visible()


def test_a_wrong_clock_at_the_donors_changes_nothing(open_page, site):
    open_for_giving()
    page = open_page()
    page.clock.set_system_time("2031-01-01T00:00:00Z")
    go_to_payment(page, site)
    page.wait_for_timeout(1_500)
    expect(heading(page)).to_have_text("Your match is held")
