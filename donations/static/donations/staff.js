// Says so when the figures stand still: no answer from the site for longer than three of its updates.
(() => {
  const LATE_MS = 16000;
  let answeredAt = Date.now();

  document.addEventListener("htmx:afterOnLoad", () => {
    answeredAt = Date.now();
  });

  // A tab in the background polls seldom; that is no silence of the site's.
  document.addEventListener("visibilitychange", () => {
    answeredAt = Date.now();
  });

  setInterval(() => {
    const line = document.getElementById("as-of");
    const isLate = Date.now() - answeredAt > LATE_MS && document.visibilityState === "visible";
    if (!line || line.classList.contains("stale") || !isLate) return;
    line.classList.add("stale");
    const said = document.createElement("span");
    said.className = "pill bad";
    said.setAttribute("role", "status");
    said.textContent = line.dataset.words;
    line.append(" ", said);
  }, 2000);
})();
