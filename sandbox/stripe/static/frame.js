/* The Payment Element's frame: the fields, their checks in Stripe's words, and the payment itself. */
"use strict";
const state = { key: "", amount: 0, currency: "usd", options: {}, cards: {}, accounts: [], routing: "", started: false, said: "" };
const $ = (id) => document.getElementById(id);
const form = $("payment");
const digits = (text) => text.replace(/\D/g, "");
const SANDBOX_ONLY = "This is a sandbox: it takes test card numbers only, such as 4242 4242 4242 4242.";
const BRANDS = [["amex", /^3[47]/, 15, "Amex"], ["visa", /^4/, 16, "Visa"], ["mastercard", /^(5[1-5]|2[2-7])/, 16, "Mastercard"],
  ["discover", /^6/, 16, "Discover"]];
const brandOf = (number) => BRANDS.find((brand) => brand[1].test(number)) || ["unknown", /./, 16, ""];
const type = () => form.elements.type.value;

function luhn(number) {
  let sum = 0;
  for (let place = 0; place < number.length; place += 1) {
    const digit = Number(number[number.length - 1 - place]) * (1 + (place % 2));
    sum += digit > 9 ? digit - 9 : digit;
  }
  return sum % 10 === 0;
}

/* Each check answers [code, message] for what is wrong, or null. */
const CHECKS = {
  number() {
    const number = digits($("number").value);
    if (number.length < brandOf(number)[2]) return ["incomplete_number", "Your card number is incomplete."];
    if (!luhn(number)) return ["invalid_number", "Your card number is invalid."];
    return state.cards[number] ? null : ["invalid_number", SANDBOX_ONLY];
  },
  expiry() {
    const found = digits($("expiry").value);
    if (found.length !== 4 && found.length !== 6) return ["incomplete_expiry", "Your card's expiration date is incomplete."];
    const month = Number(found.slice(0, 2));
    const year = 2000 + Number(found.slice(-2));
    const today = new Date();
    if (month < 1 || month > 12) return ["invalid_expiry_month", "Your card's expiration date is invalid."];
    if (year < today.getFullYear()) return ["invalid_expiry_year_past", "Your card's expiration year is in the past."];
    if (year > today.getFullYear() + 50) return ["invalid_expiry_year", "Your card's expiration year is invalid."];
    if (year === today.getFullYear() && month < today.getMonth() + 1) {
      return ["invalid_expiry_month_past", "Your card's expiration date is in the past."];
    }
    return null;
  },
  cvc() {
    const wanted = brandOf(digits($("number").value))[0] === "amex" ? 4 : 3;
    return digits($("cvc").value).length === wanted ? null : ["incomplete_cvc", "Your card's security code is incomplete."];
  },
  zip() {
    if ($("where").hidden || $("zip").closest(".field").hidden) return null;
    const given = $("zip").value.trim();
    const right = $("country").value === "US" ? /^\d{5}(-?\d{4})?$/.test(given) : given.length >= 3;
    return right ? null : ["incomplete_zip", "Your postal code is incomplete."];
  },
  holder: () => (/\S+\s+\S+/.test($("holder").value.trim()) ? null : ["incomplete_name", "Your full name is incomplete."]),
  email: () => (/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test($("email").value.trim()) ? null : ["incomplete_email", "Your email address is incomplete."]),
  routing() {
    const given = digits($("routing").value);
    if (given.length < 9) return ["incomplete_routing", "Your routing number is incomplete."];
    return given === state.routing ? null : ["invalid_routing", `The sandbox takes routing number ${state.routing} only.`];
  },
  account() {
    const given = digits($("account").value);
    if (given.length < 4) return ["incomplete_account", "Your account number is incomplete."];
    return state.accounts.includes(given) ? null : ["invalid_account", "This is a sandbox: it takes test account numbers only, such as 000123456789."];
  },
};
const FIELDS = { card: ["number", "expiry", "cvc", "zip"], us_bank_account: ["holder", "email", "routing", "account"] };

function show(name, message) {
  const input = $(name);
  $(`${name}-error`).textContent = message || "";
  if (message) input.setAttribute("aria-invalid", "true"); else input.removeAttribute("aria-invalid");
}

