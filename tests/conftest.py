"""What all tests share: real servers, clean tables, the site as processes, a browser."""

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
import pytest

if not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
    sys.exit(
        "twofold: the tests need PostgreSQL and Valkey of their own. Run `make test`, or for some of them:\n"
        "         .venv/bin/python -m sandbox.stack run -- .venv/bin/python -m pytest tests/..."
    )
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Playwright keeps an event loop in this thread, which Django takes for asynchronous code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
django.setup()

# From here on what needs the settings.
from django.core.cache import cache
from django.test import TransactionTestCase
from django.urls import resolve
from django.utils import translation
from django.utils.translation import trans_real

# Every view is imported now: one that is first imported while a test has replaced something would keep that for good.
resolve("/")

from sandbox import browser as chromium
from tests.database import current_url, empty_tables
from tests.fault_table import FaultTable
from tests.marks import spoken_files, write_made_up_language
from tests.site import RunningSite, request_json

pytest_plugins = ["tests.pages"]  # the fixtures of a browser
_ROOT = Path(__file__).resolve().parent.parent
_RECORD = pytest.StashKey[Path]()
_SITE = pytest.StashKey[RunningSite]()
_CONTRACT = pytest.StashKey[str]()
_FIGURES = pytest.StashKey[list[str]]()
_FAULTS = pytest.StashKey[FaultTable]()
_OFFICE = ("test_books", "test_exports", "test_offline", "test_receipt", "test_staff")
_CONTRACT_SECONDS = 1_800  # `make chaos` leaves some hundred thousand answers


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures they ask for, and leave the browser's out where that was asked for."""
    without_browser = pytest.mark.skip(reason="SKIP_BROWSER is set")
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if "browser" in fixtures:
            item.add_marker(pytest.mark.browser)
        if "site" in fixtures:
            item.add_marker(pytest.mark.site)
        if "stripe_sandbox" in fixtures:
            item.add_marker(pytest.mark.stripe)
        if item.path.parent.name == "donations":
            item.add_marker(pytest.mark.office if item.path.name.startswith(_OFFICE) else pytest.mark.donors)
        if chromium.is_skipped() and item.get_closest_marker("browser"):
            item.add_marker(without_browser)


def pytest_collection_finish() -> None:
    """What was collected stays until the end: the garbage collector need not go through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show the last lines of the site's processes under a test that used them and failed."""
    report = yield
    if report.failed:
        item.failed = True
        site = item.session.stash.get(_SITE, None)
        if site and {"site", "stripe_sandbox"} & set(getattr(item, "fixturenames", ())):
            report.sections += [(f"{name}, last lines", lines) for name, lines in site.tails()]
    return report


@pytest.fixture(scope="session", autouse=True)
def _only_rows_are_deleted() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda self: empty_tables())
        yield


@pytest.fixture(autouse=True)
def _nothing_is_slow_on_purpose(settings: Any, request: pytest.FixtureRequest) -> None:
    """A test fills a form in sooner than people do (tests of the time trap set it anew); passwords cost nothing.

    Each test's client makes the middleware anew, of which WhiteNoise would read every static file.
    The site as processes has settings of its own, and must know the passwords that a test makes for it.
    """
    settings.FORM_LEAST_SECONDS = 0
    settings.WHITENOISE_AUTOREFRESH = True
    if "site" not in request.fixturenames:
        quick = "django.contrib.auth.hashers.MD5PasswordHasher"
        settings.PASSWORD_HASHERS = [quick, *settings.PASSWORD_HASHERS]


@pytest.fixture(autouse=True)
def _no_figure_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine: figures rest when counting them took long; tests of that set it anew."""
    monkeypatch.setattr("campaign.copies.QUICK_SECONDS", 60.0)


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    yield
    cache.clear()


@pytest.fixture(scope="session")
def _made_up_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("locale")
    assert write_made_up_language(folder, spoken_files()) > 450
    return folder


@pytest.fixture(scope="session")
def _laid_open_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("laid-open")
    assert write_made_up_language(folder, spoken_files(), lays_open=True) > 450
    return folder


@pytest.fixture
def made_up_language(_made_up_catalog: Path, settings: Any) -> Iterator[None]:
    """A language that puts ⟦⟧ around every text that is marked; for what runs in the test's own process."""
    with _speaking(_made_up_catalog, settings):
        yield


