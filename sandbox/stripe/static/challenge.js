/* The 3-D Secure page: inside the page that pays, or by itself after a redirect. */
"use strict";
const alone = parent === window;
const secret = new URLSearchParams(location.search).get("client_secret");
const buttons = [document.getElementById("complete"), document.getElementById("fail")];

onPage("init", (message) => {
  document.getElementById("amount").textContent = message.amount ? money(message.amount, message.currency) : "nothing now";
  buttons[0].focus();
});

async function answer(passed) {
  for (const button of buttons) button.disabled = true;
  const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ client_secret: secret, passed }) };
  let ended;
  try {
    ended = await (await fetch(location.pathname, request)).json();
  } catch (failure) {
    ended = { error: { type: "api_connection_error", message: "We could not reach the payment service. Please try again." } };
  }
  if (!alone) say("done", { answer: ended });
  else leave(ended);
}

function leave(ended) {
  if (ended.return_to) {
    location.assign(ended.return_to);
    return;
  }
  document.getElementById("error").textContent = ended.error ? ended.error.message : "Done. You can close this page.";
}

buttons[0].addEventListener("click", () => answer(true));
buttons[1].addEventListener("click", () => answer(false));
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !buttons[0].disabled) answer(false); });
if (alone) document.body.classList.add("alone");
else say("hello", {});
