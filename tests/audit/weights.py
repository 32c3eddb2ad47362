"""Part 2: what each page weighs as it comes over the line, whom it asks, and whether it holds still."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright

from sandbox import browser as chromium
from tests.audit.scene import Address
from tests.benchmarks import tables
from tests.pages import PHONE
from tests.site import RunningSite

MOST_KB = 100
_PHOTOGRAPHS = ("image/avif", "image/webp", "image/jpeg", "image/png")
_SHIFTS = """() => {
  window.shifted = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
    if (!entry.hadRecentInput) window.shifted += entry.value;
  })).observe({ type: "layout-shift", buffered: true });
}"""
_TO_THE_END = """async () => {
  for (let top = 0; top < document.body.scrollHeight; top += 600) {
    window.scrollTo(0, top);
    await new Promise((done) => setTimeout(done, 60));
  }
}"""


@dataclass
class Weights:
    """What came over the line for one page, in bytes with headers, by kind; whom it was asked of."""

    kinds: dict[str, str] = field(default_factory=dict)
    bytes_of: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    origins: dict[str, str] = field(default_factory=dict)
    shift: float = 0.0
    work_ms: float = 0.0

    def kb(self, *, photographs: bool, origin: str) -> float:
        """In thousands of bytes; only what that origin sent."""
        asked = [name for name, kind in self.kinds.items() if (kind in _PHOTOGRAPHS) is photographs]
        return sum(self.bytes_of[name] for name in asked if self.origins[name] == origin) / 1000


def show(site: RunningSite, pages: Sequence[Address]) -> list[str]:
    """Print the table; return the pages that are too heavy, that move, or that ask anybody else."""
    rows, missed = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.ensure(), args=chromium.arguments())
        for page in pages:
            weights = _visit(browser.new_page(viewport=PHONE, device_scale_factor=3), f"{site.url}{page.path}")
            own = weights.kb(photographs=False, origin=site.url)
            others = sorted({origin for origin in weights.origins.values() if origin != site.url})
            allowed = [site.sandbox_url] if page.pays else []
            rows.append(
                [
                    page.name,
                    f"{own:.1f} KB",
                    f"{weights.kb(photographs=True, origin=site.url):.1f} KB",
                    str(len(weights.kinds)),
                    f"{weights.shift:.3f}",
                    f"{weights.work_ms:.0f} ms",
                    "ours alone" if not others else "ours and Stripe's" if others == allowed else ", ".join(others),
                ]
            )
            missed += [f"weight: {page.name} has {own:.1f} KB"] if own > MOST_KB else []
            missed += [f"layout: {page.name} moves by {weights.shift:.3f}"] if weights.shift >= 0.001 else []
            missed += [f"hosts: {page.name} asks {origin}" for origin in others if origin not in allowed]
        browser.close()
    notes = [
        "Over the line with headers, an empty cache, on a phone with three pixels to each, scrolled to the page's end.",
        "Work: the processor's time for the page alone, scrolling included; nothing else on the machine adds to it.",
        "Stripe's own files, which we do not make, are not counted: here the sandbox stands in for them.",
    ]
    heads = ["page", "weight", "photographs", "requests", "shift", "work", "hosts"]
    tables.show(f"2. Weight of a first visit, at most {MOST_KB} KB", heads=heads, rows=rows, notes=notes)
    return missed


def _visit(page: Page, url: str) -> Weights:
    with _weighed(page) as weights:
        page.add_init_script(f"({_SHIFTS})()")
        page.goto(url, wait_until="load")
        page.evaluate(_TO_THE_END)
        page.wait_for_load_state("networkidle")
        weights.shift = page.evaluate("window.shifted")
    page.close()
    return weights


@contextmanager
def _weighed(page: Page) -> Iterator[Weights]:
    """As the browser itself counts it, by its developer's protocol: bytes on the line, not of what is unpacked."""
    weights = Weights()

    def answered(event: Any) -> None:
        url = urlsplit(event["response"]["url"])
        if url.scheme in {"http", "https"}:
            weights.kinds[event["requestId"]] = event["response"]["mimeType"]
            weights.origins[event["requestId"]] = f"{url.scheme}://{url.netloc}"

    def came(event: Any) -> None:
        weights.bytes_of[event["requestId"]] += int(event["encodedDataLength"])

    line = page.context.new_cdp_session(page)
    line.on("Network.responseReceived", answered)
    line.on("Network.loadingFinished", came)
    line.send("Network.enable")
    line.send("Performance.enable", {"timeDomain": "threadTicks"})
    yield weights
    metrics = {metric["name"]: metric["value"] for metric in line.send("Performance.getMetrics")["metrics"]}
    weights.work_ms = metrics["TaskDuration"] * 1000
    line.detach()
