"""Part 1: Lighthouse's scores of each page on its phone, the medians of several visits."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from sandbox import browser as chromium
from tests.audit import tools
from tests.audit.scene import Address
from tests.benchmarks import tables
from tests.site import RunningSite

VISITS = 3
GOAL = 100
GOAL_PAGES = ("campaign", "fund", "story", "form", "thanks")
CATEGORIES = {"performance": "performance", "accessibility": "accessible", "best-practices": "practices", "seo": "SEO"}
# No name but this machine's is found, whatever a page or the browser itself would ask for.
_ONLY_HERE = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"


def show(site: RunningSite, pages: Sequence[Address]) -> list[str]:
    """Print the table and what Lighthouse holds against each page; return the goals that are missed.

    Performance is a goal that a busy machine misses, so that it is told and not counted.
    """
    found = {page: [_visit(site, page) for _ in range(VISITS)] for page in pages}
    rows = [[page.name, *_scores(reports), *_moments(reports)] for page, reports in found.items()]
    speed = median(report["environment"]["benchmarkIndex"] for reports in found.values() for report in reports)
    notes = [
        f"Medians of {VISITS} visits on Lighthouse's phone (a slow 4G line, a processor four times slower than this).",
        f"Load average {os.getloadavg()[0]:.1f}; this machine's speed by Lighthouse's measure {speed:.0f}, a desk's"
        " 1500 to 2000. On a busy machine pages wait for the processor, as on no phone: see their work in part 2.",
        "Pages of one donor, and the lobby's screen, keep search engines out on purpose: not held against them.",
    ]
    against = {page.name: _held_against(reports) for page, reports in found.items()}
    notes += [f"{name}: {text}" for name, texts in against.items() for text in texts]
    heads = ["page", *CATEGORIES.values(), "largest part after", "blocked", "shift"]
    tables.show("1. Lighthouse, as on a phone", heads=heads, rows=rows, notes=notes)
    return [
        f"Lighthouse: {page.name} has {score} in {name}"
        for page, reports in found.items()
        if page.name in GOAL_PAGES
        for name, score in zip(CATEGORIES, _scores(reports), strict=True)
        if name != "performance" and int(score) < GOAL
    ]


def _visit(site: RunningSite, page: Address) -> dict[str, Any]:
    flags = ["--headless", *chromium.arguments(), f"'{_ONLY_HERE}'"]
    arguments = ["--skip-audits=is-crawlable"] if page.is_private else []
    with tempfile.TemporaryDirectory(prefix="twofold-lighthouse-") as folder:
        return tools.lighthouse(
            f"{site.url}{page.path}",
            chromium=chromium.ensure(),
            flags=flags,
            arguments=arguments,
            report=Path(folder) / "report.json",
        )


def _scores(reports: Sequence[dict[str, Any]]) -> list[str]:
    return [f"{median(report['categories'][name]['score'] for report in reports) * 100:.0f}" for name in CATEGORIES]


def _moments(reports: Sequence[dict[str, Any]]) -> list[str]:
    values = {
        name: median(report["audits"][name]["numericValue"] for report in reports)
        for name in ("largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift")
    }
    largest, blocked, shift = values.values()
    return [f"{largest / 1000:.1f} s", f"{blocked:.0f} ms", f"{shift:.3f}"]


def _held_against(reports: Sequence[dict[str, Any]]) -> list[str]:
    """What cost a page points in any visit, performance's own figures left out: they are in the table."""
    texts = {}
    for report in reports:
        for name in CATEGORIES:
            for part in report["categories"][name]["auditRefs"]:
                audit = report["audits"][part["id"]]
                if part["weight"] and name != "performance" and audit["score"] is not None and audit["score"] < 1:
                    texts[part["id"]] = f"{audit['title']} {_places(audit)}".strip()
    return list(texts.values())


def _places(audit: dict[str, Any]) -> str:
    items = audit.get("details", {}).get("items", [])
    return "; ".join(str(item.get("node", {}).get("snippet") or item.get("description") or item) for item in items)[
        :600
    ]
