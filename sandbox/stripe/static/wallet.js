/* The wallet's sheet, over the page: choose a test card, pay or cancel. */
"use strict";
let choice = {};
const DONOR = { name: "Wanda Wallet", email: "wanda@example.com", phone: "+12125550123" };
const ADDRESS = { line1: "1 Test Street", line2: "", city: "New York", state: "NY", postal_code: "10001", country: "US" };

onPage("init", (message) => {
  choice = message.choice || {};
  document.getElementById("amount").textContent = money(message.amount, message.currency);
  document.getElementById("yes").textContent = `Pay ${money(message.amount, message.currency)}`;
  document.getElementById("yes").focus();
});

/* A wallet gives the page only what it asked for when the button was pressed. */
function billingDetails() {
  return {
    name: DONOR.name,
    email: choice.emailRequired ? DONOR.email : undefined,
    phone: choice.phoneNumberRequired ? DONOR.phone : undefined,
    address: choice.billingAddressRequired === false ? { country: ADDRESS.country, postal_code: ADDRESS.postal_code } : ADDRESS,
  };
}

document.getElementById("yes").addEventListener("click", () => {
  say("done", { answer: { token: document.getElementById("token").value, billingDetails: billingDetails() } });
});
const cancel = () => say("done", { answer: null });
document.getElementById("no").addEventListener("click", cancel);
document.addEventListener("keydown", (event) => { if (event.key === "Escape") cancel(); });

say("hello", {});
