"""Pages in a real browser, which fail their test when they report an error of their own."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from sandbox import browser as chromium

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
# Each width and each scheme once: what goes wrong goes by one of them, not by the pair.
LOOKS = [
    pytest.param({"viewport": PHONE, "color_scheme": "dark"}, id="390-dark"),
    pytest.param({"viewport": DESKTOP, "color_scheme": "light"}, id="1280-light"),
]
# Both processors may be busy with something else: what is right and late is still right.
_PATIENCE_MS = 20_000
expect.set_options(timeout=_PATIENCE_MS)


# What htmx says of a question that was still under way when its page was left; other failures have words of their own.
_LEFT = re.compile("htmx:(afterRequest|sendAbort)")


class PageErrors:
    """What the pages of one test have complained about: console errors and uncaught exceptions."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._expected: list[str] = []

    def expect(self, pattern: str) -> None:
        """Let errors that match this regular expression pass, in this test."""
        self._expected.append(pattern)

    def watch(self, context: BrowserContext) -> None:
        context.on("weberror", lambda error: self.seen.append(f"uncaught: {error.error}"))
        context.on("console", self._note)

    def unexpected(self) -> list[str]:
        return [text for text in self.seen if not any(re.search(pattern, text) for pattern in self._expected)]

    def _note(self, message: Any) -> None:
        if message.type == "error" and not _LEFT.match(message.text):
            self.seen.append(f"console: {message.text} ({message.location.get('url', '')})")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless Chromium for the whole run."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium.ensure(), args=chromium.arguments())
        yield launched
        launched.close()


@pytest.fixture
def page_errors() -> PageErrors:
    """Say `page_errors.expect("404")` before the page complains about something that the test wants."""
    return PageErrors()


@pytest.fixture
def open_page(
    browser: Browser, page_errors: PageErrors, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """Call it for a page of a visitor of their own: a phone unless `viewport=DESKTOP`, any option of a new context.

    At the end of the test an error of any page fails it. A failed test leaves a screenshot of each page.
    """
    if "site" in request.fixturenames:  # made first, so that pages are closed before the site forgets their rows
        request.getfixturevalue("site")
    contexts: list[BrowserContext] = []

    def opened(**options: Any) -> Page:
        context = browser.new_context(**{"viewport": PHONE, "locale": "en-US", **options})
        context.set_default_timeout(_PATIENCE_MS)
        page_errors.watch(context)
        contexts.append(context)
        return context.new_page()

    yield opened
    if getattr(request.node, "failed", False):
        _photograph(contexts, tmp_path, request.node)
    for context in contexts:
        context.close()
    seen = page_errors.unexpected()
    assert not seen, "the pages complained:\n" + "\n".join(seen)


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """A phone's page: 390 by 844."""
    return open_page()


def _photograph(contexts: list[BrowserContext], folder: Path, item: pytest.Item) -> None:
    pages = [page for context in contexts for page in context.pages]
    for number, page in enumerate(pages, 1):
        path = folder / f"page-{number}.png"
        page.screenshot(path=path, full_page=True)
        item.add_report_section("teardown", "page", f"{page.url} looked like {path}")
