// The steps of the giving form. The style sheet shows them, by the address after #; this leads a reader from one to the next.
(() => {
  "use strict";

  const form = document.querySelector(".in-steps");
  const [gift, you] = ["your-gift", "about-you"].map((id) => document.getElementById(id));
  const marks = document.querySelectorAll(".steps li");
  const isShown = (part) => part.getClientRects().length > 0;
  const isInSteps = () => isShown(form.querySelector(".step-on")) || isShown(form.querySelector(".step-back"));
  const isAtYou = () => isShown(you);

  function mark() {
    if (!isInSteps()) return;
    const at = isAtYou() ? 1 : 0;
    marks.forEach((item, number) => {
      item.classList.toggle("on", number <= at);
      if (number === at) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    });
  }

  // Our site's own answer to the amount as it stands; an amount that asks for another is mended before the next step.
  const asks = () => form.querySelector("#match-words .is-ask") && form.querySelector("[name=promised_for]");

  let touched = form.querySelector("[name=other_amount]");
  const said = document.createElement("p");
  said.className = "err";
  said.id = "amount-err";
  said.setAttribute("role", "alert");

  function sayAtTheField(text) {
    said.textContent = text;
    touched.parentElement.append(said);
    touched.parentElement.classList.add("bad");
    touched.setAttribute("aria-invalid", "true");
    touched.setAttribute("aria-errormessage", said.id);
    touched.focus();
  }

  function takeBack() {
    if (!said.isConnected) return;
    const field = said.parentElement.querySelector("input");
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-errormessage");
    said.parentElement.classList.remove("bad");
    said.remove();
  }

  form.addEventListener("input", ({ target }) => {
    takeBack();
    if (target.matches("#gift-parts input[type=text]")) touched = target;
  });
  form.querySelector(".step-on").addEventListener("click", (event) => {
    if (!asks()) return;
    event.preventDefault();
    takeBack();
    sayAtTheField(form.querySelector("#match-words p").textContent);
  });

  // Enter in a field of the first step leads on, as it would from one page to the next.
  form.addEventListener("submit", (event) => {
    if (!isInSteps() || isAtYou()) return;
    event.preventDefault();
    event.stopPropagation();
    form.querySelector(".step-on").click();
  });

  // The link past the header would lead out of the second step: it leads to its beginning.
  document.querySelector(".skip")?.addEventListener("click", (event) => {
    if (!isInSteps() || !isAtYou()) return;
    event.preventDefault();
    you.focus();
  });

  window.addEventListener("hashchange", () => {
    mark();
    if (!isInSteps()) return;
    const target = document.getElementById(window.location.hash.slice(1)) ?? gift;
    if (target === gift || target === you) {
      target.focus({ preventScroll: true });
      document.querySelector(".steps").scrollIntoView();
    } else if (form.contains(target)) target.focus();
  });
  mark();
})();