function check(name, { loud }) {
  const wrong = CHECKS[name]();
  if (!wrong) show(name, ""); else if (loud) show(name, wrong[1]);
  return wrong;
}

/* Tell the page when what it may know has changed: whether all is filled in, and by which method. */
function reportChange() {
  const names = FIELDS[type()];
  const fields = {
    collapsed: false,
    empty: names.every((name) => $(name).value === ""),
    complete: names.every((name) => CHECKS[name]() === null),
    value: { type: type() },
  };
  const said = JSON.stringify(fields);
  if (said !== state.said) say("change", { fields });
  state.said = said;
}

/* Group what is typed, only while typing at the end, so that the caret never jumps. */
function regroup(input, text) {
  if (input.selectionStart !== null && input.selectionStart < input.value.length) return;
  input.value = text;
}

function groupNumber(text) {
  const number = digits(text).slice(0, 19);
  const sizes = brandOf(number)[0] === "amex" ? [4, 6, 5] : [4, 4, 4, 4, 3];
  const parts = [];
  let place = 0;
  for (const size of sizes) {
    if (place < number.length) parts.push(number.slice(place, place + size));
    place += size;
  }
  return parts.join(" ");
}

function groupExpiry(text, deleting) {
  let found = digits(text);
  if (found.length > 4 && found.length <= 6 && /^\d{2}20/.test(found)) found = found.slice(0, 2) + found.slice(4);
  found = found.slice(0, 4);
  if (found.length === 1 && Number(found) > 1) found = `0${found}`;
  if (found.length < 2 || (deleting && found.length === 2)) return found;
  return `${found.slice(0, 2)} / ${found.slice(2)}`;
}

form.addEventListener("input", (event) => {
  const input = event.target;
  const deleting = (event.inputType || "").startsWith("delete");
  if (input.id === "number") {
    regroup(input, groupNumber(input.value));
    $("brand").textContent = brandOf(digits(input.value))[3];
  }
  if (input.id === "expiry") regroup(input, groupExpiry(input.value, deleting));
  if (["cvc", "routing", "account"].includes(input.id)) regroup(input, digits(input.value));
  if (input.name === "type") showType();
  if (input.id === "country") showZip();
  if (CHECKS[input.id]) {
    const tooLong = input.id === "number" && digits(input.value).length >= 16;
    check(input.id, { loud: tooLong });
  }
  if (input.id === "number" && $("cvc").value) check("cvc", { loud: false });
  reportChange();
});

form.addEventListener("focusout", (event) => {
  const name = event.target.id;
  if (CHECKS[name] && event.target.value !== "") check(name, { loud: true });
  if (!form.contains(event.relatedTarget)) say("blur", { fields: {} });
});
form.addEventListener("focusin", (event) => {
  if (!form.contains(event.relatedTarget)) say("focus", { fields: {} });
});
form.addEventListener("keydown", (event) => {
  if (event.key === "Escape") say("escape", { fields: {} });
});
form.addEventListener("submit", (event) => event.preventDefault());

function showType() {
  for (const name of Object.keys(FIELDS)) $(name).hidden = name !== type();
}

function showZip() {
  const country = $("country").value;
  const asked = ["US", "CA", "GB"].includes(country) && wanted("postalCode");
  $("zip").closest(".field").hidden = !asked;
  $("where").classList.toggle("one", !asked || !wanted("country"));
  $("zip-label").textContent = country === "US" ? "ZIP code" : "Postal code";
  $("zip").placeholder = country === "US" ? "12345" : "";
  $("zip").inputMode = country === "US" ? "numeric" : "text";
}

/* Whether the element asks for a billing field, or the page said "never" and sends it itself. */
function wanted(field) {
  const given = state.options.fields?.billingDetails;
  if (given === "never") return false;
  if (["country", "postalCode"].includes(field)) {
    const address = given?.address;
    return address !== "never" && address?.[field] !== "never";
  }
  return given?.[field] !== "never";
}

