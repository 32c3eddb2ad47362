// The payment step. Card fields and wallets are Stripe's; this file opens the payment when Give is pressed, keeps the
// donor's match honest by the server's clock, and says in one sentence what happened. Nothing is created at Stripe
// before Give is pressed, and pressing twice pays once.
//
// Loaded in the head and not deferred, so that the words for visitors without JavaScript never flash up; they do stay
// when this file is missing.
(() => {
  "use strict";

  document.documentElement.classList.add("can-pay");
  try {
    sessionStorage.removeItem("giving-form"); // it was sent: see kept-form.js
  } catch {}
  const LOAD_PATIENCE = 20000;
  // Stripe's file comes later; from here its arrival or failure cannot be missed.
  const stripeFile = new Promise((arrived, failed) => {
    const isStripes = (event) => event.target.id === "stripe-js";
    document.addEventListener("load", (event) => isStripes(event) && (window.Stripe ? arrived() : failed()), true);
    document.addEventListener("error", (event) => isStripes(event) && failed(), true);
    window.setTimeout(failed, LOAD_PATIENCE);
  });
  stripeFile.catch(() => {}); // it may fail before the page is there to say so
  document.addEventListener("DOMContentLoaded", () => openPaymentStep(stripeFile));
})();

function openPaymentStep(stripeFile) {
  "use strict";

  const WARN_BEFORE = 2 * 60 * 1000;
  const SLOW_AFTER = 4000;
  const LOOK_AGAIN = 10000;
  const MOST_ROUNDS = 600;
  const WALLET_PATIENCE = 15;
  const WALLETS_LATE = 1500;

  const darkness = window.matchMedia("(prefers-color-scheme: dark)");
  const $ = (id) => document.getElementById(id);
  const config = JSON.parse($("pay-config").textContent);
  const { words } = config;
  const form = $("pay");
  const again = $("hold-again");
  const heading = document.querySelector("h1");
  const give = { button: $("give-button"), label: $("give-button").textContent };
  let stripe = null;
  let elements = null;
  let isBusy = false;
  let hasLapsed = false;
  let clock = null;
  let mayBeCharged = config.mayBeCharged;
  let isLooking = false;

  const coming = new Set(config.mode === "setup" ? ["fields"] : ["fields", "wallets"]); // a wallet pays; a card is saved

  // ---- What the donor reads and hears -------------------------------------------------------------------------

  function say(text) {
    $("pay-status").textContent = text;
  }

  // "Nothing was charged" is said only while it is certain: not once an earlier try may have gone through.
  function fail(text, { isUnsure = false, isFinal = false } = {}) {
    const place = $("pay-error");
    mayBeCharged ||= isUnsure;
    place.textContent = mayBeCharged ? text.replace(words.nothing, isUnsure ? "" : words.notSure) : text;
    if (!isFinal && clock && millisecondsLeft() > 0) place.append(" ", words.stillHeld);
    if (mayBeCharged) {
      const link = document.createElement("a");
      link.href = config.giftUrl;
      link.textContent = words.giftPage;
      place.append(" ", link);
    }
    say("");
  }

  function setBusy(busy) {
    isBusy = busy;
    give.button.setAttribute("aria-disabled", String(busy));
    give.button.textContent = busy ? words.oneMoment : give.label;
    form.setAttribute("aria-busy", String(busy));
  }

  function breakDown() {
    form.hidden = true;
    $("pay-broken").hidden = false;
  }

  // ---- The hold, by the server's clock ------------------------------------------------------------------------

  function readClock({ now, until }) {
    clock = until ? { now, until, ticks: performance.now(), wall: Date.now() } : null;
  }

  function readPageClock() {
    if (!$("match-held")) return; // nothing is held while a card is saved
    const { now, until } = $("match-held").dataset;
    readClock({ now: Number(now), until: Number(until) });
  }

  // performance.now() may stop while the device sleeps; the visitor's clock may be set. The larger step is the safe one.
  function millisecondsLeft() {
    const passed = Math.max(performance.now() - clock.ticks, Date.now() - clock.wall);
    return clock.until - clock.now - passed;
  }

  function watchHold() {
    if (!clock || isBusy || hasLapsed) return;
    const left = millisecondsLeft();
    const warning = document.querySelector(".hold-warning");
    if (left <= 0) showLapse();
    else if (left < WARN_BEFORE && warning && !warning.textContent) {
      warning.textContent = words.warning;
    }
  }

  function showLapse() {
    hasLapsed = true;
    setBusy(false);
    heading.textContent = words.lapsed;
    $("match-held").hidden = true;
    form.hidden = true;
    $("gift-sum").classList.add("has-lapsed");
    again.hidden = false;
    again.querySelector("[role=alert]").textContent = words.lapsedNext;
    again.querySelector("button").focus();
  }

  async function holdAgain(event) {
    event.preventDefault();
    const body = new FormData(again);
    body.append("fragment", "yes");
    let answer;
    try {
      answer = await fetch(again.action, { method: "POST", body });
    } catch {
      again.querySelector("[role=alert]").textContent = words.notReached;
      return;
    }
    if (answer.redirected || !answer.ok) {
      window.location.assign(answer.redirected ? answer.url : again.action);
      return;
    }
    showNewHold(await answer.text());
  }

  function showNewHold(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    for (const id of ["match-held", "gift-sum"]) $(id).replaceWith(document.adoptNode(page.getElementById(id)));
    readPageClock();
    hasLapsed = false;
    again.hidden = true;
    form.hidden = false;
    heading.textContent = clock ? words.held : words.payment;
    $("match-held").focus();
  }

  // ---- Paying -------------------------------------------------------------------------------------------------

  const pause = (milliseconds) => new Promise((done) => window.setTimeout(done, milliseconds));

  function showWait(text, { isOver = false } = {}) {
    $("pay-wait").hidden = !text;
    $("pay-wait").classList.toggle("is-over", isOver);
    $("pay-wait-words").textContent = text;
  }

  // While very many gifts are paid the site answers "wait" and says how long; each answer is a step on, in order.
  // It may ask for a proof of work first. Returns the last answer.
  async function openInTurn({ patience = Infinity } = {}) {
    let proof = "";
    let lost = 0;
    let heard = 0;
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      let opened;
      try {
        opened = await openPayment(proof);
        lost = 0;
      } catch (error) {
        lost += 1;
        if (!round || lost > 5) throw error;
        await pause(2000);
        continue;
      }
      proof = "";
      if (opened.code === "wait") {
        if (opened.left > patience) return { code: "impatient", error: words.impatient.replace("{seconds}", Math.ceil(opened.left)) };
        if (opened.left > 1.5) showWait(opened.error);
        if (performance.now() - heard > 15000 || !heard) {
          say(opened.error);
          heard = performance.now();
        }
        await pause(opened.seconds * 1000);
      } else if (opened.code === "check") {
        showWait(opened.error);
        say(opened.error);
        proof = await solve(opened.challenge);
      } else {
        return opened;
      }
    }
    return { code: "busy", error: words.lost };
  }

  // The sum is done beside the page, so that the page stays quick.
  function solve(challenge) {
    return new Promise((done, failed) => {
      const worker = new Worker(config.proofUrl);
      worker.addEventListener("message", ({ data }) => {
        worker.terminate();
        done(btoa(JSON.stringify(data)));
      });
      worker.addEventListener("error", () => {
        worker.terminate();
        failed(new Error("the check did not run"));
      });
      worker.postMessage(challenge);
    });
  }

  // Stripe does not answer: nothing to press until it does, and this page says when.
  async function lookWhetherItAnswers() {
    showWait(words.looking);
    if (isLooking) return;
    isLooking = true;
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      await pause(LOOK_AGAIN);
      if (isBusy || hasLapsed) break;
      try {
        const found = await (await fetch(config.lineUrl, { headers: { Accept: "application/json" } })).json();
        readClock(found.clock);
        if (!found.is_down) {
          $("pay-error").textContent = "";
          showWait(words.answersAgain, { isOver: true });
          say(words.answersAgain);
          break;
        }
      } catch {
        // our own site is away for a moment; the next look may reach it
      }
    }
    isLooking = false;
  }

  async function openPayment(proof) {
    const csrf = form.querySelector("[name=csrfmiddlewaretoken]").value;
    const body = new URLSearchParams(proof ? { proof } : {});
    const answer = await fetch(config.intentUrl, { method: "POST", body, headers: { "X-CSRFToken": csrf, Accept: "application/json" } });
    const isJson = (answer.headers.get("Content-Type") || "").startsWith("application/json");
    return isJson ? answer.json() : { code: "stale", error: words.stale };
  }

  function refuse({ code, error }) {
    if (code === "hold_lapsed") showLapse();
    else if (code === "match_is_lower") window.location.reload();
    else if (code === "not_open") window.location.assign(config.giftUrl);
    else fail(error, { isUnsure: code === "unknown", isFinal: code === "too_many_tries" });
    if (code === "down") lookWhetherItAnswers();
  }

  function explain(error) {
    const status = (error.payment_intent || error.setup_intent)?.status;
    if (status === "succeeded" || status === "processing") {
      window.location.assign(config.giftUrl);
      return;
    }
    if (status === "requires_payment_method" || error.type === "card_error") mayBeCharged = false; // the end of this try is known
    if (/^(payment|setup)_intent_authentication_failure$/.test(error.code)) fail(words.notConfirmed);
    else if (error.type === "card_error") fail(words.declined);
    else if (error.type === "validation_error") say(words.lookAgain);
    else if (status === "requires_payment_method" || error.type === "invalid_request_error") fail(words.notPaid);
    else fail(words.broken, { isUnsure: true });
  }

  // Returns whether the donor is on the way to the gift's page.
  async function pay(options) {
    $("pay-error").textContent = "";
    say(words.checking);
    const checked = await elements.submit();
    if (checked.error) {
      say(words.lookAgain);
      return false;
    }
    say(words.paying);
    const slow = window.setTimeout(() => $("pay-wait").hidden && showWait(words.slow), SLOW_AFTER);
    let opened;
    try {
      opened = await openInTurn(options);
    } catch {
      fail(words.notSent);
      return false;
    } finally {
      window.clearTimeout(slow);
      showWait("");
    }
    if (!opened.client_secret) {
      refuse(opened);
      return false;
    }
    readClock(opened.clock);
    return confirmPayment(opened);
  }

  async function confirmPayment({ client_secret: clientSecret, return_url: returnUrl }) {
    let result;
    try {
      const confirm = config.mode === "setup" ? "confirmSetup" : "confirmPayment";
      result = await stripe[confirm]({
        elements,
        clientSecret,
        confirmParams: { return_url: returnUrl },
        redirect: "if_required",
      });
    } catch {
      explain({});
      return false;
    }
    if (result.error) {
      explain(result.error);
      return false;
    }
    say(words.done);
    window.location.assign(config.giftUrl);
    return true;
  }

  async function payOnce(options) {
    if (isBusy || hasLapsed || !elements) return false;
    setBusy(true);
    let isLeaving = false;
    try {
      isLeaving = await pay(options);
    } catch {
      explain({});
    } finally {
      if (!isLeaving) setBusy(false);
    }
    return isLeaving;
  }

  // ---- Stripe's fields ----------------------------------------------------------------------------------------

  // Custom properties hold light-dark(...), which Stripe cannot read; the colours as painted it can.
  function appearance() {
    const panel = getComputedStyle(form.closest(".panel"));
    const link = getComputedStyle(document.querySelector(".match-line") || form);
    const root = getComputedStyle(document.documentElement);
    return {
      theme: darkness.matches ? "night" : "stripe",
      variables: {
        colorBackground: panel.backgroundColor,
        colorText: panel.color,
        colorPrimary: link.color,
        fontFamily: "system-ui, sans-serif",
        fontSizeBase: root.fontSize,
        borderRadius: "12px",
        spacingUnit: "5px",
      },
    };
  }

  function start() {
    stripe = window.Stripe(config.key);
    elements = stripe.elements({ mode: config.mode, amount: config.amount, currency: config.currency, appearance: appearance() });
    mountPayment();
    if (coming.has("wallets")) mountWallets();
    darkness.addEventListener("change", () => elements.update({ appearance: appearance() }));
  }

  // The card field does not wait long for wallets that are slow.
  function came(part) {
    coming.delete(part);
    if (coming.size) return;
    form.classList.remove("is-loading");
    $("pay-loading")?.remove();
  }

  function mountPayment() {
    const address = { country: config.country, postal_code: config.postalCode || undefined };
    const element = elements.create("payment", {
      layout: { type: "tabs" },
      wallets: { applePay: "never", googlePay: "never" },
      defaultValues: { billingDetails: { name: config.name, email: config.email, address } },
    });
    const place = $("payment-element");
    element.on("ready", () => {
      place.setAttribute("aria-busy", "false");
      came("fields");
      window.setTimeout(() => came("wallets"), WALLETS_LATE);
    });
    element.on("loaderror", breakDown);
    element.mount("#payment-element");
  }

  // Wallets come first, where the visitor has any.
  function mountWallets() {
    const theme = darkness.matches ? "white" : "black";
    const element = elements.create("expressCheckout", {
      buttonHeight: 50,
      buttonTheme: { applePay: theme, googlePay: theme },
      buttonType: { applePay: "donate", googlePay: "donate" },
    });
    element.on("ready", ({ availablePaymentMethods }) => {
      const isAny = Object.values(availablePaymentMethods || {}).some(Boolean);
      $("express").classList.toggle("is-shown", isAny);
      $("express-or").hidden = !isAny;
      came("wallets");
    });
    element.on("loaderror", () => came("wallets"));
    element.on("confirm", async (event) => {
      if (!(await payOnce({ patience: WALLET_PATIENCE }))) event.paymentFailed?.({ reason: "fail" });
    });
    element.mount("#express");
  }

  stripeFile.then(start).catch(breakDown);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    payOnce();
  });
  again?.addEventListener("submit", holdAgain);
  readPageClock();
  watchHold();
  window.setInterval(watchHold, 500);
  document.addEventListener("visibilitychange", watchHold);
}
