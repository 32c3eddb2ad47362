"""Part 5: how many taps, fields and characters a first gift takes on a phone, and about how long people need for them.

Walked in the real site, from a fund's page to the thanks. Nothing is filled in by the browser, and every tap counts,
those into fields too, though a phone's keyboard has a key that leads to the next one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect, sync_playwright

from sandbox import browser as chromium
from tests.audit.scene import Address
from tests.benchmarks import tables
from tests.pages import PHONE
from tests.site import RunningSite

MOST_SECONDS = 60
# People on phones type 36 words of five letters a minute, as measured on 37,000 of them (Palin and others, 2019); to
# point at something takes 1.1 s and to make up one's mind where 1.35 s (Card and others, 1980).
_A_CHARACTER, _A_TAP = 60 / (36 * 5), 1.1 + 1.35


@dataclass
class Thumb:
    """Counts what it does: each press, each field with what is typed into it."""

    taps: int = 0
    fields: int = 0
    characters: int = 0

    def tap(self, target: Locator) -> None:
        target.click()
        self.taps += 1

    def type(self, target: Locator, text: str) -> None:
        self.tap(target)
        target.press_sequentially(text)
        self.fields += 1
        self.characters += len(text)

    @property
    def seconds(self) -> float:
        return self.taps * _A_TAP + self.characters * _A_CHARACTER


def show(site: RunningSite, pages: Sequence[Address]) -> list[str]:
    """Print the counts with a card and with a wallet; return which of them takes people a minute or more."""
    fund = next(page for page in pages if page.name == "fund")
    ways = {"by card": _pay_by_card, "by wallet": _pay_by_wallet}
    thumbs = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.ensure(), args=chromium.arguments())
        for way, pay in ways.items():
            thumbs[way] = _walk(browser.new_page(viewport=PHONE), f"{site.url}{fund.path}", pay=pay)
        browser.close()
    rows = [
        [way, str(thumb.taps), str(thumb.fields), str(thumb.characters), f"{thumb.seconds:.0f} s"]
        for way, thumb in thumbs.items()
    ]
    notes = ["From a fund's page to the thanks, with the amount suggested; every character typed, no autofill."]
    heads = ["a first gift", "taps", "fields", "characters", "about"]
    tables.show("5. A first gift on a phone", heads=heads, rows=rows, notes=notes)
    return [f"first gift: {way} takes a minute" for way, thumb in thumbs.items() if thumb.seconds >= MOST_SECONDS]


def _walk(page: Page, url: str, *, pay: Callable[[Page, Thumb], None]) -> Thumb:
    thumb = Thumb()
    page.set_default_timeout(60_000)
    page.goto(url)
    thumb.tap(page.get_by_role("region", name="Give now").get_by_role("link", name="Give"))
    thumb.tap(page.get_by_role("link", name="Continue", exact=True))
    thumb.type(page.get_by_label("Name", exact=True), "Marta Reyes")
    thumb.type(page.get_by_role("textbox", name="E-mail"), "marta@example.org")
    thumb.tap(page.get_by_role("button", name="Continue to payment"))
    pay(page, thumb)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Thank you")
    page.close()
    return thumb


def _pay_by_card(page: Page, thumb: Thumb) -> None:
    card = page.frame_locator("#payment-element iframe")
    thumb.type(card.get_by_label("Card number"), "4242424242424242")
    thumb.type(card.get_by_label("Expiration date"), "1234")
    thumb.type(card.get_by_label("Security code"), "123")
    thumb.type(card.get_by_label("ZIP code"), "02110")
    thumb.tap(page.get_by_role("button", name="Give $"))


def _pay_by_wallet(page: Page, thumb: Thumb) -> None:
    thumb.tap(page.frame_locator("#express iframe").get_by_role("button", name="Donate with Test Pay"))
    thumb.tap(page.frame_locator("[role=dialog] iframe").get_by_role("button", name="Pay $"))
