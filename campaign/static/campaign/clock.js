// One clock for every page: the countdown runs by it, and parts ask the site again when their moment comes or somebody
// comes back to them. And the pace of polls. Every page reads and works without this file.
(() => {
  "use strict";

  const CLOCK = document.currentScript.dataset.clock; // a small answer with the server's clock; a preview has none
  const CROWD_MS = 800; // at a moment not everybody asks in the same instant
  const POLL_SPREAD_MS = 1500;
  const AGAIN_MS = 2000;
  const OLD_COPIES_MS = 8000; // so long after a moment a cache between here and the site may have a copy from before it
  const NO_CONNECTION_MS = 5000, MOST_TRIES = 12;
  const SLEPT_MS = 2000;
  const UNITS = [["days", 86400], ["hours", 3600], ["minutes", 60], ["seconds", 1]];
  const plurals = new Intl.PluralRules(document.documentElement.lang);

  // The visitor's clock may be wrong, so the server's is carried on from the moment its answer came. A copy from a
  // cache, or a computer that slept, only ever makes the server's time look earlier: the latest estimate is the best.
  let ahead = -Infinity;
  const learn = (serverMs, at) => { if (serverMs > 0) ahead = Math.max(ahead, serverMs - at); };
  const now = () => performance.now() + ahead;

  // Parts have `moment from:body` and `back from:body` among what they ask at.
  const tell = (name) => document.body.dispatchEvent(new Event(name));

  function show(timer) {
    let left = Math.max(0, Math.ceil((Date.parse(timer.dataset.until) - now()) / 1000));
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

  // Until an answer changes what is shown, it is asked for again.
  let isAsked = false, rests;
  function ask() {
    if (isAsked || document.hidden) return;
    isAsked = true;
    window.clearTimeout(rests);
    rests = window.setTimeout(() => { rests = 0; }, OLD_COPIES_MS);
    window.setTimeout(() => {
      tell("moment");
      window.setTimeout(() => { isAsked = false; }, AGAIN_MS);
    }, Math.random() * CROWD_MS);
  }

  // What is shown ends at data-switches; where nothing else follows, there is none.
  const isOver = (part) => Date.parse(part.dataset.switches) <= now();
  function tick() {
    if (ahead === -Infinity) return;
    const timer = document.getElementById("countdown");
    if (timer) show(timer);
    if ([...document.querySelectorAll("[data-switches]")].some(isOver)) ask();
  }

  // The figures tell which band fits them: when the match is all taken, and when money comes free, it says other words.
  // Not while somebody types into it; the next figures come in a few seconds.
  function fitBand() {
    const band = document.getElementById("band");
    const fitting = document.querySelector("#progress [data-band]");
    if (!band?.dataset.hxGet || !fitting || fitting.dataset.band === band.dataset.band) return;
    if (!band.querySelector("input:focus")) ask();
  }

  // performance.now() may stand still while a computer sleeps, whether its tab was hidden or not.
  const gap = () => Date.now() - performance.now();
  let usualGap = gap();
  function beat() {
    if (Math.abs(gap() - usualGap) > SLEPT_MS) back();
    usualGap = gap();
    tick();
    window.setTimeout(beat, 1000 - (ahead === -Infinity ? 0 : now() % 1000) + 5);
  }

  let isAsking = false;
  async function askClock(triesLeft = MOST_TRIES) {
    if (!CLOCK) return;
    isAsking = true;
    try {
      const answer = await fetch(CLOCK, { method: "HEAD", cache: "no-store" });
      learn(Number(answer.headers.get("X-Now-Ms")), performance.now());
      isAsking = false;
      tick();
    } catch { // a computer that wakes is often without a connection at first
      if (triesLeft > 1) window.setTimeout(askClock, NO_CONNECTION_MS, triesLeft - 1);
      else isAsking = false;
    }
  }

  function back() {
    if (document.hidden || isAsking) return;
    askClock();
    tell("back");
  }
  for (const name of ["visibilitychange", "resume"]) document.addEventListener(name, back);
  window.addEventListener("pageshow", (event) => { if (event.persisted) back(); });

  // Polls are spread out; a page that nobody looks at asks nothing, nor one that has just asked at its moment.
  document.addEventListener("htmx:confirm", (event) => {
    if (event.detail.triggeringEvent) return;
    event.preventDefault();
    const ask = () => { if (!rests && !document.hidden) event.detail.issueRequest(true); };
    window.setTimeout(ask, Math.random() * POLL_SPREAD_MS);
  });
  document.addEventListener("htmx:configRequest", (event) => {
    const { elt, triggeringEvent, parameters, headers } = event.detail;
    const shown = elt.dataset.band || document.getElementById("countdown")?.dataset.stage;
    if (triggeringEvent?.type === "moment" && shown) parameters.after = shown; // a copy from before it is no answer
    headers["Cache-Control"] = "max-age=0"; // nor is what the browser kept
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    learn(Number(event.detail.xhr.getResponseHeader("X-Now-Ms")), performance.now());
    tick();
  });
  document.addEventListener("htmx:afterSwap", () => { tick(); fitBand(); });

  const [visit] = performance.getEntriesByType("navigation");
  learn(Number(document.querySelector("[data-now]")?.dataset.now), visit?.responseStart || performance.now());
  if (visit?.type === "back_forward" || visit?.transferSize === 0) askClock(); // the page itself may be an old copy
  beat();
})();
