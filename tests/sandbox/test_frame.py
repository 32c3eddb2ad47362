"""The stand-in for Stripe.js in a page of another origin whose policy allows nothing inline."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FrameLocator, Page, expect

from tests.sandbox.conftest import Payments, client_for

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Give</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/shop.css">
<script src="{sandbox}/stripe.js"></script><script src="/shop.js" defer></script>
</head><body><main><h1>Give</h1><div id="express"></div>
<form id="form"><div id="payment"></div><button>Give</button></form>
<p id="said" role="status"></p></main></body></html>"""

STYLE = "body { margin: 0 } main { max-width: 30rem; margin: auto; padding: 1rem } button { min-height: 3rem }"

SCRIPT = """
const query = new URLSearchParams(location.search);
const stripe = Stripe("pk_test_twofold_demo");
const appearance = query.has("theme") ? { theme: query.get("theme") } : undefined;
const amount = Number(query.get("amount") || 5000);
const elements = stripe.elements({ mode: "payment", amount, currency: "usd", appearance });
const said = document.getElementById("said");
const payment = elements.create("payment", {});
const seen = (name) => payment.on(name, (event) => {
  const heard = document.body.dataset.heard || "";
  document.body.dataset.heard = `${heard} ${name}${name === "change" ? (event.complete ? ":whole" : ":part") : ""}`;
});
["ready", "change", "focus", "blur", "loaderror"].forEach(seen);
payment.mount("#payment");
const express = elements.create("expressCheckout", { buttonType: { googlePay: "donate" } });
express.on("ready", (event) => {
  document.body.dataset.wallet = JSON.stringify(event.availablePaymentMethods ?? null);
});
express.on("click", (event) => event.resolve({ emailRequired: true }));
express.on("cancel", () => { said.textContent = "cancelled"; });
express.on("confirm", (event) => { document.body.dataset.donor = event.billingDetails.email; give(); });
express.mount("#express");

async function give() {
  said.textContent = "";
  const { error: wrong } = await elements.submit();
  if (wrong) { said.textContent = `wrong ${wrong.code}: ${wrong.message}`; return; }
  const { clientSecret } = await (await fetch("/intent", { method: "POST" })).json();
  const redirect = query.get("redirect") || "if_required";
  const confirmParams = { return_url: `${location.origin}/done` };
  const { error, paymentIntent } = await stripe.confirmPayment({ elements, clientSecret, confirmParams, redirect });
  const again = await stripe.retrievePaymentIntent(clientSecret);
  const { status } = again.paymentIntent;
  said.textContent = error ? `error ${error.code}: ${error.message} (${status})` : `status ${paymentIntent.status}`;
}
document.getElementById("form").addEventListener("submit", (event) => { event.preventDefault(); give(); });
"""


