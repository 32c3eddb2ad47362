/* A stand-in for Stripe.js, for the demo and the tests. No money moves.

   Elements are frames from this script's own origin: the page never sees a card number. Works in a page whose policy
   allows this origin for script, frame and connect and nothing inline: styles are set through element.style only.
   Every message is checked for its window and its origin on both sides. */
(function () {
  "use strict";
  const ORIGIN = new URL(document.currentScript.src).origin;
  const MARK = "stripe-sandbox";
  const SECRET_SHAPE = /^((?:pi|seti)_[A-Za-z0-9]+)_secret_[A-Za-z0-9]+$/;
  const CLICK_ANSWER_MS = 1000;
  let frames = 0;

  class IntegrationError extends Error {
    constructor(message) { super(message); this.name = "IntegrationError"; }
  }

  const intentId = (secret) => {
    const found = SECRET_SHAPE.exec(secret || "");
    if (!found) {
      throw new IntegrationError(
        `Invalid value for the client secret: it should be of the form \${id}_secret_\${secret}. You specified: ${secret}.`);
    }
    return found[1];
  };

  /* One frame and the conversation with it. `hear(kind, message)` gets what the frame says by itself. */
  class Frame {
    constructor(path, title, hear) {
      this.name = `__stripeSandbox${++frames}`;
      this.hear = hear;
      this.waiting = new Map();
      this.asked = 0;
      this.greeting = null;
      this.node = document.createElement("iframe");
      this.node.name = this.name;
      this.node.title = title;
      this.node.src = ORIGIN + path;
      this.node.allow = "payment *";
      Object.assign(this.node.style, { border: "0", display: "block", width: "100%" });
      this.listener = (event) => this.receive(event);
      window.addEventListener("message", this.listener);
    }
    receive(event) {
      if (event.origin !== ORIGIN || event.source !== this.node.contentWindow) return;
      const message = event.data;
      if (!message || message.mark !== MARK) return;
      if (message.kind === "hello") {
        if (this.greeting) this.say("init", this.greeting());
      } else if (message.kind === "answer") {
        const settle = this.waiting.get(message.number);
        this.waiting.delete(message.number);
        if (settle) settle(message.answer);
      } else if (message.kind === "resize") {
        this.node.style.height = `${Math.max(0, Number(message.height) || 0)}px`;
      } else {
        this.hear(message.kind, message);
      }
    }
    say(kind, fields) {
      if (this.node.contentWindow) this.node.contentWindow.postMessage({ mark: MARK, kind, ...fields }, ORIGIN);
    }
    ask(kind, fields) {
      const number = ++this.asked;
      return new Promise((settle) => {
        this.waiting.set(number, settle);
        this.say(kind, { ...fields, number });
      });
    }
    remove() {
      window.removeEventListener("message", this.listener);
      this.node.remove();
    }
  }

  /* The look: as the appearance says; without one, as the visitor's system prefers. */
  const darkness = window.matchMedia("(prefers-color-scheme: dark)");
  const lookOf = (appearance) => {
    const given = appearance || {};
    const dark = given.theme ? given.theme === "night" : darkness.matches;
    return { dark, variables: given.variables || {}, rules: given.rules || {} };
  };

  /* A frame over the whole page, for the challenge and the wallet. The page behind is inert meanwhile. */
  function openModal(path, label, look, fields) {
    const before = document.activeElement;
    const others = [...document.body.children].filter((child) => !child.inert);
    const cover = document.createElement("div");
    cover.setAttribute("role", "dialog");
    cover.setAttribute("aria-modal", "true");
    cover.setAttribute("aria-label", label);
    Object.assign(cover.style, {
      position: "fixed", inset: "0", zIndex: "2147483647", background: "rgba(10, 18, 35, 0.6)",
    });
    return new Promise((settle) => {
      const frame = new Frame(path, label, (kind, message) => {
        if (kind !== "done") return;
        frame.remove();
        cover.remove();
        others.forEach((child) => { child.inert = false; });
        if (before && before.focus) before.focus();
        settle(message.answer);
      });
      frame.greeting = () => ({ look, ...fields });
      Object.assign(frame.node.style, { height: "100%", background: "transparent" });
      frame.node.style.colorScheme = look.dark ? "dark" : "light";
      others.forEach((child) => { child.inert = true; });
      cover.append(frame.node);
      document.body.append(cover);
      frame.node.addEventListener("load", () => frame.node.focus());
    });
  }

  class Element {
    constructor(elements, type, options, path, title) {
      this.elements = elements;
      this.type = type;
      this.options = options || {};
      this.path = path;
      this.title = title;
      this.listeners = new Map();
      this.frame = null;
      this.ready = false;
    }
    on(name, listener) {
      if (!this.listeners.has(name)) this.listeners.set(name, new Set());
      this.listeners.get(name).add(listener);
      return this;
    }
    once(name, listener) {
      const wrapped = (event) => { this.off(name, wrapped); listener(event); };
      return this.on(name, wrapped);
    }
    off(name, listener) {
      if (listener) this.listeners.get(name)?.delete(listener); else this.listeners.delete(name);
      return this;
    }
    emit(name, fields) {
      for (const listener of [...(this.listeners.get(name) || [])]) listener({ elementType: this.type, ...fields });
    }
    heard(name) { return (this.listeners.get(name) || new Set()).size > 0; }
    mount(place) {
      const node = typeof place === "string" ? document.querySelector(place) : place;
      if (!node) {
        throw new IntegrationError(
          `The selector you specified (${place}) applies to no DOM elements that are currently on the page. Make sure ` +
          "the element exists on the page before calling mount().");
      }
      if (this.frame) this.unmount();
      this.frame = new Frame(this.path, this.title, (kind, message) => this.hear(kind, message));
      this.frame.greeting = () => this.greeting();
      this.frame.node.style.colorScheme = lookOf(this.elements.options.appearance).dark ? "dark" : "light";
      Object.assign(this.frame.node.style, { width: "calc(100% + 8px)", margin: "-4px", height: "1px", maxWidth: "none" });
      this.frame.node.addEventListener("error", () => this.failed());
      this.loading = setTimeout(() => this.failed(), 10000);
      node.replaceChildren(this.frame.node);
      this.emit("loaderstart", {});
    }
    failed() {
      if (this.ready) return;
      this.emit("loaderror", { error: { type: "api_connection_error", message: "The payment form could not be loaded." } });
    }
    unmount() {
      clearTimeout(this.loading);
      if (this.frame) this.frame.remove();
      this.frame = null;
      this.ready = false;
    }
    destroy() {
      this.unmount();
      this.elements.made.delete(this.type);
      this.listeners.clear();
    }
    update(options) {
      this.options = { ...this.options, ...options };
      this.refresh();
    }
    greeting() {
      const { mode, amount, currency, appearance, paymentMethodTypes } = this.elements.options;
      return {
        key: this.elements.stripe.key, look: lookOf(appearance), options: plain(this.options),
        mode, amount, currency, paymentMethodTypes,
      };
    }
    refresh() {
      if (!this.frame) return;
      this.frame.node.style.colorScheme = lookOf(this.elements.options.appearance).dark ? "dark" : "light";
      this.frame.say("init", this.greeting());
    }
    focus() { if (this.frame) { this.frame.node.focus(); this.frame.say("focus", {}); } }
    blur() { if (this.frame) this.frame.say("blur", {}); }
    clear() { if (this.frame) this.frame.say("clear", {}); }
    collapse() {}
    hear(kind, message) {
      if (kind === "ready") {
        clearTimeout(this.loading);
        this.ready = true;
      }
      if (["ready", "change", "focus", "blur", "escape"].includes(kind)) this.emit(kind, message.fields || {});
    }
  }

  /* Only what can be sent to another window: functions and nodes stay here. */
  const plain = (value) => JSON.parse(JSON.stringify(value));

  class ExpressCheckout extends Element {
    hear(kind, message) {
      if (kind === "pressed") this.pressed(); else super.hear(kind, message);
    }
    async pressed() {
      const choice = this.heard("click") ? await this.clicked() : {};
      if (!choice) return;
      const { amount, currency, appearance } = this.elements.options;
      const paid = await openModal("/frame/wallet", "Test Pay", lookOf(appearance), { amount, currency, choice });
      if (!paid) {
        this.emit("cancel", {});
        return;
      }
      this.elements.wallet = { token: paid.token, walletBilling: paid.billingDetails };
      this.emit("confirm", {
        expressPaymentType: "google_pay",
        billingDetails: paid.billingDetails,
        paymentFailed: () => { this.elements.wallet = null; },
      });
    }
    /* The page's answer to the click; null when it refused or took longer than a wallet waits. */
    clicked() {
      return new Promise((settle) => {
        const late = setTimeout(() => {
          console.error("IntegrationError: the click event's resolve() was not called within 1 second.");
          settle(null);
        }, CLICK_ANSWER_MS);
        const answer = (value) => { clearTimeout(late); settle(value); };
        this.emit("click", {
          expressPaymentType: "google_pay",
          resolve: (options) => answer(plain(options || {})),
          reject: () => answer(null),
        });
      });
    }
  }

  const KINDS = {
    payment: (elements, options) =>
      new Element(elements, "payment", options, "/frame/payment", "Secure payment input frame"),
    expressCheckout: (elements, options) =>
      new ExpressCheckout(elements, "expressCheckout", options, "/frame/express", "Secure express checkout frame"),
  };

  class Elements {
    constructor(stripe, options) {
      this.stripe = stripe;
      this.options = { ...options };
      this.made = new Map();
      this.submitted = false;
      this.wallet = null;
      this.check();
      darkness.addEventListener("change", () => this.refresh());
    }
    check() {
      const { clientSecret, mode, amount, currency } = this.options;
      if (clientSecret) {
        intentId(clientSecret);
        return;
      }
      if (!["payment", "subscription", "setup"].includes(mode)) {
        throw new IntegrationError(`Invalid value for elements(): mode should be 'payment', 'subscription' or 'setup' in this sandbox. You specified: ${mode}.`);
      }
      if (mode === "setup") return;
      if (!Number.isInteger(amount) || amount <= 0) {
        throw new IntegrationError(`Invalid value for elements(): amount must be greater than 0. You specified: ${amount}.`);
      }
      if (!/^[a-z]{3}$/.test(currency || "")) {
        throw new IntegrationError(`Invalid value for elements(): currency should be one of the lowercase codes, such as usd. You specified: ${currency}.`);
      }
    }
    create(type, options) {
      if (!KINDS[type]) {
        throw new IntegrationError(`A valid Element name must be provided. Valid Elements in this sandbox are: ${Object.keys(KINDS).join(", ")}; you passed: ${type}.`);
      }
      if (this.made.has(type)) throw new IntegrationError(`Can only create one Element of type ${type} through elements().`);
      const element = KINDS[type](this, options);
      this.made.set(type, element);
      return element;
    }
    getElement(type) { return this.made.get(type) || null; }
    update(options) {
      this.options = { ...this.options, ...options };
      this.check();
      this.refresh();
    }
    refresh() { for (const element of this.made.values()) element.refresh(); }
    fetchUpdates() { return Promise.resolve({}); }
    async submit() {
      this.submitted = false;
      const payment = this.made.get("payment");
      if (!this.wallet) {
        if (!payment || !payment.frame) throw new IntegrationError("elements.submit() needs a mounted Payment Element.");
        const { error, selectedPaymentMethod } = await payment.frame.ask("submit", {});
        if (error) return { error };
        this.submitted = true;
        return { selectedPaymentMethod };
      }
      this.submitted = true;
      return { selectedPaymentMethod: "google_pay" };
    }
    /* The frame that pays, and what it needs to know for that. */
    payer() {
      if (this.wallet) return { frame: this.made.get("expressCheckout").frame, fields: this.wallet };
      return { frame: this.made.get("payment")?.frame, fields: {} };
    }
  }

  class StripeSandbox {
    constructor(key) {
      this.key = key;
      this._registerWrapper = () => {};
      this.registerAppInfo = () => {};
    }
    elements(options) { return new Elements(this, options || {}); }

    confirmPayment(given) { return this.confirm("Payment", given); }
    confirmSetup(given) { return this.confirm("Setup", given); }

    /* Pay with what is in the element, or save it: `kind` says which, and names the calls that the errors speak of. */
    async confirm(kind, { elements, clientSecret, confirmParams = {}, redirect = "always" }) {
      const secret = clientSecret || elements?.options.clientSecret;
      const id = intentId(secret);
      if (!elements) throw new IntegrationError(`confirm${kind}() in this sandbox needs \`elements\`.`);
      if (secret.startsWith("seti_") !== (kind === "Setup")) throw new IntegrationError(`confirm${kind}() was given the client secret of something else.`);
      if (!elements.options.clientSecret && !elements.submitted) {
        throw new IntegrationError(
          `elements.submit() must be called before stripe.confirm${kind}(). Call elements.submit() as soon as your ` +
          "customer presses pay, prior to any asynchronous work.");
      }
      if (redirect === "always" && !confirmParams.return_url) {
        throw new IntegrationError(`stripe.confirm${kind}(): the \`confirmParams.return_url\` argument is required unless passing \`redirect: 'if_required'\`.`);
      }
      const { frame, fields } = elements.payer();
      if (!frame) throw new IntegrationError(`confirm${kind}() needs a mounted Payment Element.`);
      const billing = confirmParams.payment_method_data?.billing_details;
      const answer = await frame.ask("confirm", {
        intent: id, secret, confirmParams: plain({ ...confirmParams, payment_method_data: undefined }),
        billing: billing ? plain(billing) : null, ...fields,
      });
      elements.wallet = null;
      if (answer.integration) throw new IntegrationError(answer.integration);
      const result = answer.error ? answer : await this.finish(answer.intent, secret, elements.options.appearance);
      if (result.error || redirect !== "always") return result;
      location.assign(returnAddress(confirmParams.return_url, result.paymentIntent || result.setupIntent, secret));
      return new Promise(() => {});
    }

    async retrievePaymentIntent(secret) {
      const id = intentId(secret);
      const query = new URLSearchParams({ client_secret: secret });
      try {
        const answer = await fetch(`${ORIGIN}/v1/payment_intents/${id}?${query}`, {
          headers: { Authorization: `Bearer ${this.key}` },
        });
        const body = await answer.json();
        return answer.ok ? { paymentIntent: body } : { error: body.error };
      } catch (failure) {
        return { error: { type: "api_connection_error", message: "We could not reach the payment service. Please try again." } };
      }
    }

    async handleNextAction({ clientSecret }) {
      const { paymentIntent, error } = await this.retrievePaymentIntent(clientSecret);
      return error ? { error } : this.finish(paymentIntent, clientSecret, null);
    }

    /* Ask for what is still needed (3-D Secure), then say how it ended. */
    async finish(intent, secret, appearance) {
      let ended = intent;
      if (ended.status === "requires_action") {
        const path = `/challenge/${ended.id}?${new URLSearchParams({ client_secret: secret })}`;
        ended = await openModal(path, "3D Secure authentication", lookOf(appearance), {
          amount: ended.amount, currency: ended.currency,
        });
        if (ended.error) return { error: ended.error };
      }
      const name = ended.object === "setup_intent" ? "setup_intent" : "payment_intent";
      const problem = ended.last_payment_error || ended.last_setup_error;
      if (ended.status === "requires_payment_method" && problem) return { error: { ...problem, [name]: ended } };
      return name === "setup_intent" ? { setupIntent: ended } : { paymentIntent: ended };
    }
  }

  function returnAddress(address, intent, secret) {
    const url = new URL(address, location.href);
    const name = intent.object === "setup_intent" ? "setup_intent" : "payment_intent";
    url.searchParams.set(name, intent.id);
    url.searchParams.set(`${name}_client_secret`, secret);
    url.searchParams.set("redirect_status", intent.status === "processing" ? "pending" : "succeeded");
    return url.href;
  }

  window.Stripe = function (key) {
    if (typeof key !== "string" || key === "") throw new IntegrationError("Please call Stripe() with your publishable key. You used an empty string.");
    if (key.startsWith("sk_")) throw new IntegrationError("You should not use your secret key with Stripe.js. Please pass a publishable key instead.");
    return new StripeSandbox(key);
  };
  window.Stripe.version = 3;
})();
