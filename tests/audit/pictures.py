"""Pictures to look at, one by one: the sample's pages in the campaign's phases, and every state that has a test.

`make audit PARTS=pictures` writes them to var/pictures, with an index.html. It finds nothing by itself: eyes do. The
sample is taken in all widths, in light and dark, and as it is printed; states on a phone and a desk, in light and dark.
"""

import hashlib
import html
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from django.utils import timezone
from playwright.sync_api import Browser, Page, Request, Route, sync_playwright

from campaign.models import Campaign
from sandbox import browser as chromium
from tests.audit import tools, validity
from tests.audit.scene import Address
from tests.site import RunningSite

FOLDER = tools.ROOT / "var" / "pictures"
WIDTHS = (360, 390, 768, 1280, 1920)
_STATE_WIDTHS = (390, 1280)
_SCHEMES = ("light", "dark")
# When the campaign's day begins, from now, and which pages differ by it.
_PHASES = {
    "before": (timedelta(days=8), ("campaign", "fund", "form", "live")),
    "open": (timedelta(hours=-9), ()),
    "last-hour": (timedelta(hours=-23.5), ("campaign", "fund", "live")),
    "ended": (timedelta(hours=-30), ("campaign", "fund", "story", "form", "match", "live")),
}
_LIST = ("/funds/", "/stories/", "/wall/", "/remind-me/", "/embed/countdown/", "/embed/progress/", "/no/such/page/")
_TO_THE_END = """async () => {
  for (let top = 0; top < document.body.scrollHeight; top += 800) {
    window.scrollTo(0, top);
    await new Promise((done) => setTimeout(done, 30));
  }
  window.scrollTo(0, 0);
}"""


def show(site: RunningSite, pages: Sequence[Address]) -> list[str]:
    """Write all pictures and say where they are; there is no goal to miss."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(prefix="twofold-seen-") as folder:
        browser = playwright.chromium.launch(executable_path=chromium.ensure(), args=chromium.arguments())
        _photograph_sample(browser, site, [*pages, *(Address(name=path.strip("/"), path=path) for path in _LIST)])
        validity.collect(Path(folder))
        _photograph_states(browser, site, Path(folder))
        browser.close()
    names = sorted(path.relative_to(FOLDER) for path in FOLDER.rglob("*.png"))
    figures = "\n".join(
        f'<figure><img src="{name}" loading="lazy" alt=""><figcaption>{name}</figcaption></figure>' for name in names
    )
    (FOLDER / "index.html").write_text(f"<!doctype html><title>Pictures</title>\n{figures}\n")
    print(f"\n6. Pictures\n\n{len(names)} in {FOLDER.relative_to(tools.ROOT)}: open index.html")
    return []


def _photograph_sample(browser: Browser, site: RunningSite, pages: Sequence[Address]) -> None:
    for phase, (opens_in, names) in _PHASES.items():
        opens_at = timezone.now() + opens_in
        Campaign.objects.update(opens_at=opens_at, closes_at=opens_at + timedelta(hours=24))
        for width, scheme in ((width, scheme) for width in WIDTHS for scheme in _SCHEMES):
            page = _page(browser, width, scheme)
            for address in pages:
                if names and address.name not in names:
                    continue
                page.goto(f"{site.url}{address.path}")
                _photograph(page, FOLDER / "sample" / _file_name(address.name, phase, width, scheme))
                if (width, scheme) == (WIDTHS[0], "light"):
                    page.pdf(path=FOLDER / "print" / f"{_slug(address.name)}.{phase}.pdf", format="Letter")
            page.context.close()


def _photograph_states(browser: Browser, site: RunningSite, folder: Path) -> None:
    """Each page that the tests were answered with, shown as if the running site had sent it."""
    seen = list(_told_apart(folder))
    for width, scheme in ((width, scheme) for width in _STATE_WIDTHS for scheme in _SCHEMES):
        page = _page(browser, width, scheme)
        page.route("**/*", lambda route, request: _answer(route, request, folder))
        for path in seen:
            page.goto(f"{site.url}/state/{path.name}")
            name, digest, _ = path.name.split(".")
            _photograph(page, FOLDER / "states" / _file_name(name, digest, width, scheme))
        page.context.close()


def _told_apart(folder: Path) -> Iterator[Path]:
    """One of those whose words in the middle of the page differ in figures and names alone."""
    known: set[str] = set()
    for path in sorted(folder.glob("*.html")):
        found = re.search(r"<main.*</main>", path.read_text(), re.DOTALL)
        marks = re.findall(r'<[a-z0-9]+(?: class="[^"]*")?', found.group() if found else path.read_text())
        digest = hashlib.sha256(" ".join([path.name.split(".")[0], *marks]).encode()).hexdigest()
        if digest not in known:
            known.add(digest)
            yield path


def _answer(route: Route, request: Request, folder: Path) -> None:
    address = re.sub(r"^https?://[^/]+", "", request.url)
    if request.resource_type == "document" and address.startswith("/state/"):
        route.fulfill(path=folder / address.removeprefix("/state/"), content_type="text/html; charset=utf-8")
    elif address.startswith("/static/"):
        route.continue_()
    else:  # photographs of a test are gone, and nothing is asked anew
        route.abort()


def _page(browser: Browser, width: int, scheme: str) -> Page:
    viewport = {"width": width, "height": 844 if width < 600 else 1000}
    page = browser.new_page(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_default_timeout(60_000)
    return page


def _photograph(page: Page, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    page.evaluate(_TO_THE_END)
    page.screenshot(path=path, full_page=True)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", html.unescape(name).lower()).strip("-")


def _file_name(name: str, state: str, width: int, scheme: str) -> str:
    return f"{_slug(name)}.{state}.{width}.{scheme}.png"
