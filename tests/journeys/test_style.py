"""The page of the visual language, and pages in an organization's own colors, for every way of reading."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests import factories, staff
from tests.pages import LOOKS

pytestmark = pytest.mark.django_db(transaction=True)
OWN = {"main_color": "#0b3d2e", "action_color": "#c57c00", "accent_color": "#6a1b9a"}


def assert_accessible(page: Page, address: str) -> None:
    page.goto(address)
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [(address, rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), address


@pytest.mark.parametrize("look", LOOKS)
def test_all_parts_and_pages_are_accessible_in_an_organization_s_colors(open_page, live_server, look):
    factories.organization(**OWN)
    factories.campaign(funds=[factories.fund("Education", slug="education")])
    page = open_page(**look)
    for address in ("/", "/funds/education/"):
        assert_accessible(page, live_server.url + address)
    assert page.evaluate("getComputedStyle(document.querySelector('.band .btn')).backgroundColor") == "rgb(197, 124, 0)"
    staff.person("dana", "development", password=staff.PASSWORD)
    page.goto(f"{live_server.url}/staff/login/?next=/staff/style/")
    page.locator("#id_username").fill("dana")
    page.locator("#id_password").fill(staff.PASSWORD)
    page.locator("main").get_by_role("button", name="Log in").click()
    page.wait_for_url("**/staff/style/")
    for address in ("/staff/style/", "/staff/style/staff/"):
        assert_accessible(page, live_server.url + address)
