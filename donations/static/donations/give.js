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

  const parts = document.getElementById("gift-parts");
  if (!parts) return;
  const other = parts.querySelector("[name=other_amount]");
  const presets = parts.querySelectorAll("[name=amount]");
  const split = parts.querySelectorAll("[name^='split-']");

  // One amount counts: choosing a suggested one empties the other, typing another one lets the choice go.
  parts.addEventListener("input", (event) => {
    if (event.target.name === "amount") other.value = "";
    if (event.target === other && other.value.trim()) presets.forEach((preset) => { preset.checked = false; });
  }, true);

  // Opening "split" starts from the gift as it stands.
  const details = split.length ? split[0].closest("details") : null;
  details?.addEventListener("toggle", () => {
    const isEmpty = [...split].every((field) => !field.value.trim());
    const chosen = [...presets].find((preset) => preset.checked);
    const first = [...split].find((field) => field.name === `split-${parts.querySelector("[name=fund]").value}`);
    if (!details.open || !isEmpty || !first) return;
    first.value = other.value.trim() || (chosen ? chosen.value : "");
    first.dispatchEvent(new Event("input", { bubbles: true }));
  });
})();