function arrange(message) {
  const types = (message.paymentMethodTypes || Object.keys(FIELDS)).filter((name) => FIELDS[name]);
  $("types").hidden = types.length < 2;
  if (!types.includes(type())) form.elements.type.value = types[0];
  $("country").closest(".field").hidden = !wanted("country");
  $("where").hidden = !wanted("country") && !wanted("postalCode");
  $("holder").closest(".field").hidden = !wanted("name");
  $("email").closest(".field").hidden = !wanted("email");
  FIELDS.us_bank_account = ["holder", "email", "routing", "account"].filter((name) => !$(name).closest(".field").hidden);
  showType();
  showZip();
}

onPage("init", async (message) => {
  const { key, amount, currency, options } = message;
  Object.assign(state, { key, amount, currency, options: options || {} });
  arrange(message);
  if (state.started) return;
  state.started = true;
  const defaults = state.options.defaultValues?.billingDetails || {};
  if (defaults.name) $("holder").value = defaults.name;
  if (defaults.email) $("email").value = defaults.email;
  if (defaults.address?.postal_code) $("zip").value = defaults.address.postal_code;
  const settings = await (await fetch("/frame/settings")).json();
  Object.assign(state, { cards: settings.cards, accounts: settings.accounts, routing: settings.routing_number });
  reportHeight();
  say("ready", { fields: {} });
});

onPage("focus", () => $(FIELDS[type()][0]).focus());
onPage("blur", () => document.activeElement?.blur());
onPage("clear", () => {
  for (const name of [...FIELDS.card, ...FIELDS.us_bank_account]) { $(name).value = ""; show(name, ""); }
  $("brand").textContent = "";
  reportChange();
});

/* elements.submit(): every field is checked aloud; the first wrong one gets the focus and is what the page hears. */
onPage("submit", () => {
  const wrong = FIELDS[type()].map((name) => [name, check(name, { loud: true })]).filter(([, found]) => found);
  if (wrong.length === 0) return { selectedPaymentMethod: type() };
  $(wrong[0][0]).focus();
  const [code, message] = wrong[0][1];
  return { error: { type: "validation_error", code, message } };
});

/* What the page said it would send itself must be there, as Stripe.js insists. */
function missingBilling(billing) {
  const address = billing?.address || {};
  const asked = type() === "card" ? [["country", address.country], ["postalCode", address.postal_code]] : [["name", billing?.name], ["email", billing?.email]];
  const lacking = asked.find(([field, value]) => !wanted(field) && !value && value !== null);
  return lacking && `You specified "never" for fields.billing_details.${lacking[0]} when creating the payment Element, but did not ` +
    "pass it in confirmParams.payment_method_data.billing_details when calling stripe.confirmPayment().";
}

function methodOf(message) {
  const billing = { ...(message.billing || {}) };
  if (type() === "us_bank_account") {
    if (wanted("name")) billing.name = $("holder").value.trim();
    if (wanted("email")) billing.email = $("email").value.trim();
    return { type: "us_bank_account", billing_details: billing, us_bank_account: {
      account_holder_type: "individual", account_number: digits($("account").value), routing_number: digits($("routing").value), account_type: $("kind").value,
    } };
  }
  const address = { ...(billing.address || {}) };
  if (wanted("country")) address.country = $("country").value;
  if (!$("zip").closest(".field").hidden && !$("where").hidden) address.postal_code = $("zip").value.trim();
  const expiry = digits($("expiry").value);
  return { type: "card", billing_details: { ...billing, address }, card: {
    number: digits($("number").value), exp_month: Number(expiry.slice(0, 2)), exp_year: 2000 + Number(expiry.slice(-2)), cvc: digits($("cvc").value),
  } };
}

onPage("confirm", async (message) => {
  const lacking = missingBilling(message.billing);
  if (lacking) return { integration: lacking };
  for (const input of form.elements) input.disabled = true;
  const answer = await pay(state, message, methodOf(message));
  for (const input of form.elements) input.disabled = false;
  const place = { incorrect_cvc: "cvc", expired_card: "expiry", card_declined: "number", incorrect_number: "number" }[answer.error?.code];
  if (place && type() === "card") show(place, answer.error.message);
  return answer;
});

say("hello", {});
