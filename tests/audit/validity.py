"""Part 4: what the W3C's checker (Nu) says of every page that the tests are answered with, and of the style sheets."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.audit import tools
from tests.audit.scene import Address
from tests.benchmarks import tables
from tests.site import RunningSite

# The tests of pages: each state of each page is in one of them. The others call code that answers nobody.
_TESTS = (
    "tests/campaign",
    *(
        f"tests/donations/test_{name}.py"
        for name in (
            *("first_forms", "fund_presets", "give", "give_match", "gift_page", "gift_pay", "kept_gifts", "look"),
            *("limits", "messages", "monthly_pages", "offline_correction", "offline_gifts", "offline_import"),
            *("opening_reminder", "payer_check", "preview", "receipts_to_post", "reminders", "scheduling", "sharing"),
            *(
                "staff_access",
                "staff_attention",
                "staff_books",
                "staff_gifts",
                "staff_pools",
                "staff_refund",
                "staff_style",
            ),
            *("staff_today", "strays", "stripe_runs", "tributes"),
        )
    ),
    "tests/journeys/test_public_pages.py",
    "tests/journeys/test_staff_pages.py",
    "tests/journeys/test_style.py",
)
_SHEETS = ("campaign/static", "donations/static")
_AT_ONCE = 200
# What a visitor typed is given back as it was; and light-dark() of a variable is more than the checker knows.
_NOT_OURS = re.compile("for attribute “value” on element “input”|Cannot invoke")


def show(site: RunningSite, pages: Sequence[Address]) -> list[str]:
    """Print how many were checked, and each error with some pages that have it; return one line for each error."""
    with tempfile.TemporaryDirectory(prefix="twofold-seen-") as folder:
        collect(Path(folder))
        seen = sorted(Path(folder).glob("*.html"))
        found = {"pages": (len(seen), _messages(seen, kind="html"))}
    sheets = sorted(path for name in _SHEETS for path in (tools.ROOT / name).rglob("*.css"))
    found["style sheets"] = (len(sheets), _messages(sheets, kind="css"))
    rows = [[name, str(count), str(sum(map(len, texts.values())))] for name, (count, texts) in found.items()]
    texts = {text: names for _, said in found.values() for text, names in said.items()}
    notes = [f"{text} ({len(names)}: {', '.join(sorted(names)[:5])})" for text, names in texts.items()]
    tables.show("4. Valid by the W3C's checker", heads=["what", "checked", "errors"], rows=rows, notes=notes)
    return [f"validity: {text}" for text in texts]


def collect(folder: Path) -> None:
    plugin = ["-p", "tests.audit.seen_pages", "-m", "not site"]
    command = [sys.executable, "-m", "pytest", "-q", "-x", *plugin]
    done = subprocess.run(
        [*command, *_TESTS],
        cwd=tools.ROOT,
        env={name: value for name, value in os.environ.items() if name != "LOG_LEVEL"} | {"SEEN_PAGES": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"twofold: the tests whose pages are checked failed:\n{done.stdout[-4000:]}{done.stderr}")


def _messages(files: Sequence[Path], *, kind: str) -> dict[str, list[str]]:
    """Each error once, with the names of the files that have it; warnings are not errors."""
    texts: dict[str, list[str]] = {}
    for first in range(0, len(files), _AT_ONCE):
        for message in tools.checked(files[first : first + _AT_ONCE], kind=kind):
            if message["type"] == "error" and not _NOT_OURS.search(message["message"]):
                texts.setdefault(_text(message), []).append(Path(message["url"]).name)
    return texts


def _text(message: dict[str, Any]) -> str:
    """The same fault in pages that differ in a figure or a name is one."""
    return re.sub(r"Bad value “.*?”|hx-[a-z-]+", "…", message["message"])
