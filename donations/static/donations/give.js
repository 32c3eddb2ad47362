// The giving form's small conveniences. Everything works without this file; correctness is the server's.
(() => {
  "use strict";

  const BUSY_FOR_AT_MOST = 12000;

  function release(form) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button[aria-disabled]")) {
      button.removeAttribute("aria-disabled");
      if (button.dataset.label) button.textContent = button.dataset.label;
    }
  }

  // A second press while the first is on its way does nothing.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.hasAttribute("data-once")) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    const button = event.submitter || form.querySelector("button");
    button.setAttribute("aria-disabled", "true");
    if (button.dataset.busy) {
      button.dataset.label = button.textContent;
      button.textContent = button.dataset.busy;
    }
    window.setTimeout(() => release(form), BUSY_FOR_AT_MOST);
  });

  // The back button may bring the page as it was left, with its button pressed.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) document.querySelectorAll("form[data-sent]").forEach(release);
  });

  // The device's own share sheet, where it has one; the links beside the button do without.
  function offerShare() {
    if (navigator.share) document.querySelectorAll("[data-share]").forEach((button) => { button.hidden = false; });
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-share]");
    if (!button) return;
    const { title, text, url } = button.dataset;
    navigator.share({ title, text, url }).catch(() => {}); // closed by the donor
  });
  document.addEventListener("htmx:afterSettle", offerShare);
  offerShare();

  const parts = document.getElementById("gift-parts");
  if (!parts) return;
  const other = parts.querySelector("[name=other_amount]");
  const suggested = document.getElementById("suggested");
  let presets = suggested.querySelectorAll("[name=amount]");
  const split = parts.querySelectorAll("[name^='split-']");

  const fund = parts.querySelector("[name=fund]");
  const details = split.length ? split[0].closest("details") : null;
  const isSplit = () => [...split].some((field) => field.value.trim());
  const letChoiceGo = () => presets.forEach((preset) => { preset.checked = false; });

  // Each fund suggests gifts of its own and says what they do there. A choice that it suggests, too, stays chosen.
  const first = document.createElement("template");
  first.content.append(...[...suggested.childNodes].map((node) => node.cloneNode(true)));
  first.dataset.suggested = fund.value;

  function suggestFor(slug) {
    const found = [first, ...document.querySelectorAll("[data-suggested]")].find((one) => one.dataset.suggested === slug);
    if (!found || suggested.dataset.of === slug) return;
    const chosen = [...presets].find((preset) => preset.checked)?.value;
    suggested.dataset.of = slug;
    suggested.replaceChildren(found.content.cloneNode(true));
    presets = suggested.querySelectorAll("[name=amount]");
    const same = [...presets].find((preset) => preset.value === chosen);
    if (same) same.checked = true;
    if (chosen === undefined) letChoiceGo();
  }
  suggested.dataset.of = fund.value;
  parts.addEventListener("change", (event) => {
    if (event.target === fund) suggestFor(fund.value);
    suggested.classList.toggle("elsewhere", isSplit());
  });

  // One amount counts, the one touched last: a suggested one, another one, or the split, which then shows no other.
  function leaveSplit() {
    split.forEach((field) => { field.value = ""; });
    if (details) details.open = false;
  }

  // A fund chosen after all takes the whole gift, if the split can be added up.
  function giveAllToOneFund() {
    const sum = [...split].reduce((total, field) => total + Number(field.value.replace(/[^0-9.]/g, "")), 0);
    other.value = sum > 0 ? String(Math.round(sum * 100) / 100) : "";
    leaveSplit();
  }

  parts.addEventListener("input", (event) => {
    const field = event.target;
    if (field.name === "amount") other.value = "";
    if (field === other && other.value.trim()) letChoiceGo();
    if ((field.name === "amount" || field === other) && isSplit()) leaveSplit();
    if (field === fund && isSplit()) giveAllToOneFund();
    if ([...split].includes(field) && field.value.trim()) {
      letChoiceGo();
      other.value = "";
    }
  }, true);

  // A page that the browser brings back with what was typed asks anew: its line is that of the page as it first came.
  const isChanged = (field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked;
  window.addEventListener("pageshow", (event) => {
    const fields = [other, ...presets, ...split];
    const isOtherFund = fund.options && !fund.selectedOptions[0]?.defaultSelected;
    if (event.persisted || isOtherFund || fields.some(isChanged)) window.htmx?.trigger(parts, "change");
  });

  // The line ends with its moment, and may be an old one for who comes back to it (clock.js).
  for (const name of ["moment", "back"]) document.body.addEventListener(name, () => window.htmx?.trigger(parts, "change"));

  // Without an answer the line is of a gift that stands there no more, and so is the match that it promised.
  const line = document.getElementById("match-words");
  for (const trouble of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    parts.addEventListener(trouble, () => {
      const words = document.createElement("p");
      const box = document.createElement("div");
      words.textContent = line.dataset.unreachable;
      box.className = "match-line is-ask";
      box.append(words);
      line.replaceChildren(box);
    });
  }

  // Opening "split" starts from the gift as it stands.
  details?.addEventListener("toggle", () => {
    const chosen = [...presets].find((preset) => preset.checked);
    const first = [...split].find((field) => field.name === `split-${fund.value}`);
    if (!details.open || isSplit() || !first) return;
    first.value = other.value.trim() || (chosen ? chosen.value : "");
    first.dispatchEvent(new Event("input", { bubbles: true }));
  });
})();
