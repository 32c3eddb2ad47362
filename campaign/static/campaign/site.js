// The countdown's clock, the pace of polling, and the button of the give box. Every page reads and works without this file.
(() => {
  "use strict";

  const JITTER_MS = 1500;
  const RETRY_MS = 2000;
  const UNITS = [["days", 86400], ["hours", 3600], ["minutes", 60], ["seconds", 1]];
  const plurals = new Intl.PluralRules(document.documentElement.lang);

  // The visitor's clock may be wrong, so the server's is carried on from the moment its answer came. A copy from a
  // cache, or a computer that slept, only ever makes the server's time look earlier: the latest estimate is the best.
  let ahead = -Infinity;
  const learn = (serverMs, at) => { if (serverMs > 0) ahead = Math.max(ahead, serverMs - at); };
  const now = () => performance.now() + ahead;

  function learnFromPage() {
    const timer = document.getElementById("countdown");
    const arrived = performance.getEntriesByType("navigation")[0]?.responseStart || performance.now();
    if (timer) learn(Number(timer.dataset.now), arrived);
  }

  function show(timer, left) {
    for (const [unit, size] of UNITS) {
      const value = Math.floor(left / size);
      left -= value * size;
      const figure = timer.querySelector(`[data-unit=${unit}]`);
      const text = unit === "days" ? String(value) : String(value).padStart(2, "0");
      if (figure.textContent === text) continue;
      figure.textContent = text;
      figure.nextElementSibling.textContent = JSON.parse(figure.nextElementSibling.dataset.words)[plurals.select(value)];
    }
  }

  let askedAt = -Infinity;
  function tick() {
    const timer = document.getElementById("countdown");
    if (!timer || ahead === -Infinity) return;
    const left = (Date.parse(timer.dataset.until) - now()) / 1000;
    show(timer, Math.max(0, Math.ceil(left)));
    // The moment has come: fetch the band as it is now (a preview does not). Not everybody in the same instant.
    const isAsked = timer.dataset.again && Date.parse(timer.dataset.switches) <= now();
    if (isAsked && performance.now() - askedAt > RETRY_MS + JITTER_MS) {
      fetchBand(timer);
    }
  }

  function fetchBand(timer) {
    askedAt = performance.now();
    window.setTimeout(() => window.htmx?.ajax("GET", timer.dataset.again, { target: "#band", swap: "outerHTML" }), Math.random() * JITTER_MS);
  }

  // The figures tell which band fits them: when the match is all taken, and when money comes free, it says other words.
  // Not while somebody types into it; the next figures come in a few seconds.
  function fitBand() {
    const band = document.getElementById("band");
    const fitting = document.querySelector("#progress [data-band]");
    const timer = document.getElementById("countdown");
    if (!band || !fitting || fitting.dataset.band === band.dataset.band || !timer?.dataset.again) return;
    if (band.querySelector("input:focus") || performance.now() - askedAt <= RETRY_MS + JITTER_MS) return;
    fetchBand(timer);
  }

  function beat() {
    tick();
    window.setTimeout(beat, 1000 - (ahead === -Infinity ? 0 : now() % 1000) + 5);
  }

  // Polls are spread out, and a page that nobody looks at asks nothing.
  document.addEventListener("htmx:confirm", (event) => {
    const polled = "poll" in event.target.dataset || (event.target.id === "line" && !event.detail.triggeringEvent);
    if (!polled) return;
    event.preventDefault();
    if (document.hidden) return;
    window.setTimeout(() => event.detail.issueRequest(true), Math.random() * JITTER_MS);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    learn(Number(event.detail.xhr.getResponseHeader("X-Now-Ms")), performance.now());
    tick();
  });
  document.addEventListener("htmx:afterSwap", () => { tick(); fitBand(); });
  document.addEventListener("visibilitychange", () => {
    const progress = document.querySelector("#progress[data-hx-get]");
    if (!document.hidden && progress) window.htmx?.ajax("GET", progress.dataset.hxGet, { target: progress, swap: "innerHTML" });
  });

  // The give box says on its button what it will do.
  const box = document.querySelector(".give-box form");
  if (box) {
    const button = box.querySelector("button");
    const other = box.elements.other_amount;
    const plain = button.textContent;
    const label = () => {
      const chosen = box.querySelector("[name=amount]:checked");
      const amount = chosen && (chosen.nextElementSibling.querySelector("b") || chosen.nextElementSibling).textContent;
      button.textContent = !other.value.trim() && amount ? button.dataset.words.replace("{}", amount) : plain;
    };
    box.addEventListener("input", (event) => {
      if (event.target.name === "amount") other.value = "";
      if (event.target === other && other.value.trim()) box.querySelectorAll("[name=amount]").forEach((preset) => { preset.checked = false; });
      label();
    });
    label();
  }

  learnFromPage();
  beat();
})();