@pytest.fixture
def laid_open_language(_laid_open_catalog: Path, settings: Any) -> Iterator[None]:
    """The same, with what is put into a text outside of the marks: a part of a sentence without one is found."""
    with _speaking(_laid_open_catalog, settings):
        yield


@contextmanager
def _speaking(catalog: Path, settings: Any) -> Iterator[None]:
    settings.LOCALE_PATHS = [str(catalog)]
    settings.LANGUAGES = [("en", "English"), ("eo", "Made up")]
    trans_real._translations.clear()
    with translation.override("eo"):
        yield
    trans_real._translations.clear()


@pytest.fixture(scope="session")
def _running_site(
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[RunningSite]:
    folder = tmp_path_factory.mktemp("site")
    record = folder / "stripe-record.jsonl"
    request.session.stash[_RECORD] = record
    with django_db_blocker.unblock():
        running = RunningSite(database_url=current_url(), folder=folder, record=record)
    request.session.stash[_SITE] = running
    yield running
    running.shut_down()


@pytest.fixture
def site(transactional_db: None, _running_site: RunningSite) -> Iterator[RunningSite]:
    """The whole site, running and clean, on the test's database."""
    _running_site.reset()
    yield _running_site
    _running_site.quiet()


@pytest.fixture
def stripe_sandbox(_running_site: RunningSite, settings: Any, request: pytest.FixtureRequest) -> Iterator[RunningSite]:
    """The Stripe sandbox, for tests that call Stripe from their own process.

    Without the whole site its events stay where they are: such a test delivers them itself, and a site that still
    runs from an earlier test must not be quicker.
    """
    _running_site.ensure("sandbox")
    _running_site.reset_sandbox()
    if "site" not in request.fixturenames:
        request_json("POST", f"{_running_site.sandbox_url}/_sandbox/knobs", {"paused": True})
    settings.STRIPE_API_BASE = _running_site.sandbox_url
    yield _running_site
    _running_site.reset_sandbox()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hold everything said to and by the Stripe sandbox in this run against Stripe's own description."""
    record = session.stash.get(_RECORD, None)
    if record is None or not record.exists():
        return
    command = [sys.executable, "-m", "sandbox.stripe.contract", str(record)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=_CONTRACT_SECONDS, check=False)
    if done.returncode != 0:
        report = pytest.TestReport(
            nodeid="the contract with Stripe, over the whole run",
            location=("sandbox/stripe/contract.py", 0, "contract"),
            keywords={},
            outcome="failed",
            longrepr=done.stdout + done.stderr,
            when="call",
        )
        session.config.hook.pytest_runtest_logreport(report=report)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    session.stash[_CONTRACT] = done.stdout.strip()


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Any:
    """say("what was measured", "its figure"): printed in a report at the end of the run."""
    figures: list[str] = request.session.stash.setdefault(_FIGURES, [])
    return lambda name, text: figures.append(f"{name:<60} {text}")


@pytest.fixture(scope="session")
def fault_table(request: pytest.FixtureRequest) -> FaultTable:
    """fault_table("the fault", its outcome, "its figure"): printed as one table at the end of the run."""
    return request.session.stash.setdefault(_FAULTS, FaultTable())


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the figures, and say loudly what was not tested."""
    session = terminalreporter._session
    faults = session.stash.get(_FAULTS, FaultTable()) if session else FaultTable()
    if faults.rows:
        terminalreporter.write_sep("-", "the fault table: each fault, its outcome, its figure")
        for line in faults.lines():
            terminalreporter.write_line(line)
    figures = session.stash.get(_FIGURES, []) if session else []
    if figures:
        terminalreporter.write_sep("-", "thieves and innocents, in figures")
        for line in figures:
            terminalreporter.write_line(line)
    said = session.stash.get(_CONTRACT, "") if session else ""
    if said:
        terminalreporter.write_sep("-", "the contract with Stripe")
        terminalreporter.write_line(said)
    if chromium.is_skipped():
        terminalreporter.write_sep("!", "SKIP_BROWSER IS SET: NO TEST USED A BROWSER", red=True)
