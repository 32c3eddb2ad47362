"""The giving pages for everyone: by keyboard, without JavaScript, on any width, in dark, for a screen reader."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page, expect

from donations.receipts import issue_receipt
from tests import factories
from tests.journeys.everyone import unfit_for_zoom_and_thumbs
from tests.journeys.giving_pages import (
    card_frame,
    expect_thanks,
    fill_card,
    fill_form,
    go_on,
    go_to_payment,
    let_holds_lapse,
    open_for_giving,
    press_give,
    send_form,
    the_gift,
)
from tests.pages import LOOKS, PHONE


@pytest.fixture
def pool(site):
    return open_for_giving()


def expect_accessible(page: Page) -> None:
    """Nothing that axe finds wrong, and nothing that has to be scrolled sideways."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    if page.viewport_size == PHONE:
        assert unfit_for_zoom_and_thumbs(page) == []


@pytest.mark.parametrize("look", LOOKS)
def test_every_state_on_the_way_to_thanks(open_page, page_errors, site, pool, look):
    page_errors.expect("402")
    page = open_page(**look)
    fill_form(page, site)
    expect_accessible(page)
    page.get_by_text("Split between funds").click()
    page.get_by_label("Amount for Nursing research").fill("forty")
    expect(page.locator("#match-words")).to_contain_text("“forty” is not an amount")
    go_on(page)
    expect(page.get_by_label("Amount for Nursing research")).to_be_focused()
    expect(page.locator("#amount-err")).to_contain_text("“forty” is not an amount")
    expect_accessible(page)
    page.get_by_label("Amount for Nursing research").fill("40")
    page.get_by_label("Amount for Education").fill("60")
    expect(page.locator("#match-words")).to_contain_text("$100 becomes $200.")
    go_on(page)
    page.get_by_text("Company, phone or mailing address").click()
    expect_accessible(page)
    page.get_by_role("textbox", name="E-mail").fill("marta@")
    send_form(page)
    expect(page.locator("#error-summary")).to_be_focused()
    expect_accessible(page)
    page.get_by_role("link", name="That is not a whole e-mail address.").click()
    expect(page.get_by_role("textbox", name="E-mail")).to_be_focused()
    page.get_by_role("textbox", name="E-mail").fill("marta@example.org")
    send_form(page)
    expect(card_frame(page).get_by_label("Card number")).to_be_visible()
    expect_accessible(page)
    fill_card(page, "4000000000000002")
    press_give(page)
    expect(page.locator("#pay-error")).not_to_be_empty()
    expect_accessible(page)
    fill_card(page)
    press_give(page)
    expect_thanks(page)
    expect(page.get_by_role("link", name="Open your receipt (PDF)")).to_be_visible()
    expect_accessible(page)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("state", ["started", "processing", "failed", "abandoned"])
def test_every_end_of_a_gift(open_page, site, pool, look, state):
    gift = factories.donation(campaign=pool.campaign, state=state, donor_name="Marta Reyes")
    page = open_page(**look)
    page.goto(f"{site.url}{gift.get_absolute_url()}")
    expect_accessible(page)