class Shop:
    """A site that takes $50.00, from an origin that is not the sandbox's."""

    def __init__(self, sandbox) -> None:
        payments, base = Payments(client_for(sandbox)), sandbox.base_url
        policy = (
            f"default-src 'none'; script-src 'self' {base}; frame-src {base}; connect-src 'self' {base}; "
            "style-src 'self'; img-src data:; base-uri 'none'; form-action 'self'"
        )
        self.intents: list[str] = []
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                texts = {"/shop.css": ("text/css", STYLE), "/shop.js": ("text/javascript", SCRIPT)}
                kind, text = texts.get(path, ("text/html", PAGE.replace("{sandbox}", base)))
                if path == "/done":
                    kind, text = "text/html", "<title>Done</title>"
                self.answer(kind, text)

            def do_POST(self) -> None:
                intent = payments.create(5_000)
                shop.intents.append(intent.id)
                self.answer("application/json", json.dumps({"clientSecret": intent.client_secret}))

            def answer(self, kind: str, text: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Security-Policy", policy)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def shop(sandbox) -> Iterator[Shop]:
    running = Shop(sandbox)
    yield running
    running.server.shutdown()
    running.server.server_close()


class Giving:
    """One donor's page: fill in, give, read what was said."""

    def __init__(self, page: Page, shop: Shop, query: str = "") -> None:
        self.page = page
        page.goto(f"{shop.url}/{query}")
        page.locator("body[data-wallet]").wait_for()
        expect(page.locator("body")).to_have_attribute("data-heard", " ready")

    @property
    def frame(self) -> FrameLocator:
        return self.page.frame_locator('iframe[title="Secure payment input frame"]')

    @property
    def challenge(self) -> FrameLocator:
        return self.page.frame_locator('iframe[title="3D Secure authentication"]')

    def card(self, number, expiry="12 / 34", code="123", zip_code="10001") -> None:
        self.frame.get_by_label("Card number").fill(number)
        self.frame.get_by_label("Expiration date").fill(expiry)
        self.frame.get_by_label("Security code").fill(code)
        self.frame.get_by_label("ZIP code").fill(zip_code)

    def give(self) -> None:
        self.page.get_by_role("button", name="Give").click()

    def says(self, text) -> None:
        expect(self.page.locator("#said")).to_have_text(text)


@pytest.fixture
def giving(page, shop) -> Giving:
    return Giving(page, shop)


def test_a_card_pays_by_keyboard_alone(giving, payments, shop):
    giving.frame.get_by_label("Card number").focus()
    for typed in ("4242424242424242", "1234", "123"):
        giving.page.keyboard.type(typed)
        giving.page.keyboard.press("Tab")
    giving.page.keyboard.press("Tab")
    giving.page.keyboard.type("10001")
    expect(giving.frame.get_by_label("Card number")).to_have_value("4242 4242 4242 4242")
    expect(giving.frame.get_by_label("Expiration date")).to_have_value("12 / 34")
    giving.page.keyboard.press("Tab")
    giving.page.keyboard.press("Enter")
    giving.says("status succeeded")
    charge = payments.client.v1.charges.list(params={"payment_intent": shop.intents[0]}).data[0]
    assert (charge.payment_method_details.card.exp_year, charge.billing_details.address.postal_code) == (2034, "10001")
    assert giving.page.locator("body").get_attribute("data-heard") == " ready focus change:part change:whole blur"


def test_what_is_missing_is_said_beside_its_field_in_stripes_words(giving, shop):
    giving.give()
    giving.says("wrong incomplete_number: Your card number is incomplete.")
    for label, message in [
        ("Card number", "Your card number is incomplete."),
        ("Expiration date", "Your card's expiration date is incomplete."),
        ("Security code", "Your card's security code is incomplete."),
        ("ZIP code", "Your postal code is incomplete."),
    ]:
        field = giving.frame.get_by_label(label)
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(message)
    expect(giving.frame.get_by_label("Card number")).to_be_focused()
    assert shop.intents == []
    giving.card("4242424242424242")
    expect(giving.frame.get_by_label("Card number")).not_to_have_attribute("aria-invalid", "true")


TEST_NUMBERS_ONLY = "This is a sandbox: it takes test card numbers only, such as 4242 4242 4242 4242."


@pytest.mark.parametrize(
    ("number", "expiry", "message"),
    [
        ("4242424242424241", "12 / 34", "Your card number is invalid."),
        ("4111111111111111", "12 / 34", TEST_NUMBERS_ONLY),
        ("4242424242424242", "01 / 20", "Your card's expiration year is in the past."),
        ("4242424242424242", "13 / 34", "Your card's expiration date is invalid."),
    ],
)
def test_a_wrong_number_or_date_never_leaves_the_frame(giving, sandbox, number, expiry, message):
    giving.card(number, expiry)
    giving.give()
    expect(giving.page.locator("#said")).to_contain_text(message)
    assert sandbox.state()["requests"] == 0


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("4000000000000002", "error card_declined: Your card was declined. (requires_payment_method)"),
        ("4000000000009995", "error card_declined: Your card has insufficient funds. (requires_payment_method)"),
        ("4000000000000127", "error incorrect_cvc: Your card's security code is incorrect. (requires_payment_method)"),
    ],
)
def test_a_declined_card_says_why_and_another_may_pay(giving, page_errors, number, said):
    page_errors.expect("402")
    giving.card(number)
    giving.give()
    giving.says(said)
    giving.card("5555555555554444")
    giving.give()
    giving.says("status succeeded")


def test_an_american_express_card_has_a_code_of_four(giving):
    giving.card("378282246310005", code="123")
    giving.give()
    giving.says("wrong incomplete_cvc: Your card's security code is incomplete.")
    giving.card("378282246310005", code="1234")
    giving.give()
    giving.says("status succeeded")


