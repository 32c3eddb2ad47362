// The screen says when it has lost the site, and celebrates a milestone. Its figures come by the poll of live.html.
(() => {
  "use strict";

  const CELEBRATE_MS = 15000;
  const note = document.getElementById("lost-note");
  const party = document.getElementById("celebration");
  const shown = () => document.querySelector(".screen-now");

  const lost = () => {
    const at = shown()?.dataset.figuresAt;
    note.textContent = at ? note.dataset.wordsSince.replace("{}", at) : note.dataset.words;
    note.hidden = false;
  };
  for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) document.addEventListener(name, lost);
  document.addEventListener("htmx:afterOnLoad", (event) => { if (event.detail.xhr.status < 400) note.hidden = true; });

  let reached = Number(shown()?.dataset.reached ?? NaN);
  let ends = 0;
  document.addEventListener("htmx:afterSwap", () => {
    const now = shown();
    const count = Number(now?.dataset.reached ?? NaN);
    if (count > reached) {
      for (const part of ["amount", "text"]) {
        party.querySelector(`[data-part=${part}]`).textContent = now.dataset[part === "amount" ? "reachedAmount" : "reachedText"];
      }
      party.hidden = false;
      window.clearTimeout(ends);
      ends = window.setTimeout(() => { party.hidden = true; }, CELEBRATE_MS);
    }
    if (!Number.isNaN(count)) reached = count;
  });
})();
