/* Shared by every frame: the conversation with the page around it, and the look that the page asks for.
   Only the parent window is heard, and after its first message only its origin. */
"use strict";
const MARK = "stripe-sandbox";
const page = { origin: null, heard: new Map() };

/* What the page may set, and the property that carries it here. Values go through setProperty, never into markup. */
const VARIABLES = {
  colorPrimary: "--primary", colorBackground: "--background", colorText: "--text", colorTextSecondary: "--text-2",
  colorTextPlaceholder: "--placeholder", colorDanger: "--danger", fontFamily: "--font", fontSizeBase: "--size",
  borderRadius: "--radius", spacingUnit: "--unit", buttonBorderRadius: "--button-radius",
};

function say(kind, fields) {
  // Before the page has spoken its origin is unknown; "hello" says nothing that any page may not know.
  parent.postMessage({ mark: MARK, kind, ...fields }, page.origin || "*");
}

function onPage(kind, act) { page.heard.set(kind, act); }

window.addEventListener("message", async (event) => {
  const message = event.data;
  if (event.source !== parent || !message || message.mark !== MARK) return;
  if (page.origin && event.origin !== page.origin) return;
  if (!page.origin && message.kind !== "init") return;
  page.origin = event.origin;
  if (message.look) wear(message.look);
  const act = page.heard.get(message.kind);
  if (!act) return;
  const answer = await act(message);
  if (message.number) say("answer", { number: message.number, answer });
});

function wear(look) {
  const root = document.documentElement;
  root.dataset.theme = look.dark ? "dark" : "light";
  for (const property of [...Object.values(VARIABLES), "--border", "--input-shadow", "--input-padding"]) root.style.removeProperty(property);
  for (const [name, property] of Object.entries(VARIABLES)) {
    if (look.variables[name]) root.style.setProperty(property, String(look.variables[name]));
  }
  const input = look.rules[".Input"] || {};
  if (input.border || input.borderColor) root.style.setProperty("--border", String(input.border || `1px solid ${input.borderColor}`));
  if (input.boxShadow) root.style.setProperty("--input-shadow", String(input.boxShadow));
  if (input.padding) root.style.setProperty("--input-padding", String(input.padding));
  inkOnPrimary();
}

/* Text on the page's own colour: black or white, whichever is easier to read there. */
function inkOnPrimary() {
  const root = document.documentElement;
  const probe = document.createElement("i");
  probe.style.color = "var(--primary)";
  root.append(probe);
  const [red, green, blue] = (getComputedStyle(probe).color.match(/[\d.]+/g) || [0, 0, 0]).slice(0, 3).map((part) => {
    const share = Number(part) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  probe.remove();
  const light = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  root.style.setProperty("--on-primary", light > 0.179 ? "#0b1526" : "#ffffff");
}

/* The page gives the frame as much height as it needs. */
function reportHeight() {
  const node = document.querySelector("[data-measured]");
  const report = () => say("resize", { height: node.hidden ? 0 : Math.ceil(node.getBoundingClientRect().height) });
  new ResizeObserver(report).observe(node);
  report();
}

function money(amount, currency) {
  return new Intl.NumberFormat("en-US", { style: "currency", currency: currency || "usd" }).format(amount / 100);
}

/* The API as a browser uses it: form encoding and the publishable key. */
async function api(key, method, path, params) {
  const form = new URLSearchParams();
  const add = (name, value) => {
    if (value === null || value === undefined) return;
    if (typeof value === "object") for (const [inner, one] of Object.entries(value)) add(`${name}[${inner}]`, one);
    else form.append(name, String(value));
  };
  for (const [name, value] of Object.entries(params)) add(name, value);
  const request = { method, headers: { Authorization: `Bearer ${key}` } };
  let address = path;
  if (method === "GET") address += `?${form}`; else request.body = form;
  try {
    const answer = await fetch(address, request);
    const body = await answer.json();
    return answer.ok ? { object: body } : { error: body.error };
  } catch (failure) {
    return { error: { type: "api_connection_error", message: "We could not reach the payment service. Please try again." } };
  }
}

/* Save a new payment method with a SetupIntent, or pay an intent with one; what stripe.confirm... gives the page. */
async function pay(state, message, method) {
  if (message.intent.startsWith("pi_")) return payIntent(state, message, method);
  const made = await api(state.key, "POST", "/v1/payment_methods", method);
  if (made.error) return { error: made.error };
  const confirmed = await api(state.key, "POST", `/v1/setup_intents/${message.intent}/confirm`, {
    client_secret: message.secret, payment_method: made.object.id, return_url: message.confirmParams.return_url, use_stripe_sdk: true,
  });
  return confirmed.error ? { error: confirmed.error } : { intent: confirmed.object };
}

/* Pay an intent with a new payment method made from `method`. */
async function payIntent(state, message, method) {
  const looked = await api(state.key, "GET", `/v1/payment_intents/${message.intent}`, { client_secret: message.secret });
  if (looked.error) return { error: looked.error };
  if (state.amount && (looked.object.amount !== state.amount || looked.object.currency !== state.currency)) {
    return { error: {
      type: "invalid_request_error",
      code: "payment_intent_amount_mismatch",
      message: `The amount passed to elements() (${money(state.amount, state.currency)}) is not the PaymentIntent's ` +
        `(${money(looked.object.amount, looked.object.currency)}). Nothing was charged.`,
    } };
  }
  const made = await api(state.key, "POST", "/v1/payment_methods", method);
  if (made.error) return { error: made.error };
  const { return_url, shipping, receipt_email } = message.confirmParams;
  const confirmed = await api(state.key, "POST", `/v1/payment_intents/${message.intent}/confirm`, {
    client_secret: message.secret, payment_method: made.object.id, return_url, shipping, receipt_email, use_stripe_sdk: true,
  });
  return confirmed.error ? { error: confirmed.error } : { intent: confirmed.object };
}
