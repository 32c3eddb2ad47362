// Shows a part of a page while it is written: sends the unsaved form, and puts the answer into a frame without scripts.
(() => {
  "use strict";

  const QUIET_MS = 400;

  document.addEventListener("DOMContentLoaded", () => {
    const place = document.querySelector(".part-preview[data-address]");
    const form = place?.closest("form");
    if (!form) return;
    const words = place.querySelector("p");
    const frame = document.createElement("iframe");
    frame.title = place.dataset.words;
    frame.setAttribute("sandbox", "allow-same-origin"); // no scripts; the same origin for its stylesheets and height
    place.append(frame);

    function show(html) {
      const scrolled = frame.contentWindow?.scrollY || 0;
      frame.addEventListener("load", () => {
        frame.contentDocument.querySelectorAll("a, button").forEach((link) => { link.tabIndex = -1; link.removeAttribute("href"); });
        frame.contentWindow.scrollTo(0, scrolled);
      }, { once: true });
      frame.srcdoc = html;
    }

    // A chosen file is not sent: the frame shows it from here, under an address that only this page knows.
    const addresses = new Map();
    function chosen() {
      const inputs = [...form.querySelectorAll("input[type=file]")].filter((input) => input.files.length);
      const files = inputs.map((input) => input.files[0]);
      for (const [file, address] of addresses) if (!files.includes(file)) { URL.revokeObjectURL(address); addresses.delete(file); }
      return inputs.map((input, at) => {
        if (!addresses.has(files[at])) addresses.set(files[at], URL.createObjectURL(files[at]));
        return [input.name, addresses.get(files[at])];
      });
    }

    let asked = 0;
    async function renew() {
      const mine = ++asked;
      const sent = new FormData(form);
      for (const [name, value] of [...sent]) if (value instanceof File) sent.delete(name);
      for (const [name, address] of chosen()) sent.set(`chosen:${name}`, address);
      try {
        const answer = await fetch(place.dataset.address, { method: "POST", body: sent, credentials: "same-origin" });
        const html = await answer.text();
        if (mine !== asked) return;
        words.textContent = answer.ok ? words.dataset.shown : words.dataset.trouble;
        if (answer.ok) show(html);
      } catch {
        if (mine === asked) words.textContent = words.dataset.trouble;
      }
    }

    let timer = 0;
    const later = () => { window.clearTimeout(timer); timer = window.setTimeout(renew, QUIET_MS); };
    for (const moment of ["input", "change", "trix-change", "formset:added", "formset:removed"]) form.addEventListener(moment, later);
    document.addEventListener("formset:removed", later);
    later();
  });
})();
