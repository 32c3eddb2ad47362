// What is typed into the giving form stays in this tab until it is sent: neither a reload nor a lost connection costs it.
// Cards never come here: their fields are Stripe's, on the next page.
(() => {
  "use strict";

  const KEPT = "giving-form";
  const FOR_AT_MOST = 30 * 60 * 1000;
  const form = document.querySelector(".in-steps");
  const isTyped = (field) => field.name && field.type !== "hidden" && !field.closest(".unasked");
  const fields = () => [...form.elements].filter(isTyped); // suggested gifts are others with another fund
  const isChoice = (field) => field.type === "checkbox" || field.type === "radio";
  // What the link asks for, whatever codes it carries: another wish than the kept one is not overwritten by it.
  const wish = [...new URLSearchParams(window.location.search)].filter(([name]) => !name.startsWith("utm_")).sort().join("&");

  function keep() {
    const values = fields().map((field) => [field.name, isChoice(field) ? `${field.value}=${field.checked}` : field.value]);
    try {
      sessionStorage.setItem(KEPT, JSON.stringify({ wish, at: Date.now(), values }));
    } catch {} // a browser that keeps nothing
  }

  function kept() {
    try {
      const found = JSON.parse(sessionStorage.getItem(KEPT));
      const isWished = found && (!wish || found.wish === wish);
      return isWished && Date.now() - found.at < FOR_AT_MOST ? found.values : [];
    } catch {
      return [];
    }
  }

  function restore() {
    const values = kept();
    const names = new Map(values);
    const chosen = new Set(values.map((pair) => pair.join(" ")));
    const fund = form.elements.fund;
    if (fund?.tagName === "SELECT" && names.has("fund")) {
      fund.value = names.get("fund");
      fund.dispatchEvent(new Event("change", { bubbles: true }));
    }
    for (const field of fields()) {
      if (!names.has(field.name)) continue;
      if (isChoice(field)) field.checked = chosen.has(`${field.name} ${field.value}=true`);
      else field.value = names.get(field.name);
      const isFilled = isChoice(field) ? field.checked && !field.defaultChecked : field.value !== field.defaultValue;
      if (isFilled && field.tagName !== "SELECT") field.closest("details")?.setAttribute("open", "");
    }
  }

  // An answer to what was sent, or a gift that is changed, comes filled in from our site, which knows better.
  if (!form.matches(".is-answered")) restore();
  form.addEventListener("input", keep);
  form.addEventListener("change", keep);

  const offline = document.getElementById("offline");
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented || navigator.onLine) return;
    event.preventDefault();
    event.stopPropagation();
    offline.hidden = false;
  });
  window.addEventListener("online", () => { offline.hidden = true; });
})();