@pytest.mark.parametrize("look", LOOKS)
def test_choice_and_lapse(open_page, site, look):
    pool = open_for_giving(limit_minor=10_000)
    page = open_page(**look)
    fill_form(page, site)
    other = factories.donation(campaign=pool.campaign, amount_minor=9_265, at=timezone.now())
    factories.match(other, at=timezone.now())
    send_form(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("The match has $7.35 left")
    expect_accessible(page)
    let_holds_lapse()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("The hold on your match has ended")
    expect_accessible(page)


# What the accessibility tree says, in its order; words that say no more than these are left out.
GIFT = """
- list "Steps"
- heading "Your gift" [level=1]
- group "How much would you like to give?":
  - radio "$50"
  - radio "$100" [checked]
  - textbox "Or another amount"
- group "How often?":
  - radio "Once" [checked]
  - radio "Monthly"
- combobox "What is it for?"
- group: Split between funds
- status:
  - paragraph: /\\$100 becomes \\$200/
- checkbox /Add \\$3.30 to a gift of \\$100/
- group: In honor or in memory of somebody optional
- link "Continue"
- complementary "How your match works":
  - heading "How your match works" [level=2]
"""
ABOUT_YOU = """
- list "Steps"
- heading "Your gift" [level=1]
- status:
  - paragraph: /\\$100 becomes \\$200/
- link "Change the gift"
- heading "About you" [level=2]
- textbox "Name"
- textbox "E-mail"
- group "On public pages":
  - checkbox /Hide my name/
  - checkbox "Hide my amount"
- group: Company, phone or mailing address optional
- checkbox /Send me no fundraising messages/
- button "Continue to payment"
- complementary "How your match works":
  - heading "How your match works" [level=2]
"""
PAYMENT = """
- list "Steps"
- heading "Your match is held" [level=1]
- paragraph: /\\$100.00 from The Harbor Family is yours until/
- iframe
- text: or pay another way
- iframe
- alert
- button "Give $100.00"
- status
- complementary "Your gift":
  - heading "Your gift" [level=2]
  - term: You pay
  - definition: $100.00
  - button "Change gift"
"""


def test_by_keyboard_alone(page: Page, site, pool):
    page.goto(f"{site.url}/give/?fund=education&amount=100")
    expect(page.locator("main")).to_match_aria_snapshot(GIFT)
    press_until(page, lambda: page.evaluate("document.activeElement.className.includes('step-on')"))
    page.keyboard.press("Enter")
    expect(page.locator("#about-you")).to_be_focused()
    expect(page.locator("main")).to_match_aria_snapshot(ABOUT_YOU)
    press_until(page, lambda: focused(page) == "donor_name")
    page.keyboard.type("Marta Reyes")
    press_until(page, lambda: focused(page) == "donor_email")
    page.keyboard.type("marta@example.org")
    page.keyboard.press("Enter")
    page.wait_for_url("**/pay/")
    expect(page.locator("#give-button")).to_be_visible()
    expect(page.locator("main")).to_match_aria_snapshot(PAYMENT)
    press_until(page, lambda: page.evaluate("document.activeElement.closest('#payment-element') !== null"))
    number = card_frame(page).get_by_label("Card number")
    press_until(page, lambda: number.evaluate("node => document.activeElement === node"))
    for typed in ("4242424242424242", "1234", "123"):
        page.keyboard.type(typed)
        page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("02110")
    press_until(page, lambda: page.evaluate("document.activeElement.id") == "give-button")
    page.keyboard.press("Enter")
    expect_thanks(page)


def test_the_browser_s_own_buttons_lead_from_step_to_step(page: Page, site, pool):
    page.goto(f"{site.url}/give/?fund=education")
    amount, name = page.get_by_label("Or another amount"), page.get_by_label("Name", exact=True)
    current = page.locator(".steps [aria-current=step]")
    amount.fill("0")
    expect(page.locator("#match-words .is-ask")).to_be_visible()
    amount.press("Enter")
    expect(amount).to_be_focused()
    amount.fill("75")
    expect(page.locator("#match-words")).to_contain_text("$75 becomes $150.")
    amount.press("Enter")
    expect(current).to_contain_text("About you")
    name.fill("Marta Reyes")
    page.get_by_role("link", name="Skip to the page").press("Enter")
    expect(page.locator("#about-you")).to_be_focused()
    page.go_back()
    expect(current).to_contain_text("Gift")
    expect(name).to_be_hidden()
    page.go_forward()
    expect(name).to_have_value("Marta Reyes")
    expect(name).to_be_visible()
    send_form(page)  # without an e-mail: the answer shows the step that has the error
    expect(page.get_by_role("textbox", name="E-mail")).to_be_visible()
    expect(current).to_contain_text("About you")
    page.get_by_role("link", name="Change the gift").click()
    expect(amount).to_have_value("75")
    expect(current).to_contain_text("Gift")


def press_until(page: Page, is_there) -> None:
    for _ in range(40):
        if is_there():
            return
        page.keyboard.press("Tab")
    raise AssertionError("forty presses of Tab did not lead there")


def focused(page: Page) -> str:
    return page.evaluate("document.activeElement.name || ''")


def test_without_javascript_up_to_the_card(open_page, site, pool):
    page = open_page(java_script_enabled=False)
    page.goto(f"{site.url}/give/?fund=nursing&amount=50")
    page.get_by_label("Or another amount").fill("75")
    page.get_by_label("Name", exact=True).fill("Marta Reyes")
    send_form(page)
    assert "That is not" not in page.content()
    expect(page.locator("#id_donor_email_error")).to_have_text("Write your e-mail address: your receipt goes there.")
    page.get_by_role("textbox", name="E-mail").fill("marta@example.org")
    send_form(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your match is held")
    expect(page.get_by_text("The card field needs JavaScript")).to_be_visible()
    expect(page.get_by_role("button", name="Give $75.00")).to_be_hidden()
    expect(page.get_by_text("100 Wharf Street").first).to_be_visible()
    assert the_gift().amount_minor == 7_500
    page.get_by_role("button", name="Change gift").click()
    expect(page.get_by_label("Or another amount")).to_have_value("75.00")


@pytest.mark.parametrize("width", [320, 390])
def test_long_names_and_huge_sums_fit_a_small_phone(open_page, site, width):
    pool = open_for_giving(limit_minor=10_000_000)
    fund = pool.campaign.funds.get(slug="education")
    fund.name = "The Katharine and Bartholomew Featherstonehaugh Endowment for Nursing Education"
    fund.save()
    page = open_page(viewport={"width": width, "height": 800})
    go_to_payment(page, site, "?fund=education&amount=49999.99")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.goto(f"{site.url}{the_gift().get_absolute_url()}")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    paid = factories.donation(campaign=pool.campaign, donor_name="W" * 119)
    factories.match(paid, at=timezone.now())
    page.goto(f"{site.url}{paid.get_absolute_url()}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Thank you, WWW")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_what_stands_alone_is_large_enough_for_a_thumb(open_page, site, pool):
    """44 px, but for links in a sentence and check boxes, whose words can be pressed too."""
    page = open_page(viewport=PHONE)
    go_to_payment(page, site)
    gift = factories.donation(campaign=pool.campaign)
    factories.match(gift, at=timezone.now())
    issue_receipt(donation_id=gift.pk, now=timezone.now())
    for address in ("/give/", "/give/#about-you", f"/gifts/{the_gift_of(page)}/pay/", gift.get_absolute_url()):
        page.goto(f"{site.url}{address}")
        small = page.locator("main").evaluate("""main => [...main.querySelectorAll("a, button, input, select, summary")]
            .filter(part => part.offsetParent && part.type !== "checkbox")
            .filter(part => !part.closest(".fine, .next, .begun, .unasked"))
            .map(part => [part.textContent.trim() || part.name, part.getBoundingClientRect().height])
            .filter(([, height]) => height < 44)""")
        assert small == []


def the_gift_of(page: Page) -> str:
    return page.url.split("/gifts/")[1].split("/")[0]


def test_the_steps_stand_in_one_line_on_a_phone(open_page, site, pool):
    page = open_page(viewport=PHONE)
    for reach in (lambda: page.goto(f"{site.url}/give/"), lambda: go_to_payment(page, site)):
        reach()
        tops = page.locator(".steps li").evaluate_all("steps => steps.map(step => step.getBoundingClientRect().top)")
        assert len(tops) == 3
        assert len(set(tops)) == 1


@pytest.mark.parametrize("look", [{"color_scheme": "dark"}, {"color_scheme": "light"}])
def test_check_boxes_stand_out_in_the_dark_too(open_page, site, pool, look):
    page = open_page(viewport=PHONE, **look)
    page.goto(f"{site.url}/give/#about-you")
    box = page.locator("[name=hides_name]")
    edge, ground = (
        [int(figure) for figure in re.findall(r"\d+", box.evaluate(f"box => getComputedStyle(box).{name}"))[:3]]
        for name in ("borderTopColor", "backgroundColor")
    )
    assert contrast(edge, ground) >= 3
    box.check()
    filled = [
        int(figure) for figure in re.findall(r"\d+", box.evaluate("box => getComputedStyle(box).backgroundColor"))
    ]
    assert contrast(filled[:3], ground) >= 3


def contrast(one: list[int], other: list[int]) -> float:
    """As WCAG reckons it."""

    def light(colour: list[int]) -> float:
        parts = [part / 255 for part in colour]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_what_a_donor_may_add_opens_by_keyboard_without_scripts_and_is_accessible(open_page, site, pool):
    page = open_page(java_script_enabled=False, viewport={"width": 390, "height": 844})
    fill_form(page, site)
    closed = page.locator("details.opens")
    assert [part.get_attribute("open") for part in closed.all()] == [None] * closed.count()
    for words in ("In honor or in memory of somebody", "Company, phone or mailing address", "Say something in public"):
        page.locator("summary", has_text=words).focus()
        page.keyboard.press("Enter")
    page.get_by_role("radio", name="In memory of").focus()
    page.keyboard.press("Space")
    assert not page.get_by_label("Their e-mail").is_visible()
    page.get_by_role("radio", name="By e-card").focus()
    page.keyboard.press("Space")
    assert not page.get_by_label("Their street address").is_visible()
    page.get_by_label("Name of that person").fill("Ana Ruiz")
    page.get_by_label("Their e-mail").fill("luis@")
    page.get_by_label("Phone").fill("555")
    page.get_by_label("Your message").fill("For the night nurses.")
    send_form(page)
    for field, value in (("Name of that person", "Ana Ruiz"), ("Their e-mail", "luis@"), ("Phone", "555")):
        expect(page.get_by_label(field)).to_have_value(value)
        assert page.get_by_label(field).is_visible()
    expect(page.get_by_label("Your message")).to_have_value("For the night nurses.")
    expect(page.locator("#error-summary li")).to_have_count(4)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
