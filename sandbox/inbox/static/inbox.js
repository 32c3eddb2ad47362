/* New mail shows itself: the list is fetched again every few seconds and replaced only when it has changed. */
"use strict";
const LOOK_MS = 3000;

async function look() {
  try {
    const answer = await fetch("/", { cache: "no-store" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of ["mails", "count"]) {
      const [here, there] = [document.getElementById(id), fresh.getElementById(id)];
      if (there && here.innerHTML !== there.innerHTML) here.replaceChildren(...there.childNodes);
    }
  } catch {
    /* The inbox is not running just now; the next look will tell. */
  }
}
setInterval(() => { if (!document.hidden && !document.getElementById("mails").contains(document.activeElement)) look(); }, LOOK_MS);
