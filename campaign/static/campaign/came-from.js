// The codes of the link that led here (utm_source ...) go on to the giving form: kept for this tab alone, without a cookie.
(() => {
  "use strict";

  const KEPT = "came-from";
  const CODES = /^utm_(source|medium|campaign|content|term)$/;

  function cameFrom() {
    const codes = new URLSearchParams([...new URLSearchParams(location.search)].filter(([name]) => CODES.test(name)));
    try {
      if (codes.toString()) sessionStorage.setItem(KEPT, codes);
      return new URLSearchParams(sessionStorage.getItem(KEPT) || "");
    } catch {
      return codes; // a browser that keeps nothing
    }
  }

  const codes = cameFrom();
  if (!codes.toString()) return;
  const isOfForm = (address) => address.origin === location.origin && address.pathname.endsWith("/give/");

  // The form's own steps and errors are links, too: another query would load the form anew, without what was typed.
  const isOnThisPage = (link) => link.hash && link.pathname === location.pathname;

  // Just before a link is followed, in whatever way: some links come with a poll.
  function passOn(event) {
    const link = event.target.closest?.("a[href]");
    if (!link || !isOfForm(link) || isOnThisPage(link)) return;
    const address = new URL(link.href);
    codes.forEach((value, name) => address.searchParams.set(name, value));
    link.href = address;
  }
  for (const moment of ["pointerdown", "focusin", "click"]) document.addEventListener(moment, passOn);
  document.addEventListener("formdata", (event) => {
    if (isOfForm(new URL(event.target.action))) codes.forEach((value, name) => event.formData.set(name, value));
  });
})();