def test_3ds_is_passed_in_a_dialog_and_the_focus_comes_back(giving):
    giving.card("4000002500003155")
    giving.give()
    passed = giving.challenge.get_by_role("button", name="Complete authentication")
    expect(passed).to_be_focused()
    expect(giving.page.get_by_role("dialog", name="3D Secure authentication")).to_be_visible()
    assert giving.page.locator("main").evaluate("node => node.inert") is True
    giving.page.keyboard.press("Enter")
    giving.says("status succeeded")
    expect(giving.page.get_by_role("dialog")).to_have_count(0)
    assert giving.page.locator("main").evaluate("node => node.inert") is False
    expect(giving.page.get_by_role("button", name="Give")).to_be_focused()


@pytest.mark.parametrize("by", ["button", "escape"])
def test_3ds_failed_charges_nothing(giving, by):
    giving.card("4000000000003220")
    giving.give()
    failed = giving.challenge.get_by_role("button", name="Fail authentication")
    if by == "button":
        failed.click()
    else:
        failed.press("Escape")
    giving.says(
        "error payment_intent_authentication_failure: We are unable to authenticate your payment method. Please choose "
        "a different payment method and try again. (requires_payment_method)"
    )


def test_a_bank_debit_is_processing(giving, sandbox, payments, shop):
    giving.frame.get_by_label("US bank account").check()
    giving.give()
    giving.says("wrong incomplete_name: Your full name is incomplete.")
    giving.frame.get_by_label("Full name").fill("Ann Lee")
    giving.frame.get_by_label("Email").fill("ann@example.com")
    giving.frame.get_by_label("Routing number").fill("110000000")
    giving.frame.get_by_label("Account number").fill("000123456789")
    giving.give()
    expect(giving.page.locator("#said")).to_contain_text("status processing")
    sandbox.wait_idle()
    paid = payments.client.v1.payment_intents.retrieve(shop.intents[0], params={"expand": ["latest_charge"]})
    assert (paid.status, paid.latest_charge.billing_details.name) == ("succeeded", "Ann Lee")


def wallet_sheet(giving) -> FrameLocator:
    giving.page.frame_locator('iframe[title="Secure express checkout frame"]').get_by_role("button").click()
    return giving.page.frame_locator('iframe[title="Test Pay"]')


def test_a_wallet_pays(giving, payments, shop):
    assert json.loads(giving.page.locator("body").get_attribute("data-wallet"))["googlePay"] is True
    wallet_sheet(giving).get_by_role("button", name="Pay $50.00").click()
    giving.says("status succeeded")
    assert giving.page.locator("body").get_attribute("data-donor") == "wanda@example.com"
    charge = payments.client.v1.charges.list(params={"payment_intent": shop.intents[0]}).data[0]
    assert (charge.payment_method_details.card.wallet.type, charge.billing_details.name) == (
        "google_pay",
        "Wanda Wallet",
    )


def test_a_wallet_can_be_cancelled_and_the_card_still_pays(giving, shop):
    wallet_sheet(giving).get_by_role("button", name="Cancel").click()
    giving.says("cancelled")
    assert shop.intents == []
    giving.card("4242424242424242")
    giving.give()
    giving.says("status succeeded")


def test_a_wallets_card_can_ask_for_3ds(giving):
    sheet = wallet_sheet(giving)
    sheet.get_by_label("Card in the wallet").select_option("tok_wallet_threeDSecure2Required")
    sheet.get_by_role("button", name="Pay $50.00").click()
    giving.challenge.get_by_role("button", name="Complete authentication").click()
    giving.says("status succeeded")


def test_a_browser_without_a_wallet_shows_no_button(page, shop, sandbox):
    sandbox.knobs(wallet=False)
    giving = Giving(page, shop)
    assert giving.page.locator("body").get_attribute("data-wallet") == "null"
    assert giving.page.locator('iframe[title="Secure express checkout frame"]').bounding_box()["height"] <= 1


def test_an_amount_that_differs_from_the_intents_charges_nothing(page, shop, sandbox):
    giving = Giving(page, shop, "?amount=4900")
    giving.card("4242424242424242")
    giving.give()
    expect(giving.page.locator("#said")).to_contain_text(
        "($49.00) is not the PaymentIntent's ($50.00). Nothing was charged."
    )
    assert sandbox.state()["objects"]["charges"] == 0


def test_it_goes_to_the_return_address_when_asked_to(page, shop):
    giving = Giving(page, shop, "?redirect=always")
    giving.card("4242424242424242")
    giving.give()
    page.wait_for_url("**/done?payment_intent=*redirect_status=succeeded")
    assert shop.intents[0] in page.url


