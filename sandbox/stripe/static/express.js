/* The Express Checkout Element's frame: one button, where the browser "has" a wallet. */
"use strict";
const state = { key: "", amount: 0, currency: "usd", options: {}, started: false };
const button = document.getElementById("pay");
const TITLES = { donate: "Donate with Test Pay", pay: "Pay with Test Pay", buy: "Buy with Test Pay", checkout: "Checkout with Test Pay", plain: "Test Pay" };

onPage("init", async (message) => {
  const { key, amount, currency, options } = message;
  Object.assign(state, { key, amount, currency, options: options || {} });
  button.style.minHeight = `${Math.min(55, Math.max(40, Number(state.options.buttonHeight) || 44))}px`;
  button.classList.toggle("white", state.options.buttonTheme?.googlePay === "white");
  document.getElementById("says").textContent = TITLES[state.options.buttonType?.googlePay] || TITLES.plain;
  if (state.started) return;
  state.started = true;
  const settings = await (await fetch("/frame/settings")).json();
  const available = settings.wallet && state.options.paymentMethods?.googlePay !== "never";
  document.querySelector(".express").hidden = !available;
  reportHeight();
  const methods = { amazonPay: false, applePay: false, googlePay: true, klarna: false, link: false, paypal: false };
  say("ready", { fields: { availablePaymentMethods: available ? methods : undefined } });
});

button.addEventListener("click", () => say("pressed", {}));
button.addEventListener("focus", () => say("focus", { fields: {} }));
button.addEventListener("blur", () => say("blur", { fields: {} }));
onPage("focus", () => button.focus());
onPage("confirm", (message) => pay(state, message, {
  type: "card", card: { token: message.token }, billing_details: message.billing || message.walletBilling,
}));

say("hello", {});