def test_the_frame_is_as_high_as_its_content_and_no_wider_than_a_phone(giving):
    frame = giving.page.locator('iframe[title="Secure payment input frame"]')
    before = frame.bounding_box()["height"]
    giving.give()
    expect(giving.frame.locator(".error").first).to_be_visible()
    expect(frame).not_to_have_css("height", f"{before:g}px")
    inner = giving.frame.locator("form").evaluate("node => node.scrollHeight")
    assert abs(frame.bounding_box()["height"] - inner) <= 2
    assert giving.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert giving.frame.locator("form").evaluate("node => document.documentElement.scrollWidth <= innerWidth") is True


@pytest.mark.parametrize(
    ("scheme", "query", "theme"), [("light", "", "light"), ("dark", "", "dark"), ("dark", "?theme=stripe", "light")]
)
def test_the_look_follows_the_appearance_or_the_system(open_page, shop, scheme, query, theme):
    giving = Giving(open_page(color_scheme=scheme), shop, query)
    expect(giving.frame.locator("html")).to_have_attribute("data-theme", theme)


def test_only_the_page_can_speak_to_the_frame(giving):
    giving.card("4242424242424242")
    giving.page.evaluate("document.body.append(document.createElement('iframe'))")
    stranger = giving.page.frames[-1]
    stranger.evaluate(
        """for (let place = 0; place < parent.frames.length; place += 1)
             parent.frames[place].postMessage({ mark: "stripe-sandbox", kind: "clear" }, "*")"""
    )
    giving.frame.get_by_label("Security code").fill("456")
    expect(giving.frame.get_by_label("Card number")).to_have_value("4242 4242 4242 4242")
    giving.page.evaluate("payment.clear()")
    expect(giving.frame.get_by_label("Card number")).to_have_value("")


def test_only_the_frame_can_speak_for_the_element(giving):
    heard = giving.page.locator("body").get_attribute("data-heard")
    giving.page.evaluate("postMessage({ mark: 'stripe-sandbox', kind: 'loaderror', fields: {} }, '*')")
    giving.page.evaluate("postMessage({ mark: 'stripe-sandbox', kind: 'focus', fields: {} }, '*')")
    giving.frame.get_by_label("Card number").focus()
    expect(giving.page.locator("body")).to_have_attribute("data-heard", f"{heard} focus")


@pytest.mark.parametrize("viewport", [{"width": 390, "height": 844}, {"width": 1280, "height": 900}])
def test_the_sandboxs_own_page_tells_the_numbers_and_does_what_it_offers(open_page, sandbox, payments, viewport):
    paid = payments.pay(description="Gift 1")
    page = open_page(viewport=viewport)
    page.goto(f"{sandbox.base_url}/")
    expect(page.get_by_role("cell", name="4242 4242 4242 4242")).to_be_visible()
    page.get_by_role("row", name="Gift 1").get_by_role("button", name="Refund").click()
    expect(page.get_by_role("row", name="Gift 1")).to_contain_text("$50.00 refunded")
    assert payments.charge(paid).refunded is True
    page.get_by_role("button", name="Hold events back").click()
    expect(page.get_by_role("row", name="paused")).to_contain_text("true")
    page.get_by_label("Knob", exact=True).fill("delay_ms")
    page.get_by_label("Value", exact=True).fill("1500")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_role("row", name="delay_ms", exact=False).first).to_contain_text("1500")
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


# A frame is a part of a page, which has the landmarks and the heading.
OF_WHOLE_PAGES = ("landmark-one-main", "page-has-heading-one", "region")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/frame/payment", "/frame/wallet", "/challenge/pi_1?client_secret=x"])
def test_axe_finds_nothing_wrong(open_page, sandbox, payments, path, scheme):
    payments.pay(description="Gift 1")
    page = open_page(color_scheme=scheme)
    page.goto(sandbox.base_url + path)
    if path == "/":
        page.get_by_role("row", name="Gift 1").wait_for()
    else:
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", scheme)
        page.evaluate("background => { document.body.style.background = background }", "Canvas")
    found = Axe().run(page, options={"rules": {rule: {"enabled": path == "/"} for rule in OF_WHOLE_PAGES}})
    assert found.violations_count == 0, found.generate_report()
